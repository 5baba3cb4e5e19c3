"""What went wrong, as a sentence for the person at the terminal."""

from __future__ import annotations

FINDINGS = 1
USAGE = 2


class CommandError(Exception):
    """Ends a command with `code` and a message that names the fix."""

    def __init__(self, message: str, code: int = FINDINGS) -> None:
        super().__init__(message)
        self.code = code
