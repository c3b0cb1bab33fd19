"""Mount paths are replaced where they are paths, and nowhere else."""

from __future__ import annotations

import pytest

from tidegate.local.node.paths import Mount, PathRewriter

REWRITER = PathRewriter(
    [Mount("/data", "/pods/1/data"), Mount("/data/cache", "/claims/c"), Mount("/etc/cfg/", "/cfg")]
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/data", "/pods/1/data"),
        ("/data/", "/pods/1/data/"),
        ("/data/x/y", "/pods/1/data/x/y"),
        ("/data/cache/sha256", "/claims/c/sha256"),
        ("--to=/data/x", "--to=/pods/1/data/x"),
        ("echo a > /data/x; ls /etc/cfg", "echo a > /pods/1/data/x; ls /cfg"),
        ('{"path":"/data"}', '{"path":"/pods/1/data"}'),
        ("/bin:/data/bin", "/bin:/pods/1/data/bin"),
        ("file:///data/m.skops", "file:///pods/1/data/m.skops"),
        ("/data2", "/data2"),
        ("/data.old", "/data.old"),
        ("/mnt/data", "/mnt/data"),
        ("mydata/data", "mydata/data"),
        ("http://host/data/x", "http://host/data/x"),
        ("http://data/x", "http://data/x"),
    ],
)
def test_a_text_is_rewritten(text: str, expected: str) -> None:
    assert REWRITER.rewrite(text) == expected


def test_without_mounts_nothing_changes() -> None:
    assert PathRewriter([]).rewrite("/data") == "/data"
