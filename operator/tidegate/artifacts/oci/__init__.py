"""oci:// artifacts: models as artifacts of a container registry, by tag or by digest.

`reference.py` reads URIs, `manifest.py` says what the layers of an artifact are, `access.py` how a
registry wants to be asked, `source.py` resolves and fetches.
"""
