"""What one schedule does and when: everything is drawn from its seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum

HORIZON = 3.0  # seconds: a run of the small scripts takes about as long


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


@dataclass(frozen=True, slots=True)
class Schedule:
    """Troubles by the second after the apply; `glue` adds a prepare step."""

    seed: int
    glue: bool
    troubles: tuple[tuple[float, Trouble], ...]

    def __str__(self) -> str:
        told = ", ".join(f"{moment:.1f}s {trouble}" for moment, trouble in self.troubles)
        return f"seed {self.seed} ({'glue, ' if self.glue else ''}train): {told}"


def schedule_of(seed: int) -> Schedule:
    """One to four troubles; the operator dies or freezes in every schedule."""
    dice = random.Random(seed)
    glue = dice.random() < 0.5
    deaths = (Trouble.KILL, Trouble.KILL, Trouble.FREEZE, Trouble.TERMINATE)
    others = [trouble for trouble in Trouble if glue or trouble is not Trouble.LOSE_RUN]
    chosen = [dice.choice(deaths)] + [dice.choice(others) for _ in range(dice.randint(0, 3))]
    return Schedule(seed, glue, tuple(sorted((dice.uniform(0, HORIZON), trouble) for trouble in chosen)))
