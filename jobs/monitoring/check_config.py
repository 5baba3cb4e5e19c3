"""config.json, parsed: what the operator asks of one check run (docs/decisions/0011).

Pure. Everything that is wrong is a ValueError that names the field and says what fits, before anything is read or computed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bias_metrics import METRICS as BIAS_METRICS
from columns import label
from drift import METHODS
from quality_metrics import METRICS as QUALITY_METRICS
from records import seconds

_ANY = object()


@dataclass(frozen=True)
class GroundTruth:
    """How truth is found; seconds and records."""

    id_field: str
    max_delay: float
    min_matched: int


@dataclass(frozen=True)
class Config:
    """One run: one window of one target. Times in seconds since 1970, `end` exclusive."""

    window: dict[str, str]
    start: float
    end: float
    now: float
    batch: bool
    variant: str | None
    ground_truth: GroundTruth | None
    prepare: str | None
    minimum: int
    checks: tuple[Check, ...]


@dataclass(frozen=True)
class DataQuality:
    """Types, completeness, columns, domains and drift of what goes in. `features` get a drift metric of their own."""

    name: str
    method: str | None
    threshold: float
    features: tuple[str, ...]
    completeness: float | None


@dataclass(frozen=True)
class ModelQuality:
    """Predictions against ground truth. The attributes say where they are: a path in JSON, a position in CSV."""

    name: str
    problem: str
    metrics: tuple[str, ...]
    inference: str | int | None
    probability: str | int | None
    truth: str | int | None
    threshold: float
    positive: str


@dataclass(frozen=True)
class Bias:
    """Groups of a facet: `values`, or the numbers `above` a limit, are the disadvantaged one. Without either each value of the facet
    is it in turn, and the worst is reported."""

    name: str
    facet: str
    values: tuple[str, ...]
    above: float | None
    metrics: tuple[str, ...]
    positive: tuple[str, ...]
    label: str | None
    group: str | None
    inference: str | int | None
    threshold: float


@dataclass(frozen=True)
class Explainability:
    """Attributions of the window against the baseline's: of an image (which may have run `entry_point`), a script, or a predictor."""

    name: str
    image: bool
    entry_point: str | None
    predictor: str | None
    threshold: float
    samples: int


@dataclass(frozen=True)
class Custom:
    """A script of the user's; `metric` is the one that it must write."""

    name: str
    entry_point: str
    metric: str | None


Check = DataQuality | ModelQuality | Bias | Explainability | Custom


def parse(document: Any) -> Config:
    """The configuration. ValueError for one that cannot be used."""
    whole = _object(document, "config.json", {"policy", "target", "window", "now", "groundTruth", "prepare", "minSampleSize", "checks"})
    window = _object(whole.get("window"), "window", {"start", "end"})
    start, end = _moment(window.get("start"), "window.start"), _moment(window.get("end"), "window.end")
    if not start < end:
        raise ValueError(f"window: start {window['start']} is not before end {window['end']}")
    target = _object(whole.get("target"), "target", {"kind", "name", "variant", "modelVersion"})
    kind = _choice(target.get("kind"), "target.kind", ("Endpoint", "Batch"))
    prepare = whole.get("prepare")
    entries = whole.get("checks")
    if not isinstance(entries, list) or not entries:
        raise ValueError("checks: must be a list of at least one check")
    checks = tuple(_check(entry, f"checks[{position}]") for position, entry in enumerate(entries))
    names = [check.name for check in checks]
    if len(set(names)) < len(names):
        raise ValueError(f"checks: names must differ, got {', '.join(names)}")
    for position, check in enumerate(checks):
        if isinstance(check, ModelQuality) and whole.get("groundTruth") is None and prepare is None:
            raise ValueError(f"checks[{position}]: ModelQuality compares with ground truth; give the policy groundTruth or prepare")
    return Config(
        window={"start": window["start"], "end": window["end"]},
        start=start,
        end=end,
        now=_moment(whole.get("now"), "now"),
        batch=kind == "Batch",
        variant=_text(target.get("variant"), "target.variant") if target.get("variant") is not None else None,
        ground_truth=_ground_truth(whole.get("groundTruth")),
        prepare=None if prepare is None else _script(_object(prepare, "prepare", {"entryPoint"}).get("entryPoint"), "prepare.entryPoint"),
        minimum=int(_number(whole.get("minSampleSize", 1), "minSampleSize", 0)),
        checks=checks,
    )


def _ground_truth(value: Any) -> GroundTruth | None:
    if value is None:
        return None
    given = _object(value, "groundTruth", {"idField", "maxDelaySeconds", "minMatched"})
    given = {name: item for name, item in given.items() if item is not None}
    return GroundTruth(
        id_field=_text(given.get("idField", "eventId"), "groundTruth.idField"),
        max_delay=_number(given.get("maxDelaySeconds", 0), "groundTruth.maxDelaySeconds", 0),
        min_matched=int(_number(given.get("minMatched", 1), "groundTruth.minMatched", 0)),
    )


def _check(entry: Any, at: str) -> Check:
    given = _object(entry, at, _ANY)
    kind = _choice(given.get("type"), f"{at}.type", tuple(_CHECKS))
    fields, make = _CHECKS[kind]
    _object(entry, at, fields | {"name", "type"})
    made: Check = make(given, at, _text(given.get("name"), f"{at}.name"))
    return made


def _data_quality(given: dict[str, Any], at: str, name: str) -> DataQuality:
    drift = given.get("drift")
    if drift is not None:
        drift = _object(drift, f"{at}.drift", {"method", "threshold", "features"})
    completeness = given.get("completeness")
    return DataQuality(
        name=name,
        method=None if drift is None else _choice(drift.get("method"), f"{at}.drift.method", METHODS),
        threshold=0.0 if drift is None else _number(drift.get("threshold"), f"{at}.drift.threshold", 0),
        features=() if drift is None else _texts(drift.get("features"), f"{at}.drift.features"),
        completeness=None if completeness is None else _number(completeness, f"{at}.completeness", 0, 1),
    )


def _model_quality(given: dict[str, Any], at: str, name: str) -> ModelQuality:
    problem = _choice(given.get("problemType"), f"{at}.problemType", tuple(QUALITY_METRICS))
    known = QUALITY_METRICS[problem]
    wanted = _texts(given.get("metrics"), f"{at}.metrics")
    for position, metric in enumerate(wanted):
        _choice(metric, f"{at}.metrics[{position}]", known)
    return ModelQuality(
        name=name,
        problem=problem,
        metrics=wanted or known,
        inference=_attribute(given.get("inferenceAttribute"), f"{at}.inferenceAttribute"),
        probability=_attribute(given.get("probabilityAttribute"), f"{at}.probabilityAttribute"),
        truth=_attribute(given.get("groundTruthAttribute"), f"{at}.groundTruthAttribute"),
        threshold=_number(given.get("probabilityThreshold", 0.5), f"{at}.probabilityThreshold"),
        positive=_label(given.get("positiveLabel", "1"), f"{at}.positiveLabel"),
    )


def _bias(given: dict[str, Any], at: str, name: str) -> Bias:
    wanted = _texts(given.get("metrics"), f"{at}.metrics")
    for position, metric in enumerate(wanted):
        _choice(metric, f"{at}.metrics[{position}]", tuple(BIAS_METRICS))
    group = given.get("groupVariable")
    if group is None and {"CDDL", "CDDPL"} & set(wanted):
        raise ValueError(f"{at}.groupVariable: CDDL and CDDPL need the column whose subgroups they compare")
    positive, above = given.get("positiveLabels", ["1"]), given.get("facetThreshold")
    if above is not None and given.get("facetValues") is not None:
        raise ValueError(f"{at}.facetThreshold: give this or facetValues, not both")
    return Bias(
        name=name,
        facet=_text(given.get("facet"), f"{at}.facet"),
        values=_labels(given.get("facetValues"), f"{at}.facetValues"),
        above=None if above is None else _number(above, f"{at}.facetThreshold"),
        metrics=wanted or tuple(metric for metric in BIAS_METRICS if group or metric not in ("CDDL", "CDDPL")),
        positive=_labels(positive, f"{at}.positiveLabels"),
        label=None if given.get("label") is None else _text(given["label"], f"{at}.label"),
        group=None if group is None else _text(group, f"{at}.groupVariable"),
        inference=_attribute(given.get("inferenceAttribute"), f"{at}.inferenceAttribute"),
        threshold=_number(given.get("probabilityThreshold", 0.5), f"{at}.probabilityThreshold"),
    )


def _explainability(given: dict[str, Any], at: str, name: str) -> Explainability:
    sources = [field for field in ("image", "entryPoint", "predictor") if given.get(field) is not None]
    if len(sources) != 1 and sources != ["image", "entryPoint"]:
        raise ValueError(f"{at}: needs image, entryPoint, both or predictor, has {', '.join(sources) or 'none'}")
    entry_point, predictor = given.get("entryPoint"), given.get("predictor")
    return Explainability(
        name=name,
        image=given.get("image") is not None,
        entry_point=None if entry_point is None else _script(entry_point, f"{at}.entryPoint"),
        predictor=None if predictor is None else _script(predictor, f"{at}.predictor"),
        threshold=_number(given.get("threshold", 0.9), f"{at}.threshold", 0, 1),
        samples=int(_number(given.get("samples", 100), f"{at}.samples", 1)),
    )


def _custom(given: dict[str, Any], at: str, name: str) -> Custom:
    metric = given.get("metric")
    entry_point = _script(given.get("entryPoint"), f"{at}.entryPoint")
    return Custom(name, entry_point, None if metric is None else _text(metric, f"{at}.metric"))


_CHECKS: dict[str, tuple[frozenset[str], Any]] = {
    "DataQuality": (frozenset({"drift", "completeness"}), _data_quality),
    "ModelQuality": (
        frozenset(
            {
                *("problemType", "metrics", "inferenceAttribute", "probabilityAttribute"),
                *("groundTruthAttribute", "probabilityThreshold", "positiveLabel"),
            }
        ),
        _model_quality,
    ),
    "Bias": (
        frozenset(
            {
                *("facet", "facetValues", "facetThreshold", "label", "positiveLabels"),
                *("metrics", "groupVariable", "inferenceAttribute", "probabilityThreshold"),
            }
        ),
        _bias,
    ),
    "Explainability": (frozenset({"image", "entryPoint", "predictor", "threshold", "samples"}), _explainability),
    "Custom": (frozenset({"entryPoint", "metric"}), _custom),
}


def _object(value: Any, at: str, fields: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{at}: must be an object, is {value!r}")
    unknown = [] if fields is _ANY else sorted(set(value) - set(fields))
    if unknown:
        raise ValueError(f"{at}.{unknown[0]}: is not known here; known are {', '.join(sorted(fields))}")
    return value


def _text(value: Any, at: str) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{at}: must be a text that is not empty, is {value!r}")
    return value


def _texts(value: Any, at: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ValueError(f"{at}: must be a list of texts, is {value!r}")
    return tuple(_text(item, f"{at}[{position}]") for position, item in enumerate(value))


def _label(value: Any, at: str) -> str:
    if not isinstance(value, (str, int, float)):
        raise ValueError(f"{at}: must be a label (text or number), is {value!r}")
    return label(value)


def _labels(value: Any, at: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not value:
        raise ValueError(f"{at}: must be a list of at least one label, is {value!r}")
    return tuple(_label(item, f"{at}[{position}]") for position, item in enumerate(value))


def _choice(value: Any, at: str, known: tuple[str, ...]) -> str:
    if value not in known:
        raise ValueError(f"{at}: must be one of {', '.join(known)}, is {value!r}")
    return str(value)


def _number(value: Any, at: str, low: float = float("-inf"), high: float = float("inf")) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not low <= value <= high:
        raise ValueError(f"{at}: must be a number from {low:g} to {high:g}, is {value!r}")
    return value


def _attribute(value: Any, at: str) -> str | int | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
        raise ValueError(f"{at}: must be a path in JSON (predictions.score) or a position in CSV, is {value!r}")
    return int(value) if isinstance(value, str) and value.isdigit() else value


def _script(value: Any, at: str) -> str:
    path = _text(value, at)
    if path.startswith("/") or ".." in path.split("/"):
        raise ValueError(f"{at}: must be a file inside the source, is {path!r}")
    return path


def _moment(value: Any, at: str) -> float:
    try:
        return seconds(_text(value, at))
    except ValueError as error:
        raise ValueError(f"{at}: must be a time as 2026-01-31T10:00:00Z: {error}") from None
