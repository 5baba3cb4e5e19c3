"""analysis_config.json, by which a Clarify container of SageMaker Model Monitor knows what a Bias check is about. Pure.

Source: developer guide, "Analysis configuration files" and "Monitor bias drift"; BiasAnalysisConfig of the SageMaker Python SDK.
"""

from __future__ import annotations

import json
import math
import re
from typing import Any

from sagemaker_gitops.api.monitor_check import Check
from sagemaker_gitops.api.monitor_engine import TRUTH
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.actions import UploadSource
from sagemaker_gitops.core.kinds.monitor_policy.situation import Pass

CONFIG_FILE, FOLDER = "analysis_config.json", "analysis"
POSITIVE = ("1",)
_WHOLE, _NUMBER = re.compile(r"-?[0-9]+"), re.compile(r"-?[0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]{1,3})?")


def analysis_of(here: Pass) -> UploadSource | None:
    """The file in a folder of its own content; None where the check has no such thing."""
    check = here.spec.checks_[0]
    if check.type != "Bias":
        return None
    files = {CONFIG_FILE: json.dumps(analysis_config(check), indent=1, sort_keys=True).encode()}
    place = f"{here.effective.base(here.snapshot.key)}/{FOLDER}/{naming.files_digest(files)[:16]}/"
    return UploadSource(place, files, here.effective.kms_key_arn)


def analysis_config(check: Check) -> dict[str, Any]:
    """The columns as they were captured and after them the truth, which groups are compared, and which outcomes are good."""
    facet: dict[str, Any] = {"name_or_index": check.facet}
    if check.facet_threshold is not None:
        facet["value_or_threshold"] = [check.facet_threshold]
    elif check.facet_values:
        facet["value_or_threshold"] = [_value(item) for item in check.facet_values]
    found: dict[str, Any] = {
        "headers": [*check.headers, TRUTH],
        "label": TRUTH,
        "label_values_or_threshold": [_value(item) for item in check.positive_labels or POSITIVE],
        "facet": [facet],
    }
    return found | ({"group_variable": check.group_variable} if check.group_variable is not None else {})


def _value(text: str) -> int | float | str:
    """A label as Clarify finds it in CSV: a number where it is one."""
    if _WHOLE.fullmatch(text):
        return int(text)
    number = float(text) if _NUMBER.fullmatch(text) else math.inf
    return number if math.isfinite(number) else text
