"""One run of a scenario under a schedule: users, API server, AWS, watch and operator processes in virtual time.

The loop serves whatever is due next; while the operator is inside a call, the rest of the world goes on (`_pause`).
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.resource import FINALIZER, PAUSE, Key
from tests.simulation.aws import Context, FakeAws
from tests.simulation.aws_checks import Checks
from tests.simulation.aws_cloudwatch import CloudWatch
from tests.simulation.aws_glue import Glue
from tests.simulation.aws_hosting import Hosting
from tests.simulation.aws_jobs import Jobs, Work
from tests.simulation.aws_rest import Registry, Storage
from tests.simulation.aws_scaling import Scaling
from tests.simulation.aws_sns import Topics
from tests.simulation.aws_trail import Trail
from tests.simulation.clock import Agenda, VirtualClock
from tests.simulation.gate import Gate
from tests.simulation.kube import FakeKube
from tests.simulation.process import INSTALL, Process
from tests.simulation.replica import SWEEP_INTERVAL, Replica
from tests.simulation.scenario import Body, Scenario
from tests.simulation.schedule import Disturbance, Schedule

PAUSE_LASTS = 20.0
LONGEST_RUN = 6 * 3600.0


class World:
    """`violations` collects what oracles found on the way; `trace`, if given, is told everything that happens."""

    def __init__(self, scenario: Scenario, schedule: Schedule, *, strict: bool = False, trace: list[str] | None = None) -> None:
        self.scenario = scenario
        self.key = scenario.key
        self.schedule = schedule
        self.trace = trace
        self.violations: list[str] = []
        self.losses: list[float] = []
        self.asked_again = 0
        self.removed_at = math.inf
        self.clock = VirtualClock()
        self.agenda = Agenda(self.clock)
        self.dice = random.Random(schedule.seed)
        self.gate = Gate(schedule.faults, self._pause)
        self.context = Context(
            self.clock,
            self.agenda,
            self.dice,
            scenario.ending,
            self._aws_event,
            describe_lag=schedule.describe_lag,
            list_lag=schedule.list_lag,
        )
        self.context.objects["team-a-ml", "raw/data.csv"] = b"1,2\n"
        self.jobs, self.glue, self.registry, self.hosting = (
            Jobs(self.context),
            Glue(self.context),
            Registry(self.context),
            Hosting(self.context),
        )
        self.scaling, self.cloudwatch = Scaling(self.context, self.hosting), CloudWatch(self.context)
        self.checks = Checks(self.context)
        self.jobs.written = self.checks.written
        self.topics = Topics(self.context)
        services = (
            *(self.jobs, self.glue, self.registry, self.hosting),
            *(self.scaling, self.cloudwatch, self.topics, Storage(self.context), Trail(self.context, schedule.seed)),
        )
        self.aws = FakeAws(self.context, self.gate, services, partial(scenario.oracle.requested, self), strict=strict)
        self.kube = FakeKube(self.gate, self._watch_event, self._removed)
        self.replicas = [Replica(self, self._process, interleaved=schedule.operators > 1) for _ in range(schedule.operators)]
        self.manifest: Body = scenario.versions[0]
        self.last_trouble = 0.0
        self._script = list(scenario.script)
        self._moments = list(schedule.script_at)
        self._replacement: Body | None = None
        self._planned = 0
        self.blind = False

    def run(self) -> None:
        """Until nothing is left to do, or time is up (which is a violation)."""
        self.scenario.prepare(self)
        for body in (*self.scenario.others, self.manifest):
            self.kube.apply(body)
        for start, length in self.schedule.breaks:
            self.agenda.add(start, self._break_watch)
            self.agenda.add(start + length, self._mend_watch)
        for replica in self.replicas:
            replica.start()
        self._come_to_rest()
        if self.schedule.afterwards is not None:
            self.last_trouble = self.clock.seconds
            self.disturb(self.schedule.afterwards)
            while self.clock.seconds < self.last_trouble + SWEEP_INTERVAL:
                self.step()
            self._come_to_rest()

    def step(self) -> None:
        """Serve what is due; let time pass if nothing is."""
        self._act()
        turns = self.replicas if len(self.replicas) == 1 else self.dice.sample(self.replicas, len(self.replicas))
        for replica in turns:
            self._acting = replica
            if replica.serve():
                return
        due = [self.agenda.next_due, *(replica.process.next_due() for replica in self.replicas if replica.process is not None)]
        self.agenda.run_until(max(self.clock.seconds, min(at for at in due if at is not None)))

    def _come_to_rest(self) -> None:
        latest = self.clock.seconds + LONGEST_RUN
        while not self.at_rest():
            if self.clock.seconds > latest:
                self.violations.append(f"O7: not at rest after {LONGEST_RUN:g} s")
                return
            self.step()

    def at_rest(self) -> bool:
        """No user has anything left to do, nothing is under way, and every object is settled or gone."""
        if self._script or self._planned or self._replacement or self.aws.pending or self.blind:
            return False
        if self.hosting.busy or not all(replica.idle for replica in self.replicas):
            return False
        body = self.kube.objects.get(self.key)
        return self.scenario.oracle.settled(self, body) if body is not None else not self.scenario.remains

    def apply(self, manifest: Body) -> None:
        """A user applies a manifest."""
        self.manifest = manifest
        self.kube.apply(manifest)

    def replace(self, manifest: Body) -> None:
        """Delete now, apply as soon as the object is gone."""
        self._replacement = manifest
        self.kube.delete(self.key)

    def rebuild(self) -> None:
        """The cluster is lost and made again from its manifests, and the operator with it."""
        self.losses.append(self.clock.seconds)
        self.kube.rebuild()
        for replica in self.replicas:
            replica.doom()
        for body in (*self.scenario.others, self.manifest):
            self.kube.apply(body)

    def works(self) -> list[Work]:
        """Every paid thing at AWS."""
        return [*self.jobs.works.values(), *(run for job in self.glue.jobs.values() for run in job.runs)]

    def tell(self, text: str) -> None:
        if self.trace is not None:
            self.trace.append(f"{self.clock.seconds:9.2f} {text}")

    def plan(self, delay: float, action: Callable[[], None]) -> None:
        """Somebody will do this; nothing is at rest until then."""

        def act() -> None:
            self._planned -= 1
            self.last_trouble = self.clock.seconds
            action()

        self._planned += 1
        self.agenda.add(delay, act)

    def by_hand(self, operation: str, **parameters: Any) -> None:
        """Somebody calls SageMaker past the operator, again and again while AWS is busy."""
        refusal = self.aws.by_hand(operation, parameters)
        self.tell(f"BY HAND {operation} {refusal}".rstrip())
        self.last_trouble = self.clock.seconds
        if "in-progress" in refusal:
            self.plan(10.0, lambda: self.by_hand(operation, **parameters))

    def outcomes_so_far(self) -> Counter[str]:
        """How the passes of all operator processes ended, by word."""
        return sum((replica.outcomes for replica in self.replicas), Counter())

    def restart(self) -> None:
        """Every operator is replaced by a new one without any memory."""
        for replica in self.replicas:
            replica.start()

    def _process(self) -> Process:
        settings = Settings(INSTALL)
        return Process(self.kube, self.aws, self.clock, settings, self.dice.random, self.scenario.kinds or (self.key.kind,))

    def _pause(self, number: int) -> None:
        """A call is under way: time passes, others act."""
        disturbance = None if self.gate.calm else self.schedule.disturbances.get(number)
        if number in self.schedule.faults or disturbance is not None:
            self.last_trouble = self.clock.seconds
        self.tell(f"#{number} {self.gate.labels[-1]} {self.schedule.faults.get(number, '')}".rstrip())
        self.agenda.run_until(self.clock.seconds + self.schedule.latency)
        if disturbance is not None:
            self.disturb(disturbance)
        self._act()
        self._acting.check()

    def disturb(self, disturbance: Disturbance) -> None:
        """Somebody else does this to the object now."""
        self.tell(disturbance)
        if disturbance in (Disturbance.WIPE_STATUS, Disturbance.OLD_STATUS):
            self.losses.append(self.clock.seconds)
        body = self.kube.objects.get(self.key)
        if body is None:
            return
        match disturbance:
            case Disturbance.WIPE_STATUS:
                self.kube.edit(self.key, status={})
            case Disturbance.OLD_STATUS if self.key in self.kube.statuses:
                self.kube.edit(self.key, status=self.dice.choice(self.kube.statuses[self.key]))
            case Disturbance.LABEL:
                self.kube.edit(self.key, labels={"team": str(self.dice.random())})
            case Disturbance.STRIP_FINALIZER if "deletionTimestamp" not in body["metadata"]:
                kept = [name for name in body["metadata"].get("finalizers") or () if name != FINALIZER]
                self.kube.edit(self.key, finalizers=kept)
            case Disturbance.PAUSE:
                self._pause_object(body)
            case Disturbance.MAINTENANCE:
                for name in self.hosting.endpoints:
                    self.hosting.maintain(name)
            case _:
                pass

    def _pause_object(self, body: Body) -> None:
        """Somebody sets the pause annotation, and takes it away soon after."""

        def go_on() -> None:
            held = self.kube.objects.get(self.key)
            if held is not None:
                kept = {name: value for name, value in held["metadata"]["annotations"].items() if name != PAUSE}
                self.kube.edit(self.key, annotations=kept)

        self.kube.edit(self.key, annotations={**body["metadata"]["annotations"], PAUSE: "true"})
        self.plan(PAUSE_LASTS, go_on)

    def _act(self) -> None:
        """Users do what is next in the script once its moment has come."""
        while self._script and self._planned == 0 and self._is_time():
            act = self._script.pop(0)
            self._planned += 1
            delay = 0.0 if self.schedule.loose else act.after

            def perform() -> None:
                self._planned -= 1
                self.last_trouble = self.clock.seconds
                self.tell("USER acts")
                act.do(self)  # noqa: B023  (the loop waits for the act: _planned)

            if delay:
                self.agenda.add(delay, perform)
            else:
                perform()

    def _is_time(self) -> bool:
        act = self._script[0]
        if self.schedule.loose:
            index = len(self._moments) - len(self._script)
            return len(self.gate.labels) > self._moments[index] or self.clock.seconds > self.last_trouble + 1800.0
        return self.context.ledger.count(act.operation) >= act.count and act.when(self)

    def _watch_event(self, type_: str, body: Body) -> None:
        if not self.blind:
            for replica in self.replicas:
                replica.watch({"type": type_, "object": body})

    def _break_watch(self) -> None:
        self.blind = True

    def _mend_watch(self) -> None:
        self.blind = False
        self.last_trouble = self.clock.seconds
        for replica in self.replicas:
            replica.relist()

    def _aws_event(self, name: str, status: str) -> None:
        if self.dice.random() < self.schedule.events_lost:
            return
        for _ in range(1 + (self.dice.random() < self.schedule.duplicates)):
            self.agenda.add(self.dice.uniform(0.0, self.schedule.event_lag), lambda: self._receive(name, status))

    def _receive(self, name: str, status: str) -> None:
        """The queue keeps an event until an operator, any of them, reads it."""
        readers = [replica.process for replica in self.replicas if replica.process is not None]
        if not readers:
            self.agenda.add(1.0, lambda: self._receive(name, status))
            return
        self.tell(f"EVENT {name} {status}")
        reader = readers[0] if len(readers) == 1 else self.dice.choice(readers)
        reader.aws_event(name, status)

    def _removed(self, type_: str, body: Body) -> None:
        key = Key(body["kind"], body["metadata"].get("namespace", ""), body["metadata"]["name"])
        if key != self.key:
            return
        self.tell("object is gone")
        self.scenario.oracle.check_removal(self, body)
        if self._replacement is not None:
            manifest, self._replacement = self._replacement, None
            self.plan(0.5, lambda: self.apply(manifest))
