"""jobs/monitoring/check.py as the job runs it: configuration, scripts, report, exit code, cost."""

from __future__ import annotations

import ast
import json
import math
import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from monitoring_world import World, captured, lines, moment, truth

import check
from baseline import baseline
from check_config import parse
from describe import statistics_of
from records import Tally
from window import Baseline, Window

CHECK = Path(check.__file__)
SCRIPT = """
import json, os
found = [json.loads(line) for line in open(os.environ["MONITOR_MERGED"])]
assert json.load(open(os.environ["MONITOR_CONFIG"]))["policy"]["name"] == "fees"
assert os.path.isdir(os.environ["MONITOR_CAPTURE"]) and os.path.isdir(os.environ["MONITOR_GROUND_TRUTH"])
losses = [abs(line["output"] - float(line["groundTruth"])) for line in found if line["groundTruth"] is not None]
extra = {"name": "extra", "value": float(len(found)), "sampleSize": len(found)}
loss = {"name": "loss", "value": sum(losses), "sampleSize": len(losses)}
json.dump({"metrics": [extra, loss]}, open(os.environ["MONITOR_OUTPUT"], "w"))
"""
PREPARE = """
import json, os
assert "MONITOR_MERGED" not in os.environ
line = {"eventId": "p", "time": "2026-01-31T10:00:00Z", "output": 1.0, "groundTruth": 4.0}
open(os.environ["MONITOR_OUTPUT"], "w").write("".join(json.dumps({**line, "eventId": str(at)}) + "\\n" for at in range(3)))
"""


def writing(text: str) -> str:
    """A script that writes a text as its result."""
    return f"import os; open(os.environ['MONITOR_OUTPUT'], 'w').write({text!r})"


def one(kind: str, **fields: Any) -> dict[str, Any]:
    """A configuration with one check."""
    return {"checks": [{"name": "a", "type": kind, **fields}]}


def filled(world: World) -> World:
    """Three records, errors 1, 1 and 2."""
    world.capture([captured(at, f"{at}", at, at) for at in range(3)])
    world.put("groundtruth/a.jsonl", [truth("event-0", "1"), truth("event-1", "0"), truth("event-2", "4")])
    return world


@pytest.mark.capability("G6", "G7")
def test_the_report_is_that_of_the_contract(world: World) -> None:
    """rmse = sqrt((1 + 1 + 4) / 3) = sqrt(2)."""
    assert filled(world).report() == {
        "version": 1,
        "window": {"start": moment(), "end": moment(60)},
        "data": {
            "state": "Available",
            "captured": 3,
            "groundTruth": 3,
            "matched": 3,
            "matchRate": 1.0,
            "message": "",
            "unreadable": 0,
            "unreadableFiles": [],
            "outsideWindow": 0,
            "duplicates": 0,
        },
        "metrics": [
            {
                "check": "errors",
                "name": "rmse",
                "variant": "blue",
                "value": pytest.approx(2**0.5),
                "sampleSize": 3,
                "state": "Measured",
                "message": "",
            }
        ],
        "violations": [],
        "violationsTotal": 0,
    }
    files = {file.name for file in (world.root / "output").iterdir()}
    assert files == {"report.json", "statistics.json", "constraints.json", "constraint_violations.json"}


def test_the_job_runs_as_a_command_from_its_own_folder(world: World) -> None:
    """As SageMaker starts it: `python3 /opt/ml/processing/input/monitoring/check.py`; nothing but its own files is imported."""
    filled(world).put("config/config.json", world.config)
    folder = world.root / "input/monitoring"
    folder.mkdir()
    for file in CHECK.parent.glob("*.py"):
        (folder / file.name).write_bytes(file.read_bytes())
    subprocess.run([sys.executable, str(folder / "check.py")], check=True)
    assert world.read("report")["data"]["matched"] == 3


@pytest.mark.capability("G6")
def test_without_data_there_is_no_value(world: World) -> None:
    """Neither a breach nor a success: the metric is there and says why it has no value."""
    (metric,) = world.report()["metrics"]
    assert (metric["value"], metric["state"], metric["variant"]) == (None, "InsufficientData", "blue")
    assert metric["message"] == "NoData: nothing was captured in the window"
    assert world.read("report")["data"]["state"] == "NoData"


@pytest.mark.capability("G6")
def test_below_min_matched_nothing_that_needs_truth_is_measured(world: World) -> None:
    """Also no Custom metric: its script is not run."""
    filled(world).config["groundTruth"]["minMatched"] = 4
    world.config["checks"].append({"name": "loss", "type": "Custom", "entryPoint": "absent.py", "metric": "loss"})
    report = world.report()
    assert report["data"]["state"] == "LowMatch"
    assert [(metric["name"], metric["value"]) for metric in report["metrics"]] == [("rmse", None), ("loss", None)]
    world.config["groundTruth"]["minMatched"] = 3
    world.put("source/absent.py", SCRIPT)
    assert world.metrics() == {"errors/rmse": pytest.approx(2**0.5), "loss/loss": 4.0, "loss/extra": 3.0}


def test_below_the_minimum_of_samples_there_is_no_value(world: World) -> None:
    filled(world).config["minSampleSize"] = 4
    (metric,) = world.report()["metrics"]
    assert (metric["value"], metric["sampleSize"], metric["state"]) == (None, 3, "InsufficientData")
    assert metric["message"] == "3 samples, minSampleSize is 4"


@pytest.mark.capability("G9")
def test_a_custom_script_writes_the_metric(world: World) -> None:
    """|0 - 1| + |1 - 0| + |2 - 4| = 4; the metric that the check names comes first."""
    filled(world).put("source/loss.py", SCRIPT)
    world.config["checks"] = [{"name": "loss", "type": "Custom", "entryPoint": "loss.py", "metric": "loss"}]
    metrics = world.report()["metrics"]
    assert [(metric["name"], metric["value"], metric["sampleSize"]) for metric in metrics] == [("loss", 4.0, 3), ("extra", 3.0, 3)]
    world.config["checks"][0]["metric"] = "other"
    first = world.report()["metrics"][0]
    assert (first["name"], first["state"], first["message"]) == ("other", "InsufficientData", "loss.py wrote no other, but extra, loss")


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("import sys; sys.exit('the feature store is gone')", "ended with exit code 1: the feature store is gone"),
        ("pass", "wrote nothing to MONITOR_OUTPUT"),
        (writing("nan"), "MONITOR_OUTPUT is no JSON"),
        (writing("{}"), "MONITOR_OUTPUT must be"),
        (writing('{"metrics": [{"name": "a", "value": "1"}]}'), "metrics[0].value"),
        (writing('{"metrics": [{"name": "a", "value": 1}]}'), "metrics[0].sampleSize"),
        (None, "there is no loss.py in the source"),
    ],
)
def test_a_script_that_fails_fails_the_job_with_its_last_words(
    world: World, script: str | None, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, no report, the reason on stderr and where SageMaker takes the ExitMessage from."""
    filled(world)
    if script is not None:
        world.put("source/loss.py", script)
    world.config["checks"] = [{"name": "loss", "type": "Custom", "entryPoint": "loss.py", "metric": "loss"}]
    assert world.run() == 1
    assert not (world.root / "output/report.json").exists()
    assert reason in capsys.readouterr().err
    assert world.message().startswith("loss: ")
    assert reason in world.message()


def test_a_value_that_is_not_finite_is_never_written(world: World) -> None:
    metric = '{"metrics": [{"name": "loss", "value": Infinity, "sampleSize": 9}]}'
    filled(world).put("source/loss.py", writing(metric))
    world.config["checks"] = [{"name": "loss", "type": "Custom", "entryPoint": "loss.py", "metric": "loss"}]
    (metric,) = world.report()["metrics"]
    assert (metric["value"], metric["state"]) == (None, "InsufficientData")


@pytest.mark.capability("G8")
def test_prepare_replaces_the_records_before_the_checks(world: World) -> None:
    """Its three records have an error of 3 each, whatever was captured."""
    filled(world).put("source/collect.py", PREPARE)
    world.config["prepare"] = {"entryPoint": "collect.py"}
    report = world.report()
    assert (report["data"]["captured"], report["data"]["matched"]) == (3, 3)
    assert report["metrics"][0]["value"] == 3.0
    world.put("source/collect.py", writing("{}\n"))
    assert world.run() == 1
    assert "prepare: collect.py: line 1 of MONITOR_OUTPUT is no record" in world.message()


def test_each_variant_has_metrics_of_its_own(world: World) -> None:
    """With no variant named; a violation says whose it is."""
    world.capture([captured(at, "-1", 0) for at in range(3)])
    world.capture([captured(at, "1", 0) for at in range(3, 6)], variant="green")
    world.put("groundtruth/a.jsonl", [truth(f"event-{at}", "1" if at < 3 else "2") for at in range(6)])
    world.put("baseline/baseline.json", baseline([[1], [1.5]], ["x"]))
    world.config["target"]["variant"] = None
    world.config["checks"].append({"name": "inputs", "type": "DataQuality"})
    report = world.report()
    assert [(m["variant"], m["value"]) for m in report["metrics"] if m["name"] == "rmse"] == [("blue", 1.0), ("green", 2.0)]
    (violation,) = report["violations"]
    assert violation["description"] == "the smallest value is -1, the baseline has none below 0 (variant blue)"
    assert set(world.read("statistics")["variants"]) == {"blue", "green"}


@pytest.mark.capability("G18")
def test_a_batch_output_is_checked_like_an_endpoint(world: World) -> None:
    """Joined output; truth by the id in its first column."""
    world.put("capture/rows.csv.out", "a,1,2,10\nb,3,4,20\n")
    world.put("groundtruth/a.csv", "id,actual\na,13\nb,16\n")
    world.put("baseline/baseline.json", baseline([[1, 2], [3, 4]], ["x", "y"]))
    world.config["target"] = {"kind": "Batch", "name": "fees-batch", "variant": None, "modelVersion": "7"}
    world.config["groundTruth"]["idField"] = "0"
    world.put("groundtruth/a.csv", "0,actual\na,13\nb,16\n")
    assert world.metrics() == {"errors/rmse": pytest.approx((25 / 2) ** 0.5)}
    assert [feature["name"] for feature in world.read("statistics")["features"]] == ["x", "y"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"window": {"start": moment(60), "end": moment()}}, "window: start"),
        ({"window": {"start": "2026-01-31T10:00:00", "end": moment()}}, "window.start: must be a time"),
        ({"now": 3}, "now: must be a time"),
        ({"target": {"kind": "Table"}}, "target.kind: must be one of Endpoint, Batch"),
        ({"checks": []}, "checks: must be a list of at least one"),
        ({"threshold": 1}, "config.json.threshold: is not known here"),
        ({"minSampleSize": -1}, "minSampleSize: must be a number from 0"),
        ({"prepare": {"entryPoint": "../x.py"}}, "prepare.entryPoint: must be a file inside the source"),
        ({"groundTruth": {"idField": "a", "maxDelaySeconds": "2h"}}, "groundTruth.maxDelaySeconds: must be a number"),
        ({"groundTruth": None}, "checks[0]: ModelQuality compares with ground truth"),
        (one("Drift"), "checks[0].type: must be one of DataQuality"),
        (one("DataQuality", drift={"method": "psi", "threshold": 1}), "checks[0].drift.method: must be one of PSI"),
        (one("DataQuality", drift={"method": "PSI"}), "checks[0].drift.threshold: must be a number"),
        (one("DataQuality", completeness=99), "checks[0].completeness: must be a number from 0 to 1"),
        (one("DataQuality", facet="x"), "checks[0].facet: is not known here"),
        (one("ModelQuality", problemType="Regression", metrics=["auc"]), "checks[0].metrics[0]: must be one of rmse"),
        (one("Bias", facet="x", metrics=["CDDL"]), "checks[0].groupVariable: CDDL and CDDPL need"),
        (one("Explainability"), "checks[0]: needs image, entryPoint, both or predictor"),
        ({"checks": [{"name": "a", "type": "DataQuality"}] * 2}, "checks: names must differ"),
    ],
)
def test_a_configuration_that_cannot_be_used_names_the_field(world: World, change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse({**world.config, **change})
    assert message in str(caught.value)


def test_a_wrong_configuration_ends_the_job(world: World) -> None:
    world.config["checks"] = []
    assert world.run() == 1
    assert "checks: must be a list" in world.message()


def test_twenty_thousand_records_cost_little_more_than_reading_their_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Reading, merging, statistics and drift of ten features, beside json.loads of the same lines in the same process."""
    generator = random.Random(7)
    world = World(tmp_path)
    given = [",".join(f"{generator.gauss(0, 1):.5f}" for _ in range(10)) for _ in range(20_000)]
    documents = [captured(at, row, 0.5, at % 60, inferenceId=f"order-{at}") for at, row in enumerate(given)]
    world.capture(documents)
    world.put("groundtruth/a.csv", "eventId,label\n" + "".join(f"order-{at},1\n" for at in range(20_000)))
    rows = [[generator.gauss(0, 1) for _ in range(10)] for _ in range(2000)]
    world.put("baseline/baseline.json", baseline(rows))
    world.config["checks"] = [{"name": "inputs", "type": "DataQuality", "drift": {"method": "PSI", "threshold": 0.2}}]
    world.put("config/config.json", world.config)
    text = lines(documents)
    parsing = spent = math.inf
    for _ in range(3):  # the quicker of each: on a busy machine a CPU second holds less
        started = time.process_time()
        for line in text.split("\n")[:-1]:
            json.loads(line)
        parsing, started = min(parsing, time.process_time() - started), time.process_time()
        assert check.main(["--root", str(world.root)]) == 0
        spent = min(spent, time.process_time() - started)
    report = world.read("report")
    assert (report["data"]["captured"], report["data"]["matched"]) == (20_000, 20_000)
    with capsys.disabled():
        print(f"\n20,000 capture records: {spent:.2f} s of CPU for the check, {spent / parsing:.1f} times json.loads of their lines")
    assert spent < 20 * parsing


def test_an_empty_window_has_empty_statistics() -> None:
    window = Window([], None, Baseline(), 1)
    assert statistics_of(window.columns, window.rows) == {"version": 0.0, "dataset": {"item_count": 0}, "features": []}
    assert Tally().document()["unreadable"] == 0


def test_the_job_needs_nothing_but_numpy_and_scipy() -> None:
    """No AWS SDK, no operator, no sandbox: it runs in any image that has these two."""
    own = {file.stem for file in CHECK.parent.glob("*.py")}
    imported = set()
    for file in CHECK.parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                imported |= {alias.name.partition(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(str(node.module).partition(".")[0])
    assert imported - own - sys.stdlib_module_names == {"numpy", "scipy"}
    assert not own & sys.stdlib_module_names, "a module of ours would hide one of Python's"
