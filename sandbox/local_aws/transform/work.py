"""The objects of a transform job: found in S3, cut into requests, sent through the containers, stored with `.out` behind the name.

Records keep their order however many requests run at once. Input is read and output written with the model's execution role.
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC
from typing import Any, Final

from local_aws import storage
from local_aws.hosting import chain
from local_aws.hosting.chain import Answered
from local_aws.hosting.model_server import ModelServer, UnreachableError
from local_aws.logs import Line, LogShipper
from local_aws.sagemaker import channels, words
from local_aws.sagemaker.words import client_error
from local_aws.services import Services
from local_aws.transform import records
from local_aws.transform.parameters import Parameters

LOG_GROUP: Final = "/aws/sagemaker/TransformJobs"
SEE_LOGS: Final = "See job logs for more information"
_PAUSE_SECONDS: Final = 0.2
_SAID_CHARACTERS: Final = 2048


class FailedError(Exception):
    """The job fails with this FailureReason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class HaltedError(Exception):
    """The job has been stopped."""


class DataLog:
    """SageMaker's own log stream of a job, beside those of its containers."""

    def __init__(self, shipper: LogShipper, stream: str) -> None:
        self._shipper = shipper
        self._stream = stream

    def write(self, text: str) -> None:
        now = self._shipper.clock.now()
        stamp = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3]
        self._shipper.send((LOG_GROUP, self._stream), [Line(now, f"{stamp}:[sagemaker logs]: {line}") for line in text.splitlines()])


@dataclass(frozen=True, slots=True)
class Inputs:
    """Where the objects of a job are found."""

    services: Services
    request: Mapping[str, Any]
    role: str | None

    def objects(self) -> dict[str, str]:
        """URI -> name below the output path. FailedError in AWS's words when there are none, or none may be read."""
        source = self.request["TransformInput"]["DataSource"]["S3DataSource"]
        uri, region = source["S3Uri"], self.services.world.region
        none = FailedError(client_error(f"Data download failed:{words.no_objects(uri, region, self.role or '')}"))
        if self.role is None or self.services.world.identity.decision(self.role, "s3:GetObject") is not None:
            raise none
        try:
            location = storage.parse(uri)
            if source["S3DataType"] == "ManifestFile":
                found = channels.manifest(self.services.storage, location)
            else:
                keys = self.services.storage.keys(location)
                named = {key: storage.relative_name(key, location.key) for key in keys if not key.endswith("/")}
                found = {str(storage.S3Uri(location.bucket, key)): name for key, name in named.items()}
        except storage.StorageError as error:
            raise none from error
        except ValueError as error:
            raise FailedError(client_error(f"Data download failed:{error}")) from error
        if not found:
            raise none
        return found


class Transforming:
    """One object on its way: its requests run on a pool; `finish` waits for them and stores the result."""

    def __init__(self, work: Work, uri: str, name: str, requests: Sequence[Future[bytes]]) -> None:
        self._work = work
        self._uri = uri
        self._name = name
        self._requests = requests

    def finish(self) -> None:
        """FailedError when a request failed; then the object has no result."""
        answers = []
        try:
            for request in self._requests:
                answers.append(request.result())
        except (HaltedError, CancelledError):
            return
        finally:
            for request in self._requests:
                request.cancel()
        self._work.store(self._uri, self._name, answers)


class Work:
    """What all objects of one job share."""

    def __init__(
        self,
        services: Services,
        request: Mapping[str, Any],
        role: str | None,
        servers: Sequence[ModelServer],
        parameters: Parameters,
        data_log: DataLog,
        halted: threading.Event,
    ) -> None:
        self._services = services
        self._role = role
        self._servers = servers
        self._parameters = parameters
        self._data_log = data_log
        self._halted = halted
        self._source = request["TransformInput"]
        self._target = request["TransformOutput"]
        self._split = self._source.get("SplitType", "None")
        content_type = self._source.get("ContentType", "application/octet-stream")
        self._format = records.data_format(content_type, self._split)
        self._processing = records.data_processing(request.get("DataProcessing", {}), self._format)
        given = {"ContentType": content_type, "Accept": self._target.get("Accept")}
        self._headers = chain.headers({name: value for name, value in given.items() if value})

    def begin(self, pool: ThreadPoolExecutor, uri: str, name: str) -> Transforming:
        """Cut one object into requests; what can't be cut fails when it is finished."""
        try:
            cut = records.split(self._read(uri), self._split)
            batches = list(records.batches(cut, multi=self._parameters.multi, limit=self._parameters.limit))
        except records.DataError as error:
            failed: Future[bytes] = Future()
            failed.set_exception(self._failed(uri, "ClientError", str(error)))
            return Transforming(self, uri, name, [failed])
        return Transforming(self, uri, name, [pool.submit(self._ask, uri, batch) for batch in batches])

    def store(self, uri: str, name: str, answers: Sequence[bytes]) -> None:
        target = storage.parse(self._target["S3OutputPath"]).join(f"{name}.out")
        refused = self._role is None or self._services.world.identity.decision(self._role, "s3:PutObject") is not None
        try:
            if refused:
                raise storage.StorageError("AccessDenied", f"{self._role} may not write {target}")
            self._services.storage.put(target, records.assemble(answers, self._target.get("AssembleWith", "None")))
        except storage.StorageError as error:
            self._failed(uri, "ClientError", str(error))
            raise FailedError(client_error(f"Failed to upload output data: {error.code}: {error.message}")) from error

    def _read(self, uri: str) -> bytes:
        try:
            body = self._services.storage.read(storage.parse(uri))
            return gzip.decompress(body) if self._source.get("CompressionType") == "Gzip" else body
        except (storage.StorageError, OSError, EOFError) as error:
            raise records.DataError(f"The object can't be read: {error}") from error

    def _ask(self, uri: str, batch: Sequence[bytes]) -> bytes:
        """One request and its answer, as it is stored. FailedError with AWS's reason; the data log says more."""
        try:
            body = b"".join(batch) if self._processing is None else self._processing.sent(batch)
            answered = self._answered(uri, body)
            if self._processing is None or not self._processing.after:
                return answered.reply.body
            accept = self._target.get("Accept") or answered.reply.content_type
            if records.data_format(accept, self._split) != self._format:
                raise records.DataError(f"The output is {accept}, but filters and joins need the format of the input")
            return self._processing.kept(batch, answered.reply.body)
        except records.DataError as error:
            raise self._failed(uri, "ClientError", str(error)) from error

    def _answered(self, uri: str, body: bytes) -> Answered:
        """The first good answer of as many attempts as the job may make; a refusal (4xx) is not repeated."""
        for left in range(self._parameters.retries, -1, -1):
            if self._halted.is_set():
                raise HaltedError
            try:
                answered = chain.ask(self._servers, body, self._headers, self._parameters.timeout)
            except UnreachableError as error:
                if not left:
                    raise self._gone(uri) from error
            else:
                if answered.good:
                    return answered
                if not left or 400 <= answered.reply.status < 500:
                    raise self._refused(uri, answered)
            self._halted.wait(_PAUSE_SECONDS)
        raise AssertionError("the last attempt returns or raises")

    def _gone(self, uri: str) -> Exception:
        if self._halted.is_set():
            return HaltedError()
        return self._failed(uri, "AlgorithmError", "The container does not answer")

    def _refused(self, uri: str, answered: Answered) -> Exception:
        if self._halted.is_set():
            return HaltedError()
        said = answered.reply.body.decode("utf-8", "replace")[:_SAID_CHARACTERS]
        kind = "ClientError" if 400 <= answered.reply.status < 500 else "AlgorithmError"
        return self._failed(
            uri, kind, f"Bad HTTP status received from algorithm: {answered.reply.status}", "", "Message:", *said.splitlines()
        )

    def _failed(self, uri: str, kind: str, *lines: str) -> FailedError:
        where = uri.removeprefix("s3://")
        self._data_log.write("\n".join(f"{where}: {line}" for line in lines))
        return FailedError(f"{kind}: {SEE_LOGS}")
