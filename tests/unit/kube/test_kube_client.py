"""kube.client: locked and unlocked writes, lost answers, rates, errors."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
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


class Saying(FakeApi):
    """Answers everything with one status and body, and remembers the queries."""

    def __init__(self, body: str, status: int = 400, headers: dict[str, str] | None = None) -> None:
        super().__init__()
        self.queries: list[dict[str, str]] = []
        self._body = body
        self._status = status
        self._headers = headers

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.queries.append(dict(request.query))
        return web.Response(text=self._body, status=self._status, headers=self._headers)


def refused(api: FakeApi, **credentials: Any) -> Unavailable:
    """What a read of the object, and a look at its collection, end with when the API server cannot be used."""

    async def use(bench: Bench) -> None:
        await bench.client.read(snapshot_of(training_run()))

    with pytest.raises(Unavailable) as caught:
        with_client(api, use, **credentials)
    return caught.value


def test_a_status_is_written_to_the_subresource(api: FakeApi, held: Snapshot) -> None:
    """On the object itself the API server would ignore it, and the operator has no right to more."""

    async def use(bench: Bench) -> Snapshot:
        return await bench.client.patch_status(held, {"phase": "Training"}, locked=True)

    with_client(api, use)
    assert api.requests == [("PATCH", f"{DIGITS}/status")]


def test_every_status_write_carries_a_resource_version(api: FakeApi, held: Snapshot) -> None:
    """A patch without one would reach whatever object has the name by then."""

    async def use(bench: Bench) -> Snapshot:
        return await bench.client.patch_status(held, {"phase": "Training"}, locked=False)

    with_client(api, use)
    assert api.bodies == [{"metadata": {"resourceVersion": "10"}, "status": {"phase": "Training"}}]


def test_not_a_number_never_leaves_the_process(api: FakeApi, held: Snapshot) -> None:
    """It is no JSON; the API server would answer 400 for ever."""

    async def use(bench: Bench) -> Snapshot:
        return await bench.client.patch_status(held, {"metric": float("nan")}, locked=False)

    with pytest.raises(ValueError, match="Out of range"):
        with_client(api, use)
    assert api.requests == []


def test_an_unreadable_token_is_a_moment_of_trouble(api: FakeApi, tmp_path: Path) -> None:
    """The kubelet replaces the file; a pass that hits the gap waits like in any outage."""

    async def probe(bench: Bench) -> None:
        await bench.client.collection_status(RUNS)

    assert refused(api, token_file=tmp_path / "token").status == 0
    with pytest.raises(Unavailable):
        with_client(api, probe, token_file=tmp_path / "token")
    assert api.requests == []


@pytest.mark.parametrize(
    "call", [lambda client: client.read(snapshot_of(training_run())), lambda client: client.collection_status(RUNS)], ids=["read", "probe"]
)
def test_an_api_server_that_hangs_holds_no_worker(
    api: FakeApi, monkeypatch: pytest.MonkeyPatch, call: Callable[[Any], Awaitable[Any]]
) -> None:
    """Accepted and never answered is an outage like any other (failure-modes.md B16)."""
    monkeypatch.setattr(client_module, "TIMEOUT", aiohttp.ClientTimeout(total=0.05))
    monkeypatch.setattr(client_module, "ATTEMPTS", 1)
    api.pause = 0.3

    async def use(bench: Bench) -> None:
        await call(bench.client)

    with pytest.raises(Unavailable, match="Timeout"):
        with_client(api, use)


def test_a_look_for_a_collection_reads_one_item() -> None:
    """Health is asked every few seconds; ten thousand objects are not sent for it."""
    api = Saying('{"items": []}', 200)

    async def use(bench: Bench) -> int:
        return await bench.client.collection_status(RUNS)

    assert with_client(api, use) == 200
    assert api.queries == [{"limit": "1"}]


@pytest.mark.parametrize("body", ['{"message": "' + "x" * 5000 + '"}', "<html>" + "x" * 5000, "[1]", '{"reason": "none"}', "\u00e9" * 150])
def test_the_words_of_a_refusal_are_bounded(body: str) -> None:
    """They end in the log; a proxy's page or a list instead of a Status breaks nothing."""
    error = refused(Saying(body))
    assert error.status == 400
    assert len(str(error)) < 700


def test_half_a_character_in_a_refusal_is_no_error() -> None:
    """The page is cut after 200 bytes, wherever that is."""
    assert refused(Saying("x" + "\u00e9" * 150)).status == 400


def test_a_retry_after_that_is_a_date_is_no_error() -> None:
    """Proxies send those; the client's own pauses do then."""
    error = refused(Saying("", 429, {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}))
    assert (error.status, error.retry_after) == (429, 0.0)
