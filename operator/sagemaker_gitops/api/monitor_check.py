"""One check of a MonitorPolicy: its type, and the fields that belong to it. What they make of the data is in docs/decisions/0011."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, StrictInt

from sagemaker_gitops.api.base import Items, Model, Problem, Rule, Text, field_of, quoted
from sagemaker_gitops.api.fields import FilePath, ImageUri, MetricName, Name, Number

Column = Annotated[str, Text(r"[A-Za-z0-9_][A-Za-z0-9_. -]*", "must be the name of a column: letters, digits and _. -", 128)]
Attribute = Annotated[
    str, Text(r"[A-Za-z0-9_][A-Za-z0-9_.\[\]-]*", "must be a path in JSON such as predictions.score, or a position in CSV in quotes", 128)
]
Label = Annotated[str, Text(r"[^\x00-\x1f\x7f]+", 'must be a value in quotes, such as "1" or north', 128)]
Share = Annotated[float, Number(0.0)]


class Drift(Model):
    """How much a feature may differ from the baseline."""

    method: Literal["PSI", "KS", "ChiSquare", "JensenShannon", "NumericDistance"]
    """Measure of the difference. Example: PSI."""
    threshold: Share
    """Largest difference that is no violation. Example: 0.2."""
    features: Annotated[tuple[Column, ...], Items(50, kind="set")] = ()
    """Columns that get a number of their own. Example: [amount, region]. Left out: the worst of all is told."""


OF_TYPES = {
    "drift": ("DataQuality",),
    "completeness": ("DataQuality",),
    "problemType": ("ModelQuality",),
    "metrics": ("ModelQuality", "Bias"),
    "inferenceAttribute": ("ModelQuality", "Bias"),
    "probabilityThreshold": ("ModelQuality", "Bias"),
    "probabilityAttribute": ("ModelQuality",),
    "groundTruthAttribute": ("ModelQuality",),
    "positiveLabel": ("ModelQuality",),
    "facet": ("Bias",),
    "facetValues": ("Bias",),
    "facetThreshold": ("Bias",),
    "label": ("Bias",),
    "positiveLabels": ("Bias",),
    "groupVariable": ("Bias",),
    "headers": ("Bias",),
    "entryPoint": ("Custom", "Explainability"),
    "image": ("Explainability",),
    "predictor": ("Explainability",),
    "threshold": ("Explainability",),
    "samples": ("Explainability",),
    "metric": ("Custom",),
}
NEEDED = (("ModelQuality", "problemType"), ("Bias", "facet"), ("Custom", "entryPoint"), ("Custom", "metric"))


def _needs(kind: str, field: str) -> Rule:
    return Rule(
        f"self.type != '{kind}' || has(self.{field})",
        f"is needed by type {kind}",
        lambda check: check.type != kind or field_of(check, field) is not None,
        f".{field}",
    )


def _belongs(field: str, kinds: tuple[str, ...]) -> Rule:
    return Rule(
        f"!has(self.{field}) || self.type in [{', '.join(map(quoted, kinds))}]",
        f"belongs to type {' or '.join(kinds)}: leave it out, or change type",
        lambda check: field_of(check, field) in (None, ()) or check.type in kinds,
        f".{field}",
    )


# What jobs/monitoring computes, by problem type and for Bias.
METRICS_OF = {
    "Regression": ("rmse", "mae", "mse", "r2"),
    "BinaryClassification": (
        *("accuracy", "precision", "recall", "f1", "f0_5", "f2", "auc", "au_prc"),
        *("true_positive_rate", "true_negative_rate", "false_positive_rate", "false_negative_rate"),
    ),
    "MulticlassClassification": ("accuracy", "weighted_precision", "weighted_recall", "weighted_f1", "weighted_f0_5", "weighted_f2"),
    "Forecast": ("mean_weighted_quantile_loss", "weighted_quantile_loss", "rmse", "mae", "coverage"),
    "Bias": (
        *("CI", "DPL", "KL", "JS", "LP", "TVD", "KS", "CDDL", "DPPL", "DI", "DCA"),
        *("DCR", "AD", "RD", "SD", "DAR", "DRR", "TE", "CDDPL", "FT", "GE"),
    ),
}


def _unknown_metrics(check: Check) -> Iterator[Problem]:
    kind = check.problem_type if check.type == "ModelQuality" else check.type
    known = METRICS_OF.get(kind or "", ())
    for index, metric in enumerate(check.metrics):
        if known and metric not in known:
            yield f".metrics[{index}]", f"there is no {metric} of {kind}: take one of {', '.join(known)}"


class Check(Model):
    """One thing that is checked."""

    checks = (_unknown_metrics,)

    rules = (
        *(_needs(kind, field) for kind, field in NEEDED),
        *(_belongs(field, kinds) for field, kinds in OF_TYPES.items()),
        Rule(
            "!has(self.facetValues) || !has(self.facetThreshold)",
            "facetValues and facetThreshold exclude each other: name the values, or the number that divides them",
            lambda check: not check.facet_values or check.facet_threshold is None,
            ".facetThreshold",
        ),
        Rule(
            "self.type != 'Explainability' || has(self.entryPoint) || has(self.predictor) || has(self.image)",
            "type Explainability needs entryPoint, a script that writes attributions, predictor, one that has predict(rows), or image, a"
            " container that writes attributions: write one of them",
            lambda check: check.type != "Explainability" or any((check.entry_point, check.predictor, check.image)),
        ),
        Rule(
            "!has(self.predictor) || !(has(self.entryPoint) || has(self.image))",
            "excludes entryPoint and image, which write the attributions themselves: leave predictor out, or the others",
            lambda check: check.predictor is None or (check.entry_point is None and check.image is None),
            ".predictor",
        ),
        Rule(
            "!has(self.samples) || self.type != 'Explainability' || has(self.predictor)",
            "belongs to predictor: a script or an image chooses what it explains itself; leave it out",
            lambda check: check.samples is None or check.type != "Explainability" or check.predictor is not None,
            ".samples",
        ),
        Rule(
            "self.type != 'Bias' || has(self.groupVariable) || !has(self.metrics) || !self.metrics.exists(m, m in ['CDDL', 'CDDPL'])",
            "is needed by CDDL and CDDPL: the column whose subgroups they compare",
            lambda check: check.type != "Bias" or bool(check.group_variable) or not {"CDDL", "CDDPL"} & set(check.metrics),
            ".groupVariable",
        ),
    )

    name: Name
    """Name of the check, which alarms and metrics refer to. Example: loss."""
    type: Literal["DataQuality", "ModelQuality", "Bias", "Explainability", "Custom"]
    """What kind of check it is. Example: ModelQuality."""
    drift: Drift | None = None
    """Of DataQuality: how far features may drift from the baseline. Example: {method: PSI, threshold: 0.2}."""
    completeness: Annotated[float, Number(0.0, 1.0)] | None = None
    """Of DataQuality: smallest share of values that are there. Example: 0.99."""
    problem_type: Literal["Regression", "BinaryClassification", "MulticlassClassification", "Forecast"] | None = None
    """Of ModelQuality: what the model predicts. Example: Regression."""
    metrics: Annotated[tuple[MetricName, ...], Items(20, kind="set")] = ()
    """Of ModelQuality and Bias: numbers to compute; the first is what the check is about. Example: [rmse]. Left out: all that apply."""
    inference_attribute: Attribute | None = None
    """Of ModelQuality and Bias: where the prediction is in an answer: a path in JSON, a position in CSV. Example: score. Left out: the
    answer is the prediction, or its first column.
    """
    probability_attribute: Attribute | None = None
    """Of ModelQuality: where the probability is in an answer. Example: probability."""
    probability_threshold: Annotated[float, Number(0.0)] | None = None
    """Of ModelQuality and Bias: probability from which on the prediction is the positive one. Example: 0.5. Left out: 0.5."""
    ground_truth_attribute: Attribute | None = None
    """Of ModelQuality: where the truth is in a record of groundTruth. Example: amount."""
    positive_label: Label | None = None
    """Of ModelQuality with BinaryClassification: the outcome that is the positive one. Example: "1". Left out: "1"."""
    facet: Column | None = None
    """Of Bias: column that tells the groups apart. Example: region."""
    facet_values: Annotated[tuple[Label, ...], Items(20, kind="set")] = ()
    """Of Bias: values of the facet that make the disadvantaged group. Example: [north]. Left out: each value in turn, the worst is told."""
    facet_threshold: Annotated[float, Number()] | None = None
    """Of Bias: a facet of numbers is divided here; what is above is the disadvantaged group. Example: 40."""
    label: Column | None = None
    """Of Bias: column of the outcome. Example: approved. Left out: the ground truth."""
    positive_labels: Annotated[tuple[Label, ...], Items(20, kind="set")] = ()
    """Of Bias: outcomes that are good. Example: ["1"]. Left out: "1"."""
    group_variable: Column | None = None
    """Of Bias: column of the subgroups that CDDL and CDDPL compare. Example: branch."""
    headers: Annotated[tuple[Column, ...], Items(200, kind="set")] = ()
    """Of Bias with engine ModelMonitor: the columns of what is captured, in their order. Example: [age, region, income]."""
    entry_point: FilePath | None = None
    """Of Custom: script inside the source that writes its numbers to the file MONITOR_OUTPUT; of Explainability: one that writes
    attributions there, with image run by its python3. Example: quantile_loss.py.
    """
    image: ImageUri | None = None
    """Of Explainability: your own container image, one of the Tenant's images. Before each check it runs in a job of its own, over what was
    captured in the window, and writes {"attributions": {feature: [numbers]}} to the file MONITOR_OUTPUT; it runs entryPoint, or left out
    its own command. Example: 123456789012.dkr.ecr.eu-central-1.amazonaws.com/team-a/explainer:1.0.
    """
    predictor: FilePath | None = None
    """Of Explainability: script inside the source that has predict(rows), of which attributions are computed by Kernel SHAP. Example:
    predictor.py.
    """
    threshold: Annotated[float, Number(0.0, 1.0)] | None = None
    """Of Explainability: smallest NDCG of the attributions against the baseline's that is no violation. Example: 0.9. Left out: 0.9."""
    samples: Annotated[StrictInt, Field(ge=1, le=10_000)] | None = None
    """Of Explainability with predictor: records that are explained. Example: 50. Left out: 100."""
    metric: MetricName | None = None
    """Of Custom: the number that the check is about. Example: mean_weighted_quantile_loss."""
