"""One case for every field that the fence judges, with a value inside and one outside: for the API server and for the operator alike."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import policy_fields
from sagemaker_gitops.api.kinds import KINDS
from sagemaker_gitops.api.parse import ValidationFailed, parse, read
from sagemaker_gitops.api.tenant import TenantSpec
from sagemaker_gitops.core import tenancy
from sagemaker_gitops.core.errors import InvalidResource
from sagemaker_gitops.core.kinds.model_endpoint.effective import findings_of
from sagemaker_gitops.core.kinds.monitor_policy import effective as monitor_policy
from sagemaker_gitops.core.kinds.training_run.effective import effective_of
from sagemaker_gitops.core.kinds.training_run.wanted import wanted_of
from sagemaker_gitops.core.tenancy import Bound

ACCOUNT = "123456789012"
KEY = f"arn:aws:kms:eu-central-1:{ACCOUNT}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
IMAGE = f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/team-a/work:1"
TENANT: dict[str, Any] = {
    "namespaces": ["team-a"],
    "account": ACCOUNT,
    "region": "eu-central-1",
    "roleArn": f"arn:aws:iam::{ACCOUNT}:role/sagemaker-gitops-team-a",
    "externalId": "team-a",
    "allow": {
        "executionRoleArns": [f"arn:aws:iam::{ACCOUNT}:role/team-a/*"],
        "s3Prefixes": ["s3://team-a-ml/"],
        "kmsKeyArns": [KEY],
        # AWS's own image runs the checks of a policy.
        "images": [
            f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com/team-a/*",
            "492215442770.dkr.ecr.eu-central-1.amazonaws.com/sagemaker-scikit-learn:*",
        ],
        "instanceTypes": ["ml.m5.*"],
        "subnetIds": ["subnet-0a1b2c3d"],
        "securityGroupIds": ["sg-0a1b2c3d"],
        "endpointNames": ["team-a-*"],
        "modelPackageGroups": ["team-a-*", "digits"],
        "snsTopicArns": [f"arn:aws:sns:eu-central-1:{ACCOUNT}:team-a-*"],
    },
    "limits": {"maxConcurrentRuns": 4, "maxInstanceCount": 8, "maxRuntime": "1h"},
    "defaults": {
        "executionRoleArn": f"arn:aws:iam::{ACCOUNT}:role/team-a/training",
        "artifactPrefix": "s3://team-a-ml/artifacts/",
        "instanceTypes": {"training": "ml.m5.large", "processing": "ml.m5.large", "hosting": "ml.m5.large"},
    },
}
BOUND = Bound("team-a", read(TenantSpec, TENANT))

# Class of field -> a value that the Tenant allows (None: there is none) and one that it does not.
VALUES: dict[str, tuple[Any, Any]] = {
    "roles": (f"arn:aws:iam::{ACCOUNT}:role/team-a/other", f"arn:aws:iam::{ACCOUNT}:role/team-b/training"),
    "s3": ("s3://team-a-ml/x/", "s3://team-a-ml-evil/x/"),
    "locations": ("s3://team-a-ml/a.jar,s3://team-a-ml/b.jar", "s3://team-a-ml/a.jar,s3://team-b-ml/b.jar"),
    "kms": (KEY, KEY.replace("1234abcd", "bad4abcd")),
    "images": (IMAGE, IMAGE.replace("team-a", "team-a-evil")),
    "instanceTypes": ("ml.m5.xlarge", "ml.c5.18xlarge"),
    "subnets": ("subnet-0a1b2c3d", "subnet-0bad0bad"),
    "securityGroups": ("sg-0a1b2c3d", "sg-0bad0bad"),
    "endpointNames": ("team-a-digits", "team-b-digits"),
    "groups": ("team-a-digits", "team-b-digits"),
    "topics": (f"arn:aws:sns:eu-central-1:{ACCOUNT}:team-a-x", f"arn:aws:sns:eu-central-1:{ACCOUNT}:team-b-x"),
    "counts": (8, 9),
    "durations": ("1h", "61m"),
    "seconds": (3600, 3601),
    "minutes": (60, 61),
    "arns": (f"arn:aws:iam::{ACCOUNT}:role/team-a/other", "arn:aws:sagemaker:eu-central-1:999999999999:hub-content/x"),
    "unjudged": (None, "theirs"),
    "owned": (None, "mine"),
}
_SHA = "0" * 64
BASES: dict[str, dict[str, Any]] = {
    "TrainingRun": {
        "source": {"configMapRef": {"name": "code"}},
        "inputs": [{"name": "raw", "s3Uri": "s3://team-a-ml/raw/"}],
        "train": {"image": IMAGE, "entryPoint": "train.py", "channels": ["raw"], "maxRuntime": "30m"},
    },
    "ModelEndpoint": {"variants": [{"name": "all", "model": {"image": IMAGE, "artifact": "s3://team-a-ml/model.tar.gz"}}]},
    "MonitorPolicy": {
        "target": {"endpointRef": {"name": "digits"}},
        "schedule": {"cron": "30 * * * *", "timeZone": "UTC"},
        "window": "1h",
        "baseline": {"s3Uri": "s3://team-a-ml/baselines/"},
        "checks": [{"name": "inputs", "type": "DataQuality", "drift": {"method": "PSI", "threshold": 0.2}}],
    },
}
_NETWORK = {"subnetIds": ["subnet-0a1b2c3d"], "securityGroupIds": ["sg-0a1b2c3d"]}
_BATCH = {"model": {"image": IMAGE}, "input": "s3://team-a-ml/in/", "output": "s3://team-a-ml/out/", "contentType": "text/csv"}
# What has to stand around a field for the schema to take it: beginning of the path -> spec to merge.
AROUND: dict[str, dict[str, Any]] = {
    "spec.source.s3": {"source": {"configMapRef": None, "s3": {"uri": "", "sha256": _SHA}}},
    "spec.groundTruth": {"groundTruth": {"s3Uri": "", "idField": "id"}},
    "spec.prepare.glue": {"prepare": {"glue": {"script": "prepare.py"}}},
    "spec.prepare.glue.workers": {"prepare": {"glue": {"script": "prepare.py", "type": "glueetl", "workerType": "G.1X"}}},
    "spec.prepare.processing": {"prepare": {"processing": {"image": IMAGE}}},
    "spec.evaluate": {"evaluate": {"processing": {"image": IMAGE}}},
    "spec.notify": {"notify": [{"snsTopicArn": "", "transitions": ["Failed"]}]},
    "spec.register": {"register": {"group": "digits"}},
    "spec.variants[].model.package": {"variants": [{"name": "all", "model": {"package": {"group": "digits", "version": 1}}}]},
    "spec.network": {"network": _NETWORK},
    "spec.batch": {"variants": None, "batch": _BATCH},
    "spec.batch.model.containers": {"batch": {"model": {"image": None, "containers": [{"image": IMAGE}, {"image": IMAGE}]}}},
    "spec.variants[].model.containers": {
        "variants": [{"name": "all", "model": {"containers": [{"image": IMAGE}, {"image": IMAGE}]}}],
    },
    "spec.variants[].model.containers[].package": {
        "variants": [{"name": "all", "model": {"containers": [{"package": {"group": "digits", "version": 1}}, {"image": IMAGE}]}}],
    },
    "spec.batch.model.package": {"batch": {"model": {"image": None, "package": {"group": "digits", "version": 1}}}},
    "spec.batch.model.containers[].package": {
        "batch": {"model": {"containers": [{"package": {"group": "digits", "version": 1}}, {"image": IMAGE}]}},
    },
    "spec.variants[].autoscaling": {
        "variants": [
            {
                "name": "all",
                "model": {"image": IMAGE},
                "autoscaling": {"minCapacity": 1, "maxCapacity": 4, "targetInvocationsPerInstance": 9},
            }
        ],
    },
    "spec.checks[].image": {"checks": [{"name": "attribution", "type": "Explainability"}]},
    "spec.target.endpointName": {"target": {"endpointRef": None}},
    "spec.overrides.createModelPackage": {"register": {"group": "digits"}},
    "spec.overrides.createTransformJob": {"variants": None, "batch": _BATCH},
    "spec.overrides.createDataQualityJobDefinition": {
        "engine": "ModelMonitor",
        "schedule": {"cron": "0 * * * *"},
        "window": None,
        "checks": [{"name": "inputs", "type": "DataQuality"}],
    },
    "spec.overrides.createModelBiasJobDefinition": {
        "engine": "ModelMonitor",
        "schedule": {"cron": "0 * * * *"},
        "window": None,
        "groundTruth": {"s3Uri": "s3://team-a-ml/actuals/", "idField": "eventId"},
        "checks": [{"name": "parity", "type": "Bias", "facet": "region", "headers": ["age", "region"], "inferenceAttribute": "0"}],
    },
    "spec.overrides.createModelQualityJobDefinition": {
        "engine": "ModelMonitor",
        "schedule": {"cron": "0 * * * *"},
        "window": None,
        "groundTruth": {"s3Uri": "s3://team-a-ml/actuals/", "idField": "eventId"},
        "checks": [{"name": "errors", "type": "ModelQuality", "problemType": "Regression", "inferenceAttribute": "0"}],
    },
}


@dataclass(frozen=True, slots=True)
class FenceCase:
    """A spec with one value at one field."""

    kind: str
    spec: dict[str, Any]
    path: str
    subject: str
    refused: bool

    @property
    def id(self) -> str:
        return f"{self.kind}-{self.path}-{self.subject}-{'outside' if self.refused else 'inside'}"


def fence_cases() -> Iterator[FenceCase]:
    """Inside and outside for every judged field of every kind that has a base here."""
    for kind, base in BASES.items():
        for field in policy_fields.fields_of(KINDS[kind].spec):
            if field.subject not in VALUES:
                continue
            for value, refused in zip(VALUES[field.subject], (False, True), strict=True):
                if value is not None:
                    spec = placed(base, field, _shaped(field, value))
                    yield FenceCase(kind, spec, field.words, field.subject, refused)


def _shaped(field: Any, value: Any) -> Any:
    """A value that is of the form which the schema asks for at that field."""
    last = field.path[-1]
    if field.words == "spec.source.s3.uri":
        return value + "code.tar.gz"
    if last in ("Tags", "ProductionVariants", "ExecutionProperty", "Connections", "SourceControlDetails", "BaseModel", "RemoteDebugConfig"):
        return [{}] if last in ("Tags", "ProductionVariants") else {"Name": "x"}
    return value


def placed(base: dict[str, Any], field: Any, value: Any) -> dict[str, Any]:
    spec = copy.deepcopy(base)
    for start, around in AROUND.items():
        if field.words.startswith(start):
            spec = _merged(spec, around)
    _put(spec, field.path[1:], value)
    return spec


def _merged(base: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return copy.deepcopy(patch)
    made = dict(base) if isinstance(base, dict) else {}
    for key, value in patch.items():
        made = {k: v for k, v in made.items() if k != key} if value is None else {**made, key: _merged(made.get(key), value)}
    return made


def _put(target: Any, path: tuple[str, ...], value: Any) -> None:
    """Set the first item of every list on the way."""
    head, rest = path[0], path[1:]
    if head == policy_fields.LIST:
        if not rest:
            target[:] = [value]
            return
        if not target:
            target.append({})
        _put(target[0], rest, value)
    elif not rest:
        target[head] = value
    else:
        _put(target.setdefault(head, [] if rest[0] == policy_fields.LIST else {}), rest, value)


def operator_paths(kind: str, spec: dict[str, Any], bound: Bound = BOUND) -> list[str]:
    """Where the operator finds fault with a spec before any AWS call, indexes of lists left out."""
    try:
        parsed: Any = parse(kind, spec)
        if kind == "TrainingRun":
            found = tenancy.findings(bound.name, bound.spec, wanted_of(parsed, effective_of(parsed, bound.spec)))
        else:
            found = findings_of(parsed, bound, {}) if kind == "ModelEndpoint" else monitor_policy.findings_of(parsed, bound)
    except ValidationFailed as error:
        return [re.sub(r"\[\d+\]", "[]", path) for path, _ in error.findings]
    except InvalidResource as error:
        found = error.findings
    return [re.sub(r"\[\d+\]", "[]", finding.path) for finding in found]
