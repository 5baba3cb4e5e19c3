"""An API server in memory: resourceVersions, generations, optimistic locks, finalizers, merge patches, a watch stream.

What it does is what kube-apiserver 1.35 does with a custom resource that has a status subresource (Kubernetes API concepts;
RFC 7386). The operator's side is runtime.ports.KubeWriter as kube/client.py implements it; users have methods of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sagemaker_gitops.core.resource import Key, Snapshot
from sagemaker_gitops.kube.objects import snapshot_of
from sagemaker_gitops.runtime.ports import Conflict, Gone, Unavailable
from tests.simulation.clock import breath
from tests.simulation.gate import Fault, Gate

ATTEMPTS = 4  # as kube/client.py
Body = Mapping[str, Any]
Listener = Callable[[str, Body], None]


class FakeKube:
    """`listen` is told every change as a watch event; `removed` is told the last state of an object that is gone."""

    def __init__(self, gate: Gate, listen: Listener, removed: Listener) -> None:
        self._gate = gate
        self._listen = listen
        self._removed = removed
        self._version = 1000
        self._uids = 0
        self.objects: dict[Key, Body] = {}
        self.writes = 0
        self.statuses: dict[Key, list[Mapping[str, Any]]] = {}
        self.events: list[tuple[str, str]] = []

    async def read(self, snapshot: Snapshot) -> Snapshot:
        """A quorum GET, as kube/client.py makes it."""
        await breath()
        fresh = self._get(snapshot.key)
        if fresh is None:
            raise Gone(str(snapshot.key))
        found = snapshot_of(fresh)
        if found.uid != snapshot.uid:
            raise Gone(f"{snapshot.key} was deleted and made anew")
        return found

    async def patch_finalizers(self, snapshot: Snapshot, finalizers: tuple[str, ...]) -> Snapshot:
        await breath()
        metadata = {"resourceVersion": snapshot.resource_version, "finalizers": list(finalizers)}
        return snapshot_of(self._patch(snapshot.key, {"metadata": metadata}, "finalizers"))

    async def patch_status(self, snapshot: Snapshot, patch: Mapping[str, Any], *, locked: bool) -> Snapshot:
        for _ in range(ATTEMPTS):
            await breath()
            try:
                body = {"metadata": {"resourceVersion": snapshot.resource_version}, "status": patch}
                return snapshot_of(self._patch(snapshot.key, body, "status"))
            except Conflict:
                if locked:
                    raise
            snapshot = await self.read(snapshot)
        raise Conflict(str(snapshot.key))

    def event(self, snapshot: Snapshot, *, type_: str, reason: str, message: str) -> None:
        self.events.append((type_, reason))

    async def get_config_map(self, namespace: str, name: str) -> Snapshot | None:
        found = self._get(Key("ConfigMap", namespace, name))
        return None if found is None else snapshot_of(found)

    def apply(self, manifest: Body) -> None:
        """kubectl apply: create, or replace spec (or data) and annotations. A status is that of an object nobody here reconciles."""
        given = manifest["metadata"]
        key = Key(manifest["kind"], given.get("namespace", ""), given["name"])
        held = self.objects.get(key)
        content = {name: manifest[name] for name in ("spec", "data") if name in manifest}
        if held is None:
            self._uids += 1
            metadata = {**given, "uid": f"uid-{self._uids}", "generation": 1}
            status = {"status": manifest["status"]} if "status" in manifest else {}
            self._store("ADDED", key, {"kind": key.kind, "metadata": metadata, **content, **status})
            return
        edited = any(held.get(name) != content.get(name) for name in ("spec", "data"))
        metadata = {**held["metadata"], "annotations": dict(given.get("annotations") or {})}
        metadata["generation"] += int(edited)
        if edited or metadata["annotations"] != (held["metadata"].get("annotations") or {}):
            self._store("MODIFIED", key, {**held, "metadata": metadata, **content})

    def delete(self, key: Key) -> None:
        """kubectl delete --wait=false."""
        held = self.objects.get(key)
        if held is None or "deletionTimestamp" in held["metadata"]:
            return
        if not held["metadata"].get("finalizers"):
            self._remove(key, held)
            return
        metadata = {**held["metadata"], "deletionTimestamp": "2026-11-21T00:00:00Z"}
        metadata["generation"] += 1
        self._store("MODIFIED", key, {**held, "metadata": metadata})

    def edit(self, key: Key, *, status: Mapping[str, Any] | None = None, **metadata: Any) -> None:
        """Somebody else's write to status or metadata."""
        held = self.objects.get(key)
        if held is None:
            return
        changed = {**held, "metadata": {**held["metadata"], **metadata}}
        if status is not None:
            changed["status"] = status
        if changed["metadata"].get("deletionTimestamp") and not changed["metadata"].get("finalizers"):
            self._remove(key, changed)
        elif changed != held:
            self._store("MODIFIED", key, changed)

    def rebuild(self) -> list[Body]:
        """etcd is lost and the cluster made anew from nothing: no deletion is ever seen. Returns what was there."""
        lost = list(self.objects.values())
        self.objects.clear()
        self.statuses.clear()
        return lost

    def _get(self, key: Key) -> Body | None:
        fault = self._gate.enter(f"GET {key.kind}")
        if fault in (Fault.ERROR, Fault.REFUSED):
            raise Unavailable("GET", status=503 if fault is Fault.ERROR else 429)
        found = self.objects.get(key)
        self._gate.leave(fault)
        if fault in (Fault.LOST, Fault.LATE):
            raise Unavailable("GET: no answer")
        return found

    def _patch(self, key: Key, patch: Body, what: str) -> Body:
        fault = self._gate.enter(f"PATCH {what}")
        if fault is Fault.ERROR:
            raise Unavailable("PATCH", status=503)
        if fault is Fault.REFUSED:
            raise Conflict(str(key))
        result = self._execute(key, patch)
        self._gate.leave(fault)
        if fault in (Fault.LOST, Fault.LATE):
            raise Unavailable("PATCH: no answer")
        return result

    def _execute(self, key: Key, patch: Body) -> Body:
        held = self.objects.get(key)
        if held is None:
            raise Gone(str(key))
        version = patch["metadata"].get("resourceVersion")
        if version is not None and version != held["metadata"]["resourceVersion"]:
            raise Conflict(str(key))
        changed: Body = merged(held, patch)
        if changed == held:
            return held
        self.writes += 1
        if "deletionTimestamp" in held["metadata"]:
            added = set(changed["metadata"].get("finalizers") or ()) - set(held["metadata"].get("finalizers") or ())
            if added:
                raise Unavailable("Forbidden: no new finalizers can be added if the object is being deleted", status=422)
            if not changed["metadata"].get("finalizers"):
                self._remove(key, changed)
                return changed
        if "status" in patch:
            self.statuses.setdefault(key, []).append(changed["status"])
        return self._store("MODIFIED", key, changed)

    def _store(self, type_: str, key: Key, body: Body) -> Body:
        self._version += 1
        stored = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self._version)}}
        self.objects[key] = stored
        self._listen(type_, stored)
        return stored

    def _remove(self, key: Key, body: Body) -> None:
        self._version += 1
        last = {**body, "metadata": {**body["metadata"], "resourceVersion": str(self._version)}}
        del self.objects[key]
        self._removed("DELETED", last)
        self._listen("DELETED", last)


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386 section 2, written out again so that the operator's own code is not its judge."""
    if not isinstance(patch, Mapping):
        return patch
    result = dict(target) if isinstance(target, Mapping) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result
