"""Two templates have one digest exactly if they make the same pods."""

from __future__ import annotations

import re
from typing import Any

from tidegate.local.workloads.template_hash import same_template, template_hash


def template(image: str = "a:1", **labels: str) -> dict[str, Any]:
    return {"metadata": {"labels": labels}, "spec": {"containers": [{"image": image}]}}


def test_the_label_that_carries_the_digest_does_not_change_it() -> None:
    plain = template(app="web")
    labelled = template(**{"app": "web", "pod-template-hash": "abc"})
    assert same_template(plain, labelled)
    assert template_hash(plain) == template_hash(labelled)


def test_another_image_is_another_template() -> None:
    assert not same_template(template("a:1"), template("a:2"))
    assert template_hash(template("a:1")) != template_hash(template("a:2"))


def test_a_taken_name_gives_way_to_another_digest() -> None:
    assert template_hash(template()) != template_hash(template(), collisions=1)


def test_a_digest_fits_into_a_name_and_a_label() -> None:
    assert re.fullmatch(r"[bcdfghjklmnpqrstvwxz2456789]{10}", template_hash(template()))
