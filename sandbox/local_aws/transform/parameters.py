"""How a transform job sends its requests: what the job says, else what the container's /execution-parameters say, else defaults.

Pure. Source: developer guide, "Use Your Own Inference Code with Batch Transform".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

_STRATEGIES: Final = {"MultiRecord": "MULTI_RECORD", "SingleRecord": "SINGLE_RECORD"}
_MEGABYTES: Final = 6
_MEGABYTE: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Parameters:
    """`megabytes` 0: no limit. `strategy` as AWS writes it in the data log. `timeout` in seconds."""

    concurrent: int
    megabytes: int
    strategy: str
    timeout: int
    retries: int

    @property
    def multi(self) -> bool:
        return self.strategy == "MULTI_RECORD"

    @property
    def limit(self) -> int | None:
        """Bytes of a request body."""
        return self.megabytes * _MEGABYTE or None


def parameters(request: Mapping[str, Any], said: bytes | None) -> Parameters:
    """`said` is the body of /execution-parameters, None when the container has none; what can't be read of it is passed over."""
    own = _read(said)
    client = request.get("ModelClientConfig", {})
    strategy = _STRATEGIES.get(request.get("BatchStrategy", ""), str(own.get("BatchStrategy")))
    return Parameters(
        concurrent=request.get("MaxConcurrentTransforms") or _whole(own.get("MaxConcurrentTransforms"), 1) or 1,
        megabytes=request["MaxPayloadInMB"] if "MaxPayloadInMB" in request else _whole(own.get("MaxPayloadInMB"), _MEGABYTES),
        strategy=strategy if strategy in _STRATEGIES.values() else "MULTI_RECORD",
        timeout=client.get("InvocationsTimeoutInSeconds", 600),
        retries=client.get("InvocationsMaxRetries", 3),
    )


def _read(said: bytes | None) -> dict[str, Any]:
    try:
        found = json.loads(said or b"{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _whole(value: object, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else default
