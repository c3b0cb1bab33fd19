"""Bad input, case by case: a condition of the Model says what is wrong and how to mend it, and what
serves is not touched. Sources, the init container and the loading of models are the real ones."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.controllers import bad_input as case
from tests.controllers.bad_input import V2, Stand, stand
from tests.controllers.named import break_pods, direct, revision_of, traffic
from tests.controllers.site import Site, condition

from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

PAGE = Path(__file__).parents[2] / "docs" / "bad-input.md"


def name_of_case(part: object) -> str | None:
    """For pytest: the functions name the cases."""
    return getattr(part, "__name__", None)


UNKNOWN, FALSE = "Unknown", "False"
AT_THE_SOURCE = [
    (case.unknown_alias, "Resolved", FALSE, "ArtifactNotFound", "alias 'nobody' of 'fraud'",
     "correct spec.artifact.uri, or register it"),
    (case.missing_version, "Resolved", FALSE, "ArtifactNotFound", "version 7 of 'fraud'",
     "correct spec.artifact.uri, or register it"),
    (case.deleted_files_of_a_version, "Resolved", FALSE, "FilesMissing",
     "files at runs/3/model.skops are", "log and register it again, or ask for another"),
    (case.moved_address, "Resolved", FALSE, "ArtifactNotFound", "/moved.skops answers 404",
     "correct spec.artifact.uri, or put the file there"),
    (case.deleted_file, "Resolved", FALSE, "ArtifactNotFound", "gone.skops", "correct"),
    (case.wrong_digest, "Verified", FALSE, "DigestMismatch", case.DIGITS,
     "put the pinned file back"),
    (case.wrong_digest_of_a_version, "Verified", FALSE, "DigestMismatch", "version 3",
     "ask for the version that is pinned"),
    (case.truncated, "Resolved", UNKNOWN, "Unreachable", "/model.skops", "check the address"),
    (case.leaving_archive, "Resolved", FALSE, "UnsafePath", "../escaped", "pack"),
    (case.linking_archive, "Resolved", FALSE, "UnsafePath", "which is a link",
     "pack the files themselves"),
    (case.bomb, "Verified", FALSE, "TooLarge", "unpacks to more than", "make the model smaller"),
    (case.no_archive, "Resolved", FALSE, "ArchiveInvalid", "no tar archive",
     "must be packed again"),
    (case.too_large, "Verified", FALSE, "TooLarge", "larger than 100000 bytes",
     "make the model smaller"),
    (case.registry_down, "Resolved", UNKNOWN, "Unreachable", "answers 503", "in trouble or busy"),
    (case.registry_gone, "Resolved", UNKNOWN, "Unreachable", "cannot be reached",
     "see that it is up"),
    (case.registry_slow, "Resolved", UNKNOWN, "Unreachable", "did not answer within",
     "see that it is up and not overloaded"),
    (case.expired_credentials, "Resolved", FALSE, "ArtifactForbidden", "answers 401",
     "Secret 'registry' are wrong, expired"),
    (case.contradicted_signature, "Verified", FALSE, "SignatureMismatch", "amount",
     "correct spec.signature, or ask for another version"),
    (case.missing_metric, "GatesPassed", FALSE, "GateFailed", "has no metric recall",
     "log it, and register the version anew"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("bad", "type_", "status", "reason", "words", "mend"), AT_THE_SOURCE, ids=name_of_case
)
async def test_what_is_wrong_at_the_source_is_told_and_what_serves_goes_on(
    site: Site,
    tmp_path: Path,
    bad: Callable[[Stand], Awaitable[None]],
    type_: str,
    status: str,
    reason: str,
    words: str,
    mend: str,
) -> None:
    async with stand(site, tmp_path) as at:
        before = await at.served()
        await bad(at)
        found = await site.model()
        told = condition(found, type_)
        assert (told["status"], told["reason"]) == (status, reason)
        assert words in told["message"]
        assert mend in told["message"]
        assert told["observedGeneration"] == found["metadata"]["generation"]
        ready = condition(found, "Ready")
        assert (ready["status"], ready["reason"]) == ("False", reason)
        assert mend in ready["message"]
        waits = status == UNKNOWN
        assert condition(found, "Reconciling" if waits else "Stalled")["status"] == "True"
        assert condition(found, "Stalled" if waits else "Reconciling") == {}
        assert "s3cret" not in str(found)
        assert condition(found, "Available")["status"] == "True"
        assert await at.served() == before
        assert set(await site.deployments()) == {before["stable"]}


IN_A_POD = [
    (case.overwritten, "DigestMismatch", "the file there was changed", "Put the right one back"),
    (case.deleted, "ArtifactNotFound", "answers 404", "put the file there"),
    (case.refused_to_pods, "ArtifactForbidden", "answers 401", "renew them there"),
    (case.overwritten_archive, "UnsafePath", "../escaped", "pack"),
    (case.lacking_module, "LoadFailed", "needs the module own_features",
     "serve it by runtime.custom in an image that holds the module"),
    (case.lacking_package, "LoadFailed", "needs the package prophet",
     "serve it by runtime.custom in an image that holds the package"),
    (case.other_scikit_learn, "LoadFailed", "trained by scikit-learn 0.24.2",
     "serve it by runtime.custom in an image with the version that trained it"),
    (case.other_width, "SignatureMismatch", "2", "signature"),
]  # fmt: skip


INIT = (case.overwritten, case.deleted, case.refused_to_pods, case.overwritten_archive)
"""What the init container finds out."""


@pytest.mark.parametrize(("bad", "reason", "words", "mend"), IN_A_POD, ids=name_of_case)
async def test_what_a_pod_finds_wrong_is_told_and_what_serves_goes_on(
    site: Site,
    tmp_path: Path,
    bad: Callable[[Stand], Callable[[], Any]],
    reason: str,
    words: str,
    mend: str,
) -> None:
    async with stand(site, tmp_path) as at:
        before, new = await at.served(), revision_of(V2)
        with pytest.raises(Terminal) as caught:
            await asyncio.to_thread(bad(at))
        init = bad in INIT
        break_pods(site, new, caught.value.reason, caught.value.message, init=init)
        await at.put(direct(V2))
        found = await site.model()
        told = condition(found, "Verified")
        certain = "Unknown" if reason == "ArtifactForbidden" else "False"
        assert (told["status"], told["reason"]) == (certain, reason)
        assert words in told["message"]
        assert mend in told["message"]
        ready = condition(found, "Ready")
        assert (ready["status"], ready["reason"]) == ("False", "RevisionFailed")
        assert mend in ready["message"]
        assert condition(found, "Stalled")["status"] == "True"
        assert "s3cret" not in str(found)
        assert await at.served() == before
        assert found["status"]["delivery"]["rejected"][0]["revision"] == new


async def test_a_download_that_breaks_off_is_told_and_tried_again(
    site: Site, tmp_path: Path
) -> None:
    async with stand(site, tmp_path) as at:
        before, new = await at.served(), revision_of(V2)
        with pytest.raises(Terminal) as caught:
            await asyncio.to_thread(case.broken_off(at))
        break_pods(site, new, caught.value.reason, caught.value.message, init=True)
        await at.put(direct(V2))
        found = await site.model()
        ready = condition(found, "Ready")
        assert (ready["status"], ready["reason"]) == ("False", "Starting")
        assert "/model.skops cannot be reached" in ready["message"]
        assert condition(found, "Reconciling")["status"] == "True"
        assert await at.served() == before
        site.harness.world.recover(new)
        await site.pass_time(seconds=5)
        assert await traffic(site) == {new: 100}


def test_the_page_on_bad_input_tells_of_every_case() -> None:
    page = PAGE.read_text()
    told = [(bad.__name__, reason) for bad, _, _, reason, *_ in AT_THE_SOURCE]
    told += [(bad.__name__, reason) for bad, reason, *_ in IN_A_POD]
    for name, reason in told:
        words = name.replace("_", " ")
        row = next((line for line in page.splitlines() if f"({words})" in line), None)
        assert row is not None, words
        assert f"`{reason}`" in row, words
