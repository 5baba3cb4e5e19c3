"""The kinds of this API, one line each: what the CRD generator, the parser and the shell go by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sagemaker_gitops.api.base import Model
from sagemaker_gitops.api.endpoint_status import ModelEndpointStatus
from sagemaker_gitops.api.model_endpoint import ModelEndpointSpec
from sagemaker_gitops.api.monitor_policy import MonitorPolicySpec
from sagemaker_gitops.api.monitor_status import MonitorPolicyStatus
from sagemaker_gitops.api.status import Status, TrainingRunStatus
from sagemaker_gitops.api.tenant import TenantSpec
from sagemaker_gitops.api.training_run import TrainingRunSpec

GROUP = "sagemaker-gitops.dev"
VERSION = "v1alpha1"
CATEGORY = "sagemaker-gitops"


@dataclass(frozen=True, slots=True)
class Column:
    """One column of `kubectl get`. priority 1 shows with -o wide only."""

    name: str
    path: str
    type: Literal["string", "date", "integer"] = "string"
    priority: int = 0


@dataclass(frozen=True, slots=True)
class ApiKind:
    """A kind, its names in the API, its models and what `kubectl get` prints."""

    kind: str
    plural: str
    scope: Literal["Namespaced", "Cluster"]
    spec: type[Model]
    status: type[Model]
    columns: tuple[Column, ...]
    short_names: tuple[str, ...] = ()


_AGE = Column("Age", ".metadata.creationTimestamp", "date")

KINDS: dict[str, ApiKind] = {
    item.kind: item
    for item in (
        ApiKind(
            "TrainingRun",
            "trainingruns",
            "Namespaced",
            TrainingRunSpec,
            TrainingRunStatus,
            (
                Column("Phase", ".status.phase"),
                Column("Step", ".status.step"),
                Column("Metric", ".status.metric"),
                Column("Champion", ".status.champion"),
                Column("Gate", ".status.gate"),
                Column("Model", ".status.model"),
                Column("Revision", ".status.revision"),
                _AGE,
                Column("Why", '.status.conditions[?(@.type=="Ready")].reason', priority=1),
            ),
            ("tr",),
        ),
        ApiKind(
            "ModelEndpoint",
            "modelendpoints",
            "Namespaced",
            ModelEndpointSpec,
            ModelEndpointStatus,
            (
                Column("Phase", ".status.phase"),
                Column("Variants", ".status.split"),
                Column("Wanted", ".status.wanted"),
                Column("Live", ".status.live"),
                Column("Approval", ".status.approval"),
                Column("URL", ".status.url", priority=1),
                Column("USD/Month", ".status.cost.monthlyUsd", priority=1),
                _AGE,
                Column("Why", '.status.conditions[?(@.type=="Ready")].reason', priority=1),
            ),
            ("mep",),
        ),
        ApiKind(
            "MonitorPolicy",
            "monitorpolicies",
            "Namespaced",
            MonitorPolicySpec,
            MonitorPolicyStatus,
            (
                Column("Phase", ".status.phase"),
                Column("Target", ".status.target"),
                Column("Last Check", ".status.lastCheck.finishedAt", "date"),
                Column("Metric", ".status.metric"),
                Column("Threshold", ".status.threshold"),
                Column("Breaches", ".status.breaches"),
                Column("Retrains", ".status.retrains"),
                Column("Model", ".status.model", priority=1),
                Column("Next Check", ".status.nextCheck", priority=1),
                _AGE,
                Column("Why", '.status.conditions[?(@.type=="Ready")].reason', priority=1),
            ),
            ("mp",),
        ),
        ApiKind(
            "Tenant",
            "tenants",
            "Cluster",
            TenantSpec,
            Status,
            (Column("Account", ".spec.account"), Column("Region", ".spec.region"), Column("Role", ".spec.roleArn", priority=1), _AGE),
        ),
    )
}
