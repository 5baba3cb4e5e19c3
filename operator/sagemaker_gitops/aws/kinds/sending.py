"""What this process knows of the updates of endpoints that it asked for: taken by AWS, perhaps taken, or certainly not sent.

Status says, before the call, what is to be asked for; it cannot say whether the call was made. What dies with the process is asked of the
endpoint, and of CloudTrail (trail.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sagemaker_gitops.core.actions import AwsRequest
from sagemaker_gitops.core.kinds.model_endpoint.facts import EndpointState, LiveEndpoint, Sent
from sagemaker_gitops.core.kinds.model_endpoint.rollout import without_trace
from sagemaker_gitops.core.resource import Key, Snapshot


@dataclass(slots=True)
class Sending:
    """`_unsent`: an action was refused, so the UpdateEndpoint that status announces has not been sent: the endpoint may change without it.

    `_asked`: the config of the last UpdateEndpoint that AWS took (True), or may have taken, until that config serves: one that is refused
    after it, because the endpoint is busy with the first, proves nothing.
    """

    _unsent: set[Key] = field(default_factory=set)
    _asked: dict[Key, tuple[str, bool]] = field(default_factory=dict)

    def asked(self, key: Key, action: AwsRequest, *, taken: bool) -> None:
        """An action was carried out, or if not `taken` may have been."""
        if action.operation == "UpdateEndpoint":
            self._took(key, action.parameters["EndpointConfigName"], taken=taken)

    def witness(self, key: Key, config: str, endpoint: LiveEndpoint) -> None:
        """What an endpoint shows of the update to `config`: that it is under way, or over."""
        if endpoint.pending == config:
            self._took(key, config, taken=True)
        elif endpoint.state is EndpointState.IN_SERVICE and endpoint.config == config:
            self._asked.pop(key, None)

    def refused(self, snapshot: Snapshot) -> dict[str, Any]:
        """What to say in status: an update that was not sent is no reason to take a change of the endpoint for a rollback, not even after
        a restart.
        """
        update = snapshot.status.get("update")
        if not isinstance(update, Mapping) or update.get("outcome") or update.get("taken"):
            return {}
        if self._config(snapshot.key) == update.get("config"):
            return {}
        self._unsent.add(snapshot.key)
        return {"update": without_trace(update)}

    def known(self, key: Key, config: str) -> Sent:
        if key in self._unsent:
            return Sent.NO
        return Sent.YES if self._asked.get(key) == (config, True) else Sent.UNKNOWN

    def forget(self, key: Key) -> None:
        self._unsent.discard(key)
        self._asked.pop(key, None)

    def _took(self, key: Key, config: str, *, taken: bool) -> None:
        self._asked[key] = config, taken or self._asked.get(key) == (config, True)
        self._unsent.discard(key)

    def _config(self, key: Key) -> str:
        return self._asked.get(key, ("", False))[0]
