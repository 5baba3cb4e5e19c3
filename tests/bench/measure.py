"""The measuring instruments: third parties all, never the operator's own word.

Apply time is the API server's answer, create time the local AWS's ledger, status time a poll of the object, writes the audit log,
CPU and memory /proc.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp

from sagemaker_gitops.kube.credentials import from_kubeconfig
from sagemaker_gitops.kube.session import open_session
from tests.system.stack import OPERATOR_USER, ROLE

WRITERS = 16
OBJECTS = "/apis/sagemaker-gitops.dev/v1alpha1/namespaces/{namespace}/{plural}"


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one process so far: CPU seconds and resident memory in MB."""

    cpu: float
    rss: float


def usage_of(pid: int) -> Usage:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    ticks, pages = int(fields[11]) + int(fields[12]), int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return Usage(ticks / os.sysconf("SC_CLK_TCK"), pages * os.sysconf("SC_PAGE_SIZE") / 1e6)


def percentiles(values: list[float]) -> dict[str, float]:
    """Median and 99th percentile, in the unit given."""
    ordered = sorted(values)
    return {"p50": statistics.median(ordered), "p99": ordered[min(len(ordered) - 1, int(len(ordered) * 0.99))]}


class Server:
    """The API server, spoken to directly with bounded concurrency: kubectl would be slower than what is measured."""

    def __init__(self, kubeconfig: Path, plural: str = "trainingruns") -> None:
        credentials = from_kubeconfig(kubeconfig, "")
        self.plural = plural
        self.url = credentials.server.rstrip("/")
        self.session: aiohttp.ClientSession = open_session(credentials, connections=WRITERS)

    def _path(self, namespace: str) -> str:
        return OBJECTS.format(namespace=namespace, plural=self.plural)

    async def create(self, manifest: dict[str, Any]) -> float:
        """POST an object; the wall-clock time of the answer."""
        path = self._path(manifest["metadata"]["namespace"])
        async with self.session.post(self.url + path, json=manifest) as response:
            assert response.status == 201, await response.text()
            return time.time()

    async def every(self, namespace: str) -> list[dict[str, Any]]:
        async with self.session.get(self.url + self._path(namespace)) as response:
            found: list[dict[str, Any]] = (await response.json())["items"]
            return found

    async def patch_status(self, namespace: str, name: str, status: dict[str, Any]) -> None:
        path = f"{self._path(namespace)}/{name}/status"
        headers = {"Content-Type": "application/merge-patch+json"}
        async with self.session.patch(self.url + path, data=json.dumps({"status": status}), headers=headers) as response:
            assert response.status == 200, await response.text()

    async def raw_rate(self, namespace: str, names: list[str], writes: int) -> float:
        """Status patches a second that the API server takes from WRITERS at once: the ceiling of everything below."""
        queue = iter(range(writes))

        async def writer() -> None:
            for number in queue:
                await self.patch_status(namespace, names[number % len(names)], {"phase": f"Bench{number}"})

        started = time.monotonic()
        await asyncio.gather(*(writer() for _ in range(WRITERS)))
        return writes / (time.monotonic() - started)


def ledger(url: str, **wanted: object) -> list[dict[str, Any]]:
    """Calls of the tenant's role, oldest first."""
    query = "&".join(f"{name}={value}" for name, value in {**wanted, "limit": 1_000_000}.items())
    with urllib.request.urlopen(f"{url}/_local/ledger?{query}", timeout=60) as response:
        return [entry for entry in json.load(response)["entries"] if entry["role"] == ROLE]


def wall(entry: dict[str, Any]) -> float:
    return datetime.fromisoformat(entry["wallTime"]).timestamp()


def operator_writes(audit_log: Path, since: int) -> tuple[int, int]:
    """(writes of the operator, lines read) beyond line `since` of the audit log."""
    writes = lines = 0
    with audit_log.open() as log:
        for line in log:
            lines += 1
            if lines > since and line.endswith("\n"):
                event = json.loads(line)
                user, verb = event["user"]["username"], event["verb"]
                writes += user == OPERATOR_USER and verb in ("create", "update", "patch", "delete")
    return writes, lines


def last_writes(audit_log: Path) -> dict[str, float]:
    """Object name -> wall time at which the API server received the operator's last status write."""
    found: dict[str, float] = {}
    with audit_log.open() as log:
        for line in log:
            event = json.loads(line)
            target = event.get("objectRef", {})
            if event["user"]["username"] == OPERATOR_USER and event["verb"] == "patch" and target.get("subresource") == "status":
                found[target["name"]] = datetime.fromisoformat(event["requestReceivedTimestamp"]).timestamp()
    return found


class Rows(dict[str, Any]):
    """The table, printed as it is measured: what is known when a later scenario fails is not lost."""

    def __setitem__(self, name: str, value: Any) -> None:
        print(f"{name:<60} {value}", flush=True)
        super().__setitem__(name, value)

    def __ior__(self, rows: Mapping[str, Any]) -> Rows:  # type: ignore[override,misc]
        for name, value in rows.items():
            self[name] = value
        return self
