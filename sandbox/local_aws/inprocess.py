"""boto3 clients of this local AWS for its own services: their requests enter the application without a
socket.

A handler that called itself over the loopback would need a second server thread, and a burst of such
handlers would wait for each other for ever.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import unquote_to_bytes, urlsplit

from botocore.awsrequest import AWSPreparedRequest, AWSResponse
from botocore.config import Config
from urllib3 import HTTPHeaderDict, HTTPResponse

from local_aws.identity import INTERNAL_KEY
from local_aws.moto_backend import Environ
from local_aws.sessions import new_client

IN_PROCESS: Final = "local_aws.in_process"
"""In the environ of a request that came without a socket: only such a request may use the internal key."""


class InProcess:
    """Makes clients whose requests are answered by `app`, set once it exists; they sign with `key`."""

    def __init__(self, endpoint_url: str, region: str, key: str = INTERNAL_KEY, token: str | None = None) -> None:
        self._arguments = {
            "endpoint_url": endpoint_url,
            "region_name": region,
            "aws_access_key_id": key,
            "aws_secret_access_key": "local",
            "aws_session_token": token,
        }
        self._config = Config(
            retries={"total_max_attempts": 1},
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
            s3={"addressing_style": "path"},
        )
        self.app: Any = None

    def client(self, service: str) -> Any:
        """A new client."""
        client = new_client(service, self._config, **self._arguments)
        client.meta.events.register("before-send", self._answer)
        return client

    def _answer(self, request: AWSPreparedRequest, **_: object) -> AWSResponse:
        status, headers, body = _call(self.app, _environ(request))
        raw = HTTPResponse(
            body=io.BytesIO(body),
            status=status,
            headers=HTTPHeaderDict(headers),
            preload_content=False,
            decode_content=False,
            request_method=request.method,
        )
        return AWSResponse(request.url, status, dict(headers), raw)


def _call(app: Any, environ: Environ) -> tuple[int, list[tuple[str, str]], bytes]:
    started: list[tuple[str, list[tuple[str, str]]]] = []

    def start(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> None:
        started.append((status, headers))

    chunks: Iterable[bytes] = app(environ, start)
    body = b"".join(chunks)
    status, headers = started[-1]
    return int(status[:3]), headers, body


def _environ(request: AWSPreparedRequest) -> Environ:
    url = urlsplit(request.url)
    body = _body(request.body)
    environ: Environ = {
        "REQUEST_METHOD": request.method,
        "SCRIPT_NAME": "",
        "PATH_INFO": unquote_to_bytes(url.path or "/").decode("latin-1"),
        "REQUEST_URI": request.url,
        "QUERY_STRING": url.query,
        "SERVER_NAME": url.hostname,
        "SERVER_PORT": str(url.port),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": url.netloc,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": url.scheme,
        "wsgi.input": io.BytesIO(body),
        "wsgi.input_terminated": True,
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": False,
        "wsgi.run_once": False,
        IN_PROCESS: True,
    }
    for name, value in request.headers.items():
        text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
        environ["HTTP_" + name.upper().replace("-", "_")] = text
    environ.pop("HTTP_EXPECT", None)
    environ.pop("HTTP_TRANSFER_ENCODING", None)
    environ["CONTENT_TYPE"] = environ.pop("HTTP_CONTENT_TYPE", "")
    environ.pop("HTTP_CONTENT_LENGTH", None)
    environ["CONTENT_LENGTH"] = str(len(body))
    return environ


def _body(body: Any) -> bytes:
    if body is None:
        return b""
    if isinstance(body, str):
        return body.encode()
    return bytes(body) if isinstance(body, bytes | bytearray) else bytes(body.read())
