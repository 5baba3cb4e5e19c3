"""Reads the API server's audit log: who wrote what, with which outcome.

Tests count the operator's writes with it. The log holds metadata only, one event a request, at stage
ResponseComplete: every request on our group, every request of the operator, and every write of anybody but
the control plane's own parts (the policy is in instance.py).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

TAIL_BYTES = 1 << 20
WRITING_VERBS = frozenset({"create", "update", "patch", "delete", "deletecollection"})


@dataclass(frozen=True, slots=True)
class AuditEvent:
    """One finished request (audit.k8s.io/v1 Event); `name` is "" where the server chose it."""

    audit_id: str
    received: datetime
    user: str
    verb: str
    group: str
    resource: str
    subresource: str
    namespace: str
    name: str
    code: int
    user_agent: str
    uri: str

    @property
    def is_write(self) -> bool:
        """Whether the request could change something; also when it was refused."""
        return self.verb in WRITING_VERBS

    @property
    def accepted(self) -> bool:
        """Whether the API server answered with success."""
        return 200 <= self.code < 300


def read_audit_log(path: Path) -> Iterator[AuditEvent]:
    """The events of a log, oldest first; a line that is still being written is left out."""
    with path.open() as log:
        for line in log:
            if line.endswith("\n"):
                yield parse_event(json.loads(line))


def holds(path: Path, audit_id: str) -> bool:
    """Whether the event `audit_id` is among the last in the log."""
    with path.open("rb") as log:
        log.seek(max(0, log.seek(0, os.SEEK_END) - TAIL_BYTES))
        return audit_id.encode() in log.read()


def parse_event(event: dict[str, Any]) -> AuditEvent:
    """One line of the log."""
    target = event.get("objectRef", {})
    return AuditEvent(
        audit_id=event["auditID"],
        received=datetime.fromisoformat(event["requestReceivedTimestamp"]),
        user=event.get("user", {}).get("username", ""),
        verb=event["verb"],
        group=target.get("apiGroup", ""),
        resource=target.get("resource", ""),
        subresource=target.get("subresource", ""),
        namespace=target.get("namespace", ""),
        name=target.get("name", ""),
        code=event.get("responseStatus", {}).get("code", 0),
        user_agent=event.get("userAgent", ""),
        uri=event["requestURI"],
    )
