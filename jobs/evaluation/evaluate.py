"""Measures a model on test data that it has not seen, and describes that data for the monitor.

A SageMaker Processing job (`evaluate.processing` of a TrainingRun), which runs by hand as well:

    python jobs/evaluation/evaluate.py --model out/model --test out/test --output out/evaluation

It writes evaluation.json as SageMaker's model quality reports are, statistics.json and constraints.json in Model Monitor's file
format, and baseline.json with both. Gates read evaluation.json; the model registry links to all of them. jobs/README.md has
the contract.
"""

from __future__ import annotations

import argparse
import io
import json
import sys
import tarfile
from pathlib import Path
from typing import Any

import joblib
import numpy as np

# Beside this file in a job (input/code/evaluate.py), so that a laptop without /opt/ml can run it too.
_HERE = Path(__file__).resolve()
PROCESSING = _HERE.parents[2] if _HERE.parent.name == "code" else Path("/opt/ml/processing")
MODEL, STATISTICS = "model.joblib", "statistics.json"
BOOTSTRAP_SAMPLES = 200
BUCKETS = 10  # as Model Monitor's own reports
SEED = 7


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """The evaluation. ValueError, with the file, for a model or data that cannot be used."""
    options = arguments(argv)
    forest, scaling = load_model(Path(options.model))
    labels, features = read_test(Path(options.test))
    if features.shape[1] != forest.n_features_in_:
        raise ValueError(f"{options.test}: has {features.shape[1]} features, the model was trained on {forest.n_features_in_}")
    evaluation = {
        "multiclass_classification_metrics": classification_metrics(labels, forest.predict(features)),
        "dataset": {"item_count": len(labels)},
    }
    columns = raw_units(features, scaling)
    statistics, constraints = statistics_of(columns), constraints_of(columns)
    baseline = {"statistics": statistics, "constraints": constraints}
    documents = {"evaluation": evaluation, "statistics": statistics, "constraints": constraints, "baseline": baseline}
    output = Path(options.output)
    output.mkdir(parents=True, exist_ok=True)
    for name, document in documents.items():
        (output / f"{name}.json").write_text(json.dumps(document, indent=2, allow_nan=False) + "\n")
    summary(evaluation)
    return evaluation


def arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Evaluate a model on test data.", allow_abbrev=False)
    parser.add_argument("--model", default=str(PROCESSING / "input/model/model.tar.gz"), help="model.tar.gz, or its unpacked folder")
    parser.add_argument("--test", default=str(PROCESSING / "input/test"), help="folder with *.csv, or one file")
    parser.add_argument("--output", default=str(PROCESSING / "output/evaluation"), help="folder for the reports")
    return parser.parse_args(argv)


def load_model(path: Path) -> tuple[Any, dict[str, Any] | None]:
    """The forest, and the statistics that scaled its data (None without). Nothing of the archive is unpacked to the disk."""
    if not path.exists():
        raise ValueError(f"{path}: there is no model; the channel named model must hold what the training wrote")
    files = read_archive(path) if path.is_file() else {item.name: item.read_bytes() for item in path.iterdir() if item.is_file()}
    if MODEL not in files:
        raise ValueError(f"{path}: holds no {MODEL}, but {', '.join(sorted(files)) or 'nothing'}")
    forest = joblib.load(io.BytesIO(files[MODEL]))
    return forest, json.loads(files[STATISTICS]) if STATISTICS in files else None


def read_archive(path: Path) -> dict[str, bytes]:
    """Name -> content of the regular files at the top of the archive. A link, a device or a path elsewhere is never followed."""
    files = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = member.name[2:] if member.name.startswith("./") else member.name
                content = archive.extractfile(member) if member.isreg() and name in (MODEL, STATISTICS) else None
                if content is not None:
                    files[name] = content.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ValueError(f"{path}: is not a complete tar archive: {error}") from error
    return files


def read_test(path: Path) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Labels and features of all CSV files, in the order of their names."""
    if not path.exists():
        raise ValueError(f"{path}: there is no test data; give the job the channel test")
    parts: list[np.ndarray[Any, Any]] = []
    for file in sorted(path.rglob("*.csv")) if path.is_dir() else [path]:
        try:
            rows = np.loadtxt(file, delimiter=",", ndmin=2)
        except ValueError as error:
            raise ValueError(f"{file}: {error}") from None
        if rows.size and (rows.shape[1] < 2 or (parts and rows.shape[1] != parts[0].shape[1])):
            raise ValueError(f"{file}: has {rows.shape[1]} columns; every file needs a label and the same number of features")
        parts += [rows] if rows.size else []
    if not parts:
        raise ValueError(f"{path}: holds no rows in *.csv")
    rows = np.concatenate(parts)
    return rows[:, 0], rows[:, 1:]


def classification_metrics(labels: np.ndarray[Any, Any], predicted: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Metrics with their bootstrap standard deviation, and the confusion matrix (actual -> predicted -> count)."""
    classes, encoded = np.unique(np.concatenate([labels, predicted]), return_inverse=True)
    size, rows = len(classes), len(labels)
    pairs = encoded[:rows] * size + encoded[rows:]
    matrix = np.bincount(pairs, minlength=size * size).reshape(size, size)
    generator = np.random.RandomState(SEED)
    samples = [
        weighted(np.bincount(pairs[generator.randint(0, rows, rows)], minlength=size * size).reshape(size, size))
        for _ in range(BOOTSTRAP_SAMPLES)
    ]
    metrics: dict[str, Any] = {
        name: {"value": value, "standard_deviation": float(np.std([sample[name] for sample in samples], ddof=1))}
        for name, value in weighted(matrix).items()
    }
    names = [class_name(value) for value in classes]
    metrics["confusion_matrix"] = {
        actual: {guess: int(matrix[row, column]) for column, guess in enumerate(names)} for row, actual in enumerate(names)
    }
    return metrics


def weighted(matrix: np.ndarray[Any, Any]) -> dict[str, float]:
    """Accuracy, and precision, recall and F1 averaged over the classes by their number of rows; 0 where undefined."""
    hits, actual, predicted = np.diag(matrix).astype(float), matrix.sum(axis=1), matrix.sum(axis=0)
    precision = hits / np.maximum(predicted, 1)
    recall = hits / np.maximum(actual, 1)
    both = precision + recall
    f1 = np.where(both > 0, 2 * precision * recall / np.where(both > 0, both, 1.0), 0.0)
    share = actual / actual.sum()
    return {
        "accuracy": float(hits.sum() / actual.sum()),
        "weighted_precision": float(precision @ share),
        "weighted_recall": float(recall @ share),
        "weighted_f1": float(f1 @ share),
    }


def class_name(value: float) -> str:
    return str(int(value)) if float(value).is_integer() else str(float(value))


def raw_units(features: np.ndarray[Any, Any], scaling: dict[str, Any] | None) -> np.ndarray[Any, Any]:
    """Features as an endpoint receives them: the model scales raw rows itself, and the monitor compares what was received."""
    if scaling is None:
        return features
    low, high = (np.array([item[key] for item in scaling["features"]]) for key in ("min", "max"))
    raw: np.ndarray[Any, Any] = np.round(features * np.where(high > low, high - low, 1.0) + low, 9)
    return raw


def statistics_of(columns: np.ndarray[Any, Any]) -> dict[str, Any]:
    """statistics.json of Model Monitor; columns of data without a header are named _c0, _c1, ..."""
    features = [
        {"name": f"_c{index}", "inferred_type": inferred_type(column), "numerical_statistics": numerical_statistics(column)}
        for index, column in enumerate(columns.T)
    ]
    return {"version": 0.0, "dataset": {"item_count": len(columns)}, "features": features}


def numerical_statistics(column: np.ndarray[Any, Any]) -> dict[str, Any]:
    present = column[~np.isnan(column)]
    common = {"num_present": len(present), "num_missing": len(column) - len(present)}
    if not len(present):
        return {"common": common}
    counts, edges = np.histogram(present, bins=BUCKETS)
    buckets = [
        {"lower_bound": float(edges[index]), "upper_bound": float(edges[index + 1]), "count": float(count)}
        for index, count in enumerate(counts)
    ]
    return {
        "common": common,
        "mean": float(present.mean()),
        "sum": float(present.sum()),
        "std_dev": float(present.std()),
        "min": float(present.min()),
        "max": float(present.max()),
        "distribution": {"kll": {"buckets": buckets}},
    }


def constraints_of(columns: np.ndarray[Any, Any]) -> dict[str, Any]:
    """constraints.json of Model Monitor, with the monitoring configuration that it suggests by default."""
    features = [
        {
            "name": f"_c{index}",
            "inferred_type": inferred_type(column),
            "completeness": float(np.mean(~np.isnan(column))),
            "num_constraints": {"is_non_negative": not bool(np.any(column < 0))},
        }
        for index, column in enumerate(columns.T)
    ]
    comparison = {"perform_comparison": "Enabled", "comparison_threshold": 0.1, "comparison_method": "Robust"}
    config = {
        "evaluate_constraints": "Enabled",
        "emit_metrics": "Enabled",
        "datatype_check_threshold": 1.0,
        "domain_content_threshold": 1.0,
        "distribution_constraints": comparison,
    }
    return {"version": 0.0, "features": features, "monitoring_config": config}


def inferred_type(column: np.ndarray[Any, Any]) -> str:
    present = column[~np.isnan(column)]
    if not len(present):
        return "Unknown"
    return "Integral" if np.array_equal(present, np.floor(present)) else "Fractional"


def summary(evaluation: dict[str, Any]) -> None:
    """One line for the log, in the form that metric definitions read."""
    metrics = evaluation["multiclass_classification_metrics"]
    print(" ".join(f"test_{name}={metrics[name]['value']:.4f};" for name in metrics if name != "confusion_matrix"))


if __name__ == "__main__":
    main(sys.argv[1:])
