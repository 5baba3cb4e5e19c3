"""What a scenario is: what users do and how AWS behaves, the inputs that a faulted run and its fault-free reference share."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from sagemaker_gitops.core.resource import Key
from tests.simulation.aws import Ending
from tests.tenants import ACCOUNT as ACCOUNT
from tests.tenants import TEAM_A

if TYPE_CHECKING:
    from tests.simulation.world import World


Body = Mapping[str, Any]

TENANT: Body = {
    "kind": "Tenant",
    "metadata": {"name": "team-a"},
    "spec": {**TEAM_A, "limits": {"maxRuntime": "24h"}},
}


class KindOracle(Protocol):
    """What has to be true of the objects of one kind, and of what is done at AWS for them."""

    def settled(self, world: World, body: Body) -> bool:
        """Whether the object's status tells the end of what its spec asks for."""

    def end_of(self, world: World) -> Mapping[str, Any] | None:
        """The end state without times, versions and history."""

    def requested(self, world: World, operation: str, parameters: Mapping[str, Any]) -> None:
        """The operator sends a mutation: judged by what is true at AWS in this moment."""

    def check_removal(self, world: World, body: Body) -> None:
        """The moment an object vanishes."""

    def orphans(self, world: World) -> list[str]:
        """Whatever is left at AWS, when all is quiet, that no live object accounts for."""


@dataclass(frozen=True, slots=True)
class Act:
    """Something a user does, `after` seconds from the moment when AWS had accepted `count` calls of `operation` and `when` holds."""

    operation: str
    count: int
    after: float
    do: Callable[[World], None]
    when: Callable[[World], bool] = lambda world: True


def no_job(tags: Mapping[str, str], parameters: Mapping[str, Any]) -> Ending:
    raise AssertionError(f"no job belongs to this scenario: {tags}")


@dataclass(frozen=True, slots=True)
class Scenario:
    """`versions` are the manifests in the order in which they are applied; the last one is what remains.

    `others` are there before, `prepare` sets AWS up, `ending` says how a job goes (`ending_alone`: when its version is the only one).
    `creates` is how often each creating call may be accepted; `end_varies`: users who act earlier or later get another end. `kinds` have
    passes, left out: the one of `key`. `by_number`: names hold moments, so creates are counted; `forgets`: a lost status has another end;
    `patience`: what is due later than in so many seconds is not waited for.
    """

    name: str
    key: Key
    oracle: KindOracle
    versions: Sequence[Body]
    script: Sequence[Act] = ()
    others: Sequence[Body] = ()
    prepare: Callable[[World], None] = lambda world: None
    ending: Callable[[Mapping[str, str], Mapping[str, Any]], Ending] = no_job
    ending_alone: Callable[[Mapping[str, str], Mapping[str, Any]], Ending] | None = None
    creates: int = 1
    deletes: bool = False
    remains: bool = True
    may_be_stopped: bool = False
    end_varies: bool = False
    kinds: Sequence[str] = ()
    by_number: bool = False
    forgets: bool = False
    patience: float = math.inf


def apply(manifest: Body) -> Callable[[World], None]:
    """kubectl apply."""
    return lambda world: world.apply(manifest)


def delete(world: World) -> None:
    """kubectl delete --wait=false."""
    world.kube.delete(world.key)


def replace(manifest: Body) -> Callable[[World], None]:
    """kubectl replace --force: delete, wait until it is gone, create."""
    return lambda world: world.replace(manifest)
