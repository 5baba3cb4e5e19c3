"""The CloudWatch dashboard that a policy asks for: threshold blue, the number orange, retrains green, one widget for each alarm. Pure.

PutDashboard replaces what has the name, which is made of the policy's identity: it is sent when its content is not what status says
was sent last. Source: Amazon CloudWatch API Reference, "Dashboard Body Structure and Syntax".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sagemaker_gitops.api.monitor_policy import Alarm
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.actions import Action, AwsRequest
from sagemaker_gitops.core.kinds.monitor_policy.alarms import number_of, period_of
from sagemaker_gitops.core.kinds.monitor_policy.publish import NAMESPACE, SERVICE, policy_dimension, served_dimensions, threshold_metric
from sagemaker_gitops.core.kinds.monitor_policy.situation import CHANGING, Pass, watched_of
from sagemaker_gitops.core.resource import Key

BLUE, ORANGE, GREEN = "#1f77b4", "#ff7f0e", "#2ca02c"
WIDTH, HEIGHT = 24, 8


def dashboard_name(install: str, owner: Key) -> str:
    """At most 255 of A-Za-z0-9-_."""
    return f"{naming.readable(owner)}-monitor-{naming.content_key([install, str(owner)])}"


def dashboard(here: Pass) -> tuple[tuple[Action, ...], Mapping[str, Any]]:
    """The call, and what status says afterwards; before it, that there is one; nothing where CloudWatch has what is wanted."""
    name, told = dashboard_name(here.settings.install, here.snapshot.key), here.snapshot.status.get("dashboard")
    if not here.spec.dashboard:
        return ((delete_dashboard(name),), {"dashboard": None}) if told else ((), {})
    body = body_of(here)
    wanted = naming.content_key(body) if body is not None else None
    if body is None or told == wanted:
        return (), {}
    if told != CHANGING:
        return (), {"dashboard": CHANGING}
    put = AwsRequest(SERVICE, "PutDashboard", name, {"DashboardName": name, "DashboardBody": json.dumps(body, sort_keys=True)})
    return (put,), {"dashboard": wanted}


def delete_dashboard(name: str) -> AwsRequest:
    return AwsRequest(SERVICE, "DeleteDashboards", name, {"DashboardNames": [name]})


def body_of(here: Pass) -> dict[str, Any] | None:
    """None before the first check with a number. Every model that status remembers has its line: a number belongs to the model it is of."""
    checks = [item for item in (here.recorded.last, *here.recorded.checks) if item.get("metrics")]
    if not checks or not here.spec.alarms:
        return None
    served = {json.dumps(where, sort_keys=True): where for item in checks if (where := _served(here, item)) is not None}
    return {"widgets": [_widget(here, alarm, row, [*served.values()], checks) for row, alarm in enumerate(here.spec.alarms)]}


def _served(here: Pass, entry: Mapping[str, Any]) -> dict[str, str] | None:
    """The dimensions of a check's numbers. History keeps no endpoint and variant: they are those of the last check."""
    watched = watched_of({**here.recorded.last, "model": entry.get("model"), "modelKey": entry.get("modelKey")})
    if watched is None:
        return None
    return served_dimensions(here.snapshot.key, watched)


def _widget(here: Pass, alarm: Alarm, row: int, served: list[dict[str, str]], checks: list[Mapping[str, Any]]) -> dict[str, Any]:
    number, _ = number_of(alarm, here.spec.checks_, checks[0].get("metrics") or ())
    lines = [_line(threshold_metric(alarm.name), policy_dimension(here.snapshot.key), BLUE, "threshold")]
    for where in served:
        model = where["ModelVersion"]
        lines.append(_line(f"{alarm.check}/{number}", where, ORANGE, f"{number} of {model}"))
        lines.append(_line(f"{alarm.name}/retrain", where, GREEN, f"retrain for {model}"))
    properties = {
        "title": f"{here.snapshot.key.namespace}/{here.snapshot.key.name}: {alarm.name}",
        "region": here.bound.spec.region,
        "view": "timeSeries",
        "stat": "Maximum" if alarm.operator.startswith(">") else "Minimum",
        "period": period_of(here, here.now),
        "metrics": lines,
    }
    return {"type": "metric", "x": 0, "y": row * HEIGHT, "width": WIDTH, "height": HEIGHT, "properties": properties}


def _line(metric: str, dimensions: Mapping[str, str], colour: str, label: str) -> list[Any]:
    named = [part for pair in dimensions.items() for part in pair]
    return [NAMESPACE, metric, *named, {"color": colour, "label": label}]
