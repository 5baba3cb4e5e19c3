"""Whether AWS ever took an update, where the endpoint cannot tell: CloudTrail keeps every call. A sight of a ModelEndpoint.

Asked only when this process does not know whether UpdateEndpoint was sent (its predecessor died around it, or no answer came) and the
endpoint has changed meanwhile: after a rollback and after AWS's own maintenance DescribeEndpoint says the same.
Sources: AWS CloudTrail API Reference, LookupEvents (2 requests a second for an account and region); CloudTrail User Guide, "Working with
CloudTrail event history"; Amazon SageMaker Developer Guide, "Log Amazon SageMaker AI API calls using AWS CloudTrail".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sagemaker_gitops.aws.errors import classify
from sagemaker_gitops.aws.kinds.look import Look
from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.kinds.model_endpoint.facts import LiveEndpoint, ModelEndpointFacts, Sent
from sagemaker_gitops.core.kinds.model_endpoint.situation import asked_for
from sagemaker_gitops.core.kinds.model_endpoint.verdict import in_doubt
from sagemaker_gitops.core.kinds.training_run.status import moment

CALL = "UpdateEndpoint"
LONG_BEFORE = timedelta(hours=1)  # an attempt before the recorded one; an endpoint may have been as `seen` for months


async def trail(look: Look, facts: ModelEndpointFacts) -> ModelEndpointFacts:
    """What CloudTrail says of the update to the wanted config, if nothing else can."""
    update = asked_for(look.snapshot.status, look.serving.config_name)
    if not isinstance(facts.endpoint, LiveEndpoint) or facts.sent is not Sent.UNKNOWN or not in_doubt(update, facts.endpoint):
        return facts
    seen, asked = moment(update["seen"]), moment(update.get("attemptedAt"))
    if seen is None or asked is None:
        return facts
    try:
        found = await _was_sent(look, max(seen, asked - LONG_BEFORE))
    except AwsFailure as failure:
        if not failure.code.startswith("AccessDenied"):
            raise
        return replace(facts, sent=Sent.CLOSED)
    return replace(facts, sent=Sent.YES if found else Sent.SILENT)


async def _was_sent(look: Look, since: datetime) -> bool:
    """By the name of the call: whether CloudTrail files SageMaker's events under the endpoint's name is not documented."""
    endpoint, config, following = look.serving.endpoint_name, look.serving.config_name, None
    attributes = [{"AttributeKey": "EventName", "AttributeValue": CALL}]
    request = {"LookupAttributes": attributes, "StartTime": since.replace(microsecond=0), "EndTime": look.now + timedelta(seconds=1)}
    while True:
        more: dict[str, Any] = {"NextToken": following} if following else {}
        answer = await look.aws.call(look.scope, "cloudtrail", "LookupEvents", request | more)
        if any(_is_ours(event, endpoint, config) for event in answer.get("Events", ())):
            return True
        following = answer.get("NextToken")
        if not following:
            return False


def _is_ours(event: Mapping[str, Any], endpoint: str, config: str) -> bool:
    """Whether AWS took this call for this endpoint and config; a refused one has an errorCode, a 5xx proves nothing."""
    record = json.loads(event.get("CloudTrailEvent") or "{}")
    asked, code = record.get("requestParameters") or {}, record.get("errorCode")
    refused = code and classify(CALL, code, "", 400) is not Category.TRANSIENT
    return not refused and (asked.get("endpointName"), asked.get("endpointConfigName")) == (endpoint, config)
