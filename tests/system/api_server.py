"""The API server over HTTPS, one request a case: quicker than a kubectl process each."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from base64 import b64decode
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from sagemaker_gitops.api.kinds import GROUP, KINDS, VERSION


@dataclass(frozen=True)
class ApiServer:
    """The control plane in `folder`, spoken to as any of its users."""

    folder: Path

    def call(self, method: str, path: str, body: Any = None, user: str = "admin", form: str = "application/json") -> tuple[int, Any]:
        """Status code and JSON body of the answer. A body that is a text is sent as it is."""
        server, token, context = _login((self.folder / ("kubeconfig" if user == "admin" else f"kubeconfig.{user}")).read_text())
        data = body if isinstance(body, str) or body is None else json.dumps(body)
        request = urllib.request.Request(
            server + path,
            method=method,
            data=None if data is None else data.encode(),
            headers={"Authorization": f"Bearer {token}", "Content-Type": form},
        )
        try:
            with urllib.request.urlopen(request, context=context, timeout=30) as answer:
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def get(self, kind: str, name: str, namespace: str = "") -> dict[str, Any]:
        """One object of ours that is there."""
        code, found = self.call("GET", f"{path_of(kind, namespace)}/{name}")
        assert code == 200, found["message"]
        return dict(found)

    def create(self, item: dict[str, Any], *, user: str = "admin", dry_run: bool = True) -> tuple[int, Any]:
        """POST one object of ours with kubectl's strict field validation."""
        query = "?fieldValidation=Strict" + ("&dryRun=All" if dry_run else "")
        return self.call("POST", path_of(item["kind"], item["metadata"].get("namespace", "")) + query, item, user)

    def patch(self, item: dict[str, Any], patch: dict[str, Any], *, user: str = "admin", subresource: str = "") -> tuple[int, Any]:
        """A merge patch of one object of ours."""
        path = f"{path_of(item['kind'], item['metadata'].get('namespace', ''))}/{item['metadata']['name']}{subresource}"
        return self.call("PATCH", path, patch, user, "application/merge-patch+json")


@cache
def _login(kubeconfig: str) -> tuple[str, str, ssl.SSLContext]:
    config = yaml.safe_load(kubeconfig)
    cluster = config["clusters"][0]["cluster"]
    context = ssl.create_default_context(cadata=b64decode(cluster["certificate-authority-data"]).decode())
    return cluster["server"], config["users"][0]["user"]["token"], context


def path_of(kind: str, namespace: str) -> str:
    """The URL path of a collection of ours."""
    place = f"/namespaces/{namespace}" if namespace else ""
    return f"/apis/{GROUP}/{VERSION}{place}/{KINDS[kind].plural}"


def made(kind: str, spec: Any, name: str = "case", namespace: str = "team-a", **metadata: Any) -> dict[str, Any]:
    """A manifest of ours."""
    place = {"namespace": namespace} if KINDS[kind].scope == "Namespaced" else {}
    return {"apiVersion": f"{GROUP}/{VERSION}", "kind": kind, "metadata": {"name": name, **place, **metadata}, "spec": spec}
