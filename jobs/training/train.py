"""Trains a random forest on CSV data and serves it: a script for SageMaker's scikit-learn container (script mode).

The container gives SM_CHANNEL_TRAIN, SM_CHANNEL_VALIDATION and SM_MODEL_DIR, and the hyperparameters as arguments; by hand:

    python jobs/training/train.py --train out/train --validation out/validation --model-dir out/model --n_estimators 200

Rows are `label,feature,...` without a header, as jobs/etl/normalise.py writes them. With a checkpoints folder beside the model
folder (/opt/ml/checkpoints: spot training) the forest grows in steps, and a training that was interrupted goes on where it was.
The functions at the end are what the container calls on an endpoint. jobs/README.md has the contract.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import shutil
import sys
from pathlib import Path
from typing import Any, NamedTuple

import joblib
import numpy as np
import sklearn
from sklearn.ensemble import RandomForestClassifier

MODEL, STATISTICS, METADATA, CHECKPOINT = "model.joblib", "statistics.json", "metadata.json", "checkpoint.joblib"
TREES_PER_CHECKPOINT = 50
CSV, JSON = "text/csv", "application/json"


class Model(NamedTuple):
    """What model_fn loads: the forest, and what a raw row needs before it (None: rows are taken as they are)."""

    forest: Any
    statistics: dict[str, Any] | None


class Prediction(NamedTuple):
    """One label per row, and the probability of each class of `classes`."""

    labels: list[int | float]
    classes: list[int | float]
    probabilities: list[list[float]]


def main(argv: list[str] | None = None) -> None:
    """Trains, prints train_accuracy and validation_accuracy, and fills the model folder."""
    options = arguments(argv)
    model_dir = Path(options.model_dir)
    labels, features = read_channel(options.train, "train")
    checkpoints = Path(options.checkpoints) if options.checkpoints else model_dir.parent / "checkpoints"
    forest = train(options, labels, features, checkpoints)
    accuracies = {"train_accuracy": forest.score(features, labels)}
    if options.validation:
        validation_labels, validation_features = read_channel(options.validation, "validation")
        if validation_features.shape[1] != features.shape[1]:
            raise ValueError(f"channel validation has {validation_features.shape[1]} features, train has {features.shape[1]}")
        accuracies["validation_accuracy"] = forest.score(validation_features, validation_labels)
    for name, value in accuracies.items():
        print(f"{name}={value:.4f};", flush=True)
    save(model_dir, forest, Path(options.train), {"row_count": len(labels), **accuracies})


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Train a random forest on CSV data.", allow_abbrev=False)
    parser.add_argument("--n_estimators", type=int, default=200, help="number of trees")
    parser.add_argument("--max_depth", type=int, default=None, help="depth of each tree; left out: no limit")
    parser.add_argument("--random_state", type=int, default=7)
    parser.add_argument("--train", default=os.environ.get("SM_CHANNEL_TRAIN"), help="folder with the training data")
    parser.add_argument("--validation", default=os.environ.get("SM_CHANNEL_VALIDATION"), help="folder with the validation data")
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR"), help="folder for the model")
    parser.add_argument("--checkpoints", default=None, help="folder; left out: checkpoints beside the model folder, if it exists")
    options = parser.parse_args(argv)
    if not options.train:
        parser.error("no training data: give the job a channel named train, or --train by hand")
    if not options.model_dir:
        parser.error("no model folder: SM_MODEL_DIR is not set, give --model-dir")
    return options


def read_channel(folder: str, name: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Labels and features of all CSV files of a channel, in the order of their names."""
    parts: list[np.ndarray[Any, Any]] = []
    for path in sorted(Path(folder).rglob("*.csv")):
        try:
            rows = np.loadtxt(path, delimiter=",", ndmin=2)
        except ValueError as error:
            raise ValueError(f"channel {name}, {path.name}: {error}") from None
        if rows.size and rows.shape[1] < 2:
            raise ValueError(f"channel {name}, {path.name}: needs a label and at least one feature in each row")
        if parts and rows.size and rows.shape[1] != parts[0].shape[1]:
            raise ValueError(f"channel {name}, {path.name}: has {rows.shape[1]} columns, the files before it have {parts[0].shape[1]}")
        parts += [rows] if rows.size else []
    if not parts:
        raise ValueError(f"channel {name}: no rows in {folder}/*.csv")
    rows = np.concatenate(parts)
    labels = rows[:, 0]
    return (labels.astype(np.int64) if np.array_equal(labels, np.floor(labels)) else labels), rows[:, 1:]


def train(options: argparse.Namespace, labels: np.ndarray[Any, Any], features: np.ndarray[Any, Any], checkpoints: Path) -> Any:
    """The forest. It does not depend on whether it grew in steps, nor on where it was interrupted."""
    forest = RandomForestClassifier(max_depth=options.max_depth, random_state=options.random_state, n_estimators=0, warm_start=True)
    wanted = options.n_estimators
    if wanted < 1:
        raise ValueError(f"hyperparameter n_estimators must be at least 1, not {wanted}")
    if not checkpoints.is_dir():
        return forest.set_params(n_estimators=wanted).fit(features, labels)
    identity = hashlib.sha256(repr(forest.get_params()).encode() + labels.tobytes() + features.tobytes()).hexdigest()
    forest = resume(checkpoints, identity, wanted) or forest
    while forest.n_estimators < wanted:
        forest.set_params(n_estimators=min(forest.n_estimators + TREES_PER_CHECKPOINT, wanted)).fit(features, labels)
        write_checkpoint(checkpoints, identity, forest)
        print(f"trees={forest.n_estimators};", flush=True)
    return forest


def resume(checkpoints: Path, identity: str, wanted: int) -> Any:
    """The forest of the checkpoint; None when there is none, or one of other data, other settings or more trees."""
    path = checkpoints / CHECKPOINT
    if not path.exists():
        return None
    found = joblib.load(path)
    if found["identity"] != identity or found["scikit_learn"] != sklearn.__version__ or found["forest"].n_estimators > wanted:
        print("the checkpoint belongs to another training: starting over", flush=True)
        return None
    print(f"resumed from a checkpoint with {found['forest'].n_estimators} trees", flush=True)
    return found["forest"]


def write_checkpoint(checkpoints: Path, identity: str, forest: Any) -> None:
    """In one step: SageMaker may copy the folder, or take the machine away, at any time."""
    partial = checkpoints / f".{CHECKPOINT}.partial"
    joblib.dump({"identity": identity, "scikit_learn": sklearn.__version__, "forest": forest}, partial)
    partial.replace(checkpoints / CHECKPOINT)


def save(model_dir: Path, forest: Any, train_channel: Path, numbers: dict[str, Any]) -> None:
    """The model, what serving needs besides it (statistics, this script) and what it was made from."""
    (model_dir / "code").mkdir(parents=True, exist_ok=True)
    joblib.dump(forest, model_dir / MODEL)
    shutil.copyfile(__file__, model_dir / "code" / Path(__file__).name)
    if (train_channel / STATISTICS).exists():
        shutil.copyfile(train_channel / STATISTICS, model_dir / STATISTICS)
    metadata = {
        "framework": {"name": "scikit-learn", "version": sklearn.__version__},
        "hyperparameters": {name: getattr(forest, name) for name in ("n_estimators", "max_depth", "random_state")},
        "classes": forest.classes_.tolist(),
        "feature_count": forest.n_features_in_,
        **numbers,
    }
    (model_dir / METADATA).write_text(json.dumps(metadata, indent=2, sort_keys=True) + "\n")


def model_fn(model_dir: str) -> Model:
    """Loads the model once per worker."""
    statistics = Path(model_dir) / STATISTICS
    return Model(joblib.load(Path(model_dir) / MODEL), json.loads(statistics.read_text()) if statistics.exists() else None)


def input_fn(body: bytes | str, content_type: str) -> np.ndarray[Any, Any]:
    """Raw rows without label: CSV lines, or JSON {"instances": [[...], ...]} (a bare list of rows will do)."""
    text = body.decode("utf-8-sig") if isinstance(body, bytes) else body
    kind = media_type(content_type)
    if kind == CSV:
        given: Any = [[float(cell) if cell.strip() else np.nan for cell in line.split(",")] for line in text.splitlines() if line.strip()]
    elif kind == JSON:
        document = json.loads(text)
        given = document["instances"] if isinstance(document, dict) else document
    else:
        raise ValueError(f"content type {content_type} is not supported: send {CSV} or {JSON}")
    rows: np.ndarray[Any, Any] = np.array(given, dtype=np.float64)
    if rows.ndim != 2 or not rows.size:
        raise ValueError("the request needs at least one row of numbers, all rows of the same length")
    return rows


def predict_fn(rows: np.ndarray[Any, Any], model: Model) -> Prediction:
    """Scales the raw rows with the statistics of the training data, then asks the forest."""
    if rows.shape[1] != model.forest.n_features_in_:
        raise ValueError(f"rows have {rows.shape[1]} features, the model was trained on {model.forest.n_features_in_}")
    if model.statistics:
        low, high, mean = (np.array([item[key] for item in model.statistics["features"]]) for key in ("min", "max", "mean"))
        rows = (np.where(np.isnan(rows), mean, rows) - low) / np.where(high > low, high - low, 1.0)
    probabilities = model.forest.predict_proba(rows)
    labels = model.forest.classes_[probabilities.argmax(axis=1)]
    return Prediction(labels.tolist(), model.forest.classes_.tolist(), probabilities.tolist())


def output_fn(prediction: Prediction, accept: str) -> str:
    """CSV: one label per line. JSON: labels with the probability of each class."""
    kind = media_type(accept)
    if kind in (CSV, "*/*", ""):
        return "".join(f"{label}\n" for label in prediction.labels)
    if kind == JSON:
        answers = [
            {"predicted_label": label, "probabilities": probabilities}
            for label, probabilities in zip(prediction.labels, prediction.probabilities)  # noqa: B905 - Python 3.9
        ]
        return json.dumps({"classes": prediction.classes, "predictions": answers})
    raise ValueError(f"accept {accept} is not supported: ask for {CSV} or {JSON}")


def media_type(header: str) -> str:
    """Without parameters: `text/csv; charset=utf-8` is text/csv."""
    return (header or "").partition(";")[0].strip().lower()


if __name__ == "__main__":
    main(sys.argv[1:])
