"""The files of jobs/monitoring, which the operator uploads for the checks that it starts: part of the wheel, beside it in a checkout."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

PACKAGED = files("sagemaker_gitops") / "data" / "monitoring"
CHECKOUT = Path(__file__).resolve().parents[4] / "jobs" / "monitoring"


@cache
def job_code(given: Path | None = None) -> Mapping[str, bytes]:
    """Relative path -> content, of the folder `given` if there is one; empty where this installation has none."""
    folder: Traversable = given or (PACKAGED if PACKAGED.is_dir() else CHECKOUT)
    return dict(_walk(folder, "")) if folder.is_dir() else {}


def _walk(folder: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for item in sorted(folder.iterdir(), key=lambda entry: entry.name):
        if item.is_dir() and item.name != "__pycache__":
            yield from _walk(item, f"{prefix}{item.name}/")
        elif item.is_file() and item.name.endswith((".py", ".json")):
            yield f"{prefix}{item.name}", item.read_bytes()
