"""The processing job of one execution: inputs, outputs and environment as the monitoring container expects them. Pure.

Source: developer guide, "Container contract inputs" and "Container contract outputs"; DescribeProcessingJob of executions
in public notebooks.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from local_aws.monitoring.plan import Plan

_BASELINE: Final = "/opt/ml/processing/baseline"
_CODE: Final = "/opt/ml/processing/code"
_MERGED: Final = "/opt/ml/processing/input_data"
_FORMAT: Final = ("endpointInput", "endpointOutput")
_SCRIPTS: Final = (
    ("RecordPreprocessorSourceUri", "preprocessing", "record_preprocessor_script"),
    ("PostAnalyticsProcessorSourceUri", "postprocessing", "post_analytics_processor_script"),
)
_ATTRIBUTES: Final = (
    ("FeaturesAttribute", "features_attribute"),
    ("InferenceAttribute", "inference_attribute"),
    ("ProbabilityAttribute", "probability_attribute"),
    ("ProbabilityThresholdAttribute", "probability_threshold_attribute"),
    ("ExcludeFeaturesAttribute", "exclude_features_attribute"),
)
_ANALYSES: Final = {"ModelQuality": "MODEL_QUALITY", "ModelBias": "MODEL_BIAS", "ModelExplainability": "MODEL_EXPLAINABILITY"}


@dataclass(frozen=True, slots=True)
class Window:
    """The data of one execution: `folders` are the S3 prefixes that have any, by their path below `base`."""

    begin: datetime
    end: datetime
    base: str
    folders: Sequence[str]


def request(name: str, schedule: str, plan: Plan, window: Window) -> dict[str, Any]:
    """A CreateProcessingJob request."""
    merged = plan.truth is not None
    source = _MERGED if merged else plan.given["LocalPath"]
    spec = plan.spec
    application = {"ImageUri": spec["ImageUri"]}
    application |= {member: spec[member] for member in ("ContainerEntrypoint", "ContainerArguments") if member in spec}
    outputs = [
        {"OutputName": f"result{number}", "S3Output": {"S3UploadMode": "EndOfJob", **each["S3Output"]}}
        for number, each in enumerate(plan.output["MonitoringOutputs"], 1)
    ]
    found: dict[str, Any] = {
        "ProcessingJobName": name,
        "RoleArn": plan.role,
        "AppSpecification": application,
        "ProcessingResources": plan.resources,
        "ProcessingInputs": [*_data(plan, window, source), *_baseline(plan), *_scripts(plan)],
        "ProcessingOutputConfig": {
            "Outputs": outputs,
            **({"KmsKeyId": plan.output["KmsKeyId"]} if "KmsKeyId" in plan.output else {}),
        },
        "Environment": _environment(schedule, plan, window, source, merged=merged),
    }
    if plan.network is not None:
        found["NetworkConfig"] = plan.network
    if plan.stopping is not None:
        found["StoppingCondition"] = plan.stopping
    return found


def _data(plan: Plan, window: Window, source: str) -> list[dict[str, Any]]:
    mode = {"S3InputMode": "File"}
    if "S3DataDistributionType" in plan.given:
        mode["S3DataDistributionType"] = plan.given["S3DataDistributionType"]
    return [
        _input(f"endpoint_input_{number}", f"{window.base.rstrip('/')}/{folder}", f"{source}/{folder}", mode)
        for number, folder in enumerate(window.folders, 1)
    ]


def _baseline(plan: Plan) -> list[dict[str, Any]]:
    found = []
    for name, folder, member in (("baseline", "stats", "StatisticsResource"), ("constraints", "constraints", "ConstraintsResource")):
        uri = plan.baseline.get(member, {}).get("S3Uri")
        if uri is not None:
            found.append(_input(name, uri, f"{_BASELINE}/{folder}", {"S3InputMode": "File"}))
    return found


def _scripts(plan: Plan) -> list[dict[str, Any]]:
    found = [_input(name, plan.spec[member], f"{_CODE}/{name}", {}) for member, name, _ in _SCRIPTS if member in plan.spec]
    if "ConfigUri" in plan.spec:
        found.append(_input("analysis_config", plan.spec["ConfigUri"], "/opt/ml/processing/input/config", {}))
    return found


def _input(name: str, uri: str, path: str, more: Mapping[str, str]) -> dict[str, Any]:
    return {"InputName": name, "S3Input": {"S3Uri": uri, "LocalPath": path, "S3DataType": "S3Prefix", **more}}


def _environment(schedule: str, plan: Plan, window: Window, source: str, *, merged: bool) -> dict[str, str]:
    kind = "sagemakerMergeJson" if merged else "sagemakerCaptureJson"
    found = {
        "dataset_format": json.dumps({kind: {"captureIndexNames": list(_FORMAT)}}, separators=(",", ":")),
        "dataset_source": source,
        "start_time": _stamp(window.begin),
        "end_time": _stamp(window.end),
        "metric_time": _stamp(window.begin),
        "monitoring_input_type": "ENDPOINT_INPUT",
        "output_path": plan.output["MonitoringOutputs"][0]["S3Output"]["LocalPath"],
        "publish_cloudwatch_metrics": "Enabled",
        "sagemaker_endpoint_name": plan.endpoint,
        "sagemaker_monitoring_schedule_name": schedule,
    }
    if plan.kind in _ANALYSES:
        found["analysis_type"] = _ANALYSES[plan.kind]
    if "ProblemType" in plan.spec:
        found["problem_type"] = plan.spec["ProblemType"]
    found |= {name: str(plan.given[member]) for member, name in _ATTRIBUTES if member in plan.given}
    if "StatisticsResource" in plan.baseline:
        found["baseline_statistics"] = f"{_BASELINE}/stats/{_file(plan, 'StatisticsResource')}"
    if "ConstraintsResource" in plan.baseline:
        found["baseline_constraints"] = f"{_BASELINE}/constraints/{_file(plan, 'ConstraintsResource')}"
    for member, folder, name in _SCRIPTS:
        if member in plan.spec:
            found[name] = f"{_CODE}/{folder}/{plan.spec[member].rpartition('/')[2]}"
    return {**found, **plan.environment}


def _file(plan: Plan, member: str) -> str:
    name: str = plan.baseline[member].get("S3Uri", "").rpartition("/")[2]
    return name


def _stamp(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
