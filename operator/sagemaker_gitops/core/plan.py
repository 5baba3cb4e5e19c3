"""The answer of a kind's plan(): what to do, what to say, when to look again.

The reconciler (runtime) carries it out; nothing in here knows how.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sagemaker_gitops.core.actions import Action, creating


@dataclass(frozen=True, slots=True)
class After:
    """Look again after `seconds`, whatever happens."""

    seconds: float


@dataclass(frozen=True, slots=True)
class OnEvent:
    """An AWS event, a referenced object or the List sweep wakes this object; nothing else has to."""


@dataclass(frozen=True, slots=True)
class Done:
    """Finished: never polled. Only a change of the object wakes it."""


Requeue = After | OnEvent | Done


@dataclass(frozen=True, slots=True)
class Plan:
    """Ordered actions, the full status as it will be true once they are accepted, and what comes next.

    The status is written before the first creating action: it is the recorded intent (design.md section 3, step 5).
    `finalizer` says whether the object must keep ours; False releases it, last of all. `locked`: the status may be written only over the
    version that it was made from, because it asks for something that is done once.
    """

    status: Mapping[str, Any]
    requeue: Requeue
    actions: tuple[Action, ...] = ()
    finalizer: bool = True
    locked: bool = False

    @property
    def creates(self) -> bool:
        return creating(self.actions)
