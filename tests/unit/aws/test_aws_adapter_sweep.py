"""aws.sweep: whom one look wakes, how few calls it makes, and that a failed look is followed by another."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

import pytest

from sagemaker_gitops.aws.port import Scope
from sagemaker_gitops.aws.sweep import ACTIVE, PAGE, PAGE_LIMIT, PAUSE_BETWEEN_CALLS, ActiveJob, sweep, sweep_once
from sagemaker_gitops.core.errors import Category
from sagemaker_gitops.core.kinds.training_run.facts import JobType
from sagemaker_gitops.core.resource import Key
from tests.unit.aws.aws_adapter_fakes import SCOPE, START, Enough, FakeAws, refused, scope, scripted, sleeps_until


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Sleeping takes no time; the pauses are noted."""
    found: list[float] = []
    monkeypatch.setattr(asyncio, "sleep", sleeps_until(1000, found))
    return found


def key(name: str) -> Key:
    return Key("TrainingRun", "team-a", name)


def job(name: str, type_: JobType = JobType.TRAINING_JOB, minutes: int | None = 0, whose: Scope = SCOPE) -> ActiveJob:
    since = None if minutes is None else START + timedelta(minutes=minutes)
    return ActiveJob(key(name), whose, type_, name, since)


def training(*jobs: tuple[str, str], following: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {"TrainingJobSummaries": [{"TrainingJobName": name, "TrainingJobStatus": status} for name, status in jobs]}
    return found | ({"NextToken": following} if following else {})


def woken(aws: FakeAws, jobs: Iterable[ActiveJob]) -> list[str]:
    found: list[Key] = []
    asyncio.run(sweep_once(aws, list(jobs), found.append))
    return [item.name for item in found]


@pytest.mark.parametrize("status", ["Completed", "Failed", "Stopped", "SomethingNew"])
def test_a_job_that_is_no_longer_active_wakes_its_object(status: str, pauses: list[float]) -> None:
    """An event that was lost is made up for; only the objects concerned are looked at."""
    assert woken(scripted(training(("a", "InProgress"), ("b", status))), [job("a"), job("b")]) == ["b"]


@pytest.mark.parametrize("status", ["InProgress", "Stopping"])
def test_an_active_job_wakes_nobody(status: str, pauses: list[float]) -> None:
    """A sweep over a thousand running jobs makes no pass."""
    assert status in ACTIVE
    assert woken(scripted(training(("a", status))), [job("a")]) == []


def test_a_job_that_is_not_listed_wakes_its_object(pauses: list[float]) -> None:
    """Deleted, or never created: the pass finds out."""
    assert woken(scripted(training(("somebody-elses", "InProgress"))), [job("a")]) == ["a"]


def test_transform_jobs_have_a_list_of_their_own(pauses: list[float]) -> None:
    """Batches of endpoints are watched over like the jobs of runs."""
    listed = [{"TransformJobName": name, "TransformJobStatus": status} for name, status in (("a", "InProgress"), ("b", "Failed"))]
    aws = scripted({"TransformJobSummaries": listed})
    assert woken(aws, [job("a", JobType.TRANSFORM_JOB), job("b", JobType.TRANSFORM_JOB)]) == ["b"]
    assert aws.operations == ["sagemaker:ListTransformJobs"]


def test_nothing_active_makes_no_call(pauses: list[float]) -> None:
    """A cluster at rest costs nothing."""
    aws = scripted()
    assert woken(aws, []) == []
    assert aws.calls == []


def test_one_page_answers_for_all(pauses: list[float]) -> None:
    """A hundred jobs, one call, no pause: never a Describe for each."""
    names = [f"j{number}" for number in range(100)]
    aws = scripted(training(*((name, "InProgress") for name in names)))
    assert woken(aws, [job(name) for name in names]) == []
    assert aws.operations == ["sagemaker:ListTrainingJobs"]
    assert pauses == []


def test_the_newest_come_first_from_the_oldest_on(pauses: list[float]) -> None:
    """Asked for by the time of the oldest active job, so that years of history are not listed."""
    aws = scripted(training())
    woken(aws, [job("a", minutes=5), job("b", minutes=3), job("c", minutes=None)])
    assert aws.calls[0][1] == {
        "SortBy": "CreationTime",
        "SortOrder": "Descending",
        "MaxResults": PAGE,
        "CreationTimeAfter": START + timedelta(minutes=3),
    }


def test_without_a_known_time_everything_is_asked_for(pauses: list[float]) -> None:
    """No filter, rather than one that hides the job."""
    aws = scripted(training(("a", "InProgress")))
    assert woken(aws, [job("a", minutes=None)]) == []
    assert "CreationTimeAfter" not in aws.calls[0][1]


def test_pages_are_followed_until_all_are_found(pauses: list[float]) -> None:
    """With a pause between them, and no page more than needed."""
    aws = scripted(training(("x", "Completed"), following="t1"), training(("a", "InProgress"), following="t2"))
    assert woken(aws, [job("a")]) == []
    assert [asked.get("NextToken") for _, asked in aws.calls] == [None, "t1"]
    assert pauses == [PAUSE_BETWEEN_CALLS]


def test_the_number_of_pages_is_bounded(pauses: list[float]) -> None:
    """A job that never appears wakes its object instead of listing for ever."""
    aws = FakeAws(lambda operation, parameters: training(("x", "Completed"), following="more"))
    assert woken(aws, [job("a")]) == ["a"]
    assert len(aws.calls) == PAGE_LIMIT


def test_each_role_region_and_type_is_listed_for_itself(pauses: list[float]) -> None:
    """One tenant's credentials never answer for another's jobs; two objects of one tenant share a call."""
    other_role, other_region = scope(role_arn="arn:aws:iam::1:role/b"), scope(region="us-east-1")
    other_object = scope(name="second")
    aws = FakeAws(lambda operation, parameters: {})
    woken(
        aws,
        [
            job("a"),
            job("b", whose=other_object),
            job("c", whose=other_role),
            job("d", whose=other_region),
            job("e", JobType.PROCESSING_JOB),
        ],
    )
    assert aws.scopes == [SCOPE, other_role, other_region, SCOPE]
    assert aws.operations == ["sagemaker:ListTrainingJobs"] * 3 + ["sagemaker:ListProcessingJobs"]


def test_processing_jobs_are_read_by_their_own_names(pauses: list[float]) -> None:
    """The summary's members differ."""
    answer = {
        "ProcessingJobSummaries": [
            {"ProcessingJobName": "a", "ProcessingJobStatus": "InProgress"},
            {"ProcessingJobName": "b", "ProcessingJobStatus": "Failed"},
        ]
    }
    assert woken(scripted(answer), [job("a", JobType.PROCESSING_JOB), job("b", JobType.PROCESSING_JOB)]) == ["b"]


def test_glue_objects_are_woken_one_after_another(pauses: list[float]) -> None:
    """Glue has no list over jobs' runs: the pass looks itself, spread out in time."""
    aws = scripted()
    assert woken(aws, [job("a", JobType.GLUE_JOB), job("b", JobType.GLUE_JOB)]) == ["a", "b"]
    assert aws.calls == []
    assert pauses == [PAUSE_BETWEEN_CALLS] * 2


def test_a_failed_sweep_wakes_nobody_and_is_followed_by_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """A list that could not be read says nothing about jobs; the next interval tries again, with the jobs of then."""
    found: list[float] = []
    monkeypatch.setattr(asyncio, "sleep", sleeps_until(4, found))
    answers: list[Mapping[str, Any] | Exception] = [refused(Category.THROTTLED), training(("a", "Completed")), {}]
    aws = FakeAws(lambda operation, parameters: answers.pop(0))
    active = [[job("a")], [job("a")], [job("later")]]
    keys: list[Key] = []
    with pytest.raises(Enough):
        asyncio.run(sweep(aws, lambda: active.pop(0), keys.append, 300.0))
    assert [item.name for item in keys] == ["a", "later"]
    assert found == [300.0] * 4


def test_a_broken_role_does_not_take_the_safety_net_from_the_others(pauses: list[float]) -> None:
    """Each tenant's list is a look of its own."""
    other = scope(role_arn="arn:aws:iam::111122223333:role/team-b")
    aws = scripted(refused(Category.BLOCKED), training(("b", "Completed")))
    assert woken(aws, [job("a"), job("b", whose=other)]) == ["b"]
