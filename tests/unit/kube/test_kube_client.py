"""kube.client: locked and unlocked writes, lost answers, rates, errors."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from fake_api import RUNS, Bench, FakeApi, training_run, with_client

from sagemaker_gitops.core.resource import FINALIZER, Snapshot
from sagemaker_gitops.kube import client as client_module
from sagemaker_gitops.kube.errors import Conflict, Gone, Unavailable
from sagemaker_gitops.kube.objects import snapshot_of

DIGITS = f"{RUNS}/digits"


@pytest.fixture(autouse=True)
def _no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "FIRST_PAUSE", 0.0)


@pytest.fixture
def api() -> FakeApi:
    return FakeApi(objects={DIGITS: training_run()})


@pytest.fixture
def held() -> Snapshot:
    return snapshot_of(training_run())


def test_a_finalizer_patch_carries_the_resource_version(api: FakeApi, held: Snapshot) -> None:
    """Nobody's finalizer is overwritten: the list is replaced only if the object is as we saw it."""

    async def use(bench: Bench) -> Snapshot:
        return await bench.client.patch_finalizers(held, (FINALIZER,))

    assert with_client(api, use).finalizers == (FINALIZER,)
    assert api.bodies == [{"metadata": {"resourceVersion": "10", "finalizers": [FINALIZER]}}]
    assert api.requests == [("PATCH", DIGITS)]


def test_a_locked_status_patch_conflicts_with_any_other_write(api: FakeApi, held: Snapshot) -> None:
    """The intent is refused when somebody was faster."""
    api.objects[DIGITS] = training_run(resourceVersion="11")

    async def use(bench: Bench) -> None:
        await bench.client.patch_status(held, {"phase": "Training"}, locked=True)

    with pytest.raises(Conflict):
        with_client(api, use)


def test_an_unlocked_status_patch_is_repeated_on_the_fresh_version(api: FakeApi, held: Snapshot) -> None:
    """Somebody's label does not cost us the condition (failure-modes.md B7)."""
    api.objects[DIGITS] = training_run(resourceVersion="11")

    async def use(bench: Bench) -> Snapshot:
        return await bench.client.patch_status(held, {"phase": "Training"}, locked=False)

    assert with_client(api, use).status == {"phase": "Training"}
    assert [method for method, _ in api.requests] == ["PATCH", "GET", "PATCH"]


def test_a_status_is_never_written_to_another_object_of_that_name(api: FakeApi, held: Snapshot) -> None:
    """Deleted and made anew since: the old object is gone, the new one untouched."""
    api.objects[DIGITS] = training_run(uid="u-2", resourceVersion="11")

    async def use(bench: Bench) -> None:
        await bench.client.patch_status(held, {"phase": "Training"}, locked=False)

    with pytest.raises(Gone):
        with_client(api, use)
    assert "status" not in api.objects[DIGITS]


def test_endless_conflicts_end_in_a_conflict(api: FakeApi, held: Snapshot) -> None:
    """A worker does not fight for ever; the pass begins anew."""
    api.faults = [409, "none"] * 4

    async def use(bench: Bench) -> None:
        await bench.client.patch_status(held, {"phase": "Training"}, locked=False)

    with pytest.raises(Conflict, match="4 times"):
        with_client(api, use)


def test_a_status_write_whose_answer_is_lost_is_repeated(api: FakeApi, held: Snapshot) -> None:
    """Accepted, then the connection broke: the end is as if it had been answered (failure-modes.md B10)."""
    api.faults = ["lose"]

    async def use(bench: Bench) -> Snapshot:
        return await bench.client.patch_status(held, {"phase": "Training"}, locked=False)

    assert with_client(api, use).status == {"phase": "Training"}
    assert api.objects[DIGITS]["status"] == {"phase": "Training"}


def test_a_locked_write_whose_answer_is_lost_is_a_conflict(api: FakeApi, held: Snapshot) -> None:
    """Its repetition is refused, so the pass looks again instead of guessing."""
    api.faults = ["lose"]

    async def use(bench: Bench) -> None:
        await bench.client.patch_status(held, {"phase": "Training"}, locked=True)

    with pytest.raises(Conflict):
        with_client(api, use)


@pytest.mark.parametrize("fault", ["drop", 500, 503, 429])
def test_a_moment_of_trouble_is_waited_out(api: FakeApi, held: Snapshot, fault: int | str) -> None:
    """A reset, an internal error or a rate limit does not void the pass."""
    api.faults = [fault, fault]

    async def use(bench: Bench) -> Snapshot:
        return await bench.client.patch_finalizers(held, (FINALIZER,))

    assert with_client(api, use).finalizers == (FINALIZER,)
    assert len(api.requests) == 3


def test_a_lasting_outage_goes_back_to_the_queue(api: FakeApi, held: Snapshot) -> None:
    """A worker is not held by an API server that is down."""
    api.faults = [500] * 10

    async def use(bench: Bench) -> None:
        await bench.client.read(held)

    with pytest.raises(Unavailable, match="500 fault 500"):
        with_client(api, use)
    assert len(api.requests) == client_module.ATTEMPTS


def test_a_long_retry_after_goes_back_to_the_queue(api: FakeApi, held: Snapshot) -> None:
    """The server's wish is obeyed by the queue, which holds no worker meanwhile (failure-modes.md B9)."""
    api.faults, api.headers = [429], {"Retry-After": "30"}

    async def use(bench: Bench) -> None:
        await bench.client.read(held)

    with pytest.raises(Unavailable) as caught:
        with_client(api, use)
    assert caught.value.retry_after == 30.0
    assert len(api.requests) == 1


def test_a_refusal_is_not_repeated(api: FakeApi, held: Snapshot) -> None:
    """403 will not mend in a second; the server's words are kept for the log."""
    api.faults = [403]

    async def use(bench: Bench) -> None:
        await bench.client.patch_status(held, {"phase": "Training"}, locked=True)

    with pytest.raises(Unavailable, match="403 fault 403"):
        with_client(api, use)
    assert len(api.requests) == 1


def test_an_absent_object_is_gone(api: FakeApi, held: Snapshot) -> None:
    """404 on a read and on a write alike."""
    api.objects.clear()

    async def use(bench: Bench) -> list[str]:
        ended = []
        for attempt in (bench.client.read(held), bench.client.patch_finalizers(held, ())):
            try:
                await attempt
            except Gone:
                ended.append("gone")
        return ended

    assert with_client(api, use) == ["gone", "gone"]


def test_an_unlabelled_config_map_can_be_read(api: FakeApi) -> None:
    """The watch sees labelled ones only; None says that there is none."""
    metadata = {"name": "code", "namespace": "team-a", "uid": "c-1", "resourceVersion": "5"}
    path = "/api/v1/namespaces/team-a/configmaps/code"
    api.objects[path] = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"train.py": "x"}}

    async def use(bench: Bench) -> tuple[Any, Any]:
        return await bench.client.get_config_map("team-a", "code"), await bench.client.get_config_map("team-a", "none")

    found, absent = with_client(api, use)
    assert found.spec == {"data": {"train.py": "x"}}
    assert absent is None


def test_every_request_is_counted(api: FakeApi, held: Snapshot) -> None:
    """By verb, kind and outcome, repetitions included."""
    api.faults = [500]

    async def use(bench: Bench) -> list[tuple[str, str, str]]:
        await bench.client.read(held)
        return bench.recorded.calls

    assert with_client(api, use) == [("read", "TrainingRun", "500"), ("read", "TrainingRun", "200")]


def test_a_rotated_token_is_used_from_the_next_request_on(api: FakeApi, held: Snapshot, tmp_path: Path) -> None:
    """Bound service account tokens live an hour; the kubelet replaces the file."""
    token = tmp_path / "token"
    token.write_text("first\n")

    async def use(bench: Bench) -> None:
        await bench.client.read(held)
        token.write_text("second")
        os.utime(token, ns=(1, 1))
        await bench.client.read(held)

    with_client(api, use, token_file=token)
    assert api.authorizations == ["Bearer first", "Bearer second"]
