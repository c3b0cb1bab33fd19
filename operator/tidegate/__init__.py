"""Tidegate: a Kubernetes operator that delivers machine-learning models on lasting evidence."""

__version__ = "0.1.0"
