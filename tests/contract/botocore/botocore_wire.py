"""A local endpoint that counts what botocore really sends, and misbehaves on demand: silence, a reset, a 5xx."""

from __future__ import annotations

import os
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SILENT, RESET = 0, -1  # instead of a status


@dataclass(frozen=True, slots=True)
class Sent:
    """One HTTP request as it arrived; header names in lower case."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def operation(self) -> str:
        return self.headers.get("x-amz-target", "").rpartition(".")[2]


@dataclass
class Wire:
    """`trouble` is the status of every answer, SILENT or RESET; `meeting` is waited for before each answer."""

    url: str = ""
    trouble: int = 200
    meeting: threading.Barrier | None = None
    sent: list[Sent] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)


@contextmanager
def listening() -> Iterator[Wire]:
    """A Wire on a free port."""
    wire = Wire()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            wire.sent.append(Sent({name.lower(): value for name, value in self.headers.items()}, body))
            if wire.meeting is not None:
                wire.meeting.wait()
            if wire.trouble == SILENT:
                wire.ended.wait(5)
                self.close_connection = True
            elif wire.trouble == RESET:
                self._reset()
            else:
                self._answer(wire.trouble)

        def log_request(self, code: object = "-", size: object = "-") -> None:
            """Quiet."""

        def _answer(self, status: int) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def _reset(self) -> None:
            """Closed with unsent data discarded: the peer sees RST, not the end of the stream."""
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            os.close(self.connection.detach())

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    wire.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield wire
    finally:
        wire.ended.set()
        server.shutdown()
        server.server_close()
        thread.join()
