"""notify: which transitions are told to which SNS topic; the same block on every kind and in a Tenant's defaults.

The transitions of a kind are a closed set: what a person acts upon, once each, and not every phase. What becomes of them is in
status.notifications (docs/decisions/0014). The list is not called `on`, which YAML 1.1 and so kubectl read as true.
"""

from __future__ import annotations

from typing import Annotated, Literal

from sagemaker_gitops.api.base import Items, Model
from sagemaker_gitops.api.fields import TopicArn

NOTIFY_LIMIT = 10

RunTransition = Literal["Succeeded", "Failed", "GateRejected", "AwaitingApproval"]
EndpointTransition = Literal["InService", "Failed", "RolledBack", "Parked"]
PolicyTransition = Literal["Breached", "Recovered", "NoData", "Failed", "RetrainRequested", "RetrainStalled"]
AnyTransition = Literal[
    "Succeeded",
    "Failed",
    "GateRejected",
    "AwaitingApproval",
    "InService",
    "RolledBack",
    "Parked",
    "Breached",
    "Recovered",
    "NoData",
    "RetrainRequested",
    "RetrainStalled",
]


class RunNotify(Model):
    """A topic, and what of a TrainingRun it is told."""

    sns_topic_arn: TopicArn
    """Standard SNS topic of the Tenant's account and region. Example: arn:aws:sns:eu-central-1:123456789012:team-a-alerts."""
    transitions: Annotated[tuple[RunTransition, ...], Items(4, min_items=1, kind="set")]
    """What is told, once for each run. Example: [Failed, AwaitingApproval]."""


class EndpointNotify(Model):
    """A topic, and what of a ModelEndpoint it is told."""

    sns_topic_arn: TopicArn
    """Standard SNS topic of the Tenant's account and region. Example: arn:aws:sns:eu-central-1:123456789012:team-a-alerts."""
    transitions: Annotated[tuple[EndpointTransition, ...], Items(4, min_items=1, kind="set")]
    """What is told, once for each change that was asked for; Failed also of its smoke test and of batch jobs. Example: [Failed,
    RolledBack].
    """


class PolicyNotify(Model):
    """A topic, and what of a MonitorPolicy it is told."""

    sns_topic_arn: TopicArn
    """Standard SNS topic of the Tenant's account and region. Example: arn:aws:sns:eu-central-1:123456789012:team-a-alerts."""
    transitions: Annotated[tuple[PolicyTransition, ...], Items(6, min_items=1, kind="set")]
    """What is told, when it begins and not again while it lasts. Example: [Breached, Recovered]."""


class DefaultNotify(Model):
    """A topic, and what of every resource it is told that has no notify of its own; each kind takes what it knows."""

    sns_topic_arn: TopicArn
    """Standard SNS topic of account and region. Example: arn:aws:sns:eu-central-1:123456789012:team-a-alerts."""
    transitions: Annotated[tuple[AnyTransition, ...], Items(12, min_items=1, kind="set")]
    """What is told. Example: [Failed, Breached, AwaitingApproval, RolledBack]."""


Notify = RunNotify | EndpointNotify | PolicyNotify | DefaultNotify
