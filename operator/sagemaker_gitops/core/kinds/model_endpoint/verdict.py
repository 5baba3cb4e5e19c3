"""Another config than the wanted one serves although an update was asked for: did AWS go back, or was it never asked? Pure.

Where AWS was seen to carry the update out, it went back. Where nobody saw it and the endpoint has changed all the same, CloudTrail knows.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from sagemaker_gitops.core.conditions import exact, reconciling, timestamp
from sagemaker_gitops.core.kinds.model_endpoint.facts import LiveEndpoint, Sent
from sagemaker_gitops.core.kinds.model_endpoint.serving import Serving
from sagemaker_gitops.core.kinds.model_endpoint.situation import Pass, shown
from sagemaker_gitops.core.kinds.training_run.status import moment
from sagemaker_gitops.core.plan import After, Plan

TRAIL_LAG = 900.0
"""Seconds until CloudTrail has delivered an event; "within about 5 minutes on average", which is not guaranteed (CloudTrail User Guide)."""
ASK_AGAIN = 60.0


def changed_back(update: Mapping[str, Any], live: LiveEndpoint) -> bool:
    """Whether the endpoint has changed since the update was asked for and serves what it served then.

    Where a third config serves, an earlier update has ended meanwhile, and AWS, busy with it, has refused ours.
    """
    changed = update.get("seen") not in (None, exact(live.last_modified))
    return update.get("outcome") is None and changed and update.get("replaces") in (None, live.config)


def in_doubt(update: Mapping[str, Any], live: LiveEndpoint) -> bool:
    """Whether that may be the doing of somebody else: nobody saw AWS carry the update out."""
    return changed_back(update, live) and not update.get("taken")


def went_back(here: Pass, live: LiveEndpoint, update: Mapping[str, Any]) -> bool:
    """Whether AWS took the update and went back by itself. Where CloudTrail may not be asked, that is believed: what failed once is not
    tried again, and an edit gets out of it.
    """
    if here.facts.sent is Sent.NO or not changed_back(update, live):
        return False
    return not in_doubt(update, live) or here.facts.sent in (Sent.YES, Sent.CLOSED)


def undecided(here: Pass, serving: Serving, live: LiveEndpoint, update: Mapping[str, Any]) -> Plan | None:
    """Waits for as long as the call, or CloudTrail's word of it, may still be on its way; after that AWS was never asked."""
    asked = moment(update.get("attemptedAt"))
    if here.facts.sent is not Sent.SILENT or asked is None:
        return None
    known_at = asked + timedelta(seconds=here.settings.create_quarantine + TRAIL_LAG)
    left = (known_at - here.now).total_seconds()
    if left <= 0:
        return None
    message = (
        f"{serving.config_name} was asked for while nobody looked, and {live.config} serves, changed since: whether AWS went back or was"
        f" never asked is known from CloudTrail, at {timestamp(known_at)} at the latest"
    )
    return Plan(here.say("Updating", reconciling("Updating", message), **shown(serving, live)), After(min(ASK_AGAIN, left)))
