"""jobs/monitoring DataQuality: statistics and constraints in Model Monitor's format, drift against scipy, violations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.spatial.distance import jensenshannon

from baseline import baseline
from check_config import DataQuality
from columns import column
from data_quality import measure
from describe import constraints_of, feature_constraints, feature_statistics, statistics_of
from drift import METHODS, distance, reference
from records import Record
from report import Findings
from sketch import Sketch, quantiles, weighted
from window import Baseline, Window

GENERATOR = np.random.RandomState(3)
NORMAL, SHIFTED = GENERATOR.normal(0, 1, 1500), GENERATOR.normal(0.4, 1.2, 400)
COLOURS, LATER = ["rot"] * 60 + ["grün"] * 30 + ["蓝"] * 10, ["rot"] * 10 + ["grün"] * 30 + ["蓝"] * 40 + ["new"] * 20


def described(values: list[Any]) -> dict[str, Any]:
    return feature_statistics(column("x", values))


def apart(method: str, before: list[Any], after: list[Any], **options: bool) -> float:
    base = reference(described(before))
    assert base is not None
    found = distance(method, base, column("x", after), **options)
    assert found.value is not None
    return found.value


@pytest.mark.capability("G3")
def test_statistics_of_numbers_are_in_the_file_format_of_model_monitor() -> None:
    """Hand-computed: 1, 2, 3, 4 and one missing; ten buckets of 0.3; the sketch is the sample."""
    found = described([1, "2", 3.0, None, 4])
    numbers = found["numerical_statistics"]
    kll = numbers["distribution"]["kll"]
    assert (found["name"], found["inferred_type"]) == ("x", "Integral")
    assert numbers["common"] == {"num_present": 4, "num_missing": 1}
    assert [numbers[name] for name in ("mean", "sum", "min", "max")] == [2.5, 10.0, 1.0, 4.0]
    assert numbers["std_dev"] == pytest.approx((5 / 4) ** 0.5)
    assert [bucket["count"] for bucket in kll["buckets"]] == [1, 0, 0, 1, 0, 0, 1, 0, 0, 1]
    assert [bucket["lower_bound"] for bucket in kll["buckets"]] == pytest.approx([1 + 0.3 * step for step in range(10)])
    assert kll["sketch"] == {"parameters": {"c": 0.64, "k": 2048.0}, "data": [[1.0, 2.0, 3.0, 4.0]]}


@pytest.mark.capability("G3")
def test_statistics_of_texts_are_in_the_file_format_of_model_monitor() -> None:
    assert described(["süd", "", "nord", "süd", None]) == {
        "name": "x",
        "inferred_type": "String",
        "string_statistics": {
            "common": {"num_present": 3, "num_missing": 2},
            "distinct_count": 2,
            "distribution": {"categorical": {"buckets": [{"value": "süd", "count": 2}, {"value": "nord", "count": 1}]}},
        },
    }


def test_ten_buckets_are_those_of_numpy() -> None:
    counts, edges = np.histogram(NORMAL, bins=10)
    found = described(NORMAL.tolist())["numerical_statistics"]["distribution"]["kll"]["buckets"]
    assert [bucket["count"] for bucket in found] == counts.tolist()
    assert [bucket["upper_bound"] for bucket in found] == pytest.approx(edges[1:])


@pytest.mark.capability("G3")
def test_constraints_are_suggested_from_the_data() -> None:
    assert feature_constraints(column("x", [0, 1.5, None, 2])) == {
        "name": "x",
        "inferred_type": "Fractional",
        "completeness": 0.75,
        "num_constraints": {"is_non_negative": True},
    }
    assert feature_constraints(column("x", ["b", "a", "b"]))["string_constraints"] == {"domains": ["a", "b"]}
    assert "string_constraints" not in feature_constraints(column("x", ["a", "b", "c"]))  # ids are no domain
    assert feature_constraints(column("x", [None, ""])) == {"name": "x", "inferred_type": "Unknown", "completeness": 0.0}


@pytest.mark.capability("G3")
def test_a_sketch_answers_quantiles_within_its_bound() -> None:
    """100,000 values in a few thousand items; ranks off by less than 0.2 % (the paper's bound for k = 2048 is near 0.1 %)."""
    values = np.random.RandomState(5).lognormal(size=100_000)
    written = json.loads(json.dumps(Sketch().add(values).document()))
    items, weights = weighted(written)
    assert weights.sum() == len(values)
    assert len(items) < 3 * 2048
    shares = np.arange(1, 100) / 100
    ranks = np.searchsorted(np.sort(values), quantiles(items, weights, shares)) / len(values)
    assert np.max(np.abs(ranks - shares)) < 0.002


@pytest.mark.capability("G17")
def test_ks_is_scipys() -> None:
    expected = stats.ks_2samp(NORMAL, SHIFTED).statistic
    assert apart("KS", NORMAL.tolist(), SHIFTED.tolist()) == pytest.approx(expected)


@pytest.mark.capability("G17")
def test_jensen_shannon_is_scipys_distance() -> None:
    expected = jensenshannon([60, 30, 10, 0], [10, 30, 40, 20], base=2)
    assert apart("JensenShannon", COLOURS, LATER) == pytest.approx(expected)


@pytest.mark.capability("G17")
def test_chi_square_is_cramers_v_of_scipys_table() -> None:
    """The p-value is scipy's too."""
    table = [[60, 30, 10, 0], [10, 30, 40, 20]]
    expected = stats.contingency.association(table, method="cramer")
    assert apart("ChiSquare", COLOURS, LATER) == pytest.approx(expected)
    base = reference(described(COLOURS))
    assert base is not None
    assert distance("ChiSquare", base, column("x", LATER)).message == f"p = {stats.chi2_contingency(table).pvalue:.3g}"


@pytest.mark.capability("G17")
def test_psi_of_categories_by_hand() -> None:
    """p = .6 .3 .1 and q = .2 .3 .5: (.2 - .6) ln(.2 / .6) + 0 + (.5 - .1) ln(.5 / .1) = 0.4 (ln 3 + ln 5)."""
    before, after = ["a"] * 6 + ["b"] * 3 + ["c"], ["a"] * 2 + ["b"] * 3 + ["c"] * 5
    assert apart("PSI", before, after) == pytest.approx(0.4 * (np.log(3) + np.log(5)))


@pytest.mark.capability("G17")
def test_psi_of_numbers_is_over_the_baselines_deciles() -> None:
    cuts = np.unique(np.quantile(NORMAL, np.arange(1, 10) / 10, method="inverted_cdf"))
    edges = np.concatenate([[-np.inf], np.nextafter(cuts, np.inf), [np.inf]])
    p, q = (np.histogram(values, edges)[0] / len(values) for values in (NORMAL, SHIFTED))
    assert apart("PSI", NORMAL.tolist(), SHIFTED.tolist()) == pytest.approx(np.sum((q - p) * np.log(q / p)))


@pytest.mark.capability("G17")
def test_the_numeric_distance_is_model_monitors() -> None:
    """KS less 1.8 sqrt((n + m) / nm) when Robust; largest difference of shares for categories (|.1 - .6|)."""
    plain = stats.ks_2samp(NORMAL, SHIFTED).statistic
    noise = 1.8 * np.sqrt((1500 + 400) / (1500 * 400))
    assert apart("NumericDistance", NORMAL.tolist(), SHIFTED.tolist()) == pytest.approx(plain - noise)
    assert apart("NumericDistance", NORMAL.tolist(), SHIFTED.tolist(), robust=False) == pytest.approx(plain)
    assert apart("NumericDistance", COLOURS, LATER, robust=False) == pytest.approx(0.5)
    assert apart("KS", COLOURS, LATER) == pytest.approx(0.5)


@pytest.mark.parametrize("method", METHODS)
def test_a_baseline_without_a_sketch_is_compared_by_its_buckets(method: str) -> None:
    """As jobs/evaluation/evaluate.py writes it: still 0 for the same data, and large for data that moved."""
    feature = described(NORMAL.tolist())
    del feature["numerical_statistics"]["distribution"]["kll"]["sketch"]
    base = reference(feature)
    assert base is not None
    same, moved = (distance(method, base, column("x", values.tolist())).value for values in (NORMAL, NORMAL + 2))
    assert same == pytest.approx(0.0)
    assert moved is not None
    assert moved > 0.5


@pytest.mark.parametrize("method", METHODS)
def test_a_constant_that_changes_has_drifted(method: str) -> None:
    """In a discrete column every number is a bin of its own."""
    assert apart(method, [3] * 50, [3] * 50) == 0.0
    assert apart(method, [3] * 50, [2] * 50) > 0.5


@pytest.mark.parametrize("method", METHODS)
def test_categories_that_are_too_many_to_be_listed_are_one_bin(method: str) -> None:
    """statistics.json lists the hundred most frequent of 150: the same data have not drifted, other rare ones have not either."""
    values = [f"c{at}" for at in range(150) for _ in range(2 + (at < 100))]
    assert apart(method, values, values) == pytest.approx(0.0)
    assert apart(method, values, [value.replace("c14", "d14") if len(value) > 3 else value for value in values]) == pytest.approx(0.0)
    assert apart(method, values, ["c0"] * 300) > 0.5


def test_the_largest_numbers_do_not_overflow_the_statistics() -> None:
    """The range, sum and deviation of -1.7e308 and 1.7e308 are no floats: what is not finite is left out, the buckets are right."""
    numbers = described([-1.7e308, 1.7e308, 1.7e308])["numerical_statistics"]
    json.dumps(numbers, allow_nan=False)
    buckets = numbers["distribution"]["kll"]["buckets"]
    assert (buckets[0]["count"], buckets[-1]["count"]) == (1, 2)
    assert (buckets[0]["lower_bound"], buckets[-1]["upper_bound"]) == (-1.7e308, 1.7e308)
    assert "std_dev" not in numbers


def window(rows: list[list[Any]], base: dict[str, Any], minimum: int = 1) -> Window:
    records = [Record(f"e{at}", None, "blue", 0.0, [row], None) for at, row in enumerate(rows)]
    return Window(records, "blue", Baseline(base["statistics"], base["constraints"]), minimum)


def found(rows: list[list[Any]], base: dict[str, Any], minimum: int = 1, **fields: Any) -> Findings:
    given = {"method": None, "threshold": 0.2, "features": (), "completeness": None, **fields}
    return measure(DataQuality(name="inputs", **given), window(rows, base, minimum))


def constraints(findings: Findings) -> list[tuple[str, str]]:
    return [(violation.feature, violation.constraint) for violation in findings.violations]


ROWS: list[list[Any]] = [[at, at / 4, "a" if at % 2 else "b"] for at in range(40)]
BASE = baseline(ROWS, ["count", "fee", "region"])


@pytest.mark.capability("G5")
def test_data_like_the_baseline_has_no_violation() -> None:
    """Every method, and the metrics in their order: drift is the main one."""
    for method in METHODS:
        findings = found(ROWS, BASE, method=method)
        assert constraints(findings) == []
        assert [metric.name for metric in findings.metrics] == ["drift", "drifted_features", "completeness", "violations"]
        assert [metric.value for metric in findings.metrics] == pytest.approx([0.0, 0.0, 1.0, 0.0])
    assert [metric.name for metric in found(ROWS, BASE).metrics] == ["violations", "completeness"]


@pytest.mark.capability("G5")
@pytest.mark.parametrize(
    ("change", "violations"),
    [
        (lambda row: [*row, 1], [("_c3", "extraColumn")]),
        (lambda row: row[:2], [("region", "missingColumn")]),
        (lambda row: [row[0] + 0.5, row[1], row[2]], [("count", "type")]),
        (lambda row: ["many", row[1], row[2]], [("count", "type")]),
        (lambda row: [row[0], -1 - row[1], row[2]], [("fee", "nonNegative")]),
        (lambda row: [row[0], row[1], "c" if row[0] == 3 else row[2]], [("region", "categoricalValues")]),
        (lambda row: [row[0], None if row[0] < 2 else row[1], row[2]], [("fee", "completeness")]),
    ],
)
def test_what_differs_from_the_baseline_is_a_violation(change: Any, violations: list[tuple[str, str]]) -> None:
    """Columns, type, sign, domain and completeness, each by the feature's name."""
    assert constraints(found([change(row) for row in ROWS], BASE)) == violations


def test_completeness_of_the_check_replaces_the_baselines() -> None:
    rows = [[row[0], None if row[0] < 2 else row[1], row[2]] for row in ROWS]  # 38 of 40: 95 %
    assert constraints(found(rows, BASE, completeness=0.95)) == []
    (violation,) = found(rows, BASE, completeness=0.96).violations
    assert violation.description == "95.00% of 40 values are present, 96.00% are required"


@pytest.mark.capability("G5", "G17")
def test_drift_is_the_largest_of_any_feature_and_each_feature_beyond_is_a_violation() -> None:
    """Metrics of single features only for those that are named: each is a CloudWatch metric that costs money."""
    findings = found([[row[0] + 30, row[1], row[2]] for row in ROWS], BASE, method="KS", features=("count", "absent"))
    values = {metric.name: (metric.value, metric.message) for metric in findings.metrics}
    assert values["drift"] == (pytest.approx(0.75), "KS of count")
    assert values["drifted_features"][0] == 1.0
    assert values["feature_baseline_drift_count"][0] == pytest.approx(0.75)
    assert values["feature_baseline_drift_absent"] == (None, findings.metrics[3].message)
    assert constraints(findings) == [("count", "drift")]
    assert findings.violations[0].description == "KS 0.7500 exceeds 0.2"


def test_below_the_minimum_of_samples_no_drift_is_claimed() -> None:
    findings = found([[99, 99, "a"]] * 4, BASE, minimum=5, method="PSI")
    assert all(metric.value is None and metric.state == "InsufficientData" for metric in findings.metrics)
    assert constraints(findings) == []


def test_below_the_minimum_of_samples_nothing_is_a_violation() -> None:
    """One row without a value is no incompleteness."""
    rows = [[None, -1, "c", 7]]
    assert len(constraints(found(rows, BASE))) == 4
    assert constraints(found(rows, BASE, minimum=2)) == []


def test_constraints_that_are_not_to_be_evaluated_are_not() -> None:
    """monitoring_config of Model Monitor; what the check itself asks for still counts."""
    config = {**BASE["constraints"]["monitoring_config"], "evaluate_constraints": "Disabled"}
    base = {**BASE, "constraints": {**BASE["constraints"], "monitoring_config": config}}
    assert constraints(found([[None, -1, "c", 7]], base)) == []
    assert constraints(found([[None, -1, "c", 7]], base, completeness=0.9)) == [("count", "completeness")]


def test_without_a_baseline_there_is_nothing_to_drift_from() -> None:
    findings = found(ROWS, {"statistics": {}, "constraints": {}}, method="PSI")
    assert findings.metrics[0].message == "there is no baseline to compare with"
    assert constraints(findings) == []


def test_the_digits_samples_baseline_is_understood(evaluation: Any) -> None:
    """baseline.json of jobs/evaluation/evaluate.py: no violation on its own data, drift on others."""
    data = np.random.RandomState(1).randint(0, 17, (300, 3)).astype(float)
    base = {"statistics": evaluation.statistics_of(data), "constraints": evaluation.constraints_of(data)}
    assert constraints(found(data.tolist(), base, method="PSI")) == []
    assert ("_c1", "drift") in constraints(found((data * [1, 0.2, 1]).tolist(), base, method="PSI"))


def test_our_statistics_have_the_members_that_the_sample_writes(evaluation: Any) -> None:
    """One format for both: what the sample has, ours has with the same values."""
    data = np.random.RandomState(1).randint(0, 17, (300, 2)).astype(float)
    theirs = evaluation.statistics_of(data)
    ours = statistics_of([column(f"_c{at}", data[:, at].tolist()) for at in range(2)], 300)
    for mine, other in zip(ours["features"], theirs["features"], strict=True):
        mine, other = mine["numerical_statistics"], other["numerical_statistics"]
        kll, expected = mine.pop("distribution")["kll"]["buckets"], other.pop("distribution")["kll"]["buckets"]
        assert [list(bucket.values()) for bucket in kll] == pytest.approx(np.array([list(bucket.values()) for bucket in expected]))
        assert mine.pop("common") == other.pop("common")
        assert mine == pytest.approx(other)
    config = evaluation.constraints_of(data)["monitoring_config"]
    assert constraints_of([])["monitoring_config"].keys() == config.keys()


def test_the_violations_file_is_model_monitors(world: Any, tmp_path: Path) -> None:
    """constraint_violations.json holds all of them, report.json the first hundred and the total."""
    world.capture([])
    base = baseline([[0] * 150] * 3)
    world.put("baseline/statistics.json", base["statistics"])
    world.put("baseline/constraints.json", base["constraints"])
    line = {
        "captureData": {"endpointInput": {"data": ",".join(["-1"] * 150), "encoding": "CSV", "observedContentType": "text/csv"}},
        "eventMetadata": {"eventId": "a", "inferenceTime": "2026-01-31T10:30:00Z"},
    }
    world.capture([line])
    world.config |= {"checks": [{"name": "inputs", "type": "DataQuality"}], "minSampleSize": 1, "groundTruth": None}
    report = world.report()
    assert (len(report["violations"]), report["violationsTotal"]) == (100, 150)
    violations = world.read("constraint_violations")["violations"]
    assert len(violations) == 150
    assert violations[0] == {
        "feature_name": "_c0",
        "constraint_check_type": "non_negative_check",
        "description": "the smallest value is -1, the baseline has none below 0",
    }
    assert world.read("constraints") == base["constraints"]
