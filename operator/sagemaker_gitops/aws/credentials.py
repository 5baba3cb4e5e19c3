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
        self._lock = threading.Lock()

    def get(self, scope: Scope) -> ReadOnlyCredentials:
        """Credentials for `scope`; one AssumeRole call when none are held. Raises botocore's errors."""
        with self._lock:
            held = self._held.get(scope)
            if held is not None and held.expires - RENEW_BEFORE > self._now():
                self._held.move_to_end(scope)
                return held.credentials
        answer = self._sts.assume_role(**_request(scope))["Credentials"]
        credentials = ReadOnlyCredentials(answer["AccessKeyId"], answer["SecretAccessKey"], answer["SessionToken"])
        with self._lock:
            self._held[scope] = _Held(credentials, answer["Expiration"])
            while len(self._held) > CACHED_SESSIONS:
                self._held.popitem(last=False)
        return credentials

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
