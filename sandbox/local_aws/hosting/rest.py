"""The runtime's REST requests and answers: members in the path, in headers and in the body, as botocore's model places them.

SageMaker's runtime signs as "sagemaker", like the control plane, so `route` asks this module by the path alone. Any operation
of the runtime whose path is here can be served; a handler decides.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from botocore.model import OperationModel

from local_aws.errors import AwsError
from local_aws.model import operation_model
from local_aws.validate import ConstraintViolationError, UnserializableError, Validator
from local_aws.wire import Answer

SERVICE: Final = "sagemaker-runtime"
Environ = dict[str, Any]

_PATH: Final = re.compile(r"/endpoints/(?P<EndpointName>[^/]+)/(?P<action>invocations|async-invocations|invocations-response-stream)")
_OPERATIONS: Final = {
    "invocations": "InvokeEndpoint",
    "async-invocations": "InvokeEndpointAsync",
    "invocations-response-stream": "InvokeEndpointWithResponseStream",
}
_validator: Final = Validator()


def identify(environ: Environ, body: bytes) -> tuple[str, str, dict[str, Any]] | None:
    """(operation, endpoint name, raw parameters) of a runtime request; None for any other request."""
    found = _PATH.fullmatch(environ["PATH_INFO"])
    if found is None or environ["REQUEST_METHOD"] != "POST":
        return None
    operation = _OPERATIONS[found["action"]]
    model = operation_model(SERVICE, operation)
    assert model is not None, "the names come from the model"
    raw: dict[str, Any] = {"EndpointName": found["EndpointName"]}
    for name, member in model.input_shape.members.items():
        if member.serialization.get("location") == "header":
            value = _header(environ, member.serialization["name"])
            if value is not None:
                raw[name] = int(value) if member.type_name == "integer" and value.isdigit() else value
    if payload := model.input_shape.serialization.get("payload"):
        raw[payload] = body
    return operation, found["EndpointName"], raw


def _header(environ: Environ, name: str) -> str | None:
    if name.lower() == "content-type":
        return environ.get("CONTENT_TYPE") or None
    found: str | None = environ.get("HTTP_" + name.upper().replace("-", "_"))
    return found


def validated(model: OperationModel, raw: Mapping[str, Any]) -> dict[str, Any]:
    """Typed parameters of a runtime request; the body stays the bytes it is. Raises the runtime's ValidationError."""
    payload = model.input_shape.serialization.get("payload")
    body = raw.get(payload, b"")
    without = {name: "" if name == payload else value for name, value in raw.items()}
    try:
        params = _validator(model.input_shape, without)
    except (UnserializableError, ConstraintViolationError) as error:
        raise AwsError("ValidationError", str(error), members={"Message": str(error)}) from error
    return {**params, **({payload: body} if payload else {})}


def answer(model: OperationModel, result: Mapping[str, Any], request_id: str) -> Answer:
    """The successful answer: members in headers, and the payload as it is or, without one, the other members as JSON."""
    headers = [("x-amzn-RequestId", request_id)]
    for name, member in model.output_shape.members.items():
        if member.serialization.get("location") == "header" and result.get(name) is not None:
            headers.append((member.serialization["name"], str(result[name])))
    status = int(model.http.get("responseCode", 200))
    payload = model.output_shape.serialization.get("payload")
    if payload is not None:
        return Answer(status, tuple(headers), result.get(payload, b""))
    plain = [name for name, member in model.output_shape.members.items() if "location" not in member.serialization]
    body = json.dumps({name: result[name] for name in plain if result.get(name) is not None})
    return Answer(status, (*headers, ("Content-Type", "application/json")), body.encode())
