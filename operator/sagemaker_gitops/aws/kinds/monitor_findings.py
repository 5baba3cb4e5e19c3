"""What is wrong with the requests of a MonitorPolicy, before the first of them is sent; and whether its Tenant forbids it at all."""

from __future__ import annotations

from sagemaker_gitops.api.monitor_overrides import given_overrides
from sagemaker_gitops.api.monitor_policy import MonitorPolicySpec
from sagemaker_gitops.aws.kinds.training_run import placed
from sagemaker_gitops.aws.requests import validate
from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.errors import Finding, InvalidResource
from sagemaker_gitops.core.kinds.monitor_policy.effective import findings_of
from sagemaker_gitops.core.kinds.monitor_policy.facts import Planned
from sagemaker_gitops.core.kinds.monitor_policy.preview import preview
from sagemaker_gitops.core.kinds.monitor_policy.situation import Pass
from sagemaker_gitops.core.tenancy import Bound


def forbidden(spec: MonitorPolicySpec, binding: Bound) -> bool:
    """Whether the plan will refuse before AWS is read: then nothing is read either."""
    try:
        return bool(findings_of(spec, binding))
    except InvalidResource:
        return True


def request_findings(here: Pass, planned: Planned) -> tuple[Finding, ...]:
    """The requests of a check and of the alarms against botocore's model, before the first of them is sent."""
    given = given_overrides(here.spec.overrides)
    return tuple(
        dict.fromkeys(
            Finding(placed(finding.path, f"{step}: {action.operation}", given.get(field, {}), field), finding.message)
            for step, action in preview(here, planned)
            if isinstance(action, AwsRequest)
            for field in (f"{action.operation[0].lower()}{action.operation[1:]}",)
            for finding in validate(action.service, action.operation, action.parameters)
        )
    )
