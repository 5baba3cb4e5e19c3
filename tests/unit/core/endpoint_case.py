"""One ModelEndpoint whose passes follow each other, for the tests of its plan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sagemaker_gitops.api.endpoint_status import ModelEndpointStatus
from sagemaker_gitops.api.model_endpoint import ModelEndpointSpec
from sagemaker_gitops.api.parse import read
from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.kinds.model_endpoint.deletion import Remains, plan_deletion
from sagemaker_gitops.core.kinds.model_endpoint.facts import (
    Container,
    EndpointFact,
    EndpointState,
    LiveEndpoint,
    LiveVariant,
    ModelEndpointFacts,
    ModelFact,
    Resolved,
    SmokeFacts,
)
from sagemaker_gitops.core.kinds.model_endpoint.plan import plan
from sagemaker_gitops.core.kinds.model_endpoint.serving import Serving, endpoint_name
from sagemaker_gitops.core.kinds.model_endpoint.situation import Pass, build_serving
from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.plan import Plan
from sagemaker_gitops.core.resource import FINALIZER, Key, Snapshot
from sagemaker_gitops.core.tenancy import Bound
from tests.tenants import bound

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)
BEFORE = NOW - timedelta(hours=1)
SETTINGS = Settings(install="test")
KEY = Key("ModelEndpoint", "team-a", "digits")
IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/team-a/serve:1"
TENANT = bound()
UPDATES = ["CreateModel", "CreateEndpointConfig", "UpdateEndpoint"]
LATEST = {"package": {"group": "digits", "approved": "Latest"}}


def model(version: int = 7) -> Resolved:
    return Resolved(f"digits/{version}", (Container(IMAGE, f"s3://team-a-ml/models/{version}/model.tar.gz"),))


class Case:
    """One object with one variant `all`; passes follow each other as statuses do."""

    def __init__(self, tenant: Bound = TENANT, **spec: Any) -> None:
        self.tenant = tenant
        self.spec = read(ModelEndpointSpec, {"variants": [{"name": "all", "model": LATEST}]} | spec)
        self.snapshot = Snapshot(KEY, "u", "1", 1, finalizers=(FINALIZER,))
        self.now = NOW

    def edit(self, **spec: Any) -> None:
        """Another spec of the same object."""
        self.spec = read(ModelEndpointSpec, {"variants": [{"name": "all", "model": LATEST}]} | spec)

    def serving(self, found: ModelFact | None = None) -> Serving:
        facts = ModelEndpointFacts(self.tenant, self._models(found))
        return build_serving(Pass(self.snapshot, self.spec, facts, SETTINGS, NOW))

    def config(self, found: ModelFact | None = None) -> str:
        """The name of the config for a model."""
        return self.serving(found).config_name

    def decide(self, endpoint: EndpointFact | None, found: ModelFact | None = None, smoke: SmokeFacts | None = None, **more: Any) -> Plan:
        """The plan, whose status is the next pass's; `more` facts."""
        facts = ModelEndpointFacts(self.tenant, self._models(found), endpoint, smoke=smoke or SmokeFacts(), **more)
        made = plan(self.snapshot, self.spec, facts, SETTINGS, self.now)
        read(ModelEndpointStatus, {name: value for name, value in made.status.items() if value is not None})
        status = {name: value for name, value in made.status.items() if value is not None}
        self.snapshot = replace(self.snapshot, status=status)
        return made

    def live(self, found: ModelFact | None = None, **changes: Any) -> LiveEndpoint:
        fields: dict[str, Any] = {
            "state": EndpointState.IN_SERVICE,
            "raw": "InService",
            "config": self.config(found),
            "last_modified": BEFORE,
            "variants": {"all": LiveVariant(1.0, 1)},
        }
        return LiveEndpoint(**fields | changes)

    def _models(self, found: ModelFact | None) -> Mapping[str, ModelFact]:
        return {variant.name: found or model() for variant in self.spec.variants}


def operations(made: Plan) -> list[str]:
    return [action.operation for action in made.actions if isinstance(action, AwsRequest)]


def parameters(made: Plan, operation: str) -> Mapping[str, Any]:
    """Of the one call of an operation."""
    (found,) = (action.parameters for action in made.actions if isinstance(action, AwsRequest) and action.operation == operation)
    return found


def reasons(made: Plan) -> dict[str, str]:
    return {item["type"]: f"{item['status']} {item['reason']}" for item in made.status["conditions"]}


def deletion(remains: Remains | None, policy: str | None = "Delete", status: dict[str, Any] | None = None, now: datetime = NOW) -> Plan:
    snapshot = Snapshot(KEY, "u", "1", 1, deleting=True, finalizers=(FINALIZER,), status=status or {})
    return plan_deletion(snapshot, policy, remains, endpoint_name(SETTINGS.install, KEY), SETTINGS, now)
