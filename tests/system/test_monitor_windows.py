"""Windows of a MonitorPolicy on the real API server and the local AWS: missed ones, data that come late, nights with a change of clocks."""

from __future__ import annotations

import json
import time
import uuid
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.system.policies import Policies
from tests.system.stack import condition

MINUTE, SECOND = timedelta(minutes=1), timedelta(seconds=1)
EVERY_MINUTE = {"cron": "* * * * *", "timeZone": "Europe/Zurich"}
DELAY = 30 * SECOND


def moment_of(text: str) -> datetime:
    """A time of a status."""
    return datetime.fromisoformat(text)


def words(moment: datetime) -> str:
    """A time as statuses have it."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def wait_until(moment: datetime) -> None:
    time.sleep(max(0.0, (moment - datetime.now(UTC)).total_seconds()))


def succeeded(status: dict[str, Any]) -> list[dict[str, Any]]:
    """The checks that found something, newest first."""
    return [item for item in status.get("checks", ()) if item["state"] == "Succeeded"]


@pytest.mark.capability("G10")
@pytest.mark.long
@pytest.mark.timeout(400)
def test_of_missed_windows_the_newest_is_checked_once_and_the_others_are_named(policies: Policies) -> None:
    """The operator is down over three moments of one policy's schedule, another one is suspended over more: one job each."""
    policies.captured("down", 0.25)
    policies.captured("suspended", 0.5)
    policies.policy("suspended", schedule=EVERY_MINUTE, suspend=True)
    since = {"suspended": policies.until_policy("suspended", lambda status: status.get("phase") == "Suspended")["lastScheduled"]}
    policies.policy("down", schedule=EVERY_MINUTE)
    policies.until_policy("down", lambda status: bool(status.get("nextCheck")))
    policies.stack.sandbox.stop_operator()
    since["down"] = policies.policy_status("down")["lastScheduled"]
    policies.ask_times("down", 3)
    policies.ask_times("suspended", 3)
    first = {name: moment_of(moment).replace(second=0) + MINUTE for name, moment in since.items()}
    wait_until(max(datetime.now(UTC).replace(second=0, microsecond=0), first["down"]) + 2 * MINUTE + SECOND)
    assert (policies.checks_of("down"), policies.checks_of("suspended")) == (0, 0)
    policies.stack.sandbox.start_operator()
    policies.policy("suspended", schedule=EVERY_MINUTE)
    for name, value in (("down", "0.25"), ("suspended", "0.5")):
        policies.until_policy(name, lambda status: bool(succeeded(status)), 100)
        policies.policy(name, schedule=EVERY_MINUTE, suspend=True)
        status = policies.until_policy(name, lambda status: status.get("phase") == "Suspended")
        made = succeeded(status)[-1]
        newest = moment_of(made["moment"])
        assert newest >= first[name] + 2 * MINUTE
        assert made["trigger"] == f"schedule {words(newest)}"
        assert made["window"] == {"start": words(newest - 10 * MINUTE), "end": words(newest)}
        told = f"moments of the schedule were missed, from {words(first[name])} on; only the newest, {words(newest)}, is made up for"
        assert made["message"] == told
        assert (made["metrics"][0]["value"], made["data"]["captured"]) == (value, 3)
        moments = [item["moment"] for item in status["checks"]]
        assert [moment for moment in moments if first[name] <= moment_of(moment) <= newest] == [made["moment"]]
        assert policies.checks_of(name) == len({item["jobName"] for item in status["checks"] if "jobName" in item})


@dataclass(slots=True)
class Files:
    """Captured files of an endpoint that come when a test says so, after the endpoint's own were taken away."""

    policies: Policies
    name: str
    folder: str = field(init=False)
    line: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        s3 = self.policies.stack.client("s3")
        prefix = f"artifacts/team-a/{self.name}/capture/"
        self.policies.ask_times(self.name, 1)
        (found,) = s3.list_objects_v2(Bucket="team-a-ml", Prefix=prefix)["Contents"]
        self.line = json.loads(s3.get_object(Bucket="team-a-ml", Key=found["Key"])["Body"].read())
        self.folder = "/".join(found["Key"].split("/")[:-5])
        s3.delete_object(Bucket="team-a-ml", Key=found["Key"])

    def comes(self, answered: datetime) -> None:
        """The file of a request that was answered then."""
        event = {**self.line["eventMetadata"], "eventId": uuid.uuid4().hex, "inferenceTime": words(answered)}
        body = json.dumps({**self.line, "eventMetadata": event}) + "\n"
        key = f"{self.folder}/{answered:%Y/%m/%d/%H/%M-%S}-{uuid.uuid4().hex}.jsonl"
        self.policies.stack.client("s3").put_object(Bucket="team-a-ml", Key=key, Body=body.encode())


@pytest.mark.capability("G6", "G10")
@pytest.mark.long
@pytest.mark.timeout(400)
def test_what_comes_within_max_delay_is_counted_and_what_comes_later_is_not_checked_again(policies: Policies) -> None:
    """A file that comes after its window's end and before its check, and one that comes after that check."""
    policies.captured("late", 0.25)
    files = Files(policies, "late")
    truth = {"s3Uri": "s3://team-a-ml/actuals/late/", "idField": "eventId", "maxDelay": "30s"}
    policies.policy("late", schedule=EVERY_MINUTE, window="1m", groundTruth=truth)
    policies.until_policy("late", lambda status: bool(status.get("nextCheck")))
    moment = datetime.now(UTC).replace(second=0, microsecond=0) + 2 * MINUTE
    end = moment - DELAY
    wait_until(end + SECOND)
    files.comes(end - 5 * SECOND)
    assert datetime.now(UTC) < moment, "this machine is too slow for a delay of 30 s"

    def checked(moment: datetime) -> dict[str, Any]:
        def holds(status: dict[str, Any]) -> bool:
            return "running" not in status and status.get("lastCheck", {}).get("moment") == words(moment)

        return dict(policies.until_policy("late", holds, 150)["lastCheck"])

    found = checked(moment)
    assert (found["state"], found["data"]["captured"]) == ("Succeeded", 1)
    assert found["window"] == {"start": words(end - MINUTE), "end": words(end)}
    files.comes(end - 6 * SECOND)
    after = checked(moment + MINUTE)
    assert after["data"]["captured"] == 0
    policies.stack.sandbox.restart_operator()
    policies.policy("late", schedule=EVERY_MINUTE, window="1m", groundTruth=truth, suspend=True)
    status = policies.until_policy("late", lambda status: status.get("phase") == "Suspended")
    (checks,) = [[item for item in status["checks"] if item["moment"] == words(moment)]]
    assert [(item["jobName"], item["data"]["captured"]) for item in checks] == [(found["jobName"], 1)]
    jobs = {item["jobName"] for item in status["checks"] if "jobName" in item}
    assert policies.checks_of("late") == len(jobs)


def changes(zone: str, month: int) -> datetime:
    """The coming Sunday on which Europe's clocks are changed, at 02:30 of the wall, which comes never or twice."""
    now = datetime.now(ZoneInfo(zone))
    for year in (now.year, now.year + 1):
        last = datetime(year, month, 31, 2, 30, tzinfo=ZoneInfo(zone))
        sunday = last - timedelta(days=(last.weekday() + 1) % 7)
        if sunday - timedelta(days=1) > now:
            return sunday
    raise AssertionError(zone)


@pytest.mark.capability("G10")
def test_a_schedule_means_the_clocks_of_its_zone(policies: Policies) -> None:
    """Also where they are set forward over its moment, and where they are set back before it comes again."""
    spring, autumn = changes("Europe/Zurich", 3), changes("Europe/Zurich", 10)
    gap = spring.replace(hour=1, minute=0, tzinfo=UTC)  # 02:00 becomes 03:00, of which it is the first moment
    twice = autumn.replace(hour=0, minute=30, tzinfo=UTC)  # the first of the two, in summer time
    nepal = (datetime.now(UTC) + timedelta(hours=5, minutes=45)).replace(hour=9, minute=15, second=0, microsecond=0)
    coming = nepal - timedelta(hours=5, minutes=45)
    wanted = {
        "spring": ({"cron": f"30 2 {spring.day} 3 *", "timeZone": "Europe/Zurich"}, gap),
        "autumn": ({"cron": f"30 2 {autumn.day} 10 *", "timeZone": "Europe/Zurich"}, twice),
        "nepal": (
            {"cron": "15 9 * * *", "timeZone": "Asia/Kathmandu"},
            coming if coming > datetime.now(UTC) else coming + timedelta(days=1),
        ),
        "nowhere": ({"cron": f"30 2 {spring.day} 3 *"}, spring.replace(tzinfo=UTC)),
    }
    for name, (schedule, _) in wanted.items():
        policies.policy(name, schedule=schedule)
    found = {name: policies.until_policy(name, lambda status: bool(status.get("nextCheck")))["nextCheck"] for name in wanted}
    assert found == {name: words(moment) for name, (_, moment) in wanted.items()}
    policies.policy("atlantis", schedule={"cron": "15 9 * * *", "timeZone": "Europe/Atlantis"})
    refused = policies.until_policy("atlantis", lambda status: bool(condition(status, "Stalled")))
    assert "timeZone: must be a time zone of the IANA database" in condition(refused, "Stalled")["message"]
