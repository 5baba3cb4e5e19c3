"""What a MonitorPolicy watches."""

from __future__ import annotations

from sagemaker_gitops.api.base import Model, Rule, exactly_one
from sagemaker_gitops.api.endpoint_upkeep import EndpointName
from sagemaker_gitops.api.fields import VariantName
from sagemaker_gitops.api.monitor_schedule import BatchOf
from sagemaker_gitops.api.training_run import EndpointRef


class Target(Model):
    """What is watched."""

    rules = (
        exactly_one("endpointRef", "endpointName", "batchOf"),
        Rule(
            "!has(self.variant) || !has(self.batchOf)",
            "belongs to an endpoint: a transform job asks one model, leave it out",
            lambda target: target.variant is None or target.batch_of is None,
            ".variant",
        ),
    )

    endpoint_ref: EndpointRef | None = None
    """ModelEndpoint whose captured requests and answers are checked; it needs dataCapture. Example: {name: fees}."""
    endpoint_name: EndpointName | None = None
    """SageMaker endpoint of the Tenant's account and region that no ModelEndpoint of yours makes, one of the Tenant's endpointNames: it is
    looked at before each check and never changed. It must capture its data below one of the Tenant's s3Prefixes, and the Tenant's role
    must be allowed to describe it, its config and its models. Example: fees-by-hand.
    """
    batch_of: BatchOf | None = None
    """What a transform job of a ModelEndpoint's batch wrote: the newest one that ended well, or with schedule.after each of them, once.
    Example: {endpointRef: {name: fees}}.
    """
    variant: VariantName | None = None
    """Variant that is checked. Example: blue. Left out: the one with the largest live share, of equal ones the first."""

    @property
    def name(self) -> str:
        """What people call it."""
        ref = self.endpoint_ref or (self.batch_of.endpoint_ref if self.batch_of is not None else None)
        return self.endpoint_name or (ref.name if ref is not None else "")
