"""Pure builders of the objects that Tidegate owns, one file a kind. No I/O, no decisions.

Each returns a whole object for server-side apply: what is not in it is not ours.
"""
