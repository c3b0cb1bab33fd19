"""The controllers that a cluster brings along: what becomes of Deployments, Services, Jobs.

They speak to the API like anybody else, and write only what differs from what stands there.
"""

from tidegate.local.workloads.run import NODE_NAME, run_workloads

__all__ = ["NODE_NAME", "run_workloads"]
