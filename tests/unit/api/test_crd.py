"""api/crd.py and tools/generate_crds.py: structure, bounds, words and freshness of crds/."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

import generate_crds
from sagemaker_gitops.api.crd import definition
from sagemaker_gitops.api.kinds import KINDS
from sagemaker_gitops.api.status import Status

ROOT = Path(__file__).parents[3]
LATER = ("build", "tuning", "autoML", "triggers", "metadataStore", "tracking")


@cache
def _schema(kind: str) -> dict[str, Any]:
    found: dict[str, Any] = definition(KINDS[kind])["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return found


def _nodes(schema: dict[str, Any], path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    yield path, schema
    for name, part in schema.get("properties", {}).items():
        yield from _nodes(part, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _nodes(schema[key], f"{path}[]")


ALL = [
    (path, node)
    for kind in KINDS
    for part in ("spec", "status")
    for path, node in _nodes(_schema(kind)["properties"][part], f"{kind}.{part}")
]


def test_committed_files_are_fresh() -> None:
    """crds/ is what the models give (make verify)."""
    assert generate_crds.stale(ROOT / "crds") == []


def test_check_finds_every_difference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A changed, a missing and a left-over file are stale; writing mends all three."""
    monkeypatch.setattr(generate_crds, "files", cache(generate_crds.files))
    generate_crds.write(tmp_path)
    changed, missing, *_ = sorted(path.name for path in tmp_path.iterdir())
    (tmp_path / changed).write_text("x")
    (tmp_path / missing).unlink()
    (tmp_path / "old.yaml").write_text("x")
    assert generate_crds.stale(tmp_path) == sorted([changed, missing, "old.yaml"])
    generate_crds.write(tmp_path)
    assert generate_crds.stale(tmp_path) == []


def test_generation_is_deterministic() -> None:
    """Equal models, equal bytes, valid YAML."""
    made = generate_crds.files()
    assert made == generate_crds.files()
    assert {yaml.load(text, yaml.CSafeLoader)["kind"] for text in made.values()} == {"CustomResourceDefinition"}


def test_usage(capsys: pytest.CaptureFixture[str]) -> None:
    """A wrong option is a usage error."""
    assert generate_crds.main(["--chek"]) == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.parametrize("word", ["default", "$ref", "title", "nullable", "additionalProperties:false"])
def test_no_schema_has(word: str) -> None:
    """No defaults (Argo CD would see them), no references, nothing that a structural schema forbids."""
    assert [path for path, node in ALL if word in node] == []
    assert [path for path, node in ALL if node.get("additionalProperties") is False] == []


def test_everything_is_bounded() -> None:
    """Texts, lists and maps have an upper bound, which also keeps CEL within its budget."""
    bounds = {"string": "maxLength", "array": "maxItems"}
    loose = [path for path, node in ALL if node.get("type") in bounds and bounds[node["type"]] not in node and "enum" not in node]
    maps = [path for path, node in ALL if "additionalProperties" in node and "maxProperties" not in node]
    assert (loose, maps) == ([], [])


def test_only_overrides_and_effective_are_free() -> None:
    """Free-form JSON stands only where AWS's own JSON, or what the operator decided, belongs."""
    free = {path for path, node in ALL if node.get("type") == "object" and node.get("x-kubernetes-preserve-unknown-fields")}
    assert {path.split(".")[2] for path in free} == {"overrides", "effective"}


def test_every_field_is_described() -> None:
    """Each field says what it is, with an example."""
    missing = [
        f"{path}.{name}"
        for path, node in ALL
        for name, part in node.get("properties", {}).items()
        if "Example: " not in part.get("description", "")
    ]
    assert missing == []


def test_fields_of_later_changes_are_absent() -> None:
    """A field is in the CRD from the change on that makes it work, never before."""
    present = _schema("TrainingRun")["properties"]["spec"]["properties"]
    assert [name for name in LATER if name in present] == []


def test_yaml_booleans_are_no_field_names() -> None:
    """YAML 1.1 reads on, off, y, n, yes and no as booleans: kubectl would send another key."""
    names = {name for _, node in ALL for name in node.get("properties", {})}
    assert names.isdisjoint({"on", "off", "y", "n", "yes", "no"})


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_common_status(kind: str) -> None:
    """Every kind reports observedGeneration, phase, conditions and effective; conditions merge by type."""
    status = _schema(kind)["properties"]["status"]["properties"]
    assert {info.alias for info in Status.model_fields.values()} <= status.keys()
    assert status["conditions"]["x-kubernetes-list-map-keys"] == ["type"]


def test_status_has_no_rules() -> None:
    """Nothing may keep the operator from writing a status: bounds only, no CEL (failure-modes.md F8)."""
    assert [path for path, node in ALL if ".status" in path and "x-kubernetes-validations" in node] == []


def test_names() -> None:
    """Group, scope, short names and category as documented."""
    run, tenant = definition(KINDS["TrainingRun"])["spec"], definition(KINDS["Tenant"])["spec"]
    assert (run["scope"], tenant["scope"]) == ("Namespaced", "Cluster")
    assert run["names"]["shortNames"] == ["tr"]
    assert run["names"]["categories"] == tenant["names"]["categories"] == ["sagemaker-gitops"]
    assert run["versions"][0]["subresources"] == {"status": {}}
