"""Autoscaling and rollback alarms of a ModelEndpoint against Application Auto Scaling, CloudWatch and the endpoints of the local AWS."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sagemaker_gitops.cli.sandbox import Sandbox
from tests.system.conftest import least_privilege
from tests.system.endpoints import SERVES, Endpoints, pinned, serves
from tests.system.stack import Stack, condition

DIMENSION = "sagemaker:variant:DesiredInstanceCount"
SCALING = {"minCapacity": 1, "maxCapacity": 4, "targetInvocationsPerInstance": 200, "scaleInCooldown": "5m", "scaleOutCooldown": "1m"}
FAILS = SERVES.replace("return model\n", 'raise ValueError("no answer")\n').replace("VALUE", "9")


class Scaled:
    """One ModelEndpoint with one variant, and what AWS knows about its scaling and alarms."""

    def __init__(self, stack: Stack, name: str) -> None:
        self.stack, self.name = stack, name
        self.endpoints = Endpoints(stack)
        self.scaling, self.sagemaker = stack.client("application-autoscaling"), stack.client("sagemaker")
        self.cloudwatch = stack.client("cloudwatch")

    def register(self, *values: int) -> None:
        for value in values:
            self.endpoints.register(self.name, serves(value))

    def apply(
        self, version: int = 1, *, scaling: dict[str, Any] | None = None, machines: dict[str, Any] | None = None, **spec: Any
    ) -> None:
        """One variant of that version, with its autoscaling and resources."""
        given = {"autoscaling": scaling, "resources": machines}
        members = {name: value for name, value in given.items() if value is not None}
        self.endpoints.apply(self.name, pinned(self.name, version, **members), **spec)

    def ready(self, live: str | None = None) -> dict[str, Any]:
        """The status once everything that is wanted is there."""
        return self.endpoints.until(
            self.name,
            lambda status: condition(status, "Ready").get("status") == "True" and (live is None or status.get("live") == live),
        )

    @property
    def endpoint(self) -> str:
        name: str = self.endpoints.status(self.name)["endpointName"]
        return name

    @property
    def resource(self) -> str:
        return f"endpoint/{self.endpoint}/variant/all"

    def targets(self) -> list[tuple[int, int]]:
        found = self.scaling.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=[self.resource])["ScalableTargets"]
        return [(item["MinCapacity"], item["MaxCapacity"]) for item in found]

    def policies(self) -> dict[str, float]:
        found = self.scaling.describe_scaling_policies(ServiceNamespace="sagemaker", ResourceId=self.resource)["ScalingPolicies"]
        return {item["PolicyName"]: item["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] for item in found}

    def count(self) -> int:
        variants = self.sagemaker.describe_endpoint(EndpointName=self.endpoint)["ProductionVariants"]
        count: int = variants[0]["DesiredInstanceCount"]
        return count

    def scale_to(self, count: int) -> None:
        """What the scaler does when the load rises."""
        wanted = [{"VariantName": "all", "DesiredInstanceCount": count}]
        self.sagemaker.update_endpoint_weights_and_capacities(EndpointName=self.endpoint, DesiredWeightsAndCapacities=wanted)
        self.wait(lambda: self.sagemaker.describe_endpoint(EndpointName=self.endpoint)["EndpointStatus"] == "InService")

    def alarms(self) -> dict[str, dict[str, Any]]:
        """The endpoint's alarms that are not the scaler's."""
        found = self.cloudwatch.describe_alarms(AlarmNamePrefix=f"{self.endpoint}-")["MetricAlarms"]
        return {item["AlarmName"]: item for item in found}

    def calls(self) -> Counter[str]:
        """Accepted mutating calls of the operator for this object."""
        return Counter(
            entry["operation"]
            for entry in self.stack.aws.ledger(accepted="true", limit=1_000_000)
            if entry["sessionTags"].get("name") == self.name and not entry["operation"].startswith(("Describe", "List", "Get", "Head"))
        )

    def during(self, *work: Callable[[], object]) -> Counter[str]:
        """The mutating calls that `work` brings about, until nothing is called any more."""
        before = self.calls()
        for each in work:
            each()
        self.stack.quiet()
        return self.calls() - before

    def order(self) -> list[str]:
        return [operation for operation in self.stack.calls_for(self.name) if not operation.startswith(("Describe", "List", "Get", "Head"))]

    @staticmethod
    def wait(holds: Callable[[], bool], seconds: float = 90.0) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, "it did not come about"
            time.sleep(0.2)


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """After the test, so that tests share the sandbox."""
    found: str = request.node.name
    return found.removeprefix("test_").replace("_", "-")[:24].rstrip("-")


@pytest.fixture
def scaled(stack: Stack, name: str) -> Scaled:
    return Scaled(stack, name)


@pytest.fixture
def alone(tmp_path: Path, name: str) -> Iterator[Scaled]:
    """In a sandbox whose AWS clock may be moved: for the others captured answers would lie in the future of the operator."""
    with Sandbox(tmp_path, admission=False) as sandbox:
        started = Stack(sandbox)
        least_privilege(started)
        yield Scaled(started, name)


@pytest.mark.capability("F5")
def test_scaling_begins_when_the_endpoint_serves(scaled: Scaled) -> None:
    """Target and policy are registered once; the scaler brings the count into its range, and git does not take it back
    (numaproj/numaflow#3585).
    """
    scaled.register(1)
    scaled.apply(scaling=SCALING)
    status = scaled.ready()
    assert (scaled.targets(), list(scaled.policies().values())) == ([(1, 4)], [200.0])
    assert status["variants"][0]["scaling"] == "1-4"
    scaled.scale_to(3)
    scaled.stack.quiet()
    assert scaled.count() == 3
    assert scaled.endpoints.until(scaled.name, lambda status: status["variants"][0].get("liveInstances") == 3)["phase"] == "InService"
    assert scaled.calls()["UpdateEndpointWeightsAndCapacities"] == 0
    assert (scaled.calls()["RegisterScalableTarget"], scaled.calls()["PutScalingPolicy"]) == (1, 1)


@pytest.mark.capability("F6")
def test_counts_survive_a_change_of_model(scaled: Scaled) -> None:
    """hashicorp/terraform-provider-aws#48990: an update reset what the scaler had set. Nor is the registration touched."""
    scaled.register(1, 2)
    scaled.apply(scaling=SCALING)
    scaled.ready()
    scaled.scale_to(3)
    calls = scaled.during(lambda: scaled.apply(2, scaling=SCALING), lambda: scaled.ready("2"))
    assert calls == {"CreateModel": 1, "CreateEndpointConfig": 1, "UpdateEndpoint": 1}
    assert (scaled.count(), scaled.targets()) == (3, [(1, 4)])
    assert scaled.endpoints.ask(scaled.name) == "2"


@pytest.mark.capability("F6")
def test_another_instance_type_deregisters_and_registers_again(scaled: Scaled) -> None:
    """hashicorp/terraform-provider-aws#14337: AWS refuses the update of a registered variant. The count stays."""
    scaled.register(1)
    scaled.apply(scaling=SCALING)
    scaled.ready()
    scaled.scale_to(2)
    calls = scaled.during(lambda: scaled.apply(scaling=SCALING, machines={"instanceType": "ml.m5.xlarge"}), scaled.ready)
    changes = ("DeregisterScalableTarget", "UpdateEndpoint", "RegisterScalableTarget", "PutScalingPolicy")
    assert {operation: calls[operation] for operation in changes} == dict.fromkeys(changes, 1)
    order = [operation for operation in scaled.order() if operation in changes]
    assert order[-4:] == list(changes)
    assert (scaled.count(), scaled.targets(), len(scaled.policies())) == (2, [(1, 4)], 1)


@pytest.mark.capability("F5")
def test_deletion_deregisters_first(scaled: Scaled) -> None:
    """aws/sagemaker-python-sdk#1123: an endpoint with a target could not be deleted cleanly. Nothing is left, alarms included."""
    scaled.register(1)
    scaled.apply(scaling=SCALING, rollout={"type": "AllAtOnce", "createDefaultAlarms": True}, deletionPolicy="Delete")
    scaled.ready()
    resource, endpoint = scaled.resource, scaled.endpoint
    scaled.endpoints.delete(scaled.name)
    found = scaled.scaling.describe_scalable_targets(ServiceNamespace="sagemaker", ResourceIds=[resource])["ScalableTargets"]
    alarms = scaled.cloudwatch.describe_alarms(AlarmNamePrefix=f"{endpoint}-")["MetricAlarms"]
    assert (found, alarms) == ([], [])
    order = [operation for operation in scaled.order() if operation in ("DeregisterScalableTarget", "DeleteAlarms", "DeleteEndpoint")]
    assert order == ["DeregisterScalableTarget", "DeleteAlarms", "DeleteAlarms", "DeleteEndpoint"]


def test_a_deletion_that_may_not_deregister_says_so(scaled: Scaled) -> None:
    """awslabs/stable-diffusion-aws-extension#161: the missing right is named, and the endpoint serves on until it is given."""
    scaled.register(1)
    scaled.apply(scaling=SCALING, deletionPolicy="Delete")
    scaled.ready()
    scaled.stack.aws.deny(scaled.stack.role, "application-autoscaling:DeregisterScalableTarget")
    try:
        scaled.endpoints.delete(scaled.name, wait=False)
        scaled.wait(lambda: bool(condition(scaled.endpoints.status(scaled.name), "Stalled")))
        status = scaled.endpoints.status(scaled.name)
        assert "application-autoscaling:DeregisterScalableTarget" in condition(status, "Stalled")["message"]
        assert scaled.calls()["DeleteEndpoint"] == 0
    finally:
        scaled.stack.aws.reset()
    touch(scaled)
    scaled.endpoints.delete(scaled.name)
    assert scaled.calls()["DeleteEndpoint"] == 1


@pytest.mark.capability("F5")
def test_autoscaling_that_is_taken_out_gives_the_count_back(scaled: Scaled) -> None:
    """aws/aws-cdk#29626: nobody deregistered. From then on instanceCount holds."""
    scaled.register(1)
    scaled.apply(scaling=SCALING)
    scaled.ready()
    scaled.scale_to(3)

    def take_out() -> None:
        scaled.apply(machines={"instanceCount": 1})
        scaled.wait(lambda: scaled.count() == 1)
        scaled.ready()

    assert scaled.during(take_out) == {"DeregisterScalableTarget": 1, "UpdateEndpointWeightsAndCapacities": 1}
    assert scaled.targets() == []
    assert "scalableTargets" not in scaled.endpoints.status(scaled.name)


@pytest.mark.capability("F5")
def test_other_numbers_do_not_touch_the_endpoint(scaled: Scaled) -> None:
    """aws-controllers-k8s/community#1875 for scaling: no new config and no update, and the scaler does the rest."""
    scaled.register(1)
    scaled.apply(scaling=SCALING)
    scaled.ready()

    def edit() -> None:
        scaled.apply(scaling=SCALING | {"minCapacity": 2, "maxCapacity": 6, "targetInvocationsPerInstance": 50})
        scaled.ready()
        scaled.wait(lambda: scaled.count() == 2)

    assert scaled.during(edit) == {"RegisterScalableTarget": 1, "PutScalingPolicy": 1}
    assert (scaled.targets(), list(scaled.policies().values())) == ([(2, 6)], [50.0])


@pytest.mark.capability("F5")
def test_scaling_that_somebody_changed_is_put_right_and_other_policies_stay(scaled: Scaled) -> None:
    """Without an event and without a change of the endpoint: the watch compares what hangs on it."""
    scaled.register(1)
    scaled.apply(scaling=SCALING)
    scaled.ready()
    scaled.stack.quiet()
    (ours,) = scaled.policies()
    tracking = {"TargetValue": 999.0, "PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerVariantInvocationsPerInstance"}}
    identity = {"ServiceNamespace": "sagemaker", "ResourceId": scaled.resource, "ScalableDimension": DIMENSION}
    other = {"MetricName": "CPUUtilization", "Namespace": "team-a", "Statistic": "Average"}
    for name, config in ((ours, tracking), ("theirs", {"TargetValue": 999.0, "CustomizedMetricSpecification": other})):
        scaled.scaling.put_scaling_policy(
            PolicyName=name, PolicyType="TargetTrackingScaling", TargetTrackingScalingPolicyConfiguration=config, **identity
        )
    scaled.scaling.register_scalable_target(MinCapacity=1, MaxCapacity=9, **identity)
    scaled.wait(lambda: (scaled.targets(), scaled.policies()) == ([(1, 4)], {ours: 200.0, "theirs": 999.0}))
    scaled.scaling.deregister_scalable_target(**identity)
    scaled.wait(lambda: (scaled.targets(), scaled.policies()) == ([(1, 4)], {ours: 200.0}))
    assert scaled.calls()["UpdateEndpoint"] == 0


@pytest.mark.capability("F15")
def test_default_alarms_are_made_used_and_follow_the_config(scaled: Scaled) -> None:
    """kserve/kserve#3085, aws/aws-cdk#23152: a rollout without alarms watches nothing. Two for the variant, over the new config alone."""
    scaled.register(1, 2)
    rollout = {"type": "Canary", "size": "10%", "waitInterval": "1s", "createDefaultAlarms": True}
    scaled.apply(rollout=rollout)
    first = scaled.ready()
    assert sorted(scaled.alarms()) == sorted(first["alarms"])
    assert len(first["alarms"]) == 2
    calls = scaled.during(lambda: scaled.apply(2, rollout=rollout), lambda: scaled.ready("2"))
    assert calls == {"CreateModel": 1, "CreateEndpointConfig": 1, "PutMetricAlarm": 2, "UpdateEndpoint": 1, "DeleteAlarms": 2}
    described = scaled.sagemaker.describe_endpoint(EndpointName=scaled.endpoint)
    second = scaled.endpoints.status(scaled.name)
    watched = [item["AlarmName"] for item in described["LastDeploymentConfig"]["AutoRollbackConfiguration"]["Alarms"]]
    assert sorted(watched) == sorted(scaled.alarms())
    assert not set(first["alarms"]) & set(watched)
    # Those of the first version are gone; a put of them may still be on its way, so they are looked for once more.
    assert sorted(second["alarms"]) == sorted({*first["alarms"], *watched})
    for alarm in scaled.alarms().values():
        dimensions = {item["Name"]: item["Value"] for item in alarm["Dimensions"]}
        assert dimensions == {"EndpointName": scaled.endpoint, "VariantName": "all", "EndpointConfigName": second["liveConfig"]}
    assert second["effective"]["defaultAlarms"]["Invocation5XXErrors"] == "5%"


@pytest.mark.capability("F15")
def test_default_alarms_that_somebody_changed_or_that_are_not_wanted_any_more(scaled: Scaled) -> None:
    """Put right within an interval; deleted when the spec drops them; the endpoint is not touched."""
    scaled.register(1)
    scaled.apply(rollout={"type": "AllAtOnce", "createDefaultAlarms": True})
    scaled.ready()
    scaled.stack.quiet()
    first, second = sorted(scaled.alarms())
    scaled.cloudwatch.delete_alarms(AlarmNames=[first])
    settings = ("Namespace", "MetricName", "Dimensions", "Statistic", "Period", "EvaluationPeriods", "ComparisonOperator")
    before = scaled.alarms()[second]
    scaled.cloudwatch.put_metric_alarm(AlarmName=second, Threshold=1.0, **{name: before[name] for name in settings})
    scaled.wait(lambda: sorted(scaled.alarms()) == [first, second] and scaled.alarms()[second]["Threshold"] == before["Threshold"])
    scaled.apply(rollout={"type": "AllAtOnce"})
    scaled.wait(lambda: scaled.alarms() == {})
    assert scaled.ready()["alarms"] == [first, second], "looked for once more when no put can be on its way"
    assert scaled.calls()["UpdateEndpoint"] == 0


@pytest.mark.capability("F15")
def test_a_missing_alarm_is_refused_before_the_update(scaled: Scaled) -> None:
    """aws/aws-cdk#23152: the field is named, what serves goes on, and the rollout begins when the alarm is there."""
    scaled.register(1, 2)
    rollout = {"type": "AllAtOnce", "waitInterval": "1s", "alarms": [f"{scaled.name}-mine"]}
    scaled.apply(rollout=rollout)
    scaled.ready("1")
    scaled.apply(2, rollout=rollout)
    status = scaled.endpoints.until(scaled.name, lambda status: condition(status, "Stalled").get("reason") == "AlarmMissing")
    assert f'spec.rollout.alarms[0]: there is no alarm "{scaled.name}-mine"' in condition(status, "Stalled")["message"]
    assert (scaled.calls()["UpdateEndpoint"], scaled.calls()["CreateEndpointConfig"]) == (0, 1)
    assert scaled.endpoints.ask(scaled.name) == "1"
    quiet_alarm(scaled, f"{scaled.name}-mine")
    scaled.cloudwatch.set_alarm_state(AlarmName=f"{scaled.name}-mine", StateValue="ALARM", StateReason="test")
    touch(scaled)
    scaled.endpoints.until(scaled.name, lambda status: condition(status, "Reconciling").get("reason") == "AlarmActive")
    assert scaled.calls()["UpdateEndpoint"] == 0
    scaled.cloudwatch.set_alarm_state(AlarmName=f"{scaled.name}-mine", StateValue="OK", StateReason="test")
    touch(scaled)
    scaled.ready("2")


@pytest.mark.capability("F15", "F6")
@pytest.mark.long
def test_a_rollback_by_default_alarm_keeps_counts_and_registers_again(alone: Scaled) -> None:
    """kserve/kserve#3085, hashicorp/terraform-provider-aws#48997: a version that answers with errors goes back by itself, on other machines
    too; the alarm is named, the count of the version that serves is what the scaler had made of it, and it is scaled again.
    """
    alone.register(1)
    alone.endpoints.register(alone.name, FAILS)
    rollout = {"type": "Canary", "size": "50%", "waitInterval": "20m", "createDefaultAlarms": True}
    alone.apply(scaling=SCALING, rollout=rollout)
    good = alone.ready("1")
    alone.scale_to(3)
    alone.apply(2, scaling=SCALING, rollout=rollout, machines={"instanceType": "ml.m5.xlarge"})
    alone.stack.wait_for_call(alone.name, "UpdateEndpoint")
    runtime, answers = alone.stack.client("sagemaker-runtime"), Counter[int]()
    deadline = time.monotonic() + 60
    while alone.endpoints.status(alone.name).get("phase") != "RolledBack":
        assert time.monotonic() < deadline, alone.endpoints.status(alone.name)
        for _ in range(10):
            try:
                runtime.invoke_endpoint(EndpointName=alone.endpoint, ContentType="text/csv", Body=b"1")
                answers[200] += 1
            except ClientError:
                answers[500] += 1
        if answers[500]:
            alone.stack.aws.advance(30)
        time.sleep(0.2)
    status = alone.endpoints.status(alone.name)
    assert status["liveConfig"] == good["liveConfig"]
    assert "-5xx-" in status["update"]["message"]
    alone.wait(lambda: alone.targets() == [(1, 4)] and len(alone.policies()) == 1)
    alone.stack.quiet()
    assert alone.count() == 3
    assert alone.calls()["UpdateEndpoint"] == 1
    assert alone.endpoints.ask(alone.name) == "1"


def quiet_alarm(scaled: Scaled, name: str) -> None:
    """A user's alarm over a metric that nobody publishes."""
    scaled.cloudwatch.put_metric_alarm(
        AlarmName=name,
        Namespace="team-a",
        MetricName="nothing",
        Statistic="Sum",
        Period=86400,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="ignore",
    )


def touch(scaled: Scaled) -> None:
    """Another pass, as a person asks for it."""
    scaled.stack.sandbox.kubectl(
        "annotate",
        "--overwrite",
        "mep",
        scaled.name,
        "-n",
        scaled.stack.namespace,
        f"sagemaker-gitops.dev/reconcile-requested-at={time.time()}",
    )
