"""A folder as a monitoring job sees it, with the files of SageMaker that a test asks for."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import check

START = datetime(2026, 1, 31, 10, tzinfo=UTC)


def moment(minutes: float = 0.0) -> str:
    """RFC 3339, minutes after the window's start."""
    return (START + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")


def side(data: Any, encoding: str, content_type: str) -> dict[str, str]:
    """One side of a captured invocation. BASE64 is what capture has without CaptureContentTypeHeader."""
    text = data if isinstance(data, str) else json.dumps(data)
    encoded = base64.b64encode(text.encode()).decode() if encoding == "BASE64" else text
    return {"observedContentType": content_type, "mode": "INPUT", "data": encoded, "encoding": encoding}


def captured(number: int, given: Any, answer: Any, minutes: float = 1.0, **event: Any) -> dict[str, Any]:
    """A line of data capture: CSV in, JSON out."""
    return {
        "captureData": {"endpointInput": side(given, "CSV", "text/csv"), "endpointOutput": side(answer, "JSON", "application/json")},
        "eventMetadata": {"eventId": f"event-{number}", "inferenceTime": moment(minutes), **event},
        "eventVersion": "0",
    }


def truth(key: str, data: Any, encoding: str = "CSV") -> dict[str, Any]:
    """A line of ground truth as AWS has it."""
    text = data if isinstance(data, str) else json.dumps(data)
    return {"groundTruthData": {"data": text, "encoding": encoding}, "eventMetadata": {"eventId": key}, "eventVersion": "0"}


def lines(documents: list[Any]) -> str:
    return "".join(json.dumps(document) + "\n" for document in documents)


class World:
    """`input/` and `output/` of a processing job."""

    def __init__(self, root: Path) -> None:
        self.root = root / "processing"
        self.config: dict[str, Any] = {
            "policy": {"namespace": "team-a", "name": "fees"},
            "target": {"kind": "Endpoint", "name": "fees", "variant": "blue", "modelVersion": "7"},
            "window": {"start": moment(), "end": moment(60)},
            "now": moment(90),
            "groundTruth": {"idField": "eventId", "maxDelaySeconds": 7200, "minMatched": 2},
            "prepare": None,
            "minSampleSize": 2,
            "checks": [{"name": "errors", "type": "ModelQuality", "problemType": "Regression", "metrics": ["rmse"]}],
        }

    def put(self, path: str, content: str | bytes | list[Any] | dict[str, Any]) -> Path:
        """A file below input/: text as it is, a list as JSON lines, an object as JSON."""
        file = self.root / "input" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, (list, dict)):
            content = lines(content) if isinstance(content, list) else json.dumps(content)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        return file

    def capture(self, documents: list[Any], variant: str = "blue", name: str = "00-00-000-a.jsonl", hour: str = "10") -> None:
        self.put(f"capture/{variant}/2026/01/31/{hour}/{name}", documents)

    def run(self) -> int:
        """The exit code of the job."""
        self.put("config/config.json", self.config)
        return check.main(["--root", str(self.root)])

    def report(self) -> dict[str, Any]:
        """report.json of a run that must succeed."""
        assert self.run() == 0
        return self.read("report")

    def read(self, name: str) -> dict[str, Any]:
        document: dict[str, Any] = json.loads((self.root / f"output/{name}.json").read_text())
        return document

    def metrics(self) -> dict[str, Any]:
        """Value by `check/name`, of the report of a run."""
        return {f"{metric['check']}/{metric['name']}": metric["value"] for metric in self.report()["metrics"]}

    def message(self) -> str:
        """What the job leaves for its ExitMessage."""
        return (self.root.parent / "output/message").read_text()
