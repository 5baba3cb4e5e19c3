"""jobs/monitoring Bias: fairlearn and scikit-learn as oracles where they overlap with Clarify's formulas, the rest by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from fairlearn.metrics import MetricFrame, demographic_parity_difference, demographic_parity_ratio, true_negative_rate
from sklearn.metrics import accuracy_score, precision_score, recall_score

from bias import measure
from bias_metrics import METRICS, Groups
from check_config import Bias
from columns import column
from records import Record
from report import Metric
from window import Baseline, Window

GENERATOR = np.random.RandomState(17)
D = GENERATOR.random_sample(500) < 0.4
LABELS = GENERATOR.random_sample(500) < np.where(D, 0.3, 0.5)
PREDICTED = np.where(GENERATOR.random_sample(500) < 0.8, LABELS, ~LABELS)
RANDOM = Groups(D, LABELS, PREDICTED, LABELS.astype(str))
# a: 10 rows, d: 5 rows, as tp fp fn tn; a 4 1 2 3, d 1 1 2 1
COUNTS = {False: (4, 1, 2, 3), True: (1, 1, 2, 1)}


def by_hand() -> Groups:
    rows = [
        (d, y, p)
        for d, counts in COUNTS.items()
        for (y, p), n in zip(((1, 1), (0, 1), (1, 0), (0, 0)), counts, strict=True)
        for _ in range(n)
    ]
    d, y, p = (np.array(values, dtype=bool) for values in zip(*rows, strict=True))
    return Groups(d, y, p, y.astype(int).astype(str))


def value(name: str, groups: Groups = RANDOM) -> float:
    return METRICS[name].of(groups)


@pytest.mark.capability("G2")
def test_group_rates_are_fairlearns() -> None:
    """Differences of selection, accuracy, recall, precision and specificity between the two groups, and the ratio of selection."""
    scores = {"AD": accuracy_score, "RD": recall_score, "DAR": precision_score, "SD": true_negative_rate}
    frame = MetricFrame(metrics=scores, y_true=LABELS, y_pred=PREDICTED, sensitive_features=D)
    a, d = frame.by_group.loc[False], frame.by_group.loc[True]
    for name in ("AD", "RD", "DAR"):
        assert value(name) == pytest.approx(a[name] - d[name])
    assert value("SD") == pytest.approx(d["SD"] - a["SD"])
    options = {"y_true": LABELS, "y_pred": PREDICTED, "sensitive_features": D}
    assert abs(value("DPPL")) == pytest.approx(demographic_parity_difference(**options))
    assert min(value("DI"), 1 / value("DI")) == pytest.approx(demographic_parity_ratio(**options))
    assert abs(value("DPL")) == pytest.approx(demographic_parity_difference(LABELS, LABELS, sensitive_features=D))


@pytest.mark.capability("G2")
@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("CI", (10 - 5) / 15),
        ("DPL", 6 / 10 - 3 / 5),
        ("DPPL", 5 / 10 - 2 / 5),
        ("DI", (2 / 5) / (5 / 10)),
        ("DCA", 6 / 5 - 3 / 2),  # truly favourable / predicted favourable
        ("DCR", 2 / 3 - 4 / 5),  # truly unfavourable / predicted unfavourable, d first
        ("AD", 7 / 10 - 2 / 5),
        ("RD", 4 / 6 - 1 / 3),
        ("SD", 1 / 2 - 3 / 4),
        ("DAR", 4 / 5 - 1 / 2),
        ("DRR", 1 / 3 - 3 / 5),
        ("TE", 2 / 1 - 2 / 1),  # false negatives / false positives
        # benefits 1 + p - y: 2 twice (fp), 0 four times (fn), 1 nine times; mean 13/15, mean of squares 17/15
        ("GE", (17 / 15 / (13 / 15) ** 2 - 1) / 2),
        ("KL", 0.0),
        ("JS", 0.0),
        ("LP", 0.0),
        ("TVD", 0.0),
        ("KS", 0.0),
    ],
)
def test_each_formula_by_hand(name: str, expected: float) -> None:
    assert value(name, by_hand()) == pytest.approx(expected)


@pytest.mark.capability("G2")
def test_distances_of_labels_by_hand() -> None:
    """Three labels: a .5 .3 .2, d .2 .3 .5. KL = .5 ln 2.5 + .2 ln .4 = .3 ln 2.5."""
    outcomes = np.array(list("AAAAABBBCC") + list("AABBBCCCCC"))
    groups = Groups(np.arange(20) >= 10, None, None, outcomes)
    middle = 0.35
    js = 0.5 * np.log(0.5 / middle) + 0.2 * np.log(0.2 / middle)  # the same from both sides
    expected = {"KL": 0.3 * np.log(2.5), "JS": js, "LP": np.sqrt(0.18), "TVD": 0.3, "KS": 0.3}
    assert {name: value(name, groups) for name in expected} == pytest.approx(expected)


@pytest.mark.capability("G2")
def test_conditional_disparity_undoes_simpsons_paradox() -> None:
    """Two departments of 10: d is refused as often as a in each, and twice as often overall. By department:
    x: good 8 (d 2), bad 2 (d .5 of them = 1): 1/2 - 2/8; y: good 2 (d 2), bad 8 (d 7): 7/8 - 2/2."""
    group = np.array(["x"] * 10 + ["y"] * 10)
    good = np.array([True] * 8 + [False] * 2 + [True] * 2 + [False] * 8)
    d = np.array([True, True] + [False] * 6 + [True, False] + [True, True] + [True] * 7 + [False])
    expected = (10 * (1 / 2 - 2 / 8) + 10 * (7 / 8 - 1)) / 20
    assert value("CDDL", Groups(d, good, None, group=group)) == pytest.approx(expected)
    assert value("CDDPL", Groups(d, None, good, group=group)) == pytest.approx(expected)


@pytest.mark.capability("G2")
def test_the_flip_test_asks_the_neighbours() -> None:
    """Two of d got no, their five neighbours in a all yes: +2; one got yes among noes: -1; four agree. (2 - 1) / 7."""
    near, far = [[0.0]] * 5, [[10.0]] * 5
    features = np.array(near + far + [[0.0]] * 4 + [[10.0]] * 3)
    predicted = np.array([True] * 5 + [False] * 5 + [False, False, True, True] + [True, False, False])
    groups = Groups(np.arange(17) >= 10, None, predicted, features=features)
    assert value("FT", groups) == pytest.approx(1 / 7)


@pytest.mark.parametrize("name", ["DPL", "DPPL", "DI", "DCA", "DAR", "KL", "FT"])
def test_a_group_that_is_empty_leaves_the_metric_undefined(name: str) -> None:
    whole = np.ones(3, dtype=bool)
    assert np.isnan(value(name, Groups(whole, whole, whole, np.array(list("abc")), features=np.ones((3, 1)))))


ROWS = [("nord", 1, 1), ("nord", 1, 1), ("nord", 0, 1), ("nord", 0, 0), ("süd", 1, 1), ("süd", 0, 0), ("süd", 1, 0), ("süd", 0, 0)]


def check(metrics: list[str], rows: list[tuple[Any, Any, Any]] = ROWS, missing: str = "", **fields: Any) -> dict[str, Metric]:
    """Rows of facet, truth, answer; the facet is the second column of CSV."""
    given = {
        "facet": "region",
        "values": (),
        "above": None,
        "positive": ("1",),
        "label": None,
        "group": None,
        "inference": None,
        "threshold": 0.5,
    }
    records = [Record(f"e{at}", None, "blue", 0, f"7,{row[0]}\n", f"{row[2]}\n", f"{row[1]}") for at, row in enumerate(rows)]
    base = Baseline(statistics={"features": [{"name": "amount"}, {"name": "region"}]})
    window = Window(records, "blue", base, 1, missing)
    return {metric.name: metric for metric in measure(Bias("parity", metrics=tuple(metrics), **{**given, **fields}), window).metrics}


@pytest.mark.capability("G2")
def test_the_worst_group_is_reported_unless_one_is_named() -> None:
    """Selected: nord 3 of 4, süd 1 of 4. DI of süd is 1/3, of nord 3."""
    found = check(["DPPL", "DI", "AD"])
    assert (found["DPPL"].value, found["DPPL"].message, found["DPPL"].sample_size) == (0.5, "region = süd", 8)
    assert (found["DI"].value, found["DI"].message) == (pytest.approx(1 / 3), "region = süd")
    assert found["AD"].value == 0.0
    named = check(["DI"], values=("nord",))
    assert (named["DI"].value, named["DI"].message) == (3.0, "region = nord")


@pytest.mark.capability("G2")
def test_probabilities_and_numeric_facets() -> None:
    rows = [("30", 1, 0.9), ("31", 1, 0.4), ("65", 0, 0.2), ("70", 1, 0.6)]
    assert check(["DPPL"], rows, above=50.0)["DPPL"].message == "region > 50"
    assert check(["DPPL"], rows, above=50.0)["DPPL"].value == 0.0
    assert check(["DPPL"], rows, above=50.0, threshold=0.3)["DPPL"].value == 0.5


def test_what_needs_no_truth_is_measured_without_it() -> None:
    found = check(["DPPL", "RD"], missing="LateData: later")
    assert found["DPPL"].state == "Measured"
    assert (found["RD"].state, found["RD"].message) == ("InsufficientData", "LateData: later")


@pytest.mark.parametrize(
    ("rows", "fields", "message"),
    [
        ([], {}, "nothing was captured in the window"),
        (ROWS, {"facet": "absent"}, "no row has the facet absent"),
        (ROWS[:4], {}, "region has one value alone: nord"),
        (
            [(str(at), 1, 1) for at in range(60)],
            {},
            "region has 60 values; name the disadvantaged ones in facetValues, or give facetThreshold",
        ),
    ],
)
def test_groups_that_cannot_be_made_say_why(rows: list[Any], fields: dict[str, Any], message: str) -> None:
    (metric,) = check(["CI"], rows, **fields).values()
    assert (metric.value, metric.message) == (None, message)


def test_a_label_that_is_a_column_of_the_input_is_taken_from_there() -> None:
    """Data metrics of what is sent, without ground truth: label `amount` is 7 in every row."""
    found = check(["DPL"], missing="no truth", label="amount", positive=("7",))
    assert found["DPL"].value == 0.0
    assert column("amount", ["7"]).kind == "Integral"


def test_every_metric_of_a_check_is_finite_or_insufficient() -> None:
    found = check(list(METRICS), group="amount")
    assert set(found) == set(METRICS)
    assert all((metric.value is None) == (metric.state == "InsufficientData") for metric in found.values())
