"""aws.requests: what AWS's published model refuses is refused before the call, with the member's path in AWS's words."""

from __future__ import annotations

import copy
from typing import Any

import botocore.session
import pytest
import regex

from sagemaker_gitops.aws.requests import _pattern, validate

GOOD: dict[str, Any] = {
    "TrainingJobName": "team-a-digits-train-k1",
    "RoleArn": "arn:aws:iam::111122223333:role/exec",
    "AlgorithmSpecification": {"TrainingInputMode": "File", "TrainingImage": "1.dkr.ecr.eu-west-1.amazonaws.com/x@sha256:0"},
    "OutputDataConfig": {"S3OutputPath": "s3://bucket/out/"},
    "ResourceConfig": {"InstanceType": "ml.m5.large", "InstanceCount": 1, "VolumeSizeInGB": 10},
    "StoppingCondition": {"MaxRuntimeInSeconds": 600},
    "HyperParameters": {"depth": "3"},
    "EnableNetworkIsolation": True,
    "Tags": [{"Key": "team", "Value": "a"}],
}


def found(path: str, value: Any) -> list[tuple[str, str]]:
    """Findings of GOOD with one member changed; ... removes it."""
    request = copy.deepcopy(GOOD)
    *parents, last = path.split(".")
    inner = request
    for name in parents:
        inner = inner[name]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return [(finding.path, finding.message) for finding in validate("sagemaker", "CreateTrainingJob", request)]


def test_a_good_request_has_no_findings() -> None:
    """Otherwise nothing below proves anything."""
    assert validate("sagemaker", "CreateTrainingJob", GOOD) == ()


def test_an_operation_without_input_has_no_findings() -> None:
    """Not every operation has a shape."""
    assert validate("s3", "ListBuckets", {}) == ()
    assert validate("sagemaker", "GetSagemakerServicecatalogPortfolioStatus", {}) == ()


@pytest.mark.parametrize("path", ["TrainingJobName", "RoleArn", "OutputDataConfig", "OutputDataConfig.S3OutputPath"])
@pytest.mark.parametrize("value", [..., None])
def test_a_missing_member_is_named(path: str, value: Any) -> None:
    """Absent and null are the same, at every depth."""
    assert found(path, value) == [(path, "is required")]


def test_a_missing_member_of_a_list_item_is_named() -> None:
    """With the item's index."""
    assert found("Tags", [{"Key": "a", "Value": "b"}, {"Key": "c"}]) == [("Tags[1].Value", "is required")]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("TrainingJobName", 7, "must be a text, not a number: put it in quotes"),
        ("TrainingJobName", True, "must be a text, not true or false: put it in quotes"),
        ("HyperParameters.depth", 3, "must be a text, not a number: put it in quotes"),
        ("HyperParameters.depth", None, "must be a text, not nothing: put it in quotes"),
        ("HyperParameters", ["depth"], "must be an object, not a list"),
        ("ResourceConfig", "ml.m5.large", "must be an object, not a text"),
        ("ResourceConfig.InstanceCount", "1", "must be a whole number, not a text"),
        ("ResourceConfig.InstanceCount", 1.5, "must be a whole number, not a number"),
        ("ResourceConfig.InstanceCount", True, "must be a whole number, not true or false"),
        ("EnableNetworkIsolation", "true", "must be true or false, not a text"),
        ("EnableNetworkIsolation", 1, "must be true or false, not a number"),
        ("Tags", {"team": "a"}, "must be a list, not an object"),
        ("Tags", "team", "must be a list, not a text"),
    ],
)
def test_a_wrong_type_is_told_with_the_right_one(path: str, value: Any, message: str) -> None:
    """YAML makes numbers and booleans of what AWS wants as text; true is no number."""
    assert found(path, value) == [(path, message)]


def test_a_list_item_of_a_wrong_type_is_told_with_its_index() -> None:
    """The others are checked as well."""
    assert found("Tags", ["team", {"Key": "a", "Value": "b"}, 7]) == [
        ("Tags[0]", "must be an object, not a text"),
        ("Tags[2]", "must be an object, not a number"),
    ]


@pytest.mark.parametrize("value", [1, 1.5, 0.0])
def test_a_decimal_member_takes_whole_numbers_as_well(value: float) -> None:
    """Glue's MaxCapacity: 1 is as good as 1.0."""
    assert validate("glue", "StartJobRun", {"JobName": "job", "MaxCapacity": value}) == ()


@pytest.mark.parametrize("value", ["1", True])
def test_a_decimal_member_takes_nothing_else(value: Any) -> None:
    """Neither text nor booleans."""
    findings = validate("glue", "StartJobRun", {"JobName": "job", "MaxCapacity": value})
    assert [(finding.path, finding.message[:16]) for finding in findings] == [("MaxCapacity", "must be a number")]


def test_a_value_outside_an_enum_is_told_with_the_choices() -> None:
    """The SDK would send it."""
    assert found("AlgorithmSpecification.TrainingInputMode", "file") == [
        ("AlgorithmSpecification.TrainingInputMode", '"file" is not one of FastFile, File, Pipe')
    ]


def test_a_long_enum_is_not_told_whole() -> None:
    """There are more than two hundred instance types; a status has a thousand characters."""
    ((path, message),) = found("ResourceConfig.InstanceType", "ml.m5.huge")
    assert path == "ResourceConfig.InstanceType"
    assert regex.search(r" and \d+ more$", message)
    assert len(message) < 1000


@pytest.mark.parametrize("name", ["under_score", "-front", "end-", "new\nline", "umlaut-ä", "end\n"])
def test_a_text_that_does_not_match_its_pattern_is_told(name: str) -> None:
    """The whole text has to match, its last line break included."""
    ((path, message),) = found("TrainingJobName", name)
    assert path == "TrainingJobName"
    assert message.startswith(f'"{name}" does not match ')


def test_patterns_in_javas_dialect_work() -> None:
    r"""\p{L} and pairs of surrogates are no Python; without the translation every such value would be refused, or none."""
    assert found("Tags", [{"Key": "größe", "Value": "b"}]) == []
    assert len(found("Tags", [{"Key": "a;b", "Value": "b"}])) == 1
    assert validate("glue", "StartJobRun", {"JobName": "job 😀"}) == ()
    assert len(validate("glue", "StartJobRun", {"JobName": "job\x00"})) == 1
    registry = {"TrainingRepositoryCredentialsProviderArn": "arn:aws:lambda:eu-central-1:123456789012:function:registry-login"}
    config = {"TrainingRepositoryAccessMode": "Vpc", "TrainingRepositoryAuthConfig": registry}
    assert found("AlgorithmSpecification", {"TrainingInputMode": "File", "TrainingImageConfig": config}) == []


@pytest.mark.parametrize("service", ["sagemaker", "glue", "s3", "logs", "sts"])
def test_every_pattern_of_the_services_we_call_can_be_read(service: str) -> None:
    """An override may use any member; a pattern that does not compile would end the pass."""
    model = botocore.session.get_session().get_service_model(service)
    patterns = {model.shape_for(name).metadata.get("pattern") for name in model.shape_names} - {None}
    assert patterns
    for pattern in patterns:
        _pattern(pattern)


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("TrainingJobName", "a" * 64, "64 characters: at most 63 allowed"),
        ("TrainingJobName", "", "0 characters: at least 1 needed"),
        ("StoppingCondition.MaxRuntimeInSeconds", 0, "0: at least 1 needed"),
        ("ResourceConfig.KeepAlivePeriodInSeconds", 21601, "21601: at most 21600 allowed"),
        ("Tags", [{"Key": "a", "Value": "b"}] * 51, "51 items: at most 50 allowed"),
        ("HyperParameters", {f"p{index}": "1" for index in range(101)}, "101 entries: at most 100 allowed"),
    ],
)
def test_bounds_of_texts_numbers_lists_and_maps(path: str, value: Any, message: str) -> None:
    """The SDK knows no upper bound; the text says what was given and what is allowed."""
    assert (path, message) in found(path, value)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("TrainingJobName", "a" * 63),
        ("StoppingCondition.MaxRuntimeInSeconds", 1),
        ("ResourceConfig.KeepAlivePeriodInSeconds", 21600),
        ("Tags", [{"Key": "a", "Value": "b"}] * 50),
        ("Tags", ({"Key": "a", "Value": "b"},)),
    ],
)
def test_the_bound_itself_is_allowed(path: str, value: Any) -> None:
    """As AWS counts; a tuple is a list."""
    assert found(path, value) == []


def test_an_unknown_member_is_told_with_the_one_that_was_meant() -> None:
    """A typing error in an override, at its path."""
    ((path, message),) = found("ResourceConfig.instanceType", "ml.m5.large")
    assert (path, message) == ("ResourceConfig.instanceType", "is not a member of ResourceConfig: did you mean InstanceType?")


def test_an_unknown_member_like_no_other_is_told_with_the_known_ones() -> None:
    """Where there is nothing to guess."""
    ((_, message),) = found("ResourceConfig.colour", "red")
    assert message.startswith("is not a member of ResourceConfig; its members are ")
    assert " InstanceType," in message


def test_a_text_of_several_lines_is_text() -> None:
    """A hyperparameter may hold formatted JSON: the model's dot means any character."""
    assert found("HyperParameters.depth", '{\n  "a": 1\n}') == []


def test_keys_of_a_map_are_checked() -> None:
    """A hyperparameter's name has 256 characters at most; values are found under their key."""
    ((path, message),) = found("HyperParameters", {"k" * 257: "1"})
    assert path.startswith("HyperParameters key kkk")
    assert message == "257 characters: at most 256 allowed"
    assert found("HyperParameters", {"k": "v" * 2501}) == [("HyperParameters.k", "2501 characters: at most 2500 allowed")]


def test_everything_is_told_at_once() -> None:
    """One commit mends it all."""
    request = copy.deepcopy(GOOD) | {"Nonsense": 1, "TrainingJobName": "_"}
    del request["RoleArn"]
    paths = {finding.path for finding in validate("sagemaker", "CreateTrainingJob", request)}
    assert paths == {"Nonsense", "TrainingJobName", "RoleArn"}


def test_a_request_that_is_no_object_is_told_under_the_operation() -> None:
    """There is no path yet."""
    ((finding),) = validate("sagemaker", "CreateTrainingJob", ["x"])  # type: ignore[arg-type]
    assert (finding.path, finding.message) == ("CreateTrainingJob", "must be an object, not a list")


def test_timestamps_and_blobs_are_left_to_the_sdk() -> None:
    """It serialises them; refusing them here would refuse good requests."""
    assert validate("s3", "PutObject", {"Bucket": "b", "Key": "k", "Body": b"\x00"}) == ()
    assert validate("sagemaker", "ListTrainingJobs", {"CreationTimeAfter": "2026-11-21T00:00:00Z"}) == ()
