"""Writes go.mod and go.sum for another release, or checks that they are what this program writes.

k8s.io/kubernetes requires its staging modules as v0.0.0 and replaces them by folders of its repository;
whoever builds it from the module proxy must replace each by the published module of the same release, so
those lines are read from its own go.mod.

    python -m local_cluster.modules --kubernetes v1.36.3 --etcd v3.6.8
    python -m local_cluster.modules --check
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from local_cluster.progress import Progress
from local_cluster.release import ETCD_MODULE, GO_MOD, KUBERNETES_MODULE, Program, package, pinned_release
from local_cluster.toolchain import Go, ToolchainError, find_go, go_environment

MODULE = "sagemaker-gitops.dev/sandbox/local_cluster"
FILES = ("go.mod", "go.sum")


class ModulesError(RuntimeError):
    """Go could not resolve the modules; holds what it said."""


def staging_modules(kubernetes_go_mod: str) -> list[str]:
    """The modules that the go.mod of k8s.io/kubernetes replaces by folders."""
    return re.findall(r"^\t(k8s\.io/\S+) => \./staging/", kubernetes_go_mod, re.MULTILINE)


def initial_go_mod(go_line: str, staging: Sequence[str], kubernetes: str) -> str:
    """The go.mod to which `go get -tool` adds; Kubernetes v1.36.3 is v0.36.3 of its staging modules."""
    version = "v0." + kubernetes.removeprefix("v1.")
    replaced = "".join(f"\t{module} => {module} {version}\n" for module in staging)
    return f"module {MODULE}\n\ngo {go_line}\n\nreplace (\n{replaced})\n"


def resolve(go: Go, kubernetes: str, etcd: str) -> dict[str, str]:
    """The texts of go.mod and go.sum for these versions, from the module proxy.

    Raises:
        ModulesError: a version does not exist or Go cannot reach its proxy.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        described = json.loads(run_go(go, folder, "mod", "download", "-json", f"{KUBERNETES_MODULE}@{kubernetes}"))
        theirs = Path(described["GoMod"]).read_text()
        found = re.search(r"^go (\S+)$", theirs, re.MULTILINE)
        if found is None:
            raise ModulesError(f"the go.mod of {KUBERNETES_MODULE} {kubernetes} has no go line")
        (folder / "go.mod").write_text(initial_go_mod(found.group(1), staging_modules(theirs), kubernetes))
        tools = [f"{package(program)}@{etcd if program is Program.ETCD else kubernetes}" for program in Program]
        run_go(go, folder, "get", "-tool", *tools)
        return {file: (folder / file).read_text() for file in FILES}


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when written or up to date, 1 when `--check` finds a difference, 2 when Go fails."""
    release = pinned_release()
    parser = argparse.ArgumentParser(prog="python -m local_cluster.modules", description="write go.mod and go.sum")
    parser.add_argument("--kubernetes", default=release.kubernetes, metavar="VERSION")
    parser.add_argument("--etcd", default=release.etcd, metavar="VERSION", help=f"version of {ETCD_MODULE}")
    parser.add_argument("--check", action="store_true", help="write nothing, fail when the files differ")
    options = parser.parse_args(arguments)
    try:
        go = find_go(release.go)
        with Progress(f"Resolving Kubernetes {options.kubernetes} and etcd {options.etcd}", "about 1 min"):
            texts = resolve(go, options.kubernetes, options.etcd)
    except (ModulesError, ToolchainError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return settle(GO_MOD.parent, texts, check=options.check)


def settle(folder: Path, texts: Mapping[str, str], *, check: bool) -> int:
    """Write what differs, or with `check` only tell it: exit code 1 when something does."""
    stale = [file for file, text in texts.items() if not (folder / file).exists() or (folder / file).read_text() != text]
    if check:
        print(
            f"stale in {folder.name}: {', '.join(stale)}; run make generate" if stale else f"go.mod and go.sum of {folder.name} are current"
        )
        return 1 if stale else 0
    for file in stale:
        (folder / file).write_text(texts[file])
    return 0


def run_go(go: Go, folder: Path, *arguments: str) -> str:
    """What `go arguments...` prints in `folder`.

    Raises:
        ModulesError: it failed.
    """
    done = subprocess.run([go.path, *arguments], cwd=folder, env=go_environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise ModulesError(f"go {' '.join(arguments[:2])}: {done.stderr.strip()[-2000:]}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
