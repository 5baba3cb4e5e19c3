"""The guard against mass deletion, through the real reconciler and store: what is deleted, what is held, and who lets it go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from runtime_fakes import START, Enqueued, FakeKube, HandClock, Recorded, event, run_virtual, snapshot

from sagemaker_gitops.aws.kinds.deleting import Deleting, deleting
from sagemaker_gitops.aws.kinds.guarding import Guard, Guarding
from sagemaker_gitops.core.actions import Action, AwsRequest, Outcome
from sagemaker_gitops.core.conditions import reconciling, replace_summary, timestamp
from sagemaker_gitops.core.errors import InvalidResource
from sagemaker_gitops.core.mass_deletion import Limit, is_crowded
from sagemaker_gitops.core.plan import After, Done, Plan
from sagemaker_gitops.core.resource import FINALIZER, PAUSE, RECONCILE_REQUESTED_AT, RELEASE, Key, Snapshot
from sagemaker_gitops.runtime.reconciler import Reconciler
from sagemaker_gitops.runtime.store import Store
from sagemaker_gitops.wiring import AT_STAKE

KINDS = ("TrainingRun", "ModelEndpoint", "MonitorPolicy")
LIMIT = Limit(3, timedelta(minutes=10))
BUSY: Mapping[str, Any] = {"steps": [{"name": "train", "type": "TrainingJob", "awsName": "j", "state": "InProgress"}]}
ENDED: Mapping[str, Any] = {"steps": [{"name": "train", "type": "TrainingJob", "awsName": "j", "state": "Succeeded"}]}


class Crash(BaseException):
    """The process ends here."""


@dataclass
class Aws:
    """What was deleted, by object; `crash` ends the process before or after the next deletion."""

    deleted: list[Key] = field(default_factory=list)
    looked: int = 0
    crash: str = ""

    def delete(self, key: Key) -> None:
        if self.crash == "before":
            raise Crash
        if key not in self.deleted:
            self.deleted.append(key)
        if self.crash == "after":
            raise Crash


@dataclass
class Thing:
    """A kind with one thing at AWS: deleted by the first pass that may, believed to be gone by the next."""

    name: str
    aws: Aws
    during: Callable[[], None] = lambda: None

    def parse(self, item: Snapshot) -> Deleting:
        return deleting(item)

    def invalid(self, item: Snapshot, error: InvalidResource, now: datetime) -> Plan:
        raise AssertionError("what is deleted is not parsed")

    def forget(self, key: Key) -> None:
        """Nothing is kept."""

    async def observe(self, item: Snapshot, resource: Deleting, now: datetime) -> None:
        self.aws.looked += 1
        self.during()

    def plan(self, item: Snapshot, resource: Deleting, facts: None, now: datetime) -> Plan:
        retains = (resource.policy or ("Retain" if self.name == "ModelEndpoint" else "Delete")) == "Retain"
        if retains or not item.has_finalizer or item.key in self.aws.deleted or item.status.get("steps") == ENDED["steps"]:
            return Plan(item.status, Done(), finalizer=False)
        status = {**replace_summary(item.status, reconciling("Deleting"), item.generation, now), "phase": "Deleting"}
        return Plan(status, After(30.0), (AwsRequest("sagemaker", "DeleteThing", item.key.name, {}),))

    async def execute(self, item: Snapshot, resource: Deleting, action: Action) -> Outcome:
        self.aws.delete(item.key)
        return Outcome.DONE


@dataclass
class World:
    """Objects of every kind in a cluster, and the processes that look after them one after another."""

    limit: Limit = LIMIT
    kube: FakeKube = field(default_factory=FakeKube)
    clock: HandClock = field(default_factory=HandClock)
    aws: Aws = field(default_factory=Aws)

    def __post_init__(self) -> None:
        self.start()

    def start(self, limit: Limit | None = None) -> None:
        """Another process: what it knows is what a list of the API server says."""
        self.limit = limit or self.limit
        self.aws.crash = ""
        self.store, self.queue = Store({}), Enqueued()
        self.guard = Guard(self.store, AT_STAKE, self.limit)
        self.things = {name: Thing(name, self.aws) for name in KINDS}
        kinds = {name: Guarding(thing, self.guard) for name, thing in self.things.items()}
        self.reconciler = Reconciler(kinds, self.store, self.kube, self.clock, self.queue, Recorded())
        for key in sorted(self.kube.objects):
            self.observe(key, None)

    def observe(self, key: Key, type_: str | None = "MODIFIED") -> None:
        for concerned in self.store.observe_event(event(self.kube.objects[key], type_)):
            self.queue(concerned)

    def add(self, count: int, kind: str = "TrainingRun", namespace: str = "team-a", policy: str = "", **changes: Any) -> list[Key]:
        keys = [Key(kind, namespace, f"{kind[0].lower()}{number:02}") for number in range(count)]
        spec = {"deletionPolicy": policy} if policy else {}
        values: dict[str, Any] = {"finalizers": (FINALIZER,), "status": BUSY, "spec": spec} | changes
        for key in keys:
            self.kube.apply(snapshot(key, uid=f"u-{key}", **values))
        return keys

    def delete(self, *keys: Key, seen: bool = True) -> None:
        for key in keys:
            self.kube.edit(key, deleting=True, deleted_at=self.clock.now().replace(microsecond=0))
            if seen:
                self.observe(key)

    def agree(self, *keys: Key, after: float = 0.0) -> None:
        asked = timestamp(self.clock.now() + timedelta(seconds=after))
        for key in keys:
            self.kube.edit(key, annotations={RECONCILE_REQUESTED_AT: asked})
            self.observe(key)

    def rest(self, longest: float = 40.0) -> None:
        """Passes until none is due within `longest` seconds."""
        while self.queue.calls:
            key, delay, _ = min(self.queue.calls, key=lambda call: (call[1], call[0]))
            if delay > longest:
                return
            self.queue.calls = [(other, max(0.0, left - delay), why) for other, left, why in self.queue.calls if other != key]
            self.clock.advance(delay)
            run_virtual(lambda loop, key=key: self.reconciler.reconcile(key))  # type: ignore[misc]

    def held(self) -> list[Key]:
        return sorted(key for key, item in self.kube.objects.items() if _condition(item, "DeletionHeld"))


def _condition(item: Snapshot, type_: str) -> Mapping[str, Any]:
    return next((found for found in item.status.get("conditions") or () if found["type"] == type_), {})


@pytest.mark.parametrize("kind", KINDS)
def test_as_many_as_the_limit_are_deleted(kind: str) -> None:
    world = World()
    world.delete(*world.add(3, kind, policy="Delete"))
    world.rest()
    assert (len(world.aws.deleted), world.kube.objects, world.guard.waiting) == (3, {}, set())


@pytest.mark.parametrize("kind", KINDS)
def test_one_more_than_the_limit_holds_all_of_them_and_asks_aws_nothing(kind: str) -> None:
    world = World()
    keys = world.add(4, kind, policy="Delete")
    world.delete(*keys)
    world.rest()
    assert (world.aws.deleted, world.aws.looked, world.held()) == ([], 0, keys)
    item = world.kube.objects[keys[0]]
    assert (_condition(item, "Ready")["status"], _condition(item, "Stalled")["reason"]) == ("False", "DeletionsHeld")
    assert "more than 3 objects" in _condition(item, "Stalled")["message"]
    assert "within 10 minutes" in _condition(item, "Stalled")["message"]
    assert world.kube.events == [("Warning", "DeletionsHeld")] * 4
    assert (world.guard.waiting, world.queue.calls) == (set(keys), [])


def test_fifty_deletions_one_after_the_other_delete_no_more_than_the_limit() -> None:
    """S10: what is deleted before the guard closes is within the limit, though it is gone from the cluster by then."""
    world = World()
    for key in world.add(50):
        world.clock.advance(2)
        world.delete(key)
        world.rest()
    assert len(world.aws.deleted) == 3
    assert len(world.held()) == 47


def test_kinds_and_namespaces_are_counted_together() -> None:
    world = World()
    world.delete(*world.add(2), *world.add(1, "ModelEndpoint", "team-b", "Delete"), *world.add(1, "MonitorPolicy", "team-c"))
    world.rest()
    assert (world.aws.deleted, len(world.held())) == ([], 4)


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("TrainingRun", {"policy": "Retain"}),
        ("ModelEndpoint", {}),
        ("ModelEndpoint", {"spec": {"deletionPolicy": "delete"}}),
        ("MonitorPolicy", {"policy": "Retain"}),
        ("TrainingRun", {"status": ENDED}),
        ("TrainingRun", {"finalizers": ("somebody/else",)}),
    ],
)
def test_what_loses_nothing_at_aws_is_neither_counted_nor_held(kind: str, changes: dict[str, Any]) -> None:
    world = World()
    many = world.add(9, kind, "team-b", **changes)
    few = world.add(3)
    world.delete(*many, *few)
    world.rest()
    assert world.aws.deleted == few
    assert world.held() == []
    assert not any(FINALIZER in item.finalizers for item in world.kube.objects.values())


def test_deletions_far_from_each_other_pass() -> None:
    world = World()
    keys = world.add(12)
    for number in range(0, 12, 3):
        world.delete(*keys[number : number + 3])
        world.rest()
        world.clock.advance(601)
    assert world.aws.deleted == keys


def test_a_deletion_ten_minutes_after_the_held_ones_passes() -> None:
    world = World()
    keys = world.add(5)
    world.delete(*keys[:4])
    world.rest()
    world.clock.advance(601)
    world.delete(keys[4])
    world.rest()
    assert (world.aws.deleted, world.held()) == (keys[4:], keys[:4])


@pytest.mark.parametrize("seen", [True, False])
def test_a_restart_lets_nothing_go(seen: bool) -> None:
    """Whether the operator was there when they were deleted, or comes back an hour later."""
    world = World()
    keys = world.add(6)
    world.delete(*keys, seen=seen)
    if seen:
        world.rest()
    for _ in range(3):
        world.clock.advance(3600)
        world.start()
        world.rest()
    assert (world.aws.deleted, world.held()) == ([], keys)
    assert len(world.kube.events) == 6


@pytest.mark.parametrize("crash", ["before", "after"])
def test_a_crash_at_a_deletion_resets_nothing(crash: str) -> None:
    world = World()
    keys = world.add(9)
    world.delete(*keys[:3])
    world.aws.crash = crash
    with pytest.raises(Crash):
        world.rest()
    world.delete(*keys[3:], seen=False)
    world.start()
    world.rest()
    assert len(world.aws.deleted) <= 1
    assert world.held() == keys


def test_what_was_held_stays_held_when_others_are_let_go() -> None:
    """Few are left then, but nobody agreed to those; also for the next process."""
    world = World()
    keys = world.add(6)
    world.delete(*keys)
    world.rest()
    world.agree(*keys[:4])
    world.rest()
    for _ in range(2):
        assert (world.aws.deleted, world.held()) == (keys[:4], keys[4:])
        world.start()
        world.rest()


def test_somebody_agrees_and_says_so_by_name() -> None:
    world = World()
    keys = world.add(4)
    world.delete(*keys)
    world.rest()
    world.clock.advance(60)
    world.agree(keys[1])
    world.rest(longest=0.0)
    item = world.kube.objects[keys[1]]
    assert (_condition(item, "DeletionHeld"), _condition(item, "Stalled")) == ({}, {})
    world.rest()
    assert (world.aws.deleted, keys[1] in world.kube.objects) == ([keys[1]], False)


def test_what_somebody_agreed_to_is_not_counted() -> None:
    world = World()
    keys = world.add(7)
    world.delete(*keys[:4])
    world.rest()
    world.agree(*keys[:4])
    world.rest()
    world.delete(*keys[4:])
    world.rest()
    assert world.aws.deleted == keys


def test_what_somebody_agreed_to_is_not_counted_while_it_goes_either() -> None:
    world = World()
    agreed, others = world.add(4), world.add(3, "MonitorPolicy")
    world.delete(*agreed)
    world.rest()
    world.agree(*agreed)
    world.delete(*others)
    world.rest()
    assert (sorted(world.aws.deleted), world.held()) == (sorted(agreed + others), [])


@pytest.mark.parametrize("after", [-3600.0, 3600.0])
def test_a_request_from_before_the_deletion_or_from_the_future_agrees_to_nothing(after: float) -> None:
    world = World()
    keys = world.add(4)
    world.delete(*keys)
    world.agree(*keys, after=after)
    world.rest()
    assert (world.aws.deleted, world.held()) == ([], keys)


def test_the_guard_can_be_turned_off() -> None:
    world = World()
    keys = world.add(6)
    world.delete(*keys)
    world.rest()
    world.start(Limit(0))
    world.rest()
    assert (world.aws.deleted, world.kube.objects) == (keys, {})


def test_more_deletions_while_aws_is_asked_are_noticed() -> None:
    world = World()
    first, *others = world.add(4)
    world.things["TrainingRun"].during = lambda: world.delete(*others)
    world.delete(first)
    run_virtual(lambda loop: world.reconciler.reconcile(first))
    assert (world.aws.deleted, world.aws.looked, world.held()) == ([], 1, [first])


def test_a_run_that_status_calls_finished_is_held_if_something_of_it_is_found() -> None:
    world = World()
    (odd,) = world.add(1, namespace="team-b", status={"steps": [{"name": "gate", "state": "Succeeded"}]})
    world.delete(odd)
    world.clock.advance(60)
    world.delete(*world.add(4))
    world.rest()
    assert odd in world.held()
    assert world.aws.deleted == []


def test_a_pause_does_not_forget_what_was_held() -> None:
    world = World()
    keys = world.add(4)
    world.delete(*keys)
    world.rest()
    for asked in ({PAUSE: "true"}, {}):
        world.kube.edit(keys[0], annotations=asked)
        for key in keys[1:]:
            world.kube.objects.pop(key, None)
        world.start()
        world.rest()
    assert (world.aws.deleted, world.held()) == ([], keys[:1])


def test_the_way_out_that_leaves_aws_alone_is_open() -> None:
    world = World()
    keys = world.add(4)
    world.delete(*keys)
    world.rest()
    for key in keys:
        world.kube.edit(key, annotations={RELEASE: "true"})
        world.observe(key)
    world.rest()
    assert (world.aws.deleted, world.kube.objects, world.guard.waiting) == ([], {}, set())


@pytest.mark.parametrize(
    ("minutes", "at", "crowded"),
    [
        ([0, 0, 0], 0, False),
        ([0, 0, 0, 0], 0, True),
        ([0, 4, 8, 10], 10, True),
        ([0, 4, 8, 10], 0, True),
        ([0, 4, 8, 11], 11, False),
        ([0, 4, 8, 11, 12], 11, True),
        ([0, 4, 8, 11, 12], 0, False),
        ([0, 1, 2, 3, 12], 12, False),
        ([0, 1, 10, 19, 20], 10, False),
    ],
)
def test_a_crowd_is_more_than_the_limit_in_any_ten_minutes_around(minutes: list[int], at: int, crowded: bool) -> None:
    moments = [START + timedelta(minutes=minute) for minute in minutes]
    assert is_crowded(START + timedelta(minutes=at), reversed(moments), LIMIT) is crowded
    assert not is_crowded(START + timedelta(minutes=at), moments, Limit(0))
