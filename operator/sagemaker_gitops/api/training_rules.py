"""Rules across the fields of a TrainingRun: once for the API server (CEL) and once for code, in the same words.

Imported by api/training_run.py, whose models they read; CHECKS are what CEL cannot see (map keys and templates).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Literal

from sagemaker_gitops.api import template
from sagemaker_gitops.api.base import Path, Problem, Rule, dotted
from sagemaker_gitops.api.fields import TAG_RULE, reserved_tags

if TYPE_CHECKING:
    from sagemaker_gitops.api.training_run import Champion, Gate, TrainingRunSpec

# Names that the operator gives to channels of its own, or that would hide a folder of the container contract.
RESERVED_NAMES = ("code", "model", "evaluation", "output", "checkpoints", "config")

_INPUTS = "(has(self.inputs) ? self.inputs.map(i, i.name) : [])"
_GLUE = "(has(self.prepare) && has(self.prepare.glue) && has(self.prepare.glue.outputs) ? self.prepare.glue.outputs : [])"
_PROCESSING = (
    "(has(self.prepare) && has(self.prepare.processing) && has(self.prepare.processing.outputs) ? self.prepare.processing.outputs : [])"
)
_RESERVED = "[" + ", ".join(f"'{name}'" for name in RESERVED_NAMES) + "]"
_METRICS = "(has(self.train.metrics) ? self.train.metrics : [])"


def outputs(spec: TrainingRunSpec) -> tuple[str, ...]:
    """Names of the data sets that prepare makes."""
    return spec.prepare.outputs if spec.prepare else ()


def file_steps(spec: TrainingRunSpec) -> dict[str, str]:
    """Path of each field that names a script -> the script."""
    named = {".train.entryPoint": spec.train.entry_point}
    if spec.prepare and spec.prepare.glue:
        named[".prepare.glue.script"] = spec.prepare.glue.script
    if spec.prepare and spec.prepare.processing:
        named[".prepare.processing.entryPoint"] = spec.prepare.processing.entry_point
    if spec.evaluate:
        named[".evaluate.processing.entryPoint"] = spec.evaluate.processing.entry_point
    return {path: name for path, name in named.items() if name}


def champions(spec: TrainingRunSpec) -> list[Champion]:
    """What the champion gates compare with: all the same model, as a rule below demands."""
    return [gate.champion for gate in spec.gates if gate.champion is not None]


def champion_goal(spec: TrainingRunSpec, gate: Gate) -> Literal["Maximize", "Minimize"] | None:
    """Whether more or less is better for a champion gate: its own word, the metric's, or what a value gate on it implies."""
    if gate.champion and gate.champion.goal:
        return gate.champion.goal
    for metric in spec.train.metrics:
        if metric.name == gate.metric and metric.goal:
            return metric.goal
    for other in spec.gates:
        if other.metric == gate.metric and other.operator:
            return "Maximize" if other.operator.startswith(">") else "Minimize"
    return None


def _known(spec: TrainingRunSpec, channels: tuple[str, ...], *, prepared: bool = True) -> bool:
    names = {item.name for item in spec.inputs}.union(outputs(spec) if prepared else ())
    return names.issuperset(channels)


def _channel_rule(path: str, guard: str, *, prepared: bool = True) -> Rule:
    known = "c in " + (" || c in ".join((_INPUTS, _GLUE, _PROCESSING)) if prepared else _INPUTS)
    among = "spec.inputs or an output of prepare" if prepared else "spec.inputs"

    def holds(spec: TrainingRunSpec) -> bool:
        step: Any = spec
        for name in path.split("."):
            step = step and getattr(step, name)
        return step is None or _known(spec, step.channels, prepared=prepared)

    return Rule(
        f"!({guard} has(self.{path}.channels)) || self.{path}.channels.all(c, {known})",
        f"every channel must be the name of an entry of {among}",
        holds,
        f".{path}.channels",
    )


def _prepared_names_free(spec: TrainingRunSpec) -> bool:
    return not {item.name for item in spec.inputs}.intersection(outputs(spec))


def _gates_measurable(spec: TrainingRunSpec) -> bool:
    measured = {metric.name for metric in spec.train.metrics}
    return spec.evaluate is not None or all(gate.metric in measured for gate in spec.gates)


def _source_when_needed(spec: TrainingRunSpec) -> bool:
    return spec.source is not None or not file_steps(spec)


def _scripts_differ(spec: TrainingRunSpec) -> bool:
    scripts = list(file_steps(spec).values())
    return len(scripts) == len(set(scripts))


_GLUE_SCRIPT = "has(self.prepare) && has(self.prepare.glue)"
_PREPARE_SCRIPT = "has(self.prepare) && has(self.prepare.processing) && has(self.prepare.processing.entryPoint)"
_EVALUATE_SCRIPT = "has(self.evaluate) && has(self.evaluate.processing.entryPoint)"
_TRAIN_SCRIPT = "has(self.train.entryPoint)"

RULES: tuple[Rule, ...] = (
    Rule(
        f"has(self.source) || !(({_GLUE_SCRIPT}) || ({_PREPARE_SCRIPT}) || ({_EVALUATE_SCRIPT}) || {_TRAIN_SCRIPT})",
        "source is needed, because a step names a script: add configMapRef or s3",
        _source_when_needed,
    ),
    Rule(
        f"!({_TRAIN_SCRIPT} && {_EVALUATE_SCRIPT} && self.train.entryPoint == self.evaluate.processing.entryPoint)"
        f" && !({_TRAIN_SCRIPT} && {_GLUE_SCRIPT} && self.train.entryPoint == self.prepare.glue.script)"
        f" && !({_TRAIN_SCRIPT} && {_PREPARE_SCRIPT} && self.train.entryPoint == self.prepare.processing.entryPoint)"
        f" && !({_EVALUATE_SCRIPT} && {_GLUE_SCRIPT} && self.evaluate.processing.entryPoint == self.prepare.glue.script)"
        f" && !({_EVALUATE_SCRIPT} && {_PREPARE_SCRIPT} && self.evaluate.processing.entryPoint == self.prepare.processing.entryPoint)",
        "each step needs a script of its own (its content decides which steps run again): put what they share in another file",
        _scripts_differ,
    ),
    _channel_rule("train", ""),
    _channel_rule("evaluate.processing", "has(self.evaluate) &&"),
    _channel_rule("prepare.processing", "has(self.prepare) && has(self.prepare.processing) &&", prepared=False),
    Rule(
        f"!has(self.inputs) || self.inputs.all(i, !(i.name in {_GLUE}) && !(i.name in {_PROCESSING}))",
        "an output of prepare has the name of an input: channels could mean both, so rename one",
        _prepared_names_free,
        ".inputs",
    ),
    Rule(
        f"!has(self.inputs) || self.inputs.all(i, !(i.name in {_RESERVED}))",
        f"these names are the operator's own, choose others: {', '.join(RESERVED_NAMES)}",
        lambda spec: not any(item.name in RESERVED_NAMES for item in spec.inputs),
        ".inputs",
    ),
    Rule(
        f"!has(self.prepare) || ({_GLUE}.all(o, !(o in {_RESERVED})) && {_PROCESSING}.all(o, !(o in {_RESERVED})))",
        f"these names of outputs are the operator's own, choose others: {', '.join(RESERVED_NAMES)}",
        lambda spec: not any(name in RESERVED_NAMES for name in outputs(spec)),
        ".prepare",
    ),
    Rule(
        f"!has(self.gates) || has(self.evaluate) || self.gates.all(g, {_METRICS}.exists(m, m.name == g.metric))",
        "a gate needs its metric: add evaluate, or the metric to train.metrics",
        _gates_measurable,
        ".gates",
    ),
    Rule(
        "!has(self.gates) || has(self.register) || !self.gates.exists(g, has(g.champion) && !has(g.champion.endpointRef))",
        "a champion gate needs champion.endpointRef, or register.group, of which the newest approved package is the champion",
        lambda spec: spec.register_ is not None or all(champion.endpoint_ref for champion in champions(spec)),
        ".gates",
    ),
    Rule(
        "!has(self.gates) || has(self.evaluate) || !self.gates.exists(g, has(g.champion) && has(g.champion.reevaluate)"
        " && g.champion.reevaluate)",
        "champion.reevaluate needs evaluate, which is then run with the champion's model too",
        lambda spec: spec.evaluate is not None or not any(champion.reevaluate for champion in champions(spec)),
        ".gates",
    ),
    Rule(
        "!has(self.gates) || self.gates.all(a, !has(a.champion) || self.gates.all(b, !has(b.champion)"
        " || (has(a.champion.endpointRef) == has(b.champion.endpointRef)"
        " && (!has(a.champion.endpointRef) || a.champion.endpointRef.name == b.champion.endpointRef.name)"
        " && has(a.champion.variant) == has(b.champion.variant)"
        " && (!has(a.champion.variant) || a.champion.variant == b.champion.variant))))",
        "a run has one champion: give every champion gate the same endpointRef and variant",
        lambda spec: len({(champion.endpoint_ref and champion.endpoint_ref.name, champion.variant) for champion in champions(spec)}) <= 1,
        ".gates",
    ),
    Rule(
        "!has(self.gates) || self.gates.all(g, !has(g.champion) || has(g.champion.goal)"
        f" || {_METRICS}.exists(m, m.name == g.metric && has(m.goal))"
        " || self.gates.exists(o, o.metric == g.metric && has(o.operator)))",
        "a champion gate must know whether more is better: add champion.goal: Maximize or Minimize",
        lambda spec: all(gate.champion is None or champion_goal(spec, gate) for gate in spec.gates),
        ".gates",
    ),
    TAG_RULE,
)


def templated(spec: TrainingRunSpec) -> Iterator[tuple[Path, str]]:
    """Path (in the YAML) and text of every field in which ${parameters.x} is replaced."""
    for index, item in enumerate(spec.inputs):
        yield ("inputs", index, "s3Uri"), item.s3_uri
    if spec.prepare and spec.prepare.glue:
        for key, text in spec.prepare.glue.arguments.items():
            yield ("prepare", "glue", "arguments", key), text
    steps = {"prepare": spec.prepare, "evaluate": spec.evaluate}
    for name, step in steps.items():
        for index, text in enumerate(step.processing.arguments if step and step.processing else ()):
            yield (name, "processing", "arguments", index), text
    for key, value in spec.train.hyperparameters.items():
        if isinstance(value, str):
            yield ("train", "hyperparameters", key), value


def _templates(spec: TrainingRunSpec) -> Iterator[Problem]:
    for path, text in templated(spec):
        for message in template.problems(text, spec.parameters):
            yield dotted(path), message


def _glue_arguments(spec: TrainingRunSpec) -> Iterator[Problem]:
    """The operator passes every input as --<name> and every output as --output-<name>."""
    glue = spec.prepare.glue if spec.prepare else None
    taken = {f"--{item.name}" for item in spec.inputs}.union(f"--output-{name}" for name in (glue.outputs if glue else ()))
    for key in glue.arguments if glue else ():
        if key in taken:
            yield f".prepare.glue.arguments.{key}", "is set by the operator to the place of that data: choose another name"


# Names, tags, roles and identities are how work is found again and who may do it; Glue's own retries would be runs that nobody counts.
OWNED_MEMBERS = {
    "createTrainingJob": ("TrainingJobName", "RoleArn", "Tags"),
    "createProcessingJob": ("ProcessingJobName", "RoleArn", "Tags"),
    "glueCreateJob": ("Name", "Role", "Tags", "ExecutionProperty", "MaxRetries"),
    "glueStartJobRun": ("JobName", "JobRunId", "Arguments.--sagemaker-gitops-run-token"),
    "createModelPackageGroup": ("ModelPackageGroupName", "Tags"),
    "createModelPackage": (
        "ModelPackageName",
        "ModelPackageGroupName",
        "ClientToken",
        "Tags",
        "CustomerMetadataProperties.sagemaker-gitops.dev/key",
    ),
}


def _owned_members(spec: TrainingRunSpec) -> Iterator[Problem]:
    """Overrides that would take from the operator what it is made safe by (design.md section 6)."""
    if spec.overrides is None:
        return
    given = spec.overrides.model_dump(by_alias=True, exclude_none=True)
    for operation, members in OWNED_MEMBERS.items():
        for member in members:
            outer, _, inner = member.partition(".")
            value = given.get(operation, {}).get(outer)
            if value is not None and (not inner or (isinstance(value, dict) and inner in value)):
                yield dotted(("overrides", operation, member)), "is set by the operator and cannot be overridden: leave it out"


CHECKS = (reserved_tags, _templates, _glue_arguments, _owned_members)
