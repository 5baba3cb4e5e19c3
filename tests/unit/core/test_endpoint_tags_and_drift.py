"""Tags outside the hash, and what somebody changed by hand: exact calls, told once, nothing of others removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from sagemaker_gitops.api.endpoint_status import ModelEndpointStatus
from sagemaker_gitops.api.model_endpoint import ModelEndpointSpec
from sagemaker_gitops.api.parse import read
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.errors import InvalidResource
from sagemaker_gitops.core.kinds.model_endpoint.effective import effective_of
from sagemaker_gitops.core.kinds.model_endpoint.facts import (
    EndpointFact,
    ForeignEndpoint,
    LiveVariant,
    ModelEndpointFacts,
    NoEndpoint,
    Resolved,
    Scalable,
)
from sagemaker_gitops.core.kinds.model_endpoint.plan import plan
from sagemaker_gitops.core.kinds.model_endpoint.requests import create_config, create_endpoint, create_models
from sagemaker_gitops.core.kinds.model_endpoint.scaling import wanted_of
from sagemaker_gitops.core.plan import After, OnEvent, Plan
from sagemaker_gitops.core.transitions import transitions
from tests.unit.core.endpoint_case import NOW, SETTINGS, TENANT, Case, model, operations, reasons

ARN = "arn:aws:sagemaker:eu-central-1:123456789012:"


class Tagged(Case):
    """A case whose passes see tags; `revision` is the git commit that the object was synced from."""

    def edit(self, **spec: Any) -> None:
        """What `kubectl apply` does."""
        given = self.spec.model_dump(mode="json", by_alias=True, exclude_none=True) | spec
        self.spec = read(ModelEndpointSpec, given)
        self.snapshot = replace(self.snapshot, generation=self.snapshot.generation + 1)

    def created(self) -> dict[str, dict[str, str]]:
        """The tags that the creating requests of now give."""
        serving = self.serving()
        requests = {
            f"{ARN}endpoint/{serving.endpoint_name}": create_endpoint(serving),
            f"{ARN}endpoint-config/{serving.config_name}": create_config(serving),
            **{f"{ARN}model/{item.subject}": item for item in create_models(serving)},
        }
        return {arn: {tag["Key"]: tag["Value"] for tag in item.parameters["Tags"]} for arn, item in requests.items()}

    def sees(
        self,
        endpoint: EndpointFact,
        tags: Mapping[str, Mapping[str, str]] | None = None,
        found: Resolved | None = None,
        scaling: Mapping[str, Scalable] | None = None,
    ) -> Plan:
        facts = ModelEndpointFacts(TENANT, {"all": found or model()}, endpoint, tags=tags, scaling=scaling)
        made = plan(self.snapshot, self.spec, facts, SETTINGS, NOW)
        read(ModelEndpointStatus, dict(made.status))
        self.events = [event.reason for event in transitions(self.snapshot.status, made.status)]
        self.snapshot = replace(self.snapshot, status=made.status)
        return made


def applied(tags: Mapping[str, Mapping[str, str]], made: Plan) -> dict[str, dict[str, str]]:
    """The tags after the plan's calls."""
    after = {arn: dict(found) for arn, found in tags.items()}
    for action in made.actions:
        assert isinstance(action, AwsRequest)
        if action.operation == "AddTags":
            after[action.subject] |= {tag["Key"]: tag["Value"] for tag in action.parameters["Tags"]}
        elif action.operation == "DeleteTags":
            after[action.subject] = {key: value for key, value in after[action.subject].items() if key not in action.parameters["TagKeys"]}
    return after


@pytest.mark.capability("F1")
def test_an_edit_of_tags_changes_tags_and_nothing_else() -> None:
    """aws-controllers-k8s/community#1732: neither a new config nor an update, on endpoint, live config and its models."""
    case = Tagged(tags={"project": "digits", "owner": "anna"})
    tags = case.created()
    case.sees(case.live(), tags)
    before = case.config()
    case.edit(tags={"project": "numbers", "stage": "prod"})
    assert case.config() == before
    made = case.sees(case.live(), tags)
    assert operations(made) == ["DeleteTags", "AddTags"] * 3
    assert [action.subject.split(":")[-1].split("/")[0] for action in made.actions[::2] if isinstance(action, AwsRequest)] == [
        "endpoint",
        "endpoint-config",
        "model",
    ]
    after = applied(tags, made)
    assert after == case.created()
    settled = case.sees(case.live(), after)
    assert (settled.actions, settled.requeue, reasons(settled)["Ready"]) == ((), OnEvent(), "True InService")


def test_only_keys_that_we_set_are_removed() -> None:
    """Somebody's own tags stay, also with a status that was lost and on resources that an older release made."""
    case = Tagged(tags={"project": "digits"})
    tags = {arn: {**found, "theirs": "1"} for arn, found in case.created().items()}
    case.edit(tags={})
    case.snapshot = replace(case.snapshot, status={})
    made = case.sees(case.live(), tags)
    removed = {key for action in made.actions if isinstance(action, AwsRequest) for key in action.parameters.get("TagKeys", ())}
    assert removed == {"project", naming.TAG_MEMORY}
    assert all(found["theirs"] == "1" for found in applied(tags, made).values())
    older = {arn: {key: value for key, value in found.items() if key != naming.TAG_MEMORY} for arn, found in tags.items()}
    assert case.sees(case.live(), older).actions == ()


def test_what_is_not_ours_is_not_tagged() -> None:
    """A config or model without our tags."""
    case = Tagged(tags={"project": "digits"})
    tags = {arn: found if ":endpoint/" in arn else {} for arn, found in case.created().items()}
    case.edit(tags={"project": "numbers"})
    assert {action.subject for action in case.sees(case.live(), tags).actions if isinstance(action, AwsRequest)} == {next(iter(tags))}


def test_a_commit_that_changes_no_content_writes_nothing() -> None:
    """The revision of the endpoint is that of the config that serves, however many commits follow."""
    case = Tagged()
    case.snapshot = replace(case.snapshot, annotations={"sagemaker-gitops.dev/git-revision": "aaaa"})
    tags = case.created()
    case.sees(case.live(), tags)
    case.snapshot = replace(case.snapshot, annotations={"sagemaker-gitops.dev/git-revision": "bbbb"})
    assert case.sees(case.live(), tags).actions == ()
    of_config = {arn: {**found, naming.TAG_REVISION: "bbbb"} if ":endpoint-config/" in arn else found for arn, found in tags.items()}
    (action,) = case.sees(case.live(), of_config).actions
    assert isinstance(action, AwsRequest)
    assert action.parameters["Tags"] == [{"Key": naming.TAG_REVISION, "Value": "bbbb"}]


def test_too_many_tags_are_refused_before_any_call() -> None:
    """AWS takes 50; ten are ours."""
    spec = read(ModelEndpointSpec, {"variants": [{"name": "a", "model": {"trainingRunRef": {"name": "x"}}}], "tags": {"k0": "v"}})
    more = TENANT.spec.model_copy(
        update={"defaults": TENANT.spec.defaults.model_copy(update={"tags": {f"t{number}": "v" for number in range(40)}})}
    )
    with pytest.raises(InvalidResource, match="41 tags with the Tenant's, more than 40"):
        effective_of(spec, more)


def test_the_memory_of_forty_long_keys_fits_into_a_tag() -> None:
    """256 characters."""
    keys = [f"{number:03}" + "k" * 120 for number in range(naming.TAG_LIMIT)]
    (value,) = naming.tag_memory(keys).values()
    assert len(value) <= 256
    assert all(naming.tag_mark(key) in value.split() for key in keys)


DRIFTS: dict[str, tuple[Callable[[Tagged], EndpointFact], list[str], str]] = {
    "shares": (lambda case: case.live(variants={"all": LiveVariant(0.5, 3)}), ["UpdateEndpointWeightsAndCapacities"], "0.5 x 3 -> 1 x 1"),
    "config": (lambda case: case.live(model(6)), ["CreateModel", "CreateEndpointConfig", "UpdateEndpoint"], "serves instead of"),
    "endpoint": (lambda case: NoEndpoint(), ["CreateModel", "CreateEndpointConfig", "CreateEndpoint"], "was deleted"),
}


@pytest.mark.parametrize("what", DRIFTS)
def test_drift_is_told_once_and_repaired(what: str) -> None:
    """One Event with what differs; in line again, the condition goes."""
    changed, calls, words = DRIFTS[what]
    case = Tagged()
    case.sees(case.live(), {})
    made = case.sees(changed(case))
    assert operations(made) == calls
    assert reasons(made)["Drifted"] == "True DriftDetected"
    assert words in next(item["message"] for item in made.status["conditions"] if item["type"] == "Drifted")
    assert case.events.count("DriftDetected") == 1
    back = case.sees(case.live(last_modified=NOW))
    assert (reasons(back)["Ready"], back.actions) == ("True InService", ())
    assert "Drifted" not in reasons(back)
    assert "DriftDetected" not in case.events


@pytest.mark.parametrize("what", DRIFTS)
def test_reported_drift_is_left_alone(what: str) -> None:
    """Stalled, so that Argo CD shows Degraded; told once; undone by hand it is Ready again."""
    changed, calls, _ = DRIFTS[what]
    case = Tagged(driftPolicy="Report")
    case.sees(case.live(), {})
    for told in (1, 0):
        made = case.sees(changed(case))
        assert (made.actions, made.status["phase"]) == ((), "Drifted")
        assert reasons(made) == {
            "Ready": "False DriftDetected",
            "Stalled": "True DriftDetected",
            "Drifted": "True DriftDetected",
        }
        assert case.events.count("DriftDetected") == told
    case.edit(driftPolicy="Repair")
    status = case.snapshot
    assert operations(case.sees(changed(case))) == calls
    case.snapshot = status
    assert reasons(case.sees(case.live()))["Ready"] == "True InService"


@pytest.mark.parametrize("policy", ["Repair", "Report"])
def test_an_edit_is_no_drift_and_is_applied(policy: str) -> None:
    """Whatever the policy is: git decides."""
    case = Tagged(driftPolicy=policy)
    case.sees(case.live(), {})
    case.edit(variants=[{"name": "all", "model": {"package": {"group": "digits", "approved": "Latest"}}, "weight": 5}])
    made = case.sees(case.live())
    assert operations(made) == ["UpdateEndpointWeightsAndCapacities"]
    assert "Drifted" not in reasons(made)


def test_another_model_and_its_revert_are_no_drift() -> None:
    """What was in line is forgotten as soon as something else is asked for."""
    case = Tagged(driftPolicy="Report")
    case.sees(case.live(), {})
    assert operations(case.sees(case.live(), found=model(8)))[-1] == "UpdateEndpoint"
    assert operations(case.sees(case.live(model(8), last_modified=NOW)))[-1] == "UpdateEndpoint"


SCALED = {"minCapacity": 1, "maxCapacity": 2, "targetInvocationsPerInstance": 100}


@pytest.mark.parametrize("policy", ["Repair", "Report"])
def test_what_hangs_on_the_endpoint_drifts_too(policy: str) -> None:
    """failure-modes.md E3: a scaling policy that somebody took away is told once, and put back while the endpoint stays Ready."""
    variants = [{"name": "all", "model": {"package": {"group": "digits", "approved": "Latest"}}, "autoscaling": SCALED}]
    case = Tagged(driftPolicy=policy, variants=variants)
    target = wanted_of(case.spec.variants[0].autoscaling) if case.spec.variants[0].autoscaling else None
    assert target is not None
    registered = case.sees(case.live(), scaling={})
    assert operations(registered) == ["RegisterScalableTarget", "PutScalingPolicy"]
    assert "Drifted" not in reasons(registered)
    case.sees(case.live(), scaling={"all": target})
    made = case.sees(case.live(), scaling={"all": replace(target, policy=None)})
    assert case.events.count("DriftDetected") == 1
    assert operations(made) == ([] if policy == "Report" else ["PutScalingPolicy"])
    assert reasons(made)["Ready"] == ("False DriftDetected" if policy == "Report" else "True InService")
    assert "Drifted" not in reasons(case.sees(case.live(), scaling={"all": target}))


def test_tags_changed_by_hand_are_drift() -> None:
    """Reported or put back like everything else."""
    case = Tagged(tags={"project": "digits"}, driftPolicy="Report")
    tags = case.created()
    case.sees(case.live(), tags)
    stripped = {arn: {key: value for key, value in found.items() if key != "project"} for arn, found in tags.items()}
    made = case.sees(case.live(), stripped)
    assert (made.actions, reasons(made)["Drifted"]) == ((), "True DriftDetected")
    case.edit(driftPolicy="Repair")
    made = case.sees(case.live(), stripped)
    assert (operations(made), made.requeue) == (["AddTags"] * 3, After(0.0))
    assert applied(stripped, made) == tags


def test_a_name_conflict_is_looked_at_again() -> None:
    """Nothing tells that somebody gave the owner tags back."""
    assert Tagged().sees(ForeignEndpoint("x")).requeue == After(300.0)
