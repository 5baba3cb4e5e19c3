"""jobs/monitoring on any data at all: what must not depend on order, scale, script or language, and what must never be written."""

from __future__ import annotations

import base64
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import bias
from bias_metrics import METRICS, Groups
from check_config import Bias, Check, DataQuality, ModelQuality
from columns import Column, columns_of
from columns import column as made
from data_quality import measure as data_quality
from describe import constraints_of, statistics_of
from drift import METHODS, distance, reference
from model_quality import measure as model_quality
from quality_metrics import BINARY, FORECAST, MULTICLASS, REGRESSION, auc, binary, confusion, forecast, multiclass, regression
from quality_metrics import METRICS as QUALITY
from records import Record, decode
from rows import table
from scripts import merged_lines, record_of
from shapley import kernel_shap, ndcg
from sketch import Sketch, quantiles, weighted
from window import Baseline, Window

unhurried = settings(deadline=None, max_examples=60)  # another process on the machine is no failure
finite = st.floats(allow_nan=False, allow_infinity=False)
modest = st.floats(-1e6, 1e6).map(lambda value: round(value, 3))
words = st.text(max_size=8)
odd = st.sampled_from(["", "nan", " ", "7", "1e400", "-0.0", "süd", "蓝", "😀"])
cells = st.one_of(st.none(), st.integers(), st.floats(), words, st.booleans(), odd)
nested = st.one_of(cells, st.lists(cells, max_size=3), st.dictionaries(words, cells, max_size=3))
# Of one type, as columns are, or of all: a column in which all things are mixed is a text and tries little.
extremes = st.sampled_from([np.inf, -np.inf, np.nan, 1.7e308, -1.7e308, 5e-324])
numbers = st.one_of(st.floats(), st.integers(-9, 9), st.none(), extremes)
columns = st.one_of(*(st.lists(kind, max_size=30) for kind in (numbers, st.integers(), numbers.map(str), words, nested)))
methods = st.sampled_from(METHODS)
json_values = st.recursive(cells, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words, inner, max_size=4), max_leaves=8)


def column(values: list[Any]) -> Column:
    return made("x", values)


def apart(method: str, before: list[Any], after: list[Any]) -> float | None:
    """The drift, None where the two cannot be compared."""
    base = reference(statistics_of([column(before)], len(before))["features"][0])
    return None if base is None else distance(method, base, column(after)).value


@unhurried
@given(columns)
def test_statistics_of_anything_are_json_and_count_every_value(values: list[Any]) -> None:
    """Numbers beyond floats, NaN, infinity, nested values: written without NaN, and present + missing is the length."""
    described = column(values)
    statistics, constraints = statistics_of([described], len(values)), constraints_of([described])
    json.loads(json.dumps([statistics, constraints], allow_nan=False))
    feature = statistics["features"][0]
    group = feature.get("numerical_statistics") or feature["string_statistics"]
    assert group["common"]["num_present"] + group["common"]["num_missing"] == len(values)
    kll = group.get("distribution", {}).get("kll")
    if kll is not None:
        assert sum(bucket["count"] for bucket in kll["buckets"]) == group["common"]["num_present"]
        assert weighted(kll["sketch"])[1].sum() == group["common"]["num_present"]
    categories = group.get("distribution", {}).get("categorical", {}).get("buckets")
    if categories is not None and group["distinct_count"] <= 100:
        assert sum(bucket["count"] for bucket in categories) == group["common"]["num_present"]


@unhurried
@given(columns, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(values: list[Any], random: Any) -> None:
    """Statistics, constraints and every distance."""
    shuffled = list(values)
    random.shuffle(shuffled)
    one, other = (statistics_of([column(rows)], len(rows))["features"][0] for rows in (values, shuffled))
    moments = {"mean", "sum", "std_dev"}  # sums of floats depend on the order in their last digits
    for feature in (one, other):
        for name in moments:
            feature.get("numerical_statistics", {}).pop(name, None)
    assert one == other
    assert constraints_of([column(values)]) == constraints_of([column(shuffled)])


@unhurried
@given(methods, st.lists(modest, min_size=1, max_size=50), st.lists(modest, min_size=1, max_size=50), st.randoms(use_true_random=False))
def test_a_distance_of_numbers_does_not_depend_on_order_or_scale(method: str, before: list[float], after: list[float], random: Any) -> None:
    """It is 0 to 1 (PSI: from 0), and 0 for the same data; eight times all numbers is the same distance."""
    found = apart(method, before, after)
    assert found is not None
    assert 0.0 <= found <= (np.inf if method == "PSI" else 1.0 + 1e-9)
    assert apart(method, before, before) == pytest.approx(0.0, abs=1e-6)
    assert apart(method, [value * 8 for value in before], [value * 8 for value in after]) == pytest.approx(found)
    shuffled = list(after)
    random.shuffle(shuffled)
    assert apart(method, before, shuffled) == pytest.approx(found)


@unhurried
@given(methods, st.lists(words, min_size=1, max_size=40), st.lists(words, min_size=1, max_size=40))
def test_a_distance_of_categories_does_not_depend_on_their_names(method: str, before: list[str], after: list[str]) -> None:
    """Unicode as it comes; renaming every category the same way changes nothing."""
    found = apart(method, [f"a{value}" for value in before], [f"a{value}" for value in after])
    renamed = {value: f"ü{number}" for number, value in enumerate(sorted({*before, *after}))}
    assert found is not None
    assert apart(method, [renamed[value] for value in before], [renamed[value] for value in after]) == pytest.approx(found)
    assert apart(method, [f"a{value}" for value in before], [f"a{value}" for value in before]) == pytest.approx(0.0, abs=1e-6)


@unhurried
@given(methods, columns, columns)
def test_a_distance_is_finite_or_none_for_anything(method: str, before: list[Any], after: list[Any]) -> None:
    found = apart(method, before, after)
    assert found is None or np.isfinite(found)


@given(st.lists(finite, min_size=1, max_size=6000), st.integers(8, 64))
@settings(max_examples=30, deadline=None)
def test_a_sketch_keeps_all_weight_and_its_ranks(values: list[float], k: int) -> None:
    """A rank is off by a few k-ths at most."""
    items, weights = weighted(Sketch(k).add(np.array(values)).document())
    assert weights.sum() == len(values)
    assert set(items) <= set(values)
    middle = quantiles(items, weights, np.array([0.5]))[0]
    below, upto = np.mean(np.array(values) < middle), np.mean(np.array(values) <= middle)
    slack = 6 / k + 1 / len(values)
    assert below - slack <= 0.5 <= upto + slack


@unhurried
@given(st.lists(st.tuples(modest, modest), min_size=2, max_size=40), st.randoms(use_true_random=False))
def test_regression_scales_and_does_not_depend_on_order(pairs: list[tuple[float, float]], random: Any) -> None:
    actual, predicted = np.array(pairs).T
    found, scaled = regression(actual, predicted), regression(actual * 4, predicted * 4)
    assert scaled == pytest.approx(
        {"rmse": found["rmse"] * 4, "mae": found["mae"] * 4, "mse": found["mse"] * 16, "r2": found["r2"]}, nan_ok=True
    )
    random.shuffle(pairs)
    shuffled = np.array(pairs).T
    assert regression(shuffled[0], shuffled[1]) == pytest.approx(found, nan_ok=True)
    assert regression(actual, actual)["rmse"] == 0.0


@unhurried
@given(st.lists(st.tuples(modest, modest, modest), min_size=1, max_size=40))
def test_the_weighted_quantile_loss_does_not_depend_on_scale(points: list[tuple[float, float, float]]) -> None:
    """It is never negative, and 0 for a forecast that is right."""
    actual, low, high = np.array(points).T
    assume(np.abs(actual).sum() > 0)
    found = forecast(actual, {0.1: low, 0.9: high}, low)["mean_weighted_quantile_loss"]
    assert found >= 0.0
    assert forecast(actual * 8, {0.1: low * 8, 0.9: high * 8}, low)["mean_weighted_quantile_loss"] == pytest.approx(found)
    assert forecast(actual, {0.5: actual}, actual)["mean_weighted_quantile_loss"] == 0.0


@unhurried
@given(st.lists(st.tuples(st.booleans(), st.integers(-50, 50)), min_size=2, max_size=60))
def test_auc_depends_on_the_order_of_scores_alone(rows: list[tuple[bool, int]]) -> None:
    actual, scores = np.array([row[0] for row in rows]), np.array([row[1] for row in rows], dtype=float)
    assume(actual.any() and not actual.all())
    found = auc(actual, scores)
    assert auc(actual, np.exp(scores / 10)) == pytest.approx(found)
    assert auc(actual, -scores) == pytest.approx(1 - found)
    assert auc(~actual, scores) == pytest.approx(1 - found)


@unhurried
@given(st.lists(st.tuples(words, words), min_size=1, max_size=40))
def test_multiclass_recall_is_accuracy_whatever_the_classes_are_called(pairs: list[tuple[str, str]]) -> None:
    """Weighted by how often each class is true, recall is accuracy; the matrix counts every row."""
    matrix = confusion([pair[0] for pair in pairs], [pair[1] for pair in pairs])
    found = multiclass(matrix)
    assert found["weighted_recall"] == pytest.approx(found["accuracy"])
    assert sum(sum(row.values()) for row in matrix.values()) == len(pairs)
    assert all(0.0 <= value <= 1.0 + 1e-9 for value in found.values())


@unhurried
@given(st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40))
def test_binary_rates_are_complements(rows: list[tuple[bool, bool]]) -> None:
    actual, predicted = (np.array([row[at] for row in rows], dtype=bool) for at in (0, 1))
    found = binary(actual, predicted, None)
    assert found["true_positive_rate"] + found["false_negative_rate"] == pytest.approx(1.0) or not actual.any()
    assert found["true_negative_rate"] + found["false_positive_rate"] == pytest.approx(1.0) or actual.all()


@unhurried
@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.booleans(), st.sampled_from("xyz")), min_size=1, max_size=40), st.randoms())
def test_bias_turns_round_when_the_groups_are_swapped(rows: list[tuple[bool, bool, bool, str]], random: Any) -> None:
    """Differences change their sign, the ratio its side; order does not matter; nothing but NaN leaves the floats."""

    def groups(given: list[tuple[bool, bool, bool, str]], *, swap: bool = False) -> Groups:
        d, y, p = (np.array([row[at] for row in given], dtype=bool) for at in range(3))
        return Groups(~d if swap else d, y, p, y.astype(str), np.array([row[3] for row in given]), y.astype(float)[:, None])

    shuffled = list(rows)
    random.shuffle(shuffled)
    for name, metric in METRICS.items():
        found, swapped = metric.of(groups(rows)), metric.of(groups(rows, swap=True))
        assert not np.isinf(found)
        assert metric.of(groups(shuffled)) == pytest.approx(found, nan_ok=True), name
        if name == "DI" and found and swapped:
            assert swapped == pytest.approx(1 / found, nan_ok=True)
        if name in ("CI", "DPL", "DPPL", "DCA", "DCR", "AD", "RD", "SD", "DAR", "DRR", "TE", "CDDL", "CDDPL"):
            assert -swapped == pytest.approx(found, nan_ok=True) or name.startswith("CDD")


@unhurried
@given(st.text(), json_values)
def test_a_payload_survives_its_encoding(text: str, value: Any) -> None:
    """Whatever the script or language."""
    encoded = base64.b64encode(text.encode()).decode()
    assert decode({"data": text, "encoding": "CSV"}) == text
    assert decode({"data": encoded, "encoding": "BASE64", "observedContentType": "text/csv"}) == text
    document = json.dumps(value)
    assert json.dumps(decode({"data": document, "encoding": "JSON"})) == document


@unhurried
@given(
    st.lists(
        st.builds(
            Record, words, st.none() | words, st.none() | words, st.none() | st.integers(0, 2**32), json_values, json_values, json_values
        )
    )
)
def test_records_survive_the_way_to_a_script_and_back(records: list[Record]) -> None:
    """MONITOR_MERGED is what prepare may write; NaN is not equal to itself, so texts are compared."""
    text = merged_lines(records)
    assert merged_lines([record_of(json.loads(line)) for line in text.split("\n") if line]) == text


@given(st.integers(2, 7), st.integers(0, 2**31))
@settings(max_examples=25, deadline=None)
def test_attributions_add_up_and_equal_features_share(features: int, seed: int) -> None:
    """Efficiency, and symmetry: the first two features enter the model alike and have the same values."""
    random = np.random.RandomState(seed)
    rows, base = random.normal(size=(2, features)), np.zeros(features)
    rows[:, 1] = rows[:, 0]

    def predict(asked: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        found: np.ndarray[Any, Any] = np.tanh(asked[:, 0] + asked[:, 1]) * (1 + asked[:, 2:].sum(axis=1))
        return found

    found = kernel_shap(predict, rows, base)[:, :, 0]
    assert found.sum(axis=1) == pytest.approx(predict(rows) - predict(base[None, :]))
    assert found[:, 0] == pytest.approx(found[:, 1])


@unhurried
@given(st.dictionaries(words, modest, min_size=1), st.dictionaries(words, modest))
def test_ndcg_is_one_for_itself_and_never_beyond(baseline: dict[str, float], live: dict[str, float]) -> None:
    found = ndcg(baseline, live)
    assert np.isnan(found) or 0.0 <= found <= 1.0 + 1e-9
    assert ndcg(baseline, {name: value * -2 for name, value in baseline.items()}) == pytest.approx(1.0) or not any(baseline.values())


points = st.lists(numbers, max_size=4)
series = st.fixed_dictionaries({"quantiles": st.dictionaries(st.sampled_from(["0.1", "0.5", "0.9"]), points), "mean": points})
scored = st.fixed_dictionaries({"score": numbers}, optional={"predicted_label": odd})
items = st.one_of(numbers, numbers.map(str), words, scored, series, points)
answers = st.one_of(items, st.fixed_dictionaries({"predictions": st.lists(items, max_size=3)}), json_values)
inputs = st.one_of(st.lists(st.lists(st.one_of(numbers, odd), min_size=2, max_size=2), max_size=3), json_values)
CHECKS: tuple[Check, ...] = (
    *(ModelQuality("q", problem, QUALITY[problem], None, None, None, 0.5, "1") for problem in (REGRESSION, BINARY, MULTICLASS, FORECAST)),
    Bias("b", "_c0", (), None, tuple(METRICS), ("1",), None, "_c1", None, 0.5),
    DataQuality("d", "PSI", 0.2, ("_c0", "absent"), 0.9),
)


@given(st.lists(st.tuples(inputs, answers, answers), max_size=8), st.lists(st.lists(cells, max_size=3), max_size=8))
@settings(max_examples=120, deadline=None)
def test_no_payload_breaks_a_check_and_no_metric_is_nan(payloads: list[tuple[Any, Any, Any]], rows: list[list[Any]]) -> None:
    """Empty, one row, constant, NaN, nested, unicode: every metric is a finite number from some sample, or says why it is none."""
    known = columns_of(table(rows, []))
    base = Baseline(statistics_of(known, len(rows)), constraints_of(known))
    window = Window([Record(str(at), None, None, 0.0, *payload) for at, payload in enumerate(payloads)], None, base, 1)
    for check in CHECKS:
        if isinstance(check, ModelQuality):
            findings = model_quality(check, window)
        elif isinstance(check, Bias):
            findings = bias.measure(check, window)
        else:
            assert isinstance(check, DataQuality)
            findings = data_quality(check, window)
        for metric in findings.metrics:
            assert (metric.state == "Measured") == (metric.value is not None)
            assert metric.value is None or (np.isfinite(metric.value) and metric.sample_size > 0)
            assert metric.value is not None or metric.message
        json.dumps(findings.documents, allow_nan=False)


@unhurried
@given(methods, st.lists(st.tuples(modest, words), min_size=1, max_size=40))
def test_the_data_that_made_a_baseline_break_none_of_it(method: str, rows: list[tuple[float, str]]) -> None:
    known = columns_of(table([list(row) for row in rows], ["fee", "name"]))
    base = Baseline(statistics_of(known, len(rows)), constraints_of(known))
    window = Window([Record("e", None, None, 0.0, [list(row) for row in rows], None)], None, base, 1)
    assert data_quality(DataQuality("d", method, 1e-6, (), None), window).violations == []
