"""What one schedule does and when: everything is drawn from its seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

HORIZON = 3.0  # seconds: a run of the small scripts takes about as long
SERVING_HORIZON = 6.0  # seconds: a creation and an update of a small endpoint
WATCHING_HORIZON = 5.0  # seconds: a few checks by the stand-in


class Trouble(StrEnum):
    """What happens to the operator, to AWS's answers, or to the object."""

    KILL = "kill -9"
    FREEZE = "SIGSTOP, then SIGCONT"
    TERMINATE = "SIGTERM"
    LOSE_TRAINING = "answer of CreateTrainingJob lost"
    LOSE_RUN = "answer of StartJobRun lost"
    BREAK_DESCRIBE = "DescribeTrainingJob fails three times"
    WIPE = "status wiped"
    EDIT = "hyperparameter edited"
    REAPPLY = "deleted and applied again"
    LOSE_ENDPOINT = "answer of CreateEndpoint lost"
    LOSE_UPDATE = "answer of UpdateEndpoint lost"
    BREAK_ENDPOINT = "DescribeEndpoint fails three times"
    SHIFT = "weights edited"
    VERSION = "another version"
    LOSE_CHECK = "answer of CreateProcessingJob lost"
    BREAK_CHECK = "DescribeProcessingJob fails three times"
    CHECK = "check-now"
    THRESHOLD = "threshold edited"


DEATHS = (Trouble.KILL, Trouble.KILL, Trouble.FREEZE, Trouble.TERMINATE)
ANYWAY = (Trouble.KILL, Trouble.FREEZE, Trouble.TERMINATE, Trouble.WIPE, Trouble.REAPPLY)
RUN = (*ANYWAY, Trouble.LOSE_TRAINING, Trouble.BREAK_DESCRIBE, Trouble.EDIT)
GLUE = (*RUN, Trouble.LOSE_RUN)
SERVING = (*ANYWAY, Trouble.LOSE_ENDPOINT, Trouble.LOSE_UPDATE, Trouble.BREAK_ENDPOINT, Trouble.SHIFT, Trouble.VERSION, Trouble.VERSION)
WATCHING = (
    *ANYWAY,
    Trouble.LOSE_CHECK,
    Trouble.BREAK_CHECK,
    Trouble.CHECK,
    Trouble.CHECK,
    Trouble.CHECK,
    Trouble.THRESHOLD,
    Trouble.VERSION,
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """Troubles by the second after the apply; `serving`: a ModelEndpoint instead of a TrainingRun; `glue` adds a prepare step; `watching`:
    a MonitorPolicy.
    """

    seed: int
    serving: bool
    glue: bool
    troubles: tuple[tuple[float, Trouble], ...]
    watching: bool = False

    def __str__(self) -> str:
        told = ", ".join(f"{moment:.1f}s {trouble}" for moment, trouble in self.troubles)
        kind = "policy" if self.watching else "endpoint" if self.serving else "glue, train" if self.glue else "train"
        return f"seed {self.seed} ({kind}): {told}"


def policy_schedule_of(seed: int) -> Schedule:
    """Two to five troubles of a MonitorPolicy; the operator dies or freezes in every one."""
    dice = random.Random(f"policy {seed}")
    chosen = [dice.choice(DEATHS)] + [dice.choice(WATCHING) for _ in range(dice.randint(1, 4))]
    troubles = tuple(sorted((dice.uniform(0, WATCHING_HORIZON), trouble) for trouble in chosen))
    return Schedule(seed, serving=False, glue=False, troubles=troubles, watching=True)


def schedule_of(seed: int) -> Schedule:
    """One to four troubles; the operator dies or freezes in every schedule. Every fourth one is about an endpoint."""
    dice = random.Random(seed)
    serving, glue = seed % 4 == 3, dice.random() < 0.5
    others = SERVING if serving else GLUE if glue else RUN
    horizon = SERVING_HORIZON if serving else HORIZON
    chosen = [dice.choice(DEATHS)] + [dice.choice(others) for _ in range(dice.randint(int(serving), 3))]
    return Schedule(seed, serving, glue, tuple(sorted((dice.uniform(0, horizon), trouble) for trouble in chosen)))
