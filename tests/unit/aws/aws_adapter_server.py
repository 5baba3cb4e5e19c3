"""A tiny AWS over HTTP: STS hands out one key per session, everything else answers what a test says. Each request is kept."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

OPERATOR_KEY = "AKIDOPERATOR"
ACCOUNT = "111122223333"


@dataclass(frozen=True, slots=True)
class Request:
    """`action` is the operation, `key` the access key id that signed it, `fields` the form or JSON members, or {} for S3."""

    action: str
    key: str
    token: str
    region: str
    fields: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Response:
    """What the server answers; `length` is what it promises, None the truth."""

    status: int = 200
    body: bytes = b"{}"
    content_type: str = ""
    length: int | None = None


LOST = Response(0)  # the connection ends without an answer


def refusal(code: str, status: int = 400, message: str = "no") -> Response:
    """An error of a JSON service."""
    return Response(status, json.dumps({"__type": code, "message": message}).encode())


def xml_refusal(code: str, status: int = 403) -> Response:
    """An error of STS."""
    return Response(status, f"<ErrorResponse><Error><Code>{code}</Code><Message>no</Message></Error></ErrorResponse>".encode())


@dataclass
class AwsServer:
    """`answers` overrides operations by name; `expires` is told for each new session."""

    answers: dict[str, Callable[[Request], Response]] = field(default_factory=dict)
    expires: Callable[[], datetime] = lambda: datetime.now(UTC) + timedelta(hours=1)
    account: str = ACCOUNT
    requests: list[Request] = field(default_factory=list)
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def count(self, action: str) -> int:
        return len(self.of(action))

    def of(self, action: str) -> list[Request]:
        with self._lock:
            return [request for request in self.requests if request.action == action]

    def answer(self, request: Request) -> Response:
        with self._lock:
            self.requests.append(request)
        if request.action in self.answers:
            return self.answers[request.action](request)
        if request.action == "AssumeRole":
            return self._session(request)
        if request.action == "GetCallerIdentity":
            return _xml("GetCallerIdentity", f"<Account>{self.account}</Account>")
        return Response()

    def _session(self, request: Request) -> Response:
        name = request.fields["RoleSessionName"]
        number = sum(earlier.fields["RoleSessionName"] == name for earlier in self.of("AssumeRole"))
        return _xml(
            "AssumeRole",
            f"<Credentials><AccessKeyId>{key_of(name, number)}</AccessKeyId><SecretAccessKey>s</SecretAccessKey>"
            f"<SessionToken>token-{name}</SessionToken><Expiration>{self.expires().isoformat()}</Expiration></Credentials>",
        )


def key_of(session: str, number: int = 1) -> str:
    """The access key id of the `number`-th session of this name."""
    return f"KEY.{session}.{number}"


def _xml(action: str, inner: str) -> Response:
    return Response(body=f"<{action}Response><{action}Result>{inner}</{action}Result></{action}Response>".encode())


@contextmanager
def serving() -> Iterator[AwsServer]:
    """An AwsServer on a free port."""
    aws = AwsServer()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:
            self._serve()

        def do_GET(self) -> None:
            self._serve()

        def log_request(self, code: object = "-", size: object = "-") -> None:
            """Quiet."""

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            found = aws.answer(_request(self.headers, body))
            if found is LOST:
                self.close_connection = True
                return
            self.send_response(found.status)
            self.send_header("Content-Length", str(len(found.body) if found.length is None else found.length))
            if found.content_type:
                self.send_header("Content-Type", found.content_type)
            self.close_connection = found.length is not None
            self.send_header("x-amzn-RequestId", "r-7")
            self.end_headers()
            self.wfile.write(found.body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    aws.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield aws
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _request(headers: Message, body: bytes) -> Request:
    target = headers.get("X-Amz-Target") or ""
    if target:
        action, fields = target.rpartition(".")[2], json.loads(body)
    else:
        fields = dict(parse_qsl(body.decode(errors="replace")))
        action = fields.get("Action", "S3")
    signed = re.search(r"Credential=([^/]+)/\d+/([^/]+)/", headers.get("Authorization") or "")
    key, region = signed.groups() if signed else ("", "")
    return Request(action, key, headers.get("X-Amz-Security-Token") or "", region, fields)
