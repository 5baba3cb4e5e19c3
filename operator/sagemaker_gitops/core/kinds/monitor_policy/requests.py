"""The check of one window: what names it, what its job reads, and the exact CreateProcessingJob (docs/decisions/0011).

Its name is content: window, model, checks, baseline, scripts. Neither a moment nor a machine is in it, so that no trigger, restart or
lost status checks the same window of the same model twice. Member names and limits: Amazon SageMaker API Reference.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sagemaker_gitops.api.monitor_overrides import given_overrides
from sagemaker_gitops.api.monitor_policy import MonitorPolicySpec, entry_points
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.actions import Action, AwsRequest, UploadSource
from sagemaker_gitops.core.conditions import timestamp
from sagemaker_gitops.core.kinds.monitor_policy.effective import Effective
from sagemaker_gitops.core.kinds.monitor_policy.facts import Due, Place, Planned, Sight, Watched, Window
from sagemaker_gitops.core.kinds.monitor_policy.situation import ATTRIBUTION, STEP, Pass
from sagemaker_gitops.core.kinds.training_run.facts import Source
from sagemaker_gitops.core.kinds.training_run.requests import INPUT_FOLDER, OUTPUT_FOLDER, kms, network_config, processing_input, volume_kms
from sagemaker_gitops.core.kinds.training_run.run import content_of
from sagemaker_gitops.core.merge import deep_merge

CODE, CONFIG, CAPTURE, GROUND_TRUTH, BASELINE, SOURCE = "monitoring", "config", "capture", "groundtruth", "baseline", "source"
ATTRIBUTIONS = "attributions"
ENTRY_POINT = "check.py"
CONFIG_FILE, MANIFEST_FILE, REPORT_FILE = "config.json", "capture.manifest", "report.json"
TAG_WINDOW = f"{naming.TAG_PREFIX}window"
TAG_MODEL = f"{naming.TAG_PREFIX}model"


def job_name(here: Pass, due: Due, watched: Watched, baseline: Place | None) -> str:
    """A check that a person asked for, or that follows something, is named by that and not by its window."""
    tenant, owner = here.bound.spec, here.snapshot.key
    window = [timestamp(due.window.start), timestamp(due.window.end)]
    if due.nonce or due.after:
        window = ["nonce", due.nonce] if due.nonce else ["after", due.after]
    identity = {
        "install": here.settings.install,
        "account": tenant.account,
        "region": tenant.region,
        "owner": [owner.kind, owner.namespace, owner.name],
        "window": window,
        "target": [watched.endpoint, watched.variant],
        "model": watched.key,
        "baseline": [baseline.uri, baseline.digest] if baseline else [],
        "checks": _asked(here.spec),
        "minSampleSize": here.effective.min_sample_size,
        "files": naming.files_digest(_scripts(here)),
    }
    if overrides := _overrides(here):
        identity["overrides"] = overrides
    return naming.aws_name(owner, STEP, naming.content_key(identity))


def output_of(here: Pass, name: str) -> str:
    """The folder of a check's results."""
    return f"{here.effective.base(here.snapshot.key)}/{name.rpartition('-')[2]}/"


def config_of(here: Pass, planned: Planned, seen: Window) -> dict[str, Any]:
    """config.json. `seen` is the window without what an earlier model answered."""
    effective, owner, truth = here.effective, here.snapshot.key, here.spec.ground_truth
    watched = planned.watched
    joined = {"maxDelaySeconds": effective.max_delay, "minMatched": effective.min_matched}
    return {
        "policy": {"namespace": owner.namespace, "name": owner.name},
        "target": {
            "kind": "Batch" if planned.due.job else "Endpoint",
            "name": watched.endpoint,
            "variant": watched.variant or None,
            "modelVersion": watched.model,
        },
        "window": {"start": timestamp(seen.start), "end": timestamp(seen.end)},
        "now": timestamp(here.now),
        "groundTruth": {"idField": truth.id_field, **joined} if truth is not None else None,
        "prepare": {"entryPoint": here.spec.prepare.entry_point} if here.spec.prepare is not None else None,
        "minSampleSize": effective.min_sample_size,
        "checks": [content_of(check) for check in here.spec.checks_],
    }


def attribution_jobs(here: Pass, name: str) -> dict[str, str]:
    """Check with an image of its own -> the job that explains the window to the check's job `name`."""
    owner = here.snapshot.key
    images = [check.name for check in here.spec.checks_ if check.image is not None]
    return {check: naming.aws_name(owner, ATTRIBUTION, naming.content_key([name, check])) for check in images}


def jobs_of(here: Pass, name: str) -> tuple[str, ...]:
    """Every job of the check whose own is `name`."""
    return (name, *attribution_jobs(here, name).values())


def creating_actions(here: Pass, planned: Planned, seen: Window) -> tuple[Action, ...]:
    """What has to be called, in order, for the check to run. Uploads are content-addressed: repeated, they write the same."""
    return (*uploads(here, planned, seen).values(), create_processing_job(here, planned, places_of(here, planned, seen)))


def uploads(here: Pass, planned: Planned, seen: Window) -> dict[str, UploadSource]:
    """The folders that the jobs of a check read, by the name of the input."""
    base, key, scripts = here.effective.base(here.snapshot.key), here.effective.kms_key_arn, _scripts(here)
    documents = {CONFIG_FILE: _json(config_of(here, planned, seen)), MANIFEST_FILE: _manifest(planned.sight)}
    folders = {CODE: here.code, CONFIG: documents} | ({SOURCE: scripts} if scripts else {})
    return {name: UploadSource(f"{base}/{name}/{naming.files_digest(files)[:16]}/", files, key) for name, files in folders.items()}


def places_of(here: Pass, planned: Planned, seen: Window) -> dict[str, str]:
    return {name: item.uri for name, item in uploads(here, planned, seen).items()}


def create_processing_job(here: Pass, planned: Planned, places: Mapping[str, str]) -> AwsRequest:
    """`places` are the folders that were uploaded. A folder that has nothing to hold is not mounted: AWS fails a job for it."""
    application = {"ImageUri": here.effective.image, "ContainerEntrypoint": ["python3", f"{INPUT_FOLDER}/{CODE}/{ENTRY_POINT}"]}
    inputs = [processing_input(name, uri) for name, uri in places.items()]
    inputs += seen_inputs(planned, places)
    for check, job in attribution_jobs(here, planned.job_name).items():
        inputs.append(processing_input(f"{ATTRIBUTIONS}/{check}", output_of(here, job)) | {"InputName": f"{ATTRIBUTIONS}-{check}"})
    return create_job(here, planned, planned.job_name, STEP, {"AppSpecification": application, "ProcessingInputs": inputs})


def seen_inputs(planned: Planned, places: Mapping[str, str]) -> list[dict[str, Any]]:
    """What was captured, and what it is compared with."""
    sight = planned.sight
    known = ((GROUND_TRUTH, sight.ground_truth), (BASELINE, sight.baseline))
    return [
        _by_manifest(CAPTURE, f"{places[CONFIG]}{MANIFEST_FILE}"),
        *(processing_input(name, place.uri) for name, place in known if place is not None),
    ]


def create_job(here: Pass, planned: Planned, name: str, step: str, own: Mapping[str, Any]) -> AwsRequest:
    """CreateProcessingJob with what every job of a check has; `own` is what this one reads and runs. Overrides are merged last; which image
    a job runs is the check's to say, where it says it.
    """
    effective = here.effective
    output = {"S3Uri": output_of(here, name), "LocalPath": OUTPUT_FOLDER, "S3UploadMode": "EndOfJob"}
    parameters: dict[str, Any] = {
        "ProcessingJobName": name,
        "RoleArn": effective.role_arn,
        "ProcessingOutputConfig": {"Outputs": [{"OutputName": "report", "S3Output": output}]} | kms(effective),
        "ProcessingResources": {"ClusterConfig": cluster_config(effective)},
        "StoppingCondition": {"MaxRuntimeInSeconds": effective.max_runtime},
        "Tags": _tags(here, planned, name, step),
        **own,
    }
    network = network_config(effective)
    parameters |= {"NetworkConfig": network} if network else {}
    given = {member: value for member, value in _overrides(here).items() if step == STEP or member != "AppSpecification"}
    return AwsRequest("sagemaker", "CreateProcessingJob", name, deep_merge(parameters, given))


def cluster_config(effective: Effective) -> dict[str, Any]:
    """Machines of a check, whoever makes its job."""
    cluster = {
        "InstanceCount": effective.instance_count,
        "InstanceType": effective.instance_type,
        "VolumeSizeInGB": effective.volume_size_in_gb,
    }
    return cluster | volume_kms(effective)


def _overrides(here: Pass) -> Mapping[str, Any]:
    found: Mapping[str, Any] = given_overrides(here.spec.overrides).get("createProcessingJob", {})
    return found


def _by_manifest(name: str, uri: str) -> dict[str, Any]:
    """The files of the window, one by one: the capture folder grows for as long as the endpoint lives."""
    made = processing_input(name, uri)
    made["S3Input"]["S3DataType"] = "ManifestFile"
    return made


def _manifest(sight: Sight) -> bytes:
    return _json([{"prefix": sight.capture_root}, *sight.capture])


def _json(document: Any) -> bytes:
    return json.dumps(document, indent=1, sort_keys=True, allow_nan=False).encode()


def _asked(spec: MonitorPolicySpec) -> list[Any]:
    parts = [content_of(part) if part is not None else None for part in (spec.ground_truth, spec.prepare)]
    return [*parts, *(content_of(check) for check in spec.checks_)]


def _scripts(here: Pass) -> Mapping[str, bytes]:
    """The files of the source, where a script of it is run."""
    source = here.facts.source
    return source.files if isinstance(source, Source) and entry_points(here.spec) else {}


def _tags(here: Pass, planned: Planned, name: str, step: str) -> list[dict[str, str]]:
    source, key = here.facts.source, name.rpartition("-")[2]
    revision = source.revision if isinstance(source, Source) else ""
    own = naming.owner_tags(here.settings.install, here.snapshot.key, step=step, key=key, attempt=1, revision=revision)
    window = planned.due.window
    own |= {TAG_WINDOW: f"{timestamp(window.start)}/{timestamp(window.end)}", TAG_MODEL: planned.watched.key}
    return [{"Key": name, "Value": value} for name, value in sorted((dict(here.effective.tags) | own).items())]
