"""The plan of a ModelEndpoint: what serves is never taken away, nothing is tried twice, nothing is collected that may be gone back to."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.kinds.model_endpoint.deletion import Remains
from sagemaker_gitops.core.kinds.model_endpoint.facts import (
    AwaitingApproval,
    EndpointState,
    ForeignEndpoint,
    LiveVariant,
    ModelMissing,
    NoEndpoint,
    Owned,
    Sent,
)
from sagemaker_gitops.core.kinds.model_endpoint.rollout import without_trace
from sagemaker_gitops.core.plan import After, Done, OnEvent
from tests.unit.core.endpoint_case import BEFORE, NOW, SETTINGS, UPDATES, Case, deletion, model, operations, reasons


def test_without_an_endpoint_everything_is_made() -> None:
    """In the order AWS needs, with the intent in status."""
    case = Case()
    made = case.decide(NoEndpoint())
    assert operations(made) == ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"]
    assert made.status["update"]["config"] == case.config()


@pytest.mark.parametrize("raw", ["Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"])
def test_a_busy_endpoint_is_waited_for(raw: str) -> None:
    """AWS refuses every change meanwhile."""
    made = Case().decide(Case().live(state=EndpointState.BUSY, raw=raw))
    assert made.actions == ()
    assert isinstance(made.requeue, After)
    assert reasons(made)["Reconciling"] == f"True {raw}"


def test_the_wanted_config_in_service_is_ready() -> None:
    """And asks for nothing more."""
    case = Case()
    made = case.decide(case.live())
    assert (made.actions, made.requeue) == ((), OnEvent())
    assert reasons(made)["Ready"] == "True InService"
    assert made.status["lastGood"]["config"] == case.config()


def test_another_model_updates_in_place() -> None:
    """Beside the serving one; live shares survive."""
    case = Case()
    case.decide(case.live())
    made = case.decide(case.live(), model(8))
    assert operations(made) == UPDATES
    update = made.actions[-1]
    assert isinstance(update, AwsRequest)
    assert update.parameters["RetainAllVariantProperties"] is True
    assert update.parameters["ExcludeRetainedVariantProperties"] == [{"VariantPropertyType": "DataCaptureConfig"}]
    assert made.status["lastGood"]["config"] == case.config()
    assert made.status["update"] == {
        "config": case.config(model(8)),
        "attemptedAt": "2026-11-21T10:00:00Z",
        "seen": "2026-11-21T09:00:00.000Z",
        "replaces": case.config(),
    }


def test_an_update_that_has_not_arrived_is_asked_for_again() -> None:
    """The endpoint has not changed since: the call was lost, or we were."""
    case = Case()
    case.decide(case.live(), model(8))
    assert operations(case.decide(case.live(model(7)), model(8))) == UPDATES


def test_a_rollback_within_the_second_of_the_update_is_one() -> None:
    """A machine that fails at once; AWS gives milliseconds."""
    case = Case()
    case.decide(case.live(model(7)), model(8))
    made = case.decide(case.live(model(7), last_modified=BEFORE + timedelta(milliseconds=300)), model(8), sent=Sent.YES)
    assert (made.status["phase"], made.actions) == ("RolledBack", ())


def test_maintenance_right_after_a_rollback_hides_it_from_nobody() -> None:
    """AWS was seen to carry the update out: what it is busy with later proves nothing, and the bad version is not asked for again."""
    case = Case()
    case.decide(case.live(model(7)), model(8))
    case.decide(case.live(model(7), state=EndpointState.BUSY, raw="Updating", pending=case.config(model(8))), model(8))
    case.decide(case.live(model(7), state=EndpointState.BUSY, raw="SystemUpdating"), model(8))
    made = case.decide(case.live(model(7), last_modified=NOW), model(8))
    assert (made.status["phase"], made.actions) == ("RolledBack", ())


def test_an_earlier_update_that_ends_meanwhile_is_no_rollback() -> None:
    """The view was stale: AWS, busy with the update to 7, has refused the one to 8, and a restart has forgotten that."""
    case = Case()
    case.decide(case.live(model(6)), model(8))
    later = case.live(model(7), last_modified=NOW)
    assert operations(case.decide(later, model(8))) == UPDATES
    assert case.snapshot.status["update"]["replaces"] == case.config(model(7))


@pytest.mark.parametrize("refused", [True, False])
def test_the_config_of_an_update_that_another_overtook_is_no_garbage_while_it_may_arrive(refused: bool) -> None:
    """AWS gave no answer to the first; it may begin when the second has ended. One that it has refused never does."""
    case, first = Case(), Owned(("first",))
    case.decide(case.live(model(6)), model(7))
    if refused:
        update = without_trace(case.snapshot.status["update"])
        case.snapshot = replace(case.snapshot, status={**case.snapshot.status, "update": update})
    case.decide(case.live(model(6)), model(8))
    made = case.decide(case.live(model(8), last_modified=NOW), model(8), strays=first)
    if not refused:
        assert (operations(made), made.requeue, reasons(made)["Reconciling"]) == ([], After(SETTINGS.create_quarantine), "True Updating")
        case.now += timedelta(seconds=SETTINGS.create_quarantine)
        made = case.decide(case.live(model(8), last_modified=NOW), model(8), strays=first)
    assert (operations(made), reasons(made)["Ready"]) == (["DeleteEndpointConfig"], "True InService")


def test_in_service_on_the_old_config_after_an_update_is_a_rollback() -> None:
    """The trap: InService, empty FailureReason, old config."""
    case = Case(rollout={"type": "Canary", "size": "10%", "alarms": ["digits-5xx"]})
    case.decide(case.live(model(7)), model(8))
    made = case.decide(case.live(model(7), last_modified=NOW), model(8), sent=Sent.YES)
    assert made.actions == ()
    assert reasons(made)["RolledBack"] == "True RolledBack"
    assert reasons(made)["Stalled"] == "True RolledBack"
    assert "digits-5xx" in made.status["update"]["message"]
    assert case.config(model(7)) in str(made.status["conditions"])


def test_what_was_rolled_back_is_not_tried_again_and_something_else_is() -> None:
    """Until the content changes."""
    case = Case()
    case.decide(case.live(model(7)), model(8))
    case.decide(case.live(model(7), last_modified=NOW), model(8), sent=Sent.YES)
    later = case.live(model(7), last_modified=NOW + timedelta(hours=1))
    assert case.decide(later, model(8)).actions == ()
    assert operations(case.decide(later, model(9))) == UPDATES


def test_what_nobody_saw_is_not_judged_before_cloudtrail_must_know() -> None:
    """The operator died around the call, and AWS's maintenance looks like a rollback: neither is asked again nor given up meanwhile."""
    case = Case()
    case.decide(case.live(model(7)), model(8))
    back = case.live(model(7), last_modified=NOW)
    case.now = NOW + timedelta(seconds=1199)
    made = case.decide(back, model(8), sent=Sent.SILENT)
    assert (made.actions, made.requeue, made.status["phase"]) == ((), After(1.0), "Updating")
    assert "CloudTrail, at 2026-11-21T10:20:00Z at the latest" in str(made.status["conditions"])
    case.now = NOW + timedelta(seconds=1200)
    assert operations(case.decide(back, model(8), sent=Sent.SILENT)) == UPDATES
    assert case.snapshot.status["update"]["attemptedAt"] == "2026-11-21T10:20:00Z"


@pytest.mark.parametrize(
    ("sent", "phase"), [(Sent.YES, "RolledBack"), (Sent.CLOSED, "RolledBack"), (Sent.NO, "Updating"), (Sent.UNKNOWN, "Updating")]
)
def test_a_rollback_needs_an_update_that_was_sent(sent: Sent, phase: str) -> None:
    """Where CloudTrail may not be asked the worse is believed: what failed once is not tried again."""
    case = Case()
    case.decide(case.live(model(7)), model(8))
    made = case.decide(case.live(model(7), last_modified=NOW), model(8), sent=sent)
    assert made.status["phase"] == phase
    assert operations(made) == ([] if phase == "RolledBack" else UPDATES)


def test_what_was_seen_under_way_needs_no_word_of_cloudtrail() -> None:
    """Status says that AWS took it."""
    case = Case()
    case.decide(case.live(model(7)), model(8))
    case.decide(case.live(model(7), state=EndpointState.BUSY, raw="Updating", pending=case.config(model(8))), model(8))
    assert case.decide(case.live(model(7), last_modified=NOW), model(8)).status["phase"] == "RolledBack"


def test_maintenance_by_aws_is_no_rollback() -> None:
    """AWS was busy with something else when the update was asked for, so it cannot have taken it."""
    case = Case()
    case.decide(case.live(model(7)), model(8))
    case.decide(case.live(model(7), state=EndpointState.BUSY, raw="SystemUpdating", last_modified=NOW), model(8))
    assert operations(case.decide(case.live(model(7), last_modified=NOW), model(8))) == UPDATES


def test_an_update_that_was_seen_under_way_is_known_to_be_rolled_back_though_status_was_lost() -> None:
    """DescribeEndpoint names the config that is being rolled out."""
    case = Case()
    busy = case.live(model(7), state=EndpointState.BUSY, raw="Updating", pending=case.config(model(8)))
    case.decide(busy, model(8))
    assert reasons(case.decide(case.live(model(7), last_modified=NOW), model(8)))["Stalled"] == "True RolledBack"


def test_a_config_that_somebody_put_there_by_hand_is_replaced() -> None:
    """Drift: the wanted one served already."""
    case = Case()
    case.decide(case.live(model(7)), model(8))
    case.decide(case.live(model(8), last_modified=NOW), model(8))
    assert operations(case.decide(case.live(model(7), last_modified=NOW + timedelta(hours=1)), model(8))) == UPDATES


def test_shares_are_corrected_without_a_new_config() -> None:
    """Weight and count of the variants that differ, in one call."""
    case = Case()
    made = case.decide(case.live(variants={"all": LiveVariant(0.5, 3)}))
    (action,) = made.actions
    assert isinstance(action, AwsRequest)
    assert action.operation == "UpdateEndpointWeightsAndCapacities"
    assert action.parameters["DesiredWeightsAndCapacities"] == [{"VariantName": "all", "DesiredWeight": 1.0, "DesiredInstanceCount": 1}]


def test_weights_and_counts_are_in_no_name() -> None:
    """Another share is the same config."""
    package = {"package": {"group": "digits", "approved": "Latest"}}
    heavy = Case(variants=[{"name": "all", "model": package, "weight": 5, "resources": {"instanceCount": 4}}])
    assert heavy.config() == Case().config()


def test_only_what_is_beyond_the_limit_is_collected() -> None:
    """A model that a kept config still names stays."""
    case = Case(rollback={"historyLimit": 1})
    for version in (6, 7):
        case.decide(case.live(model(version)), model(version))
    first, second = case.config(model(6)), case.config(model(7))
    assert [item["config"] for item in case.snapshot.status["history"]] == [first]
    made = case.decide(case.live(model(8)), model(8))
    assert operations(made) == ["DeleteEndpointConfig", "DeleteModel"]
    assert next(action.subject for action in made.actions if isinstance(action, AwsRequest)) == first
    assert [item["config"] for item in made.status["history"]] == [second]


def test_what_status_does_not_name_is_collected() -> None:
    """A config that was rolled back, overtaken by an edit, or forgotten; never the one that serves."""
    case = Case()
    case.decide(NoEndpoint())
    made = case.decide(case.live(), strays=Owned(("tried",), ("tried-model",)))
    assert [(action.operation, action.subject) for action in made.actions if isinstance(action, AwsRequest)] == [
        ("DeleteEndpointConfig", "tried"),
        ("DeleteModel", "tried-model"),
    ]


def test_a_stray_config_may_be_that_of_an_update_which_a_lost_status_announced() -> None:
    """It is collected when that update can no longer arrive."""
    case = Case()
    made = case.decide(case.live(), strays=Owned(("unknown",)))
    assert (made.actions, reasons(made)["Reconciling"]) == ((), "True Updating")
    case.now += timedelta(minutes=6)
    assert operations(case.decide(case.live(), strays=Owned(("unknown",)))) == ["DeleteEndpointConfig"]


def test_the_config_of_an_update_that_may_still_arrive_is_no_garbage() -> None:
    """The spec went back before AWS was seen to begin."""
    case = Case()
    case.decide(case.live(model(7)), model(8))
    made = case.decide(case.live(model(7)), model(7), strays=Owned((case.config(model(8)),)))
    assert (made.actions, reasons(made)["Reconciling"]) == ((), "True Updating")
    case.now += timedelta(minutes=6)
    assert operations(case.decide(case.live(model(7)), model(7), strays=Owned((case.config(model(8)),)))) == ["DeleteEndpointConfig"]


def test_going_back_collects_nothing_that_serves() -> None:
    """The old config is the live one again, and no history."""
    case = Case(rollback={"historyLimit": 0})
    case.decide(case.live(model(7)), model(7))
    made = case.decide(case.live(model(7)), model(7))
    assert made.actions == ()


def test_an_unapproved_model_leaves_what_serves_alone() -> None:
    """Neither moving nor broken."""
    case = Case()
    case.decide(case.live())
    made = case.decide(case.live(), AwaitingApproval("digits/8 is PendingManualApproval"))
    assert (made.actions, made.requeue) == ((), OnEvent())
    assert reasons(made) == {"Ready": "False AwaitingApproval"}
    assert made.status["phase"] == "InService"


def test_a_missing_model_is_waited_for() -> None:
    """It may be registered any minute."""
    made = Case().decide(NoEndpoint(), ModelMissing("the registry has no digits/9"))
    assert made.actions == ()
    assert reasons(made)["Reconciling"] == "True ModelMissing"


def test_a_creation_that_failed_is_told_and_not_repeated() -> None:
    """AWS's reason; the same content would fail again."""
    case = Case()
    case.decide(NoEndpoint())
    failed = case.live(state=EndpointState.FAILED, raw="Failed", reason="ping failed")
    made = case.decide(failed)
    assert (made.actions, reasons(made)["Stalled"]) == ((), "True EndpointFailed")
    assert operations(case.decide(failed, model(8))) == ["DeleteEndpoint"]


def test_the_failed_creation_of_an_earlier_spec_does_not_count_against_the_new_one() -> None:
    """The edit came before the endpoint was seen: AWS created the old config, and status already speaks of the new one."""
    case = Case()
    case.decide(NoEndpoint(), model(8))
    failed = case.live(model(7), state=EndpointState.FAILED, raw="Failed", reason="ping failed")
    assert operations(case.decide(failed, model(8))) == ["DeleteEndpoint"]


def test_an_unknown_state_is_left_alone_slowly() -> None:
    """This version has never heard of it."""
    made = Case().decide(Case().live(state=EndpointState.UNKNOWN, raw="Hibernating"))
    assert (made.actions, made.requeue) == ((), After(300.0))


def test_a_foreign_endpoint_is_named() -> None:
    """Nothing is done with it."""
    made = Case().decide(ForeignEndpoint("another/team-b/x/ModelEndpoint"))
    assert (made.actions, reasons(made)["Stalled"]) == ((), "True NameConflict")


NAME = "team-a-digits-abcdef"


@pytest.mark.parametrize("policy", ["Retain", None])
def test_retain_lets_go_at_once(policy: str | None) -> None:
    """Also when the spec cannot be read."""
    made = deletion(Remains(Case().live()), policy)
    assert (made.actions, made.requeue, made.finalizer) == ((), Done(), False)


def test_a_deletion_goes_in_the_order_that_aws_accepts() -> None:
    """Endpoint, configs and models, two agreeing absences, finalizer; not while a create that was asked for may still arrive."""
    assert deletion(Remains(Case().live(state=EndpointState.BUSY, raw="Updating"))).actions == ()
    assert operations(deletion(Remains(Case().live()))) == ["DeleteEndpoint"]
    assert operations(deletion(Remains(NoEndpoint(), configs=("config",), models=("model",)))) == ["DeleteEndpointConfig", "DeleteModel"]
    long_ago = {"update": {"config": "c", "attemptedAt": "2026-11-20T10:00:00Z"}}
    once = deletion(Remains(NoEndpoint()), status=long_ago)
    assert (once.actions, once.finalizer) == ((), True)
    assert deletion(Remains(NoEndpoint()), status=dict(once.status)).finalizer is True
    later = NOW + timedelta(seconds=SETTINGS.create_quarantine + 5)
    assert deletion(Remains(NoEndpoint()), status=dict(once.status), now=later).finalizer is False


@pytest.mark.parametrize("update", [{}, {"update": {"config": "c", "attemptedAt": "2026-11-21T10:00:00Z"}}])
def test_an_attempted_create_may_arrive_after_the_endpoint_is_gone(update: dict[str, Any]) -> None:
    """CreateEndpoint of a moment ago, or a status that was lost and cannot say: absence is believed after the quarantine."""
    once = deletion(Remains(NoEndpoint()), status=update)
    assert deletion(Remains(NoEndpoint()), status=dict(once.status), now=NOW + timedelta(minutes=4)).finalizer is True
    assert deletion(Remains(NoEndpoint()), status=dict(once.status), now=NOW + timedelta(minutes=6)).finalizer is False


def test_a_foreign_endpoint_is_not_deleted() -> None:
    """The object goes, the endpoint stays."""
    made = deletion(Remains(ForeignEndpoint("another")))
    assert (made.actions, made.finalizer) == ((), False)
