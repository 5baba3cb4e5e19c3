"""Data capture writes AWS's JSON lines into AWS's folders, in batches."""

from __future__ import annotations

import base64
import json
import re
from typing import Any

import pytest
from hosting_kit import NAMED, HostingKit
from service_kit import BUCKET, ROLE, until

ECHO = "def model_fn(f): return 0\ndef transform_fn(m, data, c, a): return data, c\n"
HEADERS = {"CsvContentTypes": ["text/csv"], "JsonContentTypes": ["application/json"]}


def captured(kit: HostingKit, mode: str = "InputAndOutput", script: str = NAMED, **changes: Any) -> str:
    """An endpoint that captures into its own prefix; returns its name."""
    name = kit.name("captured")
    config = {
        "InitialSamplingPercentage": 100,
        "DestinationS3Uri": f"s3://{BUCKET}/capture",
        "CaptureOptions": [{"CaptureMode": mode}],
        "CaptureContentTypeHeader": HEADERS,
    }
    model = kit.model("m", script)
    return kit.serving(kit.config(kit.variant(model=model), DataCaptureConfig=config | changes), EndpointName=name)


def keys(kit: HostingKit, name: str) -> list[str]:
    listed = kit.client("s3").list_objects_v2(Bucket=BUCKET, Prefix=f"capture/{name}/")
    return [each["Key"] for each in listed.get("Contents", ())]


def lines(kit: HostingKit, name: str, number: int) -> list[dict[str, Any]]:
    """The captured lines, once there are `number` of them."""
    kit.world.clock.advance(kit.world.settings["endpoints.captureSeconds"])

    def found() -> list[dict[str, Any]]:
        bodies = [kit.read(f"s3://{BUCKET}/{key}").decode() for key in keys(kit, name)]
        return [json.loads(line) for body in bodies for line in body.splitlines()]

    until(lambda: len(found()) >= number, f"{number} captured lines")
    return found()


def test_a_line_has_awss_members(kit: HostingKit) -> None:
    """Input, output, event metadata with the caller's inference id and attributes."""
    name = captured(kit)
    before = kit.world.clock.now().replace(microsecond=0)
    kit.invoke(name, "1,2", InferenceId="id-1", CustomAttributes="trace=7")
    (line,) = lines(kit, name, 1)
    assert line["captureData"] == {
        "endpointInput": {"observedContentType": "text/csv", "mode": "INPUT", "data": "1,2", "encoding": "CSV"},
        "endpointOutput": {
            "observedContentType": "text/plain",
            "mode": "OUTPUT",
            "data": base64.b64encode(b"m:1,2").decode(),
            "encoding": "BASE64",
        },
    }
    event = line["eventMetadata"]
    assert (event["inferenceId"], event["customAttributes"], line["eventVersion"]) == ("id-1", ["trace=7"], "0")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", event["inferenceTime"])
    assert event["inferenceTime"] >= before.strftime("%Y-%m-%dT%H:%M:%SZ")


def test_files_lie_in_folders_by_variant_and_hour_of_aws_time(kit: HostingKit) -> None:
    """One file for the lines of a batch, another for another hour."""
    name = captured(kit)
    hours = []
    for _ in range(2):
        hours.append(kit.world.clock.now().strftime("%Y/%m/%d/%H"))
        kit.invoke(name)
        kit.invoke(name)
        lines(kit, name, 2 * len(hours))
        kit.world.clock.advance(3600)
    found = keys(kit, name)
    assert [key.rpartition("/")[0] for key in found] == [f"capture/{name}/AllTraffic/{hour}" for hour in hours]
    assert all(re.fullmatch(r"\d\d-\d\d-\d{3}-[0-9a-f-]{36}\.jsonl", key.rpartition("/")[2]) for key in found)


@pytest.mark.parametrize(("mode", "sides"), [("Input", {"endpointInput"}), ("Output", {"endpointOutput"})])
def test_only_the_wanted_side_is_captured(kit: HostingKit, mode: str, sides: set[str]) -> None:
    """CaptureOptions says which."""
    name = captured(kit, mode)
    kit.invoke(name)
    assert set(lines(kit, name, 1)[0]["captureData"]) == sides


def test_encodings_follow_the_content_types(kit: HostingKit) -> None:
    """CSV and JSON as named in CaptureContentTypeHeader, whatever their charset; bytes that are no text as Base64."""
    name = captured(kit, script=ECHO)
    for body, content_type in (("1", "text/csv; charset=utf-8"), ("[1]", "application/json")):
        kit.invoke(name, body, ContentType=content_type)
    kit.client("sagemaker-runtime").invoke_endpoint(EndpointName=name, Body=b"\xff", ContentType="application/x-image")
    found = [line["captureData"]["endpointOutput"] for line in lines(kit, name, 3)]
    assert [(side["encoding"], side["data"]) for side in found] == [("CSV", "1"), ("JSON", "[1]"), ("BASE64", "/w==")]


def test_without_content_types_everything_is_base64(kit: HostingKit) -> None:
    """The API reference of DataCaptureConfig: what no header names is encoded."""
    model = kit.model("m", ECHO)
    name = kit.name("captured")
    config = {"InitialSamplingPercentage": 100, "DestinationS3Uri": f"s3://{BUCKET}/capture", "CaptureOptions": [{"CaptureMode": "Input"}]}
    kit.serving(kit.config(kit.variant(model=model), DataCaptureConfig=config), EndpointName=name)
    kit.invoke(name, "1,2")
    (line,) = lines(kit, name, 1)
    side = line["captureData"]["endpointInput"]
    assert (side["observedContentType"], side["encoding"], base64.b64decode(side["data"])) == ("text/csv", "BASE64", b"1,2")
    assert not {"inferenceId", "customAttributes"} & line["eventMetadata"].keys()


def test_a_full_batch_does_not_wait(kit: HostingKit) -> None:
    """endpoints.captureRecords lines are written without the timer."""
    kit.world.settings |= {"endpoints.captureSeconds": 3600, "endpoints.captureRecords": 3}
    name = captured(kit)
    for _ in range(3):
        kit.invoke(name)
    until(lambda: len(keys(kit, name)) == 1, "the batch")


@pytest.mark.parametrize("changes", [{"InitialSamplingPercentage": 0}, {"EnableCapture": False}])
def test_nothing_is_captured_when_it_is_off(kit: HostingKit, changes: dict[str, Any]) -> None:
    """A sample of nothing, or switched off; Describe says so."""
    name, reference = captured(kit, **changes), captured(kit)
    summary = kit.described(name)["DataCaptureConfig"]
    assert summary["EnableCapture"] == changes.get("EnableCapture", True)
    for each in (name, reference):
        kit.invoke(each)
    lines(kit, reference, 1)
    assert not keys(kit, name)


def test_the_execution_role_must_be_allowed_to_write(kit: HostingKit, caplog: pytest.LogCaptureFixture) -> None:
    """Otherwise the lines are lost and the invocation is answered all the same."""
    name = captured(kit)
    kit.world.identity.deny(ROLE, "s3:PutObject")
    kit.invoke(name)
    kit.world.clock.advance(kit.world.settings["endpoints.captureSeconds"])
    until(lambda: "1 captured lines could not be written" in caplog.text, "the refusal")
    kit.world.identity.clear_denials()
    kit.invoke(name)
    assert len(lines(kit, name, 1)) == 1
