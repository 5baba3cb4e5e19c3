"""A reconciler on fakes, for the tests of its passes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from runtime_fakes import RUN, Enqueued, FakeKind, FakeKube, HandClock, Recorded, run_virtual

from sagemaker_gitops.core.actions import Action
from sagemaker_gitops.core.errors import AwsFailure, Category
from sagemaker_gitops.core.plan import OnEvent, Plan
from sagemaker_gitops.core.resource import Snapshot
from sagemaker_gitops.runtime.reconciler import Reconciler
from sagemaker_gitops.runtime.store import Store

STATUS = {"phase": "Training", "observedGeneration": 1}


class Bench:
    """A reconciler on fakes, with one object in the store and on the API server."""

    def __init__(self, item: Snapshot | None = None, **kind: Any) -> None:
        self.store = Store({})
        self.kube = FakeKube()
        self.kind = FakeKind(**kind)
        self.enqueued = Enqueued()
        self.recorded = Recorded()
        self.clock = HandClock()
        if item is not None:
            self.store.put(self.kube.apply(item))
        self.reconciler = Reconciler(
            {"TrainingRun": self.kind}, self.store, self.kube, self.clock, self.enqueued, self.recorded, fraction=lambda: 0.5
        )

    def run(self) -> str:
        """One pass; answers how it ended."""
        run_virtual(lambda loop: self.reconciler.reconcile(RUN))
        return self.recorded.outcomes[-1] if self.recorded.outcomes else ""

    @property
    def status(self) -> Any:
        return self.kube.objects[RUN].status

    def condition(self, type_: str) -> dict[str, Any]:
        found: dict[str, Any] = next(item for item in self.status["conditions"] if item["type"] == type_)
        return found


def planning(*actions: Action, status: dict[str, Any] | None = None, **fields: Any) -> Callable[[Snapshot], Plan]:
    wanted = STATUS if status is None else status
    return lambda item: Plan(**{"status": wanted, "requeue": OnEvent(), "actions": actions, **fields})


def failure(category: Category = Category.THROTTLED, code: str = "ThrottlingException") -> AwsFailure:
    return AwsFailure(category, service="sagemaker", operation="CreateTrainingJob", code=code, message="Rate exceeded", request_id="r-1")
