"""What a first creation leaves that is held back before anything served: collected once nothing of it can arrive any more."""

from __future__ import annotations

from datetime import timedelta

import pytest

from sagemaker_gitops.core.kinds.model_endpoint.facts import (
    AwaitingApproval,
    EndpointState,
    ModelFact,
    ModelMissing,
    NoEndpoint,
    Owned,
)
from sagemaker_gitops.core.plan import After, OnEvent
from tests.unit.core.endpoint_case import SETTINGS, Case, model, operations

REJECTED = AwaitingApproval("digits/7 is Rejected")
LEFT = Owned(("team-a-digits-config-a",), ("team-a-digits-model-a",))


def begun() -> Case:
    """The creation has been asked for."""
    case = Case()
    assert operations(case.decide(NoEndpoint(), model(7))) == ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"]
    return case


def over(case: Case) -> None:
    case.now += timedelta(seconds=SETTINGS.create_quarantine)


@pytest.mark.parametrize("held", [REJECTED, ModelMissing("the registry has no digits/7")])
def test_what_a_creation_left_goes_when_nothing_can_arrive_any_more(held: ModelFact) -> None:
    """A config before its models; the announcement stays until nothing is left, so a crash in between forgets nothing."""
    case = begun()
    case.now += timedelta(seconds=10)
    waiting = case.decide(None, held)
    assert (waiting.actions, waiting.requeue) == ((), After(min(SETTINGS.create_quarantine - 10, 300.0)))
    over(case)
    collecting = case.decide(NoEndpoint(), held, strays=LEFT)
    assert operations(collecting) == ["DeleteEndpointConfig", "DeleteModel"]
    assert "update" in collecting.status
    done = case.decide(NoEndpoint(), held)
    assert (done.actions, "update" in done.status) == ((), False)
    assert case.decide(None, held).requeue == Case().decide(None, held).requeue


def test_an_endpoint_that_came_after_all_stays_with_its_parts() -> None:
    case = begun()
    over(case)
    made = case.decide(case.live(state=EndpointState.BUSY, raw="Creating"), REJECTED, strays=LEFT)
    assert made.actions == ()
    assert "update" in made.status


def test_beside_what_serves_nothing_is_collected_here() -> None:
    case = Case()
    case.decide(case.live(model(7)), model(7))
    case.decide(case.live(model(7)), model(8))
    over(case)
    made = case.decide(NoEndpoint(), REJECTED, strays=LEFT)
    assert made.actions == ()
    assert "update" in made.status


def test_what_came_before_a_creation_that_failed_goes_and_its_own_parts_stay() -> None:
    """Nothing serves, so no later success may ever collect it."""
    case = begun()
    broken = case.live(state=EndpointState.FAILED, raw="Failed", reason="no ping")
    made = case.decide(broken, strays=LEFT)
    assert operations(made) == ["DeleteEndpointConfig", "DeleteModel"]
    assert made.status["phase"] == "Failed"
    assert case.decide(broken).actions == ()


def test_beside_what_served_a_failed_endpoint_keeps_what_may_be_gone_back_to() -> None:
    case = Case()
    case.decide(case.live(model(7)), model(7))
    assert case.decide(case.live(state=EndpointState.FAILED, raw="Failed"), strays=LEFT).actions == ()


def edited() -> tuple[Case, ModelFact]:
    """A second creation, begun while nothing is known of the first."""
    case, second = begun(), model(8)
    case.now += timedelta(seconds=10)
    case.decide(NoEndpoint(), second)
    return case, second


def test_in_service_waits_for_what_an_earlier_creation_may_still_leave() -> None:
    """It was asked for, and edited before it came: CreateModel may be carried out minutes later."""
    case, second = edited()
    case.now += timedelta(seconds=100)
    made = case.decide(case.live(second), second)
    assert (made.status["phase"], made.requeue) == ("Updating", After(SETTINGS.create_quarantine - 110))
    case.now += timedelta(seconds=SETTINGS.create_quarantine - 110)
    made = case.decide(case.live(second), second, strays=LEFT)
    assert (made.status["phase"], operations(made)) == ("InService", ["DeleteEndpointConfig", "DeleteModel"])


def test_beside_a_creation_that_failed_an_earlier_one_is_waited_for() -> None:
    """And no longer than it may take."""
    case, second = edited()
    broken = case.live(second, state=EndpointState.FAILED, raw="Failed")
    waiting = case.decide(broken, second)
    assert (waiting.status["phase"], waiting.requeue) == ("Failed", After(SETTINGS.create_quarantine - 10))
    over(case)
    assert operations(case.decide(broken, second, strays=LEFT)) == ["DeleteEndpointConfig", "DeleteModel"]
    assert "overtaken" in case.snapshot.status["update"]
    done = case.decide(broken, second)
    assert (done.requeue, "overtaken" in done.status["update"]) == (OnEvent(), False)


def test_the_same_creation_again_overtakes_nothing() -> None:
    """Its parts have the names that are wanted."""
    case = begun()
    case.decide(NoEndpoint(), model(7))
    assert "overtaken" not in case.snapshot.status["update"]
