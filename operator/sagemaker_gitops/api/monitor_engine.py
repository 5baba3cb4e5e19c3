"""What a MonitorPolicy of `engine: ModelMonitor` may say: Model Monitor has no place for the rest (docs/decisions/0016).

Sources: Amazon SageMaker API Reference (ScheduleConfig, CreateDataQualityJobDefinition), developer guide "Schedule monitoring jobs".
"""

from __future__ import annotations

import re
from typing import Any

from sagemaker_gitops.api.base import Rule, field_of

PROCESSING, MODEL_MONITOR = "Processing", "ModelMonitor"
# AWS: every hour, every N hours from an hour on, or once a day; an N that divides the day means the same there and in cron.
CRON = r"0 ([*]|[*]/(2|3|4|6|8|12)|[0-9]|1[0-9]|2[0-3]) [*] [*] [*]"
VIOLATIONS = "violations"
_OTHER = "!has(self.engine) || self.engine != 'ModelMonitor'"
_LEAVE = "leave it out, or leave engine out"


def _cron_of(spec: Any) -> str:
    return (spec.schedule and spec.schedule.cron) or ""


def _left_out(field: str, why: str) -> Rule:
    return Rule(
        f"{_OTHER} || !has(self.{field})",
        f"has no place in engine ModelMonitor: {why}; {_LEAVE}",
        lambda spec: spec.engine != MODEL_MONITOR or field_of(spec, field) is None,
        f".{field}",
    )


def _one_data_quality(spec: Any) -> bool:
    (first, *rest) = spec.checks_
    return not rest and first.type == "DataQuality" and first.drift is None and first.completeness is None


ENGINE_RULES = (
    Rule(
        f"{_OTHER} || (has(self.schedule) && has(self.schedule.cron) && self.schedule.cron.matches('^{CRON}$'))",
        'of engine ModelMonitor runs on the hour, as AWS has it: cron "0 * * * *", "0 */6 * * *" (every 2, 3, 4, 6, 8 or 12 hours)'
        ' or "0 5 * * *" (once a day); write one of them, or leave engine out',
        lambda spec: spec.engine != MODEL_MONITOR or re.fullmatch(CRON, _cron_of(spec)) is not None,
        ".schedule",
    ),
    Rule(
        f"{_OTHER} || !has(self.schedule) || !has(self.schedule.timeZone) || self.schedule.timeZone == 'UTC'",
        "of engine ModelMonitor is in UTC: leave timeZone out, or leave engine out",
        lambda spec: spec.engine != MODEL_MONITOR or spec.schedule is None or spec.schedule.time_zone in (None, "UTC"),
        ".schedule",
    ),
    Rule(
        f"{_OTHER} || (has(self.target.endpointRef) && !has(self.target.variant))",
        "of engine ModelMonitor is all that a ModelEndpoint answers: write endpointRef without variant, or leave engine out",
        lambda spec: spec.engine != MODEL_MONITOR or (spec.target.endpoint_ref is not None and spec.target.variant is None),
        ".target",
    ),
    Rule(
        f"{_OTHER} || (size(self.checks) == 1 && self.checks.all(c, c.type == 'DataQuality' && !has(c.drift) && !has(c.completeness)))",
        "of engine ModelMonitor are one, of type DataQuality, without drift and completeness, which constraints.json of the baseline says;"
        " write it so, or leave engine out",
        lambda spec: spec.engine != MODEL_MONITOR or _one_data_quality(spec),
        ".checks",
    ),
    Rule(
        f"{_OTHER} || (has(self.baseline) && has(self.baseline.s3Uri) && !self.baseline.s3Uri.endsWith('.json'))",
        "of engine ModelMonitor is an s3Uri: the folder that holds statistics.json and constraints.json; write it, or leave engine out",
        lambda spec: (
            spec.engine != MODEL_MONITOR
            or (spec.baseline is not None and spec.baseline.s3_uri is not None and not spec.baseline.s3_uri.endswith(".json"))
        ),
        ".baseline",
    ),
    Rule(
        f"{_OTHER} || !has(self.alarms) || self.alarms.all(a, !has(a.metric) || a.metric == '{VIOLATIONS}')",
        f"of engine ModelMonitor look at the metric {VIOLATIONS}: leave metric out",
        lambda spec: spec.engine != MODEL_MONITOR or all(alarm.metric in (None, VIOLATIONS) for alarm in spec.alarms),
        ".alarms",
    ),
    Rule(
        f"{_OTHER} || !has(self.overrides) || !has(self.overrides.createProcessingJob)",
        "is not sent by engine ModelMonitor: write createDataQualityJobDefinition",
        lambda spec: spec.engine != MODEL_MONITOR or spec.overrides is None or spec.overrides.create_processing_job is None,
        ".overrides",
    ),
    Rule(
        "(has(self.engine) && self.engine == 'ModelMonitor') || !has(self.overrides)"
        " || !has(self.overrides.createDataQualityJobDefinition)",
        "createDataQualityJobDefinition is sent by engine ModelMonitor alone: leave it out, or write createProcessingJob",
        lambda spec: spec.engine == MODEL_MONITOR or spec.overrides is None or spec.overrides.create_data_quality_job_definition is None,
        ".overrides",
    ),
    _left_out("window", "it looks at what came since the execution before"),
    _left_out("groundTruth", "checks of type DataQuality need none"),
    _left_out("prepare", "overrides.createDataQualityJobDefinition takes a RecordPreprocessorSourceUri"),
    Rule(
        f"{_OTHER} || !has(self.source) || has(self.prepare)",
        f"has no place in engine ModelMonitor: it runs no scripts of yours; {_LEAVE}",
        lambda spec: spec.engine != MODEL_MONITOR or spec.source is None or spec.prepare is not None,
        ".source",
    ),
    _left_out("minSampleSize", "it counts violations"),
)
