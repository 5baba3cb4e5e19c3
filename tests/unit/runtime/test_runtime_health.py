"""runtime.health and kube.session: health follows the watch, not the process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp
import pytest
from runtime_fakes import HandClock

from sagemaker_gitops.kube.errors import Unavailable
from sagemaker_gitops.kube.session import WatchLife
from sagemaker_gitops.runtime.health import ALIVE_SILENCE, READY_SILENCE, Health, serve
from sagemaker_gitops.runtime.metrics import Metrics

RUNS, TENANTS = "/apis/sagemaker-gitops.dev/v1alpha1/trainingruns", "/apis/sagemaker-gitops.dev/v1alpha1/tenants"


class Bench:
    """Health over two watches, with an API server that answers as told."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.life = WatchLife(self.clock.monotonic)
        self.life.expect([RUNS, TENANTS])
        self.statuses: dict[str, int] = {}
        self.reachable = True
        self.evaluated = True
        self.health = Health(self.life, self._probe, lambda: [RUNS, TENANTS], lambda: self.evaluated)

    async def _probe(self, path: str) -> int:
        if not self.reachable:
            raise Unavailable("refused")
        return self.statuses.get(path, 200)

    def problem(self, check: str) -> str:
        verdict = asyncio.run(self.health.alive() if check == "alive" else self.health.ready())
        return verdict.problem


@pytest.fixture
def bench() -> Bench:
    return Bench()


def test_a_fresh_process_is_alive(bench: Bench) -> None:
    """Silence counts from the start of the watch, not from eternity."""
    assert bench.problem("alive") == ""


def test_a_silent_watch_is_not_ready_and_then_not_alive(bench: Bench) -> None:
    """First out of service, then restarted, and the message names the watch (failure-modes.md B12)."""
    bench.clock.advance(READY_SILENCE + 1)
    assert RUNS in bench.problem("ready")
    assert bench.problem("alive") == ""
    bench.clock.advance(ALIVE_SILENCE)
    assert "no sign of life" in bench.problem("alive")


def test_an_api_server_outage_does_not_kill(bench: Bench) -> None:
    """A restart would not help, and would lose the back-offs."""
    bench.clock.advance(ALIVE_SILENCE + 1)
    bench.reachable = False
    assert bench.problem("alive") == ""
    assert bench.problem("ready") != ""


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_a_watch_that_is_refused_is_not_mended_by_a_restart(bench: Bench, status: int) -> None:
    """A right that is missing, or a server in trouble: not ready, but a new process would be refused as well."""
    bench.clock.advance(ALIVE_SILENCE + 1)
    bench.statuses = {RUNS: status, TENANTS: status}
    assert bench.problem("alive") == ""
    assert "no sign of life" in bench.problem("ready")


def test_one_silent_watch_is_enough(bench: Bench) -> None:
    """The others may be lively: its objects are not heard of."""
    bench.clock.advance(ALIVE_SILENCE + 1)
    bench.life._watches[TENANTS].last = bench.clock.monotonic()
    assert RUNS in bench.problem("alive")
    assert RUNS in bench.problem("ready")
    assert TENANTS not in bench.problem("ready")


def test_absent_crds_are_named(bench: Bench) -> None:
    """kopf would idle for ever, and say nothing."""
    bench.statuses = {TENANTS: 404}
    assert "install the CRDs" in bench.problem("alive")
    assert TENANTS in bench.problem("alive")


def test_not_ready_until_the_first_lists_are_evaluated(bench: Bench) -> None:
    """An operator that has not read its objects would say nonsense."""
    bench.evaluated = False
    assert "first lists" in bench.problem("ready")


def test_the_server_answers_on_one_port(bench: Bench) -> None:
    """Health and metrics, with the verdict as status code and text."""

    async def main() -> list[tuple[int, str]]:
        metrics = Metrics()
        metrics.passed("TrainingRun", "Done", 0.01)
        server, port = await serve("127.0.0.1", 0, bench.health, metrics)
        try:
            async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
                return [await _get(session, path) for path in ("/healthz", "/readyz", "/metrics")]
        finally:
            await server.cleanup()

    bench.evaluated = False
    alive, ready, metrics = asyncio.run(main())
    assert alive == (200, "ok")
    assert ready[0] == 503
    assert 'sagemaker_gitops_passes_total{kind="TrainingRun",outcome="Done"} 1.0' in metrics[1]


async def _get(session: aiohttp.ClientSession, path: str) -> tuple[int, str]:
    async with session.get(path) as response:
        return response.status, await response.text()


@pytest.mark.parametrize(
    ("count", "line"),
    [
        (
            lambda m: m.stepped("TrainingRun", "train", "Succeeded"),
            'step_transitions_total{kind="TrainingRun",reason="Succeeded",step="train"}',
        ),
        (
            lambda m: m.aws_call("sagemaker:CreateTrainingJob", "Throttled", 0.1),
            'aws_throttles_total{operation="sagemaker:CreateTrainingJob"}',
        ),
        (
            lambda m: m.kube_request("status", "TrainingRun", "409"),
            'kubernetes_requests_total{kind="TrainingRun",outcome="409",verb="status"}',
        ),
        (lambda m: m.watch_event("Tenant"), 'watch_events_total{kind="Tenant"}'),
    ],
)
def test_facts_become_metrics(count: Callable[[Metrics], None], line: str) -> None:
    """Each recorder method counts under labels that no user chooses."""
    metrics = Metrics()
    count(metrics)
    assert f"sagemaker_gitops_{line} 1.0" in metrics.scrape().decode()


def test_only_refusals_for_their_rate_are_throttles() -> None:
    """An alert on throttling must not ring for every call."""
    metrics = Metrics()
    metrics.aws_call("sagemaker:CreateTrainingJob", "OK", 0.1)
    assert "aws_throttles_total{" not in metrics.scrape().decode()


def test_gauges_are_read_when_scraped() -> None:
    """The queue is not asked on every change."""
    metrics, depth = Metrics(), [3]
    metrics.gauge("queue_depth", "Keys that are due.", lambda: depth[0])
    depth[0] = 5
    assert "sagemaker_gitops_queue_depth 5.0" in metrics.scrape().decode()
