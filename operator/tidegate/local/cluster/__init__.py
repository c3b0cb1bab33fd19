"""The embedded cluster as a whole: its state on disk, its keys, its parts and their supervisor.

    async with LocalCluster(tmp_path) as cluster:
        client = cluster.client()

`tidegate.local.cluster.local` holds `LocalCluster`; nothing is imported here, so that the command
line stays quick.
"""
