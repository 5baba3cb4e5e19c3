"""Model Monitor where ground truth is joined: the merged data of a model quality job, and of a bias job with its own configuration."""

from __future__ import annotations

import json
from pathlib import Path

from monitoring_kit import REPORT, Watch
from service_kit import IMAGE, until
from test_capture import keys

from local_aws import images


def test_a_model_quality_job_gets_merged_data(watch: Watch, endpoint: str) -> None:
    """The captured lines that have ground truth, by inference id, beside which it stands."""
    watch.kit.invoke(endpoint, "3,4", InferenceId="id-2")
    watch.kit.world.clock.advance(watch.kit.world.settings["endpoints.captureSeconds"])
    until(lambda: len(keys(watch.kit, endpoint)) == 2, "the second line")
    hour = watch.kit.world.clock.now().strftime("%Y/%m/%d/%H")
    truth = {"groundTruthData": {"data": "0.7", "encoding": "CSV"}, "eventMetadata": {"eventId": "id-1"}, "eventVersion": "0"}
    watch.kit.put(f"truth/{endpoint}/{hour}/part.jsonl", json.dumps(truth) + "\nnot json\n")
    request = watch.definition(endpoint, "ModelQuality")
    request["ModelQualityAppSpecification"]["ProblemType"] = "Regression"
    request["ModelQualityJobInput"]["EndpointInput"]["InferenceAttribute"] = "0"
    watch.sagemaker.create_model_quality_job_definition(**request)
    name = watch.schedule(request["JobDefinitionName"], "ModelQuality")
    watch.next_hour()
    (execution,) = watch.ended(name)
    assert execution["MonitoringExecutionStatus"] == "Completed"
    report = watch.report(endpoint)
    (line,) = [json.loads(text) for path, text in report["files"].items() if path.startswith(f"input_data/{endpoint}/AllTraffic/{hour}")]
    assert (line["eventMetadata"]["inferenceId"], line["groundTruthData"]["data"]) == ("id-1", "0.7")
    wanted = {
        "analysis_type": "MODEL_QUALITY",
        "problem_type": "Regression",
        "inference_attribute": "0",
        "dataset_source": "/opt/ml/processing/input_data",
        "dataset_format": '{"sagemakerMergeJson":{"captureIndexNames":["endpointInput","endpointOutput"]}}',
    }
    assert wanted.items() <= report["environment"].items()


def test_a_bias_job_runs_the_own_command_of_its_image(watch: Watch, endpoint: str, tmp_path: Path) -> None:
    """The request has no place for another: the mapping of images names it. It finds its configuration, and the merged data."""
    script, mapping = tmp_path / "report.py", tmp_path / "images.yaml"
    script.write_text(REPORT)
    mapping.write_text(
        json.dumps({"images": [{"repositories": ["clarify-of-a-test"], "kind": "python", "command": ["python3", str(script)]}]})
    )
    images.load(mapping)
    hour = watch.kit.world.clock.now().strftime("%Y/%m/%d/%H")
    truth = {"groundTruthData": {"data": "1", "encoding": "CSV"}, "eventMetadata": {"eventId": "id-1"}, "eventVersion": "0"}
    watch.kit.put(f"truth/{endpoint}/{hour}/part.jsonl", json.dumps(truth) + "\n")
    config = watch.kit.put(f"analysis/{endpoint}/analysis_config.json", "{}")
    spec = {"ImageUri": IMAGE.replace(IMAGE.rpartition("/")[2], "clarify-of-a-test:1.0"), "ConfigUri": config}
    name = watch.schedule(watch.defined(endpoint, "ModelBias", ModelBiasAppSpecification=spec), "ModelBias")
    watch.next_hour()
    (execution,) = watch.ended(name)
    assert execution["MonitoringExecutionStatus"] == "Completed", execution.get("FailureReason")
    report = watch.report(endpoint)
    assert report["files"]["input/config/analysis_config.json"] == "{}"
    assert report["environment"]["analysis_type"] == "MODEL_BIAS"
    assert any(path.startswith(f"input_data/{endpoint}/AllTraffic/{hour}") for path in report["files"])
