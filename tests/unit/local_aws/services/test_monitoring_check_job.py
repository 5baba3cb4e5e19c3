"""The check of jobs/monitoring as the processing job that it is: its files from S3, its folders under /opt/ml, its report in S3."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from service_kit import BUCKET, Kit, s3_input

JOB = Path(__file__).resolve().parents[4] / "jobs/monitoring"
ENTRY = ["python3", "/opt/ml/processing/input/monitoring/check.py"]


def request(kit: Kit, metrics: list[str]) -> dict[str, Any]:
    """CreateProcessingJob as decision 0011 describes it: three captured records with errors of 1, 1 and 2."""
    made = kit.processing_request("")
    prefix = made["ProcessingJobName"]
    for file in JOB.glob("*.py"):
        kit.put(f"{prefix}/monitoring/{file.name}", file.read_text())
    config = {
        "policy": {"namespace": "team-a", "name": "fees"},
        "target": {"kind": "Endpoint", "name": "fees", "variant": "blue", "modelVersion": "7"},
        "window": {"start": "2026-01-31T10:00:00Z", "end": "2026-01-31T11:00:00Z"},
        "now": "2026-01-31T11:30:00Z",
        "groundTruth": {"idField": "eventId", "maxDelaySeconds": 0, "minMatched": 3},
        "prepare": None,
        "minSampleSize": 3,
        "checks": [{"name": "errors", "type": "ModelQuality", "problemType": "Regression", "metrics": metrics}],
    }
    kit.put(f"{prefix}/config/config.json", json.dumps(config))
    event = {"inferenceTime": "2026-01-31T10:30:00Z"}
    output = {"observedContentType": "text/csv", "mode": "OUTPUT", "data": "0", "encoding": "CSV"}
    lines = [
        {"captureData": {"endpointOutput": output}, "eventMetadata": {**event, "eventId": str(at)}, "eventVersion": "0"} for at in range(3)
    ]
    kit.put(f"{prefix}/capture/blue/2026/01/31/10/a.jsonl", "".join(json.dumps(line) + "\n" for line in lines))
    kit.put(f"{prefix}/groundtruth/a.csv", "eventId,actual\n0,1\n1,-1\n2,2\n")
    folders = ("monitoring", "config", "capture", "groundtruth")
    made["ProcessingInputs"] = [s3_input(name, f"s3://{BUCKET}/{prefix}/{name}", f"/opt/ml/processing/input/{name}") for name in folders]
    made["AppSpecification"]["ContainerEntrypoint"] = ENTRY
    return made


@pytest.mark.capability("G6", "G7")
def test_a_check_writes_its_report_to_s3(kit: Kit) -> None:
    """rmse = sqrt((1 + 1 + 4) / 3); every file of the output is there."""
    made = request(kit, ["rmse"])
    name = made["ProcessingJobName"]
    kit.client("sagemaker").create_processing_job(**made)
    job = kit.processed(name)
    assert job["ProcessingJobStatus"] == "Completed", job.get("FailureReason")
    report = json.loads(kit.read(f"s3://{BUCKET}/results/{name}/report.json"))
    (metric,) = report["metrics"]
    assert (metric["value"], metric["sampleSize"], metric["variant"]) == (pytest.approx(2**0.5), 3, "blue")
    for file in ("statistics", "constraints", "constraint_violations"):
        assert kit.read(f"s3://{BUCKET}/results/{name}/{file}.json")


def test_a_configuration_that_cannot_be_used_fails_the_job_and_says_why(kit: Kit) -> None:
    """ExitMessage names the field."""
    made = request(kit, ["auc"])
    kit.client("sagemaker").create_processing_job(**made)
    job = kit.processed(made["ProcessingJobName"])
    assert job["ProcessingJobStatus"] == "Failed"
    assert job["ExitMessage"] == "checks[0].metrics[0]: must be one of rmse, mae, mse, r2, is 'auc'"
