"""Writes crds/ from the models of the API, or with --check says which files are not what the models give (exit code 1).

No option: write. Equal models give equal bytes.
"""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

from sagemaker_gitops.api.crd import definition
from sagemaker_gitops.api.kinds import GROUP, KINDS

CRDS = Path(__file__).resolve().parent.parent / "crds"
HEADER = "# Generated from operator/sagemaker_gitops/api by tools/generate_crds.py; do not edit.\n"


def files() -> dict[str, str]:
    """File name in crds/ -> its text."""
    return {f"{GROUP}_{kind.plural}.yaml": HEADER + yaml.safe_dump(definition(kind), sort_keys=True, width=120) for kind in KINDS.values()}


def stale(folder: Path) -> list[str]:
    """Names of files that are missing, differ or are left over."""
    wanted = files()
    present = {path.name: path.read_text() for path in folder.glob("*.yaml")}
    return sorted(name for name in wanted.keys() | present.keys() if wanted.get(name) != present.get(name))


def write(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    wanted = files()
    for path in folder.glob("*.yaml"):
        if path.name not in wanted:
            path.unlink()
    for name, text in wanted.items():
        (folder / name).write_text(text)


def main(arguments: list[str]) -> int:
    if arguments not in ([], ["--check"]):
        print("usage: generate_crds.py [--check]", file=sys.stderr)
        return 2
    if not arguments:
        write(CRDS)
        return 0
    found = stale(CRDS)
    for name in found:
        print(f"crds/{name} is not what the models give: run make generate", file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
