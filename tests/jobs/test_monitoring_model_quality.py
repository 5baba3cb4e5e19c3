"""jobs/monitoring ModelQuality: metrics against scikit-learn and by hand, and where predictions and truth are found."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn import metrics as sk

from check_config import ModelQuality
from model_quality import constraints, measure
from quality_metrics import BINARY, FORECAST, METRICS, MULTICLASS, REGRESSION, binary, confusion, forecast, multiclass, regression
from records import Record
from report import Findings
from window import Baseline, Window

GENERATOR = np.random.RandomState(11)
ACTUAL, PREDICTED = GENERATOR.normal(5, 2, 200), GENERATOR.normal(5, 2, 200)
TRUE, SCORES = GENERATOR.random_sample(300) < 0.3, np.round(GENERATOR.random_sample(300), 2)
NAMES = np.array(["rot", "grün", "蓝"])
CLASSES, GUESSES = NAMES[GENERATOR.randint(0, 3, 200)], NAMES[GENERATOR.randint(0, 2, 200)]


def found(problem: str, pairs: list[tuple[Any, Any]], baseline: Baseline | None = None, **fields: Any) -> Findings:
    """A check of records with these outputs and truths."""
    given = {
        "inference": None,
        "probability": None,
        "truth": None,
        "threshold": 0.5,
        "positive": "1",
        "metrics": METRICS[problem],
        **fields,
    }
    records = [Record(f"e{at}", None, "blue", 0.0, None, answer, truth) for at, (answer, truth) in enumerate(pairs)]
    return measure(ModelQuality(name="quality", problem=problem, **given), Window(records, "blue", baseline or Baseline(), 1))


def values(findings: Findings) -> dict[str, float | None]:
    return {metric.name: metric.value for metric in findings.metrics}


@pytest.mark.capability("G7")
def test_regression_is_scikit_learns() -> None:
    assert regression(ACTUAL, PREDICTED) == pytest.approx(
        {
            "mse": sk.mean_squared_error(ACTUAL, PREDICTED),
            "rmse": sk.root_mean_squared_error(ACTUAL, PREDICTED),
            "mae": sk.mean_absolute_error(ACTUAL, PREDICTED),
            "r2": sk.r2_score(ACTUAL, PREDICTED),
        }
    )


@pytest.mark.capability("G7")
def test_binary_is_scikit_learns() -> None:
    """With ties among the scores."""
    guessed = SCORES >= 0.5
    tn, fp, fn, tp = sk.confusion_matrix(TRUE, guessed).ravel()
    assert binary(TRUE, guessed, SCORES) == pytest.approx(
        {
            "accuracy": sk.accuracy_score(TRUE, guessed),
            "precision": sk.precision_score(TRUE, guessed),
            "recall": sk.recall_score(TRUE, guessed),
            "f1": sk.f1_score(TRUE, guessed),
            "f0_5": sk.fbeta_score(TRUE, guessed, beta=0.5),
            "f2": sk.fbeta_score(TRUE, guessed, beta=2),
            "auc": sk.roc_auc_score(TRUE, SCORES),
            "au_prc": sk.average_precision_score(TRUE, SCORES),
            "true_positive_rate": tp / (tp + fn),
            "true_negative_rate": tn / (tn + fp),
            "false_positive_rate": fp / (fp + tn),
            "false_negative_rate": fn / (fn + tp),
        }
    )


@pytest.mark.capability("G7")
def test_multiclass_is_scikit_learns() -> None:
    """One class is never predicted."""
    matrix = confusion(CLASSES.tolist(), GUESSES.tolist())
    names = sorted(NAMES)
    assert [[matrix[row][guess] for guess in names] for row in names] == sk.confusion_matrix(CLASSES, GUESSES, labels=names).tolist()
    options = {"average": "weighted", "zero_division": 0}
    assert multiclass(matrix) == pytest.approx(
        {
            "accuracy": sk.accuracy_score(CLASSES, GUESSES),
            "weighted_precision": sk.precision_score(CLASSES, GUESSES, **options),
            "weighted_recall": sk.recall_score(CLASSES, GUESSES, **options),
            "weighted_f1": sk.f1_score(CLASSES, GUESSES, **options),
            "weighted_f0_5": sk.fbeta_score(CLASSES, GUESSES, beta=0.5, **options),
            "weighted_f2": sk.fbeta_score(CLASSES, GUESSES, beta=2, **options),
        }
    )


@pytest.mark.capability("G16")
def test_the_weighted_quantile_loss_by_hand() -> None:
    """Actuals 10 and 20, sum 30. Level .5, forecasts 12 and 16: .5 x 2 + .5 x 4 = 3, loss 2 x 3 / 30 = .2.
    Level .9, forecasts 14 and 24: .1 x 4 + .1 x 4 = .8, loss 1.6 / 30 = .0533. Mean .12667."""
    levels = {0.5: np.array([12.0, 16.0]), 0.9: np.array([14.0, 24.0])}
    assert forecast(np.array([10.0, 20.0]), levels, np.array([11.0, 18.0])) == pytest.approx(
        {
            "mean_weighted_quantile_loss": (0.2 + 1.6 / 30) / 2,
            "weighted_quantile_loss_0.5": 0.2,
            "weighted_quantile_loss_0.9": 1.6 / 30,
            "rmse": (5 / 2) ** 0.5,
            "mae": 1.5,
            "coverage": 0.5,  # 10 is below 12, 20 lies between 16 and 24
        }
    )


@pytest.mark.capability("G16")
def test_the_pinball_loss_is_scikit_learns() -> None:
    """2 x n x mean pinball loss / sum of |y|."""
    levels = {level: PREDICTED + shift for level, shift in ((0.05, -3), (0.5, 0), (0.95, 3))}
    result = forecast(ACTUAL, levels, PREDICTED)
    for level, predicted in levels.items():
        expected = 2 * len(ACTUAL) * sk.mean_pinball_loss(ACTUAL, predicted, alpha=level) / np.abs(ACTUAL).sum()
        assert result[f"weighted_quantile_loss_{level:g}"] == pytest.approx(expected)


@pytest.mark.capability("G16")
def test_a_forecast_is_compared_with_the_points_that_followed() -> None:
    """DeepAR's output. Truth that is shorter than the horizon counts as far as it goes, nulls not at all; the size is in points."""
    series = {"mean": [1, 2, 3], "quantiles": {"0.5": [1, 2, 3], "0.9": [2, 3, 4]}}
    findings = found(FORECAST, [({"predictions": [series]}, [2, None]), ({"predictions": [series, series]}, [{"target": [1, 2, 3]}, [5]])])
    loss = findings.metrics[0]
    # level .5: 2 -> 1 (.5), 1 2 3 exact, 5 -> 1 (2): 2 x 2.5 / 13; level .9: 2 exact, 1 2 3 -> .1 each, 5 -> 2 (2.7): 2 x 3 / 13
    assert (loss.name, loss.sample_size, loss.value) == ("mean_weighted_quantile_loss", 5, pytest.approx((5 / 13 + 6 / 13) / 2))
    assert {"weighted_quantile_loss_0.5", "weighted_quantile_loss_0.9"} <= set(values(findings))
    assert "forecast_metrics" in findings.documents


def test_forecasts_without_truth_to_compare_are_said() -> None:
    series = {"mean": [1.0], "quantiles": {"0.5": [1.0]}}
    (metric, *_) = found(FORECAST, [(series, [None]), (series, [2.0]), ({"mean": [1]}, [1])]).metrics
    assert (metric.sample_size, metric.message) == (1, "2 forecasts have no points to compare with")


@pytest.mark.capability("G7")
@pytest.mark.parametrize(
    ("answer", "fields"),
    [
        ("2.5\n", {}),
        ("id,2.5\n", {"inference": 1}),
        (2.5, {}),
        ({"predictions": [{"score": 2.5}]}, {}),
        ({"predictions": [2.5]}, {}),
        ({"result": {"fee": [2.5]}}, {"inference": "result.fee[0]"}),
        ([[2.5]], {}),
    ],
)
def test_a_prediction_is_found_in_the_usual_places_or_where_the_check_says(answer: Any, fields: dict[str, Any]) -> None:
    findings = found(REGRESSION, [(answer, "1.5")], **fields)
    assert values(findings)["mae"] == 1.0


@pytest.mark.capability("G7")
def test_a_request_of_several_rows_is_matched_row_by_row() -> None:
    """Another number of truths than of predictions is left out and said."""
    findings = found(REGRESSION, [("1\n2\n3\n", "1\n2\n5\n"), ({"predictions": [1, 2]}, [1, 4]), ("1\n2\n", "1\n"), ("7\n", "x\n")])
    (mae,) = [metric for metric in findings.metrics if metric.name == "mae"]
    assert (mae.value, mae.sample_size) == (pytest.approx(4 / 5), 5)
    assert mae.message == "1 records have another number of truths than of predictions; 1 rows have no usable prediction or truth"


@pytest.mark.parametrize(
    ("answers", "fields", "auc"),
    [
        (["0.9", "0.2", "0.6", "0.4"], {}, 0.75),
        (
            [
                {"predicted_label": 1, "score": 0.9},
                {"predicted_label": 0, "score": 0.2},
                {"predicted_label": 1.0, "score": 0.6},
                {"predicted_label": 0, "score": 0.4},
            ],
            {},
            0.75,
        ),
        (["1", "0", "1", "0"], {}, 0.5),
        (["yes,x", "no,x", "yes,x", "no,x"], {"inference": 0, "positive": "yes"}, None),
    ],
)
def test_a_binary_answer_is_a_probability_a_label_or_both(answers: list[Any], fields: dict[str, Any], auc: float | None) -> None:
    """Truth 1 0 0 1, predicted 1 0 1 0: accuracy .5. Scores .9 .2 .6 .4: 3 of 4 pairs in order. Labels alone have no auc."""
    positive = fields.get("positive", "1")
    truths = [positive if true else "0" for true in (1, 0, 0, 1)]
    result = values(found(BINARY, list(zip(answers, truths, strict=True)), **fields))
    assert (result["accuracy"], result["precision"], result["recall"]) == (0.5, 0.5, 0.5)
    assert result["auc"] == auc


def test_classes_are_the_same_however_they_are_written() -> None:
    """1, 1.0 and "1" are one class; probabilities by class mean the largest."""
    findings = found(MULTICLASS, [("1", 1.0), ({"predicted_label": 1}, "1.0"), ("0.1,0.2,0.7", "2"), ("0.8,0.1,0.1", "1")])
    assert values(findings)["accuracy"] == 0.75
    matrix = findings.documents["multiclass_classification_metrics"]["confusion_matrix"]
    assert matrix["1"] == {"0": 1, "1": 2, "2": 0}


@pytest.mark.parametrize(
    ("problem", "pairs", "undefined"),
    [
        (REGRESSION, [("1", "2"), ("3", "2")], {"r2"}),
        (
            BINARY,
            [("0.1", "0"), ("0.2", "0")],
            {"precision", "recall", "f1", "f0_5", "f2", "auc", "au_prc", "true_positive_rate", "false_negative_rate"},
        ),
        (MULTICLASS, [], set(METRICS[MULTICLASS])),
        (REGRESSION, [], set(METRICS[REGRESSION])),
        (
            FORECAST,
            [({"mean": [1], "quantiles": {"0.5": [1]}}, [0])],
            {"mean_weighted_quantile_loss", "weighted_quantile_loss_0.5", "coverage"},
        ),
    ],
)
def test_what_is_not_defined_is_insufficient_data_and_never_a_zero(problem: str, pairs: list[tuple[Any, Any]], undefined: set[str]) -> None:
    findings = found(problem, pairs)
    expected = undefined | ({"weighted_quantile_loss"} if problem == FORECAST and not pairs else set())
    assert {metric.name for metric in findings.metrics if metric.state == "InsufficientData"} == expected
    assert all(metric.message for metric in findings.metrics if metric.value is None)


@pytest.mark.capability("G7")
def test_the_baselines_limits_make_violations() -> None:
    """Model Monitor's groups of constraints.json, as the baseline suggests them."""
    limits = constraints(REGRESSION, {"rmse": 1.0, "r2": 0.5})
    assert limits == {
        "regression_constraints": {
            "rmse": {"threshold": 1.0, "comparison_operator": "GreaterThanThreshold"},
            "r2": {"threshold": 0.5, "comparison_operator": "LessThanThreshold"},
        }
    }
    base = Baseline(constraints=limits)
    worse, same = [("1", "3"), ("5", "3"), ("4", "2")], [("1", "2"), ("5", "6"), ("9", "8")]
    assert [item.feature for item in found(REGRESSION, worse, base).violations] == ["rmse", "r2"]
    assert found(REGRESSION, same, base).violations == []
