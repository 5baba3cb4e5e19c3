"""Autoscaling in the plan: the count is the scaler's, registration ends where AWS would refuse, and comes back whatever happens."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.errors import InvalidResource
from sagemaker_gitops.core.kinds.model_endpoint import scaling
from sagemaker_gitops.core.kinds.model_endpoint.deletion import Remains
from sagemaker_gitops.core.kinds.model_endpoint.effective import effective_of, wanted_of
from sagemaker_gitops.core.kinds.model_endpoint.facts import EndpointState, LiveVariant, NoEndpoint, Scalable, Sent, Tracking
from sagemaker_gitops.core.kinds.model_endpoint.requests import update_endpoint
from sagemaker_gitops.core.plan import After, OnEvent, Plan
from tests.unit.core.endpoint_case import BEFORE, NOW, TENANT, UPDATES, Case, deletion, model, operations, reasons

PACKAGE = {"package": {"group": "digits", "approved": "Latest"}}
SCALING = {"minCapacity": 1, "maxCapacity": 4, "targetInvocationsPerInstance": 200, "scaleInCooldown": "5m", "scaleOutCooldown": "1m"}
REGISTERED = Scalable(1, 4, Tracking(200.0, 300, 60))
LARGE, XLARGE = "ml.m5.large", "ml.m5.xlarge"
REGISTER = ["RegisterScalableTarget", "PutScalingPolicy"]


def variant(name: str = "all", **changes: Any) -> dict[str, Any]:
    return {"name": name, "model": PACKAGE, "autoscaling": SCALING} | changes


def scaled(**changes: Any) -> Case:
    """An object with one scaled variant."""
    return Case(variants=[variant(**changes)])


def requests(made: Plan) -> list[AwsRequest]:
    return [action for action in made.actions if isinstance(action, AwsRequest)]


def settled(case: Case, **changes: Any) -> Plan:
    """A pass over an endpoint that is as wanted."""
    return case.decide(case.live(**changes), scaling={"all": REGISTERED}, live_instance_types={"all": LARGE})


def test_a_variant_is_registered_once_it_is_in_service() -> None:
    """Target and policy in one pass, then nothing; the range is in status."""
    case = scaled()
    made = case.decide(case.live(), scaling={})
    assert operations(made) == REGISTER
    target, policy = requests(made)
    assert target.parameters == {
        "ServiceNamespace": "sagemaker",
        "ResourceId": f"endpoint/{case.serving().endpoint_name}/variant/all",
        "ScalableDimension": "sagemaker:variant:DesiredInstanceCount",
        "MinCapacity": 1,
        "MaxCapacity": 4,
    }
    assert policy.parameters["TargetTrackingScalingPolicyConfiguration"] == {
        "TargetValue": 200.0,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"},
        "ScaleInCooldown": 300,
        "ScaleOutCooldown": 60,
    }
    made = settled(case)
    assert (made.actions, made.requeue) == ((), OnEvent())
    assert made.status["variants"][0]["scaling"] == "1-4"
    assert "instances" not in made.status["variants"][0]
    assert made.status["scalableTargets"] == [{"name": "all", "askedAt": "2026-11-21T10:00:00Z", **SCALING}]


def test_nothing_is_registered_before_there_is_an_endpoint() -> None:
    """AWS knows no such variant yet."""
    made = scaled().decide(NoEndpoint())
    assert operations(made) == ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"]


def test_the_count_of_a_scaled_variant_is_never_corrected() -> None:
    """Only its weight is ours (numaflow#3585: git and scaler must not fight)."""
    case = scaled()
    assert settled(case, variants={"all": LiveVariant(1.0, 3)}).actions == ()
    (action,) = requests(settled(case, variants={"all": LiveVariant(0.5, 3)}))
    assert action.parameters["DesiredWeightsAndCapacities"] == [{"VariantName": "all", "DesiredWeight": 1.0}]


def test_autoscaling_is_in_no_name() -> None:
    """Neither switching it on nor its numbers make a new config."""
    assert scaled().config() == scaled(autoscaling=SCALING | {"maxCapacity": 9}).config() == Case().config()


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (Scalable(1, 9, REGISTERED.policy), ["RegisterScalableTarget"]),
        (Scalable(2, 4, REGISTERED.policy), ["RegisterScalableTarget"]),
        (Scalable(1, 4, Tracking(500.0, 300, 60)), ["PutScalingPolicy"]),
        (Scalable(1, 4, Tracking(200.0, 0, 60)), ["PutScalingPolicy"]),
        (Scalable(1, 4, Tracking(200.0, 300, 0)), ["PutScalingPolicy"]),
        (Scalable(1, 4, None), ["PutScalingPolicy"]),
    ],
)
def test_what_differs_is_put_right_and_the_endpoint_is_not_touched(found: Scalable, expected: list[str]) -> None:
    """An edit of the numbers and a hand in the console look the same."""
    case = scaled()
    settled(case)
    made = case.decide(case.live(), scaling={"all": found})
    assert operations(made) == expected
    assert isinstance(made.requeue, After)
    assert reasons(made)["Ready"] == "True InService"


def test_autoscaling_that_is_taken_out_ends_the_registration_before_the_count_is_ours() -> None:
    """Else the scaler would take our count for its own."""
    case = scaled()
    settled(case)
    case.edit()
    made = case.decide(case.live(variants={"all": LiveVariant(1.0, 3)}), scaling={"all": REGISTERED})
    assert operations(made) == ["DeregisterScalableTarget", "UpdateEndpointWeightsAndCapacities"]
    assert "scalableTargets" not in made.status


def test_a_registration_that_comes_after_autoscaling_was_taken_out_is_ended() -> None:
    """AWS may carry it out minutes after the client gave up: it stays in status for as long, and is looked for at the end."""
    case = scaled()
    case.decide(case.live(), scaling={})
    case.edit()
    case.now = NOW + timedelta(seconds=10)
    made = case.decide(case.live(), scaling={})
    assert (made.actions, made.requeue, made.status["phase"]) == ((), After(290.0), "InService")
    assert [target["name"] for target in made.status["scalableTargets"]] == ["all"]
    case.now = NOW + timedelta(seconds=300)
    late = case.decide(case.live(), scaling={"all": Scalable(1, 4)})
    assert operations(late) == ["DeregisterScalableTarget"]
    made = case.decide(case.live(), scaling={})
    assert (made.actions, made.requeue) == ((), OnEvent())
    assert "scalableTargets" not in made.status


def test_a_registration_is_waited_for_from_the_last_time_it_was_asked_for() -> None:
    """Every time that AWS is told counts, and a pass that tells it nothing does not."""
    case = scaled()
    case.decide(case.live(), scaling={})
    case.now = NOW + timedelta(seconds=10)
    case.decide(case.live(), scaling={"all": Scalable(1, 9, REGISTERED.policy)})
    case.now = NOW + timedelta(seconds=20)
    assert settled(case).status["scalableTargets"][0]["askedAt"] == "2026-11-21T10:00:10Z"


def test_after_a_rollback_a_late_registration_is_looked_for_too() -> None:
    """`autoscaling` went out of the spec together with the model that AWS then took back."""
    case = scaled()
    case.decide(case.live(), scaling={})
    serving_now = case.live()
    case.edit()
    case.decide(serving_now, model(8), scaling={})
    made = case.decide(replace(serving_now, last_modified=NOW), model(8), scaling={}, sent=Sent.YES)
    assert (made.status["phase"], made.requeue) == ("RolledBack", After(300.0))


def test_somebody_elses_target_on_a_variant_that_the_spec_leaves_alone_stays() -> None:
    """Neither status nor a policy of our name says that it is ours; with our policy it is, though status was lost."""
    case = Case()
    assert case.decide(case.live(), scaling={"all": Scalable(1, 9)}).actions == ()
    assert operations(case.decide(case.live(), scaling={"all": REGISTERED})) == ["DeregisterScalableTarget"]


def test_a_change_of_model_keeps_the_registration() -> None:
    """AWS allows it, and a deregistration would take other people's policies along."""
    case = scaled()
    settled(case)
    made = case.decide(case.live(), model(8), scaling={"all": REGISTERED}, live_instance_types={"all": LARGE})
    assert operations(made) == UPDATES
    assert requests(made)[-1].parameters["RetainAllVariantProperties"] is True


def test_another_instance_type_ends_the_registration_first_and_it_begins_again_afterwards() -> None:
    """The order that AWS demands (terraform-provider-aws#14337)."""
    case = scaled()
    settled(case)
    serving_now = case.live()
    case.edit(variants=[variant(resources={"instanceType": XLARGE})])
    made = case.decide(serving_now, scaling={"all": REGISTERED}, live_instance_types={"all": LARGE})
    assert operations(made) == ["CreateModel", "CreateEndpointConfig", "DeregisterScalableTarget", "UpdateEndpoint"]
    made = case.decide(case.live(last_modified=NOW), scaling={})
    assert operations(made) == REGISTER


def test_machines_that_cannot_be_known_count_as_changed() -> None:
    """The serving config was deleted by hand."""
    case = scaled()
    settled(case)
    made = case.decide(case.live(), model(8), scaling={"all": REGISTERED}, live_instance_types={})
    assert "DeregisterScalableTarget" in operations(made)


def test_a_variant_that_goes_is_deregistered_and_after_a_rollback_registered_again() -> None:
    """Also one that the spec does not name any more: status remembers its numbers."""
    both = [variant("all"), variant("green")]
    case = Case(variants=both)
    registered = {"all": REGISTERED, "green": REGISTERED}
    shares = {"all": LiveVariant(1.0, 1), "green": LiveVariant(1.0, 1)}
    now = case.live(variants=shares)
    assert case.decide(now, scaling=registered).actions == ()
    case.edit(variants=[variant("all")])
    made = case.decide(now, scaling=registered, live_instance_types={"all": LARGE, "green": LARGE})
    assert [(each.operation, each.subject.rpartition("/")[2]) for each in requests(made)][-2:] == [
        ("DeregisterScalableTarget", "green"),
        ("UpdateEndpoint", case.serving().endpoint_name),
    ]
    back = case.live(config=now.config, variants=shares, last_modified=NOW)
    made = case.decide(back, scaling={"all": REGISTERED}, sent=Sent.YES)
    assert reasons(made)["Stalled"] == "True RolledBack"
    assert [(each.operation, each.subject.rpartition("/")[2]) for each in requests(made)] == [(name, "green") for name in REGISTER]
    assert isinstance(made.requeue, After)
    made = case.decide(back, scaling=registered)
    assert (made.actions, made.requeue) == ((), OnEvent())


def test_an_update_that_was_refused_because_the_scaler_was_at_work_is_no_rollback() -> None:
    """The endpoint has changed since the intent, but not by us: the update has certainly not been sent."""
    case = scaled()
    settled(case)
    facts: dict[str, Any] = {"scaling": {"all": REGISTERED}, "live_instance_types": {"all": LARGE}}
    case.decide(case.live(), model(8), **facts)
    later = case.live(model(7), last_modified=NOW, variants={"all": LiveVariant(1.0, 2)})
    made = case.decide(later, model(8), sent=Sent.NO, **facts)
    assert operations(made) == UPDATES
    assert made.status["update"]["seen"] == "2026-11-21T10:00:00.000Z"
    back = case.live(model(7), last_modified=NOW + timedelta(1))
    assert reasons(case.decide(back, model(8), sent=Sent.YES, **facts))["Stalled"] == "True RolledBack"


def test_a_failed_endpoint_is_deregistered_before_it_is_deleted() -> None:
    """Otherwise AWS would need a right to do so itself."""
    case = scaled()
    settled(case)
    broken = case.live(state=EndpointState.FAILED, raw="UpdateRollbackFailed", last_modified=BEFORE)
    case.decide(broken, scaling={"all": REGISTERED})
    assert operations(case.decide(broken, model(8), scaling={"all": REGISTERED})) == ["DeregisterScalableTarget", "DeleteEndpoint"]


def test_deletion_deregisters_first() -> None:
    """What hangs on the endpoint goes before it (sagemaker-python-sdk#1123)."""
    attached = (scaling.deregister("team-a-digits-abcdef", "all"),)
    assert operations(deletion(Remains(Case().live(), attached))) == ["DeregisterScalableTarget", "DeleteEndpoint"]
    assert operations(deletion(Remains(NoEndpoint(), attached))) == ["DeregisterScalableTarget"]


def test_a_status_without_sense_is_read_as_none() -> None:
    """Somebody edited it."""
    entry = {"name": "all", **SCALING}
    assert scaling.recorded({"scalableTargets": [entry]}) == {"all": REGISTERED}
    assert scaling.recorded({"scalableTargets": [{}, entry | {"scaleInCooldown": "soon"}, entry | {"scaleOutCooldown": None}]}) == {}


def test_the_tenant_limits_what_the_scaler_may_reach() -> None:
    """maxInstanceCount is compared with maxCapacity; the number to start with is minCapacity."""
    case = scaled(autoscaling=SCALING | {"minCapacity": 2})
    effective = effective_of(case.spec, TENANT.spec)
    assert effective.instance_counts == {"all": 2}
    assert wanted_of(case.spec, effective, {}).instance_counts == [("spec.variants[0].autoscaling.maxCapacity", 4)]


def test_burstable_machines_are_not_scaled() -> None:
    """AWS refuses; the field is named before it is asked."""
    with pytest.raises(InvalidResource, match=r"spec\.variants\[0\]\.resources\.instanceType: ml\.t2\.medium is burstable"):
        effective_of(scaled(resources={"instanceType": "ml.t2.medium"}).spec, TENANT.spec)


@pytest.mark.parametrize(("count", "size", "good"), [(4, 2, True), (4, 3, False), (1, 1, False)])
def test_a_step_is_at_most_half_of_the_instances(count: int, size: int, good: bool) -> None:
    """AWS takes no more; what a scaler may reach is judged by its most."""
    plain = Case(
        variants=[{"name": "all", "model": PACKAGE, "resources": {"instanceCount": count}}], rollout={"type": "Rolling", "size": size}
    )
    grows = Case(variants=[variant(autoscaling=SCALING | {"maxCapacity": count})], rollout={"type": "Rolling", "size": size})
    for case in (plain, grows):
        if good:
            effective_of(case.spec, TENANT.spec)
        else:
            with pytest.raises(InvalidResource, match=r"spec\.rollout\.size"):
                effective_of(case.spec, TENANT.spec)


def test_a_step_is_a_share_or_a_number_of_instances() -> None:
    """CapacitySize in AWS's words."""
    sizes = []
    for size in ("10%", 2):
        machines = {"name": "all", "model": PACKAGE, "resources": {"instanceCount": 4}}
        update = update_endpoint(Case(variants=[machines], rollout={"type": "Rolling", "size": size}).serving(), ())
        sizes.append(update.parameters["DeploymentConfig"]["RollingUpdatePolicy"]["MaximumBatchSize"])
    assert sizes == [{"Type": "CAPACITY_PERCENT", "Value": 10}, {"Type": "INSTANCE_COUNT", "Value": 2}]
