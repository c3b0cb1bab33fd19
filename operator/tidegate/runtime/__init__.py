"""controller-runtime's semantics on kopf: queue, controllers, cache, resync, Lease, host.

It decides when a reconciler runs and what becomes of its outcome; never what it does.
`process.py` documents how an operator is put together.
"""
