"""Notifications through the real reconciler: each listed transition once, whatever ends the process, loses an answer or wipes status."""

from __future__ import annotations

import json

import pytest
from notifying_world import ABROAD, ALERTS, DENIED, LOST, OTHER, Crash, World, failed
from runtime_fakes import RUN, run_virtual

from sagemaker_gitops.api.parse import read
from sagemaker_gitops.api.status import RECORD_LIMIT, TrainingRunStatus
from sagemaker_gitops.aws.errors import failure
from sagemaker_gitops.aws.kinds.deleting import deleting
from sagemaker_gitops.core.messages import SUBJECT_LIMIT, subject
from sagemaker_gitops.core.resource import Key
from tests.tenants import TEAM_A


@pytest.mark.capability("H4")
def test_a_listed_transition_is_told_once_and_says_what_happened() -> None:
    world = failed()
    world.rest()
    (sent,) = world.topics.sent
    body = json.loads(sent["Message"])
    assert sent["TopicArn"] == ALERTS
    assert sent["Subject"] == "Failed: TrainingRun team-a/digits"
    assert (body["kind"], body["namespace"], body["name"], body["tenant"]) == ("TrainingRun", "team-a", "digits", "team-a")
    assert (body["transition"], body["reason"], body["message"]) == ("Failed", "AlgorithmError", "train: ExitCode 1")
    assert body["id"] == world.status["notifications"][0]["id"]
    assert (world.states, world.condition()) == (["Sent"], ("True", "Sent"))
    read(TrainingRunStatus, world.status)
    world.start()
    world.rest()
    world.enqueued(RUN)
    world.rest()
    assert len(world.topics.sent) == 1


def test_what_is_not_listed_is_not_told() -> None:
    world = failed((ALERTS, ["Succeeded"]))
    world.rest()
    assert (world.topics.asked, "notifications" in world.status) == (0, False)


def test_several_topics_are_told_one_by_one_and_the_same_topic_once() -> None:
    world = failed((ALERTS, ["Failed"]), (OTHER, ["Failed", "Succeeded"]), (ALERTS, ["Failed"]))
    world.rest()
    assert sorted(item["TopicArn"] for item in world.topics.sent) == [ALERTS, OTHER]
    assert world.states == ["Sent", "Sent"]


def _boundaries() -> int:
    world = failed()
    world.rest()
    return world.boundary.crossed


def crashed(at: int) -> World:
    """The process ends at that boundary, another one takes over, and the run fails in between."""
    world = World((ALERTS, ["Failed"]))
    world.boundary.crash_at = at
    for ends in (False, True):
        if ends:
            world.ends()
        try:
            world.rest()
        except Crash:
            world.start()
            world.rest()
    world.rest(longest=300.0)
    return world


@pytest.mark.parametrize("at", range(1, _boundaries() + 1))
def test_a_crash_at_any_boundary_never_sends_twice(at: int) -> None:
    """Exactly once, unless it fell between the recorded intent and the answer: then at most once, and status says so."""
    world = crashed(at)
    assert len(world.told) <= 1
    assert (world.told, world.states) in ((["Failed"], ["Sent"]), (["Failed"], ["Unconfirmed"]), ([], ["Unconfirmed"]))
    assert world.condition() == (("True", "Sent") if world.states == ["Sent"] else ("False", "Unconfirmed"))


def test_a_crash_loses_a_message_only_between_intent_and_call() -> None:
    """Right after the intent is written, and right before AWS has taken it."""
    lost = [at for at in range(1, _boundaries() + 1) if not crashed(at).told]
    assert len(lost) == 2
    assert lost[1] == lost[0] + 1


def test_a_lost_answer_is_not_asked_for_again() -> None:
    world = failed()
    world.topics.answers, world.topics.taken = [LOST], True
    world.rest(longest=1e9)
    assert (world.told, world.topics.asked) == (["Failed"], 1)
    assert (world.states, world.condition()) == (["Unconfirmed"], ("False", "Unconfirmed"))


def test_a_refused_message_is_tried_again_slowly_and_then_sent() -> None:
    world = failed()
    world.topics.answers = [DENIED]
    world.rest()
    assert (world.states, world.condition()) == (["Pending"], ("False", "NotSent"))
    assert "AuthorizationError" in world.status["notifications"][0]["error"]
    assert world.status["phase"] == "Failed"
    world.rest(longest=60.0)
    assert (world.told, world.states, world.condition()) == (["Failed"], ["Sent"], ("True", "Sent"))


def test_a_topic_that_is_gone_is_given_up_after_five_attempts_and_blocks_nothing() -> None:
    world = failed()
    world.topics.forever = failure("sns", "Publish", "NotFound", "Topic does not exist", 404)
    world.rest(longest=1e9)
    assert (world.topics.asked, world.told, world.states, world.condition()) == (5, [], ["Failed"], ("False", "GivenUp"))
    world.topics.forever = None
    world.ends("Running", "b")
    world.rest()
    world.ends("Failed", "b")
    world.rest(longest=1e9)
    assert (world.told, world.states, world.condition()) == (["Failed"], ["Sent", "Failed"], ("True", "Sent"))


def test_a_lost_status_sends_nothing_again() -> None:
    """AWS says that the job ended before this status began."""
    steps = [{"name": "train", "state": "Failed", "finishedAt": "2026-11-21T00:00:00Z", "awsName": "x"}]
    world = failed()
    world.rest()
    world.wipe()
    world.run.ends, world.run.extra = ("Running", "a"), {"startedAt": "2026-11-21T00:10:00Z"}
    world.rest()
    world.ends("Failed", "a", steps=steps, startedAt="2026-11-21T00:10:00Z")
    world.rest(longest=1e9)
    assert world.told == ["Failed"]


def test_a_status_that_is_lost_during_the_run_does_not_lose_its_end() -> None:
    world = World((ALERTS, ["Failed"]))
    world.rest()
    world.wipe()
    world.rest()
    steps = [{"name": "train", "state": "Failed", "finishedAt": "2026-11-21T00:20:00Z", "awsName": "x"}]
    world.ends("Failed", "a", steps=steps, startedAt="2026-11-21T00:10:00Z")
    world.rest()
    assert world.told == ["Failed"]


def test_the_first_status_of_an_object_tells_nobody() -> None:
    """A cluster rebuilt from git finds everything as it is."""
    world = World((ALERTS, ["Failed"]))
    world.ends()
    world.rest()
    assert (world.topics.asked, world.status["phase"]) == (0, "Failed")


def test_another_run_is_news_and_the_same_one_is_not() -> None:
    world = failed()
    world.rest()
    for asked in ("b", "a", "b"):
        world.ends("Failed", asked)
        world.rest()
    assert world.told == ["Failed", "Failed"]


def test_a_stale_process_does_not_announce_or_send_what_another_one_has_sent() -> None:
    """It saw the run before its end, or the entry before it was sent; the API server knows better."""
    world = World((ALERTS, ["Failed"]))
    world.rest()
    seen = [world.kube.objects[RUN]]
    world.ends()
    while world.states != ["Sent"]:
        world.enqueued.calls.clear()
        run_virtual(lambda loop: world.reconciler.reconcile(RUN))
        seen.append(world.kube.objects[RUN])
    for stale in seen:
        world.start()
        world.store.forget(RUN, stale.uid)
        world.store.put(stale)
        world.rest(longest=300.0)
        assert (world.told, world.states) == (["Failed"], ["Sent"])


def test_an_older_status_that_somebody_puts_back_is_known_to_the_process_that_sent() -> None:
    world = World((ALERTS, ["Failed"]))
    world.rest()
    older = world.status
    world.ends()
    world.rest()
    world.store.put(world.kube.edit(RUN, status=older))
    world.enqueued(RUN)
    world.rest(longest=300.0)
    assert (world.told, world.states) == (["Failed"], ["Sent"])


def test_the_fence_is_judged_again_when_a_message_leaves() -> None:
    """Somebody wrote another topic into status: it is told nothing."""
    world = failed()
    world.topics.answers = [DENIED]
    world.rest()
    entry = {**world.status["notifications"][0], "topicArn": ABROAD}
    world.kube.edit(RUN, status={**world.status, "notifications": [entry]})
    world.start()
    world.rest(longest=100.0)
    assert (world.topics.asked, world.states, world.condition()) == (1, ["Failed"], ("False", "GivenUp"))


def test_a_default_of_the_tenant_holds_where_a_resource_says_nothing_and_an_empty_list_tells_nobody() -> None:
    defaults = {**TEAM_A["defaults"], "notify": [{"snsTopicArn": ALERTS, "transitions": ["Breached", "Failed"]}]}
    world = World(tenant={"defaults": defaults})
    world.rest()
    world.ends()
    world.rest()
    assert world.told == ["Failed"]
    world = World(tenant={"defaults": defaults})
    world.kube.edit(RUN, spec={"notify": []})
    world.start()
    world.rest()
    world.ends()
    world.rest()
    assert world.told == []


def test_the_record_is_bounded() -> None:
    world = failed()
    for number in range(RECORD_LIMIT + 5):
        world.ends("Failed", f"run-{number}")
        world.rest()
    assert len(world.topics.sent) == RECORD_LIMIT + 5
    assert world.states == ["Sent"] * RECORD_LIMIT


def test_an_object_on_its_way_out_sends_nothing() -> None:
    world = failed()
    world.topics.answers = [DENIED]
    world.rest()
    world.run.parse = deleting  # type: ignore[method-assign]
    world.kube.edit(RUN, deleting=True, finalizers=("somebody/else",))
    world.start()
    world.rest(longest=1e9)
    assert world.topics.asked == 1


@pytest.mark.parametrize("owner", [Key("ModelEndpoint", "n" * 63, "x" * 253), Key("TrainingRun", "team-a", "digits")])
def test_a_subject_is_one_ascii_line_below_a_hundred_characters(owner: Key) -> None:
    found = subject(owner, "AwaitingApproval")
    assert found.isascii()
    assert found.isprintable()
    assert 0 < len(found) <= SUBJECT_LIMIT
