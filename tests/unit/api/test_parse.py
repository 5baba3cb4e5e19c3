"""api/parse.py with the table of cases: what is accepted, and what is refused where and in which words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, get_args

import pytest
from api_cases import Case, accepted, merged, refused

from sagemaker_gitops.api.base import Model, Rule
from sagemaker_gitops.api.kinds import KINDS
from sagemaker_gitops.api.parse import ValidationFailed, parse, read
from sagemaker_gitops.api.tenant import TenantSpec
from sagemaker_gitops.api.training_run import TrainingRunSpec


def findings(kind: str, spec: object) -> list[tuple[str, str]]:
    with pytest.raises(ValidationFailed) as caught:
        parse(kind, spec)
    return list(caught.value.findings)


@pytest.mark.parametrize("case", accepted(), ids=lambda case: case.id)
def test_accepted(case: Case) -> None:
    """A valid spec gives a model of its kind."""
    assert isinstance(parse(case.kind, case.spec), KINDS[case.kind].spec)


@pytest.mark.parametrize("case", refused(), ids=lambda case: case.id)
def test_refused(case: Case) -> None:
    """A fault gives exactly one finding, with the path of the field and the fix."""
    found = findings(case.kind, case.spec)
    assert [path for path, _ in found] == [case.path]
    assert case.message in found[0][1]


def _blocks(annotation: object, seen: set[type[Model]]) -> Iterator[type[Model]]:
    if isinstance(annotation, type) and issubclass(annotation, Model) and annotation not in seen:
        seen.add(annotation)
        yield annotation
        for info in annotation.model_fields.values():
            yield from _blocks(info.annotation, seen)
    for part in get_args(annotation):
        yield from _blocks(part, seen)


def _rules() -> set[Rule]:
    seen: set[type[Model]] = set()
    return {rule for kind in KINDS.values() for block in _blocks(kind.spec, seen) for rule in block.rules}


@pytest.mark.parametrize("message", sorted({rule.message for rule in _rules()}))
def test_every_rule_has_a_refused_case(message: str) -> None:
    """No rule between fields is without a case that breaks it."""
    assert any(case.message == message for case in refused())


def test_all_findings_at_once() -> None:
    """A user sees every fault of the fields in one go."""
    found = findings("TrainingRun", {"train": {"framework": {"name": "sklearn"}, "maxRuntime": "x", "chanels": []}})
    assert [path for path, _ in found] == ["spec.train.framework.version", "spec.train.maxRuntime", "spec.train.chanels"]


def test_yaml_boolean_key() -> None:
    """YAML 1.1 reads the key `on` as true: the finding says to quote it."""
    spec = refused()[0].spec | {"suspend": {True: 1}}
    assert ("spec.suspend", "must be true or false, without quotes") in findings("TrainingRun", spec)
    assert findings("TrainingRun", {True: 1, "train": {"image": "a/b"}}) == [("spec", 'keys must be strings: put quotes around "true"')]


def test_templates_are_replaced() -> None:
    """The model holds arguments with the parameters filled in, so an edit of a parameter changes only the steps that use it."""
    run = read(TrainingRunSpec, accepted()[0].spec)
    assert run.prepare is not None
    assert run.prepare.glue is not None
    assert run.prepare.glue.arguments == {"--test-fraction": "0.2"}


def test_escaped_template_is_literal() -> None:
    """`$${` becomes `${`."""
    (case,) = (case for case in accepted() if case.id == "escaped-template")
    assert read(TrainingRunSpec, case.spec).train.hyperparameters["pattern"] == "${HOME}"


@pytest.mark.parametrize("members", [{"VpcConfig": None}, {"Environment": {"A": None}}, {"InputDataConfig": [{"ChannelName": None}]}])
def test_a_null_in_overrides_takes_nothing_away(members: dict[str, Any]) -> None:
    """Merged last, it would remove what the operator sets: the network, the key."""
    with pytest.raises(ValidationFailed, match=r"spec\.overrides\.createTrainingJob: .* is null: leave the member out, or give it a value"):
        read(TrainingRunSpec, accepted()[0].spec | {"overrides": {"createTrainingJob": members}})


def test_aws_spelling() -> None:
    """volumeSizeInGB keeps AWS's capitals; code reads seconds and tuples."""
    train = read(TrainingRunSpec, accepted()[0].spec).train
    assert train.resources is not None
    assert (train.resources.volume_size_in_gb, train.max_runtime, train.channels) == (30, 3600, ("train", "validation"))


def test_deep_nesting_is_a_finding() -> None:
    """A nesting bomb is refused, not walked."""
    spec: object = "x"
    for _ in range(5000):
        spec = {"overrides": spec}
    assert findings("TrainingRun", spec) == [("spec", "is nested more than 32 levels deep")]


@pytest.mark.parametrize("spec", [None, [], "text", 3, {}, {"train": None}])
def test_no_spec(spec: object) -> None:
    """Anything that is no spec is a finding."""
    assert findings("TrainingRun", spec)


def test_no_finding_repeats_a_secret() -> None:
    """The value of a refused secret is in no message."""
    for case in refused():
        if "secret" in case.message:
            assert "AKIAIOSFODNN7EXAMPLE" not in str(findings(case.kind, case.spec))


def test_tenant_allow_defaults_to_nothing() -> None:
    """Lists of allow that are left out are empty: tenancy fails closed."""
    (case,) = (case for case in accepted() if case.id == "tenant-base")
    allow = read(TenantSpec, case.spec).allow
    assert (allow.kms_key_arns, allow.subnet_ids, allow.security_group_ids) == ((), (), ())


@pytest.mark.parametrize(("written", "read_as"), [(3.0, 3), (0.1, 0.1), (True, True), (1e22, 1e22), ("3.0", "3.0")])
def test_hyperparameters_are_read_alike(written: object, read_as: object) -> None:
    """A float without fraction is the int that the API server makes of it: file and cluster give the same content key."""
    spec = merged(accepted()[0].spec, {"train": {"hyperparameters": {"x": written}}})
    value = read(TrainingRunSpec, spec).train.hyperparameters["x"]
    assert (value, type(value)) == (read_as, type(read_as))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (float("nan"), "must be a finite number"),
        (float("inf"), "must be a finite number"),
        (2**63, "must fit in 64 bits: write it as a string"),
        ([1], "must be a number, a boolean or a string"),
        ("x" * 2501, "Too long: may not be more than 2500 bytes"),
    ],
)
def test_no_hyperparameter(value: object, message: str) -> None:
    """What AWS could not receive as a text, or what JSON cannot carry."""
    spec = merged(accepted()[0].spec, {"train": {"hyperparameters": {"x": value}}})
    assert findings("TrainingRun", spec) == [("spec.train.hyperparameters.x", message)]


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, {"a": object()}])
def test_overrides_are_json(value: object) -> None:
    """Whatever YAML can say beyond JSON is refused before it reaches a content key."""
    spec = accepted()[0].spec | {"overrides": {"createTrainingJob": {"A": value}}}
    ((path, message),) = findings("TrainingRun", spec)
    assert path == "spec.overrides.createTrainingJob"
    assert message.startswith("must be JSON")


def test_overrides_are_bounded() -> None:
    """One override is at most 32 KiB."""
    spec = accepted()[0].spec | {"overrides": {"createTrainingJob": {"A": "x" * 32 * 1024}}}
    assert findings("TrainingRun", spec) == [("spec.overrides.createTrainingJob", "Too long: may not be more than 32768 bytes")]


def test_whole_spec_is_bounded() -> None:
    """Fields within their bounds whose sum is too much are refused as a whole."""
    spec = merged(accepted()[0].spec, {"train": {"hyperparameters": {f"x{number}": "y" * 2500 for number in range(90)}}})
    ((path, message),) = findings("TrainingRun", spec)
    assert path == "spec"
    assert "at most 131072 are allowed" in message
