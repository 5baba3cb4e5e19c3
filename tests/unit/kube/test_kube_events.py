"""kube.events: few, bounded, harmless."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from fake_api import EVENTS, Bench, FakeApi, training_run, with_client

from sagemaker_gitops.core.resource import Key, Snapshot
from sagemaker_gitops.kube import events as events_module
from sagemaker_gitops.kube.objects import snapshot_of

HELD = snapshot_of(training_run())


def posted(api: FakeApi, say: Callable[[Bench], None], expected: int) -> list[tuple[str, str, str]]:
    """What `say` had counted, once `expected` posts ended."""

    async def use(bench: Bench) -> list[tuple[str, str, str]]:
        posting = asyncio.create_task(bench.events.run())
        say(bench)
        async with asyncio.timeout(10):
            while len(bench.recorded.calls) < expected:
                await asyncio.sleep(0.01)
        posting.cancel()
        return bench.recorded.calls

    return with_client(api, use)


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
