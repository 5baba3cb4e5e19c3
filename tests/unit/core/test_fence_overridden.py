"""What `overrides` can smuggle in: every member that names something of somebody is judged, in whatever form it stands."""

from __future__ import annotations

from typing import Any

import pytest

from sagemaker_gitops.api.tenant import Limits
from sagemaker_gitops.core import overridden, tenancy
from sagemaker_gitops.core.tenancy import Wanted
from tests.unit.core.endpoint_case import TENANT

OWN_IMAGE = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/team-a/work"
FOREIGN_ROLE = "arn:aws:iam::123456789012:role/team-b/training"
CHANNEL = {"ChannelName": "x"}


def _s3_channel(uri: str) -> dict[str, Any]:
    return {"InputDataConfig": [CHANNEL | {"DataSource": {"S3DataSource": {"S3Uri": uri, "S3DataType": "S3Prefix"}}}]}


def _input(**definition: Any) -> dict[str, Any]:
    return {"createProcessingJob": {"ProcessingInputs": [{"InputName": "x", "DatasetDefinition": definition}]}}


SMUGGLED: dict[str, dict[str, Any]] = {
    "https-form-of-s3": {"createTrainingJob": _s3_channel("https://s3.eu-central-1.amazonaws.com/team-b-ml/x/")},
    "capitals": {"createTrainingJob": _s3_channel("S3://team-b-ml/x/")},
    "a-list-with-commas": {"glueCreateJob": {"DefaultArguments": {"--extra-py-files": "s3://team-a-ml/a.py,s3://team-b-ml/b.py"}}},
    "two-images": {"createTrainingJob": {"AlgorithmSpecification": {"TrainingImage": f"{OWN_IMAGE}:1@{OWN_IMAGE}:2"}}},
    "no-digest": {"createTrainingJob": {"AlgorithmSpecification": {"TrainingImage": f"{OWN_IMAGE}@sha256:abc"}}},
    "debugger-image": {
        "createTrainingJob": {"DebugRuleConfigurations": [{"RuleConfigurationName": "x", "RuleEvaluatorImage": "evil/miner"}]}
    },
    "redshift-role": _input(RedshiftDatasetDefinition={"ClusterRoleArn": FOREIGN_ROLE}),
    "athena": _input(AthenaDatasetDefinition={"Catalog": "theirs", "QueryString": "select 1"}),
    "validation-role": {"createModelPackage": {"ValidationSpecification": {"ValidationRole": FOREIGN_ROLE}}},
    "file-system": {
        "createTrainingJob": {"InputDataConfig": [CHANNEL | {"DataSource": {"FileSystemDataSource": {"FileSystemId": "fs-1"}}}]}
    },
    "registry-credentials": {
        "createModel": {
            "PrimaryContainer": {"ImageConfig": {"RepositoryAuthConfig": {"RepositoryCredentialsProviderArn": "arn:aws:lambda:x"}}}
        }
    },
    "foreign-package": {"createModel": {"PrimaryContainer": {"ModelPackageName": "theirs"}}},
    "shadow-model": {"createEndpointConfig": {"ShadowProductionVariants": [{"VariantName": "x", "ModelName": "theirs"}]}},
    "shadow-machines": {"createEndpointConfig": {"ShadowProductionVariants": [{"InitialInstanceCount": 50}]}},
    "scaling-machines": {"createEndpointConfig": {"ShadowProductionVariants": [{"ManagedInstanceScaling": {"MaxInstanceCount": 50}}]}},
    "groups-together": {"createTrainingJob": {"ResourceConfig": {"InstanceGroups": [{"InstanceCount": 5}, {"InstanceCount": 5}]}}},
    "glue-connection": {"glueCreateJob": {"Connections": {"Connections": ["theirs"]}}},
    "glue-security": {"glueCreateJob": {"SecurityConfiguration": "theirs"}},
    "training-plan": {"createTrainingJob": {"ResourceConfig": {"TrainingPlanArn": "arn:aws:sagemaker:eu-central-1:1:training-plan/x"}}},
    "remote-shell": {"createTrainingJob": {"RemoteDebugConfig": {"EnableRemoteDebug": True}}},
    "warm-pool": {"createTrainingJob": {"ResourceConfig": {"KeepAlivePeriodInSeconds": 3600}}},
    "foreign-topic": {
        "createEndpointConfig": {
            "AsyncInferenceConfig": {"OutputConfig": {"NotificationConfig": {"ErrorTopic": "arn:aws:sns:eu-central-1:999999999999:x"}}}
        }
    },
}
HARMLESS: dict[str, dict[str, Any]] = {
    "image": {"createTrainingJob": {"AlgorithmSpecification": {"TrainingImage": f"{OWN_IMAGE}:1@sha256:{'0' * 64}"}}},
    "isolation": {"createTrainingJob": {"EnableNetworkIsolation": True}},
    "secret-by-arn": {"createTrainingJob": {"Environment": {"DB_SECRET_ARN": "arn:aws:secretsmanager:eu-central-1:1:secret:x"}}},
    "web-address": {"createTrainingJob": {"Environment": {"TRACKING": "https://mlflow.example.com/"}}},
    "own-bucket": {"createTrainingJob": _s3_channel("s3://team-a-ml/x/")},
    "experiment": {"createProcessingJob": {"ExperimentConfig": {"ExperimentName": "digits"}}},
    "two-groups": {"createTrainingJob": {"ResourceConfig": {"InstanceGroups": [{"InstanceCount": 4}, {"InstanceCount": 4}]}}},
}
LIMITED = TENANT.spec.model_copy(update={"limits": Limits(maxInstanceCount=8, maxRuntime="30m")})


def _findings(overrides: dict[str, Any]) -> tuple[Any, ...]:
    return tenancy.findings("team-a", LIMITED, overridden.wanted_of(overrides))


@pytest.mark.parametrize("name", SMUGGLED)
def test_what_is_smuggled_is_found(name: str) -> None:
    """One finding at least, which names the member."""
    found = _findings(SMUGGLED[name])
    assert found
    (operation,) = SMUGGLED[name]
    assert all(finding.path.startswith(f"spec.overrides.{operation}.") for finding in found)


@pytest.mark.parametrize("name", HARMLESS)
def test_what_is_harmless_is_not(name: str) -> None:
    """Free texts of the user's code may hold ARNs and web addresses; what the Tenant allows stays allowed."""
    assert _findings(HARMLESS[name]) == ()


def test_together_they_are_everything() -> None:
    """A list that the sum forgot would be a list that nobody judges."""
    first, second = Wanted(images=[("a", "1")], unjudged=[("u", "1")]), Wanted(images=[("b", "2")], runtimes=[("r", 3)])
    both = first + second
    assert (both.images, both.unjudged, both.runtimes) == ([("a", "1"), ("b", "2")], [("u", "1")], [("r", 3)])
