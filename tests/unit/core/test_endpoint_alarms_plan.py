"""Rollback alarms in the plan: nothing begins that AWS would end at once, and our alarms come and go with the config that they watch."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.conditions import timestamp
from sagemaker_gitops.core.kinds.model_endpoint import alarms
from sagemaker_gitops.core.kinds.model_endpoint.deletion import Remains
from sagemaker_gitops.core.kinds.model_endpoint.facts import LiveAlarm, NoEndpoint, Sent, SmokeFacts
from sagemaker_gitops.core.kinds.model_endpoint.requests import update_endpoint
from sagemaker_gitops.core.naming import owned_by
from sagemaker_gitops.core.plan import After, OnEvent, Plan
from tests.unit.core.endpoint_case import NOW, SETTINGS, UPDATES, Case, deletion, model, operations, reasons

CANARY = {"type": "Canary", "size": "10%"}
LATER = NOW + timedelta(seconds=SETTINGS.create_quarantine)
QUIET, LOUD = LiveAlarm("OK"), LiveAlarm("ALARM")


def watched(**rollout: Any) -> Case:
    return Case(rollout=CANARY | {"createDefaultAlarms": True} | rollout)


def made_alarms(case: Case, version: int = 7, state: str = "OK") -> dict[str, LiveAlarm]:
    """The default alarms for a version, as AWS has them."""
    return {name: LiveAlarm(state, settings) for name, settings in alarms.default_alarms(case.serving(model(version))).items()}


def requests(made: Plan) -> list[AwsRequest]:
    return [action for action in made.actions if isinstance(action, AwsRequest)]


def settled(case: Case) -> Plan:
    return case.decide(case.live(), alarms=made_alarms(case))


def test_two_alarms_for_each_variant_watch_the_wanted_config_alone() -> None:
    """Named by config, tagged as ours, over the endpoint, the variant and that config."""
    case = watched()
    settled(case)
    made = case.decide(case.live(), model(8), alarms=made_alarms(case))
    assert operations(made) == ["CreateModel", "CreateEndpointConfig", "PutMetricAlarm", "PutMetricAlarm", "UpdateEndpoint"]
    errors, latency, update = requests(made)[2:]
    key = case.config(model(8)).rpartition("-")[2]
    endpoint = case.serving().endpoint_name
    assert [errors.subject, latency.subject] == [f"{endpoint}-all-5xx-{key}", f"{endpoint}-all-latency-{key}"]
    assert {item["Name"]: item["Value"] for item in errors.parameters["Dimensions"]} == {
        "EndpointName": endpoint,
        "VariantName": "all",
        "EndpointConfigName": case.config(model(8)),
    }
    assert owned_by({tag["Key"]: tag["Value"] for tag in errors.parameters["Tags"]}, "test", case.snapshot.key)
    watching = update.parameters["DeploymentConfig"]["AutoRollbackConfiguration"]["Alarms"]
    assert watching == [{"AlarmName": errors.subject}, {"AlarmName": latency.subject}]
    assert len(made.status["alarms"]) == 4


def test_the_users_alarms_come_first() -> None:
    """Both are watched."""
    case = watched(alarms=["mine"])
    assert alarms.rollback_alarms(case.serving())[0] == "mine"
    assert len(alarms.rollback_alarms(case.serving())) == 3


def test_the_first_version_gets_its_alarms_once_it_serves() -> None:
    """There is nothing to go back to before."""
    case = watched()
    assert operations(case.decide(NoEndpoint())) == ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"]
    assert operations(case.decide(case.live(), alarms={})) == ["PutMetricAlarm", "PutMetricAlarm"]


def test_alarms_of_earlier_configs_go_when_their_successor_serves() -> None:
    """Not before."""
    case = watched()
    settled(case)
    case.decide(case.live(), model(8), alarms=made_alarms(case))
    old, new = made_alarms(case), made_alarms(case, 8)
    case.now = LATER
    made = case.decide(case.live(model(8)), model(8), alarms=old | new)
    assert [(each.operation, each.subject) for each in requests(made)] == [("DeleteAlarms", name) for name in sorted(old)]
    assert made.status["alarms"] == sorted(new)
    made = case.decide(case.live(model(8)), model(8), alarms=new)
    assert (made.actions, made.requeue) == ((), OnEvent())


def test_an_alarm_that_comes_after_its_config_was_replaced_is_deleted() -> None:
    """AWS may carry a put out minutes after the client gave up: status names it before it is asked for, and as long as it may come."""
    case = watched()
    first = case.decide(case.live(), alarms={})
    assert (first.creates, first.status["alarms"]) == (True, sorted(made_alarms(case)))
    case.decide(case.live(model(7)), model(8), alarms={})
    new = made_alarms(case, 8)
    case.now = NOW + timedelta(seconds=200)
    made = case.decide(case.live(model(8)), model(8), alarms=new)
    assert (made.status["phase"], made.actions, made.requeue) == ("InService", (), After(100.0))
    assert made.status["alarms"] == sorted(new | made_alarms(case))
    case.now = LATER
    name = min(made_alarms(case))
    late = case.decide(case.live(model(8)), model(8), alarms=new | {name: QUIET})
    assert [(each.operation, each.subject) for each in requests(late)] == [("DeleteAlarms", name)]
    made = case.decide(case.live(model(8)), model(8), alarms=new)
    assert (made.status["alarms"], made.requeue) == (sorted(new), OnEvent())


@pytest.mark.parametrize("told", [lambda at: {"alarmsAskedAt": at}, lambda at: {"scalableTargets": [{"name": "all", "askedAt": at}]}])
def test_a_deletion_waits_for_what_may_still_come_to_hang_on_the_endpoint(told: Callable[[str], dict[str, Any]]) -> None:
    """An alarm would hang on nothing, and nobody would look for it again."""
    asked = {"update": {"attemptedAt": timestamp(NOW)}} | told(timestamp(NOW + timedelta(seconds=100)))
    absent = asked | {"deletion": {"absentSince": timestamp(NOW)}}
    waiting = deletion(Remains(NoEndpoint()), status=absent, now=NOW + timedelta(seconds=302))
    assert (waiting.finalizer, waiting.requeue) == (True, After(99.0))
    assert not deletion(Remains(NoEndpoint()), status=absent, now=NOW + timedelta(seconds=401)).finalizer


@pytest.mark.parametrize("changes", [{"Threshold": 0.5}, {"Period": 300}, {"Dimensions": []}, {"TreatMissingData": "breaching"}])
def test_an_alarm_that_somebody_changed_is_put_right(changes: dict[str, Any]) -> None:
    """Without touching the endpoint."""
    case = watched()
    found = made_alarms(case)
    name = min(found)
    found[name] = LiveAlarm("OK", {**found[name].settings, **changes})
    made = case.decide(case.live(), alarms=found)
    assert [(each.operation, each.subject) for each in requests(made)] == [("PutMetricAlarm", name)]


def test_what_aws_adds_or_reorders_is_no_drift() -> None:
    """An integer comes back as a float, dimensions in another order."""
    case = watched()
    found = made_alarms(case)
    name = min(found)
    settings = dict(found[name].settings)
    settings |= {"Period": 60.0, "Dimensions": settings["Dimensions"][::-1]}
    assert case.decide(case.live(), alarms=found | {name: LiveAlarm("OK", settings)}).actions == ()


def test_default_alarms_that_are_not_wanted_any_more_are_deleted() -> None:
    """And the user's stay."""
    case = watched(alarms=["mine"])
    found = made_alarms(case) | {"mine": QUIET}
    case.decide(case.live(), alarms=found)
    case.edit(rollout=CANARY | {"alarms": ["mine"]})
    made = case.decide(case.live(), alarms=found)
    assert [each.operation for each in requests(made)] == ["DeleteAlarms", "DeleteAlarms"]
    assert {each.subject for each in requests(made)} == found.keys() - {"mine"}
    assert "alarms" not in made.status


def test_a_missing_alarm_is_refused_before_anything_is_made() -> None:
    """AWS would go back by itself at best; the field is named, and what serves goes on."""
    case = Case(rollout=CANARY | {"alarms": ["there", "gone"]})
    case.decide(case.live(), alarms={"there": QUIET})
    made = case.decide(case.live(model(7)), model(8), alarms={"there": QUIET})
    assert made.actions == ()
    assert reasons(made)["Stalled"] == "True AlarmMissing"
    assert 'spec.rollout.alarms[1]: there is no alarm "gone"' in str(made.status["conditions"])
    assert "update" not in made.status
    assert operations(case.decide(case.live(model(7)), model(8), alarms={"there": QUIET, "gone": QUIET})) == UPDATES


def test_a_missing_alarm_does_not_trouble_what_serves() -> None:
    """Nothing is rolled out."""
    case = Case(rollout=CANARY | {"alarms": ["gone"]})
    assert reasons(case.decide(case.live(), alarms={}))["Ready"] == "True InService"


def test_nothing_is_paid_for_a_smoke_test_of_a_version_that_cannot_be_rolled_out() -> None:
    """The alarms are asked about first, and an alarm that goes off meanwhile takes the stand down."""
    payload = {"payload": {"configMapRef": {"name": "sample", "key": "a.csv"}}}
    case = Case(rollout=CANARY | {"alarms": ["mine"]}, smokeTest=payload)
    case.decide(case.live(), alarms={"mine": QUIET})
    made = case.decide(case.live(model(7)), model(8), SmokeFacts("digest"), alarms={})
    assert (made.actions, reasons(made)["Stalled"]) == ((), "True AlarmMissing")
    made = case.decide(case.live(model(7)), model(8), SmokeFacts("digest"), alarms={"mine": QUIET})
    assert operations(made)[-1] == "CreateEndpoint"
    under_way = SmokeFacts("digest", stand=case.live(model(8)))
    made = case.decide(case.live(model(7)), model(8), under_way, alarms={"mine": LOUD})
    assert [(each.operation, each.subject) for each in requests(made)] == [("DeleteEndpoint", f"{case.serving().endpoint_name}-smoke")]
    assert reasons(made)["Reconciling"] == "True AlarmActive"


def test_an_alarm_that_is_on_holds_the_rollout_back_until_it_is_off() -> None:
    """AWS would roll back at once, and the version would count as tried."""
    case = Case(rollout=CANARY | {"alarms": ["mine"]})
    case.decide(case.live(), alarms={"mine": QUIET})
    made = case.decide(case.live(model(7)), model(8), alarms={"mine": LOUD})
    assert made.actions == ()
    assert reasons(made)["Reconciling"] == "True AlarmActive"
    assert isinstance(made.requeue, After)
    for state in ("OK", "INSUFFICIENT_DATA"):
        assert operations(case.decide(case.live(model(7)), model(8), alarms={"mine": LiveAlarm(state)})) == UPDATES


def test_errors_of_the_version_that_serves_do_not_hold_back_the_one_that_mends_them() -> None:
    """Its own default alarms are on; the new version has alarms of its own."""
    case = watched()
    settled(case)
    made = case.decide(case.live(model(7)), model(8), alarms=made_alarms(case, state="ALARM"))
    assert operations(made)[-1] == "UpdateEndpoint"


def test_alarms_of_rollouts_that_failed_do_not_pile_up() -> None:
    """Those of the config that serves stay, and so do the ones of the wanted config."""
    case = watched()
    settled(case)
    serving, failed_before = made_alarms(case), made_alarms(case, 8)
    case.decide(case.live(model(7)), model(8), alarms=serving)
    case.decide(case.live(model(7), last_modified=NOW), model(8), alarms=serving | failed_before)
    case.now = LATER
    made = case.decide(case.live(model(7), last_modified=NOW), model(9), alarms=serving | failed_before)
    assert [each.subject for each in requests(made) if each.operation == "DeleteAlarms"] == sorted(failed_before)
    assert made.status["alarms"] == sorted(serving.keys() | made_alarms(case, 9).keys())


def test_the_alarm_that_went_off_is_named() -> None:
    """AWS's FailureReason is empty."""
    case = watched()
    settled(case)
    case.decide(case.live(model(7)), model(8), alarms=made_alarms(case))
    new = made_alarms(case, 8)
    name = min(new)
    made = case.decide(case.live(model(7), last_modified=NOW), model(8), alarms=made_alarms(case) | new | {name: LOUD}, sent=Sent.YES)
    assert made.status["update"]["message"] == f"{name} went off"


def test_all_at_once_is_watched_before_the_old_fleet_goes() -> None:
    """It has no share to wait for; without alarms nobody waits."""
    config = Case(rollout={"type": "AllAtOnce", "waitInterval": "2m"}).serving()
    assert "TerminationWaitInSeconds" not in update_endpoint(config, ()).parameters["DeploymentConfig"]["BlueGreenUpdatePolicy"]
    assert update_endpoint(config, ("mine",)).parameters["DeploymentConfig"]["BlueGreenUpdatePolicy"]["TerminationWaitInSeconds"] == 120


def test_thresholds_are_in_status() -> None:
    """What was decided on the user's behalf."""
    made = settled(watched())
    assert made.status["effective"]["defaultAlarms"] == {"Invocation5XXErrors": "5%", "ModelLatency": "5s", "evaluation": "2 of 5 minutes"}
