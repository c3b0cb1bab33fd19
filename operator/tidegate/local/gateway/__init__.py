"""The local cluster's gateway: Gateway API objects become the configuration of a real Envoy.

`translate` is pure (objects in, Envoy documents and conditions out); `xds` hands the documents to
Envoy and waits for its answer; `controller` joins the two and writes statuses.
"""
