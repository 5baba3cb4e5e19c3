"""Which baseline a policy's checks are compared with: that of each model version, or the one that was used last. Pure.

A pinned baseline stands in status.baseline; a status that was lost finds it again in the job of the newest check (monitor_sights.py).
"""

from __future__ import annotations

from sagemaker_gitops.core import tenancy
from sagemaker_gitops.core.kinds.monitor_policy.facts import Planned
from sagemaker_gitops.core.kinds.monitor_policy.situation import Pass

PATH = "spec.baseline"


def is_pinned(here: Pass) -> bool:
    """Whether a newer model is compared with what an earlier one was compared with."""
    baseline = here.spec.baseline
    return baseline is not None and baseline.training_run_ref is not None and baseline.refresh_on_new_model is False


def recorded_baseline(here: Pass) -> str:
    """What status says was used last; empty where it says nothing that may be read: anybody may have edited it."""
    found = here.snapshot.status.get("baseline")
    return found if isinstance(found, str) and found.startswith("s3://") and not forbidden(here, found) else ""


def forbidden(here: Pass, uri: str) -> str:
    """Why the Tenant does not let a baseline that the spec does not name be read; empty when it does."""
    findings = [*tenancy.outside_prefixes(here.bound.name, [(PATH, uri)], here.bound.spec.allow.s3_prefixes)]
    return "; ".join(map(str, findings))


def used_baseline(here: Pass, planned: Planned) -> str | None:
    """status.baseline with the check that is planned."""
    baseline, place = here.spec.baseline, planned.sight.baseline
    return place.uri if baseline is not None and baseline.training_run_ref is not None and place is not None else None
