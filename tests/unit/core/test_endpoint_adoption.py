"""An endpoint under our name with other tags: who may take it over, once, and what is never deleted afterwards."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from sagemaker_gitops.api.parse import read
from sagemaker_gitops.api.tenant import TenantSpec
from sagemaker_gitops.core import naming, tenancy
from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.kinds.model_endpoint.adoption import equal_config
from sagemaker_gitops.core.kinds.model_endpoint.deletion import Remains
from sagemaker_gitops.core.kinds.model_endpoint.effective import effective_of, wanted_of
from sagemaker_gitops.core.kinds.model_endpoint.facts import EndpointState, ForeignEndpoint, ModelEndpointFacts, NoEndpoint
from sagemaker_gitops.core.kinds.model_endpoint.plan import plan
from sagemaker_gitops.core.kinds.model_endpoint.requests import create_config, create_models
from sagemaker_gitops.core.plan import After, Plan
from tests.unit.core.endpoint_case import KEY, NOW, SETTINGS, TENANT, model, operations, reasons
from tests.unit.core.test_endpoint_plan import deletion
from tests.unit.core.test_endpoint_tags_and_drift import Tagged

NAME = "digits-prod"
THEIRS = "digits-2026"
OURS_ELSEWHERE = naming.owner_tags("old-cluster", KEY, step="endpoint", key=NAME, attempt=1, revision="")
_SPEC = TENANT.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
ALLOWING = replace(TENANT, spec=read(TenantSpec, {**_SPEC, "allow": {**_SPEC["allow"], "endpointNames": ["digits-*"]}}))


class Adopting(Tagged):
    """A case under a Tenant that allows the name."""

    def __init__(self, **spec: Any) -> None:
        super().__init__(**{"endpointName": NAME} | spec)

    def meets(self, tags: Mapping[str, str], **live: Any) -> Plan:
        return self.passes(
            ModelEndpointFacts(ALLOWING, {"all": model()}, ForeignEndpoint("them", tags, self.live(**{"config": THEIRS} | live)))
        )

    def passes(self, facts: ModelEndpointFacts) -> Plan:
        made = plan(self.snapshot, self.spec, facts, SETTINGS, NOW)
        self.snapshot = replace(self.snapshot, status=made.status)
        return made

    def owns(self, **changes: Any) -> Plan:
        facts = ModelEndpointFacts(ALLOWING, {"all": model()}, self.live(**{"config": THEIRS} | changes))
        return self.passes(facts)


def added(made: Plan) -> dict[str, str]:
    (action,) = made.actions
    assert isinstance(action, AwsRequest)
    assert action.operation == "AddTags"
    return {tag["Key"]: tag["Value"] for tag in action.parameters["Tags"]}


@pytest.mark.parametrize(
    ("adopt", "tags"),
    [("IfOurs", OURS_ELSEWHERE), (None, OURS_ELSEWHERE), ("Always", OURS_ELSEWHERE), ("Always", {}), ("Always", {"a": "b"})],
)
def test_what_may_be_adopted_is_tagged_after_the_intent_is_written(adopt: str | None, tags: dict[str, str]) -> None:
    """aws-controllers-k8s/community#1965: the config that serves is recorded before anything is changed."""
    case = Adopting(adopt=adopt) if adopt else Adopting()
    intent = case.meets(tags)
    assert (intent.actions, intent.requeue) == ((), After(0.0))
    assert intent.status["lastGood"] == {"config": THEIRS, "models": [], "adopted": True}
    taken = case.meets(tags)
    assert naming.owned_by(added(taken), SETTINGS.install, KEY)
    assert (naming.TAG_ADOPTED in added(taken)) is (tags != OURS_ELSEWHERE)
    assert taken.status["adoption"]["taken"] is True
    assert operations(case.owns()) == ["CreateModel", "CreateEndpointConfig", "UpdateEndpoint"]


REFUSED: dict[str, tuple[dict[str, Any], dict[str, str], str]] = {
    "unnamed": ({"endpointName": None}, OURS_ELSEWHERE, "to adopt it, write endpointName: "),
    "unnamed-foreign": ({"endpointName": None}, {}, " and adopt: Always"),
    "never": ({"adopt": "Never"}, OURS_ELSEWHERE, "adopt is Never"),
    "not-ours": ({}, {}, "to adopt it, write adopt: Always"),
    "partly-ours": ({}, {naming.TAG_NAMESPACE: "team-a"}, "to adopt it, write adopt: Always"),
    **{
        f"another-{tag.rpartition('/')[2]}": ({"adopt": "Always"}, {**OURS_ELSEWHERE, tag: "other"}, "its tags name another object")
        for tag in (naming.TAG_NAMESPACE, naming.TAG_NAME, naming.TAG_KIND)
    },
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_may_not_be_adopted_is_refused_with_the_way_to_do_it(why: str) -> None:
    """failure-modes.md E9, E10, I11: zero writes."""
    spec, tags, words = REFUSED[why]
    case = Adopting(**{name: value for name, value in spec.items() if value is not None})
    case.spec = case.spec.model_copy(update={"endpoint_name": spec.get("endpointName", NAME)})
    made = case.meets(tags)
    assert (made.actions, reasons(made)["Stalled"]) == ((), "True NameConflict")
    assert words in made.status["conditions"][0]["message"]


def test_an_endpoint_is_taken_over_once() -> None:
    """Two clusters with the same manifest must not take it from each other for ever."""
    case = Adopting(adopt="Always")
    case.meets(OURS_ELSEWHERE), case.meets(OURS_ELSEWHERE)
    case.owns(config=case.config())
    made = case.meets(OURS_ELSEWHERE)
    assert (made.actions, reasons(made)["Stalled"]) == ((), "True NameConflict")
    assert "this object has managed it" in made.status["conditions"][0]["message"]
    never_adopted = Adopting(adopt="Always")
    never_adopted.owns(config=never_adopted.config())
    assert never_adopted.meets(OURS_ELSEWHERE).actions == ()


def test_a_crash_between_the_intent_and_the_tags_repeats_and_between_tags_and_status_goes_on() -> None:
    """The intent is not the deed; tags are."""
    case = Adopting()
    case.meets(OURS_ELSEWHERE)
    before = case.snapshot
    assert operations(case.meets(OURS_ELSEWHERE)) == ["AddTags"]
    case.snapshot = before
    assert operations(case.owns())[-1] == "UpdateEndpoint"
    assert case.snapshot.status["adoption"]["taken"] is True


def test_a_busy_or_failed_endpoint_is_not_adopted() -> None:
    """Busy: wait. Failed: there is nothing to adopt."""
    made = Adopting().meets(OURS_ELSEWHERE, state=EndpointState.BUSY, raw="Updating")
    assert (made.actions, reasons(made)["Reconciling"], made.requeue) == ((), "True Adopting", After(30.0))
    made = Adopting().meets(OURS_ELSEWHERE, state=EndpointState.FAILED, raw="Failed")
    assert "there is nothing to adopt" in made.status["conditions"][0]["message"]


def test_what_somebody_else_made_is_never_deleted() -> None:
    """Neither its config when it falls out of history, nor a failed endpoint, nor with the object."""
    case = Adopting(adopt="Always", rollback={"historyLimit": 0})
    case.meets({}), case.meets({})
    case.owns()
    assert case.owns(config=case.config()).actions == ()
    assert case.snapshot.status.get("history") is None
    failed = case.owns(config="another", state=EndpointState.FAILED, raw="Failed", reason="no capacity")
    assert failed.actions == ()
    made = deletion(Remains(case.live(), adopted=True))
    assert (made.actions, made.finalizer) == ((), False)


def test_the_adopted_config_stays_in_history() -> None:
    """It can be gone back to."""
    case = Adopting(adopt="Always")
    case.meets({}), case.meets({})
    case.owns()
    case.owns(config=case.config())
    assert [(item["config"], item["adopted"]) for item in case.snapshot.status["history"]] == [(THEIRS, True)]


def described(case: Tagged) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """What AWS would describe of the wanted content under other names."""
    serving = case.serving()
    config = {key: value for key, value in create_config(serving).parameters.items() if key != "Tags"}
    variants = [{**item, "ModelName": "their-model", "InitialInstanceCount": 7} for item in config["ProductionVariants"]]
    (parameters,) = [item.parameters for item in create_models(serving)]
    container = {**parameters["PrimaryContainer"], "Mode": "SingleModel", "Environment": {}, "ModelDataSource": {"S3DataSource": {}}}
    answer = {key: value for key, value in parameters.items() if key != "Tags"}
    answer |= {"ModelName": "their-model", "ModelArn": "arn", "PrimaryContainer": container, "EnableNetworkIsolation": False}
    return config | {"EndpointConfigName": THEIRS, "EndpointConfigArn": "arn", "ProductionVariants": variants}, {"their-model": answer}


@pytest.mark.capability("F1")
def test_an_equal_config_is_kept_and_nothing_is_updated() -> None:
    """Acceptance 20: no new model, config or update; a later edit goes on from there, and back to it."""
    case = Adopting(adopt="Always")
    case.meets({}), case.meets({})
    alias = equal_config(case.serving(), *described(case))
    assert alias is not None
    facts = ModelEndpointFacts(ALLOWING, {"all": model()}, case.live(config=THEIRS), alias=alias)
    made = case.passes(facts)
    assert (made.actions, reasons(made)["Ready"], made.status["wantedConfig"]) == ((), "True InService", THEIRS)
    assert case.owns().actions == (), "the comparison is not needed again"
    other = ModelEndpointFacts(ALLOWING, {"all": model(8)}, case.live(config=THEIRS))
    assert operations(case.passes(other))[-1] == "UpdateEndpoint"
    ours = case.config(model(8))
    case.passes(ModelEndpointFacts(ALLOWING, {"all": model(8)}, case.live(config=ours, last_modified=NOW)))
    (*_, back) = case.owns(config=ours, last_modified=NOW).actions
    assert isinstance(back, AwsRequest)
    assert back.parameters["EndpointConfigName"] == THEIRS


CHANGES: dict[str, tuple[str, str, Any]] = {
    "instance type": ("variant", "InstanceType", "ml.m5.xlarge"),
    "another variant": ("variant", "VariantName", "blue"),
    "accelerator": ("variant", "AcceleratorType", "ml.eia1.medium"),
    "capture": ("config", "DataCaptureConfig", {"EnableCapture": True}),
    "key": ("config", "KmsKeyId", "key"),
    "image": ("container", "Image", "other"),
    "archive": ("container", "ModelDataUrl", "s3://other/model.tar.gz"),
    "environment": ("container", "Environment", {"A": "1"}),
    "multi-model": ("container", "Mode", "MultiModel"),
    "role": ("model", "ExecutionRoleArn", "other"),
    "network": ("model", "VpcConfig", {"Subnets": ["subnet-1"]}),
    "isolation": ("model", "EnableNetworkIsolation", True),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_config_that_differs_is_updated(what: str) -> None:
    """Each part of the content counts."""
    case = Adopting()
    config, models = described(case)
    place, member, value = CHANGES[what]
    target = {
        "config": config,
        "variant": config["ProductionVariants"][0],
        "model": models["their-model"],
        "container": models["their-model"]["PrimaryContainer"],
    }[place]
    target[member] = value
    assert equal_config(case.serving(), config, models) is None


def test_the_name_cannot_be_changed_afterwards() -> None:
    """failure-modes.md E8: the old endpoint would be left behind (aws-controllers-k8s/community#1111)."""
    case = Adopting()
    case.owns(config=case.config())
    for name, _ in itertools.product(("digits-other", None), range(2)):
        case.spec = case.spec.model_copy(update={"endpoint_name": name})
        made = case.passes(ModelEndpointFacts(ALLOWING, {"all": model()}, NoEndpoint()))
        assert (made.actions, reasons(made)["Stalled"]) == ((), "True EndpointRenamed")
        assert made.status["endpointName"] == NAME
    case.spec = case.spec.model_copy(update={"endpoint_name": NAME})
    assert reasons(case.owns(config=case.config()))["Ready"] == "True InService"


def test_a_name_that_the_tenant_does_not_allow_is_refused() -> None:
    """Another team's endpoint in the same account; nothing is allowed by default."""
    case = Adopting()
    findings = tenancy.findings("team-a", TENANT.spec, wanted_of(case.spec, effective_of(case.spec, TENANT.spec), {}))
    assert [finding.path for finding in findings] == ["spec.endpointName"]
    assert tenancy.findings("team-a", ALLOWING.spec, wanted_of(case.spec, effective_of(case.spec, TENANT.spec), {})) == ()
