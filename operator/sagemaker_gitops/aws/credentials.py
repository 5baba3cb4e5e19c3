"""Who signs a call: the tenant's role, assumed for one object, with the object's identity as session tags.

One botocore client serves every session: its credentials look up, at signing time, the session that the calling thread works for.
AWS STS API Reference, AssumeRole; design.md section 4 (tenancy).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from botocore.credentials import Credentials, ReadOnlyCredentials

from sagemaker_gitops.aws.port import Scope

SESSION_SECONDS = 3600
RENEW_BEFORE = timedelta(minutes=5)
CACHED_SESSIONS = 5000


class ThreadCredentials(Credentials):  # type: ignore[misc]
    """botocore credentials whose value is that of the calling thread."""

    def __init__(self) -> None:
        super().__init__("unset", "unset", method="sagemaker-gitops")
        self._local = threading.local()

    def use(self, session: ReadOnlyCredentials) -> None:
        """Sign this thread's next calls as `session`."""
        self._local.session = session

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        return self._local.session


@dataclass(frozen=True, slots=True)
class _Held:
    credentials: ReadOnlyCredentials
    expires: datetime


class Sessions:
    """Assumed-role sessions by scope, renewed five minutes before they expire. Thread-safe."""

    def __init__(self, sts: Any, now: Callable[[], datetime]) -> None:
        self._sts = sts
        self._now = now
        self._held: OrderedDict[Scope, _Held] = OrderedDict()
        self._assuming: dict[Scope, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, scope: Scope) -> ReadOnlyCredentials:
        """Credentials for `scope`; one AssumeRole call when none are held. Raises botocore's errors."""
        with self._lock:
            assuming = self._assuming.setdefault(scope, threading.Lock())
        with assuming:
            held = self._valid(scope)
            if held is not None:
                return held.credentials
            answer = self._sts.assume_role(**_request(scope))["Credentials"]
            credentials = ReadOnlyCredentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])
            self._keep(scope, _Held(credentials, answer["Expiration"]))
        return credentials

    def _valid(self, scope: Scope) -> _Held | None:
        with self._lock:
            held = self._held.get(scope)
            if held is None or held.expires - RENEW_BEFORE <= self._now():
                return None
            self._held.move_to_end(scope)
            return held

    def _keep(self, scope: Scope, held: _Held) -> None:
        with self._lock:
            self._held[scope] = held
            while len(self._held) > CACHED_SESSIONS:
                self._assuming.pop(self._held.popitem(last=False)[0], None)

    def drop(self, scope: Scope) -> None:
        """AWS no longer takes the session: the next call assumes the role anew."""
        with self._lock:
            self._held.pop(scope, None)


def _request(scope: Scope) -> dict[str, Any]:
    tags = {"namespace": scope.namespace, "kind": scope.kind, "name": scope.name}
    request: dict[str, Any] = {
        "RoleArn": scope.role_arn,
        "RoleSessionName": f"{scope.namespace}.{scope.name}"[:64],
        "DurationSeconds": SESSION_SECONDS,
        "Tags": [{"Key": key, "Value": value} for key, value in tags.items()],
    }
    return request | ({"ExternalId": scope.external_id} if scope.external_id else {})
