"""Objects into records, records into request bodies, answers into one object again.

Pure. Sources: API reference of CreateTransformJob, TransformInput, TransformOutput and DataProcessing; developer guide, "Batch
transform for inference".
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from local_aws.transform.jsonpath import Path, PathError, parse

_OUTPUT: Final = "SageMakerOutput"
_INPUT: Final = "SageMakerInput"
_CSV: Final = "text/csv"
_LINES: Final = frozenset({"application/jsonlines", "application/x-jsonlines"})
_JSON: Final = "application/json"


class DataError(ValueError):
    """An object that can't be transformed as the job asks; the text goes to the job's data log."""


def split(body: bytes, split_type: str) -> list[bytes]:
    """The records of an object, lines with their end; empty lines are no records."""
    if split_type == "None":
        return [body]
    return [line for line in body.splitlines(keepends=True) if line.strip()]


def batches(records: Sequence[bytes], *, multi: bool, limit: int | None) -> Iterator[list[bytes]]:
    """Records as they go into requests of at most `limit` bytes: one each, or as many as fit. DataError when one is too large."""
    batch: list[bytes] = []
    size = 0
    for record in records:
        if limit is not None and len(record) > limit:
            raise DataError("Too much data for max payload size")
        if batch and (not multi or (limit is not None and size + len(record) > limit)):
            yield batch
            batch, size = [], 0
        batch.append(record)
        size += len(record)
    if batch:
        yield batch


def assemble(answers: Sequence[bytes], how: str) -> bytes:
    """The answers in order; with `Line` each ends in a newline."""
    if how == "None":
        return b"".join(answers)
    return b"".join(answer if answer.endswith(b"\n") else answer + b"\n" for answer in answers)


def data_format(content_type: str, split_type: str) -> str | None:
    """`csv`, `lines` (a JSON value a line) or `json` (one value for the whole object); None for what no filter can read."""
    media_type = content_type.partition(";")[0].strip().lower()
    if media_type == _CSV:
        return "csv"
    if media_type in _LINES or (media_type == _JSON and split_type == "Line"):
        return "lines"
    return "json" if media_type == _JSON else None


@dataclass(frozen=True, slots=True)
class DataProcessing:
    """InputFilter, JoinSource and OutputFilter of a job for one data format."""

    format: str
    input_filter: Path
    output_filter: Path
    join: bool

    @property
    def after(self) -> bool:
        """Whether answers must be read at all."""
        return self.join or not self.output_filter.everything

    def sent(self, records: Sequence[bytes]) -> bytes:
        """The request body: what InputFilter selects of each record."""
        if self.input_filter.everything:
            return b"".join(records)
        return self._written([_selected(self.input_filter, value) for value in self._values(b"".join(records), "input")])

    def kept(self, records: Sequence[bytes], answer: bytes) -> bytes:
        """What is stored: the answer joined to the whole input and filtered, record by record."""
        if not self.after:
            return answer
        outputs = self._values(answer, "output")
        if self.join:
            inputs = self._values(b"".join(records), "input")
            if len(inputs) != len(outputs):
                raise DataError(f"JoinSource Input: {len(inputs)} input records, but {len(outputs)} output records")
            outputs = [_joined(self.format, *pair) for pair in zip(inputs, outputs, strict=True)]
        return self._written([_selected(self.output_filter, value) for value in outputs])

    def _values(self, body: bytes, what: str) -> list[Any]:
        try:
            text = body.decode("utf-8")
            if self.format == "csv":
                return [row for row in csv.reader(io.StringIO(text)) if row]
            if self.format == "lines":
                return [json.loads(line) for line in text.splitlines() if line.strip()]
            return [json.loads(text)]
        except (ValueError, csv.Error) as error:
            raise DataError(f"The {what} can't be read as {self.format}: {error}") from error

    def _written(self, values: Sequence[Any]) -> bytes:
        if self.format != "csv":
            return "\n".join(json.dumps(value, separators=(",", ":"), ensure_ascii=False) for value in values).encode()
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows(value if isinstance(value, list) else [value] for value in values)
        return text.getvalue().encode()


def data_processing(config: dict[str, str], found: str | None) -> DataProcessing | None:
    """What a request's DataProcessing asks for; None when it changes nothing. PathError, or DataError without a format."""
    paths = [parse(config.get(member, "$")) for member in ("InputFilter", "OutputFilter")]
    join = config.get("JoinSource") == "Input"
    if not join and all(path.everything for path in paths):
        return None
    if found is None:
        raise DataError(
            "InputFilter, OutputFilter and JoinSource need a ContentType of text/csv, application/json or application/jsonlines"
        )
    return DataProcessing(found, paths[0], paths[1], join)


def _selected(path: Path, value: Any) -> Any:
    try:
        return path.select(value)
    except PathError as error:
        raise DataError(str(error)) from error


def _joined(found: str, record: Any, answer: Any) -> Any:
    if found == "csv":
        return [*record, *answer]
    if isinstance(record, dict):
        return {**record, _OUTPUT: answer}
    return {_INPUT: record, _OUTPUT: answer}
