"""When a MonitorPolicy checks: by the clock, or after each completion of something else in the namespace."""

from __future__ import annotations

from sagemaker_gitops.api.base import Model, Rule, exactly_one
from sagemaker_gitops.api.fields import ObjectName
from sagemaker_gitops.api.schedule import Cron, Schedule, TimeZone
from sagemaker_gitops.api.training_run import EndpointRef


class TrainingRunRef(Model):
    """A TrainingRun of this namespace."""

    name: ObjectName
    """Name of the TrainingRun. Example: fees."""


class MonitorPolicyRef(Model):
    """A MonitorPolicy of this namespace."""

    name: ObjectName
    """Name of the MonitorPolicy. Example: fees-inputs."""


class BatchOf(Model):
    """The transform jobs of a ModelEndpoint's batch."""

    endpoint_ref: EndpointRef
    """ModelEndpoint that has batch. Example: {name: fees}."""


class After(Model):
    """What a check follows: each of its completions, once."""

    rules = (exactly_one("trainingRunRef", "batchOf", "monitorPolicyRef"),)

    training_run_ref: TrainingRunRef | None = None
    """Each run that succeeds; one that fails or that the gates reject is none. Example: {name: fees}."""
    batch_of: BatchOf | None = None
    """Each transform job that ends well. Example: {endpointRef: {name: fees}}."""
    monitor_policy_ref: MonitorPolicyRef | None = None
    """Each check of another policy that ends well, breached or not; policies that wait for each other in a circle are refused. Example:
    {name: fees-inputs}.
    """


class CheckSchedule(Model):
    """When something is checked."""

    rules = (
        exactly_one("cron", "after"),
        Rule(
            "!has(self.timeZone) || has(self.cron)",
            "belongs to cron: leave it out",
            lambda schedule: schedule.time_zone is None or schedule.cron is not None,
            ".timeZone",
        ),
    )

    cron: Cron | None = None
    """Minute, hour, day of month, month, day of week. Of moments that were missed, the newest is made up for. Example: "30 * * * *"."""
    time_zone: TimeZone | None = None
    """Time zone of the expression. Where the clock is set forward, a skipped time runs right afterwards; where it is set back, a time
    that comes twice runs once. Example: Europe/Zurich. Left out: UTC.
    """
    after: After | None = None
    """A check for each completion; the window ends with it. Of those before the policy was there, the newest. Example: {trainingRunRef:
    {name: fees}}.
    """

    @property
    def clock(self) -> Schedule | None:
        """The moments of cron; None where something else decides."""
        return Schedule(cron=self.cron, time_zone=self.time_zone) if self.cron is not None else None
