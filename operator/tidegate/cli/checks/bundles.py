"""Finds the manifests that a path means: files, folders, kustomize folders, stdin.

A bundle is what would be applied together. A folder with a kustomization is rendered by kustomize
and is a bundle of its own; findings in it point into the manifests it was made of.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tidegate.cli.checks.documents import Document, read_documents, unreadable
from tidegate.cli.checks.findings import Spot
from tidegate.errors import Terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tidegate.cli.checks.findings import Finding

STDIN = "-"
_SUFFIXES = (".yaml", ".yml", ".json")
_KUSTOMIZATIONS = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_GROUP = "tidegate.dev/"
_TEMPLATE = "{{"
_TIMEOUT_S = 120


@dataclass
class Bundle:
    """Manifests that would be applied together, and what could not be read of them."""

    name: str
    documents: list[Document] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    files: int = 0


def gathered(paths: Sequence[Path], *, recursive: bool = True) -> list[Bundle]:
    """What the paths mean: one bundle of plain files, and one for each kustomize folder.

    A file that was only found in a folder, is no YAML and speaks of nothing of ours (a template of
    Helm) is passed over; one that cannot be read there is a finding, and the others go on.

    Raises Terminal: FileUnreadable (of what was named), KustomizeFailed, KustomizeMissing.
    """
    plain = Bundle("files")
    found = [plain]
    seen: set[Path] = set()
    for path in paths:
        if str(path) == STDIN:
            _read(plain, "stdin", _stdin(), named=True)
        elif path.is_dir():
            for each in _below(path, recursive=recursive):
                if _real(each) in seen:
                    continue
                seen.add(_real(each))
                if each.is_dir():
                    found.append(_rendered(each))
                else:
                    _look(plain, each)
        elif _real(path) not in seen:
            seen.add(_real(path))
            _read(plain, _shown(path), _text(path), named=True)
    return [bundle for bundle in found if bundle.files]


def _read(bundle: Bundle, name: str, text: str, *, named: bool) -> None:
    documents, findings = read_documents(text, name)
    if findings and not named and _GROUP not in text:
        return
    if _TEMPLATE in text:
        mend = "(a template of Helm? pipe `helm template` into it)"
        findings = [replace(one, message=f"{one.message} {mend}") for one in findings]
    bundle.files += 1
    bundle.documents += documents
    bundle.findings += findings


def _look(bundle: Bundle, path: Path) -> None:
    """Read a file that was found in a folder."""
    try:
        text = _text(path)
    except Terminal as error:
        if not _speaks_of_us(path):
            return
        bundle.files += 1
        bundle.findings.append(unreadable(Spot(_shown(path)), error.message))
        return
    _read(bundle, _shown(path), text, named=False)


def _speaks_of_us(path: Path) -> bool:
    """Whether a file that is no text names our group; also where it cannot be known."""
    try:
        content = path.read_bytes()
    except OSError:
        return True
    return any(_GROUP.encode(form) in content for form in ("utf-8", "utf-16-le", "utf-16-be"))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise Terminal(
            "FileUnreadable", f"{_shown(path)} cannot be read: {error.strerror}"
        ) from error
    except UnicodeDecodeError as error:
        raise Terminal(
            "FileUnreadable",
            f"{_shown(path)} is not written in UTF-8 (byte {error.start + 1}): save it so",
        ) from error


def _stdin() -> str:
    try:
        text = sys.stdin.read()
        text.encode()  # what is no UTF-8 may have come in as lone surrogates
    except UnicodeError as error:
        raise Terminal("FileUnreadable", "what stdin brings is not written in UTF-8") from error
    return text


def _real(path: Path) -> Path:
    """Where a path leads to; a link that leads to itself stays as it is."""
    return Path(os.path.realpath(path))


def _shown(path: Path) -> str:
    """The name in findings; bytes of it that are no UTF-8, which no report can hold, as `\\xff`."""
    return os.fsencode(path).decode(errors="backslashreplace")


def _below(folder: Path, *, recursive: bool) -> Iterator[Path]:
    """The manifests and the kustomize folders of a folder, hidden ones left out."""
    if _kustomization(folder) is not None and recursive:
        yield folder
        return
    for name in sorted(os.listdir(folder)):
        path = folder / name
        if path.is_dir():
            if recursive and not name.startswith(".") and not path.is_symlink():
                yield from _below(path, recursive=True)
        elif path.suffix in _SUFFIXES:
            yield path


def _kustomization(folder: Path) -> Path | None:
    return next((folder / name for name in _KUSTOMIZATIONS if (folder / name).is_file()), None)


def _rendered(folder: Path) -> Bundle:
    """What kustomize makes of a folder, each object with the manifest that it was made of."""
    kustomization = _kustomization(folder)
    assert kustomization is not None, "only such folders are rendered"
    documents, findings = read_documents(_kustomize(folder), _shown(kustomization))
    sources = [*_sources(folder.resolve(), set())]
    top = read_documents(_text(kustomization), _shown(kustomization))[0]
    fallback = top[0] if top else documents[0] if documents else None
    return Bundle(
        _shown(folder),
        [Document(d.file, d.value, d.node, _source(d, sources) or fallback) for d in documents],
        findings,
        files=1,
    )


def _kustomize(folder: Path) -> str:
    command = ["kubectl", "kustomize"] if shutil.which("kubectl") else ["kustomize", "build"]
    if shutil.which(command[0]) is None:
        raise Terminal(
            "KustomizeMissing",
            f"{folder} has a kustomization, and there is neither kubectl nor kustomize to render"
            " it: install one, or give the rendered manifests on stdin",
        )
    try:
        ran = subprocess.run(
            [*command, str(folder)],
            capture_output=True, text=True, timeout=_TIMEOUT_S, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        text = f"{folder}: {' '.join(command)} took more than {_TIMEOUT_S} s"
        raise Terminal("KustomizeFailed", text) from error
    if ran.returncode != 0:
        raise Terminal("KustomizeFailed", f"{folder}: {ran.stderr.strip()}")
    return ran.stdout


def _sources(folder: Path, seen: set[Path]) -> Iterator[Document]:
    """The manifests that a kustomization may have been made of: its local resources, resolved."""
    kustomization = _kustomization(folder)
    if kustomization is None or kustomization in seen:
        return
    seen.add(kustomization)
    listed = read_documents(_text(kustomization), _shown(kustomization))[0]
    value = listed[0].value if listed and isinstance(listed[0].value, dict) else {}
    for entry in [*(value.get("resources") or []), *(value.get("components") or [])]:
        path = folder / str(entry)
        if path.is_dir():
            yield from _sources(path.resolve(), seen)
        elif path.is_file():
            yield from read_documents(_text(path), _shown(Path(os.path.relpath(path))))[0]


def _source(rendered: Document, sources: Sequence[Document]) -> Document | None:
    """The manifest with the kind and name of a rendered one; a prefix or suffix may be added."""
    kind, name = _identity(rendered)
    named = [(_identity(one), one) for one in sources]
    same = [(own[1], one) for own, one in named if own[0] == kind and own[1] and own[1] in name]
    return max(same, key=lambda each: len(each[0]), default=("", None))[1]


def _identity(document: Document) -> tuple[str, str]:
    value = document.value if isinstance(document.value, dict) else {}
    metadata = value.get("metadata")
    name = metadata.get("name") if isinstance(metadata, dict) else ""
    return str(value.get("kind")), str(name or "")
