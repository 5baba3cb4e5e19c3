"""Objects into records and requests, JSONPath filters and joins: pure."""

from __future__ import annotations

import json
from typing import Any

import pytest

from local_aws.transform.jsonpath import PathError, parse
from local_aws.transform.parameters import parameters
from local_aws.transform.records import DataError, assemble, batches, data_format, data_processing, split

RECORD = {"id": 7, "features": [1, 2, 3], "who": {"name": "a", "age": 5}}


@pytest.mark.parametrize(
    ("path", "value", "expected"),
    [
        ("$", RECORD, RECORD),
        ("$.features", RECORD, [1, 2, 3]),
        ("$['features'][0]", RECORD, 1),
        ("$.who.name", RECORD, "a"),
        ("$['id','who']", RECORD, {"id": 7, "who": {"name": "a", "age": 5}}),
        ('$["id"]', RECORD, 7),
        ("$.who.*", RECORD, ["a", 5]),
        ("$.features[*]", RECORD, [1, 2, 3]),
        ("$[1:]", list("abcdef"), list("bcdef")),
        ("$[:-1]", list("abc"), list("ab")),
        ("$[0,-1]", list("abc"), ["a", "c"]),
        ("$[0,5:]", list("abcdefg"), ["a", "f", "g"]),
        ("$[-1]", list("abc"), "c"),
        ("$[*].id", [{"id": 1}, {"id": 2}], [1, 2]),
    ],
)
def test_paths_select(path: str, value: Any, expected: Any) -> None:
    """The operators of AWS's table and the examples of its API reference."""
    assert parse(path).select(value) == expected


@pytest.mark.parametrize("path", ["", "features", "$..id", "$[?(@.id>1)]", "$[", "$['a]", "$.a b", "$[1:2:3]", "$x"])
def test_other_paths_are_refused(path: str) -> None:
    """With the expression in the message."""
    with pytest.raises(PathError, match="JSONPath" if not path.startswith("$") else "is not supported at"):
        parse(path)


@pytest.mark.parametrize(("path", "value"), [("$.absent", RECORD), ("$[9]", [1]), ("$[0]", {"a": 1}), ("$.a", [1])])
def test_a_path_that_does_not_fit_is_an_error(path: str, value: Any) -> None:
    """As AWS says of indexes outside the record."""
    with pytest.raises(PathError, match="does not fit the record"):
        parse(path).select(value)


def test_lines_become_requests_within_the_limit() -> None:
    """As many whole lines as fit; one each for SingleRecord; an object as it is without a split."""
    records = split(b"aa\nbbb\n\ncc\ndddd", "Line")
    assert records == [b"aa\n", b"bbb\n", b"cc\n", b"dddd"]
    assert list(batches(records, multi=True, limit=7)) == [[b"aa\n", b"bbb\n"], [b"cc\n", b"dddd"]]
    assert list(batches(records, multi=False, limit=7)) == [[record] for record in records]
    assert list(batches(records, multi=True, limit=None)) == [records]
    assert split(b"a\nb", "None") == [b"a\nb"]


def test_a_record_over_the_limit_is_an_error() -> None:
    """In the words of AWS's data log."""
    with pytest.raises(DataError, match="Too much data for max payload size"):
        list(batches([b"12345"], multi=True, limit=4))


def test_answers_are_assembled() -> None:
    """`Line` ends every answer in one newline."""
    assert assemble([b"a", b"b\n"], "None") == b"ab\n"
    assert assemble([b"a", b"b\n"], "Line") == b"a\nb\n"


@pytest.mark.parametrize(
    ("content_type", "split_type", "expected"),
    [
        ("text/csv", "Line", "csv"),
        ("text/csv; charset=utf-8", "None", "csv"),
        ("application/jsonlines", "Line", "lines"),
        ("application/json", "Line", "lines"),
        ("application/json", "None", "json"),
        ("application/x-image", "None", None),
    ],
)
def test_formats_that_filters_can_read(content_type: str, split_type: str, expected: str | None) -> None:
    """By media type; JSON a line or as a whole."""
    assert data_format(content_type, split_type) == expected


def test_csv_is_filtered_joined_and_filtered_again() -> None:
    """The join has the whole input, also the column that the model did not get; quotes survive."""
    found = data_processing({"InputFilter": "$[1:]", "JoinSource": "Input", "OutputFilter": "$[0,-1]"}, "csv")
    assert found is not None
    records = [b'"a,b",1,2\n', b"c,3,4\n"]
    assert found.sent(records) == b"1,2\n3,4\n"
    assert found.kept(records, b"0.5\n0.7\n") == b'"a,b",0.5\nc,0.7\n'


@pytest.mark.parametrize(
    ("record", "answer", "output_filter", "expected"),
    [
        ({"id": 1, "x": 2}, {"p": 0.5}, "$", {"id": 1, "x": 2, "SageMakerOutput": {"p": 0.5}}),
        ([1, 2], 0.5, "$", {"SageMakerInput": [1, 2], "SageMakerOutput": 0.5}),
        ({"id": 1, "x": 2}, [9], "$['id','SageMakerOutput']", {"id": 1, "SageMakerOutput": [9]}),
        ({"id": 1}, {"p": 0.5}, "$.SageMakerOutput.p", 0.5),
    ],
)
def test_json_is_joined_as_an_object(record: Any, answer: Any, output_filter: str, expected: Any) -> None:
    """Under SageMakerOutput, and SageMakerInput where the input is no object."""
    found = data_processing({"JoinSource": "Input", "OutputFilter": output_filter}, "lines")
    assert found is not None
    kept = found.kept([json.dumps(record).encode() + b"\n"], json.dumps(answer).encode())
    assert json.loads(kept) == expected


def test_input_and_output_must_correspond() -> None:
    """As many records out as in, and in a form that can be read."""
    found = data_processing({"JoinSource": "Input"}, "csv")
    assert found is not None
    with pytest.raises(DataError, match="2 input records, but 1 output records"):
        found.kept([b"1\n", b"2\n"], b"1\n")
    lines = data_processing({"JoinSource": "Input"}, "lines")
    assert lines is not None
    with pytest.raises(DataError, match="The output can't be read as lines"):
        lines.kept([b"{}\n"], b"no json")


def test_what_changes_nothing_needs_no_format() -> None:
    """The defaults written out, with an image; a filter of an image is an error."""
    assert data_processing({"InputFilter": "$", "OutputFilter": "$", "JoinSource": "None"}, None) is None
    with pytest.raises(DataError, match="need a ContentType"):
        data_processing({"InputFilter": "$.a"}, None)


def test_the_job_says_more_than_the_container() -> None:
    """Then /execution-parameters, then AWS's defaults; 0 concurrent transforms leave it to the container."""
    said = b'{"MaxConcurrentTransforms": 8, "BatchStrategy": "SINGLE_RECORD", "MaxPayloadInMB": 2}'
    found = parameters({}, None)
    assert (found.concurrent, found.megabytes, found.strategy, found.retries, found.timeout) == (1, 6, "MULTI_RECORD", 3, 600)
    found = parameters({"MaxConcurrentTransforms": 0}, said)
    assert (found.concurrent, found.megabytes, found.strategy, found.multi) == (8, 2, "SINGLE_RECORD", False)
    own = {"MaxConcurrentTransforms": 2, "BatchStrategy": "MultiRecord", "MaxPayloadInMB": 0}
    found = parameters(own, said)
    assert (found.concurrent, found.limit, found.strategy) == (2, None, "MULTI_RECORD")
    assert parameters({}, b"not json") == parameters({}, None) == parameters({}, b'{"MaxPayloadInMB": "x"}')
