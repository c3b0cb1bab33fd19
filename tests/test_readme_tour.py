"""The README's tour, typed as it stands there into a shell of a user with an empty home folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tidegate.demo.traffic import gateway_port

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
SHELL = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def tour(folder: str) -> list[str]:
    """The tour's blocks, and before its end another example. The folder `flights` is elsewhere: a
    user may have one of their own."""
    text = (ROOT / "README.md").read_text()
    *blocks, end = SHELL.findall(text.split("## Five-minute tour")[1].split("\n## ")[0])
    blocks += [instead_of_02("09-onnx.yaml"), end]
    moved = [re.sub(r"(?<=[ @])flights(?=[/ \n])", folder, block) for block in blocks]
    port = f"$(sed -n 's/.*port: //p' {folder}/01-gateway.yaml)"
    return [block.replace("127.0.0.1:8080", f"127.0.0.1:{port}") for block in moved]


def instead_of_02(name: str) -> str:
    """What a user types who tries another example in the place of the tour's Model."""
    return f"""
kubectl delete rollouts.tidegate.dev,models.tidegate.dev flight-delay --ignore-not-found
kubectl apply -f flights/{name}
kubectl wait models.tidegate.dev/flight-delay --for=condition=Ready --timeout=2m
curl -s -H 'Host: flights.example' http://127.0.0.1:8080/v2/models/flight-delay/infer \\
  --json @flights/artifacts/request.json --retry 5 --retry-all-errors -f -w '\\n'
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """Below the checkout, as file:// artifacts have to be."""
    path = ROOT / ".tidegate" / f"tour-{os.getpid()}"
    path.mkdir(parents=True)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A user's home, without a cluster in the end, whatever happened."""
    yield tmp_path
    subprocess.run(
        [str(ROOT / ".tidegate/env/operator/bin/tidegate"), "local", "down", "--delete"],
        env=environment(tmp_path),
        check=False,
        timeout=90,
    )


def environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TIDEGATE_")}
    return {**kept, "HOME": str(home)}


@pytest.mark.e2e
@pytest.mark.timeout(600)
def test_the_tour_works_as_it_is_written(home: Path, folder: Path) -> None:
    flights = folder / "flights"
    blocks = tour(str(flights.relative_to(ROOT)))
    assert len(blocks) == 6
    marks = [f"echo '=== block {number}'\n{block}" for number, block in enumerate(blocks)]
    script = "set -euo pipefail\ncd " + str(ROOT) + "\n" + "\n".join(marks)
    script = script.replace("> replay.log", f"> {folder}/replay.log").replace(
        "3 replay.log", f"3 {folder}/replay.log"
    )
    done = subprocess.run(
        ["bash", "-c", script],
        env=environment(home),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=570,
    )
    (home / "tour.log").write_text(done.stdout)
    assert done.returncode == 0, done.stdout
    parts = done.stdout.split("=== block ")[1:]
    assert gateway_port(flights) > 0
    assert '"outputs"' in parts[1]
    assert "condition met" in parts[2]
    assert "EvidenceRollsBack" in parts[3] or "GuardBroken" in parts[3]
    assert "condition met" in parts[4]
    assert '"outputs"' in parts[4]
    assert "is down" in parts[5]
