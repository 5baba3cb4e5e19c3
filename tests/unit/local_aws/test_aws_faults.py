"""Faults that a test orders happen exactly as ordered, and are in the ledger."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aws_frame import Local, wsgi
from botocore.exceptions import ClientError

from local_aws.app import ConnectionDroppedError
from local_aws.faults import Bucket, EventFaults, Faults, JobFailure, Script
from local_aws.service import Call

TARGET = {"HTTP_X_AMZ_TARGET": "SageMaker.DescribeModel"}


@pytest.fixture
def executed(local: Local) -> list[str]:
    """Names that the handler of DescribeModel was called with."""
    names: list[str] = []

    def describe(call: Call) -> dict[str, Any]:
        names.append(call.params["ModelName"])
        return {"ModelName": call.params["ModelName"]}

    local.operations["sagemaker", "DescribeModel"] = describe
    return names


def order(local: Local, path: str, method: str = "POST", **document: object) -> dict[str, Any]:
    status, _, body = wsgi(local.app, method, f"/_local/{path}", json.dumps(document).encode())
    answer: dict[str, Any] = json.loads(body)
    assert status == 200, answer
    return answer


def describe(local: Local, name: str = "m") -> tuple[int, dict[str, Any]]:
    status, _, body = wsgi(local.app, "POST", "/", json.dumps({"ModelName": name}).encode(), TARGET)
    return status, json.loads(body)


def test_a_scripted_error_comes_before_execution(local: Local, executed: list[str]) -> None:
    """With the ordered code and message, as often as ordered."""
    error: dict[str, Any] = {
        "kind": "error",
        "times": 2,
        "code": "ResourceLimitExceeded",
        "message": "No more.",
    }
    order(local, "faults/script", operation="DescribeModel", **error)
    answers = [describe(local) for _ in range(3)]
    refused = (400, {"__type": "ResourceLimitExceeded", "message": "No more."})
    assert answers == [refused, refused, (200, {"ModelName": "m"})]
    assert executed == ["m"]


def test_accept_then_drop_executes_and_loses_the_answer(local: Local, executed: list[str]) -> None:
    """The ledger knows that the call was accepted and not answered."""
    order(local, "faults/script", operation="DescribeModel", kind="accept-then-drop")
    with pytest.raises(ConnectionDroppedError):
        describe(local)
    assert executed == ["m"]
    [entry] = local.world.ledger.entries()
    assert (entry.accepted, entry.answered) == (True, False)


def test_accept_then_500_executes_and_lies(local: Local, executed: list[str]) -> None:
    """The client sees an internal failure although the call was accepted."""
    order(local, "faults/script", operation="DescribeModel", kind="accept-then-500")
    status, answer = describe(local)
    assert (status, answer["__type"], executed) == (500, "InternalFailure", ["m"])
    [entry] = local.world.ledger.entries()
    assert (entry.accepted, entry.answered) == (True, False)


def test_drop_does_not_execute(local: Local, executed: list[str]) -> None:
    """The connection closes before anything happened."""
    order(local, "faults/script", operation="DescribeModel", kind="drop")
    with pytest.raises(ConnectionDroppedError):
        describe(local)
    [entry] = local.world.ledger.entries()
    assert (executed, entry.accepted, entry.answered) == ([], False, False)


def test_delay_comes_before_execution(local: Local, executed: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A late call is executed late: the client may be gone by then."""
    seen: list[tuple[float, int]] = []
    pause = staticmethod(lambda seconds: seen.append((seconds, len(executed))))
    monkeypatch.setattr(Faults, "pause", pause)
    order(local, "faults/script", operation="DescribeModel", kind="delay", seconds=7)
    assert describe(local)[0] == 200
    assert (seen, executed) == ([(7, 0)], ["m"])


def test_a_script_can_be_meant_for_one_resource(local: Local, executed: list[str]) -> None:
    """Other names and other services are left alone."""
    order(local, "faults/script", operation="DescribeModel", kind="error", resource="^bad-")
    order(local, "faults/script", operation="DescribeModel", kind="error", service="glue")
    assert [describe(local, name)[0] for name in ("good", "bad-one", "bad-two")] == [200, 400, 200]
    assert executed == ["good", "bad-two"]


@pytest.mark.parametrize(
    ("path", "document", "field"),
    [
        ("faults/script", {"operation": "X", "kind": "explode"}, "kind"),
        ("faults/script", {"kind": "drop"}, "operation"),
        ("faults/script", {"operation": "X", "kind": "drop", "time": 2}, "time"),
        ("faults/script", {"operation": "X", "kind": "drop", "times": "2"}, "times"),
        ("faults/script", {"operation": "X", "kind": "drop", "resource": "("}, "resource"),
        ("faults/jobs", {"job": "TrainingJob"}, "reason"),
        ("deny", {"role": "team"}, "action"),
    ],
)
def test_wrong_orders_name_the_field(local: Local, path: str, document: dict[str, Any], field: str) -> None:
    """A fault that is not understood must not be ignored."""
    status, _, body = wsgi(local.app, "POST", f"/_local/{path}", json.dumps(document).encode())
    assert (status, json.loads(body)["error"].split(":")[0]) == (400, field)


def test_throttling_answers_rate_exceeded(local: Local, executed: list[str]) -> None:
    """Beyond the burst, in AWS's words; the call is not executed."""
    limits: dict[str, Any] = {"service": "sagemaker", "operation": "DescribeModel", "rate": 0, "burst": 2}
    order(local, "faults/throttle", "PUT", **limits)
    answers = [describe(local) for _ in range(3)]
    assert [status for status, _ in answers] == [200, 200, 400]
    assert answers[2][1] == {"__type": "ThrottlingException", "message": "Rate exceeded"}
    assert len(executed) == 2


def test_services_behind_the_fall_through_are_throttled_in_their_own_words(local: Local) -> None:
    """S3 says SlowDown."""
    order(local, "faults/throttle", "PUT", service="s3", operation="*", rate=0, burst=0.5)
    with pytest.raises(ClientError, match="reduce your request rate"):
        local.client("s3").list_buckets()


def test_a_bucket_fills_with_time() -> None:
    """`rate` tokens a second, never more than `burst`."""
    now = [0.0]
    bucket = Bucket(2.0, 2.0, lambda: now[0])
    assert [bucket.take() for _ in range(3)] == [True, True, False]
    now[0] = 0.5
    assert [bucket.take() for _ in range(2)] == [True, False]
    now[0] = 100.0
    assert [bucket.take() for _ in range(3)] == [True, True, False]


def test_job_failures_are_used_up() -> None:
    """Each ordered failure hits one job of its kind and name."""
    faults = Faults()
    faults.fail_jobs(JobFailure("TrainingJob", "CapacityError: none left", name="^digits"))
    assert faults.next_job_failure("ProcessingJob", "digits-1") is None
    assert faults.next_job_failure("TrainingJob", "other") is None
    failure = faults.next_job_failure("TrainingJob", "digits-1")
    assert failure is not None
    assert failure.reason == "CapacityError: none left"
    assert faults.next_job_failure("TrainingJob", "digits-2") is None


def test_events_pass_once_without_faults() -> None:
    """One copy, no delay."""
    assert Faults().event_fate() == (0.0,)


def test_lost_doubled_and_late_events() -> None:
    """Rates of one are certainties; the delay holds for every copy."""
    faults = Faults()
    faults.events = EventFaults(drop=1.0)
    assert faults.event_fate() == ()
    faults.events = EventFaults(duplicate=1.0, delay=3.0)
    assert faults.event_fate() == (3.0, 3.0)


def test_random_faults_repeat_with_the_same_seed() -> None:
    """A schedule replays."""
    fates = []
    for _ in range(2):
        faults = Faults(seed=7)
        faults.events = EventFaults(drop=0.5)
        fates.append([len(faults.event_fate()) for _ in range(50)])
    assert fates[0] == fates[1]
    assert {0, 1} == set(fates[0])


def test_reset_removes_every_fault(local: Local, executed: list[str]) -> None:
    """After a test nothing of it is left."""
    order(local, "faults/script", operation="DescribeModel", kind="drop")
    order(local, "faults/latency", "PUT", mean=60)
    order(local, "faults/list-lag", "PUT", seconds=30)
    order(local, "faults/events", "PUT", drop=1)
    order(local, "faults/jobs", job="TrainingJob", reason="x")
    order(local, "deny", role="team", action="*")
    order(local, "clock", "PUT", speed=60)
    order(local, "reset")
    shown = wsgi(local.app, "GET", "/_local/faults")[2]
    assert json.loads(shown) == Faults().report()
    assert local.world.identity.denials() == []
    assert local.world.clock.speed == 1.0
    assert describe(local)[0] == 200


def test_latency_is_mean_and_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    """Never negative, never beyond the jitter."""
    pauses: list[float] = []
    monkeypatch.setattr(Faults, "pause", staticmethod(pauses.append))
    faults = Faults()
    faults.wait()
    assert pauses == []
    faults.latency = type(faults.latency)(mean=0.1, jitter=0.2)
    for _ in range(100):
        faults.wait()
    assert min(pauses) == 0.0
    assert 0.2 < max(pauses) <= 0.3


def test_internal_calls_know_no_faults(local: Local) -> None:
    """What the local AWS does on its own behalf always works."""
    local.world.faults.script(Script("ListBuckets", "error"))
    assert local.world.client("s3").list_buckets()["ResponseMetadata"]["HTTPStatusCode"] == 200


def test_settings_are_numbers_that_services_declared(local: Local) -> None:
    """A setting that nobody reads is refused."""
    local.world.settings["training.starting"] = 0.05
    assert order(local, "settings", "PUT", **{"training.starting": 2}) == {"training.starting": 2.0}
    status, _, body = wsgi(local.app, "PUT", "/_local/settings", b'{"training.staring": 2}')
    assert (status, "training.staring" in json.loads(body)["error"]) == (400, True)


def test_an_unknown_admin_path_is_a_404(local: Local) -> None:
    """Also when it is signed."""
    assert wsgi(local.app, "GET", "/_local/nonsense")[0] == 404
