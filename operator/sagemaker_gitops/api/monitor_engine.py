"""What a MonitorPolicy of `engine: ModelMonitor` may say: Model Monitor has no place for the rest (docs/decisions/0016).

Sources: Amazon SageMaker API Reference (ScheduleConfig, CreateDataQualityJobDefinition, CreateModelQualityJobDefinition, EndpointInput),
developer guide "Schedule monitoring jobs" and "Ingest ground truth labels and merge them with predictions".
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from sagemaker_gitops.api.base import Rule, field_of

PROCESSING, MODEL_MONITOR = "Processing", "ModelMonitor"
# AWS: every hour, every N hours from an hour on, or once a day; an N that divides the day means the same there and in cron.
CRON = r"0 ([*]|[*]/(2|3|4|6|8|12)|[0-9]|1[0-9]|2[0-3]) [*] [*] [*]"
VIOLATIONS = "violations"
TRUTH = "groundTruthLabel"  # what Clarify calls the column that AWS merges from the ground truth
OVERRIDES = {
    "DataQuality": "createDataQualityJobDefinition",
    "ModelQuality": "createModelQualityJobDefinition",
    "Bias": "createModelBiasJobDefinition",
}
CHECK_TYPES = tuple(OVERRIDES)
_OTHER = "!has(self.engine) || self.engine != 'ModelMonitor'"
_TRUTHLESS = "self.checks.exists(c, c.type == 'DataQuality')"
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


def _engine_of(type_: str, field: str, message: str) -> Rule:
    """`overrides.<field>` goes to Model Monitor, with a check of that type."""
    return Rule(
        f"(has(self.engine) && self.engine == 'ModelMonitor' && self.checks.all(c, c.type == '{type_}'))"
        f" || !has(self.overrides) || !has(self.overrides.{field})",
        message,
        lambda spec: (
            (spec.engine == MODEL_MONITOR and all(check.type == type_ for check in spec.checks_))
            or spec.overrides is None
            or field_of(spec.overrides, field) is None
        ),
        ".overrides",
    )


def _every(type_: str, cel: str, message: str, holds: Callable[[Any], bool]) -> Rule:
    """Of every check of that type."""
    return Rule(
        f"{_OTHER} || self.checks.all(c, c.type != '{type_}' || ({cel}))",
        message,
        lambda spec: spec.engine != MODEL_MONITOR or all(check.type != type_ or holds(check) for check in spec.checks_),
        ".checks",
    )


def _truthless(spec: Any) -> bool:
    return any(check.type == "DataQuality" for check in spec.checks_)


def _of_truth(cel: str, message: str, holds: Callable[[Any], bool]) -> Rule:
    return Rule(
        f"{_OTHER} || !has(self.groundTruth) || {_TRUTHLESS} || {cel}",
        message,
        lambda spec: spec.engine != MODEL_MONITOR or spec.ground_truth is None or _truthless(spec) or holds(spec.ground_truth),
        ".groundTruth",
    )


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
        f"{_OTHER} || (size(self.checks) == 1 && self.checks.all(c, c.type in ['DataQuality', 'ModelQuality', 'Bias']))",
        "of engine ModelMonitor are one, of type DataQuality, ModelQuality or Bias; write it so, or leave engine out",
        lambda spec: spec.engine != MODEL_MONITOR or (len(spec.checks_) == 1 and spec.checks_[0].type in CHECK_TYPES),
        ".checks",
    ),
    _every(
        "DataQuality",
        "!has(c.drift) && !has(c.completeness)",
        "of type DataQuality have neither drift nor completeness in engine ModelMonitor: constraints.json of the baseline says them;"
        " leave them out, or leave engine out",
        lambda check: check.drift is None and check.completeness is None,
    ),
    _every(
        "ModelQuality",
        "has(c.problemType) && c.problemType != 'Forecast'",
        "of type ModelQuality are of problemType Regression, BinaryClassification or MulticlassClassification in engine ModelMonitor;"
        " write one of them, or leave engine out",
        lambda check: check.problem_type != "Forecast",
    ),
    _every(
        "ModelQuality",
        "has(c.inferenceAttribute) || has(c.probabilityAttribute)",
        "of type ModelQuality need inferenceAttribute or probabilityAttribute in engine ModelMonitor, which looks for no prediction itself:"
        ' write one, such as "0"',
        lambda check: check.inference_attribute is not None or check.probability_attribute is not None,
    ),
    _every(
        "ModelQuality",
        "!has(c.groundTruthAttribute) && !has(c.positiveLabel)",
        "of type ModelQuality have neither groundTruthAttribute nor positiveLabel in engine ModelMonitor: the truth is"
        " groundTruthData.data, and 1 is the positive one; leave them out, or leave engine out",
        lambda check: check.ground_truth_attribute is None and check.positive_label is None,
    ),
    _every(
        "Bias",
        f"has(c.headers) && c.facet in c.headers && (!has(c.groupVariable) || c.groupVariable in c.headers) && !('{TRUTH}' in c.headers)",
        "of type Bias need headers in engine ModelMonitor: write the columns of what is captured in their order, facet and groupVariable"
        f" among them, without {TRUTH}, as which the ground truth is added",
        lambda check: (
            check.facet in check.headers
            and (check.group_variable is None or check.group_variable in check.headers)
            and TRUTH not in check.headers
        ),
    ),
    _every(
        "Bias",
        "has(c.inferenceAttribute)",
        'of type Bias need inferenceAttribute in engine ModelMonitor, which looks for no prediction itself: write one, such as "0"',
        lambda check: check.inference_attribute is not None,
    ),
    _every(
        "Bias",
        "!has(c.metrics) && !has(c.label)",
        "of type Bias have neither metrics nor label in engine ModelMonitor: it computes all, and the ground truth is the outcome;"
        " leave them out, or leave engine out",
        lambda check: not check.metrics and check.label is None,
    ),
    Rule(
        f"!({_OTHER}) || !self.checks.exists(c, has(c.headers))",
        "have headers in engine ModelMonitor alone: leave them out, the columns are those of the baseline",
        lambda spec: spec.engine == MODEL_MONITOR or not any(check.headers for check in spec.checks_),
        ".checks",
    ),
    Rule(
        f"{_OTHER} || has(self.groundTruth) || !self.checks.exists(c, c.type == 'Bias')",
        "is needed by checks of type Bias in engine ModelMonitor: it is the outcome; write it, or leave engine out",
        lambda spec: spec.engine != MODEL_MONITOR or spec.ground_truth is not None or all(c.type != "Bias" for c in spec.checks_),
        ".groundTruth",
    ),
    Rule(
        f"{_OTHER} || (has(self.baseline) && has(self.baseline.s3Uri) && !self.baseline.s3Uri.endsWith('.json'))",
        "of engine ModelMonitor is an s3Uri: the folder that holds constraints.json and, for DataQuality, statistics.json; write it, or"
        " leave engine out",
        lambda spec: (
            spec.engine != MODEL_MONITOR
            or (spec.baseline is not None and spec.baseline.s3_uri is not None and not spec.baseline.s3_uri.endswith(".json"))
        ),
        ".baseline",
    ),
    Rule(
        f"{_OTHER} || !has(self.alarms) || self.alarms.all(a, !has(a.metric) || a.metric == '{VIOLATIONS}')"
        " || self.checks.all(c, c.type == 'ModelQuality')",
        f"of engine ModelMonitor look at the metric {VIOLATIONS} unless the check is of type ModelQuality: leave metric out",
        lambda spec: (
            spec.engine != MODEL_MONITOR
            or all(alarm.metric in (None, VIOLATIONS) for alarm in spec.alarms)
            or all(check.type == "ModelQuality" for check in spec.checks_)
        ),
        ".alarms",
    ),
    Rule(
        f"{_OTHER} || !has(self.overrides) || !has(self.overrides.createProcessingJob)",
        "is not sent by engine ModelMonitor: write the override of the job definition",
        lambda spec: spec.engine != MODEL_MONITOR or spec.overrides is None or spec.overrides.create_processing_job is None,
        ".overrides",
    ),
    *(
        _engine_of(
            type_,
            field,
            f"{field} is sent by engine ModelMonitor with a check of type {type_}: leave it out, or write what fits",
        )
        for type_, field in OVERRIDES.items()
    ),
    Rule(
        f"{_OTHER} || !has(self.groundTruth) || !({_TRUTHLESS})",
        f"has no place in engine ModelMonitor: checks of type DataQuality need none; {_LEAVE}",
        lambda spec: spec.engine != MODEL_MONITOR or spec.ground_truth is None or not _truthless(spec),
        ".groundTruth",
    ),
    _of_truth(
        "self.groundTruth.idField == 'eventId'",
        "of engine ModelMonitor is in AWS's own layout, by eventMetadata.eventId: write idField: eventId, or leave engine out",
        lambda truth: truth.id_field == "eventId",
    ),
    _of_truth(
        "!has(self.groundTruth.minMatched)",
        "has no minMatched in engine ModelMonitor: AWS judges what it could join; leave it out, or leave engine out",
        lambda truth: truth.min_matched is None,
    ),
    _of_truth(
        "!has(self.groundTruth.maxDelay) || duration(self.groundTruth.maxDelay).getSeconds() % 3600 == 0",
        "of engine ModelMonitor is late by whole hours, as AWS's folders are: write maxDelay such as 2h, or leave engine out",
        lambda truth: (truth.max_delay or 0) % 3600 == 0,
    ),
    _left_out("window", "it looks at what came since the execution before"),
    _left_out("prepare", "the overrides take a RecordPreprocessorSourceUri"),
    Rule(
        f"{_OTHER} || !has(self.source) || has(self.prepare)",
        f"has no place in engine ModelMonitor: it runs no scripts of yours; {_LEAVE}",
        lambda spec: spec.engine != MODEL_MONITOR or spec.source is None or spec.prepare is not None,
        ".source",
    ),
    _left_out("minSampleSize", "it counts violations"),
)
