"""`unpark`, `check` and `retry` write one annotation each, of an object that is there; two of them only where it helps."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sagemaker_gitops.cli import annotate, check, retry, unpark
from sagemaker_gitops.cli.main import main
from sagemaker_gitops.core.resource import RECONCILE_REQUESTED_AT, RERUN, Key, Snapshot

PARKED = {"phase": "Parked", "parking": {"since": "2026-11-21T19:00:00Z", "reason": "Idle"}}


class _Session:
    async def close(self) -> None:
        return None


class _Cluster:
    server, namespace, session = "https://cluster", "team-a", _Session()

    def __init__(self, status: dict[str, Any] | None, **spec: Any) -> None:
        self.status, self.spec = status, spec

    async def get(self, key: Key) -> Snapshot | None:
        return None if self.status is None else Snapshot(key, "u", "1", 1, spec=self.spec, status=self.status)


@pytest.fixture
def annotated(monkeypatch: pytest.MonkeyPatch) -> list[Key]:
    found: list[Key] = []

    async def note(cluster: Any, key: Key, annotation: str, value: str) -> None:
        found.append(key)
        assert (annotation.partition("/")[2], value[-1]) == ("unpark-requested-at" if key.kind == "ModelEndpoint" else "check-now", "Z")

    for command in (unpark, check):
        monkeypatch.setattr(command, "annotate", note)
    return found


def _unpark(monkeypatch: pytest.MonkeyPatch, status: dict[str, Any] | None, *arguments: str) -> int:
    monkeypatch.setattr(annotate, "connect", lambda context: _Cluster(status))
    return main(["unpark", "digits", *arguments])


def test_a_parked_endpoint_is_asked_for(monkeypatch: pytest.MonkeyPatch, annotated: list[Key], capsys: pytest.CaptureFixture[str]) -> None:
    """In the context's namespace."""
    assert _unpark(monkeypatch, PARKED, "-o", "json") == 0
    assert annotated == [Key("ModelEndpoint", "team-a", "digits")]
    assert json.loads(capsys.readouterr().out) == {"object": "ModelEndpoint/team-a/digits", "phase": "Parked", "requested": True}


@pytest.mark.parametrize("status", [{"phase": "InService"}, {}, {"phase": "InService", "parking": {"handled": "x"}}])
def test_one_that_serves_is_left_alone(
    monkeypatch: pytest.MonkeyPatch, annotated: list[Key], status: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    """A request that is not needed now would hold the next parking off."""
    assert _unpark(monkeypatch, status) == 1
    assert annotated == []
    assert "is not parked" in capsys.readouterr().out


def test_a_name_that_is_not_there_is_a_usage_error(
    monkeypatch: pytest.MonkeyPatch, annotated: list[Key], capsys: pytest.CaptureFixture[str]
) -> None:
    """With the namespace that was looked in."""
    assert _unpark(monkeypatch, None, "-n", "team-b") == 2
    assert "no ModelEndpoint digits in namespace team-b" in capsys.readouterr().err


@pytest.mark.parametrize(("status", "code"), [({}, 0), (None, 2)])
def test_a_check_is_asked_of_a_policy_that_is_there(
    monkeypatch: pytest.MonkeyPatch, annotated: list[Key], status: dict[str, Any] | None, code: int
) -> None:
    """Whatever its phase: what a check means then is the operator's to say."""
    monkeypatch.setattr(annotate, "connect", lambda context: _Cluster(status))
    assert main(["check", "fees", "-n", "team-b"]) == code
    assert annotated == ([Key("MonitorPolicy", "team-b", "fees")] if code == 0 else [])


def test_no_check_is_asked_of_model_monitor(
    monkeypatch: pytest.MonkeyPatch, annotated: list[Key], capsys: pytest.CaptureFixture[str]
) -> None:
    """Its schedule takes no requests."""
    monkeypatch.setattr(annotate, "connect", lambda context: _Cluster({}, engine="ModelMonitor"))
    assert main(["check", "fees"]) == 1
    assert annotated == []
    assert "checks by its schedule alone: wait for it, or leave engine out" in capsys.readouterr().err


def _stalled(phase: str, status: str = "True") -> dict[str, Any]:
    return {"phase": phase, "conditions": [{"type": "Stalled", "status": status}]}


RUN, ENDPOINT = Key("TrainingRun", "team-a", "digits"), Key("ModelEndpoint", "team-a", "digits")


@pytest.mark.parametrize(
    ("given", "status", "key", "wanted"),
    [
        ("digits", _stalled("Failed"), RUN, RERUN),
        ("tr/digits", _stalled("Stopped"), RUN, RERUN),
        ("digits", _stalled("Invalid"), RUN, RECONCILE_REQUESTED_AT),
        ("digits", _stalled("Succeeded", "False"), RUN, None),
        ("digits", {}, RUN, None),
        ("mep/digits", _stalled("Failed"), ENDPOINT, RECONCILE_REQUESTED_AT),
        ("mep/digits", _stalled("Deleting"), ENDPOINT, RECONCILE_REQUESTED_AT),
    ],
)
def test_what_has_stalled_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, given: str, status: dict[str, Any], key: Key, wanted: str | None
) -> None:
    """Paid for again only where a run's job has ended badly; what has not stalled is left alone."""
    written: list[tuple[Key, str]] = []

    async def note(cluster: Any, key: Key, annotation: str, value: str) -> None:
        written.append((key, annotation))

    monkeypatch.setattr(retry, "annotate", note)
    monkeypatch.setattr(annotate, "connect", lambda context: _Cluster(status))
    assert main(["retry", given]) == (0 if wanted else 1)
    assert written == ([(key, wanted)] if wanted else [])


def test_a_kind_that_there_is_not_is_a_usage_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["retry", "pod/digits"]) == 2
    assert "pod is none of TrainingRun, ModelEndpoint, MonitorPolicy" in capsys.readouterr().err
