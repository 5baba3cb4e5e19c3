"""The validator says what AWS says: its messages are compared with texts that public issues quote."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.loaders import Loader
from botocore.model import ServiceModel

from local_aws.model import operation_model, service_model
from local_aws.validate import ConstraintViolationError, UnserializableError, Validator, compile_pattern

SERVICES = (
    "sagemaker", "sagemaker-runtime", "sagemaker-featurestore-runtime", "sagemaker-metrics", "glue", "sts",
    "events", "logs", "cloudwatch", "sqs", "ecr", "codebuild", "application-autoscaling", "stepfunctions",
)  # fmt: skip


def problems(operation: str, params: dict[str, Any], service: str = "sagemaker") -> list[str]:
    """The violations of one request, without those of members that it lacks."""
    model = operation_model(service, operation)
    assert model is not None
    with pytest.raises(ConstraintViolationError) as caught:
        Validator()(model.input_shape, params)
    return [problem for problem in caught.value.problems if not problem.startswith("Value null")]


def typed(operation: str, params: dict[str, Any], service: str = "sagemaker") -> dict[str, Any]:
    model = operation_model(service, operation)
    assert model is not None
    return Validator()(model.input_shape, params)


@pytest.mark.parametrize("service", SERVICES)
def test_every_pattern_of_the_service_models_compiles(service: str) -> None:
    """Java's regular expressions in the models are all understood."""
    shapes = Loader().load_service_model(service, "service-2")["shapes"]
    patterns = [shape["pattern"] for shape in shapes.values() if "pattern" in shape]
    assert all(compile_pattern(pattern) for pattern in patterns)


def test_patterns_keep_javas_ascii_classes_beside_unicode_properties() -> None:
    """`\\w` is ASCII, `\\p{L}` is not, surrogate ranges mean characters beyond the first plane."""
    assert compile_pattern(r"\w+").fullmatch("é") is None
    assert compile_pattern(r"[\p{L}]+").fullmatch("é")
    assert compile_pattern("[\\uE000-\\uFFFD\\uD800\\uDC00-\\uDBFF\\uDFFF]").fullmatch("\U0001f600")


def test_enum_message() -> None:
    """Quoted in aws-samples/aws-sagemaker-heart-disease-prediction#1; the order of the set is not
    asserted."""
    [problem] = problems("CreateTrainingJob", {"ResourceConfig": {"InstanceType": "ml.t2.medium"}})[:1]
    assert problem.startswith(
        "Value 'ml.t2.medium' at 'resourceConfig.instanceType' failed to satisfy constraint: Member must satisfy enum value set: ["
    )
    assert "ml.m5.large" in problem


def test_length_and_pattern_messages_in_one_answer() -> None:
    """Quoted in aws-samples/sagemaker-ml-workflow-with-apache-airflow#3: length before pattern."""
    name = "{{ ti.xcom_pull(task_ids='model_training')['Training']['TrainingJobName'] }}"
    with pytest.raises(ConstraintViolationError) as caught:
        typed("CreateModel", {"ModelName": name, "ExecutionRoleArn": "arn:aws:iam::123456789012:role/x"})
    said = f"Value '{name}' at 'modelName' failed to satisfy constraint: Member must "
    head = f"2 validation errors detected: {said}have length less than or equal to 63; "
    assert str(caught.value).startswith(f"{head}{said}satisfy regular expression pattern: ")


def test_list_element_message() -> None:
    """Quoted in aws/amazon-sagemaker-examples#2236: members of a list are counted from one."""
    with pytest.raises(ConstraintViolationError) as caught:
        typed(
            "CreateEndpointConfig",
            {
                "EndpointConfigName": "config",
                "ProductionVariants": [{"VariantName": "AllTraffic", "ModelName": "ENTER MODEL NAME"}],
            },
        )
    assert str(caught.value).startswith(
        "1 validation error detected: Value 'ENTER MODEL NAME' at 'productionVariants.1.member.modelName' "
        "failed to satisfy constraint: Member must satisfy regular expression pattern: "
    )


def test_map_value_message() -> None:
    """Quoted in aws-samples/amazon-sagemaker-pytorch-detectron2#10: all constraints of the value are
    listed."""
    [problem] = problems("CreateTrainingJob", {"HyperParameters": {"epochs": "1", "labels": "x" * 2501}})
    assert problem == (
        f"Value '{{epochs=1, labels={'x' * 2501}}}' at 'hyperParameters' failed to satisfy constraint: "
        "Map value must satisfy constraint: [Member must have length less than or equal to 2500, "
        "Member must have length greater than or equal to 0, "
        "Member must satisfy regular expression pattern: .*]"
    )


def test_map_size_message() -> None:
    """Quoted in aws/sagemaker-python-sdk#6016: the number of entries is called a length."""
    [problem] = problems("CreateTrainingJob", {"HyperParameters": {f"k{n}": "1" for n in range(101)}})
    assert problem.startswith("Value '{k0=1, k1=1, ")
    tail = "failed to satisfy constraint: Member must have length less than or equal to 100"
    assert problem.endswith(f"' at 'hyperParameters' {tail}")


def test_null_message() -> None:
    """A missing required member is a null to AWS."""
    with pytest.raises(ConstraintViolationError) as caught:
        typed("DescribeTrainingJob", {})
    assert str(caught.value) == (
        "1 validation error detected: Value null at 'trainingJobName' failed to satisfy constraint: Member must not be null"
    )


def test_map_key_message() -> None:
    """Keys have a message of their own."""
    [problem] = problems("CreateTrainingJob", {"HyperParameters": {"k" * 257: "1"}})
    assert "Map keys must satisfy constraint: [Member must have length less than or equal to 256, " in problem


def test_bounds_message() -> None:
    """Numbers have values, not lengths."""
    found = problems("CreateTrainingJob", {"ResourceConfig": {"VolumeSizeInGB": -1, "InstanceCount": -1}})
    prefix = "failed to satisfy constraint: Member must have value greater than or equal to 0"
    assert f"Value '-1' at 'resourceConfig.volumeSizeInGB' {prefix}" in found
    assert f"Value '-1' at 'resourceConfig.instanceCount' {prefix}" in found


def test_list_of_scalars_is_reported_as_a_whole() -> None:
    """Elements of a scalar list share one message with all constraints of the element."""
    [problem] = problems("DeleteTags", {"ResourceArn": "arn:aws:sagemaker:x", "TagKeys": ["a", "k" * 129]})[-1:]
    assert problem.startswith(f"Value '[a, {'k' * 129}]' at 'tagKeys' failed to satisfy constraint: ")
    assert "Member must satisfy constraint: [Member must have length less than or equal to 128, " in problem


def test_null_in_a_list_names_the_element() -> None:
    """A null element is reported by its position."""
    found = "Value null at 'tagKeys.2.member' failed to satisfy constraint: Member must not be null"
    with pytest.raises(ConstraintViolationError, match=found):
        typed("DeleteTags", {"ResourceArn": "arn:aws:sagemaker:x", "TagKeys": ["a", None]})


def test_sensitive_values_are_not_repeated() -> None:
    """A value that the model marks sensitive stays out of the message."""
    model = ServiceModel(
        {
            "metadata": {},
            "operations": {},
            "shapes": {
                "S": {"type": "structure", "members": {"Password": {"shape": "P"}}},
                "P": {"type": "string", "sensitive": True, "max": 3},
            },
        }
    )
    with pytest.raises(ConstraintViolationError, match="Value at 'password' failed") as caught:
        Validator()(model.shape_for("S"), {"Password": "secret"})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"ResourceConfig": {"InstanceCount": "1"}}, "STRING_VALUE can not be converted to an Integer"),
        ({"TrainingJobName": 1}, "NUMBER_VALUE can not be converted to a String"),
        ({"EnableNetworkIsolation": "true"}, "STRING_VALUE can not be converted to a Boolean"),
        ({"ResourceConfig": {"InstanceCount": True}}, "TRUE_VALUE can not be converted to an Integer"),
        ({"ResourceConfig": {"InstanceCount": 1.5}}, "NUMBER_VALUE can not be converted to an Integer"),
        ({"TrainingJobName": ["a"]}, "Start of list found where not expected"),
        ({"Tags": {}}, "Expected list or null"),
        ({"ResourceConfig": []}, "Expected structure or null"),
        ({"HyperParameters": "x"}, "Expected map or null"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": 2**31}}, "out of range"),
        ({"StoppingCondition": {"MaxRuntimeInSeconds": float("nan")}}, "can not be converted to an Integer"),
    ],
)
def test_wrong_json_types_are_serialization_errors(params: dict[str, Any], message: str) -> None:
    """The first wrong type ends the parse."""
    with pytest.raises(UnserializableError, match=message):
        typed("CreateTrainingJob", params)


def test_unknown_members_and_nulls_are_dropped() -> None:
    """AWS ignores members it does not know and takes null for absent."""
    params = {"TrainingJobName": "a", "Nonsense": {"x": 1}}
    assert typed("DescribeTrainingJob", params) == {"TrainingJobName": "a"}
    assert typed("ListTrainingJobs", {"NameContains": None}) == {}


def test_timestamps_become_aware_datetimes() -> None:
    """Epoch seconds of JSON 1.1 arrive as UTC datetimes."""
    after = typed("ListTrainingJobs", {"CreationTimeAfter": 1.5})["CreationTimeAfter"]
    assert after.isoformat() == "1970-01-01T00:00:01.500000+00:00"


def test_a_timestamp_beyond_the_calendar_is_a_serialization_error() -> None:
    """A number of seconds that is no date is refused, not an internal failure."""
    with pytest.raises(UnserializableError, match="out of range"):
        typed("ListTrainingJobs", {"CreationTimeAfter": 1e20})


def test_multi_line_text_passes_a_pattern_of_dots() -> None:
    """Glue's schema definitions span lines and are accepted by AWS."""
    assert compile_pattern(".*").fullmatch("{\n}")


def test_every_input_shape_compiles() -> None:
    """Also the shapes that contain themselves."""
    compiled = 0
    for service in ("sagemaker", "glue", "sts"):
        validator = Validator()
        model = service_model(service)
        assert model is not None
        for name in model.operation_names:
            shape = model.operation_model(name).input_shape
            if shape is not None:
                with pytest.raises((UnserializableError, ConstraintViolationError)):
                    validator(shape, "not a structure")
                compiled += 1
    assert compiled > 700
