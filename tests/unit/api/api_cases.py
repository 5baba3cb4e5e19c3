"""Reads cases.yaml, the table of accepted and refused specs that code and API server are tested with."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml


@dataclass(frozen=True, slots=True)
class Case:
    """One spec; for a refused one, where and in which words. `server` is None when the API server cannot see the fault."""

    id: str
    kind: str
    spec: dict[str, Any]
    path: str = ""
    message: str = ""
    server: str | None = None
    server_path: str = ""


def merged(base: Any, patch: Any) -> Any:
    """JSON merge patch (RFC 7386)."""
    if not isinstance(patch, dict):
        return patch
    made = dict(base) if isinstance(base, dict) else {}
    for key, value in patch.items():
        if value is None:
            made.pop(key, None)
        else:
            made[key] = merged(made.get(key), value)
    return made


_TABLE = yaml.load(Path(__file__).with_name("cases.yaml").read_text(), yaml.CSafeLoader)


def _spec(entry: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = merged(copy.deepcopy(_TABLE["base"][entry["kind"]]), entry["patch"])
    return spec | dict.fromkeys(entry.get("nulls", ()))


def accepted() -> list[Case]:
    return [Case(entry["id"], entry["kind"], _spec(entry)) for entry in _TABLE["accepted"]]


def refused() -> list[Case]:
    """Cases in the order of the file."""
    cases = []
    for entry in _TABLE["refused"]:
        server = entry.get("server", entry["message"])
        path = entry.get("server-path", entry["path"])
        cases.append(Case(entry["id"], entry["kind"], _spec(entry), entry["path"], entry["message"], server or None, path))
    return cases
