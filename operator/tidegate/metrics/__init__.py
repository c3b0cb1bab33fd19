"""Sources of traffic metrics, each behind the protocol of `base`."""
