"""runtime.queue: unique keys, lowest delay, highest priority, one worker per key, fair turns."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from runtime_fakes import HandClock

from sagemaker_gitops.core.resource import Key
from sagemaker_gitops.runtime.queue import SLACK, KeyedQueue, Priority


def key(name: str, namespace: str = "team-a") -> Key:
    return Key("TrainingRun", namespace, name)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def queue(clock: HandClock) -> KeyedQueue:
    return KeyedQueue(clock.monotonic)


def drained(queue: KeyedQueue) -> list[str]:
    """Names in the order in which they are handed out; each is done at once."""
    names = []
    while (found := queue.pop()) is not None:
        names.append(found.name)
        queue.done(found)
    return names


def test_a_key_added_twice_is_handed_out_once(queue: KeyedQueue) -> None:
    """Duplicate wishes become one pass."""
    queue.add(key("a"))
    queue.add(key("a"))
    assert drained(queue) == ["a"]


def test_a_delayed_key_is_not_handed_out_early(queue: KeyedQueue, clock: HandClock) -> None:
    """A key with a delay is due exactly then."""
    queue.add(key("a"), delay=10)
    assert queue.pop() is None
    assert queue.next_due() == clock.monotonic() + 10
    clock.advance(10)
    assert queue.pop() == key("a")


def test_the_lowest_delay_wins_in_either_order(queue: KeyedQueue, clock: HandClock) -> None:
    """A shorter delay pulls a key forward, a longer one does not push it back."""
    queue.add(key("a"), delay=60)
    queue.add(key("a"), delay=5)
    queue.add(key("a"), delay=30)
    clock.advance(5)
    assert drained(queue) == ["a"]
    clock.advance(100)
    assert drained(queue) == []


def test_user_edits_go_before_events_before_sweeps_before_restarts(queue: KeyedQueue) -> None:
    """What is due is served by priority."""
    for priority in (Priority.RESTART, Priority.AWS_EVENT, Priority.SWEEP, Priority.USER_EDIT):
        queue.add(key(priority.name), priority=priority)
    assert drained(queue) == ["USER_EDIT", "AWS_EVENT", "SWEEP", "RESTART"]


def test_the_highest_priority_wins(queue: KeyedQueue) -> None:
    """A key keeps the highest priority that it was added with, also with an equal or longer delay."""
    queue.add(key("a"), priority=Priority.SWEEP)
    queue.add(key("b"), priority=Priority.RESTART)
    queue.add(key("b"), delay=5, priority=Priority.USER_EDIT)
    assert drained(queue) == ["b", "a"]


def test_a_key_being_worked_on_is_not_handed_out_again(queue: KeyedQueue) -> None:
    """Two workers never have the same key; the second wish waits for the first pass to end."""
    queue.add(key("a"))
    assert queue.pop() == key("a")
    queue.add(key("a"), delay=0, priority=Priority.USER_EDIT)
    assert queue.pop() is None
    queue.done(key("a"))
    assert queue.pop() == key("a")


def test_wishes_during_a_pass_are_merged(queue: KeyedQueue, clock: HandClock) -> None:
    """Several wishes while a key is worked on become one, at the earliest of their times."""
    queue.add(key("a"))
    queue.pop()
    queue.add(key("a"), delay=60)
    queue.add(key("a"), delay=3)
    queue.done(key("a"))
    clock.advance(3)
    assert drained(queue) == ["a"]
    assert queue.scheduled == 0


def test_namespaces_take_turns(queue: KeyedQueue) -> None:
    """A burst of one namespace does not delay the single object of another."""
    for number in range(100):
        queue.add(key(f"burst-{number}", "team-a"))
    queue.add(key("single", "team-b"))
    assert "single" in drained(queue)[:2]


def test_a_namespace_cannot_occupy_every_worker(clock: HandClock) -> None:
    """With namespace_limit 2 the third pass of a namespace waits, another namespace does not."""
    queue = KeyedQueue(clock.monotonic, namespace_limit=2)
    for number in range(3):
        queue.add(key(f"hung-{number}", "team-a"))
    first, second = queue.pop(), queue.pop()
    assert first is not None
    assert second is not None
    assert queue.pop() is None
    queue.add(key("b", "team-b"))
    assert queue.pop() == key("b", "team-b")
    queue.done(first)
    assert queue.pop() == key("hung-2", "team-a")


def test_depth_and_oldest_count_only_what_is_due(queue: KeyedQueue, clock: HandClock) -> None:
    """The gauges tell a backlog from mere waiting."""
    queue.add(key("later"), delay=100)
    assert (queue.depth, queue.oldest) == (0, 0.0)
    queue.add(key("now"))
    clock.advance(7)
    assert (queue.depth, queue.oldest, queue.scheduled) == (1, 7.0, 2)


def test_overtaken_delays_hold_no_memory(queue: KeyedQueue, clock: HandClock) -> None:
    """An object that is pulled forward again and again leaves nothing behind (failure-modes.md G9)."""
    for number in range(10_000):
        queue.add(key("a"), delay=100_000 - number)
    assert len(queue._waiting) <= SLACK + 2
    clock.advance(90_001)
    assert drained(queue) == ["a"]


def test_a_negative_delay_is_now(queue: KeyedQueue) -> None:
    """A moment that has passed does not make a key look overdue."""
    queue.add(key("a"), delay=-100)
    assert queue.oldest == 0.0


def test_what_is_due_is_due_now(queue: KeyedQueue, clock: HandClock) -> None:
    """A key that nobody has taken yet needs no timer."""
    queue.add(key("later"), delay=10)
    queue.add(key("a"))
    assert queue.next_due() == clock.monotonic()


def test_an_overtaken_delay_sets_no_timer(queue: KeyedQueue) -> None:
    """A key that was pulled forward and served is not waited for."""
    queue.add(key("a"), delay=5)
    queue.add(key("a"))
    assert drained(queue) == ["a"]
    assert queue.next_due() is None


def test_an_overtaken_delay_does_not_hurry_a_later_wish(queue: KeyedQueue, clock: HandClock) -> None:
    """A back-off of a hundred seconds is not cut short by a wish from before the pass."""
    queue.add(key("a"), delay=5)
    queue.add(key("a"))
    assert queue.pop() == key("a")
    queue.add(key("a"), delay=100)
    queue.done(key("a"))
    clock.advance(99)
    assert queue.pop() is None
    clock.advance(1)
    assert queue.pop() == key("a")


def test_an_edit_during_a_pass_keeps_its_priority(queue: KeyedQueue) -> None:
    """A sweep that comes after the edit does not push it behind the events of others."""
    queue.add(key("a"))
    queue.pop()
    queue.add(key("a"), priority=Priority.USER_EDIT)
    queue.add(key("a"), priority=Priority.SWEEP)
    queue.add(key("b"), priority=Priority.AWS_EVENT)
    queue.done(key("a"))
    assert drained(queue) == ["a", "b"]


def test_a_namespace_without_work_holds_no_memory(queue: KeyedQueue) -> None:
    """Namespaces come and go; only their place in the turns is remembered (failure-modes.md G9)."""
    for number in range(50):
        queue.add(key("a", f"team-{number}"))
    assert len(drained(queue)) == 50
    assert queue.next_due() is None
    assert (queue._ready, queue._active_by_namespace, queue._active) == ({}, {}, {})


KEYS = st.builds(Key, st.just("TrainingRun"), st.sampled_from(["team-a", "team-b"]), st.sampled_from("abcd"))


class QueueMachine(RuleBasedStateMachine):
    """The queue against the plainest model of its promises."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = HandClock()
        self.queue = KeyedQueue(self.clock.monotonic, namespace_limit=2)
        self.due: dict[Key, tuple[float, Priority]] = {}
        self.again: dict[Key, tuple[float, Priority]] = {}
        self.active: set[Key] = set()

    @rule(key=KEYS, delay=st.sampled_from([0.0, 1.0, 5.0]), priority=st.sampled_from(Priority))
    def add(self, key: Key, delay: float, priority: Priority) -> None:
        wishes = self.again if key in self.active else self.due
        due, before = wishes.get(key, (float("inf"), Priority.RESTART))
        wishes[key] = (min(due, self.clock.monotonic() + delay), max(before, priority))
        self.queue.add(key, delay=delay, priority=priority)

    @rule(seconds=st.sampled_from([0.5, 1.0, 5.0]))
    def advance(self, seconds: float) -> None:
        self.clock.advance(seconds)

    @rule()
    def pop(self) -> None:
        busy = [key.namespace for key in self.active]
        ready = {
            key: priority for key, (due, priority) in self.due.items() if due <= self.clock.monotonic() and busy.count(key.namespace) < 2
        }
        found = self.queue.pop()
        assert (found is None) == (not ready)
        if found is not None:
            assert ready[found] == max(ready.values())
            del self.due[found]
            self.active.add(found)

    @precondition(lambda self: self.active)
    @rule(data=st.data())
    def done(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(sorted(self.active)))
        self.active.discard(key)
        if key in self.again:
            self.due[key] = self.again.pop(key)
        self.queue.done(key)

    @invariant()
    def counts_agree(self) -> None:
        now = self.clock.monotonic()
        assert self.queue.scheduled == len(self.due)
        assert self.queue.active == len(self.active)
        assert self.queue.depth == sum(due <= now for due, _ in self.due.values())

    @invariant()
    def nothing_due_is_slept_over(self) -> None:
        waiting = [due for due, _ in self.due.values() if due > self.clock.monotonic()]
        wake = self.queue.next_due()
        if waiting:
            assert wake is not None
            assert wake <= min(waiting)


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


@given(st.lists(st.tuples(KEYS, st.integers(0, 20)), max_size=60))
def test_everything_added_is_handed_out_exactly_once(wishes: list[tuple[Key, int]]) -> None:
    """Nothing is lost and nothing is doubled, in whatever order it was added."""
    clock = HandClock()
    queue = KeyedQueue(clock.monotonic)
    for wish, delay in wishes:
        queue.add(wish, delay=delay)
    clock.advance(20)
    found = []
    while (popped := queue.pop()) is not None:
        found.append(popped)
        queue.done(popped)
    assert sorted(found) == sorted({wish for wish, _ in wishes})
