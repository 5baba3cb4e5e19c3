"""Reads the local AWS's ledger: what was really called, and by whom."""

from __future__ import annotations

import json
import urllib.parse
import urllib.request
from collections import Counter
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Ledger:
    """The ledger of the local AWS at `url`, as seen for one caller's role."""

    url: str
    role: str

    def position(self) -> int:
        """A place in the ledger to count from."""
        entries = self._get("ledger", {})["entries"]
        return int(entries[-1]["sequence"]) if entries else 0

    def created(self, since: int = 0, name: str | None = None) -> Counter[str]:
        """Accepted creating calls of the role, by service:Operation; with `name` those for objects of that name."""
        wanted = {"creating": "true", "accepted": "true", "since": str(since)}
        entries = self._get("ledger", wanted)["entries"]
        mine = [entry for entry in entries if entry["role"] == self.role and name in (None, entry["sessionTags"].get("name"))]
        return Counter(f"{entry['service']}:{entry['operation']}" for entry in mine)

    def calls(self, since: int = 0) -> Counter[str]:
        """Every call of the role, by service:Operation."""
        entries = self._get("ledger", {"since": str(since)})["entries"]
        return Counter(f"{entry['service']}:{entry['operation']}" for entry in entries if entry["role"] == self.role)

    def _get(self, path: str, wanted: dict[str, str]) -> dict[str, Any]:
        query = urllib.parse.urlencode({**wanted, "limit": "1000000"})
        with urllib.request.urlopen(f"{self.url}/_local/{path}?{query}", timeout=30) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
