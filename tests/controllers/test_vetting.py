"""Artifacts that must be signed, and those that are pickles, through the real controllers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.controllers.named import direct, traffic
from tests.controllers.site import NAMESPACE, Site, condition
from tests.controllers.test_trial import put
from tests.domain.test_model_signing import (
    CA,
    KEY,
    P256,
    SIGNED,
    TREE_KEY,
    bundle,
    lay_tree,
    pem,
    statement,
)

from tidegate.kube.resources import DEPLOYMENTS

if TYPE_CHECKING:
    from pathlib import Path

PICKLED = """\
flavors:
  python_function: {loader_module: mlflow.sklearn, model_path: model.pkl}
  sklearn: {pickled_model: model.pkl, serialization_format: cloudpickle, sklearn_version: 1.9.1}
"""


def signed(folder: Path, *keys: str) -> dict[str, Any]:
    """A Model whose artifact, the file that is signed there, must be signed by one of the keys."""
    document = direct((folder / "model.txt").as_uri())
    document["spec"]["artifact"]["signedBy"] = {"publicKeys": list(keys)}
    del document["spec"]["artifact"]["sha256"]
    return document


def lay(site: Site, folder: Path, signature: bytes | None) -> None:
    artifact = folder / "model.txt"
    artifact.write_bytes((SIGNED / "model.txt").read_bytes())
    site.shelf.content[artifact.as_uri()] = artifact.read_text()
    if signature is not None:
        (folder / "model.txt.sig").write_bytes(signature)


async def test_a_signed_artifact_serves(site: Site, tmp_path: Path) -> None:
    lay(site, tmp_path, (SIGNED / "file.sig").read_bytes())
    found = await put(site, signed(tmp_path, P256))
    assert condition(found, "Ready")["status"] == "True"


async def test_an_artifact_without_a_signature_is_refused_until_it_is_signed(
    site: Site, tmp_path: Path
) -> None:
    lay(site, tmp_path, None)
    found = await put(site, signed(tmp_path, pem(KEY)))
    for type_ in ("Resolved", "Verified", "Ready"):
        assert condition(found, type_)["reason"] == "SigningMissing"
    assert await site.deployments() == {}
    lay(site, tmp_path, bundle(statement()))
    await site.pass_time(minutes=2)
    assert list((await traffic(site)).values()) == [100]


async def test_an_artifact_that_another_key_signed_is_refused(site: Site, tmp_path: Path) -> None:
    lay(site, tmp_path, (SIGNED / "file.sig").read_bytes())
    found = await put(site, signed(tmp_path, pem(KEY)))
    assert condition(found, "Verified")["reason"] == "SigningInvalid"
    assert await site.deployments() == {}


async def test_a_version_that_was_there_before_it_had_to_be_signed_is_checked_too(
    site: Site, tmp_path: Path
) -> None:
    lay(site, tmp_path, None)
    document = direct((tmp_path / "model.txt").as_uri())
    del document["spec"]["artifact"]["sha256"]
    found = await put(site, document)
    assert condition(found, "Ready")["status"] == "True"
    served = await traffic(site)
    found = await put(site, signed(tmp_path, pem(KEY)))
    assert condition(found, "Verified")["reason"] == "SigningMissing"
    assert condition(found, "Ready")["status"] == "False"
    assert await traffic(site) == served
    lay(site, tmp_path, bundle(statement()))
    await site.pass_time(minutes=2)
    assert condition(await site.model(), "Ready")["status"] == "True"


async def test_a_key_that_is_taken_away_counts_no_more_for_what_it_signed(
    site: Site, tmp_path: Path
) -> None:
    lay(site, tmp_path, (SIGNED / "file.sig").read_bytes())
    await put(site, signed(tmp_path, P256))
    served = await traffic(site)
    found = await put(site, signed(tmp_path, pem(KEY)))
    assert condition(found, "Verified")["reason"] == "SigningInvalid"
    assert await traffic(site) == served


def signed_folder(folder: Path, **signed_by: list[str]) -> dict[str, Any]:
    document = direct(f"{folder.as_uri()}/")
    document["spec"]["artifact"] |= {"format": "mlflow", "signedBy": signed_by}
    del document["spec"]["artifact"]["sha256"]
    return document


async def test_a_signed_folder_serves(site: Site, tmp_path: Path) -> None:
    found = await put(site, signed_folder(lay_tree(tmp_path), publicKeys=[P256, TREE_KEY]))
    assert condition(found, "Ready")["status"] == "True"


async def test_a_folder_signed_with_a_certificate_serves(site: Site, tmp_path: Path) -> None:
    folder = lay_tree(tmp_path, "tree-cert.sig")
    found = await put(site, signed_folder(folder, certificateAuthorities=[CA]))
    assert condition(found, "Ready")["status"] == "True"


async def test_a_file_that_is_put_into_a_signed_folder_is_refused_and_what_serves_stays(
    site: Site, tmp_path: Path
) -> None:
    await put(site, signed_folder(lay_tree(tmp_path), publicKeys=[TREE_KEY]))
    served = await traffic(site)
    (tmp_path / "data" / "evil.py").write_text("import os")
    await site.pass_time(minutes=2)
    found = await site.model()
    for type_ in ("Resolved", "Verified"):
        assert condition(found, type_)["reason"] == "SigningInvalid"
    assert "'data/evil.py'" in condition(found, "Verified")["message"]
    assert await traffic(site) == served


async def test_what_lies_on_a_claim_is_checked_by_its_pods_which_are_told_the_signers(
    site: Site,
) -> None:
    document = direct("pvc://models/v1/")
    document["spec"]["artifact"]["signedBy"] = {"publicKeys": [TREE_KEY]}
    first = (await put(site, document))["status"]["latestRevision"]
    (deployment,) = (await site.kube.user.list(DEPLOYMENTS, namespace=NAMESPACE)).items
    (container,) = deployment["spec"]["template"]["spec"]["initContainers"]
    (told,) = [one["value"] for one in container["env"] if one["name"] == "TIDEGATE_SIGNED_BY"]
    assert json.loads(told)["publicKeys"] == [TREE_KEY]
    document["spec"]["artifact"]["signedBy"] = {"publicKeys": [P256]}
    assert (await put(site, document))["status"]["latestRevision"] != first


def an_mlflow_model(folder: Path, mlmodel: str, **artifact: Any) -> dict[str, Any]:
    (folder / "MLmodel").write_text(mlmodel)
    (folder / "model.pkl").write_bytes(b"no pickle at all: nobody must load it")
    document = direct(f"{folder.as_uri()}/")
    document["spec"]["artifact"] |= {"format": "mlflow", **artifact}
    del document["spec"]["artifact"]["sha256"]
    return document


async def test_a_pickle_of_mlflow_is_refused_before_any_pod(site: Site, tmp_path: Path) -> None:
    found = await put(site, an_mlflow_model(tmp_path, PICKLED))
    for type_ in ("Resolved", "Verified", "Ready"):
        assert condition(found, type_)["reason"] == "FormatUnsafe"
    said = condition(found, "Verified")
    assert (said["status"], "(model.pkl)" in said["message"]) == ("False", True)
    assert "spec.artifact.allowPickle" in said["message"]
    assert await site.deployments() == {}


async def test_a_pickle_that_the_model_allows_is_served(site: Site, tmp_path: Path) -> None:
    found = await put(site, an_mlflow_model(tmp_path, PICKLED, allowPickle=True))
    assert condition(found, "Ready")["status"] == "True"


async def test_a_model_that_is_no_pickle_is_served(site: Site, tmp_path: Path) -> None:
    onnx = "flavors: {onnx: {data: model.onnx}}"
    found = await put(site, an_mlflow_model(tmp_path, onnx))
    assert condition(found, "Ready")["status"] == "True"
    (deployment,) = (await site.kube.user.list(DEPLOYMENTS, namespace=NAMESPACE)).items
    (container,) = deployment["spec"]["template"]["spec"]["initContainers"]
    assert "--no-pickle" in container["args"]


async def test_a_version_that_becomes_a_pickle_leaves_what_serves(
    site: Site, tmp_path: Path
) -> None:
    document = an_mlflow_model(tmp_path, "flavors: {onnx: {data: model.onnx}}")
    await put(site, document)
    served = await traffic(site)
    (tmp_path / "MLmodel").write_text(PICKLED)
    await site.pass_time(minutes=2)
    assert condition(await site.model(), "Verified")["reason"] == "FormatUnsafe"
    assert await traffic(site) == served
