"""Writes argocd/go.mod and go.sum for another Argo CD, or checks that they are what this program writes.

What argo-cd replaces in its own go.mod, whoever builds it from the module proxy must replace as well. 3.2.11 is the newest that can be
built from the proxy: 3.2.12 calls a function that no published gitops-engine has, and 3.3 and later need a nested module that the proxy
refuses. Newer kustomize asks for a newer Go.

    python -m local_cluster.argocd_modules --argocd v3.2.11 --kustomize v5.7.1
    python -m local_cluster.argocd_modules --check
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from local_cluster.argocd_build import ARGOCD_GO_MOD, ARGOCD_MODULE, KUSTOMIZE_MODULE, pinned_argocd
from local_cluster.modules import FILES, MODULE, ModulesError, run_go, settle
from local_cluster.progress import Progress
from local_cluster.toolchain import Go, ToolchainError, find_go


def initial_go_mod(argocd_go_mod: str) -> str:
    """The go.mod to which `go get -tool` adds: the go line and the replacements of argo-cd's own.

    Raises:
        ModulesError: it has no go line.
    """
    go_line = re.search(r"^go \S+$", argocd_go_mod, re.MULTILINE)
    if go_line is None:
        raise ModulesError(f"the go.mod of {ARGOCD_MODULE} has no go line")
    replaced = re.findall(r"^replace (?:\([^)]*\)|[^(\n]+)$", argocd_go_mod, re.MULTILINE)
    return f"module {MODULE}/argocd\n\n{go_line.group()}\n\n" + "".join(f"{block}\n\n" for block in replaced)


def resolve(go: Go, argocd: str, kustomize: str) -> dict[str, str]:
    """The texts of go.mod and go.sum for these versions, from the module proxy.

    Raises:
        ModulesError: a version does not exist or Go cannot reach its proxy.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        described = json.loads(run_go(go, folder, "mod", "download", "-json", f"{ARGOCD_MODULE}@{argocd}"))
        (folder / "go.mod").write_text(initial_go_mod(Path(described["GoMod"]).read_text()))
        run_go(go, folder, "get", "-tool", f"{ARGOCD_MODULE}/cmd@{argocd}", f"{KUSTOMIZE_MODULE}@{kustomize}")
        return {file: (folder / file).read_text() for file in FILES}


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when written or up to date, 1 when `--check` finds a difference, 2 when Go fails."""
    release = pinned_argocd()
    parser = argparse.ArgumentParser(prog="python -m local_cluster.argocd_modules", description="write argocd/go.mod and go.sum")
    parser.add_argument("--argocd", default=release.argocd, metavar="VERSION")
    parser.add_argument("--kustomize", default=release.kustomize, metavar="VERSION")
    parser.add_argument("--check", action="store_true", help="write nothing, fail when the files differ")
    options = parser.parse_args(arguments)
    try:
        go = find_go(release.go)
        with Progress(f"Resolving Argo CD {options.argocd} and kustomize {options.kustomize}", "about 2 min"):
            texts = resolve(go, options.argocd, options.kustomize)
    except (ModulesError, ToolchainError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return settle(ARGOCD_GO_MOD.parent, texts, check=options.check)


if __name__ == "__main__":
    sys.exit(main())
