"""One place for an operator process: it starts, hears of the world late or twice, dies, and is started again.

A world has one replica, or two that were never meant to run at once (no lock keeps them apart).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from tests.simulation.gate import Crash
from tests.simulation.process import Process

if TYPE_CHECKING:
    from tests.simulation.world import World

SWEEP_INTERVAL = 60.0
DRIFT_INTERVAL = 300.0


class Replica:
    """`make` makes a process without memory; `interleaved` lets other replicas act between two of its calls."""

    def __init__(self, world: World, make: Callable[[], Process], *, interleaved: bool) -> None:
        self._world = world
        self._make = make
        self._interleaved = interleaved
        self.process: Process | None = None
        self.incarnation = 0
        self._outcomes: Counter[str] = Counter()
        self._doomed = False
        self._relist_due = False
        self._tasks: set[str] = set()
        self._delivered = 0.0

    @property
    def outcomes(self) -> Counter[str]:
        """How the passes of all its processes ended, by word."""
        return self._outcomes + (self.process.outcomes if self.process else Counter())

    @property
    def idle(self) -> bool:
        """Whether nothing is under way, due, or about to be heard."""
        if self.process is None or self._relist_due or self._delivered > self._world.clock.seconds:
            return False
        due = self.process.next_due()
        return due is None or due > self._world.clock.seconds + self._world.scenario.patience

    def start(self) -> None:
        """A process without any memory takes the place of whatever was here."""
        self._outcomes = self.outcomes
        self.incarnation += 1
        self._world.tell(f"operator {self.incarnation} starts")
        self.process = self._make()
        self._relist_due = True
        self._tasks.clear()
        self._every(SWEEP_INTERVAL, "sweep", self.incarnation)
        self._every(DRIFT_INTERVAL, "drift", self.incarnation)

    def doom(self) -> None:
        """Let the process die at its next step."""
        self._doomed = self.process is not None

    def check(self) -> None:
        """Inside a call: whether the process is still alive. Raises Crash."""
        if self._doomed:
            raise Crash("with its cluster")

    def serve(self) -> bool:
        """The next thing that is due; False if there is none."""
        try:
            return self._serve()
        except Crash as crash:
            self._world.tell(f"CRASH {crash}")
            self._stop()
            return True

    def relist(self) -> None:
        """Its watch was interrupted."""
        self._relist_due = self.process is not None

    def watch(self, event: Mapping[str, Any]) -> None:
        """A watch event on its way: late, in order, perhaps twice; or before the answer to the write that it tells of."""
        if self.process is None:
            return
        dice, schedule, now = self._world.dice, self._world.schedule, self._world.clock.seconds
        incarnation = self.incarnation
        if schedule.overtaking and self._delivered < now and dice.random() < schedule.overtaking:
            self._deliver(incarnation, event)
            return
        self._delivered = max(self._delivered, now + dice.uniform(0.0, schedule.watch_lag))
        self._world.agenda.add(self._delivered - now, lambda: self._deliver(incarnation, event))
        if dice.random() < schedule.duplicates:
            self._world.agenda.add(dice.uniform(0.0, 90.0), lambda: self._deliver(incarnation, event))

    def _serve(self) -> bool:
        self.check()
        if self.process is None:
            return False
        if self._relist_due:
            self._relist_due = False
            self.process.relist()
            return True
        if self._tasks:
            task = self._tasks.pop()
            self.process.sweep() if task == "sweep" else self.process.drift()
            return True
        return self.process.step() if self._interleaved else self.process.work()

    def _stop(self) -> None:
        self._outcomes = self.outcomes
        self.process = None
        self._doomed = False
        self._world.last_trouble = self._world.clock.seconds
        self._world.agenda.add(self._world.schedule.downtime, self.start)

    def _deliver(self, incarnation: int, event: Mapping[str, Any]) -> None:
        if self.process is not None and incarnation == self.incarnation and not self._world.blind:
            self._world.tell(f"WATCH {event['type']} {event['object']['kind']} {event['object']['metadata']['resourceVersion']}")
            self.process.observe(event)

    def _every(self, interval: float, task: str, incarnation: int) -> None:
        def due() -> None:
            if self.incarnation == incarnation and self.process is not None:
                self._tasks.add(task)
                self._every(interval, task, incarnation)

        self._world.agenda.add(interval, due)
