"""Checks of manifests without a cluster: what `tidegate validate` and `tidegate plan -f` share.

`documents` reads files and knows where each field stands, `bundles` finds the files, `schema`
checks one object, `references` and `gateways` what several say of each other, `reports` and `sarif`
show the findings.
"""
