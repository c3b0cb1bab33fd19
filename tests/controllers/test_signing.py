"""Artifacts that must be signed, through the real controllers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.controllers.named import direct, traffic
from tests.controllers.site import Site, condition
from tests.controllers.test_trial import put
from tests.domain.test_model_signing import KEY, P256, SIGNED, bundle, pem, statement

if TYPE_CHECKING:
    from pathlib import Path


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
