"""The picture across kinds for `graph`: TrainingRun -> model package group -> variants -> ModelEndpoint, and back to the gates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sagemaker_gitops.api.model_endpoint import DEFAULT_WEIGHT, ModelEndpointSpec
from sagemaker_gitops.api.model_reference import Container, ModelReference
from sagemaker_gitops.api.parse import ValidationFailed, read
from sagemaker_gitops.api.training_run import TrainingRunSpec
from sagemaker_gitops.cli.errors import CommandError
from sagemaker_gitops.cli.files import Manifest
from sagemaker_gitops.core.kinds.training_run.champion import endpoint_name


@dataclass(frozen=True, slots=True)
class Node:
    """A step, or an input under the name inputs.<name>; `reads` names the nodes it reads from."""

    name: str
    label: str
    reads: tuple[str, ...] = ()
    state: str = ""


def serving_nodes(runs: Sequence[Manifest], endpoints: Sequence[Manifest]) -> list[Node]:
    """One node for each run, group, variant and endpoint; an endpoint that a gate names is read by its run."""
    specs = [(manifest, _parsed(TrainingRunSpec, manifest)) for manifest in runs]
    registered = {
        (manifest.namespace, manifest.name): _group(manifest.namespace, spec.register_.group) for manifest, spec in specs if spec.register_
    }
    nodes = [_run(manifest, spec) for manifest, spec in specs]
    groups: dict[str, Node] = {}
    for manifest, spec in specs:
        if spec.register_ is not None:
            name = _group(manifest.namespace, spec.register_.group)
            before = groups[name].reads if name in groups else ()
            groups[name] = Node(name, f"package group {spec.register_.group}", (*before, _name(manifest)))
    served: list[Node] = []
    for manifest in endpoints:
        spec = _parsed(ModelEndpointSpec, manifest)
        variants = _variants(manifest, spec, registered)
        for package in [link.package for item in spec.variants for _, link in item.model.links if link.package is not None]:
            name = _group(manifest.namespace, package.group)
            groups.setdefault(name, Node(name, f"package group {package.group}"))
        label = f"ModelEndpoint {manifest.name}"
        served += [*variants, Node(_name(manifest), label, tuple(item.name for item in variants), _phase(manifest))]
    return [*nodes, *groups.values(), *served]


def _run(manifest: Manifest, spec: TrainingRunSpec) -> Node:
    champion = endpoint_name(spec)
    reads = (_joined("ModelEndpoint", manifest.namespace, champion),) if champion else ()
    gate = f" (must beat {champion})" if champion else ""
    return Node(_name(manifest), f"TrainingRun {manifest.name}{gate}", reads, _phase(manifest))


def _variants(manifest: Manifest, spec: ModelEndpointSpec, registered: Mapping[tuple[str, str], str]) -> list[Node]:
    total = sum(DEFAULT_WEIGHT if item.weight is None else item.weight for item in spec.variants)
    found = []
    for item in spec.variants:
        share = 100 * (DEFAULT_WEIGHT if item.weight is None else item.weight) / total
        sources, model = _sources(manifest.namespace, item.model, registered)
        label = f"variant {item.name}: {model}, {share:.3g}%"
        found.append(Node(_joined("variant", manifest.namespace, manifest.name, item.name), label, sources))
    return found


def _sources(namespace: str, model: ModelReference, registered: Mapping[tuple[str, str], str]) -> tuple[tuple[str, ...], str]:
    """The nodes that a variant's model comes from, and what to call the model; the links of a pipeline in their order."""
    if model.training_run_ref is not None:
        run = model.training_run_ref.name
        return (registered.get((namespace, run), _joined("TrainingRun", namespace, run)),), f"newest of {run}"
    links = model.containers or (model,)
    groups = dict.fromkeys(_group(namespace, link.package.group) for link in links if link.package is not None)
    return tuple(groups), " + ".join(map(_called, links))


def _called(link: Container) -> str:
    if link.package is None:
        return str(link.image).rpartition("/")[2]
    chosen = link.package.version if link.package.version is not None else "newest approved"
    return f"{link.package.group}/{chosen}"


def _group(namespace: str, group: str) -> str:
    return _joined("group", namespace, group)


def _name(manifest: Manifest) -> str:
    return _joined(manifest.kind, manifest.namespace, manifest.name)


def _joined(*parts: str) -> str:
    return ".".join(part for part in parts if part)


def _phase(manifest: Manifest) -> str:
    status = manifest.body.get("status")
    return str(status.get("phase") or "") if isinstance(status, Mapping) else ""


def _parsed(model: Any, manifest: Manifest) -> Any:
    try:
        return read(model, manifest.spec)
    except ValidationFailed as error:
        raise CommandError(f"{manifest.key}: {error}") from None
