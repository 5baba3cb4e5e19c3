"""Application Auto Scaling of variants: targets, policies, and a variant that is scaled by its traffic."""

from __future__ import annotations

from datetime import timedelta

import pytest
from botocore.exceptions import ClientError
from hosting_kit import HostingKit
from scaling_kit import NAMESPACE, Scaled, refused
from service_kit import ACCOUNT, REGION, until


def test_a_variant_follows_its_traffic(kit: HostingKit) -> None:
    """Real invocations, so many a minute: out to the maximum, and after silence in to the minimum, as activities tell."""
    scaled, clock = Scaled(kit, kit.serving()), kit.world.clock
    scaled.register(1, 3)
    alarms = scaled.policy(target=5.0)["Alarms"]
    clock.speed = 0  # a minute is as long as its invocations take, whatever else this machine does
    for _ in range(3):
        for _ in range(20):
            kit.invoke(scaled.endpoint)
        clock.advance(60)
    scaled.reaches(3)
    kit.settled(scaled.endpoint)
    clock.advance(16 * 60)
    scaled.reaches(1)
    kit.settled(scaled.endpoint)
    clock.advance(60)
    until(lambda: {each["StatusCode"] for each in scaled.activities()} == {"Successful"}, "the end of every activity")
    newest, oldest = scaled.activities()
    high, low = (alarm["AlarmName"] for alarm in alarms)
    assert oldest["Cause"] == f"monitor alarm {high} in state ALARM triggered policy track"
    assert newest["Cause"] == f"monitor alarm {low} in state ALARM triggered policy track"
    assert newest["Description"] == "Setting desired instance count to 1."
    assert newest["StatusMessage"] == "Successfully set desired instance count to 1. Change successfully fulfilled by sagemaker."
    assert newest["EndTime"] >= newest["StartTime"]


def test_scaling_goes_through_updating(quick: HostingKit, scaled: Scaled) -> None:
    """The endpoint is Updating while its count changes; the next change waits."""
    scaled.register(1, 4)
    quick.world.settings["endpoints.updatingSeconds"] = 600
    scaled.register(2, 4)
    quick.world.clock.advance(60)
    until(lambda: [each["StatusCode"] for each in scaled.activities()] == ["InProgress"], "the scaling")
    assert quick.described(scaled.endpoint)["EndpointStatus"] == "Updating"
    assert scaled.counts() == (2, 1)
    (activity,) = scaled.activities()
    assert ("EndTime" in activity, activity["Cause"]) == (False, "minimum capacity was set to 2")
    scaled.register(3, 4)
    quick.world.clock.advance(60)
    assert len(scaled.activities()) == 1
    quick.world.clock.advance(600)
    until(lambda: scaled.counts() == (3, 2), "the second scaling")
    assert len(scaled.activities()) == 2
    quick.world.clock.advance(600)
    scaled.reaches(3)


def test_the_limits_are_held(scaled: Scaled, quick: HostingKit) -> None:
    """A count below the minimum or above the maximum is brought back, whoever set it."""
    scaled.register(2, 3)
    quick.world.clock.advance(60)
    scaled.reaches(2)
    change = {"VariantName": "AllTraffic", "DesiredInstanceCount": 5}
    quick.client("sagemaker").update_endpoint_weights_and_capacities(EndpointName=scaled.endpoint, DesiredWeightsAndCapacities=[change])
    quick.world.clock.advance(60)
    scaled.reaches(3)
    assert scaled.activities()[0]["Cause"] == "maximum capacity was set to 3"


def test_a_scaling_that_is_refused_is_told(scaled: Scaled, quick: HostingKit) -> None:
    """Too few instances in the account: the activity is Failed with SageMaker's words."""
    quick.world.quotas.configure({"ml.m5.large for endpoint usage": 1})
    scaled.register(2, 3)
    quick.world.clock.advance(60)
    until(lambda: "Failed" in [each["StatusCode"] for each in scaled.activities()], "the refusal")
    failed = scaled.activities()[-1]
    assert failed["StatusMessage"].startswith("Failed to set desired instance count to 2. Reason: The account-level service limit")
    assert scaled.counts() == (1, 1)


def test_a_policy_makes_two_alarms(scaled: Scaled, quick: HostingKit) -> None:
    """High after three minutes, low after fifteen; a changed policy keeps its ARN, and its alarms are new ones."""
    scaled.register()
    cloudwatch, prefix = quick.client("cloudwatch"), f"TargetTracking-{scaled.id['ResourceId']}-Alarm"
    first = scaled.policy(target=50.0)
    assert first["PolicyARN"].endswith(f":resource/sagemaker/{scaled.id['ResourceId']}:policyName/track")
    high, low = cloudwatch.describe_alarms(AlarmNamePrefix=prefix)["MetricAlarms"]
    assert [high["AlarmName"], low["AlarmName"]] == [alarm["AlarmName"] for alarm in first["Alarms"]]
    assert (high["AlarmName"].startswith(f"{prefix}High-"), low["AlarmName"].startswith(f"{prefix}Low-")) == (True, True)
    assert (high["ComparisonOperator"], high["Threshold"], high["EvaluationPeriods"]) == ("GreaterThanThreshold", 50.0, 3)
    assert (low["ComparisonOperator"], low["Threshold"], low["EvaluationPeriods"]) == ("LessThanThreshold", 45.0, 15)
    for alarm in (high, low):
        assert (alarm["Namespace"], alarm["MetricName"], alarm["Statistic"]) == ("AWS/SageMaker", "InvocationsPerInstance", "Sum")
        assert {each["Name"]: each["Value"] for each in alarm["Dimensions"]} == {
            "EndpointName": scaled.endpoint,
            "VariantName": "AllTraffic",
        }
        (action,) = alarm["AlarmActions"]
        assert action.startswith(f"{first['PolicyARN']}:createdBy/")
        assert alarm["AlarmDescription"] == f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {action}."
    second = scaled.policy(target=20.0, DisableScaleIn=True)
    assert second["PolicyARN"] == first["PolicyARN"]
    (only,) = cloudwatch.describe_alarms(AlarmNamePrefix=prefix)["MetricAlarms"]
    assert (only["AlarmName"] not in {high["AlarmName"], low["AlarmName"]}, only["Threshold"]) == (True, 20.0)
    (policy,) = scaled.scaling.describe_scaling_policies(**NAMESPACE, PolicyNames=["track"], ResourceId=scaled.id["ResourceId"])[
        "ScalingPolicies"
    ]
    assert policy["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] == 20.0
    assert policy["Alarms"] == second["Alarms"]
    scaled.scaling.delete_scaling_policy(PolicyName="track", **scaled.id)
    assert cloudwatch.describe_alarms(AlarmNamePrefix=prefix)["MetricAlarms"] == []


def test_a_metric_of_ones_own_scales(scaled: Scaled, quick: HostingKit) -> None:
    """A customized metric; suspended scaling and disabled actions do nothing."""
    space = quick.name("space")
    own = {"MetricName": "load", "Namespace": space, "Statistic": "Average"}
    scaled.register(1, 8)
    scaled.register(None, None, SuspendedState={"DynamicScalingOutSuspended": True})
    scaled.policy(target=10.0, PredefinedMetricSpecification=None, CustomizedMetricSpecification=own, ScaleOutCooldown=3600)

    def three_minutes_of(value: float) -> None:
        for _ in range(3):
            quick.client("cloudwatch").put_metric_data(Namespace=space, MetricData=[{"MetricName": "load", "Value": value}])
            quick.world.clock.advance(60)

    high = scaled.scaling.describe_scaling_policies(**NAMESPACE, ResourceId=scaled.id["ResourceId"])["ScalingPolicies"][0]["Alarms"][0]
    three_minutes_of(25.0)
    alarms = quick.client("cloudwatch")

    def state() -> str:
        (alarm,) = alarms.describe_alarms(AlarmNames=[high["AlarmName"]])["MetricAlarms"]
        found: str = alarm["StateValue"]
        return found

    until(lambda: state() == "ALARM", "the alarm")
    assert (scaled.counts(), scaled.target()["SuspendedState"]["DynamicScalingOutSuspended"]) == ((1, 1), True)
    scaled.register(None, None, SuspendedState={"DynamicScalingOutSuspended": False})
    three_minutes_of(25.0)
    scaled.reaches(3)


def test_every_policy_must_agree_to_scale_in(quick: HostingKit, scaled: Scaled) -> None:
    """One metric is low, the other is not: the count stays until both are."""
    space, cloudwatch = quick.name("space"), quick.client("cloudwatch")
    scaled.register(1, 4)
    quick.client("sagemaker").update_endpoint_weights_and_capacities(
        EndpointName=scaled.endpoint, DesiredWeightsAndCapacities=[{"VariantName": "AllTraffic", "DesiredInstanceCount": 3}]
    )
    scaled.reaches(3)
    lows = []
    for name in ("calm", "busy"):
        own = {"MetricName": name, "Namespace": space, "Statistic": "Average"}
        alarms = scaled.policy(target=10.0, name=name, PredefinedMetricSpecification=None, CustomizedMetricSpecification=own)["Alarms"]
        lows.append(alarms[1]["AlarmName"])

    def quarter_of_an_hour(calm: float, busy: float) -> None:
        begin = quick.world.clock.now().replace(second=0, microsecond=0)
        data = [
            {"MetricName": name, "Value": value, "Timestamp": begin + timedelta(minutes=minute)}
            for name, value in (("calm", calm), ("busy", busy))
            for minute in range(16)
        ]
        cloudwatch.put_metric_data(Namespace=space, MetricData=data)
        quick.world.clock.advance(16 * 60)

    def states() -> list[str]:
        found = {alarm["AlarmName"]: alarm["StateValue"] for alarm in cloudwatch.describe_alarms(AlarmNames=lows)["MetricAlarms"]}
        return [found[name] for name in lows]

    quarter_of_an_hour(1.0, 9.5)
    until(lambda: states() == ["ALARM", "OK"], "one low metric")
    quick.world.clock.advance(60)
    assert (scaled.counts(), scaled.activities()) == ((3, 3), [])
    quarter_of_an_hour(1.0, 1.0)
    until(lambda: states() == ["ALARM", "ALARM"], "two low metrics")
    quick.world.clock.advance(60)
    scaled.reaches(1)


def test_silence_is_zero_for_a_scaled_variant_only(quick: HostingKit, scaled: Scaled) -> None:
    """SageMaker emits zeros where it scales; an alarm on another silent variant has no data."""
    other = quick.serving()
    scaled.register()
    for endpoint in (scaled.endpoint, other):
        quick.client("cloudwatch").put_metric_alarm(
            AlarmName=f"silent-{endpoint}",
            Namespace="AWS/SageMaker",
            MetricName="Invocations",
            Dimensions=[{"Name": "EndpointName", "Value": endpoint}, {"Name": "VariantName", "Value": "AllTraffic"}],
            Statistic="Sum",
            Period=60,
            EvaluationPeriods=3,
            Threshold=1.0,
            ComparisonOperator="LessThanThreshold",
        )
    quick.world.clock.advance(600)

    def states() -> list[str]:
        alarms = quick.client("cloudwatch").describe_alarms(AlarmNames=[f"silent-{scaled.endpoint}", f"silent-{other}"])["MetricAlarms"]
        found = {alarm["AlarmName"]: alarm["StateValue"] for alarm in alarms}
        return [found[f"silent-{scaled.endpoint}"], found[f"silent-{other}"]]

    until(lambda: states() == ["ALARM", "INSUFFICIENT_DATA"], "the alarm")


def test_targets_are_registered_updated_and_deregistered(scaled: Scaled, quick: HostingKit) -> None:
    """An update changes what it names; deregistering takes the policies and their alarms along."""
    arn = scaled.register(1, 4, Tags={"team": "a"})
    assert arn.startswith(f"arn:aws:application-autoscaling:{REGION}:{ACCOUNT}:scalable-target/")
    assert scaled.register(None, 6) == arn
    target = scaled.target()
    assert (target["MinCapacity"], target["MaxCapacity"], target["ScalableTargetARN"]) == (1, 6, arn)
    assert target["RoleARN"].endswith("AWSServiceRoleForApplicationAutoScaling_SageMakerEndpoint")
    assert scaled.scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"team": "a"}
    scaled.scaling.tag_resource(ResourceARN=arn, Tags={"cost": "1"})
    scaled.scaling.untag_resource(ResourceARN=arn, TagKeys=["team"])
    assert scaled.scaling.list_tags_for_resource(ResourceARN=arn)["Tags"] == {"cost": "1"}
    names = [alarm["AlarmName"] for alarm in scaled.policy()["Alarms"]]
    scaled.scaling.deregister_scalable_target(**scaled.id)
    assert scaled.scaling.describe_scalable_targets(**NAMESPACE, ResourceIds=[scaled.id["ResourceId"]])["ScalableTargets"] == []
    assert scaled.scaling.describe_scaling_policies(**scaled.id)["ScalingPolicies"] == []
    assert quick.client("cloudwatch").describe_alarms(AlarmNames=names)["MetricAlarms"] == []
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        scaled.scaling.list_tags_for_resource(ResourceARN=arn)


def test_a_registered_variant_keeps_its_instance_type(quick: HostingKit, scaled: Scaled) -> None:
    """UpdateEndpoint may not change the type or remove the variant; another model is fine, and so is all once deregistered."""
    scaled.register()
    old = quick.described(scaled.endpoint)["EndpointConfigName"]
    other_type = quick.config(quick.variant(InstanceType="ml.m5.xlarge"))
    other_name = quick.config(quick.variant("renamed"))
    message = r'The variant\(s\) "AllTraffic" must be deregistered as scalable target with AWS Application Auto Scaling'
    for config in (other_type, other_name):
        refused(lambda config=config: quick.update(scaled.endpoint, config), "ValidationException", message)
    assert (quick.described(scaled.endpoint)["EndpointStatus"], quick.described(scaled.endpoint)["EndpointConfigName"]) == (
        "InService",
        old,
    )
    new_model = quick.config(quick.variant(InitialInstanceCount=2))
    quick.update(scaled.endpoint, new_model)
    assert quick.settled(scaled.endpoint)["EndpointConfigName"] == new_model
    scaled.scaling.deregister_scalable_target(**scaled.id)
    quick.update(scaled.endpoint, other_type)
    assert quick.settled(scaled.endpoint)["EndpointConfigName"] == other_type


def test_deleting_an_endpoint_deregisters_its_variants(quick: HostingKit, scaled: Scaled) -> None:
    """Unless the caller may not: then the endpoint stays, with its target."""
    scaled.register()
    alarms = [alarm["AlarmName"] for alarm in scaled.policy()["Alarms"]]
    quick.world.identity.deny("jobs", "application-autoscaling:DeregisterScalableTarget")
    minted = quick.world.identity.mint(f"arn:aws:iam::{ACCOUNT}:role/jobs", "test", None)
    limited = quick.client_as("sagemaker", minted.access_key_id, minted.session_token)
    refused(
        lambda: limited.delete_endpoint(EndpointName=scaled.endpoint),
        "AccessDeniedException",
        "does not have application-autoscaling:DeregisterScalableTarget permission to deregister the scalable target",
    )
    assert (quick.described(scaled.endpoint)["EndpointStatus"], scaled.target()["MinCapacity"]) == ("InService", 1)
    quick.client("sagemaker").delete_endpoint(EndpointName=scaled.endpoint)
    assert scaled.scaling.describe_scalable_targets(**NAMESPACE, ResourceIds=[scaled.id["ResourceId"]])["ScalableTargets"] == []
    assert quick.client("cloudwatch").describe_alarms(AlarmNames=alarms)["MetricAlarms"] == []
