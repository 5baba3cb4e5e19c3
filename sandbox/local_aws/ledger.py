"""The append-only record of every call that reached this local AWS: the oracle of the tests.

Kept in memory (about half a kilobyte a call), read over HTTP at `/_local/ledger` and with `python -m
local_aws ledger`.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import Any, Final

_CREATING: Final = ("Create", "Start", "Run", "Retry", "Restart", "Resume")
_FREE: Final = frozenset(
    {
        ("s3", "CreateMultipartUpload"),
        ("s3", "CreateSession"),
        ("s3", "CreateBucket"),
        ("logs", "CreateLogGroup"),
        ("logs", "CreateLogStream"),
        ("logs", "StartQuery"),
        ("sagemaker", "CreatePresignedDomainUrl"),
    }
)

_canonical: Final = json.JSONEncoder(sort_keys=True, separators=(",", ":"), default=str).encode


def creates(service: str, operation: str) -> bool:
    """Whether the operation starts paid work or makes a resource (S3 buckets and log streams cost
    nothing)."""
    return operation.startswith(_CREATING) and (service, operation) not in _FREE


def request_hash(params: object) -> str:
    """SHA-256 of the canonical request, so that two equal requests have equal hashes."""
    return hashlib.sha256(_canonical(params).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Entry:
    """One call. `aws_time` and `wall_time` are seconds since the epoch; `error` is "" when accepted.

    `answered` is False when the client got no answer or a wrong one although the call was executed.
    """

    sequence: int
    aws_time: float
    wall_time: float
    caller: str
    role: str | None
    session_tags: Mapping[str, str]
    service: str
    operation: str
    resource: str
    request_hash: str
    creating: bool
    accepted: bool
    answered: bool
    error: str
    request_id: str
    user_agent: str

    def as_json(self) -> dict[str, Any]:
        """The entry as the admin API shows it, times in ISO 8601."""
        return {
            "sequence": self.sequence,
            "awsTime": _iso(self.aws_time),
            "wallTime": _iso(self.wall_time),
            "caller": self.caller,
            "role": self.role,
            "sessionTags": dict(self.session_tags),
            "service": self.service,
            "operation": self.operation,
            "resource": self.resource,
            "requestHash": self.request_hash,
            "creating": self.creating,
            "accepted": self.accepted,
            "answered": self.answered,
            "error": self.error,
            "requestId": self.request_id,
            "userAgent": self.user_agent,
        }


@dataclass(frozen=True, slots=True)
class Filter:
    """What to show; None means any. `since` is a sequence number: only later entries; `caller` matches ARN
    or role."""

    service: str | None = None
    operation: str | None = None
    resource: str | None = None
    caller: str | None = None
    accepted: bool | None = None
    creating: bool | None = None
    since: int = 0

    def matches(self, entry: Entry) -> bool:
        """Whether the entry is wanted."""
        wanted = (
            (self.service, entry.service),
            (self.operation, entry.operation),
            (self.resource, entry.resource),
            (self.accepted, entry.accepted),
            (self.creating, entry.creating),
        )
        if any(want is not None and want != have for want, have in wanted):
            return False
        return self.caller is None or self.caller in (entry.caller, entry.role)


class Ledger:
    """Entries are numbered from 1 without gaps, in the order in which the calls ended."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._lock = threading.Lock()

    def append(
        self,
        *,
        aws_time: float,
        caller: str,
        role: str | None,
        session_tags: Mapping[str, str],
        service: str,
        operation: str,
        resource: str,
        request_hash: str,
        accepted: bool,
        answered: bool,
        error: str,
        request_id: str,
        user_agent: str,
    ) -> None:
        """Record one call."""
        creating = creates(service, operation)
        wall_time = time.time()
        with self._lock:
            self._entries.append(
                Entry(
                    len(self._entries) + 1, aws_time, wall_time, caller, role, session_tags, service,
                    operation, resource, request_hash, creating, accepted, answered, error, request_id,
                    user_agent, ) )  # fmt: skip

    @property
    def last(self) -> int:
        """The sequence number of the newest entry, 0 when there is none."""
        return len(self._entries)

    def entries(self, wanted: Filter | None = None, limit: int | None = None) -> list[Entry]:
        """Matching entries, oldest first, at most `limit`."""
        return list(islice(self._matching(wanted or Filter()), limit))

    def summary(self, wanted: Filter | None = None) -> dict[str, Any]:
        """Counts of the matching calls in all and by operation ("sagemaker:CreateTrainingJob")."""
        totals: Counter[str] = Counter()
        operations: dict[str, Counter[str]] = {}
        for entry in self._matching(wanted or Filter()):
            keys = ["calls", "accepted" if entry.accepted else "refused"]
            if entry.creating and entry.accepted:
                keys.append("created")
            totals.update(keys)
            operations.setdefault(f"{entry.service}:{entry.operation}", Counter()).update(keys)
        return {
            "last": self.last,
            **{key: totals[key] for key in ("calls", "accepted", "refused", "created")},
            "operations": {name: dict(operations[name]) for name in sorted(operations)},
        }

    def _matching(self, wanted: Filter) -> Iterator[Entry]:
        # The list only grows and a slice is atomic, so readers need no lock.
        return filter(wanted.matches, self._entries[wanted.since :])


def _iso(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
