"""Parked: nothing costs, nothing is lost, nothing wakes it but a person and its window; and never in the midst of something."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sagemaker_gitops.api.endpoint_status import ModelEndpointStatus
from sagemaker_gitops.api.parse import read
from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.kinds.model_endpoint.facts import (
    EndpointFact,
    EndpointState,
    ForeignEndpoint,
    LiveEndpoint,
    LiveVariant,
    ModelEndpointFacts,
    ModelFact,
    ModelMissing,
    NoEndpoint,
    Quiet,
    Sent,
)
from sagemaker_gitops.core.kinds.model_endpoint.parking import at_rest
from sagemaker_gitops.core.kinds.model_endpoint.plan import plan
from sagemaker_gitops.core.plan import After, OnEvent, Plan
from sagemaker_gitops.core.resource import UNPARK
from tests.unit.core.endpoint_case import SETTINGS, TENANT, model, operations, reasons
from tests.unit.core.test_endpoint_tags_and_drift import Tagged

FRIDAY = datetime(2026, 11, 20, 12, tzinfo=UTC)
WINDOW = {"days": ["Mon-Fri"], "from": "07:00", "to": "19:00", "timeZone": "UTC"}
EVENING, MONDAY, MONDAY_EVENING = (datetime(2026, 11, day, hour, tzinfo=UTC) for day, hour in ((20, 19), (23, 7), (23, 19)))
CREATES = ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"]


class Parking(Tagged):
    """A case with a clock."""

    now = FRIDAY

    def live(self, found: ModelFact | None = None, **changes: Any) -> LiveEndpoint:
        return super().live(found, **{"last_modified": FRIDAY - timedelta(days=1)} | changes)

    def at(self, moment: datetime, endpoint: EndpointFact | None, **facts: Any) -> Plan:
        self.now = moment
        seen = ModelEndpointFacts(TENANT, {"all": facts.pop("found", model())}, endpoint, **facts)
        made = plan(self.snapshot, self.spec, seen, SETTINGS, moment)
        read(ModelEndpointStatus, dict(made.status))
        self.snapshot = replace(self.snapshot, status=made.status)
        return made

    def ask(self, value: str) -> None:
        """`sagemaker-gitops unpark`."""
        self.snapshot = replace(self.snapshot, annotations={UNPARK: value})

    def parks(self, moment: datetime, **facts: Any) -> None:
        """Through every stage: said, deleted, gone."""
        before = self.at(moment - timedelta(minutes=1), self.live())
        assert reasons(before)["Ready"] == "True InService"
        intent = self.at(moment, self.live(), **facts)
        assert (intent.status["phase"], intent.actions, intent.requeue) == ("Parking", (), After(0.0))
        assert operations(self.at(moment, self.live())) == ["DeleteEndpoint"]
        assert self.at(moment, self.live(state=EndpointState.BUSY, raw="Deleting")).actions == ()
        gone = self.at(moment, NoEndpoint())
        assert (gone.status["phase"], gone.actions) == ("Parked", ())
        assert reasons(gone) == {"Ready": "False Parked", "Suspended": "True Parked"}
        assert gone.status["url"]
        assert at_rest(self.snapshot, self.spec, moment)


def windowed(**spec: Any) -> Parking:
    return Parking(activeWindow=WINDOW, **spec)


@pytest.mark.capability("A7", "F14")
def test_outside_its_window_an_endpoint_is_parked_and_comes_back() -> None:
    """Each side says when it looks again; the config is the same, so nothing but the endpoint is made."""
    case = windowed()
    assert case.at(FRIDAY, case.live()).requeue == After((EVENING - FRIDAY).total_seconds())
    case.parks(EVENING)
    assert case.at(EVENING, None).requeue == After((MONDAY - EVENING).total_seconds())
    config = case.config()
    made = case.at(MONDAY, NoEndpoint())
    assert operations(made) == CREATES
    assert made.status["update"]["config"] == config
    assert "Drifted" not in reasons(made)
    assert reasons(case.at(MONDAY, case.live()))["Ready"] == "True InService"


def test_a_crash_while_parking_neither_loses_nor_brings_back_the_endpoint() -> None:
    """Between intent and deletion; and a deletion without intent is drift, not parking."""
    case = windowed()
    case.at(FRIDAY, case.live())
    case.at(EVENING, case.live())
    assert operations(case.at(EVENING, case.live())) == ["DeleteEndpoint"]
    case = windowed()
    case.at(FRIDAY, case.live())
    assert operations(case.at(FRIDAY, NoEndpoint())) == CREATES
    assert case.snapshot.status["phase"] == "Creating"


def test_before_it_was_ever_made_an_endpoint_waits_for_its_window() -> None:
    """Nothing is made outside it."""
    case = windowed()
    case.at(EVENING, NoEndpoint())
    made = case.at(EVENING, NoEndpoint())
    assert (made.status["phase"], made.actions) == ("Parked", ())
    assert operations(case.at(MONDAY, NoEndpoint())) == CREATES


def test_a_creation_that_was_asked_for_is_waited_for_before_it_is_believed_to_be_absent() -> None:
    """failure-modes.md A7: it would come after everybody has gone home, and run unseen."""
    case = windowed()
    asked = EVENING - timedelta(seconds=30)
    assert operations(case.at(asked, NoEndpoint())) == CREATES
    case.at(EVENING, NoEndpoint())
    made = case.at(EVENING, NoEndpoint())
    assert (made.status["phase"], made.requeue) == ("Parking", After(SETTINGS.create_quarantine - 30))
    assert operations(case.at(EVENING, case.live())) == ["DeleteEndpoint"]
    late = EVENING + timedelta(seconds=SETTINGS.create_quarantine)
    assert case.at(late, NoEndpoint()).status["phase"] == "Parked"


def test_an_update_is_seen_to_succeed_before_the_endpoint_is_parked() -> None:
    """What was asked for and not seen to end is seen through."""
    case = windowed()
    case.at(FRIDAY, NoEndpoint())
    first = case.at(EVENING, case.live())
    assert (reasons(first)["Ready"], first.requeue) == ("True InService", After(1.0))
    assert case.at(EVENING, case.live()).status["phase"] == "Parking"


def test_unpark_outside_the_window_holds_until_its_next_end() -> None:
    """Once for each request."""
    case = windowed()
    case.parks(EVENING)
    case.ask("please")
    saturday = EVENING + timedelta(days=1)
    assert operations(case.at(saturday, NoEndpoint())) == CREATES
    assert case.snapshot.status["parking"] == {"handled": "please", "awakeUntil": "2026-11-23T19:00:00Z"}
    made = case.at(saturday, case.live())
    assert (reasons(made)["Ready"], made.requeue) == ("True InService", After((MONDAY_EVENING - saturday).total_seconds()))
    assert case.at(MONDAY_EVENING, case.live()).status["phase"] == "Parking"
    assert operations(case.at(MONDAY_EVENING, case.live())) == ["DeleteEndpoint"]
    assert case.at(MONDAY_EVENING, NoEndpoint()).status["phase"] == "Parked"


def test_a_request_of_yesterday_wakes_nothing_today() -> None:
    """An annotation stays on the object."""
    case = windowed()
    case.ask("yesterday")
    case.parks(EVENING)
    case.ask("today")
    assert operations(case.at(EVENING, NoEndpoint())) == CREATES


@pytest.mark.capability("A7", "F14")
def test_an_idle_endpoint_is_parked_until_somebody_asks_for_it() -> None:
    """amazon-sagemaker-feedback#155: stop paying for idle things; a new model does not wake it, and is served when it comes back."""
    case = Parking(idle={"parkAfter": "1h"})
    quiet = Quiet(FRIDAY, None)
    case.parks(FRIDAY, quiet=quiet)
    assert case.at(FRIDAY + timedelta(days=9), NoEndpoint(), found=model(8)).requeue == OnEvent()
    assert case.at(FRIDAY, NoEndpoint(), found=ModelMissing("gone")).status["phase"] == "Parked"
    case.ask("2026-11-23T08:00:00Z")
    made = case.at(MONDAY, NoEndpoint(), found=model(8))
    assert operations(made) == CREATES
    assert made.status["update"]["config"] == case.config(model(8))
    assert reasons(case.at(MONDAY, case.live(model(8)), found=model(8)))["Ready"] == "True InService"


BUSY_REASONS: dict[str, tuple[Mapping[str, Any], Quiet | None]] = {
    "nobody looked": ({}, None),
    "looked long ago": ({}, Quiet(FRIDAY - timedelta(minutes=10))),
    "asked lately": ({}, Quiet(FRIDAY, FRIDAY - timedelta(minutes=59))),
    "new": ({"last_modified": FRIDAY - timedelta(minutes=59)}, Quiet(FRIDAY)),
}


@pytest.mark.parametrize("why", BUSY_REASONS)
def test_an_endpoint_is_not_parked_without_evidence(why: str) -> None:
    """Absence of metrics is no silence; a new endpoint has had no time to be asked."""
    live, quiet = BUSY_REASONS[why]
    case = Parking(idle={"parkAfter": "1h"})
    assert reasons(case.at(FRIDAY, case.live(**live), quiet=quiet))["Ready"] == "True InService"


MIDST: dict[str, Mapping[str, Any]] = {
    "updating": {"state": EndpointState.BUSY, "raw": "Updating"},
    "unknown": {"state": EndpointState.UNKNOWN, "raw": "Hibernating"},
    "failed": {"state": EndpointState.FAILED, "raw": "Failed"},
    "another config": {"config": "another"},
}


@pytest.mark.parametrize("what", MIDST)
def test_nothing_is_parked_in_the_midst_of_something(what: str) -> None:
    """A rollout, an unknown state, or what another config serves is seen through first."""
    case = windowed()
    made = case.at(EVENING, case.live(**MIDST[what]))
    assert "DeleteEndpoint" not in operations(made)
    assert "parking" not in made.status


def test_what_was_rolled_back_is_not_parked() -> None:
    """It would come back with the version that failed."""
    case = windowed()
    case.at(FRIDAY, case.live(), found=model(8))
    made = case.at(EVENING, case.live(last_modified=FRIDAY), found=model(8), sent=Sent.YES)
    assert reasons(made)["Stalled"] == "True RolledBack"
    assert case.at(EVENING, case.live(last_modified=FRIDAY), found=model(8)).status["phase"] == "RolledBack"


def test_while_parking_a_busy_endpoint_is_waited_for_and_a_foreign_one_left_alone() -> None:
    """AWS refuses to delete it; somebody else's is not ours to delete."""
    case = windowed()
    case.at(FRIDAY, case.live())
    case.at(EVENING, case.live())
    for state, delay in ((EndpointState.BUSY, 30.0), (EndpointState.UNKNOWN, 300.0)):
        made = case.at(EVENING, case.live(state=state, raw="X"))
        assert (made.actions, made.requeue) == ((), After(delay))
    made = case.at(EVENING, ForeignEndpoint("them"))
    assert (made.actions, reasons(made)["Stalled"]) == ((), "True NameConflict")


def test_what_hangs_on_the_endpoint_goes_first() -> None:
    """AWS refuses to delete an endpoint with a scalable target."""
    case = windowed()
    case.at(FRIDAY, case.live())
    case.at(EVENING, case.live())
    target = AwsRequest("application-autoscaling", "DeregisterScalableTarget", "x", {})
    assert operations(case.at(EVENING, case.live(), attached=(target,))) == ["DeregisterScalableTarget", "DeleteEndpoint"]


def test_an_adopted_endpoint_is_not_parked_and_says_so() -> None:
    """What was not made here is not deleted."""
    case = windowed()
    case.snapshot = replace(case.snapshot, status={"adoption": {"config": "x", "foreign": True, "taken": True}})
    made = case.at(EVENING, case.live())
    assert (made.actions, reasons(made)["Ready"], reasons(made)["Suspended"]) == ((), "True InService", "False Adopted")


def test_taking_the_reason_out_of_the_spec_brings_it_back() -> None:
    """Neither idle nor a window: it is to serve."""
    case = windowed()
    case.parks(EVENING)
    case.edit(activeWindow=None, idle={"parkAfter": "1h"})
    assert operations(case.at(EVENING, NoEndpoint())) == CREATES
    case = Parking(idle={"parkAfter": "1h"})
    case.parks(FRIDAY, quiet=Quiet(FRIDAY))
    case.edit(idle=None)
    assert operations(case.at(FRIDAY, NoEndpoint())) == CREATES


def test_idle_within_a_window_comes_back_when_the_window_opens_next() -> None:
    """Not at once, though it is open; and not ever by a window that never closes."""
    case = windowed(idle={"parkAfter": "1h"})
    case.parks(FRIDAY, quiet=Quiet(FRIDAY))
    assert case.at(FRIDAY, None).requeue == After((MONDAY - FRIDAY).total_seconds())
    assert operations(case.at(MONDAY, NoEndpoint())) == CREATES
    always = Parking(idle={"parkAfter": "1h"}, activeWindow={**WINDOW, "days": ["Mon-Sun"], "from": "00:00", "to": "24:00"})
    always.parks(FRIDAY, quiet=Quiet(FRIDAY))
    assert always.at(FRIDAY + timedelta(days=40), None).requeue == OnEvent()


def test_a_wiped_status_wakes_what_was_idle_and_not_what_is_outside_its_window() -> None:
    """The safe direction: it serves, and is parked again when it is idle again."""
    for case, calls in ((Parking(idle={"parkAfter": "1h"}), CREATES), (windowed(), [])):
        case.snapshot = replace(case.snapshot, status={})
        assert operations(case.at(EVENING, NoEndpoint())) == calls


def test_parking_is_no_change_of_what_is_wanted() -> None:
    """A window that is edited makes neither a config nor an update, and no drift of what is there."""
    case = windowed()
    case.at(FRIDAY, case.live())
    case.edit(activeWindow={**WINDOW, "to": "20:00"})
    assert case.at(FRIDAY, case.live()).actions == ()
    drifted = case.at(FRIDAY, case.live(variants={"all": LiveVariant(0.5, 3)}))
    assert reasons(drifted)["Drifted"] == "True DriftDetected"
