"""report.json of a check, as status tells it. Read defensively: a job of an older version may have written it, or a user's image."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sagemaker_gitops.api.monitor_check import Check
from sagemaker_gitops.api.monitor_status import METRIC_LIMIT, VIOLATION_LIMIT
from sagemaker_gitops.core.conditions import bounded
from sagemaker_gitops.core.kinds.monitor_policy.situation import AVAILABLE, NO_DATA, kept

DATA_STATES = frozenset({AVAILABLE, NO_DATA, "LateData", "LowMatch"})
WORD, TEXT = 64, 128


def problem_of(report: Any) -> str:
    """Why a document is no report; empty when it is one."""
    if not isinstance(report, Mapping) or report.get("version") != 1:
        return "it is not a report of version 1"
    data = report.get("data")
    if not isinstance(data, Mapping) or data.get("state") not in DATA_STATES:
        return f"data.state is none of {', '.join(sorted(DATA_STATES))}"
    return ""


def data_of(report: Mapping[str, Any]) -> dict[str, Any]:
    """status of CheckedData."""
    data = report["data"]
    rate = _number(data.get("matchRate"))
    return kept(
        {
            "state": data["state"],
            "captured": _count(data.get("captured")),
            "matched": _count(data.get("matched")),
            "matchRate": None if rate is None else f"{rate:.6g}",
            "unreadable": _count(data.get("unreadable", report.get("unreadable"))),
            "message": bounded(str(data["message"])) if data.get("message") else None,
        }
    )


def metrics_of(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The numbers, as texts that give the same number back; one that is not finite is none."""
    return [_metric(item) for item in _entries(report, "metrics")][:METRIC_LIMIT]


def violations_of(report: Mapping[str, Any]) -> tuple[list[dict[str, Any]], int]:
    """The first violations, and how many there are in all."""
    found = [
        kept(
            {
                "check": bounded(str(item.get("check", "")), WORD),
                "feature": bounded(str(item["feature"]), TEXT) if item.get("feature") else None,
                "constraint": bounded(str(item["constraint"]), TEXT) if item.get("constraint") else None,
                "description": bounded(str(item["description"])) if item.get("description") else None,
            }
        )
        for item in _entries(report, "violations")
    ]
    return found[:VIOLATION_LIMIT], max(_count(report.get("violationsTotal")) or 0, len(found))


def about(check: Check, metrics: Sequence[Mapping[str, Any]], metric: str | None = None) -> tuple[str, str | None]:
    """Name and text of the number that a check is about, or of `metric`: the spec names it, otherwise it is the first that was found."""
    wanted = metric or check.metric or (check.metrics[0] if check.metrics else None)
    found = next((item for item in metrics if item.get("check") == check.name and wanted in (None, item.get("name"))), {})
    value = found.get("value")
    return str(wanted or found.get("name") or check.name), None if value is None else str(value)


def _entries(report: Mapping[str, Any], field: str) -> Iterator[Mapping[str, Any]]:
    found = report.get(field)
    return (item for item in (found if isinstance(found, list) else ()) if isinstance(item, Mapping))


def _metric(item: Mapping[str, Any]) -> dict[str, Any]:
    value = _number(item.get("value")) if item.get("state", "Measured") == "Measured" else None
    return kept(
        {
            "check": bounded(str(item.get("check", "")), WORD),
            "name": bounded(str(item.get("name", "")), TEXT),
            "value": None if value is None else repr(value),
            "sampleSize": _count(item.get("sampleSize")),
            "message": bounded(str(item["message"])) if item.get("message") else None,
        }
    )


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def _count(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None
