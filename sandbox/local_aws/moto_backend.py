"""moto as the fall-through: every service that is not ours, in this process and on this port.

moto is pinned by behaviour, so what it gets wrong on the wire is put right here: absent operations and
crashes, which it answers with an HTML page and status 500 that SDKs retry, become proper errors.
"""

from __future__ import annotations

import io
import logging
import re
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from local_aws.errors import AwsError
from local_aws.model import service_model

Environ = dict[str, Any]

_log = logging.getLogger(__name__)
_CODE: Final = re.compile(rb'"__type"\s*:\s*"(?:[^"]*#)?([^"#]+)"|<Code>([^<]+)</Code>')

_CONTENT_TYPES: Final = {"json": "application/x-amz-json-1.1", "rest-json": "application/json", "query": "text/xml"}

FALL_THROUGH: Final[dict[str, re.Pattern[str]]] = {
    "sagemaker": re.compile(
        r"(Associate|Disassociate)TrialComponent$|[A-Z][a-z]+(Experiment|Trial|TrialComponent)s?$"
        r"|[A-Z][a-z]+Pipelines?$|(Start|Describe|List)PipelineExecutions?$"
        r"|Describe(PipelineDefinitionForExecution|StateMachine)$|ListPipelineParametersForExecution$"
    ),
    "glue": re.compile(
        r"(Batch)?[A-Z][a-z]+(Database|Table|TableVersion|Partition|PartitionIndex|Partitions|Crawler"
        r"|Connection"
        r"|Schema|SchemaVersion|SchemaVersions|SchemaVersionMetadata|Registry|UserDefinedFunction|Crawlers"
        r"|Databases|Tables|TableVersions|PartitionIndexes|Connections|Schemas|Registries|Dev[A-Za-z]+"
        r"|DataCatalogEncryptionSettings|ResourcePolic[a-z]+|SchemaByDefinition)$|StartCrawler$|StopCrawler$"
    ),
    "cloudtrail": re.compile(
        r"(Create|Update|Delete|Get)Trail$|(Describe|List)Trails$|GetTrailStatus$|(Start|Stop)Logging$"
        r"|(Get|Put)(Event|Insight)Selectors$|(Add|Remove|List)Tags$"
    ),
}
"""Families of our own services that stay moto's: records without behaviour. The rest is ours or refused."""


@dataclass(frozen=True, slots=True)
class MotoAnswer:
    """moto's answer; `error` is its error code, "" when it succeeded."""

    status: str
    headers: list[tuple[str, str]]
    body: Iterable[bytes]
    error: str


def falls_through(service: str, operation: str) -> bool:
    """Whether moto answers an operation of a service that is otherwise ours."""
    families = FALL_THROUGH.get(service)
    return families is not None and families.match(operation) is not None


class MotoBackend:
    """moto's WSGI application, with every request put into one account."""

    def __init__(self, account: str) -> None:
        # Imported here: it costs a second and 100 MB, which tools that only read a ledger need not pay.
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app

        _make_affordable()
        self._account = account
        self._app: Callable[..., Iterable[bytes]] = DomainDispatcherApplication(create_backend_app)

    def __call__(self, environ: Environ, service: str, operation: str) -> MotoAnswer:
        """moto's answer; raises AwsError where moto has none."""
        environ["HTTP_X_MOTO_ACCOUNT_ID"] = self._account
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[[bytes], None]:
            started.append((status, headers))
            return lambda data: None

        try:
            body = self._app(environ, start)
            if not started:
                body = list(body)
        except NotImplementedError as error:
            raise unknown_operation(service, operation) from error
        except AwsError:
            raise
        except Exception as error:
            _log.warning("moto failed at %s:%s", service, operation, exc_info=True)
            raise _broken(service, operation, f"{type(error).__name__}: {error}") from error
        return self._finished(*started[-1], body, service, operation)

    @staticmethod
    def _finished(status: str, headers: list[tuple[str, str]], body: Iterable[bytes], service: str, operation: str) -> MotoAnswer:
        if int(status[:3]) < 400:
            return MotoAnswer(status, _typed(headers, service), body, "")
        data = b"".join(body)
        kind = next((value for name, value in headers if name.lower() == "content-type"), "")
        if status.startswith("5") and kind.startswith("text/html"):
            raise _broken(service, operation, "an HTML page")
        found = _CODE.search(data)
        code = (found.group(1) or found.group(2)).decode() if found else status[:3]
        return MotoAnswer(status, headers, [data], code)


def _make_affordable() -> None:
    """Three costs of moto that grow with what a long session holds, without a change to any answer.

    Every request lists moto's source folder, under a lock. ListObjectVersions deep-copies every object of the bucket with
    its bytes, and each copy is kept for ever by moto's tracking of instances: 1,000 runs took 2.3 GB and half a second each.
    A message that is sent or received counts the whole queue three times, by datetimes: ten of 4,000 took five seconds.
    """
    from moto import backends
    from moto.s3.models import FakeDeleteMarker, FakeKey
    from moto.sqs import models as sqs

    if isinstance(backends.list_of_moto_modules, _Modules):
        return

    class Listed(FakeKey):
        """A copy in a list: its bytes belong to the original, which alone closes them."""

        def dispose(self, garbage: bool = False) -> None:
            pass

    backends.list_of_moto_modules = _Modules(tuple(backends.list_of_moto_modules()))
    FakeKey.__deepcopy__ = lambda key, memo: _copied(key, Listed)  # type: ignore[attr-defined]
    FakeDeleteMarker.__deepcopy__ = lambda marker, memo: _copied(marker, FakeDeleteMarker)  # type: ignore[attr-defined]
    vars(sqs).update(unix_time=time.time, unix_time_millis=lambda: time.time() * 1000)
    sqs.SQSBackend.is_message_valid_based_on_retention_period = _is_retained  # type: ignore[assignment]


def _is_retained(backend: Any, queue_name: str, message: Any) -> bool:
    retained: float = backend.get_queue(queue_name).message_retention_period
    return bool(message.sent_timestamp / 1000 + retained > time.time())


@dataclass(frozen=True, slots=True)
class _Modules:
    """The names that moto's `list_of_moto_modules` found once."""

    names: tuple[str, ...]

    def __call__(self) -> tuple[str, ...]:
        return self.names


def _copied(record: Any, kind: type) -> Any:
    """A copy whose attributes can be set without touching the original."""
    made: Any = object.__new__(kind)
    made.__dict__.update(record.__dict__)
    return made


def _typed(headers: list[tuple[str, str]], service: str) -> list[tuple[str, str]]:
    """Flask's default content type, a web page, in place of the service's own; what an S3 object was given stays."""
    model = service_model(service)
    kind = _CONTENT_TYPES.get(model.metadata.get("protocol", "")) if model is not None and service != "s3" else None
    if kind is None:
        return headers
    return [(name, kind if name.lower() == "content-type" and value.startswith("text/html") else value) for name, value in headers]


def unknown_operation(service: str, operation: str) -> AwsError:
    """The refusal of what neither we nor moto implement; status 400, because SDKs retry 5xx."""
    message = f"local_aws does not implement {service}:{operation}"
    return AwsError("UnknownOperationException", message)


def _broken(service: str, operation: str, detail: str) -> AwsError:
    message = f"moto, which answers {service}:{operation} in this local AWS, failed: {detail}"
    return AwsError("InternalFailure", message, status=500)


def buffered(environ: Environ) -> bytes:
    """The whole body of a request, which stays readable for the next reader."""
    stream = environ["wsgi.input"]
    if length := environ.get("CONTENT_LENGTH"):
        body: bytes = stream.read(int(length))
    else:
        body = stream.read() if environ.get("wsgi.input_terminated") else b""
    environ["wsgi.input"] = io.BytesIO(body)
    return body
