"""A retrain that a MonitorPolicy has asked for: an episode, which enters a run's names where a rerun's nonce does. Pure.

The policy says it in its own status (nobody writes a spec); the TrainingRun keeps the last one it heeded in its status, so that it goes
on naming the model that came of it when the policy is gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sagemaker_gitops.core import naming
from sagemaker_gitops.core.conditions import bounded
from sagemaker_gitops.core.resource import RERUN, Snapshot

TAG_EPISODE = f"{naming.TAG_PREFIX}retrain-episode"
TAG_POLICY = f"{naming.TAG_PREFIX}retrain-policy"
TAG_MODEL = f"{naming.TAG_PREFIX}retrain-of"
WORD, TEXT = 64, 128
_TEXTS = ("requestedAt", "policy", "metric", "value", "threshold", "modelKey")


@dataclass(frozen=True, slots=True)
class Retrain:
    """One request. `episode` names it; times and numbers are texts as status holds them."""

    episode: str
    requested_at: str
    policy: str = ""
    metric: str = ""
    value: str = ""
    threshold: str = ""
    model_key: str = ""
    start: str = ""
    end: str = ""

    def as_status(self) -> dict[str, Any]:
        texts = {name: getattr(self, field) for name, field in zip(_TEXTS, _FIELDS, strict=True)}
        window = {"window": {"start": self.start, "end": self.end}} if self.start and self.end else {}
        return {"episode": self.episode, **{name: text for name, text in texts.items() if text}, **window}

    @property
    def order(self) -> tuple[str, str]:
        """Of two requests the later one is heeded, and then the earlier one never is."""
        return self.requested_at, self.episode

    @property
    def words(self) -> str:
        """provenance.trigger."""
        return bounded(f"retrain for {self.policy}: {self.metric} {self.value}, threshold {self.threshold}, until {self.end}", 255)

    @property
    def tags(self) -> dict[str, str]:
        """How AWS remembers it."""
        return {TAG_EPISODE: self.episode, TAG_POLICY: self.policy, TAG_MODEL: self.model_key}


_FIELDS = ("requested_at", "policy", "metric", "value", "threshold", "model_key")


def recorded(entry: Any) -> Retrain | None:
    """What a status says, read defensively: anybody may have edited it."""
    if not isinstance(entry, Mapping) or not isinstance(entry.get("episode"), str) or not isinstance(entry.get("requestedAt"), str):
        return None
    texts = {field: bounded(str(entry.get(name) or ""), TEXT) for name, field in zip(_TEXTS, _FIELDS, strict=True)}
    window = entry.get("window")
    start, end = (bounded(str(window.get(name) or ""), WORD) for name in ("start", "end")) if isinstance(window, Mapping) else ("", "")
    return Retrain(bounded(entry["episode"], WORD), start=start, end=end, **texts)


def retrain_of(snapshot: Snapshot, policies: Iterable[Snapshot]) -> Retrain | None:
    """The newest request that names this TrainingRun, the one that it has heeded included."""
    asking = (policy.status.get("retrain") for policy in policies if not policy.deleting)
    named = (entry for entry in asking if isinstance(entry, Mapping) and entry.get("trainingRun") == snapshot.key.name)
    found = [request for request in (recorded(snapshot.status.get("retrain")), *map(recorded, named)) if request is not None]
    return max(found, key=lambda request: request.order, default=None)


def nonce_of(snapshot: Snapshot, retrain: Retrain | None) -> str:
    """What a person and a policy ask for beyond the spec: part of the names from train on."""
    rerun = snapshot.annotations.get(RERUN, "")
    return f"{rerun}+{retrain.episode}" if retrain is not None else rerun
