"""The embedded single-machine cluster: a client of the same API as everybody else."""
