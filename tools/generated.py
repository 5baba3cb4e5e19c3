"""What every generator of this folder does with its files: write them, or with --check say which are not what they should be."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


def run(arguments: list[str], files: Mapping[str, str]) -> int:
    """`files` are paths below the repository -> text. Exit code 0, 1 with --check when one is stale, 2 for another argument."""
    if arguments not in ([], ["--check"]):
        print(f"usage: {Path(sys.argv[0]).name} [--check]", file=sys.stderr)
        return 2
    stale = [name for name, text in files.items() if not (ROOT / name).exists() or (ROOT / name).read_text() != text]
    for name in stale:
        if arguments:
            print(f"{name} is not what it is made from: run make generate", file=sys.stderr)
        else:
            (ROOT / name).parent.mkdir(parents=True, exist_ok=True)
            (ROOT / name).write_text(files[name])
    return 1 if arguments and stale else 0
