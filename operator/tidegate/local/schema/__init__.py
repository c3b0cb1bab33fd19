"""Schemas of the embedded API server: what an object may look like, and what it becomes.

Pure functions over JSON values. `structural` is the entrance for custom resources, `builtin` knows
the kinds that are part of the API itself. Nothing here does I/O or knows about requests.
"""
