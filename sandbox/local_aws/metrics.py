"""Metric definitions: what a training job's log lines say about it, for FinalMetricDataList and CloudWatch.

AWS searches every log line with each regular expression; the first group is the value. Source: the developer
guide, "Define training metrics".
"""

from __future__ import annotations

import logging
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import regex

NAMESPACE = "/aws/sagemaker/TrainingJobs"
_BATCH = 500  # PutMetricData takes at most 1,000 data; half of it keeps the request small
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Definition:
    name: str
    pattern: regex.Pattern[str]


@dataclass(frozen=True, slots=True)
class Datum:
    name: str
    value: float
    at: datetime


def compile_definitions(definitions: Iterable[dict[str, str]]) -> tuple[Definition, ...]:
    """Compile a request's MetricDefinitions; ValueError names the definition that is not a regular
    expression.
    """
    compiled = []
    for definition in definitions:
        try:
            pattern = regex.compile(definition["Regex"])
        except regex.error as error:
            raise ValueError(f"metric {definition['Name']!r}: {definition['Regex']!r} is not valid: {error}") from error
        compiled.append(Definition(definition["Name"], pattern))
    return tuple(compiled)


def extract(definitions: Sequence[Definition], line: str, at: datetime) -> list[Datum]:
    """Every value that a log line holds; text that is no number, and NaN, is passed over as AWS does."""
    found = []
    for definition in definitions:
        for match in definition.pattern.finditer(line):
            value = _number(match.group(1) if match.re.groups else match.group(0))
            if value is not None:
                found.append(Datum(definition.name, value, at))
    return found


def final(data: Iterable[Datum]) -> list[dict[str, Any]]:
    """The last value of each metric, in the order in which the metrics first appeared."""
    last = {datum.name: datum for datum in data}
    return [{"MetricName": d.name, "Value": d.value, "Timestamp": d.at} for d in last.values()]


def publish(client: Any, job_name: str, data: Sequence[Datum]) -> None:
    """Send values to CloudWatch under the training job's name; a refusal is logged and harms no job."""
    for start in range(0, len(data), _BATCH):
        batch = [
            {
                "MetricName": datum.name,
                "Dimensions": [{"Name": "TrainingJobName", "Value": job_name}],
                "Timestamp": datum.at,
                "Value": datum.value,
            }
            for datum in data[start : start + _BATCH]
        ]
        try:
            client.put_metric_data(Namespace=NAMESPACE, MetricData=batch)
        except Exception:
            _log.exception("metrics of training job %s could not be published", job_name)


def _number(text: str | None) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) else None
