"""The calls that CloudTrail remembers: the newest 20,000 that change something, told by `app` when they have been carried out or refused.

The ledger is the tests' oracle and keeps a request's hash; this is what AWS would let its customer see, with the request.
"""

from __future__ import annotations

import itertools
import threading
from collections import deque
from typing import Final

from local_aws.clock import Clock
from local_aws.cloudtrail.event import SOURCES, Event
from local_aws.cloudtrail.parameters import shown
from local_aws.model import operation_model
from local_aws.service import Call

KEPT: Final = 20_000

_READS: Final = ("BatchDescribe", "Describe", "Get", "List", "Query", "Render", "Search")


class History:
    """Events in the order in which they happened; thread safe."""

    def __init__(self, clock: Clock, kept: int = KEPT) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._numbers = itertools.count(1)
        self._events: deque[Event] = deque(maxlen=kept)

    def keeps(self, service: str, operation: str) -> bool:
        """Whether the call is a management event that changes something; cheap, because every Describe asks."""
        return service in SOURCES and not operation.startswith(_READS)

    def record(self, call: Call, *, address: str, user_agent: str, code: str = "", message: str = "") -> None:
        """Keep a call with its raw parameters; `code` and `message` of its refusal. What is no operation is nothing."""
        model = operation_model(call.service, call.operation)
        if model is None:
            return
        parameters = shown(model.input_shape, call.params)
        with self._lock:
            at, number = self._clock.time(), next(self._numbers)
            self._events.append(
                Event(
                    number, at, call.service, call.operation, call.region, call.caller, parameters,
                    call.request_id, address, user_agent, code, message, ) )  # fmt: skip

    def newest_first(self) -> list[Event]:
        with self._lock:
            return list(reversed(self._events))
