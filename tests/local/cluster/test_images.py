"""Which environment stands for which image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tidegate.local.cluster.images import default_images, repository

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("image", "name"),
    [
        ("tidegate/operator", "tidegate/operator"),
        ("tidegate/operator:0.1.0", "tidegate/operator"),
        ("tidegate/operator@sha256:abc", "tidegate/operator"),
        ("registry.example:5000/a/b:1@sha256:abc", "registry.example:5000/a/b"),
        ("python", "python"),
    ],
)
def test_tags_and_digests_make_no_difference(image: str, name: str) -> None:
    assert repository(image) == name


@pytest.fixture
def environments(tmp_path: Path) -> Path:
    for name in ("operator", "v2", "seldon"):
        program = tmp_path / name / "bin" / "python"
        program.parent.mkdir(parents=True)
        program.touch()
    return tmp_path


def test_our_images_are_environments_and_only_the_operator_talks_to_the_api(
    environments: Path,
) -> None:
    images = default_images({"TIDEGATE_ENVS": str(environments)})
    operator, runtime = images.lookup("tidegate/operator:1"), images.lookup("tidegate/runtime-v2")
    assert operator is not None
    assert runtime is not None
    assert (operator.path, operator.api_access) == ([str(environments / "operator/bin")], True)
    assert (runtime.path, runtime.api_access) == ([str(environments / "v2/bin")], False)
    assert runtime.env["PYTHONPATH"].endswith("operator")
    seldon = images.lookup("tidegate/runtime-seldon:1")
    assert seldon is not None
    assert (operator.own_network, runtime.own_network, seldon.own_network) == (False, False, True)


def test_an_image_without_environment_is_unknown_and_the_table_says_where_it_looked(
    environments: Path,
) -> None:
    (environments / "v2" / "bin" / "python").unlink()
    images = default_images({"TIDEGATE_ENVS": str(environments)})
    assert images.lookup("tidegate/runtime-v2:1") is None
    assert str(environments) in images.describe()
    assert "holds tidegate/operator" in images.describe()
