"""Builds programs from the Go modules that a go.mod pins, into the user cache: the control plane's, and Argo CD (argocd_build.py).

Measured with an empty Go cache on 2 busy cores: etcd 1 min, kube-apiserver 4, kubectl 0.5,
kube-controller-manager 1. Each program appears in the cache only when it is complete (rename), and a lock
lets one process at a time build.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from local_cluster.progress import Progress, say
from local_cluster.release import PACKAGE_DIR, Program, Release, cache_dir, package
from local_cluster.toolchain import Go, find_go, go_environment

EXPECTED_MINUTES = {
    Program.ETCD: 1.0,
    Program.APISERVER: 4.0,
    Program.KUBECTL: 0.5,
    Program.CONTROLLER_MANAGER: 1.5,
}
VERSION_PACKAGES = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")


@dataclass(frozen=True, slots=True)
class Recipe:
    """One program: its name in the cache, its Go package, the folder of the go.mod that pins it, and how long it takes with cold caches."""

    name: str
    package: str
    module: Path
    linker_flags: str
    minutes: float


class BuildError(RuntimeError):
    """`go build` failed; holds the end of what it said."""


def missing(release: Release, programs: Sequence[Program]) -> list[Program]:
    """Those of `programs` that the cache does not hold, in building order."""
    folder = cache_dir(release)
    return [program for program in Program if program in programs and not (folder / program).exists()]


def build(release: Release, programs: Sequence[Program]) -> Path:
    """Make the cache hold `programs` and return its folder; waits while another process builds.

    Raises:
        BuildError: a build failed; says which and how to go on.
        ToolchainError: there is no Go and none can be installed.
    """
    flags = linker_flags(release)
    recipes = [
        Recipe(program, package(program), PACKAGE_DIR, flags, EXPECTED_MINUTES[program]) for program in Program if program in programs
    ]
    return build_all(cache_dir(release), recipes, release.go)


def build_all(folder: Path, recipes: Sequence[Recipe], go: tuple[int, ...]) -> Path:
    """Make `folder` hold a program for each recipe and return it; waits while another process builds there. `go`: the oldest that will do.

    Raises:
        BuildError: a build failed; says which and how to go on.
        ToolchainError: there is no Go and none can be installed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with _lock(folder.with_name(folder.name + ".lock")):
        todo = [recipe for recipe in recipes if not (folder / recipe.name).exists()]
        if todo:
            found = find_go(go)
            minutes = sum(recipe.minutes for recipe in todo)
            say(f"Building {', '.join(recipe.name for recipe in todo)} once into {folder}")
            say(f"It takes about {minutes:.0f} min on 2 cores and 3 GB for Go's caches")
            for recipe in todo:
                _build_one(found, recipe, folder)
    return folder


def linker_flags(release: Release) -> str:
    """`-ldflags` of every build; without -X the server would call itself v0.0.0-master."""
    major, minor = release.kubernetes.removeprefix("v").split(".")[:2]
    settings = (
        f"gitVersion={release.kubernetes}",
        f"gitMajor={major}",
        f"gitMinor={minor}",
        "gitTreeState=clean",
    )
    return " ".join(["-s", "-w", *(f"-X {name}.{setting}" for name in VERSION_PACKAGES for setting in settings)])


@contextmanager
def _lock(path: Path) -> Iterator[None]:
    with path.open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with Progress("Waiting for another process that builds the same", "up to 10 min"):
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _build_one(go: Go, recipe: Recipe, folder: Path) -> None:
    staging = folder / f".{recipe.name}.{os.getpid()}"
    command = [str(go.path), "build", "-v", "-mod=readonly", "-trimpath", "-buildvcs=false"]
    command += ["-ldflags", recipe.linker_flags, "-o", str(staging), recipe.package]
    if nice := shutil.which("nice"):
        command = [nice, *command]
    expected = f"about {recipe.minutes:g} min when nothing is cached"
    try:
        with Progress(f"Building {recipe.name}", expected) as progress:
            _run(command, recipe, progress)
        staging.rename(folder / recipe.name)
    finally:
        staging.unlink(missing_ok=True)


def _run(command: list[str], recipe: Recipe, progress: Progress) -> None:
    with subprocess.Popen(
        command,
        cwd=recipe.module,
        env=go_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        tail: deque[str] = deque(maxlen=20)
        reader = threading.Thread(target=_follow, args=(process, progress, tail), daemon=True)
        reader.start()
        try:
            code = process.wait()
        except BaseException:
            process.terminate()
            raise
        reader.join()
    if code != 0:
        said = "\n".join(tail)
        raise BuildError(
            f"building {recipe.name} failed (exit code {code}); it needs the Go module proxy, about 4 GB of memory and 4 GB of disk"
            f" (KUBEBUILDER_ASSETS can name a control plane that is there already). The last lines:\n{said}"
        )


def _follow(process: subprocess.Popen[str], progress: Progress, tail: deque[str]) -> None:
    """Show what Go does: it names each module that it downloads and, with -v, each package it compiles."""
    compiled = 0
    for line in process.stdout or ():
        tail.append(line.rstrip())
        if line.startswith("go: downloading"):
            progress.detail = line.removeprefix("go: ").strip()
        else:
            compiled += 1
            progress.detail = f"{compiled} packages compiled, now {line.strip()[:60]}"
