"""jobs/monitoring Explainability: Kernel SHAP against the definition, ndcg against scikit-learn, attributions from three sources."""

from __future__ import annotations

import json
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from monitoring_world import World, captured
from sklearn.metrics import ndcg_score

from baseline import baseline
from shapley import kernel_shap, ndcg

GENERATOR = np.random.RandomState(23)
PREDICTOR = "def predict(rows):\n    return rows[:, 0] * 3 + rows[:, 1]\n"


def shapley(predict: Any, row: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """The definition: the mean over all orders of what a feature adds when it comes in."""
    found = np.zeros(len(row))
    orders = list(permutations(range(len(row))))
    for order in orders:
        now = reference.copy()
        for feature in order:
            before = predict(now[None, :])[0]
            now[feature] = row[feature]
            found[feature] += predict(now[None, :])[0] - before
    return found / len(orders)


def tangled(rows: np.ndarray) -> np.ndarray:
    """Three features at once: of pairs alone every kernel that is fair to sizes gives the same halves."""
    return rows[:, 0] * rows[:, 1] * rows[:, 3] + np.sin(rows[:, 2]) * rows[:, 3] + np.maximum(rows[:, 4], rows[:, 0])


@pytest.mark.capability("G2")
def test_kernel_shap_is_the_definition_for_few_features() -> None:
    rows, reference = GENERATOR.normal(size=(3, 5)), GENERATOR.normal(size=5)
    found = kernel_shap(tangled, rows, reference)
    for at, row in enumerate(rows):
        assert found[at, :, 0] == pytest.approx(shapley(tangled, row, reference), abs=1e-9)


@pytest.mark.capability("G2")
def test_kernel_shap_of_many_features_adds_up_and_finds_a_linear_model() -> None:
    """20 features: sampled coalitions; weights x (value - reference) exactly, since nothing interacts. Two outputs at once."""
    weights = GENERATOR.normal(size=(20, 2))
    rows, reference = GENERATOR.normal(size=(2, 20)), GENERATOR.normal(size=20)
    found = kernel_shap(lambda asked: asked @ weights, rows, reference)
    assert found == pytest.approx((rows - reference)[:, :, None] * weights, abs=1e-6)
    crossed = kernel_shap(lambda asked: asked[:, 0] * asked[:, 1] + asked[:, 2], rows, reference)
    whole = rows[:, 0] * rows[:, 1] + rows[:, 2] - (reference[0] * reference[1] + reference[2])
    assert crossed.sum(axis=1)[:, 0] == pytest.approx(whole)


def test_one_feature_has_it_all() -> None:
    assert kernel_shap(lambda rows: rows[:, 0] ** 2, np.array([[3.0]]), np.array([1.0])).tolist() == [[[8.0]]]


@pytest.mark.capability("G2")
def test_ndcg_is_scikit_learns() -> None:
    """Also with ties, where it averages over their orders."""
    for _ in range(20):
        gains, scores = GENERATOR.random_sample(8), GENERATOR.randint(0, 5, 8).astype(float)
        names = [f"f{at}" for at in range(8)]
        expected = ndcg_score([gains], [scores])
        assert ndcg(dict(zip(names, gains, strict=True)), dict(zip(names, scores, strict=True))) == pytest.approx(expected)


def test_ndcg_by_hand() -> None:
    """Gains 3, 1, found in the wrong order: (1 + 3 / log2 3) / (3 + 1 / log2 3)."""
    third = 1 / np.log2(3)
    assert ndcg({"a": 3, "b": 1}, {"a": 1, "b": 2}) == pytest.approx((1 + 3 * third) / (3 + third))
    assert ndcg({"a": 3, "b": 1}, {"a": -9, "b": 2}) == 1.0
    assert np.isnan(ndcg({"a": 0.0}, {"a": 1.0}))


def explained(world: World, **fields: Any) -> World:
    """Six rows of x and y, for a model that uses x three times as much; y varies a hundred times as much in the window."""
    world.capture([captured(at, f"{at / 100},{at}", 1) for at in range(6)])
    made = baseline([[at, at] for at in range(6)], ["x", "y"], attributions={"x": 6.0, "y": 1.0})
    world.put("baseline/baseline.json", made)
    world.config |= {"checks": [{"name": "attribution", "type": "Explainability", **fields}], "groundTruth": None}
    return world


@pytest.mark.capability("G2")
def test_a_predictor_is_explained_by_kernel_shap(world: World) -> None:
    """phi is 3 (x - 2.5) and y - 2.5, so y comes first and the order has turned round: (1 + 6 t) / (6 + t) = .72."""
    world.put("source/score.py", "def predict(rows):\n    return rows[:, 0] * 0.3 + rows[:, 1]\n")
    report = explained(world, predictor="score.py").report()
    third = 1 / np.log2(3)
    (metric,) = report["metrics"]
    assert (metric["name"], metric["sampleSize"]) == ("ndcg", 6)
    assert metric["value"] == pytest.approx((1 + 6 * third) / (6 + third))
    (violation,) = report["violations"]
    assert violation["constraint"] == "featureAttributionDrift"
    assert world.read("constraint_violations")["violations"][0]["constraint_check_type"] == "feature_attribution_drift_check"
    values = world.read("statistics")["explanations"]["kernel_shap"]["global_shap_values"]
    assert values == pytest.approx({"x": 0.3 * np.mean([2.5 - at / 100 for at in range(6)]), "y": 1.5})


@pytest.mark.capability("G2")
def test_the_same_order_is_no_violation(world: World) -> None:
    world.put("source/score.py", PREDICTOR)
    report = explained(world, predictor="score.py").report()
    assert report["metrics"][0]["value"] == 1.0
    assert report["violations"] == []


@pytest.mark.capability("G2")
def test_attributions_come_from_a_script_or_from_the_users_image(world: World) -> None:
    """A script writes lists or means; an image leaves JSON lines in input/attributions/<check>."""
    written = {"attributions": {"x": [-3, 5], "y": [1, 1]}}
    world.put("source/explain.py", f"import json, os\njson.dump({written!r}, open(os.environ['MONITOR_OUTPUT'], 'w'))")
    (metric,) = explained(world, entryPoint="explain.py").report()["metrics"]
    assert (metric["value"], metric["sampleSize"]) == (1.0, 2)
    world.put("attributions/attribution/out.jsonl", [{"x": 0.1, "y": -0.5}, {"x": 0.2, "y": 0.5}, {"x": 0.1, "y": 0.4}])
    for given in ({"image": "explainer:1"}, {"image": "explainer:1", "entryPoint": "explain.py"}):
        (metric,) = explained(world, **given).report()["metrics"]
        assert metric["value"] < 0.9
        assert metric["sampleSize"] == 3


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("x = 1", "has no predict(rows)"),
        ("import absent_module", "cannot be imported"),
        ("def predict(rows):\n    return rows[0]", "predict failed"),
        ("def predict(rows):\n    return rows[:, 0] * float('nan')", "predict answered with what is no number"),
        (None, "there is no score.py in the source"),
    ],
)
def test_a_predictor_that_fails_fails_the_job(world: World, script: str | None, reason: str) -> None:
    if script is not None:
        world.put("source/score.py", script)
    assert explained(world, predictor="score.py").run() == 1
    assert reason in world.message()


def test_without_attributions_of_the_baseline_there_is_no_drift(world: World) -> None:
    world.put("source/score.py", PREDICTOR)
    explained(world, predictor="score.py").put("baseline/baseline.json", json.dumps(baseline([[1, 2]], ["x", "y"])))
    (metric,) = world.report()["metrics"]
    assert metric["message"] == "the baseline has no attributions (member attributions of baseline.json)"


def test_texts_are_not_explained_by_kernel_shap(world: World) -> None:
    explained(world, predictor="score.py").capture([captured(9, "1,rot", 1)], name="b.jsonl")
    world.put("source/score.py", PREDICTOR)
    (metric,) = world.report()["metrics"]
    assert metric["message"] == "Kernel SHAP needs columns of numbers, y is none; use entryPoint"
