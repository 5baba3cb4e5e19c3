"""Names decide what is paid for twice: content in, name out, nothing else - and every field that a job depends on is content."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sagemaker_gitops.api.base import Model
from sagemaker_gitops.api.steps import Glue, PrepareProcessing, Processing, Train
from sagemaker_gitops.core.kinds.training_run.facts import InputVersion, Source
from sagemaker_gitops.core.naming import aws_name, content_key, digest, token
from sagemaker_gitops.core.resource import ANNOTATIONS, RERUN, Key
from sagemaker_gitops.core.tenancy import Bound
from tests.properties.plan_worlds import BOUND, FILES, IMAGE, KEY, TENANT, World, names_of, specs, worlds
from tests.scenarios.scenario_files import merged

AWS_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")  # TrainingJobName, ProcessingJobName
quick = settings(max_examples=25, deadline=None, derandomize=True)
LABEL = st.text("abcxyz019-", min_size=1, max_size=63).filter(lambda text: text.strip("-") == text)
OTHER = IMAGE + "b"

BASE: dict[str, Any] = {
    "source": {"configMapRef": {"name": "digits-code"}},
    "inputs": [{"name": "raw", "s3Uri": "s3://team-a-ml/raw/"}],
    "prepare": {"glue": {"script": "normalise.py", "outputs": ["train", "test"]}},
    "train": {"image": IMAGE, "entryPoint": "train.py", "channels": ["train"], "maxRuntime": "1h"},
    "evaluate": {"processing": {"image": IMAGE, "entryPoint": "evaluate.py", "channels": ["test"]}},
}
PREPARED = merged(
    BASE, {"prepare": {"glue": None, "processing": {"image": IMAGE, "entryPoint": "normalise.py", "outputs": ["train", "test"]}}}
)
ALL, FROM_TRAIN, EVALUATE = {"prepare", "train", "evaluate"}, {"train", "evaluate"}, {"evaluate"}
CONTAINER: dict[str, Any] = {
    "framework": {"image": None, "framework": {"name": "sklearn", "version": "1.4-2"}},
    "image": {"image": OTHER},
    "entry_point": {"entryPoint": "shared.py"},
    "files": {"files": ["shared.py"]},
    "channels": {"channels": ["raw"]},
    "environment": {"environment": {"LOG_LEVEL": "debug"}},
    "resources": {"resources": {"instanceCount": 2}},
    "max_runtime": {"maxRuntime": "2h"},
}
PROCESSING = CONTAINER | {"arguments": {"arguments": ["--fast"]}}
# Field of the model -> a patch of the step that gives it another value.
FIELDS: dict[tuple[str, type[Model]], dict[str, Any]] = {
    ("prepare.glue", Glue): {
        "script": {"script": "shared.py"},
        "files": {"files": ["shared.py"]},
        "type": {"type": "glueetl", "workerType": "G.1X", "workers": 2},
        "version": {"type": "glueetl", "workerType": "G.1X", "workers": 2, "version": "4.0"},
        "worker_type": {"type": "glueetl", "workerType": "G.2X", "workers": 2},
        "workers": {"type": "glueetl", "workerType": "G.1X", "workers": 3},
        "timeout": {"timeout": "30m"},
        "arguments": {"arguments": {"--fraction": "0.2"}},
        "outputs": {"outputs": ["train", "test", "validation"]},
    },
    ("prepare.processing", PrepareProcessing): PROCESSING | {"outputs": {"outputs": ["train", "test", "validation"]}},
    ("train", Train): CONTAINER
    | {
        "algorithm": {"image": None, "entryPoint": None, "algorithm": {"name": "forecasting-deepar", "version": "1"}},
        "hyperparameters": {"hyperparameters": {"depth": 2}},
        "metrics": {"metrics": [{"name": "accuracy", "regex": "acc=([0-9.]+)"}]},
    },
    ("evaluate.processing", Processing): PROCESSING,
}
POLICY = {"retry"}  # says what happens next, not what a finished job did
SCRIPTS = {"entry_point", "algorithm"}  # a script that no step names any more is a shared file, which every step has
CHANGES = {"prepare.glue": ALL, "prepare.processing": ALL, "train": FROM_TRAIN, "evaluate.processing": EVALUATE}


def _bases(path: str) -> dict[str, Any]:
    made: dict[str, Any] = PREPARED if path == "prepare.processing" else BASE
    return made


def _patched(path: str, patch: dict[str, Any]) -> dict[str, Any]:
    base = _bases(path)
    for part in reversed(path.split(".")):
        patch = {part: patch}
    made: dict[str, Any] = merged(base, patch)
    return made


def _changed(before: dict[str, str], after: dict[str, str]) -> set[str]:
    assert before.keys() == after.keys()
    return {step for step, name in before.items() if after[step] != name}


CASES = [(path, field) for (path, _), fields in FIELDS.items() for field in fields]


@pytest.mark.parametrize(("path", "field"), CASES, ids=[f"{path}.{field}" for path, field in CASES])
def test_every_field_of_a_step_is_content(path: str, field: str) -> None:
    """Another value is another job, of this step and perhaps of those after it, but of none before it."""
    fields = next(fields for (at, _), fields in FIELDS.items() if at == path)
    changed = _changed(names_of(_bases(path)), names_of(_patched(path, fields[field])))
    most = ALL if field in SCRIPTS else CHANGES[path]
    assert most >= changed >= {path.partition(".")[0]}


def test_no_field_is_left_out_of_the_table() -> None:
    """A new field must say whether it is content: otherwise an edit of it might start nothing."""
    for (path, model), fields in FIELDS.items():
        assert fields.keys() == model.model_fields.keys() - POLICY, path


def test_values_of_one_field_differ_from_each_other() -> None:
    """Different content, different names: all of the table at once, step by step."""
    seen: dict[str, str] = {}
    for path, field in CASES:
        fields = next(fields for (at, _), fields in FIELDS.items() if at == path)
        name = names_of(_patched(path, fields[field]))[path.partition(".")[0]]
        assert name not in seen, f"{path}.{field} and {seen[name]} have one name"
        seen[name] = f"{path}.{field}"


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"install": "other"}, ALL),
        ({"owner": replace(KEY, name="letters")}, ALL),
        ({"owner": replace(KEY, namespace="team-b")}, ALL),
        ({"tenant": Bound("team-a", TENANT.model_copy(update={"account": "210987654321"}))}, ALL),
        ({"tenant": Bound("team-a", TENANT.model_copy(update={"region": "eu-west-1"}))}, ALL),
        ({"tenant": Bound("team-z", TENANT.model_copy(update={"limits": None}))}, set()),
        ({"inputs": {"raw": InputVersion("s3://team-a-ml/raw/", "another", 1, 10)}}, ALL),
        ({"inputs": {"raw": InputVersion("s3://team-a-ml/other/", "digest", 1, 10)}}, ALL),
        ({"inputs": {"raw": InputVersion("s3://team-a-ml/raw/", "digest", 2, 20)}}, set()),
        ({"nonce": "2"}, FROM_TRAIN),
        ({"source": Source(FILES | {"shared.py": b"new"})}, ALL),
        ({"source": Source(FILES | {"new.py": b"new"})}, ALL),
        ({"source": Source(FILES | {"normalise.py": b"new"})}, ALL),
        ({"source": Source(FILES | {"train.py": b"new"})}, FROM_TRAIN),
        ({"source": Source(FILES | {"evaluate.py": b"new"})}, EVALUATE),
        ({"source": Source(dict(reversed(FILES.items())), "4f2c9e1", "https://git.example.com/x.git")}, set()),
    ],
)
def test_identity_around_the_spec(changed: dict[str, Any], expected: set[str]) -> None:
    """Who, where, from which data and code: each enters exactly the steps that it concerns."""
    assert _changed(names_of(BASE), names_of(BASE, **changed)) == expected


@pytest.mark.parametrize(
    "patch",
    [
        {"train": {"maxRuntime": "60m"}},
        {"train": {"retry": {"maxAttempts": 3, "onErrors": ["CapacityError"]}}},
        {"tags": {"project": "digits"}},
        {"suspend": True},
        {"concurrencyPolicy": "Queue"},
        {"deletionPolicy": "Retain"},
        {"historyLimit": 3},
        {"gates": [{"metric": "accuracy", "operator": ">=", "value": 0.5}]},
        {"register": {"group": "digits"}},
        {"parameters": {"unused": "x"}},
        {"source": {"configMapRef": {"name": "digits-code-renamed"}}},
        {"train": {"hyperparameters": {}, "environment": {}, "metrics": []}},
        {"overrides": {"createModelPackage": {"Domain": "COMPUTER_VISION"}}},
    ],
)
def test_what_is_not_content_changes_no_name(patch: dict[str, Any]) -> None:
    """Policy, equal meaning in other words, and what only comes after the paid steps: nobody pays for such an edit."""
    assert _changed(names_of(BASE), names_of(merged(BASE, patch))) == set()


@pytest.mark.parametrize(
    ("operation", "expected"),
    [("glueCreateJob", ALL), ("glueStartJobRun", ALL), ("createTrainingJob", FROM_TRAIN), ("createProcessingJob", EVALUATE)],
)
def test_overrides_are_content_of_their_step(operation: str, expected: set[str]) -> None:
    """A member of a request changes the job that the request makes."""
    overridden = merged(BASE, {"overrides": {operation: {"SecurityConfiguration": "x"}}})
    assert _changed(names_of(BASE), names_of(overridden)) == expected


@quick
@given(specs())
def test_equal_content_has_equal_names(spec: dict[str, Any]) -> None:
    """The order of keys is nobody's content."""

    def reversed_keys(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: reversed_keys(item) for key, item in reversed(value.items())}
        return [reversed_keys(item) for item in value] if isinstance(value, list) else value

    if "resources" in spec["train"] or "maxRuntime" in spec["train"]:
        spec = merged(spec, {"train": {"resources": None, "maxRuntime": None}})
    assert names_of(spec) == names_of(reversed_keys(spec))


@quick
@given(worlds(), st.dictionaries(st.sampled_from([name for name in ANNOTATIONS if name != RERUN]), st.text(max_size=20)))
def test_labels_annotations_and_status_are_not_content(world: World, annotations: dict[str, str]) -> None:
    """Of all that people and tools put on an object, only the rerun annotation enters a name; a time or a UID never does."""
    run = world.run()
    if run is None:
        return
    rerun = {RERUN: world.snapshot.annotations[RERUN]} if RERUN in world.snapshot.annotations else {}
    other = replace(
        world.snapshot,
        uid="another",
        resource_version="99",
        generation=77,
        finalizers=(),
        labels={"app": "x"},
        annotations=annotations | rerun,
        status={},
    )
    facts = replace(world.facts, binding=BOUND)
    assert replace(world, snapshot=other, facts=facts).run() == replace(world, facts=facts).run()


@quick
@given(worlds())
def test_every_name_is_one_that_aws_takes(world: World) -> None:
    """At most 63 characters of AWS's pattern, whatever the spec and the attempt."""
    assert all(len(name) <= 63 and AWS_NAME.fullmatch(name) for name in world.facts.jobs)


@quick
@given(LABEL, st.lists(LABEL, min_size=1, max_size=4).map(".".join), st.sampled_from(["prepare", "train", "evaluate"]), st.integers())
def test_names_of_any_object(namespace: str, name: str, step: str, content: int) -> None:
    """However long the object's name is: the key stays whole, and so it stays unique."""
    key = content_key(content)
    made = aws_name(Key("TrainingRun", namespace, name), step, key)
    assert len(made) <= 63
    assert AWS_NAME.fullmatch(made)
    assert made.endswith(f"-{step}-{key}")


@quick
@given(st.dictionaries(st.text(max_size=5), st.one_of(st.integers(), st.text(max_size=5), st.booleans()), max_size=4))
def test_tokens_and_digests_are_of_content(value: dict[str, Any]) -> None:
    """The same content has the same digest in any order, and a token that AWS takes."""
    assert digest(value) == digest(dict(reversed(value.items())))
    assert len(token(content_key(value))) <= 36
