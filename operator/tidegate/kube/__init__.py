"""Talking to a Kubernetes API server: kinds, requests, transports, the client, events, its clock.

Raw dictionaries go in and out; nothing here decides anything about models or rollouts.
"""
