"""Notifications of every kind: what of a change of status is told to whom, and the protocol by which it is told once. Pure.

A transition is recorded in status.notifications by the very write that makes it true, the intent to send it by a write of its own before
AWS is asked, and what came of it after (docs/decisions/0014). SNS has no idempotency key: what may have been sent is not sent again.
aws/kinds/notifying.py carries it out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, get_args

from sagemaker_gitops.api.notify import EndpointTransition, Notify, PolicyTransition, RunTransition
from sagemaker_gitops.api.status import RECORD_LIMIT
from sagemaker_gitops.api.tenant import TenantSpec
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.conditions import READY, Condition, bounded, merge, moment, timestamp
from sagemaker_gitops.core.plan import After, Requeue
from sagemaker_gitops.core.resource import REVISION, Key, Snapshot
from sagemaker_gitops.core.tenancy import Bound, topic_findings

FIELD, NOTIFIED = "notifications", "Notified"
PENDING, SENDING, SENT, FAILED, UNCONFIRMED = "Pending", "Sending", "Sent", "Failed", "Unconfirmed"
UNKNOWN_AFTER = 120.0  # seconds after which a recorded intent without an outcome is nobody's any more; a call ends within 40
RETRIES = (60.0, 600.0, 3600.0, 6 * 3600.0)  # seconds between attempts that AWS refused; then it is given up
TEXT_LIMIT = 500  # characters of an error or a reason's message that status keeps
_DETAILS = ("reason", "message", "revision", "consoleUrl")

TRANSITIONS: Mapping[str, tuple[str, ...]] = {
    "TrainingRun": get_args(RunTransition),
    "ModelEndpoint": get_args(EndpointTransition),
    "MonitorPolicy": get_args(PolicyTransition),
}


@dataclass(frozen=True, slots=True)
class Occurrence:
    """A transition of one object. `identity` is what it is about (a run, a config, a check): the same is told once."""

    transition: str
    identity: str
    reason: str
    message: str
    console_url: str = ""


Occurrences = Callable[[Mapping[str, Any], Mapping[str, Any]], Iterable[Occurrence]]
"""What of a kind's transitions lies between two statuses, the first of which is not empty."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """One topic and what it is told; `path` is where that was written."""

    path: str
    topic: str
    transitions: tuple[str, ...]

    def as_status(self) -> dict[str, Any]:
        """An entry of status.effective.notify."""
        return {"snsTopicArn": self.topic, "transitions": list(self.transitions)}


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of an attempt. `certain`: AWS has surely not sent it."""

    message_id: str = ""
    error: str = ""
    certain: bool = True

    @property
    def final(self) -> bool:
        """Whether nobody may ask again: it was sent, or may have been."""
        return bool(self.message_id) or not self.certain


def subscriptions(kind: str, own: Sequence[Notify] | None, tenant: TenantSpec) -> tuple[Subscription, ...]:
    """A resource's own notify, or else the Tenant's default as far as the kind knows it."""
    given, root = (tenant.defaults.notify, "spec.defaults.notify") if own is None else (own, "spec.notify")
    known = TRANSITIONS[kind]
    found = (
        Subscription(f"{root}[{index}].snsTopicArn", item.sns_topic_arn, tuple(name for name in item.transitions if name in known))
        for index, item in enumerate(given)
    )
    return tuple(item for item in found if item.transitions)


def topics_of(wanted: Sequence[Subscription]) -> list[tuple[str, str]]:
    """For the Tenant's fence: path and ARN of every topic."""
    return [(item.path, item.topic) for item in wanted]


def permitted(wanted: Sequence[Subscription], tenant: Bound) -> tuple[Subscription, ...]:
    """Those that the fence lets through, judged again when a message is about to leave."""
    return tuple(item for item in wanted if not any(topic_findings(tenant.name, tenant.spec, topics_of([item]))))


def announced(
    snapshot: Snapshot, status: Mapping[str, Any], found: Iterable[Occurrence], wanted: Sequence[Subscription], now: datetime
) -> dict[str, Any]:
    """`status` with a Pending entry for every listed transition that is new, and the condition Notified as far as there is one."""
    record, known = record_of(snapshot.status), {entry["id"] for entry in record_of(snapshot.status)}
    fresh = []
    for occurrence in found:
        for topic in dict.fromkeys(item.topic for item in wanted if occurrence.transition in item.transitions):
            entry = _entry(snapshot, status, occurrence, topic, now)
            if entry["id"] not in known:
                known.add(entry["id"])
                fresh.append(entry)
    return with_record(snapshot, status, [*reversed(fresh), *record], now)


def with_record(snapshot: Snapshot, status: Mapping[str, Any], record: Sequence[Mapping[str, Any]], now: datetime) -> dict[str, Any]:
    """`status` with this record, within its bounds, and what the condition Notified says of it."""
    conditions = [item for item in status.get("conditions") or () if item.get("type") != NOTIFIED]
    said = _condition(record)
    if said is not None:
        merged = merge(snapshot.status.get("conditions") or (), [said], snapshot.generation, now)
        conditions = sorted([*conditions, *merged], key=lambda item: str(item["type"]))
    made = {**status, FIELD: _kept(record)} if record else {name: value for name, value in status.items() if name != FIELD}
    return {**made, "conditions": conditions} if conditions else made


def record_of(status: Mapping[str, Any]) -> list[dict[str, Any]]:
    """status.notifications, read defensively: anybody may have edited it."""
    needed = ("id", "transition", "topicArn", "state", "at")
    entries = (entry for entry in status.get(FIELD) or () if isinstance(entry, Mapping))
    return [dict(entry) for entry in entries if all(isinstance(entry.get(name), str) for name in needed)][:RECORD_LIMIT]


def unsent(status: Mapping[str, Any]) -> bool:
    """Whether a notification is not over: then a finished object has something to do, too."""
    return any(entry["state"] in (PENDING, SENDING) for entry in record_of(status))


def is_due(record: Sequence[Mapping[str, Any]], outcomes: Mapping[str, Outcome], now: datetime) -> bool:
    """Whether a step of the protocol can be made now."""
    return any(
        entry["id"] in outcomes or _expired(entry, now) if entry["state"] == SENDING else entry["state"] == PENDING and _ripe(entry, now)
        for entry in record
    )


def stepped(
    record: Sequence[Mapping[str, Any]], outcomes: Mapping[str, Outcome], topics: Iterable[str], now: datetime
) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """The record after one step, and the entry whose intent it holds now: settle what is known, then claim the oldest that is ripe. What
    this process knows to be final is not asked for again, though somebody has put an older status back.

    `topics` are those that may be told: another one is not told any more, whatever status says.
    """
    made = [_settled(dict(entry), outcomes, now) for entry in record]
    allowed = frozenset(topics)
    for entry in reversed(made):
        if entry["state"] != PENDING or not _ripe(entry, now):
            continue
        if entry["topicArn"] not in allowed:
            _close(entry, FAILED, "NotListed: notify does not name this topic any more")
            continue
        entry |= {"state": SENDING, "attempts": _attempts(entry) + 1, "attemptedAt": timestamp(now)}
        entry.pop("nextAttemptAt", None)
        return made, entry
    return made, None


def requeued(requeue: Requeue, record: Sequence[Mapping[str, Any]], now: datetime) -> Requeue:
    """`requeue`, or sooner where a notification waits."""
    waits = [wait for wait in (_wait(entry, now) for entry in record) if wait is not None]
    if not waits:
        return requeue
    return After(min(*waits, requeue.seconds) if isinstance(requeue, After) else min(waits))


def ready_of(status: Mapping[str, Any]) -> tuple[str, str]:
    """Reason and message of Ready."""
    item = condition_of(status, READY)
    return str(item.get("reason") or status.get("phase") or ""), str(item.get("message") or "")


def condition_of(status: Mapping[str, Any], type_: str) -> Mapping[str, Any]:
    found = (item for item in status.get("conditions") or () if isinstance(item, Mapping) and item.get("type") == type_)
    return next(found, {})


def notification_id(owner: Key, transition: str, identity: str, topic: str) -> str:
    return naming.content_key([str(owner), transition, identity, topic])


def _entry(snapshot: Snapshot, status: Mapping[str, Any], told: Occurrence, topic: str, now: datetime) -> dict[str, Any]:
    provenance = status.get("provenance")
    pinned = provenance.get("revision") if isinstance(provenance, Mapping) else None
    entry = {
        "id": notification_id(snapshot.key, told.transition, told.identity, topic),
        "transition": told.transition,
        "topicArn": topic,
        "state": PENDING,
        "at": timestamp(now),
        "reason": bounded(told.reason, 128),
        "message": bounded(told.message, TEXT_LIMIT),
        "revision": bounded(str(pinned or snapshot.annotations.get(REVISION, "")), 128),
        "consoleUrl": told.console_url if len(told.console_url) <= 512 else "",
    }
    return {name: value for name, value in entry.items() if value}


def _settled(entry: dict[str, Any], outcomes: Mapping[str, Outcome], now: datetime) -> dict[str, Any]:
    outcome = outcomes.get(entry["id"])
    if entry["state"] != SENDING and not (entry["state"] == PENDING and outcome is not None and outcome.final):
        return entry
    if outcome is None:
        return _close(entry, UNCONFIRMED, "the operator ended between intent and answer") if _expired(entry, now) else entry
    if outcome.message_id:
        entry["messageId"] = bounded(outcome.message_id, 64)
        return _close(entry, SENT, "")
    if not outcome.certain:
        return _close(entry, UNCONFIRMED, outcome.error)
    if _attempts(entry) > len(RETRIES):
        return _close(entry, FAILED, outcome.error)
    later = now + timedelta(seconds=RETRIES[_attempts(entry) - 1])
    return entry | {"state": PENDING, "error": bounded(outcome.error, TEXT_LIMIT), "nextAttemptAt": timestamp(later)}


def _close(entry: dict[str, Any], state: str, error: str) -> dict[str, Any]:
    """Over: what the message would have said is not kept."""
    for name in (*_DETAILS, "nextAttemptAt", "error"):
        entry.pop(name, None)
    entry |= {"state": state} | ({"error": bounded(error, TEXT_LIMIT)} if error else {})
    return entry


def _condition(record: Sequence[Mapping[str, Any]]) -> Condition | None:
    """About the newest of which something is known."""
    for entry in record:
        words = f"{entry['transition']} of {entry['at']} to {entry['topicArn']}"
        error = str(entry.get("error") or "")
        if entry["state"] == SENT:
            return Condition(NOTIFIED, "True", SENT, words)
        if entry["state"] == UNCONFIRMED:
            return Condition(NOTIFIED, "False", UNCONFIRMED, f"{words}: nobody knows whether it was sent, so it is not sent again: {error}")
        if entry["state"] == FAILED:
            return Condition(NOTIFIED, "False", "GivenUp", f"{words}: {error}")
        if error:
            return Condition(NOTIFIED, "False", "NotSent", f"{words}: {error}; the next attempt is at {entry.get('nextAttemptAt')}")
    return None


def _kept(record: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """At most RECORD_LIMIT: the oldest that is over goes first."""
    kept = [dict(entry) for entry in record]
    while len(kept) > RECORD_LIMIT:
        over = [index for index, entry in enumerate(kept) if entry["state"] not in (PENDING, SENDING)]
        kept.pop(over[-1] if over else -1)
    return kept


def _wait(entry: Mapping[str, Any], now: datetime) -> float | None:
    """Seconds until something may be done about an entry."""
    if entry["state"] == PENDING:
        at = moment(entry.get("nextAttemptAt"))
    elif entry["state"] == SENDING:
        at = (moment(entry.get("attemptedAt")) or now) + timedelta(seconds=UNKNOWN_AFTER)
    else:
        return None
    return max(0.0, (at - now).total_seconds()) if at is not None else 0.0


def _expired(entry: Mapping[str, Any], now: datetime) -> bool:
    return (moment(entry.get("attemptedAt")) or datetime.min.replace(tzinfo=now.tzinfo)) + timedelta(seconds=UNKNOWN_AFTER) <= now


def _ripe(entry: Mapping[str, Any], now: datetime) -> bool:
    at = moment(entry.get("nextAttemptAt"))
    return at is None or at <= now


def _attempts(entry: Mapping[str, Any]) -> int:
    found = entry.get("attempts")
    return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else 0
