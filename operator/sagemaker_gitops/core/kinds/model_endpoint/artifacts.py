"""Approval is of an artifact, not of a place in S3: which object a package meant when it was first served is recorded and held against.

Looked at only when a config is about to be made. Known limit: SageMaker fetches the object again for every new instance, which nobody
can check; keep versions and a deny on overwriting in the bucket. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sagemaker_gitops.api.endpoint_status import ARTIFACT_LIMIT
from sagemaker_gitops.core.conditions import reconciling, stalled
from sagemaker_gitops.core.kinds.model_endpoint.facts import Container, Resolved
from sagemaker_gitops.core.kinds.model_endpoint.situation import Pass
from sagemaker_gitops.core.plan import After, OnEvent, Plan

MISSING_DELAY = 300.0


def recorded(status: Mapping[str, Any], package_arn: str) -> dict[str, str]:
    """ETags by URI that a package meant when it was first served; empty when it never was."""
    found = [item for item in status.get("artifacts") or () if isinstance(item, Mapping) and item.get("packageArn") == package_arn]
    return {str(item.get("uri")): str(item.get("etag")) for item in found}


def artifact_missing(here: Pass) -> Plan | None:
    """An endpoint that cannot fetch its model fails after twenty minutes; this is said at once."""
    missing = [f"{name}: {link.artifact} of {_label(link)}" for name, link in _links(here) if link.etag is None]
    if not missing:
        return None
    message = f"the artifact is not there: {'; '.join(missing)}: upload it again, or choose another version"
    status = here.say(_phase(here), reconciling("ArtifactMissing", message))
    return Plan(status, After(MISSING_DELAY), finalizer=here.snapshot.has_finalizer)


def artifact_changed(here: Pass) -> Plan | None:
    """What serves goes on serving; what took the approved object's place does not."""
    changed = [f"{name}: {words}" for name, link in _links(here) if (words := _changed(here, link))] or _changed_models(here)
    if not changed:
        return None
    message = f"{'; '.join(changed)}: put the old object back, or register the new one as a version of its own and approve that"
    return Plan(here.say(_phase(here), stalled("ArtifactChanged", message)), OnEvent(), finalizer=here.snapshot.has_finalizer)


def _changed(here: Pass, link: Container) -> str:
    known, now = recorded(here.snapshot.status, link.package_arn), f"{link.artifact} with ETag {link.etag}"
    before = known.get(link.artifact or "")
    if not known or before == link.etag:
        return ""
    approved = f"{link.artifact} with ETag {before}" if before is not None else ", ".join(known)
    return f"{_label(link)} was approved as {approved}; now it is {now}"


def _changed_models(here: Pass) -> list[str]:
    """What status has forgotten, the SageMaker model remembers."""
    found = [(name, model) for name, model in here.facts.models.items() if isinstance(model, Resolved) and model.served_etag]
    return [
        f"{name}: {model.label} was approved with ETag {model.served_etag}; now it has {model.etag}"
        for name, model in found
        if model.served_etag != model.etag
    ]


def artifacts_after(here: Pass) -> dict[str, Any]:
    """status.artifacts of a pass that makes a config: what is served now first, the oldest forgotten."""
    now = {
        (link.package_arn, link.artifact): {
            "model": _label(link),
            "packageArn": link.package_arn,
            "uri": link.artifact,
            "etag": link.etag,
        }
        for _, link in _links(here)
    }
    before = [item for item in here.snapshot.status.get("artifacts") or () if isinstance(item, Mapping)]
    kept = [*now.values(), *(item for item in before if (item.get("packageArn"), item.get("uri")) not in now)]
    return {"artifacts": kept[:ARTIFACT_LIMIT] or None}


def _links(here: Pass) -> list[tuple[str, Container]]:
    """Containers of registered models whose artifact was looked at in this pass, with their variant."""
    found = [(name, model) for name, model in here.facts.models.items() if isinstance(model, Resolved)]
    return [(name, link) for name, model in found for link in model.containers if link.looked_at]


def _label(link: Container) -> str:
    """digits/7, of its ARN."""
    return link.package_arn.partition("model-package/")[2] or link.package_arn


def _phase(here: Pass) -> str:
    return "InService" if here.snapshot.status.get("lastGood") else "Pending"
