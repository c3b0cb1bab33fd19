"""The manifests that tests of `tidegate validate` change, and where they put them."""

from __future__ import annotations

from pathlib import Path

MODEL = """\
apiVersion: tidegate.dev/v1alpha1
kind: Model
metadata:
  name: flights
spec:
  delivery: Rollout
  artifact:
    uri: https://models.example/v1
    format: onnx
  runtime: {v2: {}}
  traffic:
    gatewayAPI:
      parentRefs: [{name: public, namespace: infra}]
      hostnames: [flights.example]
"""
ROLLOUT = """\
apiVersion: tidegate.dev/v1alpha1
kind: Rollout
metadata: {name: flights}
spec:
  modelRef: {name: flights}
  strategy:
    canary:
      steps:
      - {weight: 5}
      - {weight: 50}
  analysis:
    metrics:
    - {name: errors, type: ErrorRate, margin: {ratio: 1.5, absolute: 5e-3}}
"""
GATEWAY = """\
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: public, namespace: infra}
spec:
  gatewayClassName: any
  listeners:
  - {name: http, protocol: HTTP, port: 80, allowedRoutes: {namespaces: {from: All}}}
"""
ALL = f"{MODEL}---\n{ROLLOUT}---\n{GATEWAY}"


def put(name: str, text: str) -> str:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return name
