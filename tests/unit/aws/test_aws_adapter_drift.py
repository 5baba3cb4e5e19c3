"""aws.drift: whom one look wakes, and how few calls it makes for many endpoints."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from sagemaker_gitops.aws.drift import ANEW_PER_INTERVAL, PAGE, SeenEndpoint, rotation, watch, watch_once
from sagemaker_gitops.aws.port import Scope
from sagemaker_gitops.core.errors import Category
from sagemaker_gitops.core.resource import Key
from tests.unit.aws.aws_adapter_fakes import SCOPE, START, Enough, FakeAws, refused, scope, scripted, sleeps_until

OTHER = scope(role_arn="arn:aws:iam::111122223333:role/team-b")


@pytest.fixture(autouse=True)
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Sleeping takes no time; the pauses are noted."""
    found: list[float] = []
    monkeypatch.setattr(asyncio, "sleep", sleeps_until(1000, found))
    return found


def seen(name: str, whose: Scope = SCOPE) -> SeenEndpoint:
    return SeenEndpoint(Key("ModelEndpoint", "team-a", name), whose, name, START)


def page(*names: str, minutes: int = 0, following: str = "") -> dict[str, Any]:
    listed = [{"EndpointName": name, "LastModifiedTime": START + timedelta(minutes=minutes)} for name in names]
    return {"Endpoints": listed} | ({"NextToken": following} if following else {})


def woken(aws: FakeAws, *endpoints: SeenEndpoint) -> list[str]:
    found: list[Key] = []
    asyncio.run(watch_once(aws, list(endpoints), found.append))
    return [key.name for key in found]


def test_an_untouched_endpoint_wakes_nobody() -> None:
    """A thousand endpoints at rest make no pass."""
    assert woken(scripted(page("a", "b", "somebody-elses")), seen("a"), seen("b")) == []


def test_a_touched_endpoint_wakes_its_object() -> None:
    """Weights, a config, a scaler: whatever it was, AWS moved LastModifiedTime."""
    assert woken(scripted(page("a", minutes=1)), seen("a")) == ["a"]


def test_an_endpoint_that_is_gone_wakes_its_object() -> None:
    """Deleted by hand, and the event was lost."""
    assert woken(scripted(page("b")), seen("a")) == ["a"]


def test_one_call_for_each_hundred_endpoints() -> None:
    """Until all of ours are found; paced."""
    aws = scripted(page("a", following="2"), page("b", following="3"))
    assert woken(aws, seen("a"), seen("b")) == []
    assert aws.calls == [
        ("sagemaker:ListEndpoints", {"MaxResults": PAGE}),
        ("sagemaker:ListEndpoints", {"MaxResults": PAGE, "NextToken": "2"}),
    ]


def test_a_broken_role_does_not_take_the_watch_from_the_others() -> None:
    """Each tenant's list is a look of its own."""
    assert woken(scripted(refused(Category.BLOCKED), page()), seen("a"), seen("b", OTHER)) == ["b"]


def test_without_endpoints_nothing_is_called() -> None:
    """At rest an operator without endpoints is silent."""
    assert woken(scripted()) == []


def test_the_rotation_reaches_everybody_and_ten_at_a_time() -> None:
    """Tags move no LastModifiedTime, so each endpoint has its turn, however many there are."""
    keys = [seen(f"e{number:02}").key for number in range(25)]
    found: list[Key] = []
    last: Key | None = None
    for _ in range(3):
        turn = rotation(reversed(keys), last)
        assert len(turn) == ANEW_PER_INTERVAL
        found, last = [*found, *turn], turn[-1]
    assert found == [*keys, *keys[:5]]
    assert rotation(keys[:3], keys[20]) == keys[:3]
    assert rotation([], keys[0]) == []


def test_the_watch_wakes_whose_turn_it_is_although_nothing_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once in an interval for a single endpoint."""
    monkeypatch.setattr(asyncio, "sleep", sleeps_until(3, []))
    found: list[Key] = []
    with pytest.raises(Enough):
        asyncio.run(watch(scripted(page("a"), page("a")), lambda: [seen("a")], found.append, 300.0))
    assert [key.name for key in found] == ["a", "a"]
