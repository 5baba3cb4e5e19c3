"""runtime.crds: a CRD that is being installed is waited for, one that was deleted beside others is not."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from runtime_fakes import HandClock

from sagemaker_gitops.kube.errors import Unavailable
from sagemaker_gitops.runtime import crds
from sagemaker_gitops.runtime.crds import GRACE, PAUSE, CrdAppeared, Crds

RUNS, ENDPOINTS, TENANTS = (f"/apis/sagemaker-gitops.dev/v1alpha1/{plural}" for plural in ("trainingruns", "modelendpoints", "tenants"))


class Bench:
    """Three collections whose statuses change by a list of answers; the last one stays. None: no answer."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, **statuses: Sequence[int | None]) -> None:
        self.clock = HandClock()
        paths = {"runs": RUNS, "endpoints": ENDPOINTS, "tenants": TENANTS}
        self.answers = {paths[name]: list(told) for name, told in statuses.items()}
        self.crds = Crds(self._status, (RUNS, ENDPOINTS, TENANTS), self.clock.monotonic)
        self.slept: list[float] = []
        monkeypatch.setattr(crds.asyncio, "sleep", self._sleep)

    async def _status(self, path: str) -> int:
        told = self.answers.get(path, [200])
        status = told.pop(0) if len(told) > 1 else told[0]
        if status is None:
            raise Unavailable("refused")
        return status

    async def _sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock.advance(seconds)
        if len(self.slept) > 200:
            raise TimeoutError


def test_a_crd_that_is_gone_beside_others_is_left_out_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """The objects of the others are not waited with: their finalizers are ours to take off."""
    bench = Bench(monkeypatch, endpoints=[404])
    asyncio.run(bench.crds.wait())
    assert bench.crds.absent == {ENDPOINTS}
    assert bench.crds.required == {RUNS, TENANTS}
    assert sum(bench.slept) == GRACE


@pytest.mark.parametrize(
    "statuses",
    [
        {"runs": [404], "endpoints": [404], "tenants": [404]},
        {"endpoints": [403]},
        {"endpoints": [503]},
        {"endpoints": [None]},
        {"runs": [404], "endpoints": [403]},
    ],
    ids=["none is installed", "no right", "unavailable", "no answer", "one gone, one forbidden"],
)
def test_anything_else_is_waited_for(statuses: dict[str, list[int | None]], monkeypatch: pytest.MonkeyPatch) -> None:
    """A view that leaves out what exists would be believed."""
    with pytest.raises(TimeoutError):
        asyncio.run(Bench(monkeypatch, **statuses).crds.wait())


def test_the_grace_counts_from_when_nothing_else_was_amiss(monkeypatch: pytest.MonkeyPatch) -> None:
    """An API server that comes up, or an install that goes from file to file."""
    before = [404] * 100
    bench = Bench(monkeypatch, runs=[*before, 200], endpoints=[*before, *before[:3], 200], tenants=[*before, 200])
    asyncio.run(bench.crds.wait())
    assert bench.crds.absent == set()
    assert len(bench.slept) == 103


def test_one_that_comes_back_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one watches it, too."""
    bench = Bench(monkeypatch, endpoints=[404] * int(GRACE / PAUSE + 4) + [200])

    async def started() -> None:
        await bench.crds.wait()
        await bench.crds.reappear()

    with pytest.raises(CrdAppeared, match="modelendpoints exists now"):
        asyncio.run(started())
    assert bench.slept[-3:] == [crds.LOOK_AGAIN] * 3
