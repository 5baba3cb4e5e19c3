"""Champion gates against what a ModelEndpoint really serves: on the real API server, with endpoints and evaluations that run."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from tests.system.endpoints import BROKEN, ENVIRONMENT, IMAGE, SERVES, Endpoints
from tests.system.stack import SKLEARN, Stack, condition

TRAIN = """
import argparse, os, pathlib
def model_fn(folder):
    return pathlib.Path(folder, "model.txt").read_text()
def input_fn(body, content_type):
    return body
def predict_fn(data, model):
    return model
def output_fn(prediction, accept):
    return prediction, "text/csv"
if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--accuracy")
    pathlib.Path(os.environ["SM_MODEL_DIR"], "model.txt").write_text(parser.parse_known_args()[0].accuracy)
"""
EVALUATE = """
import json, pathlib, tarfile
with tarfile.open("/opt/ml/processing/input/model/model.tar.gz") as archive:
    accuracy = float(next(archive.extractfile(m).read() for m in archive if m.name.endswith("model.txt")))
folder = pathlib.Path("/opt/ml/processing/output/evaluation")
for name in ("statistics.json", "constraints.json", "baseline.json"):
    (folder / name).write_text("{}")
(folder / "evaluation.json").write_text(json.dumps({"accuracy": accuracy}))
"""
FILES = {"train.py": TRAIN, "evaluate.py": EVALUATE}
FIXED = {"metric": "accuracy", "operator": ">=", "value": 0.1}
ENDED = ("Succeeded", "GateRejected")
TRAINS, EVALUATES = "sagemaker:CreateTrainingJob", "sagemaker:CreateProcessingJob"


class Challenge:
    """A TrainingRun that has to beat what the ModelEndpoint of the same name serves; its model is as accurate as it is told to be."""

    def __init__(self, stack: Stack, name: str, **champion: Any) -> None:
        self.stack, self.name, self.endpoints = stack, name, Endpoints(stack)
        champion = {"endpointRef": {"name": name}, "goal": "Maximize"} | champion
        processing = {"framework": SKLEARN, "entryPoint": "evaluate.py", "channels": ["raw"]}
        self.spec: dict[str, Any] = {
            "uri": stack.data(),
            "evaluate": {"processing": processing},
            "gates": [FIXED, {"metric": "accuracy", "champion": champion}],
            "register": {"group": name, "approval": "Auto"},
        }

    def apply(self, accuracy: float) -> None:
        train = {"framework": SKLEARN, "entryPoint": "train.py", "channels": ["raw"], "hyperparameters": {"accuracy": str(accuracy)}}
        self.stack.run(self.name, files=FILES, train=train, **self.spec)

    def ended(self, accuracy: float) -> dict[str, Any]:
        """The end of the run whose model has this accuracy."""
        metric = f"accuracy={accuracy:g}"
        found = self.stack.until(self.name, lambda status: status.get("phase") in ENDED and status.get("metric") == metric)
        return dict(found["status"])

    def run(self, accuracy: float) -> tuple[dict[str, Any], Counter[str]]:
        """The end of a run, and what it created at AWS."""

        def challenge() -> None:
            self.apply(accuracy)
            self.ended(accuracy)

        created = self.stack.created_by(challenge)
        return self.stack.status(self.name), created

    def serve(self, version: int) -> None:
        self.endpoints.apply(self.name, {"name": "all", "model": {"package": {"group": self.name, "version": version}}})

    def serve_raw(self) -> None:
        """An image with an archive of somebody's own, in which evaluate.py finds no model.txt."""
        model = {"image": IMAGE, "artifact": self.endpoints.artifact(SERVES.replace("VALUE", "1")), "environment": ENVIRONMENT}
        self.endpoints.apply(self.name, {"name": "all", "model": model})
        self.endpoints.in_service(self.name)


def _step(status: dict[str, Any], name: str) -> dict[str, Any]:
    return next(dict(step) for step in status["steps"] if step["name"] == name)


@pytest.mark.capability("C14")
def test_a_new_model_must_beat_the_one_that_serves(stack: Stack) -> None:
    """Evaluated once on the same test data, then known; a run that is worse is rejected against live; re-applied, nothing is called."""
    run = Challenge(stack, "beats", reevaluate=True)
    first, created = run.run(0.8)
    assert (first["phase"], first["model"], _step(first, "evaluate-champion")["state"]) == ("Succeeded", "beats/1", "Skipped")
    assert "there is no ModelEndpoint beats to compare with" in condition(first, "GatePassed")["message"]
    assert created[EVALUATES] == 1
    run.serve(1)
    run.endpoints.in_service("beats", "1")

    worse, created = run.run(0.7)
    assert (worse["phase"], worse["championModel"], worse["champion"]) == ("GateRejected", "beats/1", "0.8")
    assert "is not better than champion beats/1 (0.8) by at least 0 on the same test data" in condition(worse, "GatePassed")["message"]
    assert condition(worse, "Ready")["status"] == "True"
    assert created == Counter({TRAINS: 1, EVALUATES: 2})

    def again() -> None:
        run.apply(0.7)
        stack.quiet()

    assert stack.created_by(again) == Counter()

    better, created = run.run(0.9)
    assert (better["phase"], better["model"], better["championModel"]) == ("Succeeded", "beats/2", "beats/1")
    assert created == Counter({TRAINS: 1, EVALUATES: 1, "sagemaker:CreateModelPackage": 1})
    assert _step(better, "evaluate-champion")["awsName"] == _step(worse, "evaluate-champion")["awsName"]


@pytest.mark.capability("C14", "F15")
def test_after_a_rollback_the_champion_is_the_version_that_still_serves(stack: Stack) -> None:
    """What is wanted, and what is approved last, is not what answers; and a champion that changes is measured in its turn."""
    run = Challenge(stack, "rolled")
    run.run(0.8)
    run.serve(1)
    run.endpoints.in_service("rolled", "1")
    run.run(0.9)
    run.serve(2)
    run.endpoints.in_service("rolled", "2")
    run.endpoints.register("rolled", BROKEN)
    run.serve(3)
    run.endpoints.until("rolled", lambda status: status.get("phase") == "RolledBack")
    worse, created = run.run(0.85)
    assert (worse["phase"], worse["championModel"], worse["champion"]) == ("GateRejected", "rolled/2", "0.9")
    assert created == Counter({TRAINS: 1, EVALUATES: 1})
    run.serve(1)
    run.endpoints.in_service("rolled", "1")
    assert stack.status("rolled")["championModel"] == "rolled/2", "a finished run is not judged again"
    between, _ = run.run(0.84)
    assert (between["phase"], between["championModel"], between["champion"]) == ("Succeeded", "rolled/1", "0.8")


def test_a_served_model_of_no_registry_is_refused_or_evaluated(stack: Stack) -> None:
    """Refused with the fix before any AWS call; the run goes on by itself once the endpoint serves a registered model."""
    run = Challenge(stack, "raw")
    run.serve_raw()
    calls = len(stack.calls_for("raw"))
    run.apply(0.8)
    status = stack.until("raw", lambda status: status.get("phase") == "Invalid")["status"]
    assert "spec.gates[1].champion.reevaluate" in condition(status, "Stalled")["message"]
    assert "set reevaluate: true" in condition(status, "Stalled")["message"]
    assert not {call for call in stack.calls_for("raw")[calls:] if call.startswith("Create")}

    first = Challenge(stack, "raw-first")
    first.spec |= {"gates": [FIXED], "register": {"group": "raw", "approval": "Auto"}}
    assert first.run(0.6)[0]["phase"] == "Succeeded"
    run.serve(1)
    run.endpoints.in_service("raw", "1")
    ended = run.ended(0.8)
    assert (ended["phase"], ended["championModel"], ended["champion"]) == ("Succeeded", "raw/1", "0.6")


def test_a_champion_that_cannot_be_evaluated_fails_the_gate(stack: Stack) -> None:
    """The failure of the second evaluation is told with its log, and nothing is registered."""
    run = Challenge(stack, "broken-champion", reevaluate=True)
    run.serve_raw()
    status, created = run.run(0.99)
    assert (status["phase"], status["failure"]["step"]) == ("GateRejected", "evaluate-champion")
    assert "could not be evaluated on the same test data" in condition(status, "Stalled")["message"]
    assert any("StopIteration" in line for line in status["failure"]["logTail"])
    assert created == Counter({TRAINS: 1, EVALUATES: 2})
