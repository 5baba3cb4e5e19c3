"""What a data scientist with bad intentions commits: several hundred resources, made by rule from the API's own fields.

Each names a value outside of team-a's fence, or abuses how names, texts, lists, references, annotations or YAML are read.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import policy_fields
from sagemaker_gitops.api.kinds import KINDS
from tests.system.api_server import made
from tests.system.fence_cases import ACCOUNT, BASES, IMAGE, TENANT, fence_cases, placed

ROLE = f"arn:aws:iam::{ACCOUNT}:role"
REGISTRY = f"{ACCOUNT}.dkr.ecr.eu-central-1.amazonaws.com"
DIGEST = "@sha256:" + "0" * 64
FOREIGN = ("team-b", "evil", "999999999999", "theirs", "0bad0bad", "bad4abcd", "p5.48xlarge", "passwd")
TRICKS: dict[str, tuple[Any, ...]] = {
    "s3": (
        "s3://team-b-ml/x/",
        "s3://team-a-ml.evil/x/",
        "s3://team-a-ml/../team-b-ml/x/",
        "s3://team-a-ml/x/../../team-b-ml/",
        "s3://team-a-ml/./../team-b-ml/",
        "s3://team-b-ml/%2e%2e/team-a-ml/",
        "S3://team-b-ml/x/",
        "s3a://team-b-ml/x/",
        "https://team-b-ml.s3.eu-central-1.amazonaws.com/x/",
        "https://s3.amazonaws.com/team-b-ml/x/",
        "s3://team-\u0430-ml/evil/",
        "s3://team-a-ml\u200b/evil/",
        "s3://team-a-ml \u2044/evil/",
        "s3:///team-a-ml/evil/",
        "s3://evil@team-a-ml/x/",
        "s3://team-a-ml:80@evil/x/",
        "s3://TEAM-A-ML/evil/",
        "arn:aws:s3:::team-b-ml/x",
        "s3://arn:aws:s3:eu-central-1:999999999999:accesspoint/x/",
        "file:///etc/passwd",
        "s3://team-b-ml/\nteam-a-ml/",
        "\u202es3://team-b-ml/x/",
    ),
    "roles": (
        f"{ROLE}/team-b/training",
        f"{ROLE}/team-a/../team-b/training",
        f"{ROLE}/team-a-evil/training",
        f"{ROLE}/team-a",
        f"{ROLE}/*",
        "*",
        "arn:aws:iam::999999999999:role/team-a/training",
        f"arn:aws-cn:iam::{ACCOUNT}:role/team-a/training",
        f"arn:aws:iam::{ACCOUNT}:user/team-a/training",
        f"arn:aws:sts::{ACCOUNT}:assumed-role/team-a/training",
        f"ARN:AWS:IAM::{ACCOUNT}:ROLE/team-a/training",
        f"{ROLE}/team-\u0430/training",
        f" {ROLE}/team-a/training",
        f"{ROLE}/team-a/training\n",
        f"{ROLE}/sagemaker-gitops-team-b",
        "sagemaker-gitops-operator",
    ),
    "images": (
        "evil/miner:latest",
        f"docker.io/evil/miner{DIGEST}",
        f"{REGISTRY}/team-b/work:1",
        f"{REGISTRY}/team-a-evil/work:1",
        f"{REGISTRY}/team-a{DIGEST}",
        f"{REGISTRY}/team-a/../team-b/work:1",
        f"{REGISTRY}/team-b/work:1{DIGEST}",
        f"{REGISTRY}.evil.example/team-a/work:1",
        f"{REGISTRY}:443/team-a/evil:1",
        f"{REGISTRY}/team-a/work@sha256:evil",
        f"{REGISTRY}/team-a/work:1@{REGISTRY}/team-b/work:1",
        f"999999999999.dkr.ecr.eu-central-1.amazonaws.com/team-a/work:1{DIGEST}",
        f"https://{REGISTRY}/team-a/evil:1",
        f"{REGISTRY}/TEAM-A/evil:1",
        f"{REGISTRY}/team-\u0430/evil:1",
    ),
    "instanceTypes": ("ml.p5.48xlarge", "ml.m5", "m5.large", "ml.m5.*", "ml.M5.large", "ml.p5.48xlarge#ml.m5.large", "ml.m50.large"),
    "kms": (
        "alias/team-b",
        f"arn:aws:kms:eu-central-1:{ACCOUNT}:alias/team-a",
        "1234abcd",
        "*",
        "arn:aws:kms:eu-central-1:999999999999:key/x",
    ),
    "counts": (9, 10**6, -1, 0.5, "9", 2**63),
    "durations": ("61m", "24h", "999999h", "-1h", "1d", "3600"),
    "subnets": ("subnet-0bad0bad", "*", "subnet-0a1b2c3d,subnet-0bad0bad"),
    "securityGroups": ("sg-0bad0bad", "*"),
    "endpointNames": ("team-b-prod", "team-a", "team-a-*", "TEAM-A-x"),
    "topics": ("arn:aws:sns:us-east-1:123456789012:x", "arn:aws:lambda:eu-central-1:123456789012:function:evil"),
}
SOME_MEMBERS = ("S3OutputPath", "TrainingImage", "Image", "VolumeKmsKeyId", "InstanceType")
ANNOTATIONS: tuple[dict[str, str], ...] = (
    {"sagemaker-gitops.dev/approved-by": "evil"},
    {"sagemaker-gitops.dev/Pause": "true"},
    {"sagemaker-gitops.dev/tenant": "team-b"},
    {"sagemaker-gitops.dev/rerun": "x" * 300},
    {"sagemaker-gitops.dev/rerun": "a\nlevel=error"},
    {"sagemaker-gitops.dev/rerun": "\u202e\u0000".replace("\u0000", "\u200b")},
    {"sagemaker-gitops.dev/git-revision": "$(touch /tmp/evil)"},
    {"sagemaker-gitops.dev/git-repository": "https://evil.example/<script>"},
    {"sagemaker-gitops.dev/pause": '{"evil": true}'},
    {"sagemaker-gitops.dev/reconcile-requested-at": "\x1b[31mevil"},
)
YAML = (
    "spec: &a {train: *a}",
    "spec: !!python/object/apply:os.system ['touch /tmp/evil']",
    "spec: {train: {image: x}, train: {image: y}}",
    "spec: {<<: {train: 1}, inputs: yes}",
    "spec: {suspend: on, historyLimit: 0o17, train: {maxRuntime: .nan}}",
    "spec: " + "[" * 200 + "]" * 200,
    "a: &a [x,x,x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b,*b]\nspec: {d: [*c,*c,*c,*c,*c,*c]}",
)


@dataclass(frozen=True, slots=True)
class Hostile:
    """One attempt. `body` is YAML (JSON mostly), posted to the collection of `kind` in `namespace`."""

    name: str
    sort: str
    kind: str
    body: str
    namespace: str = "team-a"

    @property
    def inside(self) -> bool:
        """Whether what it names is the tenant's own: the odd thing about it is something else."""
        return self.sort in ("annotation", "collision")


def hostile() -> list[Hostile]:
    """Every attempt, each with a name of its own."""
    found = [*_outside(), *_tricked(), *_bodies()]
    return [_named(index, *item) for index, item in enumerate(found)] + [*_yaml(), *_collisions()]


def _named(index: int, sort: str, item: dict[str, Any]) -> Hostile:
    name = f"hostile-{index:04d}"
    item = copy.deepcopy(item)
    item["metadata"]["name"] = name
    return Hostile(name, sort, item["kind"], json.dumps(item), item["metadata"].get("namespace", ""))


def _outside() -> Iterator[tuple[str, dict[str, Any]]]:
    for case in fence_cases():
        if case.refused:
            yield f"outside:{case.subject}", made(case.kind, case.spec)


def _tricked() -> Iterator[tuple[str, dict[str, Any]]]:
    for kind, base in BASES.items():
        for field in policy_fields.fields_of(KINDS[kind].spec):
            own = "overrides" not in field.path or field.path[-1] in (
                "S3OutputPath",
                "TrainingImage",
                "Image",
                "VolumeKmsKeyId",
                "InstanceType",
            )
            for value in TRICKS.get(field.subject, ()) if own else ():
                yield f"trick:{field.subject}", made(kind, placed(base, field, value))


def _bodies() -> Iterator[tuple[str, dict[str, Any]]]:
    run, endpoint = BASES["TrainingRun"], BASES["ModelEndpoint"]
    for given in ANNOTATIONS:
        for kind in BASES:
            yield "annotation", made(kind, BASES[kind], annotations=given)
    for place in ("team-b", "kube-system", "sagemaker-gitops"):
        for kind in BASES:
            yield "other namespace", made(kind, BASES[kind], namespace=place)
    wide = {"executionRoleArns": [f"{ROLE}/*"], "s3Prefixes": ["s3://team-a-ml/", "s3://team-b-ml/"]}
    widened: tuple[dict[str, Any], ...] = (
        {},
        {"allow": TENANT["allow"] | wide},
        {"namespaces": ["team-b"]},
        {"account": "999999999999"},
        {"require": []},
    )
    for changes in widened:
        yield "tenant", made("Tenant", TENANT | changes)
    for reference in ("team-b/code", "../team-b/code", "team-b.code/", {"name": "code", "namespace": "team-b"}):
        ref = reference if isinstance(reference, dict) else {"name": reference}
        yield "reference", made("TrainingRun", run | {"source": {"configMapRef": ref}})
        payload = {"payload": {"configMapRef": {"key": "x", **ref}}}
        yield "reference", made("ModelEndpoint", endpoint | {"smokeTest": payload})
        model = {"variants": [{"name": "all", "model": {"trainingRunRef": ref}}]}
        yield "reference", made("ModelEndpoint", model)
        gates = [{"metric": "a", "champion": {"endpointRef": ref, "goal": "Maximize"}}]
        yield "reference", made("TrainingRun", run | {"gates": gates, "evaluate": {"processing": {"image": IMAGE}}})
    yield from _large(run, endpoint)
    for tags in ({"aws:x": "1"}, {"sagemaker-gitops.dev/namespace": "team-b"}, {"x": "\u202eevil"}, {"x": "y" * 300}):
        yield "tags", made("TrainingRun", run | {"tags": tags})
        yield "tags", made("ModelEndpoint", endpoint | {"tags": tags})
    program = made("TrainingRun", run | {"train": run["train"] | {"hyperparameters": {"sagemaker_program": "x"}}})
    yield "hyperparameters", program
    for key in ("db_password", "AWS_SECRET_ACCESS_KEY", "api-key", "evil key", "x" * 300):
        yield "hyperparameters", made("TrainingRun", run | {"train": run["train"] | {"hyperparameters": {key: "x"}}})
        yield "environment", made("TrainingRun", run | {"train": run["train"] | {"environment": {key: "x"}}})


def _large(run: dict[str, Any], endpoint: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    inputs = [{"name": f"n{number}", "s3Uri": "s3://team-a-ml/x/"} for number in range(5000)]
    yield "large", made("TrainingRun", run | {"inputs": inputs})
    yield "large", made("TrainingRun", run | {"parameters": {f"p{number}": "x" for number in range(5000)}})
    yield "large", made("TrainingRun", run | {"train": run["train"] | {"hyperparameters": {f"p{number}": 1 for number in range(5000)}}})
    yield "large", made("TrainingRun", run | {"train": run["train"] | {"arguments": ["x"] * 5000}})
    yield "large", made("TrainingRun", run | {"overrides": {"createTrainingJob": {f"P{number}": 1 for number in range(60)}}})
    yield "large", made("ModelEndpoint", {"variants": endpoint["variants"] * 20})
    yield "large", made("ModelEndpoint", endpoint | {"rollout": {"type": "Canary", "size": "10%", "alarms": [f"a{n}" for n in range(99)]}})


def _yaml() -> Iterator[Hostile]:
    for number, text in enumerate(YAML):
        name = f"hostile-yaml-{number}"
        head = f"apiVersion: sagemaker-gitops.dev/v1alpha1\nkind: TrainingRun\nmetadata: {{name: {name}, namespace: team-a}}\n"
        yield Hostile(name, "yaml", "TrainingRun", head + text + "\n")


def _collisions() -> Iterator[Hostile]:
    """Names that are one name once they are cut: nothing to refuse, but two objects must never share what they make."""
    for number, ending in enumerate(("1", "2", "1", "2")):
        name = ("team-a-" if number > 1 else "") + "x" * 150 + ending
        yield Hostile(name, "collision", "TrainingRun", json.dumps(made("TrainingRun", BASES["TrainingRun"], name)))
