"""Asking single pods for predictions, before any traffic reaches them."""
