"""The CloudWatch alarms around an endpoint: those that the spec names, those that we made, proven ours by tag where they would be changed.

Source: Amazon CloudWatch API Reference (DescribeAlarms: 100 names a call, absent ones are not mentioned; ListTagsForResource).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sagemaker_gitops.aws.kinds.look import Look
from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.kinds.model_endpoint.alarms import SERVICE, asked_for, default_alarms, prefix, recorded, same
from sagemaker_gitops.core.kinds.model_endpoint.facts import EndpointState, LiveAlarm, LiveEndpoint, ModelEndpointFacts
from sagemaker_gitops.core.kinds.model_endpoint.situation import partition
from sagemaker_gitops.core.resource import Key

ALARMS_AT_ONCE = 100
SETTINGS = (
    "AlarmDescription",
    "Namespace",
    "MetricName",
    "Dimensions",
    "Statistic",
    "Period",
    "EvaluationPeriods",
    "DatapointsToAlarm",
    "Threshold",
    "ComparisonOperator",
    "TreatMissingData",
)


async def look_at_alarms(look: Look, facts: ModelEndpointFacts) -> ModelEndpointFacts:
    """Where the spec or the status names alarms, or there is no status to ask, or it may have been put back to an older one."""
    endpoint, status, serving = facts.endpoint, look.snapshot.status, look.serving
    if not isinstance(endpoint, LiveEndpoint) or endpoint.state is not EndpointState.IN_SERVICE:
        return facts
    wanted, asked = default_alarms(serving), asked_for(serving)
    names = tuple(dict.fromkeys((*asked, *wanted, *recorded(status))))
    found = await alarms_of(look.aws, look.scope, names)
    if "variants" not in status or (wanted and look.arrives(facts)):
        found = await alarms_called(look.aws, look.scope, prefix(serving.endpoint_name)) | found
    elif not names:
        return facts
    for name, alarm in list(found.items()):
        if name in asked or (name in wanted and same(alarm, wanted[name])):
            continue
        other = await foreign_alarm_owner(look.aws, look.scope, name, serving.install, serving.owner)
        if other is not None and name in wanted:
            raise AwsFailure(
                Category.BLOCKED,
                service="sagemaker-gitops",
                operation="observe",
                code="NameConflict",
                message=f"alarm {name} belongs to {other}: it is not touched",
            )
        if other is not None:
            del found[name]
    return replace(facts, alarms=found)


async def alarms_of(aws: Aws, scope: Scope, names: Sequence[str]) -> dict[str, LiveAlarm]:
    """Those that exist of at most 100 names, composite ones included."""
    if not names:
        return {}
    return _alarms(
        await aws.call(scope, SERVICE, "DescribeAlarms", {"AlarmNames": list(names), "AlarmTypes": ["MetricAlarm", "CompositeAlarm"]})
    )


async def alarms_called(aws: Aws, scope: Scope, beginning: str) -> dict[str, LiveAlarm]:
    """Those whose name begins so, for when nobody remembers their names."""
    found, request = dict[str, LiveAlarm](), dict[str, Any](AlarmNamePrefix=beginning, AlarmTypes=["MetricAlarm"])
    while True:
        answer = await aws.call(scope, SERVICE, "DescribeAlarms", request)
        found |= _alarms(answer)
        if not answer.get("NextToken"):
            return found
        request = request | {"NextToken": answer["NextToken"]}


async def foreign_alarm_owner(aws: Aws, scope: Scope, name: str, install: str, owner: Key) -> str | None:
    """Whose alarm it is when its tags do not name `owner`; None when they do, or when it has gone."""
    arn = f"arn:{partition(scope.region)}:cloudwatch:{scope.region}:{scope.account}:alarm:{name}"
    try:
        listed = (await aws.call(scope, SERVICE, "ListTagsForResource", {"ResourceARN": arn})).get("Tags", [])
    except AwsFailure as failure:
        if failure.category is Category.NOT_FOUND:
            return None
        raise
    tags = {tag["Key"]: tag["Value"] for tag in listed}
    if naming.owned_by(tags, install, owner):
        return None
    return "/".join(tags[tag] for tag in naming.OWNER_TAGS if tag in tags) or "somebody without our tags"


def _alarms(answer: Mapping[str, Any]) -> dict[str, LiveAlarm]:
    metric = {item["AlarmName"]: LiveAlarm(item["StateValue"], _settings(item)) for item in answer.get("MetricAlarms", ())}
    return metric | {item["AlarmName"]: LiveAlarm(item["StateValue"]) for item in answer.get("CompositeAlarms", ())}


def _settings(item: Mapping[str, Any]) -> dict[str, Any]:
    return {name: item[name] for name in SETTINGS if name in item}
