"""Measures a forecaster on the end of the series, which it was not trained on, and makes the baseline of its version.

A SageMaker Processing job (`evaluate.processing` of the fees TrainingRun), which runs by hand as well:

    python manifests/samples/fees/backtest.py --model out/model --series raw/ --output out/evaluation

Every point of the test part from which a whole horizon follows is a forecast's origin. Gates read evaluation.json; baseline.json is
what a MonitorPolicy compares with.
"""

from __future__ import annotations

import argparse
import json
import tarfile
import tempfile
from pathlib import Path
from typing import Any

from forecast import MODEL, TEST, Forecaster, losses, measured, model_fn, read_series

# Beside this file in a job (input/code/backtest.py), so that a laptop without /opt/ml can run it too.
_HERE = Path(__file__).resolve()
PROCESSING = _HERE.parents[2] if _HERE.parent.name == "code" else Path("/opt/ml/processing")


def main(argv: list[str] | None = None) -> dict[str, Any]:
    """The evaluation. ValueError for a model or series that cannot be used."""
    parser = argparse.ArgumentParser(description="Measure a forecaster.", allow_abbrev=False)
    parser.add_argument("--model", default=str(PROCESSING / "input/model/model.tar.gz"), help="model.tar.gz, or its unpacked folder")
    parser.add_argument("--series", default=str(PROCESSING / "input/series"), help="folder with *.jsonl")
    parser.add_argument("--output", default=str(PROCESSING / "output/evaluation"), help="folder for the reports")
    options = parser.parse_args(argv)
    model, series = load(Path(options.model)), read_series(Path(options.series))
    origins = [range(len(values) - TEST, len(values) - model.horizon + 1) for values in series]
    actual, quantiles = measured(model, series, origins)
    found = losses(actual, quantiles)
    print(f"test_loss={found['mean']:.4f};")
    return write(Path(options.output), found, len(actual))


def load(path: Path) -> Forecaster:
    """Of the archive nothing but the model's own file is unpacked."""
    if path.is_dir():
        return model_fn(str(path))
    with tarfile.open(path) as archive, tempfile.TemporaryDirectory() as folder:
        for member in archive:
            content = archive.extractfile(member) if member.isreg() and member.name in (MODEL, f"./{MODEL}") else None
            if content is not None:
                (Path(folder) / MODEL).write_bytes(content.read())
                return model_fn(folder)
    raise ValueError(f"{path}: holds no {MODEL}")


def write(output: Path, found: dict[str, float], points: int) -> dict[str, Any]:
    """evaluation.json, and baseline.json with the loss as a constraint, in the form of Model Monitor's model quality constraints."""
    names = {level: "mean_weighted_quantile_loss" if level == "mean" else f"weighted_quantile_loss_{level}" for level in found}
    evaluation = {
        "forecast_metrics": {names[level]: {"value": loss} for level, loss in found.items()},
        "dataset": {"item_count": points},
    }
    limits = {names[level]: {"threshold": loss, "comparison_operator": "GreaterThanThreshold"} for level, loss in found.items()}
    baseline = {
        "statistics": {"version": 0.0, "dataset": {"item_count": points}, "features": []},
        "constraints": {"version": 0.0, "features": [], "forecast_constraints": limits},
    }
    output.mkdir(parents=True, exist_ok=True)
    for name, document in {"evaluation": evaluation, "baseline": baseline}.items():
        (output / f"{name}.json").write_text(json.dumps(document, indent=2, allow_nan=False) + "\n")
    return evaluation


if __name__ == "__main__":
    main()
