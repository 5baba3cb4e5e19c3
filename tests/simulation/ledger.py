"""What AWS was asked to change and what it accepted: append-only, the judge of every money question."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Entry:
    """One mutation at `at` virtual seconds. `identity` is the name or token that makes it unique."""

    at: float
    operation: str
    identity: str
    accepted: bool


@dataclass(slots=True)
class Ledger:
    """Accepted and refused mutations in order."""

    entries: list[Entry] = field(default_factory=list)

    def accepted(self) -> Counter[tuple[str, str]]:
        """How often each creating call was accepted. Stops and uploads repeat harmlessly and are left out."""
        return Counter(
            (entry.operation, entry.identity)
            for entry in self.entries
            if entry.accepted and entry.operation.startswith(("Create", "Start"))
        )

    def count(self, operation: str) -> int:
        """Accepted calls of an operation."""
        return sum(entry.accepted and entry.operation == operation for entry in self.entries)
