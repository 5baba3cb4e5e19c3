"""Custom: metrics that a script of the user's makes, `{"metrics": [{"name", "value", "sampleSize"}]}`."""

from __future__ import annotations

from typing import Any

from check_config import Custom
from report import Findings, Metric
from scripts import Folders, ScriptFailed, document
from window import Window


def measure(check: Custom, window: Window, folders: Folders) -> Findings:
    """The script's metrics, the one that the check names first. ScriptFailed if it fails, or what it wrote is no metrics."""
    if window.truth_missing or not window.records:
        reason = window.truth_missing or "nothing was captured in the window"
        return Findings([window.meter(check.name).insufficient(check.metric, 0, reason)] if check.metric is not None else [])
    written = document(check.entry_point, check.name, folders, window.records).get("metrics")
    if not isinstance(written, list):
        raise ScriptFailed(f'{check.name}: {check.entry_point}: MONITOR_OUTPUT must be {{"metrics": [{{"name", "value", "sampleSize"}}]}}')
    metrics = [_metric(check, window, entry, f"metrics[{position}]") for position, entry in enumerate(written)]
    names = [metric.name for metric in metrics]
    if check.metric is not None and check.metric not in names:
        reason = f"{check.entry_point} wrote no {check.metric}, but {', '.join(names) or 'nothing'}"
        metrics.insert(0, window.meter(check.name).insufficient(check.metric, 0, reason))
    return Findings(sorted(metrics, key=lambda metric: metric.name != check.metric))


def _metric(check: Custom, window: Window, entry: Any, at: str) -> Metric:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str) or not entry["name"]:
        raise ScriptFailed(f"{check.name}: {check.entry_point}: {at} must have a name")
    value, size = entry.get("value"), entry.get("sampleSize")
    if value is not None and (isinstance(value, bool) or not isinstance(value, (int, float))):
        raise ScriptFailed(f"{check.name}: {check.entry_point}: {at}.value must be a number or null, is {value!r}")
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise ScriptFailed(f"{check.name}: {check.entry_point}: {at}.sampleSize must be a whole number from 0, is {size!r}")
    return window.meter(check.name).metric(entry["name"], value, size)
