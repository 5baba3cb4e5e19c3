"""UpdateEndpoint: the configuration switches when the update succeeded, traffic shifts in steps, alarms roll back."""

from __future__ import annotations

import threading
from collections import Counter
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hosting_kit import NAMED, HostingKit, only_variant
from service_kit import until

RAISES = "def model_fn(folder):\n    raise ValueError('cannot load')\n"
CANARY = {
    "TrafficRoutingConfiguration": {
        "Type": "CANARY",
        "WaitIntervalInSeconds": 600,
        "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": 25},
    },
    "TerminationWaitInSeconds": 300,
}
ROLLING = {"MaximumBatchSize": {"Type": "INSTANCE_COUNT", "Value": 1}, "WaitIntervalInSeconds": 600}


def one(kit: HostingKit, title: str, **changes: Any) -> str:
    """A configuration with one variant whose model answers with `title`."""
    return kit.config(kit.variant(model=kit.model(title), **changes))


def answers(kit: HostingKit, name: str, number: int = 40) -> Counter[str]:
    """How often each model answered."""
    return Counter(kit.invoke(name)["text"].partition(":")[0] for _ in range(number))


def pending(kit: HostingKit, name: str) -> dict[str, Any]:
    """The one pending variant; empty when there is no deployment."""
    summary = kit.described(name).get("PendingDeploymentSummary")
    return {} if summary is None else summary["ProductionVariants"][0]


def baking(kit: HostingKit, name: str, text: str) -> None:
    """Wait until the new fleet bakes with this text in its message."""

    def there() -> bool:
        status = pending(kit, name).get("VariantStatus", [{}])[0]
        return status.get("Status") == "Baking" and text in status["StatusMessage"]

    until(there, f"baking: {text}")


def alarm(kit: HostingKit, state: str = "OK") -> str:
    """A CloudWatch alarm in this state; returns its name."""
    name = kit.name("alarm")
    cloudwatch = kit.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName=name,
        MetricName="Invocation5XXErrors",
        Namespace="AWS/SageMaker",
        Statistic="Average",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1.0,
        ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="ignore",
    )
    cloudwatch.set_alarm_state(AlarmName=name, StateValue=state, StateReason="test")
    return name


def watched(policy: dict[str, Any], *alarms: str) -> dict[str, Any]:
    key = "RollingUpdatePolicy" if "MaximumBatchSize" in policy else "BlueGreenUpdatePolicy"
    found: dict[str, Any] = {key: policy}
    if alarms:
        found["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": name} for name in alarms]}
    return found


def test_the_config_switches_when_the_update_succeeded(kit: HostingKit) -> None:
    """While Updating, Describe names the old config and the old fleet serves; then both are new, and the old server is gone."""
    old, new = one(kit, "old"), one(kit, "new", InitialInstanceCount=2)
    name = kit.serving(old)
    kit.world.settings["endpoints.creatingSeconds"] = 60
    kit.update(name, new)
    updating = kit.described(name)
    assert (updating["EndpointStatus"], updating["EndpointConfigName"]) == ("Updating", old)
    assert updating["PendingDeploymentSummary"]["EndpointConfigName"] == new
    assert answers(kit, name, 5) == {"old": 5}
    kit.world.clock.advance(60)
    described = kit.settled(name)
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", new)
    assert "PendingDeploymentSummary" not in described
    assert only_variant(described)["CurrentInstanceCount"] == 2
    assert described["LastModifiedTime"] > described["CreationTime"]
    assert answers(kit, name, 5) == {"new": 5}


def test_an_update_that_does_not_start_is_rolled_back(kit: HostingKit) -> None:
    """InService on the old config; the FailureReason says why. Every invocation is answered meanwhile."""
    old = one(kit, "old")
    name = kit.serving(old)
    kit.world.settings["endpoints.rollingBackSeconds"] = 60
    kit.update(name, kit.config(kit.variant(model=kit.model(script=RAISES))))
    until(lambda: kit.described(name)["EndpointStatus"] == "RollingBack", "the rollback")
    assert answers(kit, name, 3) == {"old": 3}
    kit.world.clock.advance(60)
    described = kit.settled(name)
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", old)
    assert "did not pass the ping health check" in described["FailureReason"]
    kit.update(name, one(kit, "new"))
    assert "FailureReason" not in kit.settled(name)


def test_a_rollback_may_be_silent(kit: HostingKit) -> None:
    """The other form that users report: no FailureReason at all."""
    old = one(kit, "old")
    name = kit.serving(old)
    kit.world.settings["endpoints.silentRollback"] = 1.0
    kit.update(name, kit.config(kit.variant(model=kit.model(script=RAISES))))
    described = kit.settled(name)
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", old)
    assert "FailureReason" not in described


def test_a_canary_gets_its_part_of_the_traffic_then_all(kit: HostingKit) -> None:
    """A quarter for ten minutes of AWS time, then everything; the old fleet goes after TerminationWaitInSeconds."""
    old, new = one(kit, "old", InitialInstanceCount=4), one(kit, "new", InitialInstanceCount=4)
    name = kit.serving(old)
    kit.update(name, new, DeploymentConfig=watched(CANARY))
    baking(kit, name, "Baking for 600 seconds (WaitIntervalInSeconds) with traffic enabled on canary capacity of 1 instance(s).")
    assert (pending(kit, name)["CurrentInstanceCount"], pending(kit, name)["DesiredInstanceCount"]) == (1, 4)
    split = answers(kit, name, 100)
    assert 10 <= split["new"] <= 40
    kit.world.clock.advance(600)
    baking(kit, name, "Baking for 300 seconds (TerminationWaitInSeconds) with traffic enabled on full capacity of 4 instance(s).")
    assert answers(kit, name, 20) == {"new": 20}
    assert kit.described(name)["EndpointConfigName"] == old
    kit.world.clock.advance(300)
    described = kit.settled(name)
    assert described["EndpointConfigName"] == new
    assert described["LastDeploymentConfig"] == watched(CANARY)


def test_a_linear_update_shifts_in_steps(kit: HostingKit) -> None:
    """Half, then everything."""
    routing = {"Type": "LINEAR", "WaitIntervalInSeconds": 60, "LinearStepSize": {"Type": "INSTANCE_COUNT", "Value": 1}}
    policy = {"TrafficRoutingConfiguration": routing, "TerminationWaitInSeconds": 60}
    name = kit.serving(one(kit, "old", InitialInstanceCount=2))
    kit.update(name, one(kit, "new", InitialInstanceCount=2), DeploymentConfig=watched(policy))
    baking(kit, name, "partial capacity of 1 instance(s)")
    assert set(answers(kit, name)) == {"old", "new"}
    kit.world.clock.advance(60)
    baking(kit, name, "full capacity of 2 instance(s)")
    assert set(answers(kit, name, 10)) == {"new"}
    kit.world.clock.advance(60)
    assert kit.settled(name)["EndpointStatus"] == "InService"


def test_a_rolling_update_replaces_instances_in_batches(kit: HostingKit) -> None:
    """The new fleet grows as the old one shrinks."""
    old, new = one(kit, "old", InitialInstanceCount=2), one(kit, "new", InitialInstanceCount=2)
    name = kit.serving(old)
    kit.update(name, new, DeploymentConfig=watched(ROLLING))
    baking(kit, name, "partial capacity of 1 instance(s)")
    assert pending(kit, name)["CurrentInstanceCount"] == 1
    assert only_variant(kit.described(name))["CurrentInstanceCount"] == 1
    kit.world.clock.advance(600)
    baking(kit, name, "full capacity of 2 instance(s)")
    kit.world.clock.advance(600)
    assert kit.settled(name)["EndpointConfigName"] == new


@pytest.mark.parametrize("policy", [CANARY, ROLLING])
def test_an_alarm_rolls_back_without_a_failure_reason(kit: HostingKit, policy: dict[str, Any]) -> None:
    """The trap: InService, the old config, and an empty FailureReason; no invocation fails in the meantime."""
    old = one(kit, "old", InitialInstanceCount=2)
    name, bell = kit.serving(old), alarm(kit)
    config = watched(policy, alarm(kit), bell)
    kit.update(name, one(kit, "new", InitialInstanceCount=2), DeploymentConfig=config)
    baking(kit, name, "Baking for 600 seconds")
    kit.world.clock.advance(60)
    assert kit.described(name)["EndpointStatus"] == "Updating"
    kit.client("cloudwatch").set_alarm_state(AlarmName=bell, StateValue="ALARM", StateReason="test")
    kit.world.clock.advance(60)
    described = kit.settled(name)
    assert (described["EndpointStatus"], described["EndpointConfigName"]) == ("InService", old)
    assert {"FailureReason", "PendingDeploymentSummary"}.isdisjoint(described)
    assert described["LastDeploymentConfig"] == config
    assert only_variant(described)["CurrentInstanceCount"] == 2
    assert answers(kit, name, 5) == {"old": 5}


def test_an_alarm_that_rings_already_rolls_back_an_update_without_waits(kit: HostingKit) -> None:
    """All at once with no baking: the alarms are still read once after the shift."""
    old = one(kit, "old")
    name = kit.serving(old)
    kit.update(name, one(kit, "new"), DeploymentConfig={"AutoRollbackConfiguration": {"Alarms": [{"AlarmName": alarm(kit, "ALARM")}]}})
    described = kit.settled(name)
    assert (described["EndpointConfigName"], "FailureReason" in described) == (old, False)


def test_an_update_that_takes_too_long_is_rolled_back(kit: HostingKit) -> None:
    """MaximumExecutionTimeoutInSeconds of AWS time, starting the fleet included."""
    old = one(kit, "old")
    name = kit.serving(old)
    kit.world.settings["endpoints.creatingSeconds"] = 7200
    kit.update(name, one(kit, "new"), DeploymentConfig=watched(CANARY | {"MaximumExecutionTimeoutInSeconds": 1800}))
    kit.world.clock.advance(1800)
    assert kit.settled(name)["EndpointConfigName"] == old


def test_the_last_deployment_config_can_be_reused(kit: HostingKit) -> None:
    """CreateEndpoint only keeps it; RetainDeploymentConfig applies it."""
    name = kit.serving(one(kit, "old"), DeploymentConfig=watched(CANARY))
    assert kit.described(name)["LastDeploymentConfig"] == watched(CANARY)
    kit.update(name, one(kit, "new"), RetainDeploymentConfig=True)
    baking(kit, name, "canary capacity")
    kit.world.clock.advance(600)
    baking(kit, name, "full capacity")
    kit.world.clock.advance(300)
    assert kit.settled(name)["LastDeploymentConfig"] == watched(CANARY)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (1.0, 1)),
        ({"RetainAllVariantProperties": True}, (7.0, 3)),
        (
            {
                "RetainAllVariantProperties": True,
                "ExcludeRetainedVariantProperties": [{"VariantPropertyType": "DesiredWeight"}],
            },
            (1.0, 3),
        ),
    ],
)
def test_weights_and_counts_are_retained_on_demand(kit: HostingKit, changes: dict[str, Any], expected: tuple[float, int]) -> None:
    """Without RetainAllVariantProperties the new config's numbers count: what an autoscaler had set is lost."""
    name = kit.serving(one(kit, "old"))
    kit.client("sagemaker").update_endpoint_weights_and_capacities(
        EndpointName=name,
        DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredWeight": 7.0, "DesiredInstanceCount": 3}],
    )
    kit.settled(name)
    kit.update(name, one(kit, "new"), **changes)
    variant = only_variant(kit.settled(name))
    assert (variant["CurrentWeight"], variant["CurrentInstanceCount"]) == expected


def test_data_capture_is_a_variant_property(kit: HostingKit) -> None:
    """Retained with the others, unless it is excluded."""
    capture = {
        "InitialSamplingPercentage": 50,
        "DestinationS3Uri": "s3://kit-bucket/c",
        "CaptureOptions": [{"CaptureMode": "Input"}],
    }
    name = kit.serving(kit.config(DataCaptureConfig=capture))
    kit.update(name, kit.config(), RetainAllVariantProperties=True)
    summary = kit.settled(name)["DataCaptureConfig"]
    assert (summary["CaptureStatus"], summary["CurrentSamplingPercentage"]) == ("Started", 50)
    excluded = [{"VariantPropertyType": "DataCaptureConfig"}]
    kit.update(name, kit.config(), RetainAllVariantProperties=True, ExcludeRetainedVariantProperties=excluded)
    assert "DataCaptureConfig" not in kit.settled(name)


def test_an_update_needs_the_old_config_too(kit: HostingKit) -> None:
    """Deleting the config in use is allowed, and then nothing can be updated (terraform-provider-aws#40048)."""
    old, new = one(kit, "old"), one(kit, "new")
    name = kit.serving(old)
    kit.client("sagemaker").delete_endpoint_config(EndpointConfigName=old)
    with pytest.raises(ClientError, match=f'Could not find endpoint configuration "arn:.*/{old}"'):
        kit.update(name, new)
    assert kit.described(name)["EndpointStatus"] == "InService"
    assert answers(kit, name, 2) == {"old": 2}


def test_both_fleets_count_while_an_update_runs(kit: HostingKit) -> None:
    """A quota that holds the old fleet only refuses the update; nothing changes."""
    kit.world.quotas.configure({"ml.c5.large for endpoint usage": 3})
    small = one(kit, "old", InstanceType="ml.c5.large")
    name = kit.serving(small)
    with pytest.raises(ClientError, match="ResourceLimitExceeded"):
        kit.update(name, one(kit, "big", InstanceType="ml.c5.large", InitialInstanceCount=3))
    assert kit.described(name)["EndpointStatus"] == "InService"
    kit.update(name, one(kit, "new", InstanceType="ml.c5.large", InitialInstanceCount=2))
    kit.settled(name)
    until(lambda: kit.world.quotas.report()["ml.c5.large for endpoint usage"]["used"] == 2, "the end of the old fleet")


def test_no_invocation_fails_while_endpoints_change(kit: HostingKit) -> None:
    """A client that never stops sees no error through an update, a rollback and a change of weights: old fleets are drained."""
    slow = NAMED.replace("    return f", "    import time\n    time.sleep(0.02)\n    return f")
    old = kit.config(kit.variant(model=kit.model("old", slow)))
    new = kit.config(kit.variant(model=kit.model("new", slow)))
    name, stopped = kit.serving(old), threading.Event()
    client = kit.once("sagemaker-runtime")
    seen: Counter[str] = Counter()

    def ask() -> None:
        while not stopped.is_set():
            try:
                body = client.invoke_endpoint(EndpointName=name, Body=b"x", ContentType="text/csv")["Body"].read().decode()
                seen[body.partition(":")[0]] += 1
            except ClientError as error:
                seen[str(error)] += 1

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    kit.update(name, new)
    kit.settled(name)
    kit.fail_next("no capacity")
    kit.update(name, old)
    kit.settled(name)
    kit.update(name, old)
    kit.settled(name)
    stopped.set()
    for thread in threads:
        thread.join(10)
    assert set(seen) == {"old", "new"}


def test_failures_can_be_scripted(kit: HostingKit) -> None:
    """A creation ends Failed, an update InService on the old config, both with the given reason; a rollback can fail too."""
    reason = "Unable to provision requested ML compute capacity due to InsufficientInstanceCapacity error."
    kit.fail_next(reason)
    assert kit.settled(kit.endpoint())["FailureReason"] == reason
    old = one(kit, "old")
    name = kit.serving(old)
    kit.fail_next(reason)
    kit.update(name, one(kit, "new"))
    described = kit.settled(name)
    assert (described["EndpointStatus"], described["EndpointConfigName"], described["FailureReason"]) == ("InService", old, reason)
    kit.fail_next("UpdateRollbackFailed")
    kit.update(name, one(kit, "new"))
    assert kit.settled(name)["EndpointStatus"] == "UpdateRollbackFailed"
