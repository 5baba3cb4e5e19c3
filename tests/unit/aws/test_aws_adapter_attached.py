"""What hangs on an endpoint, seen through the port: few calls, nobody else's things, and the watch over changes that nobody announces."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from sagemaker_gitops.aws.drift import ATTACHED_CALLS, SeenEndpoint, watch_attached, watch_attached_once
from sagemaker_gitops.aws.kinds.alarms import look_at_alarms
from sagemaker_gitops.aws.kinds.deleting import Deleting
from sagemaker_gitops.aws.kinds.look import Look
from sagemaker_gitops.aws.kinds.model_endpoint import ModelEndpointKind
from sagemaker_gitops.aws.kinds.references import References
from sagemaker_gitops.aws.kinds.scaling import look_at_scaling
from sagemaker_gitops.aws.kinds.spending import Spending
from sagemaker_gitops.aws.port import Scope
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.actions import Outcome
from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.kinds.model_endpoint import alarms, scaling
from sagemaker_gitops.core.kinds.model_endpoint.deletion import Remains
from sagemaker_gitops.core.kinds.model_endpoint.facts import EndpointState, LiveAlarm, LiveVariant, ModelEndpointFacts, Scalable, Tracking
from sagemaker_gitops.core.kinds.model_endpoint.plan import plan
from sagemaker_gitops.core.resource import Key
from tests.unit.aws.aws_adapter_fakes import SCOPE, START, Answer, Enough, FakeAws, refused, sleeps_until
from tests.unit.core.endpoint_case import KEY, NOW, SETTINGS, TENANT, Case, model

SCALING = {"minCapacity": 1, "maxCapacity": 4, "targetInvocationsPerInstance": 200}
TRACKING = Tracking(200.0, 300, 300)
VARIANT = {"name": "all", "model": {"package": {"group": "digits", "approved": "Latest"}}}
ROLLOUT = {"type": "Canary", "size": "10%"}
KNOWN = {"variants": [], "observedGeneration": 1}


def scaled() -> Case:
    return Case(variants=[VARIANT | {"autoscaling": SCALING}])


class Account:
    """The answers of an account with scalable targets, policies and alarms, a page at a time."""

    def __init__(self) -> None:
        self.targets: dict[str, tuple[int, int]] = {}
        self.policies: dict[str, dict[str, Any]] = {}  # by resource id
        self.alarms: dict[str, dict[str, Any]] = {}
        self.tags: dict[str, dict[str, str]] = {}
        self.configs: dict[str, list[dict[str, Any]]] = {}
        self.aws = FakeAws(self.answer)

    def scale(self, case: Case, variant: str = "all", name: str = "", **changes: Any) -> str:
        """Register a variant as ours; its resource id."""
        endpoint = case.serving().endpoint_name
        resource = scaling.resource_id(endpoint, variant)
        self.targets[resource] = (1, 4)
        config = {
            "TargetValue": 200.0,
            "PredefinedMetricSpecification": {"PredefinedMetricType": scaling.METRIC},
            "ScaleInCooldown": 300,
            "ScaleOutCooldown": 300,
        }
        self.policies[resource] = {
            "PolicyName": name or scaling.policy_name(endpoint),
            "ResourceId": resource,
            "ScalableDimension": scaling.DIMENSION,
            "TargetTrackingScalingPolicyConfiguration": config | changes,
        }
        return resource

    def put(self, case: Case, name: str, state: str = "OK", *, ours: bool = True, **settings: Any) -> None:
        self.alarms[name] = {"AlarmName": name, "StateValue": state, "ActionsEnabled": True, **settings}
        self.tags[name] = naming.owner_tags("test", KEY, step="alarm", key=name, attempt=1, revision="") if ours else {}

    def answer(self, operation: str, parameters: Mapping[str, Any]) -> Answer:
        match operation:
            case "DescribeScalableTargets":
                found = [name for name in parameters["ResourceIds"] if name in self.targets]
                return {"ScalableTargets": [self._target(name) for name in found]}
            case "DescribeScalingPolicies":
                return self._page([item for item in self.policies.values() if item["PolicyName"] in parameters["PolicyNames"]], parameters)
            case "DescribeAlarms":
                wanted, beginning = parameters.get("AlarmNames", ()), parameters.get("AlarmNamePrefix")
                return {"MetricAlarms": [v for n, v in self.alarms.items() if n in wanted or (beginning and n.startswith(beginning))]}
            case "ListTagsForResource":
                tags = self.tags[parameters["ResourceARN"].partition(":alarm:")[2]]
                return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
            case "DescribeEndpointConfig":
                return {"ProductionVariants": self.configs[parameters["EndpointConfigName"]]}
            case _:
                return refused(Category.NOT_FOUND)

    def _target(self, name: str) -> dict[str, Any]:
        return {"ResourceId": name, "MinCapacity": self.targets[name][0], "MaxCapacity": self.targets[name][1]}

    def _page(self, items: list[dict[str, Any]], parameters: Mapping[str, Any]) -> dict[str, Any]:
        start = int(parameters.get("NextToken", "0"))
        following = {"NextToken": str(start + 10)} if len(items) > start + 10 else {}
        return {"ScalingPolicies": items[start : start + 10]} | following


@pytest.fixture
def account() -> Account:
    return Account()


def look(case: Case, account: Account, status: Mapping[str, Any] | None = None, version: int = 7) -> Look:
    snapshot = replace(case.snapshot, status=KNOWN if status is None else status)
    return Look(account.aws, SCOPE, snapshot, case.serving(model(version)), NOW, cast(References, None))


def seen(case: Case, **changes: Any) -> ModelEndpointFacts:
    return ModelEndpointFacts(TENANT, {}, case.live(**changes))


def test_nothing_is_asked_where_spec_and_status_speak_of_nothing(account: Account) -> None:
    """An endpoint without autoscaling and alarms costs no call more."""
    case = Case()
    facts = asyncio.run(look_at_alarms(look(case, account), asyncio.run(look_at_scaling(look(case, account), seen(case)))))
    assert (facts.scaling, facts.alarms, account.aws.calls) == (None, None, [])


@pytest.mark.parametrize("state", [EndpointState.BUSY, EndpointState.UNKNOWN])
def test_nothing_is_asked_while_nothing_can_be_done(account: Account, state: EndpointState) -> None:
    """A busy endpoint is looked at again when it is not."""
    case = Case(variants=[VARIANT | {"autoscaling": SCALING}], rollout=ROLLOUT | {"createDefaultAlarms": True})
    facts = seen(case, state=state, raw="Updating")
    asyncio.run(look_at_alarms(look(case, account), asyncio.run(look_at_scaling(look(case, account), facts))))
    assert account.aws.calls == []


@pytest.mark.parametrize("status", [{}, {**KNOWN, "observedGeneration": 0}])
def test_a_status_that_knows_nothing_of_the_targets_is_not_asked(account: Account, status: Mapping[str, Any]) -> None:
    """It was lost, or is older than the spec that speaks of no scaling any more: nobody else knows of the target."""
    case = Case()
    account.scale(scaled())
    assert asyncio.run(look_at_scaling(look(case, account, status), seen(case))).scaling == {"all": Scalable(1, 4, TRACKING)}


def test_a_status_that_is_lost_while_the_endpoint_is_busy_finds_its_targets_again(account: Account) -> None:
    """Nothing can be done about them yet; what is written of them now, a later pass takes away."""
    case = Case()
    account.scale(scaled())
    facts = asyncio.run(look_at_scaling(look(case, account, {}), seen(case, state=EndpointState.BUSY, raw="Updating")))
    lost = replace(case.snapshot, status={})
    made = plan(lost, case.spec, replace(facts, models={"all": model(7)}), SETTINGS, NOW)
    assert (made.actions, [entry["name"] for entry in made.status["scalableTargets"]]) == ((), ["all"])


def test_targets_and_policies_take_one_call_each_for_all_variants(account: Account) -> None:
    """Policies of all variants have one name, and AWS takes a dimension only beside a resource id."""
    case = scaled()
    resource = account.scale(case)
    assert asyncio.run(look_at_scaling(look(case, account), seen(case))).scaling == {"all": Scalable(1, 4, TRACKING)}
    assert account.aws.calls == [
        (
            "application-autoscaling:DescribeScalableTargets",
            {"ServiceNamespace": "sagemaker", "ScalableDimension": scaling.DIMENSION, "ResourceIds": [resource]},
        ),
        (
            "application-autoscaling:DescribeScalingPolicies",
            {"ServiceNamespace": "sagemaker", "PolicyNames": [scaling.policy_name(case.serving().endpoint_name)]},
        ),
    ]


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "somebody-elses"},
        {"PredefinedMetricSpecification": {"PredefinedMetricType": "SageMakerInferenceComponentInvocationsPerCopy"}},
        {"DisableScaleIn": True},
        {"PredefinedMetricSpecification": None, "CustomizedMetricSpecification": {}},
    ],
)
def test_a_policy_that_does_something_else_is_not_ours(account: Account, changes: dict[str, Any]) -> None:
    """By name others are left alone; one of our name that was turned into something else counts as absent, so it is put right."""
    case = scaled()
    account.scale(case, **changes)
    assert asyncio.run(look_at_scaling(look(case, account), seen(case))).scaling == {"all": Scalable(1, 4, None)}


def test_policies_on_a_second_page_are_found(account: Account) -> None:
    """AWS gives ten a page; more variants than that serve while one takes another's place."""
    case = scaled()
    names = [f"v{number}" for number in range(12)]
    for name in names:
        account.scale(case, name)
    facts = seen(case, variants={name: LiveVariant(1.0, 1) for name in names})
    found = asyncio.run(look_at_scaling(look(case, account), facts)).scaling
    assert found is not None
    assert {scalable.policy for scalable in found.values()} == {TRACKING}
    assert len(found) == 12


def test_what_status_remembers_or_has_forgotten_is_looked_for(account: Account) -> None:
    """Autoscaling was taken out of the spec; or status was wiped at the same time."""
    case = Case()
    account.scale(case)
    entry = {"name": "all", **SCALING, "scaleInCooldown": "5m", "scaleOutCooldown": "5m"}
    for status in ({"variants": [], "scalableTargets": [entry]}, {}):
        assert asyncio.run(look_at_scaling(look(case, account, status), seen(case))).scaling == {"all": Scalable(1, 4, TRACKING)}


def test_the_machines_that_serve_are_asked_for_only_when_others_are_wanted(account: Account) -> None:
    """And a config that is gone tells of none."""
    case = scaled()
    account.scale(case)
    account.configs = {case.config(): [{"VariantName": "all", "InstanceType": "ml.m5.large"}]}
    facts = asyncio.run(look_at_scaling(look(case, account, version=8), seen(case)))
    assert facts.live_instance_types == {"all": "ml.m5.large"}
    assert asyncio.run(look_at_scaling(look(case, account), seen(case))).live_instance_types == {}
    assert account.aws.operations.count("sagemaker:DescribeEndpointConfig") == 1


def test_alarms_take_one_call_and_absent_ones_are_not_mentioned(account: Account) -> None:
    """The user's, composite ones included, and ours."""
    case = Case(rollout=ROLLOUT | {"alarms": ["mine", "gone"], "createDefaultAlarms": True})
    settled = {"variants": [], "phase": "InService", "lastGood": {"config": case.config()}}
    account.put(case, "mine", "ALARM", ours=False)
    for name, settings in alarms.default_alarms(case.serving()).items():
        account.put(case, name, **settings)
    found = asyncio.run(look_at_alarms(look(case, account, settled), seen(case))).alarms
    assert found is not None
    assert found.keys() == {"mine", *alarms.default_alarms(case.serving())}
    assert found["mine"].state == "ALARM"
    assert [alarms.same(found[name], settings) for name, settings in alarms.default_alarms(case.serving()).items()] == [True, True]
    assert account.aws.operations == ["cloudwatch:DescribeAlarms"]
    assert account.aws.calls[0][1]["AlarmTypes"] == ["MetricAlarm", "CompositeAlarm"]


def test_an_alarm_of_somebody_else_is_neither_deleted_nor_overwritten(account: Account) -> None:
    """Status may have been edited, and a name may be taken: tags decide."""
    case = Case(rollout=ROLLOUT | {"createDefaultAlarms": True})
    account.put(case, "theirs", ours=False)
    facts = asyncio.run(look_at_alarms(look(case, account, {"variants": [], "alarms": ["theirs"]}), seen(case)))
    assert facts.alarms == {}
    account.put(case, next(iter(alarms.default_alarms(case.serving()))), ours=False)
    with pytest.raises(AwsFailure, match="belongs to somebody without our tags") as raised:
        asyncio.run(look_at_alarms(look(case, account), seen(case)))
    assert (raised.value.category, raised.value.code) == (Category.BLOCKED, "NameConflict")


def test_alarms_are_found_by_name_when_status_is_lost(account: Account) -> None:
    """Those of ours, and not the endpoint's others."""
    case = Case()
    beginning = alarms.prefix(case.serving().endpoint_name)
    account.put(case, f"{beginning}all-5xx-old")
    account.put(case, f"{beginning}theirs", ours=False)
    assert asyncio.run(look_at_alarms(look(case, account, {}), seen(case))).alarms == {f"{beginning}all-5xx-old": LiveAlarm("OK")}


def kind_of(account: Account) -> ModelEndpointKind:
    """One Tenant, and nothing else in the cluster."""
    references = cast(References, SimpleNamespace(tenants=lambda: [TENANT]))
    return ModelEndpointKind(account.aws, references, SETTINGS, Spending(account.aws, references, SETTINGS))


def test_deletion_finds_targets_and_alarms_and_leaves_foreign_alarms(account: Account) -> None:
    """By the live variants and by status; by name and tag."""
    case = scaled()
    endpoint = case.serving().endpoint_name
    account.scale(case)
    account.put(case, f"{endpoint}-all-5xx-k")
    account.put(case, f"{endpoint}-theirs", ours=False)
    answer, tags = account.aws.answer, naming.owner_tags("test", KEY, step="endpoint", key="k", attempt=1, revision="")

    def with_endpoint(operation: str, parameters: Mapping[str, Any]) -> Answer:
        if operation == "DescribeEndpoint":
            variants = [{"VariantName": "all", "DesiredWeight": 1.0, "DesiredInstanceCount": 1}]
            return {"EndpointStatus": "InService", "LastModifiedTime": NOW, "ProductionVariants": variants}
        if operation == "ListTags":
            return {"Tags": [{"Key": key, "Value": value} for key, value in tags.items()]}
        return answer(operation, parameters)

    account.aws.answer = with_endpoint
    deleting = replace(case.snapshot, deleting=True)
    remains = asyncio.run(kind_of(account).observe(deleting, Deleting("Delete"), NOW))
    assert isinstance(remains, Remains)
    assert [(each.operation, each.subject) for each in remains.attached] == [
        ("DeregisterScalableTarget", f"endpoint/{endpoint}/variant/all"),
        ("DeleteAlarms", f"{endpoint}-all-5xx-k"),
    ]


def test_what_is_gone_already_counts_as_done(account: Account) -> None:
    """A deletion or deregistration that is repeated."""
    case, kind = scaled(), kind_of(account)
    for action in (scaling.deregister("e", "all"), alarms.delete_alarm("a")):
        assert asyncio.run(kind.execute(case.snapshot, case.spec, action)) is Outcome.DONE


# The watch.


def attached(account: Account, name: str = "a", whose: Scope = SCOPE) -> SeenEndpoint:
    """An endpoint with one scaled variant and one alarm, as the account has them."""
    resource = scaling.resource_id(name, "all")
    account.targets[resource] = (1, 4)
    tracking = {
        "TargetValue": 200.0,
        "PredefinedMetricSpecification": {"PredefinedMetricType": scaling.METRIC},
        "ScaleInCooldown": 300,
        "ScaleOutCooldown": 300,
    }
    account.policies[resource] = {
        "PolicyName": scaling.policy_name(name),
        "ResourceId": resource,
        "ScalableDimension": scaling.DIMENSION,
        "TargetTrackingScalingPolicyConfiguration": tracking,
    }
    account.alarms[f"{name}-5xx"] = {"AlarmName": f"{name}-5xx", "StateValue": "OK", "Threshold": 0.05}
    alarm = LiveAlarm("OK", {"Threshold": 0.05})
    return SeenEndpoint(Key("ModelEndpoint", "team-a", name), whose, name, START, {"all": Scalable(1, 4, TRACKING)}, {f"{name}-5xx": alarm})


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Sleeping takes no time; the pauses are noted."""
    found: list[float] = []
    monkeypatch.setattr(asyncio, "sleep", sleeps_until(1000, found))
    return found


def woken(account: Account, *endpoints: SeenEndpoint) -> list[str]:
    found: list[Key] = []
    asyncio.run(watch_attached_once(account.aws, list(endpoints), found.append, 20.0))
    return sorted({key.name for key in found})


def test_what_hangs_on_an_endpoint_at_rest_wakes_nobody(account: Account, pauses: list[float]) -> None:
    """Nor does an alarm that goes on: its settings are the same."""
    first, second = attached(account, "a"), attached(account, "b")
    account.alarms["a-5xx"]["StateValue"] = "ALARM"
    assert woken(account, first, second) == []
    assert len(account.aws.calls) == 3
    assert pauses == [20.0, 20.0, 20.0]


def test_what_somebody_changed_wakes_its_object(account: Account, pauses: list[float]) -> None:
    """Range, policy or alarm, changed or gone."""
    endpoints = [attached(account, name) for name in "abcdef"]
    account.targets[scaling.resource_id("a", "all")] = (1, 9)
    del account.targets[scaling.resource_id("b", "all")]
    account.policies[scaling.resource_id("c", "all")]["TargetTrackingScalingPolicyConfiguration"]["TargetValue"] = 1.0
    del account.policies[scaling.resource_id("d", "all")]
    account.alarms["e-5xx"]["Threshold"] = 0.5
    assert woken(account, *endpoints) == ["a", "b", "c", "d", "e"]


def test_a_thousand_endpoints_keep_to_the_pace(account: Account, pauses: list[float]) -> None:
    """140 calls for 1,000 of them, 15 in an interval; 15 reach a hundred."""
    endpoints = [attached(account, f"e{number:04}") for number in range(1000)]
    assert woken(account, *endpoints) == []
    assert len(account.aws.calls) == 20 + 100 + 10
    account.aws.calls.clear()
    assert woken(account, *endpoints[:100]) == []
    assert len(account.aws.calls) == 2 + 10 + 1 <= ATTACHED_CALLS


def test_one_look_lasts_an_interval_at_least(account: Account, monkeypatch: pytest.MonkeyPatch) -> None:
    """At most ATTACHED_CALLS calls in it, however many endpoints there are."""
    pauses: list[float] = []
    monkeypatch.setattr(asyncio, "sleep", sleeps_until(4, pauses))
    endpoint = attached(account)
    with pytest.raises(Enough):
        asyncio.run(watch_attached(account.aws, lambda: [endpoint], lambda key: None, 300.0))
    assert pauses == [20.0, 20.0, 20.0, 240.0]


def test_a_tenant_whose_role_is_broken_does_not_take_the_watch_from_the_others(account: Account, pauses: list[float]) -> None:
    """Each look is on its own."""
    other = replace(SCOPE, role_arn="arn:aws:iam::111122223333:role/team-b")
    first, second = attached(account, "a"), attached(account, "b", other)
    account.targets[scaling.resource_id("b", "all")] = (2, 4)
    answer = account.aws.answer
    account.aws.answer = lambda operation, parameters: (
        refused(Category.BLOCKED) if account.aws.scopes[-1] is SCOPE else answer(operation, parameters)
    )
    assert woken(account, first, second) == ["b"]
