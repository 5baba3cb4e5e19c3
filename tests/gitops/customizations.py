"""The cases beside our customization scripts, in the layout of Argo CD's own repository (resource_customizations/<group>/<Kind>/)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
CUSTOMIZATIONS = ROOT / "argocd" / "resource_customizations"
SOME_TIME = "0001-01-01T00:00:00Z"  # what Argo CD's own tests write where an action writes the time
_NOW = re.compile(r"^20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ$")


@dataclass(frozen=True, slots=True)
class HealthCase:
    """One entry of a health_test.yaml."""

    script: Path
    input: Path
    status: str
    message: str


@dataclass(frozen=True, slots=True)
class DiscoveryCase:
    """One entry of discoveryTests; enabled: the actions that are offered, known: all."""

    script: Path
    input: Path
    enabled: frozenset[str]
    known: frozenset[str]


@dataclass(frozen=True, slots=True)
class ActionCase:
    """One entry of actionTests."""

    script: Path
    input: Path
    expected: Path

    @property
    def name(self) -> str:
        return self.script.parent.name


def label(case: HealthCase | DiscoveryCase | ActionCase) -> str:
    kind = case.input.parent.parent.name
    return f"{kind}-{case.name}-{case.input.stem}" if isinstance(case, ActionCase) else f"{kind}-{case.input.stem}"


def load(path: Path) -> Any:
    """Timestamps stay text, as in JSON."""
    return yaml.load(path.read_text(), Loader=_JsonLike)


class _JsonLike(yaml.SafeLoader):
    """Without YAML's own timestamps, which JSON does not have."""


_JsonLike.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


def health_cases() -> Iterator[HealthCase]:
    for tests in sorted(CUSTOMIZATIONS.glob("*/*/health_test.yaml")):
        for test in load(tests)["tests"]:
            said = test["healthStatus"]
            yield HealthCase(tests.with_name("health.lua"), tests.parent / test["inputPath"], said["status"], said.get("message", ""))


def discovery_cases() -> Iterator[DiscoveryCase]:
    for tests in sorted(CUSTOMIZATIONS.glob("*/*/actions/action_test.yaml")):
        for test in load(tests)["discoveryTests"]:
            enabled = frozenset(item["name"] for item in test["result"] if not item["disabled"])
            known = frozenset(item["name"] for item in test["result"])
            yield DiscoveryCase(tests.with_name("discovery.lua"), (tests.parent / test["inputPath"]).resolve(), enabled, known)


def action_cases() -> Iterator[ActionCase]:
    for tests in sorted(CUSTOMIZATIONS.glob("*/*/actions/action_test.yaml")):
        for test in load(tests)["actionTests"]:
            yield ActionCase(
                tests.parent / test["action"] / "action.lua",
                (tests.parent / test["inputPath"]).resolve(),
                tests.parent / test["expectedOutputPath"],
            )


def without_time(body: dict[str, Any]) -> dict[str, Any]:
    """The object with every annotation of ours that holds the time of now set to SOME_TIME."""
    annotations = body["metadata"].get("annotations") or {}
    fixed = {
        name: SOME_TIME if name.startswith("sagemaker-gitops.dev/") and _NOW.match(text) else text for name, text in annotations.items()
    }
    metadata = {name: value for name, value in body["metadata"].items() if name != "annotations"}
    return body | {"metadata": metadata | ({"annotations": fixed} if fixed else {})}
