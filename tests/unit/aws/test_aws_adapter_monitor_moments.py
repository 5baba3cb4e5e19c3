"""When a policy looks and at what, on the nights on which the clocks are changed, and what it believes of a replica that lags."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sagemaker_gitops.core.errors import Category
from tests.unit.aws.monitor_world import World, failure, report

NIGHTLY = {"cron": "30 2 * * *", "timeZone": "Europe/Zurich"}
SPRING = [datetime(2026, 3, 28, 1, 30), datetime(2026, 3, 29, 1, 0), datetime(2026, 3, 30, 0, 30)]  # 02:30 on the 29th does not exist
AUTUMN = [datetime(2026, 10, 24, 0, 30), datetime(2026, 10, 25, 0, 30), datetime(2026, 10, 26, 1, 30)]  # 02:30 on the 25th comes twice


@pytest.mark.parametrize("nights", [SPRING, AUTUMN], ids=["spring", "autumn"])
def test_one_check_a_night_whatever_the_clocks_do(nights: list[datetime]) -> None:
    """A night has one check, of the day before its moment: never none, never two."""
    world = World(schedule=NIGHTLY, window="24h")
    moment = nights[0].replace(tzinfo=UTC) - timedelta(hours=2)
    last, found = nights[-1].replace(tzinfo=UTC), list[Any]()
    while moment <= last + timedelta(hours=1):
        world.aws.now = moment
        world.aws.captured(moment)
        world.turn()
        world.aws.end(report())
        world.turn()
        moment += timedelta(minutes=30)
    found = [item["window"] for item in world.status["checks"]][::-1]
    ends = [night.replace(tzinfo=UTC) for night in nights]
    assert [item["end"] for item in found] == [f"{end:%Y-%m-%dT%H:%M:%SZ}" for end in ends]
    assert [item["start"] for item in found] == [f"{end - timedelta(days=1):%Y-%m-%dT%H:%M:%SZ}" for end in ends]
    assert world.aws.count("CreateProcessingJob") == len(nights)


def _due() -> World:
    world = World()
    world.turn()
    world.at(10, 31)
    world.aws.captured(datetime(2026, 11, 21, 10, 1, tzinfo=UTC))
    return world


def test_a_job_that_only_the_second_look_shows_is_no_window_without_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two replicas answer in one pass, and one has not heard of the job yet."""
    world = _due()
    world.turn()
    real, looks = world.aws._DescribeProcessingJob, list[int]()

    def lagging(given: Any) -> dict[str, Any]:
        looks.append(1)
        if len(looks) == 1:
            raise failure(Category.NOT_FOUND, "ValidationException", "DescribeProcessingJob")
        return real(given)

    monkeypatch.setattr(world.aws, "_DescribeProcessingJob", lagging, raising=False)
    world.turn()
    assert world.status["running"]["jobName"] in world.aws.jobs
    world.aws.end(report())
    world.turn()
    assert world.status["lastCheck"]["state"] == "Succeeded"


def test_a_create_that_is_tried_again_is_as_young_as_its_last_attempt() -> None:
    """A quarantine that began with the first attempt would be over before the job can be seen."""
    world = _due()
    world.turn()
    began = world.status["running"]["attemptedAt"]
    world.aws.jobs.clear()
    world.restart()
    world.later(minutes=20)
    world.turn()
    assert world.status["running"]["attemptedAt"] > began
    assert world.aws.count("CreateProcessingJob") == 2


def test_suspended_no_next_check_is_promised() -> None:
    world = _due()
    assert world.status["nextCheck"]
    world.edit(suspend=True)
    world.turn()
    assert "nextCheck" not in world.status
