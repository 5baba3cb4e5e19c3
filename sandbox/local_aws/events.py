"""State changes as EventBridge events, in the order in which they happened.

Sources `aws.sagemaker` and `aws.glue`; the detail of a SageMaker event is the Describe answer with times in
milliseconds, as AWS's documentation of the events shows. The rules and queues are moto's, reached inside the
process: its PutEvents costs 11 ms of CPU an event, takes time from the wall, leaves `account` out and fails
as a whole when one target fails. The admin's faults may drop, double or delay an event, as best-effort
delivery does.
"""

from __future__ import annotations

import json
import logging
import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from local_aws.scheduling import targets
from local_aws.world import World

_log = logging.getLogger(__name__)

Event = dict[str, Any]


class Publisher:
    """Publishes on a thread of its own, so that a state change never waits for a rule's targets."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._queue: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="event-publisher", daemon=True)
        self._thread.start()

    def publish(self, source: str, detail_type: str, resources: Sequence[str], detail: Mapping[str, Any]) -> None:
        """Queue one event; the detail is serialised at once, so later changes of it do not show."""
        event = {
            "version": "0",
            "id": str(uuid4()),
            "detail-type": detail_type,
            "source": source,
            "account": self._world.account,
            "time": self._world.clock.now().astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "region": self._world.region,
            "resources": list(resources),
            "detail": json.loads(json.dumps(detail, default=_milliseconds)),
        }
        self._queue.put(event)

    def close(self) -> None:
        """Deliver what is queued, then end."""
        self._queue.put(None)
        self._thread.join()

    def _run(self) -> None:
        while (event := self._queue.get()) is not None:
            for delay in self._world.faults.event_fate():
                if delay > 0:
                    self._later(event, delay)
                else:
                    self._deliver(event)

    def _later(self, event: Event, delay: float) -> None:
        self._world.clock.call_later(delay, lambda: self._deliver(event))

    def _deliver(self, event: Event) -> None:
        for rule, target in _targets(self._world.account, self._world.region, event):
            try:
                _send(self._world, rule, target, event)
            except Exception:
                _log.exception("event %s was not delivered to %s", event["detail-type"], target["Arn"])


def _targets(account: str, region: str, event: Event) -> Iterator[tuple[Any, dict[str, Any]]]:
    """(rule, target) of every enabled rule of the default bus whose pattern matches."""
    # Imported here: moto costs a second, which a tool that only reads this module need not pay.
    from moto.events.models import events_backends

    bus = events_backends[account][region].event_buses["default"]
    for rule in list(bus.rules.values()):
        pattern: Any = rule.event_pattern
        if rule.state != "DISABLED" and pattern.get_pattern() and pattern.matches_event(event):
            yield from ((rule, target) for target in list(rule.targets))


def _send(world: World, rule: Any, target: Mapping[str, Any], event: Event) -> None:
    """Straight into a queue or to a topic; another kind of target, or one that changes its input, through moto."""
    if targets.service(target["Arn"]) in targets.SERVICES and not {"Input", "InputPath", "InputTransformer"} & target.keys():
        targets.send(world, target, json.dumps(event))
    else:
        _send_through_moto(rule, target, event)


def _send_through_moto(rule: Any, target: Mapping[str, Any], event: Event) -> None:
    """moto sends to all targets of a rule: give it a copy of the rule with this one only."""
    single = copy(rule)
    single.targets = [dict(target)]
    moment = datetime.fromisoformat(event["time"]).timestamp()
    single.send_to_targets({**event, "time": moment, "ingestion-time": moment})


def _milliseconds(value: object) -> int:
    if isinstance(value, datetime):
        return int(value.timestamp() * 1000)
    raise TypeError(f"an event's detail cannot hold {type(value).__name__}")
