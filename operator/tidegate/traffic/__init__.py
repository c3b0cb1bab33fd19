"""Traffic providers: what splits requests between revisions, one file a provider. Pure, no I/O.

`base` says what a provider is, `registry` which there are, `features` what a strategy asks of one.
"""
