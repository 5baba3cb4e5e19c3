"""What AWS was asked to change and what it accepted: append-only, the judge of every money question."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Entry:
    """One mutation at `at` virtual seconds, sent at `sent`. `identity` is the name or token that makes it unique."""

    at: float
    operation: str
    identity: str
    accepted: bool
    sent: float


@dataclass(slots=True)
class Ledger:
    """Accepted and refused mutations in order."""

    entries: list[Entry] = field(default_factory=list)

    def accepted(self) -> Counter[tuple[str, str]]:
        """How often each creating call was accepted. Stops and uploads repeat harmlessly and are left out, and so is a creation that was
        sent before what it made was deleted and arrived after: nobody can call it back, and it is an orphan if nobody deletes it again.
        """
        made, removed = Counter[tuple[str, str]](), dict[tuple[str, str], float]()
        for entry in self.entries:
            if not entry.accepted:
                continue
            if entry.operation.startswith("Delete"):
                removed[entry.operation.removeprefix("Delete"), entry.identity] = entry.at
            elif entry.operation.startswith(("Create", "Start")):
                revived = entry.sent < removed.get((entry.operation.removeprefix("Create"), entry.identity), 0.0)
                made[entry.operation, entry.identity] += not revived
        return made

    def count(self, operation: str) -> int:
        """Accepted calls of an operation."""
        return sum(entry.accepted and entry.operation == operation for entry in self.entries)
