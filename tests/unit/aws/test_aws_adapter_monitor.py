"""Checks of a MonitorPolicy: due by clock or by hand, one job per window and model, whatever is lost on the way."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.conditions import timestamp
from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.plan import After
from tests.unit.aws.monitor_world import World, failure, report, uploaded
from tests.unit.aws.passes import Crash, operations


def started(**spec: Any) -> World:
    """A policy that has seen its endpoint at 10:10, with a captured file of 10:20, at 10:30."""
    world = World(**spec)
    world.turn()
    world.aws.captured(datetime(2026, 11, 21, 10, 20, tzinfo=UTC))
    world.at(10, 30)
    return world


def test_it_waits_for_the_endpoint_and_its_capture_without_a_call() -> None:
    """DependencyNotReady says what for; the schedule counts from when it was seen."""
    world = World()
    del world.references.objects[next(iter(world.references.objects))]
    cases: list[tuple[dict[str, Any], str]] = [
        ({}, "there is no ModelEndpoint fees"),
        ({"phase": "Creating"}, "Creating"),
        ({"capture": False}, "captures no data: add dataCapture"),
    ]
    for served, words in cases:
        if served:
            world.serves(1, **served)
        made = world.turn()
        assert world.conditions() == {"Ready": "False DependencyNotReady", "Reconciling": "True DependencyNotReady"}
        assert words in world.message()
        assert made.actions == ()
        assert made.requeue == After(60.0)
    assert world.aws.calls == []


def test_between_two_checks_nothing_is_asked() -> None:
    """The next pass is due with the next moment."""
    world = World()
    made = world.turn()
    assert made.requeue == After(20 * 60.0)
    assert world.conditions() == {"Ready": "True Scheduled"}
    assert (world.status["target"], world.status["model"], world.status["nextCheck"]) == ("fees/blue", "fees/1", "2026-11-21T10:30:00Z")
    assert world.aws.calls == []
    assert made.finalizer is False


def test_the_endpoint_itself_may_not_capture_yet() -> None:
    """What serves may be an older config."""
    world = started()
    world.aws.capture = False
    world.turn()
    assert world.conditions()["Ready"] == "False DependencyNotReady"
    assert "captures no data yet" in world.message()
    world.aws.capture = True
    world.later(minutes=1)
    assert operations(world.turn())[-1] == "CreateProcessingJob"


def test_the_job_reads_exactly_its_window() -> None:
    """Config, the captured files of the hours, the baseline of the version that serves; no folder that has nothing to hold."""
    world = started()
    world.aws.captured(datetime(2026, 11, 21, 7, 20, tzinfo=UTC))
    world.aws.captured(datetime(2026, 11, 21, 10, 20, tzinfo=UTC), variant="green")
    made = world.turn()
    config = uploaded(made, "config.json")
    assert config["window"] == {"start": "2026-11-21T09:30:00Z", "end": "2026-11-21T10:30:00Z"}
    assert config["target"] == {"kind": "Endpoint", "name": "team-a-fees-4k2mzq", "variant": "blue", "modelVersion": "fees/1"}
    assert config["groundTruth"] == {"idField": "eventId", "maxDelaySeconds": 0, "minMatched": 30}
    assert config["checks"] == [{"name": "loss", "type": "Custom", "entryPoint": "loss.py", "metric": "wql"}]
    root = "s3://team-a-ml/artifacts/team-a/fees/capture/team-a-fees-4k2mzq/"
    assert uploaded(made, "capture.manifest") == [{"prefix": root}, "blue/2026/11/21/10/20-00.jsonl"]
    request = made.actions[-1]
    assert isinstance(request, AwsRequest)
    inputs = {item["InputName"]: item["S3Input"] for item in request.parameters["ProcessingInputs"]}
    assert inputs.keys() == {"monitoring", "config", "source", "capture", "baseline"}
    assert inputs["baseline"]["S3Uri"] == "s3://team-a-ml/evaluations/1/baseline.json"
    assert {name: item["LocalPath"] for name, item in inputs.items()} == {name: f"/opt/ml/processing/input/{name}" for name in inputs}
    assert inputs["capture"]["S3DataType"] == "ManifestFile"
    assert request.parameters["AppSpecification"]["ContainerEntrypoint"] == ["python3", "/opt/ml/processing/input/monitoring/check.py"]


def test_ground_truth_is_mounted_when_there_is_some_and_its_delay_is_waited_for() -> None:
    """A window is checked maxDelay after its end."""
    world = World(groundTruth={"s3Uri": "s3://team-a-ml/actuals/fees/", "idField": "eventId", "maxDelay": "1h", "minMatched": 5})
    world.turn()
    world.aws.captured(datetime(2026, 11, 21, 9, 10, tzinfo=UTC))
    world.aws.objects["actuals/fees/a.jsonl"] = b"{}\n"
    world.at(10, 30)
    made = world.turn()
    config = uploaded(made, "config.json")
    assert config["window"] == {"start": "2026-11-21T08:30:00Z", "end": "2026-11-21T09:30:00Z"}
    assert config["groundTruth"] == {"idField": "eventId", "maxDelaySeconds": 3600, "minMatched": 5}
    request = made.actions[-1]
    assert isinstance(request, AwsRequest)
    inputs = {item["InputName"]: item["S3Input"] for item in request.parameters["ProcessingInputs"]}
    assert inputs["groundtruth"]["S3Uri"] == "s3://team-a-ml/actuals/fees/"


def test_a_check_ends_well() -> None:
    """Numbers, data and violations are in the status; Ready says Passing; the next pass waits for the next moment."""
    world = started()
    violations = [{"check": "loss", "feature": "amount", "constraint": "completeness", "description": "0.9 < 0.99"}]
    last = world.checked(report(0.2, violations=violations, violationsTotal=3))
    assert (last["state"], last["model"], last["trigger"]) == ("Succeeded", "fees/1", "schedule 2026-11-21T10:30:00Z")
    assert last["metrics"] == [{"check": "loss", "name": "wql", "value": "0.2", "sampleSize": 40}]
    assert last["data"] == {"state": "Available", "captured": 40, "matched": 40, "matchRate": "1"}
    assert (last["violationsTotal"], world.status["violations"]) == (3, violations)
    assert world.conditions() == {"DataAvailable": "True Available", "Ready": "True Passing"}
    assert (world.status["phase"], world.status["metric"]) == ("Passing", "loss=0.2")
    assert "running" not in world.status
    assert world.turn().requeue == After(59 * 60.0)
    before = len(world.aws.calls)
    assert world.turn().actions == ()
    assert len(world.aws.calls) == before


def test_no_data_is_a_state_of_its_own_and_costs_no_job() -> None:
    """Neither good nor bad: no verdict."""
    world = World()
    world.turn()
    world.at(10, 30)
    world.turn()
    assert world.conditions() == {"DataAvailable": "False NoData", "Ready": "False NoData"}
    assert (world.status["phase"], world.aws.count("CreateProcessingJob")) == ("NoData", 0)
    assert world.status["lastScheduled"] == "2026-11-21T10:30:00Z"
    assert world.turn().requeue == After(3600.0)


@pytest.mark.parametrize("state", ["NoData", "LateData", "LowMatch"])
def test_what_the_job_says_of_data_is_told(state: str) -> None:
    world = started()
    world.checked(report(None, state=state))
    assert world.conditions() == {"DataAvailable": f"False {state}", "Ready": f"False {state}"}


def test_a_failed_job_stalls_with_reason_and_log_and_the_next_window_tries_again() -> None:
    world = started()
    world.checked(reason="AlgorithmError: loss.py ended with 1")
    assert world.conditions() == {"Ready": "False AlgorithmError", "Stalled": "True AlgorithmError"}
    assert world.status["failure"] == {
        "reason": "AlgorithmError",
        "message": "AlgorithmError: loss.py ended with 1",
        "logTail": ["KeyError: 'eventId'"],
    }
    assert world.turn().actions == ()
    world.at(11, 30)
    world.aws.captured(datetime(2026, 11, 21, 11, 1, tzinfo=UTC))
    world.checked(report())
    assert world.conditions()["Ready"] == "True Passing"
    assert "failure" not in world.status
    assert [item["state"] for item in world.status["checks"]] == ["Succeeded", "Failed"]


@pytest.mark.parametrize("content", [{}, {"version": 2}, {"version": 1, "data": {"state": "Fine"}}])
def test_a_report_that_cannot_be_read_is_a_failed_check(content: dict[str, Any]) -> None:
    world = started()
    world.checked(content)
    assert world.conditions()["Stalled"] == "True ReportUnreadable"


def test_a_job_without_a_report_is_a_failed_check() -> None:
    world = started()
    world.checked(None)
    assert "report.json does not exist" in world.message("Stalled")


def test_of_missed_windows_the_newest_is_checked_and_it_says_so() -> None:
    world = started()
    world.at(14, 45)
    world.aws.captured(datetime(2026, 11, 21, 14, 1, tzinfo=UTC))
    last = world.checked(report())
    assert last["window"] == {"start": "2026-11-21T13:30:00Z", "end": "2026-11-21T14:30:00Z"}
    words = "moments of the schedule were missed, from 2026-11-21T10:30:00Z on; only the newest, 2026-11-21T14:30:00Z, is made up for"
    assert last["message"] == words
    assert world.turn().actions == ()


def test_check_now_is_heeded_once_for_each_value() -> None:
    """Its name is the nonce: a lost status finds the check again with the window that it had."""
    world = started(schedule=None)
    assert world.turn().actions == ()
    world.check_now("anna-1")
    last = world.checked(report())
    assert (last["trigger"], world.status["lastHandledCheckNow"]) == ("check-now anna-1", "anna-1")
    assert world.turn().actions == ()
    world.later(minutes=20)
    world.wipe()
    world.turn()
    assert world.status["lastCheck"]["window"] == last["window"]
    assert world.aws.count("CreateProcessingJob") == 1
    world.check_now("anna-2")
    world.checked(report())
    assert world.aws.count("CreateProcessingJob") == 2


def test_asked_for_twice_within_a_second_no_window_is_checked_twice() -> None:
    world = started(schedule=None)
    asked, ends = world.aws.now, []
    for nonce in ("anna-1", "anna-2", "anna-3"):
        world.aws.now = asked
        world.check_now(nonce)
        ends.append(world.checked(report())["window"]["end"])
    assert ends == [timestamp(asked + timedelta(seconds=later)) for later in range(3)]


@pytest.mark.parametrize("crash", ["before", "after"])
def test_a_crash_around_the_create_makes_no_second_job(crash: str) -> None:
    world = started()
    with pytest.raises(Crash):
        world.turn(**{f"crash_{crash}": "CreateProcessingJob"})
    world.restart()
    world.turn()
    world.aws.end(report())
    world.turn()
    assert world.status["phase"] == "Passing"
    assert len(world.aws.jobs) == 1


@pytest.mark.parametrize("over", [False, True])
def test_a_wiped_status_finds_its_check_again(over: bool) -> None:
    """Running or ended: the same window of the same model has the same name."""
    world = started()
    world.turn()
    if over:
        world.aws.end(report())
        world.turn()
    world.wipe()
    world.turn()
    world.turn()
    if not over:
        assert world.status["running"]["jobName"] in world.aws.jobs
        world.aws.end(report())
        world.turn()
    assert world.status["lastCheck"]["metrics"][0]["value"] == "0.2"
    assert world.turn().actions == ()
    assert world.aws.count("CreateProcessingJob") == 1


def test_another_model_is_another_check_and_no_answer_of_the_earlier_one_is_held_against_it() -> None:
    """The window begins when the model was seen to serve."""
    world = started()
    world.checked(report())
    world.at(11, 12)
    world.serves(2)
    world.turn()
    assert (world.status["model"], world.status["modelSince"]) == ("fees/2", "2026-11-21T11:12:01Z")
    world.at(11, 30)
    world.aws.captured(datetime(2026, 11, 21, 11, 20, tzinfo=UTC))
    config = uploaded(world.turn(), "config.json")
    assert config["window"] == {"start": "2026-11-21T11:12:01Z", "end": "2026-11-21T11:30:00Z"}
    assert config["target"]["modelVersion"] == "fees/2"


def test_the_baseline_must_be_there() -> None:
    world = started()
    del world.aws.objects["evaluations/1/baseline.json"]
    world.turn()
    assert world.conditions()["Ready"] == "False DependencyNotReady"
    assert "evaluations/1/baseline.json does not exist" in world.message()


def test_what_aws_refuses_is_told_and_the_next_window_asks_again() -> None:
    world = started()
    world.aws.refuses["CreateProcessingJob"] = failure(Category.BLOCKED, "ResourceLimitExceeded", "CreateProcessingJob", "quota is 0")
    world.turn()
    world.turn()
    assert world.conditions() == {"Ready": "False ResourceLimitExceeded", "Stalled": "True ResourceLimitExceeded"}
    assert world.turn().actions == ()
    del world.aws.refuses["CreateProcessingJob"]
    world.at(11, 30)
    world.aws.captured(datetime(2026, 11, 21, 11, 1, tzinfo=UTC))
    world.checked(report())
    assert world.conditions()["Ready"] == "True Passing"


def test_a_foreign_job_is_left_alone() -> None:
    world = started()
    world.turn()
    name = next(iter(world.aws.jobs))
    world.aws.tags[f"processing-job/{name}"] = []
    world.restart()
    world.turn()
    assert world.conditions()["Stalled"] == "True NameConflict"
    assert world.aws.count("StopProcessingJob") == 0


def test_suspended_nothing_starts_and_what_runs_is_finished() -> None:
    world = started()
    world.turn()
    world.edit(suspend=True)
    world.aws.end(report())
    world.turn()
    assert world.status["lastCheck"]["state"] == "Succeeded"
    world.at(11, 30)
    assert world.turn().actions == ()
    assert world.conditions()["Ready"] == "False Suspended"


@pytest.mark.parametrize("appears", [True, False])
def test_a_job_that_aws_does_not_show_yet_outlives_what_it_looks_at(appears: bool) -> None:
    """It may have been accepted and is paid for; after the quarantine nothing comes any more."""
    world = started()
    world.turn()
    hidden = dict(world.aws.jobs)
    world.aws.jobs.clear()
    world.serves(2)
    world.later(minutes=4)
    made = world.turn()
    assert (made.actions, made.requeue) == ((), After(60.0))
    assert world.status["running"]["jobName"] in hidden
    world.later(minutes=2)
    if appears:
        world.aws.jobs |= hidden
        world.aws.end(report())
    world.turn()
    assert (world.status["lastCheck"]["state"], world.aws.count("CreateProcessingJob")) == ("Succeeded" if appears else "Refused", 1)
    assert appears or world.conditions()["Stalled"] == "True Superseded"


def test_a_scrap_of_a_check_is_no_check() -> None:
    """What somebody's edit of a status may leave: nothing would ever end it."""
    world = World(suspend=True)
    world.snapshot = replace(world.snapshot, status={"running": {"startedAt": "2026-11-21T10:00:00Z"}})
    world.turn()
    assert "running" not in world.status
    assert list(world.kind.remembered()) == []


@pytest.mark.parametrize("policy", [None, "Retain"])
def test_deleted_during_a_check(policy: str | None) -> None:
    """Delete stops what runs and goes when two looks agree; Retain touches nothing."""
    world = started(deletionPolicy=policy)
    world.turn()
    world.delete()
    made = world.turn()
    if policy == "Retain":
        assert (operations(made), made.finalizer) == ([], False)
        return
    assert operations(made) == ["StopProcessingJob"]
    for _ in range(4):
        world.later(minutes=10)
        made = world.turn()
    assert made.finalizer is False
    assert world.aws.count("StopProcessingJob") == 1


def test_nothing_is_read_of_what_the_tenant_forbids() -> None:
    world = World(groundTruth={"s3Uri": "s3://team-b-ml/actuals/", "idField": "eventId"})
    world.turn()
    assert world.conditions()["Stalled"] == "True TenantPolicy"
    assert "spec.groundTruth.s3Uri" in world.message()
    assert world.aws.calls == []


def test_a_script_that_is_not_there_is_named() -> None:
    world = World()
    world.references.files = {"other.py": b""}
    world.turn()
    assert world.conditions()["Stalled"] == "True SourceIncomplete"
    assert "spec.checks[0].entryPoint: loss.py is not in the source, which holds: other.py" in world.message()


def test_failures_of_reads_are_aws_failures() -> None:
    world = started()
    world.aws.refuses["DescribeEndpoint"] = failure(Category.THROTTLED, "ThrottlingException", "DescribeEndpoint")
    with pytest.raises(AwsFailure):
        world.turn()
