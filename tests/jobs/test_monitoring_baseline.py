"""jobs/monitoring/baseline.py: what an evaluate step calls to describe its training data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from monitoring_world import World, captured, lines

from baseline import baseline, main


def read(folder: Path, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((folder / f"{name}.json").read_text())
    return document


@pytest.mark.capability("G3")
def test_the_command_writes_what_a_check_reads(tmp_path: Path, world: World) -> None:
    """A training set with a header and its label dropped; rows like it have no violation, others have."""
    (tmp_path / "train").mkdir()
    (tmp_path / "train/a.csv").write_text("label,region,fee\n1,nord,2.5\n0,süd,3\n")
    (tmp_path / "train/b.csv").write_text('label,region,fee\n1,"nord",4\n')
    out = world.root / "input/baseline"
    assert main(["--data", str(tmp_path / "train"), "--header", "--drop", "label", "--output", str(out)]) == 0
    assert read(out, "baseline") == {"statistics": read(out, "statistics"), "constraints": read(out, "constraints")}
    assert [(item["name"], item["inferred_type"]) for item in read(out, "statistics")["features"]] == [
        ("region", "String"),
        ("fee", "Fractional"),
    ]
    world.capture([captured(1, "nord,3.5", 1), captured(2, "west,-1", 1)])
    world.config |= {"checks": [{"name": "inputs", "type": "DataQuality"}], "groundTruth": None}
    assert [(item["feature"], item["constraint"]) for item in world.report()["violations"]] == [
        ("region", "categoricalValues"),
        ("fee", "nonNegative"),
    ]


@pytest.mark.capability("G3", "G7")
def test_predictions_and_attributions_join_the_baseline(tmp_path: Path) -> None:
    """Errors 1 and 1 on the test data: rmse may not exceed 1 later."""
    (tmp_path / "train.jsonl").write_text(lines([{"x": 1}, {"x": 2}]))
    (tmp_path / "merged.jsonl").write_text(lines([{"output": 1, "groundTruth": 2}, {"output": [4], "groundTruth": "3"}]))
    (tmp_path / "shap.json").write_text('{"attributions": {"x": [1, -3]}}')
    arguments = ["--data", str(tmp_path / "train.jsonl"), "--output", str(tmp_path / "out"), "--attributions", str(tmp_path / "shap.json")]
    assert main([*arguments, "--predictions", str(tmp_path / "merged.jsonl"), "--problem-type", "Regression"]) == 0
    found = read(tmp_path / "out", "baseline")
    assert found["attributions"] == {"x": 2.0}
    assert found["constraints"]["regression_constraints"]["rmse"] == {"threshold": 1.0, "comparison_operator": "GreaterThanThreshold"}
    assert [item["name"] for item in found["statistics"]["features"]] == ["x"]


def test_rows_without_names_are_named_by_position() -> None:
    made = baseline([[1, "a"], [2]])
    assert [(item["name"], item["completeness"]) for item in made["constraints"]["features"]] == [("_c0", 1.0), ("_c1", 0.5)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--drop", "absent"], "--drop absent: there is no such column"),
        (["--data", "{tmp}/nothing"], "holds no rows"),
        ([], "holds no rows"),
    ],
)
def test_data_that_cannot_be_used_is_an_error(
    tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    file = tmp_path / "a.csv"
    file.write_text("1,2\n")
    data = str(tmp_path / "empty") if not arguments else str(file)
    given = [argument.replace("{tmp}", str(tmp_path)) for argument in arguments]
    assert main(["--data", data, "--output", str(tmp_path / "out"), *given]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
