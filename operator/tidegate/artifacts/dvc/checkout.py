"""One commit of a git repository into a folder, by the program `git`; runs in the Job alone.

What git says goes no further than the kind of its failure and the last line, in which it shows no
credentials: those go to it as a header for that repository, in the environment of its process.
"""

from __future__ import annotations

import os
import re
import subprocess
import time
from typing import TYPE_CHECKING

from tidegate.artifacts.base import ARTIFACT_FORBIDDEN, ARTIFACT_NOT_FOUND
from tidegate.artifacts.clients import AUTHORITY
from tidegate.artifacts.dvc.access import git_authorization
from tidegate.errors import Terminal, Unreachable

if TYPE_CHECKING:
    from pathlib import Path

    from tidegate.artifacts.credentials import Credentials

GIT_MISSING = "GitMissing"
_DENIED = re.compile(r"authentication failed|could not read username|error: 40[13]", re.IGNORECASE)
_ELSEWHERE = re.compile(r"error: 30[12378]", re.IGNORECASE)
_ABSENT = re.compile(r"not found|error: 404", re.IGNORECASE)
_UNKNOWN = re.compile(
    r"not our ref|no such remote ref|unadvertised object|bad object|unable to read tree|"
    r"did not match any file|pathspec|reference is not a tree",
    re.IGNORECASE,
)
_SHOWN = 200


def check_out(
    url: str, commit: str, folder: Path, *, credentials: Credentials, deadline: float
) -> None:
    """Bring the files of a commit to `folder`; `deadline` is of time.monotonic().

    Without its history where the server hands out single commits, else with it.

    :raises Terminal: ArtifactNotFound, ArtifactForbidden, GitMissing. :raises Retryable: try again.
    """
    git = _Git(url, folder, credentials, deadline)
    git("init", "--quiet", ".")
    try:
        _fetch(git, url, commit)
    except _Redirected:
        # git would show the login to whatever it is led to, so that it is not let follow. Some
        # forges only lead from an address without .git to the one with it.
        led = Terminal(
            ARTIFACT_NOT_FOUND,
            f"{url} leads to another address: write the final one in spec.artifact.uri",
        )
        if url.endswith(".git"):
            raise led from None
        try:
            _fetch(_Git(f"{url}.git", folder, credentials, deadline), f"{url}.git", commit)
        except (_Redirected, Terminal):
            raise led from None
    git("checkout", "--quiet", "--detach", commit)


def _fetch(git: _Git, url: str, commit: str) -> None:
    try:
        git("fetch", "--quiet", "--depth=1", "--no-tags", url, commit)
    except Terminal as error:
        if error.reason != ARTIFACT_NOT_FOUND:
            raise
        every = ("+refs/heads/*:refs/remotes/origin/*", "+refs/tags/*:refs/tags/*")
        git("fetch", "--quiet", url, *every)


class _Redirected(Exception):
    """The server leads to another address."""


class _Git:
    """Runs git in a folder, apart from the settings of whoever's machine it is."""

    def __init__(self, url: str, folder: Path, credentials: Credentials, deadline: float) -> None:
        self._url = url
        self._folder = folder
        self._deadline = deadline
        self._environment = {
            **{key: value for key, value in os.environ.items() if not key.startswith("GIT_")},
            "LC_ALL": "C.UTF-8",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_COUNT": "2",
            "GIT_CONFIG_KEY_0": "http.followRedirects",
            "GIT_CONFIG_VALUE_0": "false",
            # A link could lead to the Secret, and DVC shows lines that it cannot read.
            "GIT_CONFIG_KEY_1": "core.symlinks",
            "GIT_CONFIG_VALUE_1": "false",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_ALLOW_PROTOCOL": "http:https",
            "GIT_LFS_SKIP_SMUDGE": "1",
        }
        header = git_authorization(credentials)
        if header is not None:
            self._environment |= {
                "GIT_CONFIG_COUNT": "3",
                "GIT_CONFIG_KEY_2": f"http.{url}.extraHeader",
                "GIT_CONFIG_VALUE_2": f"Authorization: {header}",
            }
        if authority := credentials.get(AUTHORITY):
            self._environment["GIT_SSL_CAINFO"] = str(_bundle(folder, authority))

    def __call__(self, *arguments: str) -> None:
        """Raises as `check_out`."""
        try:
            done = subprocess.run(
                ["git", *arguments],
                cwd=self._folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=max(1.0, self._deadline - time.monotonic()),
                check=False,
            )
        except FileNotFoundError:
            raise Terminal(
                GIT_MISSING,
                "there is no git in the image that resolves dvc://: build it from"
                " manifests/images/resolver-dvc.Containerfile",
            ) from None
        except subprocess.TimeoutExpired:
            raise Terminal("Unreachable", f"{self._url} was not cloned in time") from None
        if done.returncode != 0:
            raise self._failed(done.stderr.decode(errors="replace"))

    def _failed(self, said: str) -> Exception:
        last = (said.strip().splitlines() or ["it says nothing"])[-1][:_SHOWN]
        if _ELSEWHERE.search(said):
            return _Redirected()
        if _DENIED.search(said):
            return Terminal(
                ARTIFACT_FORBIDDEN,
                f"{self._url} lets nobody in with this: put a token, or a username and password,"
                " into the Secret of spec.artifact.credentialsRef",
            )
        if _UNKNOWN.search(said):
            return Terminal(
                ARTIFACT_NOT_FOUND,
                f"{self._url} has no such commit ({last}): correct ?rev= in spec.artifact.uri",
            )
        if _ABSENT.search(said):
            return Terminal(
                ARTIFACT_NOT_FOUND, f"there is no repository at {self._url}: correct the URI"
            )
        return Unreachable(f"{self._url} cannot be cloned: {last}")


def _bundle(folder: Path, authority: str) -> Path:
    """The usual authorities and that of the Secret, in one file beside the repository."""
    import certifi

    found = folder.parent / "authorities.pem"
    with open(certifi.where(), encoding="utf-8") as usual:
        found.write_text(f"{usual.read()}\n{authority}\n")
    return found
