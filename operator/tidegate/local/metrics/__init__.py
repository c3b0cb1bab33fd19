"""The local cluster's metrics: a real Prometheus that scrapes Envoy and annotated pods."""
