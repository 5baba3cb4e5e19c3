"""Turns HTTP bodies into typed parameters and results or errors into the answers AWS would send.

Two protocols are ours: JSON (SageMaker, Glue, CloudTrail, Application Auto Scaling) and query (STS, IAM); CloudWatch has both. Errors are
also written in S3's XML, because throttling, denials and scripted failures apply to the services behind the fall-through too.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from botocore.model import OperationModel, Shape

from local_aws.compiled import Compiled
from local_aws.errors import AwsError
from local_aws.validate import ConstraintViolationError, UnserializableError, Validator

Protocol = Literal["json", "query", "rest-xml"]

_JSON: Final = "application/x-amz-json-1.1"
_XML: Final = "text/xml"
_encode: Final = json.JSONEncoder(separators=(",", ":")).encode
_validators: dict[str, Validator] = {}
_MEMBER: Final = re.compile(r" at '(\w+)")
_CODES: Final = {
    ("cloudtrail", "maxResults"): "InvalidMaxResultsException",
    ("cloudtrail", "lookupAttributes"): "InvalidLookupAttributesException",
    ("cloudtrail", "eventCategory"): "InvalidEventCategoryException",
}
"""(service, member) -> the code of its own that a service has for a broken constraint of the member."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete HTTP answer."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def load_json(body: bytes) -> dict[str, Any]:
    """The JSON object of a request body, an empty body being an empty object."""
    try:
        loaded = json.loads(body or b"{}")
    except ValueError as error:
        raise AwsError("SerializationException", "Could not parse the request body as JSON") from error
    if not isinstance(loaded, dict):
        raise AwsError("SerializationException", "Expected structure or null")
    return loaded


def load_query(body: bytes) -> dict[str, str]:
    """The flat parameters of a query-protocol body, `Action` and `Version` included."""
    return dict(parse_qsl(body.decode("utf-8", "replace"), keep_blank_values=True))


def validated(model: OperationModel, raw: Mapping[str, Any], protocol: Protocol) -> dict[str, Any]:
    """Typed parameters of a request; raises AwsError in AWS's words. `raw` is the JSON or the flat query."""
    service = model.service_model.service_name
    if model.input_shape is None:
        return {}
    query = protocol == "query"
    try:
        value = _nested(model.input_shape, raw, "") if query else raw
        return _validators.setdefault(service, Validator())(model.input_shape, value)
    except UnserializableError as error:
        raise AwsError("SerializationException", str(error)) from error
    except ConstraintViolationError as error:
        # A service that once spoke query keeps that protocol's codes in JSON.
        keeps = query or "awsQueryCompatible" in model.service_model.metadata
        found = _MEMBER.search(error.problems[0])
        own = _CODES.get((service, found[1])) if found else None
        raise AwsError(own or ("ValidationError" if keeps else "ValidationException"), str(error)) from error


def _nested(shape: Shape, flat: Mapping[str, str], prefix: str) -> dict[str, Any]:
    """Query parameters (`Tags.member.1.Key`) as the JSON that the same request would be."""
    found: dict[str, Any] = {}
    for name, member in shape.members.items():
        value = _query_value(member, flat, f"{prefix}{name}")
        if value is not None:
            found[name] = value
    return found


def _query_value(shape: Shape, flat: Mapping[str, str], key: str) -> Any:
    if shape.type_name == "list":
        entries: list[Any] = []
        while (entry := _query_value(shape.member, flat, f"{key}.member.{len(entries) + 1}")) is not None:
            entries.append(entry)
        return entries or None
    if shape.type_name == "structure":
        return _nested(shape, flat, f"{key}.") or None
    text = flat.get(key)
    return text if text is None else _query_scalar(shape.type_name, text)


def _query_scalar(type_name: str, text: str) -> Any:
    if type_name in ("integer", "long", "float", "double"):
        try:
            return int(text) if type_name in ("integer", "long") else float(text)
        except ValueError:
            return text
    if type_name == "timestamp":
        try:
            moment = datetime.fromisoformat(text)
            return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
        except ValueError:
            return text
    return text == "true" if type_name == "boolean" and text in ("true", "false") else text


def answer(model: OperationModel, result: Mapping[str, Any], request_id: str, protocol: Protocol) -> Answer:
    """The successful answer: members that the output shape lacks are dropped, None counts as absent."""
    if protocol == "query":
        return _query_answer(model, result, request_id)
    body = {} if model.output_shape is None else _output_writer(model)(result)
    return Answer(200, _headers(_JSON, request_id), _encode(body).encode())


def error_answer(protocol: Protocol, error: AwsError, request_id: str, service: str) -> Answer:
    """The error answer of a service that speaks `protocol`."""
    if protocol == "json":
        body = json.dumps({"__type": error.code, "message": error.message, **error.members}, default=str)
        headers = (*_headers(_JSON, request_id), ("x-amzn-ErrorType", error.code))
        return Answer(error.status, headers, body.encode())
    code, message = f"<Code>{escape(error.code)}</Code>", f"<Message>{escape(error.message)}</Message>"
    request = f"<RequestId>{request_id}</RequestId>"
    if protocol == "rest-xml":
        text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{code}{message}{request}</Error>'
        headers = (*_headers("application/xml", request_id), ("x-amz-request-id", request_id))
        return Answer(error.status, headers, text.encode())
    kind = "Receiver" if error.status >= 500 else "Sender"
    opening = f'<ErrorResponse xmlns="https://{service}.amazonaws.com/doc/">'
    text = f"{opening}<Error><Type>{kind}</Type>{code}{message}</Error>{request}</ErrorResponse>"
    return Answer(error.status, _headers(_XML, request_id), text.encode())


def _headers(content_type: str, request_id: str) -> tuple[tuple[str, str], ...]:
    return (("Content-Type", content_type), ("x-amzn-RequestId", request_id))


Writer = Callable[[Any], Any]
_writers = Compiled[Writer]()


def _output_writer(model: OperationModel) -> Writer:
    """The compiled writer of an operation's output; compiled once, because Describe is the hot path."""
    shape: Shape = model.output_shape
    return _writer(model.service_model.service_name, shape)


def _writer(service: str, shape: Shape) -> Writer:
    key = (service, shape.name)
    return _writers.get(key, lambda: _compile(key, shape))


def _compile(key: tuple[str, str], shape: Shape) -> Writer:
    if shape.type_name == "structure" and not shape.metadata.get("document"):
        return _structure_writer(key, shape)
    if shape.type_name == "list":
        return _list_writer(key, shape)
    if shape.type_name == "map":
        return _map_writer(key, shape)
    return _SCALARS.get(shape.type_name, _as_is)


def _structure_writer(key: tuple[str, str], shape: Shape) -> Writer:
    members: dict[str, Writer] = {}

    def write(value: Any) -> Any:
        return {name: members[name](entry) for name, entry in value.items() if entry is not None and name in members}

    # Registered before its members are compiled: shapes contain themselves.
    _writers.register(key, write)
    members.update((name, _writer(key[0], member)) for name, member in shape.members.items())
    return write


def _list_writer(key: tuple[str, str], shape: Shape) -> Writer:
    cell: list[Writer] = []
    write = _writers.register(key, lambda value: [cell[0](entry) for entry in value])
    cell.append(_writer(key[0], shape.member))
    return write


def _map_writer(key: tuple[str, str], shape: Shape) -> Writer:
    cell: list[Writer] = []
    write = _writers.register(key, lambda value: {name: cell[0](entry) for name, entry in value.items()})
    cell.append(_writer(key[0], shape.value))
    return write


def _as_is(value: Any) -> Any:
    return value


def _epoch(value: Any) -> Any:
    return round(value.timestamp(), 3) if isinstance(value, datetime) else value


def _base64(value: Any) -> Any:
    return base64.b64encode(value).decode() if isinstance(value, bytes) else value


_SCALARS: Final[Mapping[str, Writer]] = {"timestamp": _epoch, "blob": _base64}


def _query_answer(model: OperationModel, result: Mapping[str, Any], request_id: str) -> Answer:
    namespace = model.service_model.metadata["xmlNamespace"]
    inner = ""
    if model.output_shape is not None:
        wrapper = model.output_shape.serialization.get("resultWrapper", f"{model.name}Result")
        inner = f"<{wrapper}>{_xml_members(model.output_shape, result)}</{wrapper}>"
    text = (
        f'<{model.name}Response xmlns="{namespace}">{inner}'
        f"<ResponseMetadata><RequestId>{request_id}</RequestId></ResponseMetadata></{model.name}Response>"
    )
    return Answer(200, _headers(_XML, request_id), text.encode())


def _xml_members(shape: Shape, value: Mapping[str, Any]) -> str:
    return "".join(
        f"<{name}>{_xml_value(member, value[name])}</{name}>" for name, member in shape.members.items() if value.get(name) is not None
    )


def _xml_value(shape: Shape, value: Any) -> str:
    if shape.type_name == "structure":
        return _xml_members(shape, value)
    if shape.type_name == "list":
        return "".join(f"<member>{_xml_value(shape.member, entry)}</member>" for entry in value)
    if isinstance(value, datetime):
        return value.strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return escape(str(value).lower() if isinstance(value, bool) else str(value))
