"""JSON messages with file descriptors over a stream socket: what service, zygote and supervisors talk to each other."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any

_LENGTH = struct.Struct("!I")
_MAX_DESCRIPTORS = 4


def send(sock: socket.socket, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
    """Send one message; OSError when the other side is gone."""
    body = json.dumps(message).encode()
    frame = _LENGTH.pack(len(body)) + body
    sent = socket.send_fds(sock, [frame], descriptors) if descriptors else 0
    sock.sendall(frame[sent:])


def receive(sock: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """The next message and its descriptors, which are the caller's to close; None when the other side is gone."""
    descriptors: list[int] = []
    try:
        header, descriptors, _, _ = socket.recv_fds(sock, _LENGTH.size, _MAX_DESCRIPTORS)
        header += _exactly(sock, _LENGTH.size - len(header))
        body = _exactly(sock, _LENGTH.unpack(header)[0])
    except (ConnectionError, EOFError):
        for descriptor in descriptors:
            os.close(descriptor)
        return None
    return json.loads(body), descriptors


def _exactly(sock: socket.socket, size: int) -> bytes:
    parts = bytearray()
    while len(parts) < size:
        part = sock.recv(size - len(parts))
        if not part:
            raise EOFError
        parts += part
    return bytes(parts)
