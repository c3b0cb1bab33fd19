"""Outputs that DVC tracks in a git repository: `dvc://`.

`reference` and `advertised` find the commit in the operator; `inspecting` runs in a Job with git
and DVC at hand, and says in a `report` what is tracked there; `fetcher` brings it into pods.
"""
