"""An endpoint as Describe, List and the events show it: status, the fleet that serves, the deployment on its way.

State only; `deployment` and `scaling` move it. EndpointConfigName changes when an update has succeeded, not before; an update
that was rolled back leaves no other trace than that (and a FailureReason, unless an alarm did it). Events: developer guide,
"Events that Amazon SageMaker AI sends to Amazon EventBridge".
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from local_aws.hosting.fleet import Fleet
from local_aws.hosting.variant import Status, Variant
from local_aws.sagemaker.store import Summary

BUSY: Final = frozenset({"Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting"})
_WORD: Final = re.compile(r"(?<=[a-z])(?=[A-Z])")


@dataclass(slots=True)
class Pending:
    """A deployment on its way: `share` is the part of the traffic that its fleet has, `rolling` that the old one shrinks."""

    fleet: Fleet
    since: datetime
    share: float = 0.0
    rolling: bool = False

    def summary(self) -> dict[str, Any]:
        variants = [variant.summary(self.share, pending=True) for variant in self.fleet.variants.values()]
        return {"EndpointConfigName": self.fleet.config.title, "StartTime": self.since, "ProductionVariants": variants}


@dataclass(frozen=True, slots=True)
class Chosen:
    """Who answers an invocation, and the DataCaptureConfig in force for it."""

    fleet: Fleet
    variant: Variant
    capture: Mapping[str, Any] | None


class Endpoint:
    """One endpoint; `lock` guards every change, `changed` is told of status changes, `deployed` of variant changes."""

    def __init__(
        self,
        arn: str,
        request: Mapping[str, Any],
        fleet: Fleet,
        now: datetime,
        changed: Callable[[Endpoint, str], None],
    ) -> None:
        self.title: str = request["EndpointName"]
        self.name = self.title.lower()
        self.arn = arn
        self.config_name = fleet.config.title
        self.status = "Creating"
        self.failure: str | None = None
        self.created = self.modified = now
        self.live: Fleet | None = None
        self.pending: Pending | None = Pending(fleet, now)
        self.last_deployment: Mapping[str, Any] | None = request.get("DeploymentConfig")
        self.capture: Mapping[str, Any] | None = fleet.config.body.get("DataCaptureConfig")
        self.lock = threading.RLock()
        self.summaries: list[Summary] = []
        self._changed = changed
        # Reproducible: the same calls in the same order are split in the same way.
        self._random = random.Random(arn)
        self._summarise()

    @property
    def serving(self) -> Fleet | None:
        """The fleet that answers invocations; None while there is none, and once the deletion has begun."""
        return None if self.status == "Deleting" else self.live

    @property
    def asynchronous(self) -> bool:
        """Whether the fleet that serves has an AsyncInferenceConfig."""
        fleet = self.serving
        return fleet is not None and "AsyncInferenceConfig" in fleet.config.body

    def fleets(self) -> list[Fleet]:
        """What runs: the fleet that serves and the one of a deployment on its way."""
        with self.lock:
            found = (self.live, self.pending.fleet if self.pending is not None else None)
        return [fleet for fleet in found if fleet is not None]

    def become(self, status: str, now: datetime, failure: str | None = None) -> None:
        """A new status, told as an event."""
        with self.lock:
            self.status = status
            self.failure = failure
            self.modified = now
            self._summarise()
        self._changed(self, "SageMaker Endpoint State Change")

    def show(self, fleet: Fleet, status: str | None, message: Callable[[Variant], str], now: datetime) -> None:
        """A new VariantStatus (None: none) of every variant of `fleet`, told as an event."""
        with self.lock:
            for variant in fleet.variants.values():
                variant.status = None if status is None else Status(status, message(variant), now)
        self._changed(self, "SageMaker Endpoint Deployment State Change")

    def choose(self, target: str | None) -> Chosen | None:
        """Who answers the next invocation; None when nothing serves or there is no variant `target`.

        The fleet is leased: end it with `Chosen.fleet.release`, so that a fleet with requests under way is not stopped.
        """
        with self.lock:
            fleet, pending = self.serving, self.pending
            if fleet is None:
                return None
            draw, second = self._random.random(), self._random.random()
            both = [fleet]
            if pending is not None and pending.share > 0:
                both = [pending.fleet, fleet] if draw < pending.share else [fleet, pending.fleet]
            chosen = next((each for each in both if target is None or target in each.variants), None)
            if chosen is None:
                return None
            chosen.lease()
            capture = self.capture if chosen is fleet else chosen.config.body.get("DataCaptureConfig")
        variant = _weighted(list(chosen.variants.values()), second) if target is None else chosen.variants[target]
        return Chosen(chosen, variant, capture)

    def describe(self) -> dict[str, Any]:
        """The members of DescribeEndpoint."""
        with self.lock:
            answer: dict[str, Any] = {
                "EndpointName": self.title,
                "EndpointArn": self.arn,
                "EndpointConfigName": self.config_name,
                "EndpointStatus": self.status,
                "CreationTime": self.created,
                "LastModifiedTime": self.modified,
            }
            pending = self.pending
            fleet = self.live
            if fleet is not None:
                left = 1.0 - pending.share if pending is not None and pending.rolling else 1.0
                answer["ProductionVariants"] = [variant.summary(left) for variant in fleet.variants.values()]
                answer.update(_of_config(fleet.config.body, self.capture))
            optional = {
                "FailureReason": self.failure,
                "LastDeploymentConfig": self.last_deployment,
                "PendingDeploymentSummary": None if pending is None else pending.summary(),
            }
        answer.update((member, value) for member, value in optional.items() if value is not None)
        return answer

    def detail(self, tags: Mapping[str, str]) -> dict[str, Any]:
        """The detail of an event: as Describe, with the status in capitals (IN_SERVICE) and the tags."""
        described = self.describe()
        return {**described, "EndpointStatus": _WORD.sub("_", described["EndpointStatus"]).upper(), "Tags": dict(tags)}

    def _summarise(self) -> None:
        body = {
            "EndpointName": self.title,
            "EndpointArn": self.arn,
            "CreationTime": self.created,
            "LastModifiedTime": self.modified,
            "EndpointStatus": self.status,
        }
        self.summaries.append(Summary(self.title, self.created, self.modified, self.status, body))


def _of_config(config: Mapping[str, Any], capture: Mapping[str, Any] | None) -> dict[str, Any]:
    found = {name: config[name] for name in ("AsyncInferenceConfig", "MetricsConfig") if name in config}
    if capture is not None:
        enabled = capture.get("EnableCapture", True)
        found["DataCaptureConfig"] = {
            "EnableCapture": enabled,
            "CaptureStatus": "Started" if enabled else "Stopped",
            "CurrentSamplingPercentage": capture["InitialSamplingPercentage"],
            "DestinationS3Uri": capture["DestinationS3Uri"],
            "KmsKeyId": capture.get("KmsKeyId", ""),
        }
    return found


def _weighted(variants: list[Variant], draw: float) -> Variant:
    """By current weight; evenly when no variant has any."""
    weights = [variant.current.weight for variant in variants]
    total = sum(weights)
    if total <= 0:
        return variants[int(draw * len(variants))]
    point = draw * total
    for variant, weight in zip(variants, weights, strict=True):
        point -= weight
        if point < 0:
            return variant
    return next(variant for variant, weight in zip(reversed(variants), reversed(weights), strict=True) if weight > 0)
