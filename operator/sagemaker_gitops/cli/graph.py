"""`graph`: the steps of a TrainingRun and what flows between them, as text or Mermaid; with states when the object has a status.

With ModelEndpoints among the files there is one more picture, from the runs to what serves (graph_serving.py).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import asdict

from sagemaker_gitops.api.parse import ValidationFailed, read
from sagemaker_gitops.api.training_run import Gate, TrainingRunSpec
from sagemaker_gitops.cli.errors import CommandError
from sagemaker_gitops.cli.files import Manifest, load, of_kind
from sagemaker_gitops.cli.graph_serving import Node, serving_nodes
from sagemaker_gitops.cli.output import add_output, show
from sagemaker_gitops.core.kinds.training_run.champion import reevaluates

SERVING = "what serves"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("paths", nargs="+", metavar="PATH", help="file, folder, kustomization, or - (kubectl get tr,mep -o yaml | graph -)")
    parser.add_argument("--format", choices=("text", "mermaid"), default="text")
    add_output(parser)


def run(options: argparse.Namespace) -> int:
    manifests = load(options.paths)
    runs, endpoints = of_kind(manifests, "TrainingRun"), of_kind(manifests, "ModelEndpoint")
    if not runs and not endpoints:
        raise CommandError("there is no TrainingRun and no ModelEndpoint in what was given")
    graphs = {str(manifest.key): nodes_of(manifest) for manifest in runs}
    if endpoints:
        graphs[SERVING] = serving_nodes(runs, endpoints)
    draw = mermaid if options.format == "mermaid" else text
    data = {key: [asdict(node) for node in nodes] for key, nodes in graphs.items()}
    show(options.output, data, "\n".join(draw(key, nodes) for key, nodes in graphs.items()))
    return 0


def nodes_of(manifest: Manifest) -> list[Node]:
    """Inputs, then the steps in their order."""
    try:
        spec = read(TrainingRunSpec, manifest.spec)
    except ValidationFailed as error:
        raise CommandError(f"{manifest.key}: {error}") from None
    states = _states(manifest.body.get("status"))
    producers = {item.name: f"inputs.{item.name}" for item in spec.inputs}
    producers |= dict.fromkeys(spec.prepare.outputs, "prepare") if spec.prepare else {}
    nodes = [Node(producers[item.name], f"{producers[item.name]} {item.s3_uri}") for item in spec.inputs]

    def step(name: str, label: str, reads: tuple[str, ...]) -> None:
        nodes.append(Node(name, label, tuple(dict.fromkeys(reads)), states.get(name, "")))

    def sources(channels: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(producers.get(channel, channel) for channel in channels)

    if spec.prepare is not None:
        kind = "Glue job" if spec.prepare.glue else "Processing job"
        channels = spec.prepare.processing.channels if spec.prepare.processing else ()
        step("prepare", f"prepare ({kind})", sources(channels or tuple(item.name for item in spec.inputs)))
    step("train", "train (Training job)", sources(spec.train.channels))
    if spec.evaluate is not None:
        step("evaluate", "evaluate (Processing job)", ("train", *sources(spec.evaluate.processing.channels)))
    if spec.gates:
        last: tuple[str, ...] = ("evaluate" if spec.evaluate else "train",)
        if reevaluates(spec) and spec.evaluate is not None:
            step("evaluate-champion", "evaluate-champion (Processing job)", sources(spec.evaluate.processing.channels))
            last += ("evaluate-champion",)
        step("gate", f"gate ({', '.join(map(_condition, spec.gates))})", last)
    if spec.register_ is not None:
        step("register", f"register ({spec.register_.group})", ("gate" if spec.gates else "evaluate" if spec.evaluate else "train",))
    return nodes


def _condition(gate: Gate) -> str:
    if gate.champion is None:
        return f"{gate.metric} {gate.operator} {gate.value:g}"
    return f"{gate.metric} vs {f'ModelEndpoint {gate.champion.endpoint_ref.name}' if gate.champion.endpoint_ref else 'champion'}"


def _states(status: object) -> dict[str, str]:
    """State by step, from the status of an object that came out of a cluster; nothing from what is no such status."""
    steps = status.get("steps") if isinstance(status, Mapping) else None
    listed = [step for step in steps if isinstance(step, Mapping)] if isinstance(steps, list) else []
    return {str(step.get("name")): str(step.get("state", "")) for step in listed}


def text(title: str, nodes: list[Node]) -> str:
    lines = [title]
    for node in nodes:
        arrow = f"  <- {', '.join(node.reads)}" if node.reads else ""
        lines.append(f"  {node.label}{f' [{node.state}]' if node.state else ''}{arrow}")
    return "\n".join(lines)


def mermaid(title: str, nodes: list[Node]) -> str:
    lines = ["flowchart LR", f"  %% {title}"]
    for node in nodes:
        state = f"<br>{node.state}" if node.state else ""
        lines.append(f'  {_identifier(node.name)}["{_escaped(node.label)}{state}"]')
        lines += [f"  {_identifier(source)} --> {_identifier(node.name)}" for source in node.reads]
    return "\n".join(lines)


def _escaped(label: str) -> str:
    """Mermaid's own entities: `<` would begin an HTML tag."""
    return label.replace("#", "#35;").replace("<", "#lt;").replace(">", "#gt;").replace('"', "#quot;")


def _identifier(name: str) -> str:
    """Letters, digits and _ only; a-b and a_b stay two nodes."""
    return "n_" + name.replace("_", "__").replace("-", "_d").replace(".", "_")
