"""Backends that run the pods of a Model and split its requests themselves, each by one object.

Native is none of them: its Deployments are `specs`', its routes `traffic`'s.
"""
