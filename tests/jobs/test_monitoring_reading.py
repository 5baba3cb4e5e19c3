"""jobs/monitoring: what is read of capture, batch output and ground truth, how it is joined, and when there is enough of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from monitoring_world import World, captured, lines, moment, side, truth

from capture import read_batch, read_capture
from local_aws.hosting.capture import Exchanged, line
from local_aws.hosting.model_server import Reply
from records import Record, Tally, decode, member, seconds
from truth import availability, merge, read_truth

START, END = seconds(moment()), seconds(moment(60))


def read(folder: Path, variant: str | None = None) -> tuple[list[Record], Tally]:
    tally = Tally()
    return read_capture(folder, START, END, variant, tally), tally


@pytest.mark.capability("G4")
@pytest.mark.parametrize(
    ("payload", "value"),
    [
        (side("1.5,süd\n", "CSV", "text/csv"), "1.5,süd\n"),
        (side({"instances": [[1, 2]]}, "JSON", "application/json"), {"instances": [[1, 2]]}),
        (side("1.5,süd\n", "BASE64", "text/csv; charset=utf-8"), "1.5,süd\n"),
        (side({"a": "ü"}, "BASE64", "application/json"), {"a": "ü"}),
        (side('{"a": 1}\n{"a": 2}\n', "BASE64", "application/jsonlines"), [{"a": 1}, {"a": 2}]),
        (side([1, 2], "BASE64", ""), [1, 2]),
        ({"data": "gAAB/w==", "encoding": "BASE64", "observedContentType": "image/png"}, {"base64": "gAAB/w=="}),
    ],
)
def test_a_payload_is_read_in_each_of_its_encodings(payload: dict[str, str], value: Any) -> None:
    """CSV, JSON, and the BASE64 that everything is without CaptureContentTypeHeader; bytes that are no text stay bytes."""
    assert decode(payload) == value


@pytest.mark.parametrize(
    "payload", [{"data": "a", "encoding": "BASE64"}, {"data": "{", "encoding": "JSON"}, {"encoding": "CSV"}, {"data": 3, "encoding": "CSV"}]
)
def test_a_payload_that_is_not_what_its_encoding_says_is_an_error(payload: dict[str, Any]) -> None:
    with pytest.raises(ValueError):
        decode(payload)


@pytest.mark.capability("G4")
def test_the_window_is_told_by_the_time_of_the_invocation_not_by_the_file(world: World) -> None:
    """A file of the next hour's folder with a late record counts; the end is exclusive; each event counts once."""
    world.capture([captured(1, "1", 1, 0), captured(2, "2", 2, 59.9), captured(3, "3", 3, 60), captured(4, "4", 4, -1)])
    world.capture([captured(5, "5", 5, 30), captured(2, "2", 2, 59.9)], name="late.jsonl", hour="13")
    found, tally = read(world.root / "input/capture")
    assert [record.event_id for record in found] == ["event-1", "event-5", "event-2"]
    assert (tally.outside_window, tally.duplicates, tally.unreadable) == (2, 1, {})


@pytest.mark.capability("G4")
def test_what_cannot_be_read_is_counted_by_file(world: World) -> None:
    """A last line that was cut off, lines that are no capture, bytes that are no UTF-8: the others are used."""
    good = lines([captured(1, "1", 1), captured(2, "2", 2)])
    cut = json.dumps(captured(3, "3", 3))[:80]
    world.put("capture/blue/2026/01/31/10/a.jsonl", good + '{"captureData": {}}\n[]\nnull\n' + cut)
    world.put("capture/blue/2026/01/31/10/b.jsonl", b"\xff\xfe{}\n" + lines([captured(4, "4", 4)]).encode())
    no_time = captured(5, "5", 5)
    no_time["eventMetadata"]["inferenceTime"] = "yesterday"
    world.capture([no_time], name="c.jsonl")
    world.put("capture/blue/2026/01/31/10/.part", "half")
    found, tally = read(world.root / "input/capture")
    assert [record.event_id for record in found] == ["event-1", "event-2", "event-4"]
    prefix = "blue/2026/01/31/10"
    assert tally.unreadable == {f"{prefix}/a.jsonl": 4, f"{prefix}/b.jsonl": 1, f"{prefix}/c.jsonl": 1}
    assert tally.document()["unreadable"] == 6


@pytest.mark.capability("G4")
def test_variants_are_kept_apart(world: World) -> None:
    """The folder names the variant; one that is not asked for is not read."""
    world.capture([captured(1, "1", 1)])
    world.capture([captured(2, "2", 2)], variant="green")
    both, _ = read(world.root / "input/capture")
    assert {record.event_id: record.variant for record in both} == {"event-1": "blue", "event-2": "green"}
    one, _ = read(world.root / "input/capture", "green")
    assert [record.event_id for record in one] == ["event-2"]


def test_one_side_alone_may_be_captured(world: World) -> None:
    line = captured(1, "1,2", 3)
    del line["captureData"]["endpointOutput"]
    world.capture([line])
    (found,), _ = read(world.root / "input/capture")
    assert (found.input, found.output) == ("1,2", None)


@pytest.mark.capability("G18")
def test_batch_output_is_read_as_a_transform_job_writes_it(tmp_path: Path) -> None:
    """Joined CSV is split behind the baseline's features, the id is no feature; joined JSON has SageMakerOutput."""
    (tmp_path / "a.csv.out").write_text("id-1,1,2,0.9\nid-2,3,4,0.1\n")
    tally = Tally()
    found = read_batch(tmp_path, "0", 2, tally)
    assert [(item.event_id, item.input, item.output, item.time) for item in found] == [
        ("id-1", [["1", "2"]], [["0.9"]], None),
        ("id-2", [["3", "4"]], [["0.1"]], None),
    ]
    (tmp_path / "a.csv.out").write_text('{"id": 7, "x": 1, "SageMakerOutput": {"score": 0.5}}\n{"id": 8, "x"\n')
    (found_one,) = read_batch(tmp_path, "id", 1, tally)
    assert (found_one.event_id, found_one.input, found_one.output) == ("7", {"x": 1}, {"score": 0.5})
    assert tally.unreadable == {"a.csv.out": 1}
    (tmp_path / "a.csv.out").write_text("0.1,0.9\n")
    (plain,) = read_batch(tmp_path, None, 0, tally)
    assert (plain.event_id, plain.input, plain.output) == ("a.csv.out:1", None, [["0.1", "0.9"]])


@pytest.mark.capability("G6")
def test_ground_truth_is_read_in_each_of_its_forms(world: World) -> None:
    """AWS's JSON lines, plain JSON lines with an id, CSV with a header; a later file corrects an earlier one."""
    world.put("groundtruth/2026/01/31/10/a.jsonl", [truth("a", "1"), truth("b", [1, 2], "JSON"), truth("c", "old")])
    world.put("groundtruth/2026/01/31/11/b.jsonl", [truth("c", "new"), {"no": "id"}, {"order": {"id": "d"}, "label": 3, "weight": 2}])
    world.put("groundtruth/z.csv", "order.id,actual\ne,5\n,6\nf\n")
    tally = Tally()
    found = read_truth(world.root / "input/groundtruth", "order.id", tally)
    assert found["d"] == {"order": {"id": "d"}, "label": 3, "weight": 2}
    assert {key: found[key] for key in "abce"} == {"a": "1", "b": [1, 2], "c": "new", "e": "5"}
    assert tally.unreadable == {"groundtruth/2026/01/31/11/b.jsonl": 1, "groundtruth/z.csv": 2}


def test_a_truth_of_one_value_stands_alone(world: World) -> None:
    world.put("groundtruth/a.jsonl", [{"id": 1, "fee": 2.5}, {"id": 2}])
    tally = Tally()
    assert read_truth(world.root / "input/groundtruth", "id", tally) == {"1": 2.5}
    assert tally.unreadable == {"groundtruth/a.jsonl": 1}


@pytest.mark.capability("G6")
def test_the_callers_id_comes_before_the_events(world: World) -> None:
    """inferenceId as AWS merges by it, else eventId."""
    records = [Record("event-1", "order-1", None, 0, None, None), Record("event-2", None, None, 0, None, None)]
    merge(records, {"order-1": "by inference id", "event-1": "by event id", "event-2": "by event id"})
    assert [record.truth for record in records] == ["by inference id", "by event id"]


def state(matched: int, overdue: int, waiting: int, min_matched: int = 3) -> tuple[str, float | None]:
    """State and match rate: now is 60 minutes after the window's start, maxDelay is 30 minutes."""
    ages = [(10.0, True)] * matched + [(10.0, False)] * overdue + [(45.0, False)] * waiting
    records = [
        Record(f"e{at}", None, None, seconds(moment(minutes)), None, None, 1 if there else None) for at, (minutes, there) in enumerate(ages)
    ]
    found = availability(records, 9, expected=True, min_matched=min_matched, max_delay=1800, now=seconds(moment(60)), end=END)
    assert (found.state == "Available") == (not found.message)
    return found.state, found.match_rate


@pytest.mark.capability("G6")
def test_the_state_of_the_data_says_why_a_window_cannot_be_judged() -> None:
    """No data, late data (it may still come) and a low match (it will not) are three things."""
    assert state(0, 0, 0) == ("NoData", None)
    assert state(3, 1, 0) == ("Available", 0.75)
    assert state(2, 0, 2) == ("LateData", 0.5)
    assert state(2, 2, 0) == ("LowMatch", 0.5)
    assert state(1, 2, 1) == ("LowMatch", 0.25)  # all that may still come is not enough
    assert state(2, 0, 0) == ("LowMatch", 1.0)


@pytest.mark.parametrize(
    ("path", "value"),
    [("predictions[0].score", 0.5), ("predictions.0.score", 0.5), ("a.b", 1), ("missing.x", None), ("predictions[3]", None), (0, None)],
)
def test_a_path_names_a_member(path: str | int, value: Any) -> None:
    """A name with a dot in it is found first."""
    assert member({"predictions": [{"score": 0.5}], "a.b": 1, "a": {"b": 2}}, path) == value


@pytest.mark.capability("G4")
@pytest.mark.parametrize("headers", [{}, {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]}])
def test_what_the_local_aws_captures_is_read(headers: dict[str, list[str]], tmp_path: Path) -> None:
    """With and without CaptureContentTypeHeader: the same payloads, the caller's id and the time in UTC."""
    options = [{"CaptureMode": "Input"}, {"CaptureMode": "Output"}]
    params = {"Body": "1.5,süd\n".encode(), "ContentType": "text/csv", "InferenceId": "order-1"}
    exchanged = Exchanged("fees", "blue", None, params, Reply(200, "application/json", b'{"predictions": [{"score": 0.5}]}'))
    folder = tmp_path / "blue/2026/01/31/10"
    folder.mkdir(parents=True)
    text = line(exchanged, {"CaptureOptions": options, "CaptureContentTypeHeader": headers}, datetime(2026, 1, 31, 10, 5, tzinfo=UTC))
    (folder / "05-00-000-a.jsonl").write_text(text)
    (found,), tally = read(tmp_path)
    assert (found.input, found.output) == ("1.5,süd\n", {"predictions": [{"score": 0.5}]})
    assert (found.inference_id, found.variant, found.time) == ("order-1", "blue", seconds("2026-01-31T10:05:00Z"))
    assert tally.unreadable == {}
