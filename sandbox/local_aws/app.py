"""The WSGI application: identify, authenticate, apply ordered faults, validate, execute, record, answer.

Own operations first, moto behind them, the admin API under `/_local/`. Handlers know nothing of HTTP.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final
from uuid import uuid4

from local_aws.admin import PREFIX, Admin
from local_aws.errors import AwsError
from local_aws.faults import Script
from local_aws.hosting import rest
from local_aws.identity import INTERNAL_KEY, ExpiredKeyError, UnknownKeyError
from local_aws.inprocess import IN_PROCESS
from local_aws.model import OWN_TARGETS, operation_model
from local_aws.moto_backend import Environ, MotoAnswer, MotoBackend, falls_through, unknown_operation
from local_aws.route import Request, identify, unreadable
from local_aws.service import Call, Caller, Operations
from local_aws.wire import Answer, Protocol, answer, error_answer, validated
from local_aws.world import World

_log = logging.getLogger(__name__)

OWN_SERVICES: Final = frozenset({*OWN_TARGETS.values(), rest.SERVICE, "sts", "iam"})
_STATUS: Final = {status.value: f"{status.value} {status.phrase}" for status in HTTPStatus}
_ECONNRESET: Final = 104

StartResponse = Callable[..., Any]


class ConnectionDroppedError(OSError):
    """Tells the server to close the connection without an answer: a scripted fault."""

    def __init__(self) -> None:
        super().__init__(_ECONNRESET, "dropped by a scripted fault")


@dataclass(slots=True)
class _Exchange:
    """One request under way; `request` and `caller` are filled in as they become known."""

    environ: Environ
    start_response: StartResponse
    request_id: str
    request: Request | None = None
    caller: Caller | None = None

    @property
    def known(self) -> Request:
        assert self.request is not None
        return self.request

    @property
    def signer(self) -> Caller:
        assert self.caller is not None
        return self.caller


class App:
    """One local AWS as a WSGI application."""

    def __init__(self, world: World, operations: Operations, moto: MotoBackend) -> None:
        self._world = world
        self._operations = operations
        self._moto = moto
        self._admin = Admin(world)

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        if environ["PATH_INFO"].startswith(PREFIX):
            return _send(self._admin(environ), environ, start_response)
        exchange = _Exchange(environ, start_response, str(uuid4()))
        try:
            exchange.request = identify(environ)
            exchange.caller = self._authenticate(exchange.request, environ)
            script = self._gate(exchange.request, exchange.caller)
            result = self._execute(exchange)
        except AwsError as error:
            return self._refuse(exchange, error)
        except Exception as error:
            _log.exception("%s failed", exchange.request)
            text = f"local_aws: {type(error).__name__}: {error}"
            return self._refuse(exchange, AwsError("InternalFailure", text, status=500))
        lost = script is not None and script.kind in ("accept-then-drop", "accept-then-500")
        code = result.error if isinstance(result, MotoAnswer) else ""
        self._record(exchange, code, answered=not lost)
        self._tell(exchange, code)
        if script is not None and lost:
            return _lose(script, exchange)
        return _send(result, environ, start_response)

    def _authenticate(self, request: Request, environ: Environ) -> Caller:
        if not request.access_key_id:
            raise _refusal(request.protocol, "unsigned")
        if request.access_key_id == INTERNAL_KEY and IN_PROCESS not in environ:
            raise _refusal(request.protocol, "unknown")
        try:
            return self._world.identity.authenticate(request.access_key_id, request.session_token)
        except UnknownKeyError as error:
            raise _refusal(request.protocol, "unknown") from error
        except ExpiredKeyError as error:
            raise _refusal(request.protocol, "expired") from error

    def _gate(self, request: Request, caller: Caller) -> Script | None:
        """Denials, throttling and scripted failures; returns the script whose effect comes after
        executing."""
        if caller.access_key_id == INTERNAL_KEY:
            return None
        faults = self._world.faults
        faults.wait()
        if (kind := self._world.identity.refusal(caller, request.action)) is not None:
            raise self._denied(request, caller, kind)
        if faults.throttled(request.service, request.operation):
            raise _throttled(request.protocol)
        script = faults.take_script(request.service, request.operation, request.resource)
        if script is None:
            return None
        if script.kind == "error":
            raise AwsError(script.code, script.message, status=script.status)
        if script.kind == "drop":
            raise AwsError("(dropped)", "the connection was closed before the call was executed", status=0)
        if script.kind == "delay":
            faults.pause(script.seconds)
        return script

    def _denied(self, request: Request, caller: Caller, kind: str) -> AwsError:
        arn = request.arn(request.region or self._world.region, caller.account)
        why = (
            "with an explicit deny in an identity-based policy"
            if kind == "explicit"
            else f"because no identity-based policy allows the {request.action} action"
        )
        message = f"User: {caller.arn} is not authorized to perform: {request.action} on resource: {arn} {why}"
        if request.protocol == "json":
            return AwsError("AccessDeniedException", message)
        return AwsError("AccessDenied", message, status=403)

    def _execute(self, exchange: _Exchange) -> Answer | MotoAnswer:
        request = exchange.known
        service, operation = request.service, request.operation
        if service not in OWN_SERVICES:
            return self._hooked(exchange)
        model = operation_model(service, operation)
        handler = self._operations.get((service, operation))
        if model is None or (handler is None and not falls_through(service, operation)):
            raise unknown_operation(service, operation)
        of_runtime = service == rest.SERVICE
        params = rest.validated(model, request.params) if of_runtime else validated(model, request.params, request.protocol)
        if handler is None:
            return self._moto(exchange.environ, service, operation)
        result = handler(self._call(exchange, params))
        if of_runtime:
            return rest.answer(model, result, exchange.request_id)
        return answer(model, result, exchange.request_id, request.protocol)

    def _hooked(self, exchange: _Exchange) -> MotoAnswer:
        """moto's answer, with what we do before and after it."""
        request = exchange.known
        hook = self._world.hooks.get((request.service, request.operation))
        after = None if hook is None else hook(self._call(exchange, request.params))
        result = self._moto(exchange.environ, request.service, request.operation)
        if after is not None and not result.error:
            after()
        return result

    def _call(self, exchange: _Exchange, params: dict[str, Any]) -> Call:
        request = exchange.known
        region = request.region or self._world.region
        return Call(request.service, request.operation, params, exchange.signer, region, exchange.request_id)

    def _refuse(self, exchange: _Exchange, error: AwsError) -> Iterable[bytes]:
        if exchange.request is None:
            exchange.request = unreadable(exchange.environ)
        dropped = error.status == 0
        self._record(exchange, error.code, answered=not dropped)
        if dropped:
            raise ConnectionDroppedError
        self._tell(exchange, error.code, error.message)
        return _send_error(error, exchange)

    def _record(self, exchange: _Exchange, error: str, *, answered: bool) -> None:
        request, caller = exchange.known, exchange.caller
        if caller is not None and caller.access_key_id == INTERNAL_KEY:
            return
        self._world.ledger.append(
            aws_time=self._world.clock.time(),
            caller=caller.arn if caller else "",
            role=caller.role_arn if caller else None,
            session_tags=caller.session_tags if caller else {},
            service=request.service,
            operation=request.operation,
            resource=request.resource,
            request_hash=request.digest,
            accepted=not error,
            answered=answered,
            error=error,
            request_id=exchange.request_id,
            user_agent=exchange.environ.get("HTTP_USER_AGENT", ""),
        )

    def _tell(self, exchange: _Exchange, code: str, message: str = "") -> None:
        """CloudTrail knows what reached its service, whether or not the answer reached the caller."""
        trail, request, caller = self._world.trail, exchange.known, exchange.caller
        if trail is None or caller is None or caller.access_key_id == INTERNAL_KEY or not trail.keeps(request.service, request.operation):
            return
        environ = exchange.environ
        address, agent = environ.get("REMOTE_ADDR", "127.0.0.1"), environ.get("HTTP_USER_AGENT", "")
        trail.record(self._call(exchange, request.params), address=address, user_agent=agent, code=code, message=message)


def _send(result: Answer | MotoAnswer, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
    if isinstance(result, MotoAnswer):
        start_response(result.status, result.headers)
        return result.body
    # A body after HEAD would be read as the next answer of the connection.
    body = b"" if environ["REQUEST_METHOD"] == "HEAD" else result.body
    start_response(_STATUS[result.status], [*result.headers, ("Content-Length", str(len(body)))])
    return [body]


def _send_error(error: AwsError, exchange: _Exchange) -> Iterable[bytes]:
    request = exchange.known
    result = error_answer(request.protocol, error, exchange.request_id, request.service)
    return _send(result, exchange.environ, exchange.start_response)


def _lose(script: Script, exchange: _Exchange) -> Iterable[bytes]:
    if script.kind == "accept-then-drop":
        raise ConnectionDroppedError
    return _send_error(AwsError("InternalFailure", script.message, status=500), exchange)


def _throttled(protocol: Protocol) -> AwsError:
    if protocol == "rest-xml":
        return AwsError("SlowDown", "Please reduce your request rate.", status=503)
    return AwsError("ThrottlingException" if protocol == "json" else "Throttling", "Rate exceeded")


_INVALID_TOKEN: Final = "The security token included in the request is invalid."
_EXPIRED_TOKEN: Final = "The security token included in the request is expired"
_REFUSALS: Final[dict[tuple[Protocol, str], tuple[str, str, int]]] = {
    ("json", "unsigned"): ("MissingAuthenticationTokenException", "Missing Authentication Token", 400),
    ("json", "unknown"): ("UnrecognizedClientException", _INVALID_TOKEN, 400),
    ("json", "expired"): ("ExpiredTokenException", _EXPIRED_TOKEN, 400),
    ("query", "unsigned"): ("MissingAuthenticationToken", "Request is missing Authentication Token", 403),
    ("query", "unknown"): ("InvalidClientTokenId", _INVALID_TOKEN, 403),
    ("query", "expired"): ("ExpiredToken", _EXPIRED_TOKEN, 403),
    ("rest-xml", "unsigned"): ("AccessDenied", "Access Denied", 403),
    ("rest-xml", "unknown"): (
        "InvalidAccessKeyId",
        "The AWS Access Key Id you provided does not exist in our records.",
        403,
    ),
    ("rest-xml", "expired"): ("ExpiredToken", "The provided token has expired.", 400),
}


def _refusal(protocol: Protocol, why: str) -> AwsError:
    code, message, status = _REFUSALS[protocol, why]
    return AwsError(code, message, status=status)
