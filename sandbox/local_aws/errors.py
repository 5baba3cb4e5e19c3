"""The one exception by which a handler refuses a call; `wire` turns it into the answer AWS would give."""

from __future__ import annotations

from collections.abc import Mapping


class AwsError(Exception):
    """An error answer of an AWS service.

    `code` is the error code of the API reference (`ValidationException`), `message` its text, `status` the
    HTTP status and `members` further members of the error shape (`ResourceArn`, `OriginalStatusCode`).
    """

    def __init__(self, code: str, message: str, *, status: int = 400, members: Mapping[str, object] | None = None) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status
        self.members: Mapping[str, object] = dict(members or {})
