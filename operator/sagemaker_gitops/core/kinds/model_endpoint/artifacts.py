"""Approval is of an artifact, not of a place in S3: which object a package meant when it was first served is recorded and held against.

Looked at only when a config is about to be made. Known limit: SageMaker fetches the object again for every new instance, which nobody
can check; keep versions and a deny on overwriting in the bucket. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagemaker_gitops.api.endpoint_status import ARTIFACT_LIMIT
from sagemaker_gitops.core.conditions import reconciling, stalled
from sagemaker_gitops.core.kinds.model_endpoint.facts import Resolved
from sagemaker_gitops.core.kinds.model_endpoint.situation import Pass
from sagemaker_gitops.core.plan import After, OnEvent, Plan

MISSING_DELAY = 300.0


def recorded(status: Mapping[str, Any], package_arn: str) -> Mapping[str, Any]:
    """The entry of status.artifacts for a package; empty when it has never been served."""
    return next((item for item in status.get("artifacts") or () if isinstance(item, Mapping) and item.get("packageArn") == package_arn), {})


def artifact_missing(here: Pass) -> Plan | None:
    """An endpoint that cannot fetch its model fails after twenty minutes; this is said at once."""
    missing = [f"{name}: {model.artifact} of {model.label}" for name, model in _packages(here).items() if model.etag is None]
    if not missing:
        return None
    message = f"the artifact is not there: {'; '.join(missing)}: upload it again, or choose another version"
    status = here.say(_phase(here), reconciling("ArtifactMissing", message))
    return Plan(status, After(MISSING_DELAY), finalizer=here.snapshot.has_finalizer)


def artifact_changed(here: Pass) -> Plan | None:
    """What serves goes on serving; what took the approved object's place does not."""
    changed = []
    for name, model in _packages(here).items():
        entry = recorded(here.snapshot.status, model.package_arn)
        uri, etag = entry.get("uri", model.artifact), entry.get("etag", model.served_etag or model.etag)
        if (uri, etag) != (model.artifact, model.etag):
            now = f"now it is {model.artifact} with ETag {model.etag}"
            changed.append(f"{name}: {model.label} was approved as {uri} with ETag {etag}; {now}")
    if not changed:
        return None
    message = f"{'; '.join(changed)}: put the old object back, or register the new one as a version of its own and approve that"
    return Plan(here.say(_phase(here), stalled("ArtifactChanged", message)), OnEvent(), finalizer=here.snapshot.has_finalizer)


def artifacts_after(here: Pass) -> dict[str, Any]:
    """status.artifacts of a pass that makes a config: what is served now first, the oldest forgotten."""
    now = {
        model.package_arn: {"model": model.label, "packageArn": model.package_arn, "uri": model.artifact, "etag": model.etag}
        for model in _packages(here).values()
    }
    before = [item for item in here.snapshot.status.get("artifacts") or () if isinstance(item, Mapping)]
    kept = [*now.values(), *(item for item in before if item.get("packageArn") not in now)]
    return {"artifacts": kept[:ARTIFACT_LIMIT] or None}


def _packages(here: Pass) -> dict[str, Resolved]:
    """Registered models whose artifact was looked at in this pass."""
    found = {name: model for name, model in here.facts.models.items() if isinstance(model, Resolved)}
    return {name: model for name, model in found.items() if model.package_arn and model.artifact and model.looked_at}


def _phase(here: Pass) -> str:
    return "InService" if here.snapshot.status.get("lastGood") else "Pending"
