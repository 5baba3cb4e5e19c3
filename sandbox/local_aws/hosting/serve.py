"""The model server of one container: GET /ping and POST /invocations, in the process of the variant and with its model.

Runs as a script inside the container's folder, by the interpreter that stands for the image (Python 3.7 or later), so it
imports nothing of this package; numpy only where a default needs it.
It keeps the serving contract of AWS's framework images (sagemaker-inference-toolkit, sagemaker-scikit-learn-container):
`model_fn` is required, `input_fn`, `predict_fn` and `output_fn` default to CSV, JSON and NPY, or `transform_fn` does all three.

Environment: SAGEMAKER_BIND_TO_PORT; SAGEMAKER_PROGRAM (default inference.py) in SAGEMAKER_SUBMIT_DIRECTORY (default
code/ of the model archive; an S3 URI was unpacked to /opt/ml/code); SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT.
"""

from __future__ import annotations

import importlib.util
import inspect
import io
import json
import os
import sys
import traceback
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import ModuleType
from typing import Any

JSON, CSV, NPY = "application/json", "text/csv", "application/x-npy"
_TEXT = frozenset({JSON, CSV})
_MODEL = "/opt/ml/model"
_CODE = "/opt/ml/code"


class UnsupportedError(Exception):
    """A content type that no default can read or write; `status` is 415 or 406."""

    def __init__(self, status: int, content_type: str) -> None:
        super().__init__(f"Content type {content_type} is not supported by this framework.")
        self.status = status


class Transformer:
    """The user's functions and the loaded model; one request at a time may come from several threads."""

    def __init__(self, module: ModuleType, model_folder: str) -> None:
        found = {name: getattr(module, name, None) for name in ("model_fn", "input_fn", "predict_fn", "output_fn", "transform_fn")}
        if found["model_fn"] is None:
            raise NotImplementedError(f"Please provide a model_fn implementation in {module.__file__}.")
        self._transform: Callable[..., Any] | None = found["transform_fn"]
        if self._transform and (found["input_fn"] or found["predict_fn"] or found["output_fn"]):
            raise ValueError("Cannot use transform_fn implementation with input_fn, predict_fn, and/or output_fn")
        self._input: Callable[..., Any] = found["input_fn"] or default_input
        self._predict: Callable[..., Any] = found["predict_fn"] or default_predict
        self._output: Callable[..., Any] = found["output_fn"] or default_output
        self._model = _call(found["model_fn"], model_folder)

    def __call__(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        """(body, content type) of the answer."""
        data: Any = body.decode("utf-8") if _media_type(content_type) in _TEXT else body
        if self._transform is not None:
            return _answer(_call(self._transform, self._model, data, content_type, accept), accept)
        prediction = _call(self._predict, _call(self._input, data, content_type), self._model)
        return _answer(_call(self._output, prediction, accept), accept)


def default_input(data: Any, content_type: str) -> Any:
    """An array, of 32-bit floats when it came as text."""
    import numpy

    media_type = _media_type(content_type)
    if media_type == JSON:
        return numpy.array(json.loads(data)).astype(numpy.float32)
    if media_type == CSV:
        return numpy.genfromtxt(io.StringIO(data), delimiter=",").astype(numpy.float32)
    if media_type == NPY:
        return numpy.load(io.BytesIO(data), allow_pickle=True)
    raise UnsupportedError(415, content_type)


def default_predict(data: Any, model: Any) -> Any:
    return model.predict(data)


def default_output(prediction: Any, accept: str) -> tuple[Any, str]:
    """The prediction as JSON, CSV or NPY."""
    import numpy

    media_type = _media_type(accept)
    if media_type == JSON:
        plain = prediction.tolist() if hasattr(prediction, "tolist") else prediction
        return json.dumps(plain, default=lambda value: value.tolist()), accept
    if media_type == CSV:
        text = io.StringIO()
        numpy.savetxt(text, numpy.atleast_1d(numpy.asarray(prediction)), delimiter=",", fmt="%s")
        return text.getvalue(), accept
    if media_type == NPY:
        stored = io.BytesIO()
        numpy.save(stored, numpy.asarray(prediction))
        return stored.getvalue(), accept
    raise UnsupportedError(406, accept)


def _media_type(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()


def _call(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a user's function; one parameter more is the toolkit's context, which is None here."""
    extra = len(inspect.signature(function).parameters) == len(arguments) + 1
    return function(*arguments, None) if extra else function(*arguments)


def _answer(result: Any, accept: str) -> tuple[bytes, str]:
    """What an output_fn may return: text or bytes, either with a content type, or a response object."""
    content_type = accept
    if isinstance(result, tuple):
        result, content_type = result[0], str(result[1])
    elif hasattr(result, "response"):
        content_type = str(getattr(result, "mimetype", None) or accept)
        result = result.response
    if isinstance(result, str):
        return result.encode(), content_type
    return bytes(result), content_type


def _handler(transformer: Transformer, default_accept: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Headers and body in one packet: the second of two would wait for the caller's delayed acknowledgement.
        wbufsize = 65_536
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._send(200 if self.path == "/ping" else 404, b"", "text/plain")

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path != "/invocations":
                self._send(404, b"", "text/plain")
                return
            accept = self.headers.get("Accept") or "*/*"
            content_type = self.headers.get("Content-Type") or JSON
            try:
                answer = transformer(body, content_type, default_accept if accept == "*/*" else accept)
            except UnsupportedError as error:
                self._send(error.status, str(error).encode(), "text/plain")
            except Exception as error:
                traceback.print_exc()
                self._send(500, f"{error}\n{traceback.format_exc()}".encode(), "text/plain")
            else:
                self._send(200, *answer)

        def _send(self, status: int, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *arguments: Any) -> None:  # noqa: A002
            if self.path != "/ping":
                print(f"{self.log_date_time_string()} {format % arguments}", flush=True)

    return Handler


def _folder() -> str:
    given = os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY", "")
    if given.startswith("s3://"):
        # Where paths are rewritten instead of mounted, this variable carries the container's folder.
        return os.path.join(os.environ.get("SAGEMAKER_BASE_DIR", os.path.dirname(_CODE)), "code")
    return given.split("://", 1)[-1] or os.path.join(_model_folder(), "code")


def _model_folder() -> str:
    return os.environ.get("SM_MODEL_DIR", _MODEL)


def _module(folder: str, program: str) -> ModuleType:
    path = os.path.join(folder, program)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"SAGEMAKER_PROGRAM {program} is not in {folder}")
    sys.path[:0] = [folder, os.path.dirname(path)]
    name = os.path.splitext(os.path.basename(program))[0]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 256


def main() -> None:
    """Load the model, then listen: a model that can't be loaded never answers /ping."""
    program = os.environ.get("SAGEMAKER_PROGRAM") or "inference.py"
    transformer = Transformer(_module(_folder(), program), _model_folder())
    accept = os.environ.get("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT", JSON)
    address = ("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"]))
    _Server(address, _handler(transformer, accept)).serve_forever()


if __name__ == "__main__":
    main()
