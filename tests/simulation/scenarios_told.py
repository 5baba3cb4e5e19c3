"""TrainingRuns whose ends are told by SNS, and what has to be true of the messages whatever goes wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sagemaker_gitops.core.notifications import FAILED, SENT, UNCONFIRMED, record_of
from sagemaker_gitops.core.resource import Key
from tests.simulation.gate import Fault
from tests.simulation.oracles_training import TrainingOracle
from tests.simulation.scenario import ACCOUNT, TENANT, Act, Body, Scenario, apply
from tests.simulation.scenarios_training import BROKEN, endings, train_only
from tests.simulation.schedule import Disturbance

if TYPE_CHECKING:
    from tests.simulation.world import World

KEY = Key("TrainingRun", "team-a", "told")
ALERTS, LOG = (f"arn:aws:sns:eu-central-1:{ACCOUNT}:team-a-{name}" for name in ("alerts", "log"))
ALL = ["Succeeded", "Failed", "GateRejected", "AwaitingApproval"]
OVER = (SENT, FAILED, UNCONFIRMED)


class TellingOracle(TrainingOracle):
    """At most once, always; exactly once, unless status says that nobody can know."""

    def settled(self, world: World, body: Mapping[str, Any]) -> bool:
        record = record_of(body.get("status") or {})
        return super().settled(world, body) and all(entry["state"] in OVER for entry in record)

    def orphans(self, world: World) -> list[str]:
        told = world.topics.told
        found = [f"O1: {transition} told {count} times ({id_})" for (_, transition, id_), count in told.items() if count > 1]
        found = [] if _forgotten(world) else found
        sent = {id_ for _, _, id_ in told}
        body = world.kube.objects.get(world.key)
        record = record_of((body or {}).get("status") or {})
        for entry in record:
            if (entry["state"], entry["id"] in sent) in ((SENT, False), (FAILED, True)):
                found.append(f"O2: {entry['transition']} is called {entry['state']}, and it is not so")
        wiped = world.schedule.loose or world.schedule.disturbances or world.schedule.afterwards or world.losses
        if not wiped and not record and world.scenario.remains:
            found.append("O3: the end is not in the record")
        return [*super().orphans(world), *found]


def _forgotten(world: World) -> bool:
    """Somebody put an older status back, and another process than the one that had sent went on: nothing is left to know it by."""
    schedule = world.schedule
    restored = Disturbance.OLD_STATUS in (schedule.afterwards, *schedule.disturbances.values())
    crashed = any(fault in (Fault.CRASH_BEFORE, Fault.CRASH_AFTER) for fault in schedule.faults.values())
    return restored and bool(schedule.operators > 1 or crashed or world.losses)


def told(depth: int = 1, **more: Any) -> Body:
    notify = [{"snsTopicArn": ALERTS, "transitions": ALL}, {"snsTopicArn": LOG, "transitions": ["Failed", "Succeeded"]}]
    metadata = {"name": KEY.name, "namespace": KEY.namespace, "annotations": {}}
    return {"kind": "TrainingRun", "metadata": metadata, "spec": {**train_only(depth), "notify": notify, **more}}


def _scenario(
    name: str, versions: Sequence[Body], script: Sequence[Act] = (), failures: Mapping[tuple[str, str], str] | None = None, **more: Any
) -> Scenario:
    ending = endings(failures or {}, frozenset())
    return Scenario(name, KEY, TellingOracle(), versions, script, (TENANT,), ending=ending, ending_alone=ending, **more)


FIRST, SECOND, REGISTERED = told(), told(2), told(register={"group": "told", "approval": "Manual"})
SCENARIOS = (
    _scenario("told-failed", [FIRST], failures={("train", "1"): BROKEN}),
    _scenario("told-waits", [REGISTERED]),
    _scenario("told-edited", [FIRST, SECOND], [Act("CreateTrainingJob", 1, 700.0, apply(SECOND))]),
)
