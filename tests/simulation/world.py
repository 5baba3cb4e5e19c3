"""One run of a scenario under a schedule: users, API server, AWS, watch and operator processes in virtual time.

The loop serves whatever is due next; while the operator is inside a call, the rest of the world goes on (`_pause`).
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from typing import Any

from sagemaker_gitops.core.kinds.training_run.settings import Settings
from sagemaker_gitops.core.resource import FINALIZER, PAUSE, RERUN, Key
from tests.simulation.aws import Context, FakeAws
from tests.simulation.aws_glue import Glue
from tests.simulation.aws_jobs import Jobs, Work
from tests.simulation.aws_rest import Hosting, Registry, Storage
from tests.simulation.clock import Agenda, VirtualClock
from tests.simulation.gate import Crash, Gate
from tests.simulation.kube import FakeKube
from tests.simulation.process import INSTALL, Process
from tests.simulation.scenarios import CODE, KEY, TENANT, Body, Scenario
from tests.simulation.schedule import Disturbance, Schedule

SWEEP_INTERVAL = 60.0
PAUSE_LASTS = 20.0
LONGEST_RUN = 6 * 3600.0
TERMINAL = ("Succeeded", "Failed", "GateRejected", "Stopped")


class World:
    """`violations` collects what oracles found on the way; `trace`, if given, is told everything that happens."""

    def __init__(self, scenario: Scenario, schedule: Schedule, *, strict: bool = False, trace: list[str] | None = None) -> None:
        self.scenario = scenario
        self.schedule = schedule
        self.trace = trace
        self.violations: list[str] = []
        self.clock = VirtualClock()
        self.agenda = Agenda(self.clock)
        self._dice = random.Random(schedule.seed)
        self.gate = Gate(schedule.faults, self._pause)
        self.context = Context(
            self.clock,
            self.agenda,
            self._dice,
            scenario.ending,
            self._aws_event,
            describe_lag=schedule.describe_lag,
            list_lag=schedule.list_lag,
        )
        self.context.objects["team-a-ml", "raw/data.csv"] = b"1,2\n"
        self.jobs, self.glue, self.registry = Jobs(self.context), Glue(self.context), Registry(self.context)
        services = (self.jobs, self.glue, self.registry, Storage(self.context), Hosting(self.jobs, scenario.others))
        handlers = {name: handler for service in services for name, handler in service.handlers().items()}
        self.aws = FakeAws(self.context, self.gate, handlers, strict=strict)
        self.kube = FakeKube(self.gate, self._watch_event, self._removed)
        self.process: Process | None = None
        self.incarnation = 0
        self.manifest: Body = scenario.versions[0]
        self._outcomes: Counter[str] = Counter()
        self.last_trouble = 0.0
        self._script = list(scenario.script)
        self._moments = list(schedule.script_at)
        self._replacement: Body | None = None
        self._planned = 0
        self._doomed = False
        self._blind = False
        self._sweep_due = False
        self._relist_due = False
        self._delivered = 0.0

    def run(self) -> None:
        """Until nothing is left to do, or time is up (which is a violation)."""
        for body in (TENANT, CODE, *self.scenario.others, self.manifest):
            self.kube.apply(body)
        for start, length in self.schedule.breaks:
            self.agenda.add(start, self._break_watch)
            self.agenda.add(start + length, self._mend_watch)
        self._start()
        self._come_to_rest()
        if self.schedule.afterwards is not None:
            self.last_trouble = self.clock.seconds
            self._disturb(self.schedule.afterwards)
            while self.clock.seconds < self.last_trouble + SWEEP_INTERVAL:
                self.step()
            self._come_to_rest()

    def step(self) -> None:
        """Serve what is due; let time pass if nothing is."""
        self._act()
        if self._served():
            return
        due = [at for at in (self.agenda.next_due, self.process.queue.next_due() if self.process else None) if at is not None]
        self.agenda.run_until(max(self.clock.seconds, min(due)))

    def _come_to_rest(self) -> None:
        latest = self.clock.seconds + LONGEST_RUN
        while not self.at_rest():
            if self.clock.seconds > latest:
                self.violations.append(f"O7: not at rest after {LONGEST_RUN:g} s")
                return
            self.step()

    def settled(self, body: Body) -> bool:
        """Whether the object's status tells the end of what its spec asks for."""
        status, metadata = body.get("status") or {}, body["metadata"]
        return (
            "deletionTimestamp" not in metadata
            and status.get("phase") in TERMINAL
            and status.get("observedGeneration") == metadata["generation"]
            and status.get("lastHandledRerun") == metadata["annotations"].get(RERUN)
            and not status.get("leftovers")
        )

    def at_rest(self) -> bool:
        """No user has anything left to do, nothing is under way, and every object is settled or gone."""
        if self._script or self._planned or self._replacement or self.aws.pending or self.process is None or self._blind:
            return False
        if self.process.queue.next_due() is not None or self._relist_due or self._delivered > self.clock.seconds:
            return False
        body = self.kube.objects.get(KEY)
        return self.settled(body) if body is not None else not self.scenario.remains

    def apply(self, manifest: Body) -> None:
        """A user applies a manifest."""
        self.manifest = manifest
        self.kube.apply(manifest)

    def replace(self, manifest: Body) -> None:
        """Delete now, apply as soon as the object is gone."""
        self._replacement = manifest
        self.kube.delete(KEY)

    def rebuild(self) -> None:
        """The cluster is lost and made again from its manifests, and the operator with it."""
        self.kube.rebuild()
        self._doomed = self.process is not None
        for body in (TENANT, CODE, *self.scenario.others, self.manifest):
            self.kube.apply(body)

    def works(self) -> list[Work]:
        """Every paid thing at AWS."""
        return [*self.jobs.works.values(), *(run for job in self.glue.jobs.values() for run in job.runs)]

    def tell(self, text: str) -> None:
        if self.trace is not None:
            self.trace.append(f"{self.clock.seconds:9.2f} {text}")

    def _served(self) -> bool:
        try:
            return self._serve()
        except Crash as crash:
            self.tell(f"CRASH {crash}")
            self._stop()
            return True

    def _serve(self) -> bool:
        if self._doomed:
            raise Crash("with its cluster")
        if self.process is None:
            return False
        if self._relist_due:
            self._relist_due = False
            self.process.relist()
            return True
        if self._sweep_due:
            self._sweep_due = False
            self.process.sweep()
            return True
        return self.process.work()

    def _start(self) -> None:
        self.incarnation += 1
        self.tell(f"operator {self.incarnation} starts")
        self.process = Process(self.kube, self.aws, self.clock, Settings(INSTALL), self._dice.random)
        self._relist_due = True
        self._sweep_due = False
        self._next_sweep(self.incarnation)

    def _stop(self) -> None:
        assert self.process is not None
        self._outcomes = self.outcomes_so_far()
        self.process = None
        self._doomed = False
        self.last_trouble = self.clock.seconds
        self.agenda.add(self.schedule.downtime, self._start)

    def outcomes_so_far(self) -> Counter[str]:
        """How the passes of all operator processes ended, by word."""
        return self._outcomes + (self.process.outcomes if self.process else Counter())

    def restart(self) -> None:
        """The operator is replaced by a new one without any memory."""
        self._outcomes = self.outcomes_so_far()
        self._start()

    def _next_sweep(self, incarnation: int) -> None:
        def sweep() -> None:
            if self.incarnation == incarnation and self.process is not None:
                self._sweep_due = True
                self._next_sweep(incarnation)

        self.agenda.add(SWEEP_INTERVAL, sweep)

    def _pause(self, number: int) -> None:
        """A call is under way: time passes, others act."""
        disturbance = self.schedule.disturbances.get(number)
        if number in self.schedule.faults or disturbance is not None:
            self.last_trouble = self.clock.seconds
        self.tell(f"#{number} {self.gate.labels[-1]} {self.schedule.faults.get(number, '')}".rstrip())
        self.agenda.run_until(self.clock.seconds + self.schedule.latency)
        if disturbance is not None:
            self._disturb(disturbance)
        self._act()
        if self._doomed:
            raise Crash("with its cluster")

    def _disturb(self, disturbance: Disturbance) -> None:
        self.tell(disturbance)
        body = self.kube.objects.get(KEY)
        if body is None:
            return
        match disturbance:
            case Disturbance.WIPE_STATUS:
                self.kube.edit(KEY, status={})
            case Disturbance.OLD_STATUS if self.kube.statuses:
                self.kube.edit(KEY, status=self._dice.choice(self.kube.statuses))
            case Disturbance.LABEL:
                self.kube.edit(KEY, labels={"team": str(self._dice.random())})
            case Disturbance.STRIP_FINALIZER if "deletionTimestamp" not in body["metadata"]:
                kept = [name for name in body["metadata"].get("finalizers") or () if name != FINALIZER]
                self.kube.edit(KEY, finalizers=kept)
            case Disturbance.PAUSE:
                self._pause_object(body)
            case _:
                pass

    def _pause_object(self, body: Body) -> None:
        """Somebody sets the pause annotation, and takes it away soon after."""

        def go_on() -> None:
            self._planned -= 1
            self.last_trouble = self.clock.seconds
            held = self.kube.objects.get(KEY)
            if held is not None:
                kept = {name: value for name, value in held["metadata"]["annotations"].items() if name != PAUSE}
                self.kube.edit(KEY, annotations=kept)

        self._planned += 1
        self.kube.edit(KEY, annotations={**body["metadata"]["annotations"], PAUSE: "true"})
        self.agenda.add(PAUSE_LASTS, go_on)

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
        return self.context.ledger.count(act.operation) >= act.count

    def _watch_event(self, type_: str, body: Body) -> None:
        if self.process is None or self._blind:
            return
        incarnation, event = self.incarnation, {"type": type_, "object": body}
        self._delivered = max(self._delivered, self.clock.seconds + self._dice.uniform(0.0, self.schedule.watch_lag))
        self.agenda.add(self._delivered - self.clock.seconds, lambda: self._deliver(incarnation, event))
        if self._dice.random() < self.schedule.duplicates:
            self.agenda.add(self._dice.uniform(0.0, 90.0), lambda: self._deliver(incarnation, event))

    def _deliver(self, incarnation: int, event: Mapping[str, Any]) -> None:
        if self.process is not None and incarnation == self.incarnation and not self._blind:
            self.tell(f"WATCH {event['type']} {event['object']['kind']} {event['object']['metadata']['resourceVersion']}")
            self.process.observe(event)

    def _break_watch(self) -> None:
        self._blind = True

    def _mend_watch(self) -> None:
        self._blind = False
        self._relist_due = self.process is not None
        self.last_trouble = self.clock.seconds

    def _aws_event(self, name: str, status: str) -> None:
        if self._dice.random() < self.schedule.events_lost:
            return
        for _ in range(1 + (self._dice.random() < self.schedule.duplicates)):
            self.agenda.add(self._dice.uniform(0.0, self.schedule.event_lag), lambda: self._receive(name, status))

    def _receive(self, name: str, status: str) -> None:
        """The queue keeps an event until an operator reads it."""
        if self.process is None:
            self.agenda.add(1.0, lambda: self._receive(name, status))
            return
        self.tell(f"EVENT {name} {status}")
        self.process.aws_event(name, status)

    def _removed(self, type_: str, body: Body) -> None:
        from tests.simulation.oracles import check_removal

        key = Key(body["kind"], body["metadata"].get("namespace", ""), body["metadata"]["name"])
        if key != KEY:
            return
        self.tell("object is gone")
        check_removal(self, body)
        if self._replacement is not None:
            manifest, self._replacement = self._replacement, None
            self._planned += 1
            self.agenda.add(0.5, lambda: self._reapply(manifest))

    def _reapply(self, manifest: Body) -> None:
        self._planned -= 1
        self.apply(manifest)
