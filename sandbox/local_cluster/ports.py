"""Free TCP ports on loopback.

Taken from below the range from which the kernel gives ports to outgoing connections (32768 and up on
Linux), so that between choice and use only another server can take one; that case is tried again by the
caller.
"""

from __future__ import annotations

import random
import socket

FIRST, LAST = 20000, 32000


def is_free(port: int) -> bool:
    """Whether a server could listen on `port` of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def free_ports(count: int) -> list[int]:
    """`count` different free ports.

    Raises:
        OSError: there are not that many.
    """
    candidates = random.sample(range(FIRST, LAST), LAST - FIRST)
    found: list[int] = []
    for port in candidates:
        if len(found) == count:
            return found
        if is_free(port):
            found.append(port)
    raise OSError(f"fewer than {count} free ports between {FIRST} and {LAST} on 127.0.0.1")
