"""Fakes that are shipped, for our own tests and for those of users."""
