"""jobs/training/train.py on its own: metrics, model folder, checkpoints, serving functions."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_iris

STATISTICS = {"features": [{"name": f"_c{index}", "min": 0.0, "max": 10.0, "mean": 5.0} for index in range(4)]}


class Container:
    """The folders of a training job, with a small data set in its channels."""

    def __init__(self, root: Path) -> None:
        self.root, self.model = root, root / "model"
        rows = np.column_stack([load_iris().target, load_iris().data / 10])
        for name, part in (("train", rows[::2]), ("validation", rows[1::2])):
            (root / name).mkdir(parents=True)
            np.savetxt(root / name / "data.csv", part, delimiter=",")

    def environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As the training toolkit sets it."""
        monkeypatch.setenv("SM_CHANNEL_TRAIN", str(self.root / "train"))
        monkeypatch.setenv("SM_CHANNEL_VALIDATION", str(self.root / "validation"))
        monkeypatch.setenv("SM_MODEL_DIR", str(self.model))


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Container:
    """A job's folders and environment."""
    built = Container(tmp_path)
    built.environment(monkeypatch)
    return built


@pytest.mark.capability("C5", "C7")
def test_the_metrics_of_the_sample_find_the_accuracy(
    training: ModuleType, container: Container, capsys: pytest.CaptureFixture[str]
) -> None:
    """Both accuracies are in the log in the form that metric definitions read."""
    training.main(["--n_estimators", "20"])
    found = dict(re.findall(r"(\w+)_accuracy=([0-9.]+);", capsys.readouterr().out))
    assert found.keys() == {"train", "validation"}
    assert all(0.9 <= float(value) <= 1 for value in found.values())


@pytest.mark.capability("B6", "C9")
def test_the_model_folder_holds_what_serving_needs(training: ModuleType, container: Container) -> None:
    """Model, statistics of the training data, script and metadata."""
    (container.root / "train/statistics.json").write_text(json.dumps(STATISTICS))
    training.main(["--n_estimators", "20", "--max_depth", "4"])
    files = sorted(str(path.relative_to(container.model)) for path in container.model.rglob("*") if path.is_file())
    metadata = json.loads((container.model / "metadata.json").read_text())
    assert files == ["code/train.py", "metadata.json", "model.joblib", "statistics.json"]
    assert json.loads((container.model / "statistics.json").read_text()) == STATISTICS
    assert metadata["hyperparameters"] == {"n_estimators": 20, "max_depth": 4, "random_state": 7}
    assert (metadata["classes"], metadata["feature_count"], metadata["row_count"]) == ([0, 1, 2], 4, 75)


def test_training_does_without_a_validation_channel(
    training: ModuleType, container: Container, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only train is required."""
    monkeypatch.delenv("SM_CHANNEL_VALIDATION")
    training.main(["--n_estimators", "5"])
    output = capsys.readouterr().out
    assert "train_accuracy=" in output
    assert "validation_accuracy" not in output


def test_a_missing_train_channel_is_named(
    training: ModuleType, container: Container, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Words instead of a traceback about None."""
    monkeypatch.delenv("SM_CHANNEL_TRAIN")
    with pytest.raises(SystemExit):
        training.main([])
    assert "give the job a channel named train" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("content", "message"),
    [("1,x,3,4,5\n", "channel train, bad.csv: "), ("1,2,3\n", "channel train, data.csv: has 5 columns, the files before it have 3")],
)
def test_bad_training_data_is_named(training: ModuleType, container: Container, content: str, message: str) -> None:
    """The channel and the file are in the error."""
    (container.root / "train/bad.csv").write_text(content)
    with pytest.raises(ValueError) as raised:
        training.main([])
    assert message in str(raised.value)


def test_a_channel_without_rows_is_an_error(training: ModuleType, container: Container) -> None:
    """A model of nothing is never written."""
    (container.root / "train/data.csv").unlink()
    with pytest.raises(ValueError, match="channel train: no rows in"):
        training.main([])


def test_no_trees_are_an_error(training: ModuleType, container: Container) -> None:
    """The hyperparameter is named."""
    with pytest.raises(ValueError, match="n_estimators must be at least 1, not 0"):
        training.main(["--n_estimators", "0"])


def test_an_interrupted_training_goes_on_from_its_checkpoint(
    training: ModuleType, container: Container, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """After the resume the forest is the one that an uninterrupted training makes."""

    class SpotInterruptionError(Exception):
        pass

    def write_then_stop(*given: Any) -> None:
        write(*given)
        raise SpotInterruptionError

    write = training.write_checkpoint
    training.main(["--n_estimators", "120"])
    expected = training.model_fn(str(container.model)).forest
    (container.root / "checkpoints").mkdir()
    monkeypatch.setattr(training, "write_checkpoint", write_then_stop)
    with pytest.raises(SpotInterruptionError):
        training.main(["--n_estimators", "120"])
    monkeypatch.setattr(training, "write_checkpoint", write)
    training.main(["--n_estimators", "120"])
    resumed = training.model_fn(str(container.model)).forest
    rows = load_iris().data / 10
    assert "resumed from a checkpoint with 50 trees\ntrees=100;\ntrees=120;" in capsys.readouterr().out
    assert len(resumed.estimators_) == 120
    assert np.array_equal(resumed.predict_proba(rows), expected.predict_proba(rows))


@pytest.mark.parametrize("changed", [["--max_depth", "1"], ["--random_state", "8"], ["--n_estimators", "10"]])
def test_a_checkpoint_of_other_settings_is_not_used(
    training: ModuleType, container: Container, changed: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """A stale folder costs time, never a wrong model."""
    (container.root / "checkpoints").mkdir()
    training.main(["--n_estimators", "20"])
    training.main(["--n_estimators", "20", *changed])
    assert "the checkpoint belongs to another training: starting over" in capsys.readouterr().out


def test_a_checkpoint_of_other_data_is_not_used(training: ModuleType, container: Container, capsys: pytest.CaptureFixture[str]) -> None:
    """The data is part of what the checkpoint belongs to."""
    (container.root / "checkpoints").mkdir()
    training.main(["--n_estimators", "20"])
    (container.root / "train/more.csv").write_text("0,0.1,0.2,0.3,0.4\n")
    training.main(["--n_estimators", "20"])
    assert "starting over" in capsys.readouterr().out


@pytest.fixture
def served(training: ModuleType, container: Container) -> Any:
    """A loaded model that was trained with statistics (values were divided by 10)."""
    (container.root / "train/statistics.json").write_text(json.dumps(STATISTICS))
    training.main(["--n_estimators", "20"])
    return training.model_fn(str(container.model))


@pytest.mark.capability("B6")
def test_serving_scales_raw_rows_as_training_did(training: ModuleType, served: Any) -> None:
    """A client sends raw values; the statistics in the model do the rest."""
    body = "\n".join(",".join(map(str, row)) for row in load_iris().data.tolist())
    prediction = training.predict_fn(training.input_fn(body.encode(), "text/csv; charset=utf-8"), served)
    assert np.mean(np.array(prediction.labels) == load_iris().target) >= 0.95


def test_csv_answers_are_one_label_per_line(training: ModuleType, served: Any) -> None:
    """The labels as integers, as the training data had them."""
    rows = training.input_fn("5.1,3.5,1.4,0.2\n6.3,3.3,6.0,2.5\n", "text/csv")
    assert training.output_fn(training.predict_fn(rows, served), "text/csv") == "0\n2\n"


def test_json_answers_carry_probabilities(training: ModuleType, served: Any) -> None:
    """One probability per class, which add up to 1."""
    rows = training.input_fn(b'{"instances": [[5.1, 3.5, 1.4, 0.2]]}', "application/json")
    answer = json.loads(training.output_fn(training.predict_fn(rows, served), "application/json"))
    assert answer["classes"] == [0, 1, 2]
    assert answer["predictions"][0]["predicted_label"] == 0
    assert sum(answer["predictions"][0]["probabilities"]) == pytest.approx(1)


def test_a_missing_value_in_a_request_is_the_mean_of_train(training: ModuleType, served: Any) -> None:
    """As in preparation."""
    given = training.predict_fn(training.input_fn("5.0,3.5,,0.2", "text/csv"), served)
    filled = training.predict_fn(training.input_fn("5.0,3.5,5.0,0.2", "text/csv"), served)
    assert given == filled


@pytest.mark.parametrize(
    ("body", "content_type", "message"),
    [
        ("1,2,3,4", "text/xml", "content type text/xml is not supported"),
        ("", "text/csv", "needs at least one row"),
        ("1,2,3", "text/csv", "rows have 3 features, the model was trained on 4"),
    ],
)
def test_a_bad_request_is_explained(training: ModuleType, served: Any, body: str, content_type: str, message: str) -> None:
    """Which the endpoint's log then shows."""
    with pytest.raises(ValueError) as raised:
        training.predict_fn(training.input_fn(body, content_type), served)
    assert message in str(raised.value)
