"""What a check of a MonitorPolicy would read: the captured files of its window, its baseline and the ground truth. Reads only.

Sources: Amazon SageMaker Developer Guide, "Data capture" (layout: <destination>/<endpoint>/<variant>/yyyy/mm/dd/hh/<file>.jsonl, by the
time of the request in UTC); API Reference, DescribeEndpoint and DescribeModelPackage.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from sagemaker_gitops.api.monitor_policy import MonitorPolicySpec
from sagemaker_gitops.aws import storage
from sagemaker_gitops.aws.kinds.hosting import tags_of
from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.kinds.monitor_policy.baseline import forbidden, is_pinned, recorded_baseline
from sagemaker_gitops.core.kinds.monitor_policy.facts import Due, NotReady, Place, Report, Watched, Window
from sagemaker_gitops.core.kinds.monitor_policy.requests import BASELINE, REPORT_FILE, TAG_WINDOW
from sagemaker_gitops.core.kinds.monitor_policy.situation import STEP, Pass
from sagemaker_gitops.core.kinds.training_run.status import moment

REPORT_LIMIT = 4 * 1024 * 1024  # bytes
BASELINE_FILE = "baseline.json"
BASELINE_PARTS = ("statistics.json", "constraints.json")
HOUR = timedelta(hours=1)
FILES_LIMIT = 50_000  # captured files of one window
SERVES = frozenset({"InService", "Updating", "SystemUpdating", "RollingBack"})


async def capture_root(aws: Aws, scope: Scope, endpoint: str) -> str | NotReady:
    """The folder that holds the captured data of the endpoint, variant by variant; why there is none."""
    answer = await described(aws, scope, endpoint)
    return root_of(endpoint, answer) if isinstance(answer, dict) else answer


async def described(aws: Aws, scope: Scope, endpoint: str) -> dict[str, Any] | NotReady:
    """DescribeEndpoint."""
    try:
        return await aws.call(scope, "sagemaker", "DescribeEndpoint", {"EndpointName": endpoint})
    except AwsFailure as failure:
        if failure.category is Category.NOT_FOUND:
            return NotReady(f"there is no endpoint {endpoint}")
        raise


def root_of(endpoint: str, answer: Mapping[str, Any]) -> str | NotReady:
    capture: Mapping[str, Any] = answer.get("DataCaptureConfig") or {}
    if answer["EndpointStatus"] not in SERVES:
        return NotReady(f"endpoint {endpoint} is {answer['EndpointStatus']}, and not in service")
    if not capture.get("EnableCapture") or not capture.get("DestinationS3Uri"):
        return NotReady(f"endpoint {endpoint} captures no data yet: add DataCaptureConfig to its endpoint config")
    return f"{str(capture['DestinationS3Uri']).rstrip('/')}/{endpoint}/"


async def captured(aws: Aws, scope: Scope, root: str, variant: str, window: Window) -> tuple[str, ...]:
    """Keys, relative to `root`, of the files of the window's hours and the one after: a file may be written after its hour."""
    _, prefix = storage.split(root)
    found: list[str] = []
    hours = set(_hours(window))
    for day in sorted({hour[:10] for hour in hours}):
        for key in await storage.keys_under(aws, scope, f"{root}{variant}/{day}/", FILES_LIMIT):
            relative = key.removeprefix(prefix)
            if relative[len(variant) + 1 :][:13] in hours and not key.endswith("/"):
                found.append(relative)
    return tuple(found)


async def outputs(aws: Aws, scope: Scope, root: str) -> tuple[str, ...]:
    """Keys, relative to `root`, of what a transform job wrote."""
    _, prefix = storage.split(root)
    keys = await storage.keys_under(aws, scope, root, FILES_LIMIT)
    return tuple(key.removeprefix(prefix) for key in keys if not key.endswith("/"))


def _hours(window: Window) -> Iterator[str]:
    hour: datetime = window.start.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    while hour < window.end + HOUR:
        yield hour.strftime("%Y/%m/%d/%H")
        hour += HOUR


async def baseline_of(aws: Aws, scope: Scope, here: Pass, watched: Watched) -> Place | NotReady | None:
    """Where the baseline is, with the identity of its content; None when the spec names none."""
    if here.spec.baseline is None:
        return None
    pinned = (recorded_baseline(here) or await _of_last_check(aws, scope, here)) if is_pinned(here) else ""
    uri = here.spec.baseline.s3_uri or pinned or await _of_package(aws, scope, watched)
    if isinstance(uri, NotReady):
        return uri
    if refusal := forbidden(here, uri):
        return NotReady(refusal)
    if not uri.endswith("/"):
        etag = await storage.etag_of(aws, scope, uri)
        return Place(uri, etag) if etag else NotReady(f"baseline {uri} does not exist")
    etags = [await storage.etag_of(aws, scope, f"{uri}{name}") for name in (BASELINE_FILE, *BASELINE_PARTS)]
    if etags[0] is None and None in etags[1:]:
        return NotReady(f"{uri} holds neither {BASELINE_FILE} nor {' and '.join(BASELINE_PARTS)}")
    return Place(uri, naming.content_key(etags))


async def _of_last_check(aws: Aws, scope: Scope, here: Pass) -> str:
    """The baseline of the newest of this policy's checks of which AWS knows; empty before the first."""
    owner = here.snapshot.key
    request = {"NameContains": f"{naming.readable(owner)}-{STEP}-", "SortBy": "CreationTime", "SortOrder": "Descending", "MaxResults": 20}
    listed = await aws.call(scope, "sagemaker", "ListProcessingJobs", request)
    for name in (str(item["ProcessingJobName"]) for item in listed.get("ProcessingJobSummaries", ())):
        if not naming.owned_by((await tags_of(aws, scope, "processing-job", name))[1], here.settings.install, owner):
            continue
        job = await aws.call(scope, "sagemaker", "DescribeProcessingJob", {"ProcessingJobName": name})
        used = (item["S3Input"]["S3Uri"] for item in job.get("ProcessingInputs", ()) if item.get("InputName") == BASELINE)
        found = next(used, "")
        if found and not forbidden(here, found):
            return str(found)
    return ""


async def _of_package(aws: Aws, scope: Scope, watched: Watched) -> str | NotReady:
    """The baseline.json beside what the package names as its statistics: the evaluation of this very version wrote both."""
    if not watched.package_arn:
        return NotReady(f"{watched.model} is no registered model, so no TrainingRun made its baseline: name one with baseline.s3Uri")
    try:
        answer = await aws.call(scope, "sagemaker", "DescribeModelPackage", {"ModelPackageName": watched.package_arn})
    except AwsFailure as failure:
        if failure.category is Category.NOT_FOUND:
            return NotReady(f"model package {watched.model} does not exist any more")
        raise
    quality = (answer.get("ModelMetrics") or {}).get("ModelDataQuality") or {}
    statistics = (quality.get("Statistics") or {}).get("S3Uri")
    if not statistics:
        return NotReady(f"{watched.model} was registered without an evaluation, so it has no baseline: name one with baseline.s3Uri")
    return f"{str(statistics).rpartition('/')[0]}/{BASELINE_FILE}"


async def truth_of(aws: Aws, scope: Scope, spec: MonitorPolicySpec) -> Place | None:
    """The folder of the ground truth, when there is something in it."""
    if spec.ground_truth is None or not await storage.keys_under(aws, scope, spec.ground_truth.s3_uri, 1):
        return None
    return Place(spec.ground_truth.s3_uri)


async def report_in(aws: Aws, scope: Scope, folder: str) -> Report:
    """report.json of a check."""
    try:
        found = await storage.read_json(aws, scope, f"{folder}{REPORT_FILE}", REPORT_LIMIT)
    except ValueError as error:
        return Report(problem=str(error))
    return Report(found) if isinstance(found, Mapping) else Report(problem=f"{REPORT_FILE} is no JSON object")


def dated(due: Due, tags: Mapping[str, str]) -> Due:
    """A check that its window does not name has the one that it began with, which its tags know."""
    start, _, end = tags.get(TAG_WINDOW, "").partition("/")
    window = (moment(start), moment(end))
    by_window = not due.nonce and not due.after
    return replace(due, window=Window(window[0], window[1])) if not by_window and window[0] and window[1] else due
