"""One CreateEndpoint or UpdateEndpoint on its way: start the new fleet, shift the traffic, watch the alarms, end or roll back.

All waits are AWS time. A rollback ends InService on the old configuration: with a FailureReason when the new fleet did not
start, without one when an alarm or the time limit ended it, which is the trap that users of AWS report
(hashicorp/terraform-provider-aws#48997, #39099). A first deployment that fails leaves the endpoint Failed.
"""

from __future__ import annotations

import logging
import math
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from local_aws.clock import Timer
from local_aws.hosting import pace, watch, words
from local_aws.hosting.container import StartError
from local_aws.hosting.endpoint import Endpoint, Pending
from local_aws.hosting.fleet import Fleet
from local_aws.hosting.rollout import Rollout, Step
from local_aws.hosting.variant import Variant
from local_aws.services import Services

BROKEN: Final = "UpdateRollbackFailed"
"""A scripted failure with this reason: the rollback fails too, and both configurations stay mixed."""

_MILLISECOND: Final = 0.001
_WALL_SECONDS: Final = 0.05  # between two looks at the alarms
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Starters:
    """A few threads that start fleets: each waits for its servers, so nothing else is done on them."""

    services: Services
    pool: ThreadPoolExecutor

    def after(self, aws_seconds: float, work: Callable[[], None]) -> Timer:
        """Run `work`, which must be short, when the time has passed."""
        return self.services.world.clock.call_later(aws_seconds, lambda: self.services.submit(work))

    def start(self, work: Callable[[], None]) -> None:
        """Run `work` on one of the threads."""
        try:
            self.pool.submit(work)
        except RuntimeError:
            _log.debug("a deployment was dropped: this local AWS is closing")


class Deployment:
    """Drives one endpoint from its busy state to the next stable one; `begin` once.

    `forced` is the reason of a scripted failure, None for none. `retained` are members of the endpoint that the success
    sets (its data capture).
    """

    def __init__(
        self,
        starters: Starters,
        endpoint: Endpoint,
        rollout: Rollout,
        capture: Mapping[str, Any] | None,
        forced: str | None,
    ) -> None:
        assert endpoint.pending is not None
        self._starters = starters
        self._services = starters.services
        self._endpoint = endpoint
        self._pending: Pending = endpoint.pending
        self._fleet: Fleet = endpoint.pending.fleet
        self._rollout = rollout
        self._capture = capture
        self._forced = forced
        self._steps = iter(rollout.steps)
        self._lock = threading.Lock()
        self._over = False
        self._limit: Timer | None = None

    def begin(self) -> None:
        settings = self._services.world.settings
        self._show("Creating", lambda variant: f"Launching {variant.desired.count} instance(s).")
        if self._rollout.limit is not None:
            self._limit = self._starters.after(self._rollout.limit, self._time_out)
        self._starters.after(settings["endpoints.creatingSeconds"], lambda: self._starters.start(self._provision))

    def _provision(self) -> None:
        try:
            if self._forced is not None and self._endpoint.live is None:
                raise StartError(self._forced)
            self._fleet.start()
            if self._forced is not None:
                raise StartError(self._forced)
        except StartError as failure:
            self._fail(failure.reason)
        except Exception:
            _log.exception("a fleet of endpoint %s could not be started", self._endpoint.title)
            self._fail(words.SERVICE_FAILED)
        else:
            self._services.submit(self._advance)

    def _advance(self) -> None:
        """The next step of the traffic, or the end."""
        if self._over:
            return
        step = next(self._steps, None)
        if step is None or self._endpoint.live is None:
            self._complete()
            return
        with self._endpoint.lock:
            self._pending.share = step.share
        self._show("ActivatingTraffic", lambda variant: f"Activating traffic on {_capacity(step, variant)}.")
        if step.seconds > 0:
            message = f"Baking for {step.seconds:.0f} seconds ({step.wait}) with traffic enabled on "
            self._show("Baking", lambda variant: f"{message}{_capacity(step, variant)}.")
        self._bake(self._services.world.clock.time() + step.seconds)

    def _bake(self, until: float) -> None:
        """Watch the alarms until that AWS time, then go on."""
        if self._over:
            return
        if watch.ringing(self._services.world, self._rollout.alarms):
            self._fail(None)
            return
        left = until - self._services.world.clock.time()
        if left <= _MILLISECOND:
            self._advance()
            return
        world = self._services.world
        poll = pace.at_least(world.clock, world.settings["endpoints.alarmPollSeconds"], _WALL_SECONDS) if self._rollout.alarms else left
        self._starters.after(min(left, poll), lambda: self._bake(until))

    def _time_out(self) -> None:
        self._fail(None)

    def _complete(self) -> None:
        if not self._end():
            return
        endpoint = self._endpoint
        with endpoint.lock:
            old, endpoint.live = endpoint.live, self._fleet
            endpoint.pending = None
            endpoint.config_name = self._fleet.config.title
            endpoint.capture = self._capture
            for variant in self._fleet.variants.values():
                variant.status = None
            endpoint.become("InService", self._services.now())
        if old is not None:
            old.stop()

    def _fail(self, reason: str | None) -> None:
        """Back to the old configuration, or Failed when there is none; happens once."""
        if not self._end():
            return
        endpoint = self._endpoint
        if endpoint.live is None:
            self._fleet.stop()
            with endpoint.lock:
                endpoint.pending = None
                endpoint.become("Failed", self._services.now(), reason)
            return
        with endpoint.lock:
            self._pending.share = 0.0
        self._show("Deleting", lambda variant: f"Terminating {variant.desired.count} instance(s).")
        endpoint.become("RollingBack", self._services.now())
        self._starters.after(self._services.world.settings["endpoints.rollingBackSeconds"], lambda: self._rolled_back(reason))

    def _rolled_back(self, reason: str | None) -> None:
        self._fleet.stop()
        broken = reason == BROKEN
        silent = bool(self._services.world.settings["endpoints.silentRollback"])
        with self._endpoint.lock:
            self._endpoint.pending = None
            self._endpoint.become(BROKEN if broken else "InService", self._services.now(), None if broken or silent else reason)

    def _end(self) -> bool:
        """True for the first caller: success, failure, alarm and time limit may meet."""
        with self._lock:
            if self._over:
                return False
            self._over = True
        if self._limit is not None:
            self._limit.cancel()
        return True

    def _show(self, status: str, message: Callable[[Variant], str]) -> None:
        self._endpoint.show(self._fleet, status, message, self._services.now())


def _capacity(step: Step, variant: Variant) -> str:
    """As the messages of AWS name it: canary capacity of 1 instance(s)."""
    return f"{step.capacity} capacity of {math.ceil(variant.desired.count * step.share - 1e-9)} instance(s)"
