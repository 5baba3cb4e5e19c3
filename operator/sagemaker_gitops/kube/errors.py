"""What can go wrong between a pass and the Kubernetes API: three answers the reconciler treats differently.

They live below runtime so that the client can raise them; passes import them from runtime/ports.py.
"""

from __future__ import annotations


class Conflict(Exception):
    """The object changed since the snapshot: the pass is void, the newer event brings another."""


class Gone(Exception):
    """The object does not exist any more."""


class Unavailable(Exception):
    """The API server could not be reached, refused, or its answer was lost: nothing is known, try later.

    `status` is the HTTP status, 0 when there was no answer. `retry_after` is in seconds, 0 when the server named none.
    """

    def __init__(self, message: str, *, status: int = 0, retry_after: float = 0.0) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
