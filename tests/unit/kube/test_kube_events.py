"""kube.events: few, bounded, harmless."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import aiohttp
import pytest
from fake_api import EVENTS, Bench, FakeApi, training_run, with_client

from sagemaker_gitops.core.resource import Key, Snapshot
from sagemaker_gitops.kube import events as events_module
from sagemaker_gitops.kube.objects import snapshot_of

HELD = snapshot_of(training_run())


def posted(api: FakeApi, say: Callable[[Bench], None], expected: int, **credentials: Any) -> list[tuple[str, str, str]]:
    """What `say` had counted, once `expected` posts ended."""

    async def use(bench: Bench) -> list[tuple[str, str, str]]:
        posting = asyncio.create_task(bench.events.run())
        say(bench)
        async with asyncio.timeout(10):
            while len(bench.recorded.calls) < expected:
                await asyncio.sleep(0.01)
        posting.cancel()
        return bench.recorded.calls

    return with_client(api, use, **credentials)


def say(bench: Bench, reason: str = "Training", item: Snapshot = HELD, message: str = "m") -> None:
    bench.client.event(item, type_="Normal", reason=reason, message=message)


def say_all(bench: Bench, reasons: list[str]) -> None:
    for reason in reasons:
        say(bench, reason)


def test_an_event_names_object_reason_and_reporter() -> None:
    """What `kubectl describe` shows."""
    api = FakeApi()
    posted(api, lambda bench: say(bench, message="waiting for capacity"), 1)
    assert api.requests == [("POST", EVENTS)]
    (body,) = api.bodies
    assert (body["reason"], body["note"], body["type"]) == ("Training", "waiting for capacity", "Normal")
    assert (body["regarding"]["uid"], body["regarding"]["apiVersion"]) == ("u-1", "sagemaker-gitops.dev/v1alpha1")
    assert body["reportingInstance"] == "pod-1"


def test_the_same_reason_is_said_once_in_ten_minutes() -> None:
    """Per object: a flapping object does not flood, another object is not silenced (failure-modes.md G5)."""
    api = FakeApi()

    def flap(bench: Bench) -> None:
        for _ in range(50):
            say(bench)
        say(bench, "TrainingFailed")
        say(bench, item=replace(HELD, uid="u-2"))

    posted(api, flap, 3)
    assert len(api.requests) == 3


def test_at_most_four_posts_run_at_once() -> None:
    """Events never crowd out the writes that matter."""
    api = FakeApi(pause=0.02)
    posted(api, lambda bench: say_all(bench, [f"Reason{number}" for number in range(40)]), 40)
    assert api.most_at_once == events_module.WORKERS


def test_a_failing_events_api_disturbs_nobody() -> None:
    """Counted, not repeated, not raised (failure-modes.md B14)."""
    api = FakeApi(faults=[500, "drop"])
    calls = posted(api, lambda bench: say_all(bench, ["A", "B", "C"]), 3)
    assert sorted(outcome for _, _, outcome in calls) == ["201", "500", "Lost"]


def test_long_notes_are_cut_at_a_character() -> None:
    """events.k8s.io refuses notes above 1 kB, and half a character is no text."""
    api = FakeApi()
    posted(api, lambda bench: say(bench, message="é" * 5000), 1)
    note = api.bodies[0]["note"]
    assert len(note.encode()) <= events_module.NOTE_LIMIT
    assert set(note) == {"é"}


def test_events_of_cluster_scoped_objects_go_to_the_default_namespace() -> None:
    """As Kubernetes itself does with those of nodes."""
    api = FakeApi()
    tenant = replace(HELD, key=Key("Tenant", "", "team-a"))
    posted(api, lambda bench: say(bench, item=tenant), 1)
    assert api.requests[0][1].startswith("/apis/events.k8s.io/v1/namespaces/default/")


def test_a_backlog_drops_the_oldest() -> None:
    """Memory stays bounded when posting cannot keep up, and the loss is counted."""
    api = FakeApi()

    def flood(bench: Bench) -> None:
        for number in range(events_module.BACKLOG + 5):
            say(bench, item=replace(HELD, uid=f"u-{number}"))

    calls = posted(api, flood, 10)
    assert calls.count(("event", "TrainingRun", "Dropped")) == 5


@dataclass
class Quiet:
    """A poster that never posts, on a clock moved by hand: what it remembers is looked at."""

    seconds: float = 5.0
    poster: events_module.EventPoster = field(init=False)

    def __post_init__(self) -> None:
        self.poster = events_module.EventPoster(cast(aiohttp.ClientSession, None), "", "pod-1", self, lambda *_: None)

    def now(self) -> datetime:
        return datetime(2026, 11, 21, tzinfo=UTC)

    def monotonic(self) -> float:
        return self.seconds

    def say(self, reason: str, item: Snapshot = HELD, at: float = 0.0, message: str = "m") -> None:
        self.seconds = max(self.seconds, at)
        self.poster.post(item, type_="Normal", reason=reason, message=message)

    @property
    def bodies(self) -> list[dict[str, Any]]:
        return [body for _, body in self.poster._backlog]


def test_a_machine_that_has_just_started_is_not_silent() -> None:
    """Monotonic time may begin at zero."""
    quiet = Quiet(seconds=0.0)
    quiet.say("Training")
    assert len(quiet.bodies) == 1


def test_a_reason_is_said_again_after_ten_minutes() -> None:
    """A fact that comes back is news by then."""
    quiet = Quiet(seconds=0.0)
    for at in (0.0, events_module.QUIET - 1, events_module.QUIET):
        quiet.say("Training", at=at)
    assert len(quiet.bodies) == 2


def test_what_was_said_is_forgotten_in_time() -> None:
    """Objects come and go; what was said of them ten minutes ago holds no memory (failure-modes.md G9)."""
    quiet = Quiet(seconds=0.0)
    quiet.say("Training")
    for number in range(100):
        quiet.say("Training", replace(HELD, uid=f"other-{number}"), at=1.0)
    quiet.say("Training", at=events_module.QUIET)
    assert len(quiet.poster._said) == 101
    quiet.say("Failed", at=events_module.QUIET + 2)
    assert len(quiet.poster._said) == 2


def test_everything_in_an_event_is_within_what_the_api_server_takes() -> None:
    """Names 253, reason and instance 128 characters, and a note is never empty."""
    quiet = Quiet()
    quiet.poster._instance = "p" * 300
    quiet.say("R" * 300, replace(HELD, key=Key("TrainingRun", "team-a", "n" * 253)), message="")
    (body,) = quiet.bodies
    assert len(body["metadata"]["name"]) <= 253
    assert (len(body["reason"]), len(body["reportingInstance"])) == (128, 128)
    assert body["note"]


def test_two_events_of_one_object_have_two_names() -> None:
    """Otherwise the second is refused with 409."""
    quiet = Quiet()
    quiet.say("A")
    quiet.say("B")
    assert len({body["metadata"]["name"] for body in quiet.bodies}) == 2


def test_an_unreadable_token_costs_an_event_and_not_the_poster(tmp_path: Path) -> None:
    """The kubelet replaces the file; what ends the poster would end the operator."""
    calls = posted(FakeApi(), lambda bench: say_all(bench, ["A", "B"]), 2, token_file=tmp_path / "token")
    assert [outcome for _, _, outcome in calls] == ["Lost", "Lost"]


def test_an_events_api_that_hangs_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """Four posts that are never answered would otherwise be the last ones (failure-modes.md B14)."""
    monkeypatch.setattr(events_module, "TIMEOUT", aiohttp.ClientTimeout(total=0.05))
    calls = posted(FakeApi(pause=0.3), lambda bench: say_all(bench, list("ABCDEF")), 6)
    assert {outcome for _, _, outcome in calls} == {"Lost"}
