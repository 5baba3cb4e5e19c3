"""The code of a TrainingRun or MonitorPolicy: a ConfigMap from the watch cache, or an archive in S3 with the digest that git pins."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

from sagemaker_gitops.api.training_run import S3Source
from sagemaker_gitops.api.training_run import Source as SourceSpec
from sagemaker_gitops.aws import storage
from sagemaker_gitops.aws.kinds.references import References
from sagemaker_gitops.aws.port import Aws, Scope
from sagemaker_gitops.core.kinds.training_run.facts import Missing, Refused, Source
from sagemaker_gitops.core.resource import REPOSITORY, REVISION, Snapshot

HELD_BYTES = 32 * 1024 * 1024

_Pinned = tuple[str, str, str]  # role, URI, SHA-256: what one tenant may read is never taken from another's copy


@dataclass(slots=True)
class Sources:
    """Archives are kept while they fit into HELD_BYTES: every pass of a run needs the same bytes."""

    aws: Aws
    references: References
    _held: OrderedDict[_Pinned, Mapping[str, bytes]] = field(default_factory=OrderedDict)

    async def find(self, scope: Scope, snapshot: Snapshot, spec: SourceSpec | None) -> Source | Missing | Refused:
        """The files as they are now. Raises core.errors.AwsFailure."""
        revision, repository = snapshot.annotations.get(REVISION, ""), snapshot.annotations.get(REPOSITORY, "")
        if spec is None:
            return Source({}, revision, repository)
        if spec.s3 is not None:
            found = await self._archive(scope, spec.s3)
            return found if isinstance(found, Missing | Refused) else Source(found, revision, repository)
        assert spec.config_map_ref is not None
        name = spec.config_map_ref.name
        config_map = await self.references.config_map(snapshot.key.namespace, name)
        if config_map is None:
            return Missing(f"ConfigMap {name}", f"does not exist in this namespace; commit it together with the {snapshot.key.kind}")
        notes = config_map.annotations
        return Source(config_map.files, revision or notes.get(REVISION, ""), repository or notes.get(REPOSITORY, ""))

    async def _archive(self, scope: Scope, pinned: S3Source) -> Mapping[str, bytes] | Missing | Refused:
        key = (scope.role_arn, pinned.uri, pinned.sha256)
        if key in self._held:
            self._held.move_to_end(key)
            return self._held[key]
        try:
            files = await storage.fetch_source(self.aws, scope, pinned.uri, pinned.sha256)
        except storage.NotThereError as error:
            return Missing(pinned.uri, str(error))
        except ValueError as error:
            return Refused(pinned.uri, str(error))
        self._held[key] = files
        while len(self._held) > 1 and sum(map(_size, self._held.values())) > HELD_BYTES:
            self._held.popitem(last=False)
        return files


def _size(files: Mapping[str, bytes]) -> int:
    return sum(map(len, files.values()))
