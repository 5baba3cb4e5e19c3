"""Pages of CloudWatch's lists: an offset in a token."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from local_aws.errors import AwsError

T = TypeVar("T")


def page(entries: Sequence[T], params: Mapping[str, Any], size: int) -> tuple[list[T], str | None]:
    """The entries from NextToken on, at most `size` of them, and the next token; InvalidNextToken for another's token."""
    token = params.get("NextToken")
    if token is not None and not token.isdigit():
        raise AwsError("InvalidNextToken", "The next token specified is invalid.")
    start = int(token or 0)
    end = start + size
    return list(entries[start:end]), str(end) if end < len(entries) else None
