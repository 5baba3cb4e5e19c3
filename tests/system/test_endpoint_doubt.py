"""The operator dies around UpdateEndpoint: whether AWS went back or was never asked is known from CloudTrail."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.system.endpoints import BROKEN, Endpoints, pinned
from tests.system.stack import condition

LONG_AGO = timedelta(minutes=21)
"""The quarantine of 5 minutes and the 15 after which CloudTrail must know."""


@contextmanager
def absence(endpoints: Endpoints) -> Iterator[None]:
    """Nobody reconciles."""
    endpoints.stack.sandbox.stop_operator()
    try:
        yield
    finally:
        endpoints.stack.sandbox.start_operator()


@contextmanager
def denied(endpoints: Endpoints, *actions: str) -> Iterator[None]:
    """The tenant's role lacks them."""
    for action in actions:
        endpoints.stack.aws.deny(endpoints.stack.role, action)
    try:
        yield
    finally:
        endpoints.stack.aws.admin("DELETE", "deny")


def announced(endpoints: Endpoints, name: str, config: str, **changes: Any) -> None:
    """The status that the operator left when it died: an update to `config`, of which it saw nothing."""
    described = endpoints.stack.client("sagemaker").describe_endpoint(EndpointName=endpoints.status(name)["endpointName"])
    seen = described["LastModifiedTime"] - timedelta(milliseconds=1)
    update = {
        "config": config,
        "attemptedAt": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        "seen": f"{seen.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{seen.microsecond // 1000:03}Z",
        "replaces": described["EndpointConfigName"],
        "taken": None,
        "outcome": None,
        "message": None,
    }
    patch = json.dumps({"status": {"update": update | changes, "inLine": None}})
    endpoints.stack.sandbox.kubectl(
        "patch", "mep", name, "-n", endpoints.stack.namespace, "--subresource=status", "--type=merge", "-p", patch
    )


def there_and_back(endpoints: Endpoints, name: str) -> str:
    """Version 1 serves again; the config of version 2, of whose own update CloudTrail knows, in a second before the last change."""
    endpoints.served(name, 1, 2)
    endpoints.apply(name, pinned(name, 2))
    config: str = endpoints.in_service(name, "2")["liveConfig"]
    time.sleep(2.0)
    endpoints.apply(name, pinned(name, 1))
    endpoints.in_service(name, "1")
    endpoints.stack.quiet()
    return config


@pytest.mark.capability("F5")
def test_an_update_that_was_never_sent_is_asked_for_though_the_endpoint_changed(endpoints: Endpoints) -> None:
    """AWS's own maintenance looks like a rollback; CloudTrail has no word of an update, and has had its time."""
    wanted = there_and_back(endpoints, "never-sent")
    asked = endpoints.stack.accepted("never-sent", "UpdateEndpoint")
    with absence(endpoints):
        announced(endpoints, "never-sent", wanted, attemptedAt=f"{datetime.now(UTC) - LONG_AGO:%Y-%m-%dT%H:%M:%SZ}")
        endpoints.apply("never-sent", pinned("never-sent", 2))
    endpoints.in_service("never-sent", "2")
    assert endpoints.stack.accepted("never-sent", "UpdateEndpoint") == asked + 1
    assert "LookupEvents" in endpoints.stack.calls_for("never-sent")


@pytest.mark.capability("F5")
def test_what_nobody_saw_is_waited_for_until_cloudtrail_must_know(endpoints: Endpoints) -> None:
    """Neither a rollback nor another attempt; what serves goes on, and people are told until when."""
    wanted = there_and_back(endpoints, "waits")
    asked = endpoints.stack.accepted("waits", "UpdateEndpoint")
    with absence(endpoints):
        announced(endpoints, "waits", wanted)
        endpoints.apply("waits", pinned("waits", 2))
    status = endpoints.until("waits", lambda status: "CloudTrail" in condition(status, "Ready").get("message", ""))
    assert (status["phase"], condition(status, "Reconciling")["status"]) == ("Updating", "True")
    endpoints.stack.quiet()
    assert endpoints.stack.accepted("waits", "UpdateEndpoint") == asked
    assert endpoints.ask("waits") == "1"


@pytest.mark.capability("F5")
@pytest.mark.parametrize("allowed", [True, False])
def test_a_rollback_that_nobody_saw_is_one(endpoints: Endpoints, allowed: bool) -> None:
    """CloudTrail names the call; where the role may not ask it, the worse is believed, and nothing is tried again."""
    name = f"unseen-{'told' if allowed else 'untold'}"
    live = endpoints.served(name, 1)["liveConfig"]
    endpoints.register(name, BROKEN)
    endpoints.apply(name, pinned(name, 2))
    gone_back = endpoints.until(name, lambda status: status.get("phase") == "RolledBack")
    endpoints.stack.quiet()
    with denied(endpoints, *([] if allowed else ["cloudtrail:LookupEvents"])):
        with absence(endpoints):
            announced(endpoints, name, gone_back["wantedConfig"], seen=gone_back["update"]["seen"])
        status = endpoints.until(name, lambda status: status.get("update", {}).get("outcome") == "RolledBack")
    assert (status["phase"], status["liveConfig"]) == ("RolledBack", live)
    endpoints.stack.quiet()
    assert endpoints.stack.accepted(name, "UpdateEndpoint") == 1
    entries = endpoints.stack.aws.ledger(operation="LookupEvents", limit=1_000_000)
    assert {entry["accepted"] for entry in entries if entry["sessionTags"].get("name") == name} == {allowed}
