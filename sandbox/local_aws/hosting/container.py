"""The containers of a model as hosting runs them: image, artifact, environment and role, and their folder on this machine.

A container with ModelPackageName takes image and artifact from its package. Source: API reference of ContainerDefinition and
S3ModelDataSource; developer guide, "Use Your Own Inference Code with Hosting Services".
"""

from __future__ import annotations

import re
import shutil
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from local_aws import images, storage
from local_aws.archive import UnsafeArchiveError, unpack
from local_aws.hosting import words
from local_aws.world import World

SUBMIT_DIRECTORY: Final = "SAGEMAKER_SUBMIT_DIRECTORY"
_SERVER: Final = Path(__file__).with_name("serve.py")
_TAG: Final = re.compile(r"(?P<repository>[^@]+?)(?::[\w.-]+)?(?:@(?P<digest>sha256:[0-9a-f]{64}))?")


class StartError(Exception):
    """A container can't be started; the text is the endpoint's FailureReason."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Data:
    """Where a model lies: one object (an archive when `packed`) or every object below a prefix."""

    uri: str
    packed: bool
    prefix: bool


@dataclass(frozen=True, slots=True)
class Container:
    """One container of a model. `role` None: it has no role to get credentials of; `isolated`: it gets none.

    `additional` are its AdditionalModelDataSources by channel.
    """

    name: str
    image: str
    data: Data | None
    environment: Mapping[str, str]
    role: str | None
    isolated: bool
    additional: Mapping[str, Data] = field(default_factory=dict)

    @property
    def submit_directory(self) -> str:
        """SAGEMAKER_SUBMIT_DIRECTORY, empty when the model has none."""
        return self.environment.get(SUBMIT_DIRECTORY, "")

    @property
    def resolved_image(self) -> str:
        """The image by its digest, as DeployedImages shows it; as specified when nothing stands for it here."""
        found = _TAG.fullmatch(self.image)
        if found is None:
            return self.image
        try:
            return f"{found['repository']}@{found['digest'] or images.resolve(self.image).digest}"
        except images.UnknownImageError:
            return self.image


def containers(world: World, model: Mapping[str, Any], *, isolated: bool = False) -> list[Container]:
    """The containers of a model as DescribeModel shows it, in the order in which a request goes through them.

    `isolated`: the endpoint configuration isolates them, whatever the model says.
    """
    role, isolated = model.get("ExecutionRoleArn"), isolated or bool(model.get("EnableNetworkIsolation"))
    if "PrimaryContainer" in model:
        named = [("primary", model["PrimaryContainer"])]
    else:
        named = [(each.get("ContainerHostname", f"container_{number}"), each) for number, each in enumerate(model["Containers"], 1)]
    return [_container(name, _completed(world, definition), role, isolated) for name, definition in named]


def _completed(world: World, definition: Mapping[str, Any]) -> Mapping[str, Any]:
    package = definition.get("ModelPackageName")
    if package is None:
        return definition
    described = world.client("sagemaker").describe_model_package(ModelPackageName=package)
    packaged = described["InferenceSpecification"]["Containers"][0]
    environment = {**packaged.get("Environment", {}), **definition.get("Environment", {})}
    return {**packaged, **definition, "Environment": environment}


def _container(name: str, definition: Mapping[str, Any], role: str | None, isolated: bool) -> Container:
    additional = {source["ChannelName"]: _source(source["S3DataSource"]) for source in definition.get("AdditionalModelDataSources", ())}
    environment = definition.get("Environment", {})
    return Container(name, definition["Image"], _data(definition), environment, role, isolated, additional)


def _source(source: Mapping[str, Any]) -> Data:
    return Data(source["S3Uri"], source["CompressionType"] == "Gzip", source["S3DataType"] == "S3Prefix")


def _data(definition: Mapping[str, Any]) -> Data | None:
    source = definition.get("ModelDataSource", {}).get("S3DataSource")
    if source is not None:
        return _source(source)
    url = definition.get("ModelDataUrl")
    return None if not url else Data(url, packed=True, prefix=False)


def fill(world: World, store: storage.Storage, container: Container, root: Path) -> None:
    """Make the folder that the container sees as /opt/ml: model, code, tmp and the server program. StartError when it can't.

    The artifact and the source are read with the model's execution role.
    """
    for name in ("model", "code", "tmp", "serve"):
        (root / name).mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_SERVER, root / "serve" / _SERVER.name)
    if container.data is not None:
        _fetch(world, store, container, container.data, root / "model")
    for channel, data in container.additional.items():
        folder = root / "additional-model-data-sources" / channel
        folder.mkdir(parents=True, exist_ok=True)
        _fetch(world, store, container, data, folder)
    if container.submit_directory.startswith("s3://"):
        _fetch(world, store, container, Data(container.submit_directory, packed=True, prefix=False), root / "code")


def _fetch(world: World, store: storage.Storage, container: Container, data: Data, folder: Path) -> None:
    failed = StartError(words.no_model_data(container.name, data.uri))
    if container.role is None or world.identity.decision(container.role, "s3:GetObject") is not None:
        raise failed
    try:
        location = storage.parse(data.uri)
        if data.packed:
            archive = folder.with_name(f".{folder.name}.tar.gz")
            store.fetch(location, archive)
            unpack(archive, folder)
            archive.unlink()
        elif data.prefix:
            names = {key: storage.relative_name(key, location.key) for key in store.keys(location) if not key.endswith("/")}
            store.fetch_keys(location.bucket, names, folder)
        else:
            store.fetch(location, folder / Path(location.key).name)
    except (ValueError, storage.StorageError, storage.InvalidPathError) as error:
        raise failed from error
    except (tarfile.TarError, UnsafeArchiveError, OSError, EOFError) as error:
        raise StartError(f"{words.no_model_data(container.name, data.uri)} ({error})") from error
