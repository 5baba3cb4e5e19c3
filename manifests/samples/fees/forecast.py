"""A quantile forecaster with DeepAR's request and answer: trains, validates and serves, in SageMaker's scikit-learn container.

    python manifests/samples/fees/forecast.py --series raw/ --model-dir out/model

A forecast is what followed the past contexts that were most like the present one: their quantiles, from the last known value on.
Data are DeepAR's JSON lines (`start`, `target`), in time order. The last `TEST` points of a series are never trained on; backtest.py
measures on them. The functions at the end are what the container calls on an endpoint.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

Array = np.ndarray[Any, Any]
LEVELS = ("0.05", "0.5", "0.95")
TEST = 60  # points at the end of a series
MODEL, JSON = "forecaster.npz", "application/json"


class Forecaster(NamedTuple):
    """Past contexts (rows of `context` values) and what followed each (rows of `horizon` values), both less the context's last value."""

    contexts: Array
    followed: Array
    neighbours: int

    @property
    def context(self) -> int:
        return int(self.contexts.shape[1])

    @property
    def horizon(self) -> int:
        return int(self.followed.shape[1])


def fit(series: Sequence[Array], context: int, horizon: int, neighbours: int) -> Forecaster:
    """ValueError where the series hold fewer than `neighbours` examples."""
    whole = context + horizon
    examples = [np.lib.stride_tricks.sliding_window_view(values, whole) for values in series if len(values) >= whole]
    rows = np.concatenate(examples) if examples else np.empty((0, whole))
    if len(rows) < neighbours:
        raise ValueError(f"{len(rows)} examples of {whole} points, {neighbours} are needed: give longer series, or a smaller context")
    shifted = rows - rows[:, context - 1 : context]
    return Forecaster(shifted[:, :context], shifted[:, context:], neighbours)


def forecast(model: Forecaster, target: Array, levels: Sequence[str]) -> dict[str, Array]:
    """`horizon` values for each level, and `mean`. ValueError for a target that is shorter than the context, or not all numbers."""
    if len(target) < model.context:
        raise ValueError(f"target has {len(target)} values, the model needs the last {model.context}")
    recent = target[-model.context :]
    if not np.isfinite(recent).all():
        raise ValueError("target must be numbers without gaps")
    distance = np.square(model.contexts - (recent - recent[-1])).sum(axis=1)
    like = model.followed[np.argsort(distance, kind="stable")[: model.neighbours]] + recent[-1]
    return {**{level: np.quantile(like, float(level), axis=0) for level in levels}, "mean": like.mean(axis=0)}


def losses(actual: Array, quantiles: Mapping[str, Array]) -> dict[str, float]:
    """Weighted quantile loss of each level, 2 x summed pinball loss / sum of absolute actuals, and `mean` of them."""
    scale = float(np.abs(actual).sum())
    found = {}
    for level, predicted in quantiles.items():
        error = actual - predicted
        found[level] = 2 * float(np.maximum(float(level) * error, (float(level) - 1) * error).sum()) / scale
    return {**found, "mean": float(np.mean(list(found.values())))}


def measured(model: Forecaster, series: Sequence[Array], origins: Sequence[range]) -> tuple[Array, dict[str, Array]]:
    """The points that truly followed each origin (positions in each series), and the forecasts of them, all in a row."""
    actual: list[Array] = []
    quantiles: dict[str, list[Array]] = {level: [] for level in LEVELS}
    for values, positions in zip(series, origins):  # noqa: B905 - Python 3.9
        for origin in positions:
            actual.append(values[origin : origin + model.horizon])
            made = forecast(model, values[:origin], LEVELS)
            for level, lines in quantiles.items():
                lines.append(made[level])
    return np.concatenate(actual), {level: np.concatenate(lines) for level, lines in quantiles.items()}


def expanding(series: Sequence[Array], context: int, horizon: int, neighbours: int, folds: int) -> float:
    """Mean weighted quantile loss over `folds` ends of the series, each forecast by a model of what came before it alone."""
    parts = []
    for fold in range(folds, 0, -1):
        before = [values[: len(values) - fold * horizon] for values in series]
        parts.append(measured(fit(before, context, horizon, neighbours), series, [range(len(past), len(past) + 1) for past in before]))
    actual = np.concatenate([part[0] for part in parts])
    return losses(actual, {level: np.concatenate([part[1][level] for part in parts]) for level in LEVELS})["mean"]


def read_series(folder: Path) -> list[Array]:
    """The targets of all *.jsonl files of a channel, in the order of their names."""
    return [np.array(line["target"], dtype=float) for line in lines_of(folder)]


def lines_of(folder: Path) -> Iterator[dict[str, Any]]:
    """ValueError with file and line for what is no series, and for a channel without any."""
    files = sorted(folder.rglob("*.jsonl"))
    for file in files:
        for number, text in enumerate(file.read_text("utf-8").splitlines(), 1):
            try:
                line = json.loads(text)
                np.array(line["target"], dtype=float)
            except (ValueError, TypeError, KeyError) as error:
                raise ValueError(f'{file.name}, line {number}: must be {{"start": ..., "target": [numbers]}}: {error!r}') from None
            yield line
    if not files:
        raise ValueError(f"{folder}: there are no *.jsonl")


def main(argv: list[str] | None = None) -> None:
    """Prints validation_loss and fills the model folder."""
    parser = argparse.ArgumentParser(description="Train a quantile forecaster.", allow_abbrev=False)
    parser.add_argument("--context", type=int, default=22, help="values that a forecast starts from")
    parser.add_argument("--horizon", type=int, default=30, help="values that it tells")
    parser.add_argument("--neighbours", type=int, default=10, help="past examples that it is made of")
    parser.add_argument("--folds", type=int, default=4, help="of the expanding-window validation")
    parser.add_argument("--series", default=os.environ.get("SM_CHANNEL_SERIES"), help="folder with *.jsonl")
    parser.add_argument("--model-dir", default=os.environ.get("SM_MODEL_DIR"), help="folder for the model")
    options = parser.parse_args(argv)
    if not options.series or not options.model_dir:
        parser.error("give the job a channel named series, or --series and --model-dir by hand")
    series = [values[:-TEST] for values in read_series(Path(options.series))]
    numbers = (options.context, options.horizon, options.neighbours)
    print(f"validation_loss={expanding(series, *numbers, options.folds):.4f};", flush=True)
    save(fit(series, *numbers), Path(options.model_dir))


def save(model: Forecaster, folder: Path) -> None:
    """The examples, and this script, which serves them."""
    (folder / "code").mkdir(parents=True, exist_ok=True)
    np.savez(folder / MODEL, contexts=model.contexts, followed=model.followed, neighbours=np.array(model.neighbours))
    shutil.copyfile(__file__, folder / "code" / Path(__file__).name)


def model_fn(model_dir: str) -> Forecaster:
    """Loads the model once per worker."""
    with np.load(Path(model_dir) / MODEL) as held:
        return Forecaster(held["contexts"], held["followed"], int(held["neighbours"]))


def input_fn(body: bytes | str, content_type: str) -> dict[str, Any]:
    """DeepAR's request: {"instances": [{"start", "target"}], "configuration": {"quantiles": [...], "output_types": [...]}}."""
    if content_type.partition(";")[0].strip().lower() != JSON:
        raise ValueError(f"content type {content_type} is not supported: send {JSON}")
    request = json.loads(body)
    instances = request.get("instances") if isinstance(request, dict) else None
    if not instances or not all(isinstance(item, dict) and "target" in item for item in instances):
        raise ValueError('the request must be {"instances": [{"start": ..., "target": [numbers]}]}')
    configuration: dict[str, Any] = request.get("configuration") or {}
    return {"instances": instances, "configuration": configuration}


def predict_fn(request: dict[str, Any], model: Forecaster) -> list[dict[str, Any]]:
    """DeepAR's predictions: `quantiles` by level, `mean` where it is asked for."""
    configuration = request["configuration"]
    levels = [str(level) for level in configuration.get("quantiles", LEVELS)]
    types = configuration.get("output_types", ["mean", "quantiles"])
    found = []
    for instance in request["instances"]:
        made = forecast(model, np.array(instance["target"], dtype=float), levels)
        answer: dict[str, Any] = {"quantiles": {level: made[level].tolist() for level in levels}} if "quantiles" in types else {}
        found.append({**answer, **({"mean": made["mean"].tolist()} if "mean" in types else {})})
    return found


def output_fn(predictions: list[dict[str, Any]], accept: str) -> str:
    """JSON, whatever is asked for: DeepAR has nothing else."""
    return json.dumps({"predictions": predictions})


if __name__ == "__main__":
    main()
