"""What goes wrong in one run of a scenario: everything random is decided here or drawn from the schedule's seed."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from tests.simulation.gate import Fault


class Disturbance(StrEnum):
    """What somebody else does to the object between two calls of the operator."""

    WIPE_STATUS = "status-wiped"
    OLD_STATUS = "status-overwritten"
    LABEL = "foreign-label"
    STRIP_FINALIZER = "finalizer-stripped"
    PAUSE = "paused-for-a-while"
    MAINTENANCE = "maintenance-by-aws"


@dataclass(frozen=True, slots=True)
class Schedule:
    """Faults and disturbances by call number, `afterwards` one more at rest; times in virtual seconds, chances in [0, 1].

    `script_at` are the call numbers at which users act, instead of the moments that the scenario names. `operators` run at once.
    `overtaking` is the chance that a watch event comes before the answer to the write that it tells of.
    """

    seed: int = 0
    faults: Mapping[int, Fault] = field(default_factory=dict)
    disturbances: Mapping[int, Disturbance] = field(default_factory=dict)
    afterwards: Disturbance | None = None
    script_at: Sequence[int] = ()
    breaks: Sequence[tuple[float, float]] = ()
    downtime: float = 2.0
    latency: float = 0.05
    watch_lag: float = 0.0
    overtaking: float = 0.0
    duplicates: float = 0.0
    describe_lag: float = 0.0
    list_lag: float = 0.0
    events_lost: float = 0.0
    event_lag: float = 0.0
    operators: int = 1

    @property
    def loose(self) -> bool:
        """Whether users act at moments of the schedule's own choice, so that the reference has no equal."""
        return bool(self.script_at)


LAGS = (0.0, 1.0, 10.0, 50.0)
PAIRS = 0.15  # share of the schedules in which a second operator runs that should not


def random_schedule(seed: int, boundaries: int, *, scripted: int, deletes: bool) -> Schedule:
    """A schedule for a scenario whose reference passes `boundaries` and whose users act `scripted` times."""
    dice = random.Random(seed)
    horizon = max(4, round(boundaries * 1.5))
    faults = {dice.randrange(horizon): dice.choice(tuple(Fault)) for _ in range(min(8, int(dice.expovariate(0.45))))}
    kinds = [kind for kind in Disturbance if not (deletes and kind is Disturbance.STRIP_FINALIZER)]
    disturbed = {dice.randrange(horizon): dice.choice(kinds) for _ in range(dice.choice((0, 0, 0, 1, 1, 2)))}
    # Nobody can find a job whose only record is destroyed, and whose object is edited, before AWS's lists show it.
    forgotten = scripted > 0 and bool({Disturbance.WIPE_STATUS, Disturbance.OLD_STATUS} & set(disturbed.values()))
    own_moments = scripted > 0 and dice.random() < 0.5
    return Schedule(
        seed=seed,
        faults=faults,
        disturbances=disturbed,
        afterwards=dice.choice((None, None, *kinds)),
        script_at=sorted(dice.randrange(horizon) for _ in range(scripted)) if own_moments else (),
        breaks=[(dice.uniform(0, 300), dice.uniform(1, 120))] if dice.random() < 0.2 else (),
        downtime=dice.choice((0.5, 5.0, 60.0, 400.0)),
        latency=dice.choice((0.01, 0.05, 0.5, 3.0)),
        watch_lag=dice.choice((0.0, 0.1, 5.0, 60.0)),
        duplicates=dice.choice((0.0, 0.0, 0.3)),
        describe_lag=dice.choice(LAGS),
        list_lag=dice.choice(LAGS[:1] if forgotten else LAGS),
        events_lost=dice.choice((0.0, 0.0, 0.3, 1.0)),
        event_lag=dice.choice((0.1, 2.0, 60.0)),
        operators=2 if dice.random() < PAIRS else 1,
        overtaking=dice.choice((0.0, 0.5, 1.0)),
    )
