"""The job of an Explainability check that brings an image of its own: it runs before the check, which mounts what it wrote. Pure.

It gets what a script of the user's gets (docs/decisions/0011): the folders of the window and MONITOR_OUTPUT. Its name is made of the
name of the check's job, which holds window, model, image and scripts, so that a window is explained once.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sagemaker_gitops.api.monitor_check import Check
from sagemaker_gitops.core.actions import Action, AwsRequest
from sagemaker_gitops.core.kinds.monitor_policy.facts import Planned, Window
from sagemaker_gitops.core.kinds.monitor_policy.requests import (
    CAPTURE,
    CONFIG,
    CONFIG_FILE,
    GROUND_TRUTH,
    SOURCE,
    attribution_jobs,
    create_job,
    places_of,
    seen_inputs,
    uploads,
)
from sagemaker_gitops.core.kinds.monitor_policy.situation import ATTRIBUTION, Pass
from sagemaker_gitops.core.kinds.training_run.requests import INPUT_FOLDER, OUTPUT_FOLDER, processing_input

OUTPUT_FILE = "attributions.json"


def explaining_actions(here: Pass, planned: Planned, seen: Window, wanted: Collection[str]) -> tuple[Action, ...]:
    """What has to be called for these jobs to run."""
    jobs = attribution_jobs(here, planned.job_name)
    folders = uploads(here, planned, seen)
    needed = [item for name, item in folders.items() if name in (CONFIG, SOURCE)]
    requests = (_request(here, planned, seen, check, jobs[check.name]) for check in here.spec.checks_ if check.name in jobs)
    return (*needed, *(request for request in requests if request.subject in wanted))


def _request(here: Pass, planned: Planned, seen: Window, check: Check, job: str) -> AwsRequest:
    """CreateProcessingJob with the user's image: its own command, or a script of the source that its python3 runs."""
    places = places_of(here, planned, seen)
    application: dict[str, Any] = {"ImageUri": check.image}
    inputs = [processing_input(CONFIG, places[CONFIG]), *seen_inputs(planned, places)]
    if check.entry_point is not None:
        application["ContainerEntrypoint"] = ["python3", f"{INPUT_FOLDER}/{SOURCE}/{check.entry_point}"]
        inputs.append(processing_input(SOURCE, places[SOURCE]))
    environment = {
        "MONITOR_CHECK": check.name,
        "MONITOR_CAPTURE": f"{INPUT_FOLDER}/{CAPTURE}",
        "MONITOR_GROUND_TRUTH": f"{INPUT_FOLDER}/{GROUND_TRUTH}",
        "MONITOR_CONFIG": f"{INPUT_FOLDER}/{CONFIG}/{CONFIG_FILE}",
        "MONITOR_OUTPUT": f"{OUTPUT_FOLDER}/{OUTPUT_FILE}",
    }
    own = {"AppSpecification": application, "ProcessingInputs": inputs, "Environment": environment}
    return create_job(here, planned, job, ATTRIBUTION, own)
