"""What an execution of SageMaker Model Monitor found, as a report of ours and as a check that has ended. Pure.

Source: developer guide, "Schema for statistics", "Schema for violations" (constraint_violations.json) and "Model quality metrics".
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sagemaker_gitops.api.monitor_check import METRICS_OF, Check
from sagemaker_gitops.api.monitor_engine import VIOLATIONS
from sagemaker_gitops.core.conditions import timestamp
from sagemaker_gitops.core.kinds.monitor_policy.engine_facts import NO_DATA_REASON, Execution
from sagemaker_gitops.core.kinds.monitor_policy.engine_requests import period
from sagemaker_gitops.core.kinds.monitor_policy.facts import Due, Report, Watched, Window
from sagemaker_gitops.core.kinds.monitor_policy.outcome import Fields, ended, failed, nothing_captured
from sagemaker_gitops.core.kinds.monitor_policy.situation import IN_PROGRESS, Pass, as_entry, watched_of
from sagemaker_gitops.core.kinds.training_run.facts import Failed, JobType, Succeeded
from sagemaker_gitops.core.kinds.training_run.status import ARN_PATHS, CONSOLE, moment, partition

SECTIONS = {
    "Regression": "regression_metrics",
    "BinaryClassification": "binary_classification_metrics",
    "MulticlassClassification": "multiclass_classification_metrics",
}
FILE_OF_VIOLATIONS, FILE_OF_STATISTICS = "constraint_violations.json", "statistics.json"


def report_of(check: Check, violations: Any, statistics: Any) -> Report:
    """The two files as read; `violations` is None where the execution had none."""
    found = [] if violations is None else violations.get("violations") if isinstance(violations, Mapping) else None
    if not isinstance(found, list):
        return Report(problem=f"{FILE_OF_VIOLATIONS} has no list of violations")
    known: Mapping[str, Any] = statistics if isinstance(statistics, Mapping) else {}
    data = known.get("dataset")
    count = data.get("item_count") if isinstance(data, Mapping) else None
    told = [
        {
            "check": check.name,
            "feature": item.get("feature_name") or item.get("metric_name"),
            "constraint": item.get("constraint_check_type"),
            "description": item.get("description"),
        }
        for item in found
        if isinstance(item, Mapping)
    ]
    measured = {"check": check.name, "sampleSize": count, "state": "Measured"}
    numbers = {VIOLATIONS: len(found)} | _quality(check, known)
    metrics = [{**measured, "name": name, "value": value} for name, value in numbers.items()]
    return Report({"version": 1, "data": {"state": "Available", "captured": count}, "metrics": metrics, "violations": told})


def _quality(check: Check, statistics: Mapping[str, Any]) -> dict[str, Any]:
    """What the statistics of a model's quality say of the metrics that are asked for, or of all that we know by AWS's names."""
    found = statistics.get(SECTIONS.get(check.problem_type or "", ""))
    known = found if isinstance(found, Mapping) else {}
    wanted = check.metrics or METRICS_OF.get(check.problem_type or "", ())
    return {name: known[name].get("value") for name in wanted if isinstance(known.get(name), Mapping)}


def heeded(here: Pass, watched: Watched, execution: Execution) -> Fields:
    """The execution as a check that has ended, by what AWS says of it."""
    entry = _entry(here, watched, execution)
    match execution.fact:
        case Succeeded():
            return ended(here, entry, execution.fact)
        case Failed() if NO_DATA_REASON in execution.fact.reason:
            return nothing_captured(here, entry)
        case Failed():
            return failed(here, entry, execution.fact)


def window_of(here: Pass, scheduled: datetime) -> Window:
    """The hours since the execution before, moved back by what ground truth may take."""
    end = scheduled - timedelta(seconds=here.effective.max_delay)
    return Window(end - timedelta(seconds=period(here.spec)), end)


def _entry(here: Pass, watched: Watched, execution: Execution) -> Fields:
    """Answers of a window in which the model changed are not held against the newer one."""
    tenant, window = here.bound.spec, window_of(here, execution.scheduled)
    changed = here.snapshot.status.get("modelKey") not in (None, watched.key)
    since = (watched.since or here.now) if changed else moment(here.snapshot.status.get("modelSince"))
    earlier = watched_of(here.recorded.last)
    model = earlier if since is not None and window.start < since and earlier is not None else watched
    due = Due(execution.scheduled, window, f"schedule {timestamp(execution.scheduled)}", heeds=execution.scheduled)
    entry = as_entry(due, model, IN_PROGRESS)
    if execution.job:
        type_, region = JobType.PROCESSING_JOB, tenant.region
        entry |= {
            "arn": f"arn:{partition(region)}:sagemaker:{region}:{tenant.account}:{ARN_PATHS[type_]}/{execution.job}",
            "consoleUrl": f"https://{region}.console.aws.amazon.com/" + CONSOLE[type_].format(r=region, n=execution.job),
        }
    return entry | ({"output": execution.output} if execution.output else {})
