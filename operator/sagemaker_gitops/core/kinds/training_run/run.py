"""The run that a TrainingRun asks for: its paid steps, their content keys and names, and how far AWS is with them.

Pure. `walk` is used twice in a pass: by aws/kinds/training_run.py to learn which name has to be looked at next,
and by the plan to decide; both see the same run because both call this.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sagemaker_gitops.api.training_run import TrainingRunSpec
from sagemaker_gitops.core import naming
from sagemaker_gitops.core.kinds.training_run.effective import Effective
from sagemaker_gitops.core.kinds.training_run.facts import Failed, InputVersion, JobFact, JobType, Source, Succeeded
from sagemaker_gitops.core.kinds.training_run.retrain import Retrain
from sagemaker_gitops.core.resource import Key
from sagemaker_gitops.core.tenancy import Bound

PREPARE, TRAIN, EVALUATE, EVALUATE_CHAMPION, GATE, REGISTER = "prepare", "train", "evaluate", "evaluate-champion", "gate", "register"
ORDER = (PREPARE, TRAIN, EVALUATE, EVALUATE_CHAMPION, GATE, REGISTER)
EVALUATIONS = (EVALUATE, EVALUATE_CHAMPION)
BEFORE_NONCE = (PREPARE, EVALUATE_CHAMPION)  # a rerun trains again; it changes neither the data nor the champion

# Policy, not content: an edit of these changes what happens next, never what a finished step did.
_POLICY = ("retry",)
_RUN_POLICY = (
    "suspend",
    "deletionPolicy",
    "historyLimit",
    "concurrencyPolicy",
    "tags",
    "network",
    "kmsKeyArn",
    "executionRoleArn",
    "notify",
)


@dataclass(frozen=True, slots=True)
class Run:
    """Everything that names and requests are made from; `nonce` is what was asked for beyond the spec, by a person or by `retrain`."""

    install: str
    owner: Key
    spec: TrainingRunSpec
    tenant: Bound
    effective: Effective
    source: Source
    inputs: Mapping[str, InputVersion]
    nonce: str = ""
    retrain: Retrain | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One paid step: `content` is what its key covers besides files, inputs and the steps before it."""

    name: str
    type: JobType
    content: Mapping[str, Any]
    files: Mapping[str, bytes]
    consumes: tuple[str, ...]
    max_attempts: int = 1
    retry_on: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Attempt:
    """One attempt of a step under the name it has, or would have, at AWS."""

    step: Step
    number: int
    key: str
    aws_name: str


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the run is. `done` succeeded, in order; `current` is the first that did not, with its fact.

    `needs` is the attempt whose fact is missing: the observer looks at it and walks again.
    """

    done: tuple[tuple[Attempt, Succeeded], ...] = ()
    current: tuple[Attempt, JobFact] | None = None
    needs: Attempt | None = None

    def succeeded(self, step: str) -> Succeeded | None:
        return next((fact for attempt, fact in self.done if attempt.step.name == step), None)

    def attempt(self, step: str) -> Attempt | None:
        return next((attempt for attempt, _ in self.done if attempt.step.name == step), None)

    @property
    def outputs(self) -> dict[str, str]:
        """Every output of every finished step, by name: channels of the steps that follow."""
        return {name: uri for _, fact in self.done for name, uri in fact.outputs.items()}


@dataclass(frozen=True, slots=True)
class Recorded:
    """What status says about a step: where to start counting attempts without asking AWS again."""

    aws_name: str
    attempt: int


def content_of(model: Any, leave_out: Sequence[str] = ()) -> dict[str, Any]:
    """The JSON form of a part of the spec without what equals its default, so that a new optional field changes no key."""
    dumped = model.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    return {name: value for name, value in dumped.items() if name not in leave_out}


def input_uris(spec: TrainingRunSpec) -> dict[str, str]:
    """Input name -> S3 URI."""
    return {item.name: item.s3_uri for item in spec.inputs}


def spec_hash(spec: TrainingRunSpec, source: Source, nonce: str) -> str:
    """Identity of what the user asked for, inputs by URI: equal hash, nothing new to run. An archive is known by the digest in the spec."""
    pinned = spec.source is not None and spec.source.s3 is not None
    return naming.content_key([content_of(spec, _RUN_POLICY), "" if pinned else naming.files_digest(source.files), nonce])


def entry_points(spec: TrainingRunSpec) -> dict[str, str]:
    """Step name -> the file that no other step's key covers."""
    found: dict[str, str] = {}
    if spec.prepare is not None:
        processing = spec.prepare.processing
        entry = spec.prepare.glue.script if spec.prepare.glue else processing.entry_point if processing else None
        if entry:
            found[PREPARE] = entry
    if spec.train.entry_point:
        found[TRAIN] = spec.train.entry_point
    if spec.evaluate is not None and spec.evaluate.processing.entry_point:
        found[EVALUATE] = spec.evaluate.processing.entry_point
    return found


def files_of(spec: TrainingRunSpec, source: Source, step: str, narrowed: Sequence[str] | None) -> dict[str, bytes]:
    """The files that a step's key covers and its container receives (api.md): its own entry point and the shared ones."""
    entries = entry_points(spec)
    own = entries.get(step)
    if narrowed:
        return {name: source.files[name] for name in source.files if name in narrowed or name == own}
    others = {entry for other, entry in entries.items() if other != step} - {own}
    return {name: content for name, content in source.files.items() if name not in others}


def steps_of(run: Run) -> tuple[Step, ...]:
    """The paid steps in their fixed order."""
    spec = run.spec
    found: list[Step] = []
    overrides = content_of(spec.overrides) if spec.overrides is not None else {}

    def step(
        name: str, type_: JobType, part: Any, consumes: tuple[str, ...], narrowed: Sequence[str] | None, operations: tuple[str, ...]
    ) -> Step:
        content = {
            "spec": content_of(part, _POLICY),
            "overrides": {operation: overrides[operation] for operation in operations if operation in overrides},
        }
        retry = getattr(part, "retry", None)
        return Step(
            name,
            type_,
            content,
            files_of(spec, run.source, name, narrowed),
            consumes,
            max_attempts=retry.max_attempts if retry else 1,
            retry_on=tuple(retry.on_errors) if retry else (),
        )

    all_inputs = tuple(sorted(run.inputs))
    if spec.prepare is not None and spec.prepare.glue is not None:
        found.append(
            step(PREPARE, JobType.GLUE_JOB, spec.prepare.glue, all_inputs, spec.prepare.glue.files, ("glueCreateJob", "glueStartJobRun"))
        )
    elif spec.prepare is not None and spec.prepare.processing is not None:
        part = spec.prepare.processing
        found.append(step(PREPARE, JobType.PROCESSING_JOB, part, part.channels or all_inputs, part.files, ("createProcessingJob",)))
    found.append(step(TRAIN, JobType.TRAINING_JOB, spec.train, spec.train.channels, spec.train.files, ("createTrainingJob",)))
    if spec.evaluate is not None:
        judged = spec.evaluate.processing
        found.append(step(EVALUATE, JobType.PROCESSING_JOB, judged, judged.channels, judged.files, ("createProcessingJob",)))
    return tuple(found)


def champion_step(run: Run, artifact: str) -> Step:
    """`evaluate` once more, with the champion's archive instead of the new model."""
    judged = next(step for step in steps_of(run) if step.name == EVALUATE)
    return replace(judged, name=EVALUATE_CHAMPION, content={**judged.content, "model": artifact})


def attempt_of(run: Run, step: Step, before: Sequence[Attempt], number: int) -> Attempt:
    """The name of one attempt: content of the step, its files, what it consumes, the steps before it, nonce and number.

    A nonce enters at train; what is before it takes it only for the attempt after its last, so a rerun of a good prepare starts nothing.
    """
    produced = {output: attempt.key for attempt in before for output in outputs_of(attempt.step)}
    consumed = {name: [run.inputs[name].uri, run.inputs[name].digest] for name in step.consumes if name in run.inputs}
    consumed |= {name: [produced[name]] for name in step.consumes if name in produced}
    delivered = _delivered(run.spec, step)
    identity = {
        "install": run.install,
        "account": run.tenant.spec.account,
        "region": run.tenant.spec.region,
        "owner": [run.owner.kind, run.owner.namespace, run.owner.name],
        "step": step.name,
        "content": step.content,
        "files": naming.files_digest(step.files),
        "consumes": consumed | ({"delivered": delivered} if delivered else {}),
        "model": next((attempt.key for attempt in before if attempt.step.name == TRAIN), ""),
        "nonce": run.nonce if step.name not in BEFORE_NONCE or number > step.max_attempts else "",
        "attempt": number,
    }
    key = naming.content_key(identity)
    return Attempt(step, number, key, naming.aws_name(run.owner, step.name, key))


def _delivered(spec: TrainingRunSpec, step: Step) -> dict[str, Any]:
    """How a container gets its inputs, as far as the request says so: Glue is given a URI only, processing knows no content type."""
    fields = {
        JobType.TRAINING_JOB: {"contentType", "compression", "distribution", "inputMode"},
        JobType.PROCESSING_JOB: {"distribution"},
        JobType.GLUE_JOB: set[str](),
        JobType.TRANSFORM_JOB: set[str](),
    }[step.type]
    dumped = {item.name: content_of(item) for item in spec.inputs if item.name in step.consumes}
    chosen = {name: {field: item[field] for field in sorted(fields & item.keys())} for name, item in dumped.items()}
    return {name: item for name, item in chosen.items() if item}


def outputs_of(step: Step) -> tuple[str, ...]:
    """The channel names that a prepare step provides to the steps after it."""
    return tuple(step.content["spec"].get("outputs", ())) if step.name == PREPARE else ()


def walk(run: Run, jobs: Mapping[str, JobFact], recorded: Mapping[str, Recorded]) -> Progress:
    """Follow the steps and their attempts through what is known, up to the first that has not succeeded."""
    done: list[tuple[Attempt, Succeeded]] = []
    for step in steps_of(run):
        before = [attempt for attempt, _ in done]
        attempt, fact = follow(run, step, before, jobs, recorded.get(step.name))
        if fact is None:
            return Progress(tuple(done), None, attempt)
        if not isinstance(fact, Succeeded):
            return Progress(tuple(done), (attempt, fact))
        done.append((attempt, fact))
    return Progress(tuple(done))


def follow(
    run: Run, step: Step, before: Sequence[Attempt], jobs: Mapping[str, JobFact], recorded: Recorded | None
) -> tuple[Attempt, JobFact | None]:
    """The attempt of a step that decides, and its fact; None when nobody has looked at it yet."""
    attempt = _first_attempt(run, step, before, recorded)
    while (fact := jobs.get(attempt.aws_name)) is not None:
        following = _next_number(run, attempt, fact)
        if following is None:
            break
        attempt = attempt_of(run, step, before, following)
    return attempt, fact


def _next_number(run: Run, attempt: Attempt, fact: JobFact) -> int | None:
    """The attempt after a failed one: by the retry policy, or once more for a step before train that a person asked to rerun."""
    step = attempt.step
    if not isinstance(fact, Failed) or attempt.number > step.max_attempts:
        return None
    if fact.failure in step.retry_on and attempt.number < step.max_attempts:
        return attempt.number + 1
    return step.max_attempts + 1 if step.name in BEFORE_NONCE and run.nonce else None


def _first_attempt(run: Run, step: Step, before: Sequence[Attempt], recorded: Recorded | None) -> Attempt:
    """The recorded attempt when it is of this very content, otherwise the first: AWS then tells how many failed."""
    if recorded is not None and 1 < recorded.attempt <= step.max_attempts + 1:
        attempt = attempt_of(run, step, before, recorded.attempt)
        if attempt.aws_name == recorded.aws_name:
            return attempt
    return attempt_of(run, step, before, 1)


@dataclass(frozen=True, slots=True)
class Keys:
    """The identities at the end of a run: `package` of what would be registered, `run` of all that was asked for."""

    package: str
    run: str


def keys_of(run: Run, progress: Progress) -> Keys:
    """A changed gate changes the run and not the package: the same model is not registered twice."""
    spec = run.spec
    group = spec.register_.group if spec.register_ is not None else ""
    package = naming.content_key([[attempt.key for attempt, _ in progress.done], group])
    gates = [content_of(gate) for gate in spec.gates]
    return Keys(package, naming.content_key([package, gates, run.nonce]))


@dataclass(frozen=True, slots=True)
class Names:
    """Where a step's files live in S3, all under the tenant's artifactPrefix and content-addressed."""

    prefix: str
    owner: Key
    attempt: Attempt

    @property
    def base(self) -> str:
        return f"{self.prefix.rstrip('/')}/{self.owner.namespace}/{self.owner.name}"

    @property
    def source(self) -> str:
        return f"{self.base}/source/{naming.files_digest(self.attempt.step.files)[:16]}"

    def output(self, name: str) -> str:
        return f"{self.base}/{self.attempt.step.name}/{self.attempt.key}/{name}/"

    @property
    def training_output(self) -> str:
        """S3OutputPath; AWS appends <job name>/output/model.tar.gz."""
        return f"{self.base}/{TRAIN}"
