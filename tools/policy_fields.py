"""Which fields of a kind the tenant's fence judges: found by their types in the API's models and by AWS's member names in `overrides`.

So a new kind or field joins the admission policies by its type alone. Used by generate_policies.py.
"""

from __future__ import annotations

import functools
import types
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, get_args, get_origin

import botocore.session
from botocore.model import Shape

from sagemaker_gitops.api import endpoint_upkeep, fields
from sagemaker_gitops.api.base import Model
from sagemaker_gitops.api.model_endpoint import _OWNED
from sagemaker_gitops.api.steps import GLUE_LOCATIONS
from sagemaker_gitops.api.training_rules import OWNED_MEMBERS
from sagemaker_gitops.core import overridden

LIST, MAP = "[]", "{}"
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Field:
    """One place that holds a value of a class (roles, s3, kms ...). `path` begins with spec; a list is [] and a map's value {}."""

    subject: str
    path: Path

    @property
    def words(self) -> str:
        """The path as a person reads it."""
        return ".".join(self.path).replace(f".{LIST}", LIST).replace(f".{MAP}", MAP)


def _metadata(annotated: Any) -> Any:
    return next(item for item in get_args(annotated)[1:])


_BY_TYPE = {
    id(_metadata(annotated)): subject
    for subject, annotations in {
        "roles": (fields.RoleArn,),
        "s3": (fields.S3Uri, fields.S3Prefix, fields.S3Archive),
        "kms": (fields.KmsKeyArn,),
        "images": (fields.ImageUri,),
        "instanceTypes": (fields.InstanceType,),
        "subnets": (fields.SubnetId,),
        "securityGroups": (fields.SecurityGroupId,),
        "topics": (fields.TopicArn,),
        "groups": (fields.GroupName,),
        "endpointNames": (endpoint_upkeep.EndpointName,),
    }.items()
    for annotated in annotations
}
_DURATIONS = frozenset(id(_metadata(item)) for item in (fields.TrainingDuration, fields.ProcessingDuration, fields.GlueDuration))
_BY_NAME = {"instanceCount": "counts", "maxCapacity": "counts", "workers": "counts"}
_RUNTIMES = frozenset({"maxRuntime", "timeout"})
_SECRETS = (_metadata(fields.Hyperparameters), _metadata(fields.Environment), _metadata(fields.GlueArguments))


def fields_of(model: type[Model]) -> list[Field]:
    """Every field that is judged, those of `overrides` included."""
    return [*dict.fromkeys((*_typed(model, ("spec",)), *_overridden(model)))]


def _typed(model: type[Model], path: Path) -> Iterator[Field]:
    for name, info in model.model_fields.items():
        alias = info.alias or name
        yield from _annotation(Annotated[info.annotation, *info.metadata] if info.metadata else info.annotation, (*path, alias))


def _annotation(annotation: Any, path: Path) -> Iterator[Field]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        yield from _leaf(arguments[1:], path)
        yield from _annotation(arguments[0], path)
    elif origin in (typing.Union, types.UnionType):
        for option in arguments:
            yield from _annotation(option, path)
    elif origin is tuple:
        yield from _annotation(arguments[0], (*path, LIST))
    elif isinstance(annotation, type) and issubclass(annotation, Model) and path.count(LIST) < 3:
        yield from _typed(annotation, path)


def _leaf(metadata: tuple[Any, ...], path: Path) -> Iterator[Field]:
    name = path[-1]
    for item in metadata:
        if id(item) in _BY_TYPE:
            yield Field(_BY_TYPE[id(item)], path)
        elif id(item) in _DURATIONS and name in _RUNTIMES:
            yield Field("durations", path)
        elif item is _SECRETS[0]:
            yield Field("hyperparameters", path)
        elif item is _SECRETS[2]:
            yield from (Field("locations", (*path, key)) for key in sorted(GLUE_LOCATIONS))
    if name in _BY_NAME and not any(id(item) in _BY_TYPE for item in metadata):
        yield Field(_BY_NAME[name], path)


def _overridden(model: type[Model]) -> Iterator[Field]:
    if "overrides" not in model.model_fields:
        return
    (block,) = (item for item in get_args(model.model_fields["overrides"].annotation) if item is not type(None))
    for name, info in block.model_fields.items():
        key = info.alias or name
        root = ("spec", "overrides", key)
        owned = [_members(member) for member in (getattr(block, "owned", {}) or {**OWNED_MEMBERS, **_OWNED}).get(key, ())]
        yield from (Field("owned", (*root, *path)) for path in owned)
        found = [(path, _subject(path, shape)) for path, shape in _walk(_input(*operation_of(key)), (), ())]
        found += [(path, "unjudged") for path in _unjudged(*operation_of(key))]
        for path, subject in found:
            if subject and not any(path[: len(mine)] == mine for mine in owned):
                yield Field(subject, (*root, *path))


def _members(dotted: str) -> Path:
    """A.B.C, of which the last may hold dots itself."""
    outer, _, inner = dotted.partition(".")
    return (outer,) if not inner else (outer, *(inner.split(".") if inner[0].isupper() else (inner,)))


def operation_of(key: str) -> tuple[str, str]:
    """overrides.glueCreateJob is CreateJob of glue, putMetricAlarm is of cloudwatch; the others are of sagemaker."""
    if key == "putMetricAlarm":
        return "cloudwatch", "PutMetricAlarm"
    return ("glue", key.removeprefix("glue")) if key.startswith("glue") else ("sagemaker", key[0].upper() + key[1:])


def _subject(path: Path, shape: Shape) -> str:
    member = next(part for part in reversed(path) if part not in (LIST, MAP))
    if any(part in overridden.FREE_MAPS for part in path):
        return ""
    numeric = shape.type_name in ("integer", "long", "float", "double")
    tables = (
        (member in overridden.IMAGES, "images"),
        (member in overridden.INSTANCE_TYPES, "instanceTypes"),
        (member in overridden.COUNTS and numeric, "counts"),
        (member in overridden.SECONDS, "seconds"),
        (member in overridden.MINUTES, "minutes"),
        (member == overridden.SUBNETS, "subnets"),
        (member == overridden.SECURITY_GROUPS, "securityGroups"),
        (member.endswith(overridden.KMS), "kms"),
        (shape.type_name == "string" and member.endswith(_LOCATIONS), "s3"),
        (shape.type_name == "string" and member.endswith(("Arn", "Role", "Arns", "Topic", "Actions")), "arns"),
    )
    return next((subject for holds, subject in tables if holds), "")


_LOCATIONS = (
    "S3Uri",
    "S3OutputPath",
    "S3FailurePath",
    "ModelDataUrl",
    "ScriptLocation",
    "LogUri",
    "PayloadUrl",
    "SourceUri",
    "BaselineUri",
)


@functools.cache
def _input(service: str, operation: str) -> Any:
    return botocore.session.get_session().get_service_model(service).operation_model(operation).input_shape


def _walk(shape: Any, path: Path, above: tuple[str, ...]) -> Iterator[tuple[Path, Shape]]:
    if shape.type_name == "structure" and shape.name not in above:
        for name, member in shape.members.items():
            if name not in overridden.UNJUDGED:
                yield from _walk(member, (*path, name), (*above, shape.name))
    elif shape.type_name == "list":
        yield from _walk(shape.member, (*path, LIST), above)
    elif shape.type_name != "structure":
        yield path, shape


def _unjudged(service: str, operation: str) -> Iterator[Path]:
    """Members that no Tenant can allow, wherever they stand."""

    def walk(shape: Any, path: Path, above: tuple[str, ...]) -> Iterator[Path]:
        if shape.type_name == "structure" and shape.name not in above:
            for name, member in shape.members.items():
                packaged = name == overridden.PACKAGE and operation.lower() != overridden.PACKAGE_OPERATION.lower()
                if name in overridden.UNJUDGED or packaged:
                    yield (*path, name)
                else:
                    yield from walk(member, (*path, name), (*above, shape.name))
        elif shape.type_name == "list":
            yield from walk(shape.member, (*path, LIST), above)

    yield from walk(_input(service, operation), (), ())


def by_subject(found: list[Field]) -> Mapping[str, list[Field]]:
    """Fields by what they hold, in the order of the models."""
    sorted_: dict[str, list[Field]] = {}
    for field in found:
        sorted_.setdefault(field.subject, []).append(field)
    return sorted_
