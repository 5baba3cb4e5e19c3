"""schemas/, which editors read: every sample fits, and what the API server would refuse or drop is underlined."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from referencing import Registry, Resource

from sagemaker_gitops.api.kinds import KINDS

ROOT = Path(__file__).parents[3]
SCHEMAS = {path.name: json.loads(path.read_text()) for path in sorted((ROOT / "schemas").glob("*.json"))}
OURS = {
    f"{path.parent.name}/{path.name}": item
    for path in sorted((ROOT / "manifests" / "samples").glob("*/*.yaml"))
    for item in yaml.load_all(path.read_text(), yaml.CSafeLoader)
    if item and item["kind"] in KINDS
}


def mistakes(item: Any) -> list[str]:
    """What `any.json` says of a manifest."""
    registry: Registry[Any] = Registry().with_resources((name, Resource.from_contents(schema)) for name, schema in SCHEMAS.items())
    validator = jsonschema.Draft7Validator(SCHEMAS["any.json"], registry=registry)
    return [error.message for error in validator.iter_errors(item)]


def changed(name: str, path: str, value: object) -> Any:
    """A sample with one field set."""
    made: Any = json.loads(json.dumps(OURS[name]))
    *parents, last = path.split(".")
    place = made
    for parent in parents:
        place = place[parent]
    place[last] = value
    return made


def test_there_is_a_schema_for_every_kind() -> None:
    assert SCHEMAS.keys() == {"any.json", *(f"{kind.lower()}_v1alpha1.json" for kind in KINDS)}
    for schema in SCHEMAS.values():
        jsonschema.Draft7Validator.check_schema(schema)
        assert "x-kubernetes-" not in json.dumps(schema)


@pytest.mark.parametrize("name", OURS)
def test_every_sample_fits(name: str) -> None:
    assert mistakes(OURS[name]) == []


@pytest.mark.parametrize(
    ("name", "path", "value", "words"),
    [
        ("digits/training-run.yaml", "spec.trian", {}, "'trian' was unexpected"),
        ("digits/training-run.yaml", "spec.register.approval", "Perhaps", "'Perhaps' is not one of"),
        ("digits/training-run.yaml", "spec.train.channels", "train", "is not of type 'array'"),
        ("fees/monitor-policy.yaml", "spec.minSampleSize", "many", "is not of type 'integer'"),
        ("tenant/tenant.yaml", "apiVersion", "sagemaker-gitops.dev/v1", "is not one of"),
    ],
)
def test_a_mistake_is_underlined(name: str, path: str, value: object, words: str) -> None:
    (message,) = mistakes(changed(name, path, value))
    assert words in message


def test_what_is_free_is_free() -> None:
    """Hyperparameters and overrides have names that nobody knows beforehand, and other kinds are none of our business."""
    assert mistakes(changed("digits/training-run.yaml", "spec.train.hyperparameters", {"anything": 1})) == []
    assert mistakes(changed("digits/training-run.yaml", "spec.overrides", {"createTrainingJob": {"RetryStrategy": {}}})) == []
    assert mistakes({"apiVersion": "v1", "kind": "ConfigMap", "data": {"x": 1}}) == []
