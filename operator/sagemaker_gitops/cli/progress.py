"""Progress for people, on stderr: what is being done and how long it took; plain lines when there is no terminal."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager


def say(text: str = "") -> None:
    print(text, file=sys.stderr, flush=True)


@contextmanager
def doing(what: str) -> Iterator[None]:
    """`what ... 1.2 s` around the block; the time says where a slow start comes from."""
    started = time.monotonic()
    print(f"  {what} ...", end="", file=sys.stderr, flush=True)
    try:
        yield
    except BaseException:
        print(" failed", file=sys.stderr, flush=True)
        raise
    print(f" {time.monotonic() - started:.1f} s", file=sys.stderr, flush=True)
