"""jobs/evaluation/evaluate.py on its own: metrics, baseline files, archives, errors."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from types import ModuleType
from typing import Any

import joblib
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, precision_score, recall_score
from sklearn.tree import DecisionTreeClassifier

LABELS = np.array([0, 0, 0, 1, 1, 2, 2, 2, 2, 2])
PREDICTED = np.array([0, 1, 0, 1, 1, 2, 2, 0, 2, 2])
SCALING = {"features": [{"name": "_c0", "min": -4.0, "max": 4.0, "mean": 0.0}, {"name": "_c1", "min": 3.0, "max": 3.0, "mean": 3.0}]}


@pytest.fixture
def job(tmp_path: Path) -> Path:
    """A processing folder: a model that says what its first feature's integer part is, and ten rows of test data."""
    forest = DecisionTreeClassifier(random_state=0).fit([[0.0, 0.0], [0.5, 0.0], [1.0, 0.0]], [0, 1, 2])
    (tmp_path / "unpacked").mkdir()
    joblib.dump(forest, tmp_path / "unpacked/model.joblib")
    (tmp_path / "test").mkdir()
    rows = [f"{label},{guess / 2},0" for label, guess in zip(LABELS, PREDICTED, strict=True)]
    (tmp_path / "test/a.csv").write_text("\n".join(rows[:6]) + "\n")
    (tmp_path / "test/b.csv").write_text("\n".join(rows[6:]) + "\n")
    pack(tmp_path)
    return tmp_path


def pack(job: Path) -> None:
    """The model archive as SageMaker makes it."""
    with tarfile.open(job / "model.tar.gz", "w:gz") as archive:
        for file in sorted((job / "unpacked").iterdir()):
            archive.add(file, arcname=file.name)


def run(evaluation: ModuleType, job: Path, model: str = "model.tar.gz") -> dict[str, Any]:
    """evaluation.json."""
    evaluation.main(["--model", str(job / model), "--test", str(job / "test"), "--output", str(job / "out")])
    return read(job, "evaluation")


def read(job: Path, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((job / f"out/{name}.json").read_text())
    return document


@pytest.mark.capability("C13")
def test_the_metrics_are_those_of_scikit_learn(evaluation: ModuleType, job: Path) -> None:
    """Accuracy and the weighted averages, each with a value."""
    found = {name: item["value"] for name, item in run(evaluation, job)["multiclass_classification_metrics"].items() if "value" in item}
    options = {"average": "weighted", "zero_division": 0}
    assert found == pytest.approx(
        {
            "accuracy": accuracy_score(LABELS, PREDICTED),
            "weighted_precision": precision_score(LABELS, PREDICTED, **options),
            "weighted_recall": recall_score(LABELS, PREDICTED, **options),
            "weighted_f1": f1_score(LABELS, PREDICTED, **options),
        }
    )


@pytest.mark.capability("C13")
def test_the_confusion_matrix_counts_actual_then_predicted(evaluation: ModuleType, job: Path) -> None:
    """As SageMaker's model quality reports have it."""
    report = run(evaluation, job)
    assert report["multiclass_classification_metrics"]["confusion_matrix"] == {
        "0": {"0": 2, "1": 1, "2": 0},
        "1": {"0": 0, "1": 2, "2": 0},
        "2": {"0": 1, "1": 0, "2": 4},
    }
    assert report["dataset"] == {"item_count": 10}


def test_the_standard_deviation_is_that_of_a_proportion(evaluation: ModuleType, job: Path) -> None:
    """Bootstrap, close to sqrt(p(1-p)/n), and the same in every run."""
    first, second = (run(evaluation, job)["multiclass_classification_metrics"]["accuracy"] for _ in range(2))
    assert first == second
    assert first["standard_deviation"] == pytest.approx((0.8 * 0.2 / 10) ** 0.5, rel=0.2)


@pytest.mark.capability("C13")
def test_the_operator_finds_every_metric_by_name(evaluation: ModuleType, job: Path) -> None:
    """What gates name is what flatten() sees."""
    from sagemaker_gitops.core.kinds.training_run.evaluation import flatten

    found = flatten(run(evaluation, job))
    assert found.keys() == {"accuracy", "weighted_precision", "weighted_recall", "weighted_f1", "item_count"}
    assert found["accuracy"] == 0.8


@pytest.mark.capability("G3")
def test_statistics_are_in_the_file_format_of_model_monitor(evaluation: ModuleType, job: Path) -> None:
    """Counts, moments and the distribution of each feature."""
    run(evaluation, job)
    document = read(job, "statistics")
    numbers = document["features"][0]["numerical_statistics"]
    buckets = numbers["distribution"]["kll"]["buckets"]
    values = PREDICTED / 2
    assert document["dataset"] == {"item_count": 10}
    assert [(item["name"], item["inferred_type"]) for item in document["features"]] == [("_c0", "Fractional"), ("_c1", "Integral")]
    assert numbers["common"] == {"num_present": 10, "num_missing": 0}
    assert (numbers["min"], numbers["max"], numbers["sum"]) == (0.0, 1.0, values.sum())
    assert (numbers["mean"], numbers["std_dev"]) == (pytest.approx(values.mean()), pytest.approx(values.std()))
    assert sum(bucket["count"] for bucket in buckets) == 10
    assert (buckets[0]["lower_bound"], buckets[-1]["upper_bound"]) == (0.0, 1.0)


@pytest.mark.capability("G3")
def test_constraints_are_in_the_file_format_of_model_monitor(evaluation: ModuleType, job: Path) -> None:
    """Type, completeness and sign of each feature, and how to compare."""
    run(evaluation, job)
    document = read(job, "constraints")
    feature = {"name": "_c0", "inferred_type": "Fractional", "completeness": 1.0, "num_constraints": {"is_non_negative": True}}
    assert document["features"][0] == feature
    assert document["monitoring_config"]["distribution_constraints"]["perform_comparison"] == "Enabled"


@pytest.mark.capability("G3")
def test_the_baseline_holds_statistics_and_constraints(evaluation: ModuleType, job: Path) -> None:
    """One file for whoever monitors the model."""
    run(evaluation, job)
    assert read(job, "baseline") == {"statistics": read(job, "statistics"), "constraints": read(job, "constraints")}


@pytest.mark.capability("G3", "B6")
def test_the_baseline_is_in_the_units_that_an_endpoint_receives(evaluation: ModuleType, job: Path) -> None:
    """The model scales raw rows itself, so what the monitor captures is not scaled."""
    (job / "unpacked/statistics.json").write_text(json.dumps(SCALING))
    pack(job)
    run(evaluation, job)
    first, second = (item["numerical_statistics"] for item in read(job, "statistics")["features"])
    assert (first["min"], first["max"], second["min"], second["max"]) == (-4.0, 4.0, 3.0, 3.0)
    assert read(job, "constraints")["features"][0]["num_constraints"] == {"is_non_negative": False}


def test_an_unpacked_model_gives_the_same_report(evaluation: ModuleType, job: Path) -> None:
    """By hand there is no archive."""
    assert run(evaluation, job, "unpacked") == run(evaluation, job)


def test_an_archive_cannot_write_elsewhere(evaluation: ModuleType, job: Path) -> None:
    """Paths that lead out, and links, are not followed; the model is read all the same."""
    with tarfile.open(job / "model.tar.gz", "w:gz") as archive:
        outside = tarfile.TarInfo("../outside.txt")
        outside.size = 4
        archive.addfile(outside, io.BytesIO(b"evil"))
        link = tarfile.TarInfo("statistics.json")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
        archive.add(job / "unpacked/model.joblib", arcname="./model.joblib")
    before = set(job.iterdir())
    report = run(evaluation, job)
    assert report["dataset"] == {"item_count": 10}
    assert set(job.iterdir()) - before == {job / "out"}
    assert not (job.parent / "outside.txt").exists()


def test_an_archive_without_a_model_names_what_it_holds(evaluation: ModuleType, job: Path) -> None:
    """The usual cause is a training script that saved under another name."""
    (job / "unpacked/model.joblib").rename(job / "unpacked/forest.pkl")
    with pytest.raises(ValueError, match=r"unpacked: holds no model\.joblib, but forest\.pkl"):
        run(evaluation, job, "unpacked")


def test_a_broken_archive_is_named(evaluation: ModuleType, job: Path) -> None:
    """Half an upload is not a model."""
    content = (job / "model.tar.gz").read_bytes()
    (job / "model.tar.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"model\.tar\.gz: is not a complete tar archive"):
        run(evaluation, job)


@pytest.mark.parametrize(
    ("content", "message"),
    [("1,0.5\n", "c.csv: has 2 columns"), ("1,0.5,x\n", "c.csv: could not convert string 'x'")],
)
def test_bad_test_data_is_named(evaluation: ModuleType, job: Path, content: str, message: str) -> None:
    """The file is in the error."""
    (job / "test/c.csv").write_text(content)
    with pytest.raises(ValueError) as raised:
        run(evaluation, job)
    assert message in str(raised.value)


def test_test_data_of_another_width_is_refused(evaluation: ModuleType, job: Path) -> None:
    """Both numbers are in the error."""
    for file in (job / "test").iterdir():
        file.write_text("0,1,2,3\n")
    with pytest.raises(ValueError, match="has 3 features, the model was trained on 2"):
        run(evaluation, job)


def test_no_test_data_is_an_error(evaluation: ModuleType, job: Path) -> None:
    """An accuracy of nothing is never written."""
    for file in (job / "test").iterdir():
        file.unlink()
    with pytest.raises(ValueError, match=r"holds no rows in \*\.csv"):
        run(evaluation, job)
