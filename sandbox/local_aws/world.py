"""What every service shares: account, region, clock, ledger, faults, identity, and a way to call the other
services.

Built by `app`, handed to each package's `operations(world)`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from local_aws.clock import Clock
    from local_aws.faults import Faults
    from local_aws.identity import Identity
    from local_aws.ledger import Ledger
    from local_aws.service import Call


class Cost(Protocol):
    """The cost meter, shown at `GET /_local/cost`."""

    def report(self) -> dict[str, Any]: ...


class Quotas(Protocol):
    """Service quotas, shown and changed at `/_local/quotas`; `configure` raises ValueError naming a wrong
    field."""

    def report(self) -> dict[str, Any]: ...

    def configure(self, values: dict[str, Any]) -> None: ...


class Trail(Protocol):
    """Who tells customers what was called. `app` asks `keeps` of every call and records what it is told to keep."""

    def keeps(self, service: str, operation: str) -> bool: ...

    def record(self, call: Call, *, address: str, user_agent: str, code: str = "", message: str = "") -> None: ...


Hook = Callable[["Call"], Callable[[], None] | None]
"""Called before moto answers, with the raw parameters; may raise AwsError. What it returns is called once moto has accepted."""


@dataclass(slots=True)
class World:
    """One running local AWS.

    `folder` is this instance's scratch folder. `settings` are numbers that `/_local/settings` can change
    while running (seconds of AWS time unless the name says otherwise); a service sets its defaults with
    `settings.setdefault` and reads them at each use. `cost`, `quotas`, `picture` (a dashboard's name
    -> a PNG; ValueError when there is none), and `trail` are set by the service that owns them.
    `hooks` are what we add to moto's operations, by service and operation.
    """

    account: str
    region: str
    clock: Clock
    endpoint_url: str
    folder: Path
    ledger: Ledger
    faults: Faults
    identity: Identity
    client_factory: Callable[[str], Any]
    quotas: Quotas | None = None
    cost: Cost | None = None
    picture: Callable[[str], bytes] | None = None
    trail: Trail | None = None
    hooks: dict[tuple[str, str], Hook] = field(default_factory=dict)
    settings: dict[str, float] = field(default_factory=dict)
    _clients: dict[str, Any] = field(default_factory=dict)
    _closers: list[Callable[[], None]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def client(self, service: str) -> Any:
        """A boto3 client of this local AWS with internal credentials: not in the ledger, no faults, no
        denials.

        One client per service is kept; it never waits for a server thread, so a handler may use it.
        """
        with self._lock:
            if service not in self._clients:
                self._clients[service] = self.client_factory(service)
            return self._clients[service]

    def on_close(self, callback: Callable[[], None]) -> None:
        """Call back at shutdown, last registered first."""
        self._closers.append(callback)

    def close(self) -> None:
        """Run every closer; the first error is raised after all have run."""
        errors: list[Exception] = []
        while self._closers:
            try:
                self._closers.pop()()
            except Exception as error:
                errors.append(error)
        if errors:
            raise errors[0]
