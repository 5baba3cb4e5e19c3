"""aws.idle: who was asked last, in how few calls, and that an answer with holes is no silence."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest

from sagemaker_gitops.aws.idle import PERIODS, QUERIES, IdleEndpoint, look_once
from sagemaker_gitops.aws.port import Scope
from sagemaker_gitops.core.errors import Category
from sagemaker_gitops.core.kinds.model_endpoint.facts import Quiet
from sagemaker_gitops.core.resource import Key
from tests.unit.aws.aws_adapter_fakes import SCOPE, START, Answer, FakeAws, refused, scope, scripted, sleeps_until

HOUR = 3600


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Sleeping takes no time."""
    found: list[float] = []
    monkeypatch.setattr(asyncio, "sleep", sleeps_until(1000, found))
    return found


def endpoint(name: str, *variants: str, park_after: int = HOUR, whose: Scope = SCOPE) -> IdleEndpoint:
    return IdleEndpoint(Key("ModelEndpoint", "team-a", name), whose, name, variants or ("all",), park_after)


def noted(aws: FakeAws, *endpoints: IdleEndpoint) -> dict[str, datetime | None]:
    found: dict[Key, Quiet] = {}
    asyncio.run(look_once(aws, endpoints, found.__setitem__, START))
    assert all(quiet.looked_at == START for quiet in found.values())
    return {key.name: quiet.last_asked for key, quiet in found.items()}


def metrics(*asked: tuple[str, int], status: str = "Complete") -> FakeAws:
    """CloudWatch with one invocation for each (variant of an endpoint, minutes ago)."""

    def answer(operation: str, parameters: Mapping[str, Any]) -> Answer:
        results = []
        for query in parameters["MetricDataQueries"]:
            endpoint, variant = (item["Value"] for item in query["MetricStat"]["Metric"]["Dimensions"])
            times = [START - timedelta(minutes=minutes) for name, minutes in asked if name == f"{endpoint}/{variant}"]
            results.append({"Id": query["Id"], "Timestamps": times, "Values": [1.0] * len(times), "StatusCode": status})
        return {"MetricDataResults": results}

    return FakeAws(answer)


def test_an_endpoint_was_asked_when_any_variant_was() -> None:
    """To the end of the minute in which it was."""
    aws = metrics(("a/blue", 50), ("a/green", 20), ("a/green", 40))
    assert noted(aws, endpoint("a", "blue", "green"), endpoint("b")) == {"a": START - timedelta(minutes=19), "b": None}
    ((_, request),) = aws.calls
    assert (request["EndTime"], request["StartTime"]) == (START, START - timedelta(hours=1, minutes=1))
    assert [query["MetricStat"]["Stat"] for query in request["MetricDataQueries"]] == ["Sum"] * 3


def test_values_of_nothing_are_no_requests() -> None:
    """A metric that says 0."""
    aws = scripted({"MetricDataResults": [{"Id": "m0", "Timestamps": [START], "Values": [0.0], "StatusCode": "Complete"}]})
    assert noted(aws, endpoint("a")) == {"a": None}


def test_five_hundred_variants_in_a_call(pauses: list[float]) -> None:
    """A thousand endpoints cost two calls; whole endpoints stay together."""
    aws = metrics()
    assert len(noted(aws, *(endpoint(f"e{number}") for number in range(1000)))) == 1000
    assert [len(request["MetricDataQueries"]) for _, request in aws.calls] == [QUERIES, QUERIES]
    assert len(pauses) == 1
    aws = metrics()
    noted(aws, *(endpoint(f"e{number}", "a", "b", "c") for number in range(334)))
    assert [len(request["MetricDataQueries"]) for _, request in aws.calls] == [498, 498, 6]


@pytest.mark.parametrize("status", ["PartialData", "InternalError", "Forbidden"])
def test_an_incomplete_answer_is_no_silence(status: str) -> None:
    """Nothing is parked for want of data."""
    assert noted(metrics(status=status), endpoint("a")) == {}


def test_a_missing_result_is_no_silence() -> None:
    """Nor a result of another variant alone."""
    aws = scripted({"MetricDataResults": [{"Id": "m0", "Timestamps": [], "Values": [], "StatusCode": "Complete"}]})
    assert noted(aws, endpoint("a", "blue", "green")) == {}


def test_pages_are_read_to_the_end() -> None:
    """PartialData in one page and Complete in the next is complete."""
    first = {"Id": "m0", "Timestamps": [START - timedelta(minutes=30)], "Values": [1.0], "StatusCode": "PartialData"}
    last = {"Id": "m0", "Timestamps": [START - timedelta(minutes=50)], "Values": [1.0], "StatusCode": "Complete"}
    aws = scripted({"MetricDataResults": [first], "NextToken": "2"}, {"MetricDataResults": [last]})
    assert noted(aws, endpoint("a")) == {"a": START - timedelta(minutes=29)}


def test_a_refusal_parks_nobody_and_takes_nothing_from_the_others() -> None:
    """Each role is a look of its own."""
    other = scope(role_arn="arn:aws:iam::111122223333:role/team-b")
    complete = {"MetricDataResults": [{"Id": "m0", "StatusCode": "Complete"}]}
    assert noted(scripted(refused(Category.BLOCKED), complete), endpoint("a"), endpoint("b", whose=other)) == {"b": None}


def test_without_idle_endpoints_nothing_is_called() -> None:
    """The feature costs nothing where it is not used."""
    assert noted(scripted()) == {}


def test_a_call_never_asks_for_more_values_than_aws_gives() -> None:
    """100,800 in one call."""
    for longest, period in PERIODS:
        assert (longest / period + 1) * QUERIES <= 100_800
        assert endpoint("a", park_after=longest).period == period
