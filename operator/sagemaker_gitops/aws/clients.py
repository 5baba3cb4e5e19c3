"""boto3 behind the port: one client per region and service, sessions per object, no hidden retries, a bounded thread pool.

SDK retries are off for every call: botocore would send StartJobRun three times on a read timeout (reference/failure-modes.md 0.5);
the queue retries, with the same names.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

import boto3
import botocore.config
import botocore.exceptions
import botocore.parsers
from botocore import xform_name

from sagemaker_gitops.aws.credentials import Sessions, ThreadCredentials
from sagemaker_gitops.aws.errors import CREDENTIAL_CODES, failure, redacted, unanswered
from sagemaker_gitops.aws.limits import Limits
from sagemaker_gitops.aws.port import SECONDS, Scope
from sagemaker_gitops.core.errors import AwsFailure, Category, ModelFailure

THREADS = 32
BODY_LIMIT, CHUNK = 64 * 1024 * 1024, 1024 * 1024
RUNTIME = "sagemaker-runtime"
RUNTIME_KEPT = 4096  # bytes of a model's answer that the operator keeps: it reads no more, and there may be any number
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 300.0
CONFIG = botocore.config.Config(
    connect_timeout=5,
    read_timeout=30,
    retries={"total_max_attempts": 1},
    max_pool_connections=THREADS,
    user_agent_extra="sagemaker-gitops",
)
RUNTIME_CONFIG = CONFIG.merge(botocore.config.Config(read_timeout=70))  # AWS gives a model 60 s


# No answer, or one that botocore cannot read.
UNREADABLE = (botocore.exceptions.BotoCoreError, botocore.parsers.ResponseParserError, OSError, ValueError)


class Recorder(Protocol):
    """Where AWS calls are counted. `operation` is service:Operation, `outcome` OK or a Category, `seconds` without the wait for a token."""

    def aws_call(self, operation: str, outcome: str, seconds: float) -> None: ...


@dataclass(slots=True)
class _Pause:
    """One account whose credentials fail: nobody asks again before `until`, so that a thousand objects do not hammer STS."""

    until: float = 0.0
    length: float = 0.0


@dataclass(slots=True)
class Clients:
    """Implements aws.port.Aws. `endpoint_url` "" means AWS's own endpoints."""

    endpoint_url: str
    limits: Limits
    recorder: Recorder
    now: Callable[[], datetime]
    monotonic: Callable[[], float]
    _pool: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(THREADS, "aws"))
    _credentials: ThreadCredentials = field(default_factory=ThreadCredentials)
    _clients: dict[tuple[str, str, bool], Any] = field(default_factory=dict)
    _sessions: dict[str, Sessions] = field(default_factory=dict)
    _accounts: dict[tuple[str, str], str] = field(default_factory=dict)
    _pauses: dict[tuple[str, str], _Pause] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    async def call(self, scope: Scope, service: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """One call for one object, as the tenant's role."""
        bucket = (scope.account, scope.region, f"{service}:{operation}")
        await self.limits.acquire(bucket)
        outcome, started = "Bug", self.monotonic()
        try:
            loop = asyncio.get_running_loop()
            answer = await loop.run_in_executor(self._pool, self._scoped, scope, service, operation, parameters)
            outcome = "OK"
        except AwsFailure as error:
            outcome = str(error.category)
            if error.category is Category.THROTTLED:
                self.limits.throttled(bucket)
            raise
        finally:
            self.recorder.aws_call(f"{service}:{operation}", outcome, self.monotonic() - started)
        return answer

    async def base_call(self, region: str, service: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """One call under the operator's own identity: the event queue, nothing of a tenant.

        In a daemon thread of its own: a long poll lasts 20 s, and the interpreter would wait for a pool's thread at its end.
        """
        loop = asyncio.get_running_loop()
        answer: asyncio.Future[dict[str, Any]] = loop.create_future()

        def work() -> None:
            try:
                found = self._send(self._client(region, service, base=True), service, operation, parameters)
            except Exception as error:
                _tell(loop, answer, error)
            else:
                _tell(loop, answer, found)

        threading.Thread(target=work, name=f"aws-{operation}", daemon=True).start()
        return await answer

    def close(self) -> None:
        """Let running calls end; start no new ones."""
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _scoped(self, scope: Scope, service: str, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        self._refuse_while_paused(scope)
        try:
            self._credentials.use(self._session(scope))
            self._check_account(scope)
            kept = RUNTIME_KEPT if service == RUNTIME else BODY_LIMIT
            answer = self._send(self._client(scope.region, service), service, operation, parameters, kept)
        except AwsFailure as error:
            if error.code in CREDENTIAL_CODES:
                self._sessions_of(scope.region).drop(scope)
                self._pause(scope)
            raise
        self._pauses.pop((scope.account, scope.region), None)
        return answer

    def _session(self, scope: Scope) -> Any:
        try:
            return self._sessions_of(scope.region).get(scope)
        except botocore.exceptions.ClientError as error:
            raise _answered("sts", "AssumeRole", error) from error
        except (botocore.exceptions.NoCredentialsError, botocore.exceptions.CredentialRetrievalError) as error:
            self._pause(scope)
            raise AwsFailure(
                Category.BLOCKED,
                service="sts",
                operation="AssumeRole",
                code="CredentialsUnavailable",
                message="the operator has no AWS credentials of its own: give its service account a role, or set AWS_* variables",
            ) from error
        except UNREADABLE as error:
            raise unanswered("sts", "AssumeRole", error) from error

    def _check_account(self, scope: Scope) -> None:
        """sts:GetCallerIdentity once per tenant role, before anything else."""
        known = self._accounts.get((scope.role_arn, scope.region))
        if known is None:
            known = self._send(self._client(scope.region, "sts"), "sts", "GetCallerIdentity", {})["Account"]
            self._accounts[scope.role_arn, scope.region] = known
        if known != scope.account:
            raise AwsFailure(
                Category.BLOCKED,
                service="sts",
                operation="GetCallerIdentity",
                code="AccountMismatch",
                message=f"role {scope.role_arn} is in account {known}, the Tenant says {scope.account}",
            )

    def _send(self, client: Any, service: str, operation: str, parameters: Mapping[str, Any], kept: int = BODY_LIMIT) -> dict[str, Any]:
        started = self.monotonic()
        try:
            answer: dict[str, Any] = getattr(client, xform_name(operation))(**parameters)
        except botocore.exceptions.ClientError as error:
            if service == RUNTIME and "OriginalStatusCode" in error.response:
                raise _model_answered(error.response, self.monotonic() - started) from error
            raise _answered(service, operation, error) from error
        except botocore.exceptions.ParamValidationError as error:
            raise failure(service, operation, "ParamValidation", str(error), 400) from error
        except UNREADABLE as error:
            raise unanswered(service, operation, error) from error
        headers = answer.pop("ResponseMetadata", {}).get("HTTPHeaders", {})
        if service != "s3" and headers.get("content-type", "").startswith("text/html"):
            raise unanswered(service, operation, ValueError("a web page instead of AWS's answer: is there a proxy in between?"))
        if hasattr(answer.get("Body"), "read"):
            answer["Body"] = _read(answer["Body"], service, operation, kept)
        return answer | {SECONDS: self.monotonic() - started} if service == RUNTIME else answer

    def _client(self, region: str, service: str, *, base: bool = False) -> Any:
        key = (region, service, base)
        with self._lock:
            if key not in self._clients:
                session = boto3.session.Session(region_name=region)
                if not base:
                    session._session._credentials = self._credentials
                config = RUNTIME_CONFIG if service == RUNTIME else CONFIG
                self._clients[key] = session.client(service, endpoint_url=self.endpoint_url or None, config=config)
            return self._clients[key]

    def _sessions_of(self, region: str) -> Sessions:
        client = self._client(region, "sts", base=True)
        with self._lock:
            return self._sessions.setdefault(region, Sessions(client, self.now))

    def _refuse_while_paused(self, scope: Scope) -> None:
        pause = self._pauses.get((scope.account, scope.region))
        left = pause.until - self.monotonic() if pause is not None else 0.0
        if left > 0:
            raise AwsFailure(
                Category.BLOCKED,
                service="sts",
                operation="AssumeRole",
                code="CredentialsUnavailable",
                message=f"credentials for account {scope.account} were refused; the next attempt is in {left:.0f} s",
            )

    def _pause(self, scope: Scope) -> None:
        """Once for all calls that were under way when the credentials went bad."""
        pause = self._pauses.setdefault((scope.account, scope.region), _Pause())
        if self.monotonic() < pause.until:
            return
        pause.length = min(LONGEST_PAUSE, pause.length * 2 or FIRST_PAUSE)
        pause.until = self.monotonic() + pause.length


def _tell(loop: asyncio.AbstractEventLoop, answer: asyncio.Future[dict[str, Any]], outcome: dict[str, Any] | Exception) -> None:
    """Settle `answer` from another thread; nobody waits any more when the loop is closed or the waiter cancelled."""

    def settle() -> None:
        if answer.cancelled():
            return
        if isinstance(outcome, Exception):
            answer.set_exception(outcome)
        else:
            answer.set_result(outcome)

    with contextlib.suppress(RuntimeError):
        loop.call_soon_threadsafe(settle)


def _answered(service: str, operation: str, error: Any) -> AwsFailure:
    said, metadata = error.response.get("Error", {}), error.response.get("ResponseMetadata", {})
    return failure(
        service,
        operation,
        str(said.get("Code", "")),
        str(said.get("Message", "")),
        int(metadata.get("HTTPStatusCode", 0)),
        str(metadata.get("RequestId", "")),
    )


def _model_answered(response: Mapping[str, Any], seconds: float) -> ModelFailure:
    """InvokeEndpoint's ModelError: the model's own status, and what AWS says of it."""
    message = str(response.get("OriginalMessage") or response.get("Error", {}).get("Message", ""))
    request_id = str(response.get("ResponseMetadata", {}).get("RequestId", ""))
    return ModelFailure(redacted(message), int(response["OriginalStatusCode"]), seconds, request_id)


def _read(body: Any, service: str, operation: str, kept: int) -> bytes:
    """Until its end: only there does botocore compare length and checksum. At most `kept` bytes of it are given back."""
    content, length = bytearray(), 0
    try:
        while chunk := body.read(CHUNK):
            content += chunk[: kept - len(content)]
            length += len(chunk)
            if length > BODY_LIMIT:
                raise failure(service, operation, "BodyTooLarge", f"the answer is larger than {BODY_LIMIT} bytes", 400)
    except (botocore.exceptions.BotoCoreError, OSError) as error:
        raise unanswered(service, operation, error) from error
    return bytes(content)
