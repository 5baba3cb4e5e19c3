"""Numbers out of evaluation.json, whichever of the usual forms it has (jobs/README.md documents them)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def flatten(document: Any) -> dict[str, float]:
    """Metric name -> value. Looked for, the first found wins: top level, `metrics.<name>`, `<group>.<name>.value`.

    A value may be NaN or infinite: the gate refuses it, and says so.
    """
    if not isinstance(document, Mapping):
        return {}
    found: dict[str, float] = {}
    groups = [document, document.get("metrics"), *(value for value in document.values() if isinstance(value, Mapping))]
    for group in groups:
        if not isinstance(group, Mapping):
            continue
        for name, value in group.items():
            number = value.get("value") if isinstance(value, Mapping) else value
            if isinstance(number, int | float) and not isinstance(number, bool):
                found.setdefault(str(name), float(number))
    return found
