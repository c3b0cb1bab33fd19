"""Tidegate: a Kubernetes operator that delivers machine-learning models on evidence that stays valid."""

__version__ = "0.1.0"
