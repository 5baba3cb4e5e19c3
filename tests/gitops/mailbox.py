"""Where Argo CD's notifications go in the tests: a webhook service whose receiver keeps what it is told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from sagemaker_gitops.cli.gitops_application import NAMESPACE
from sagemaker_gitops.cli.gitops_sandbox import GitOpsSandbox

TRIGGERS = ("breach", "approval-wanted", "rolled-back", "failed")


@contextmanager
def subscribed(sandbox: GitOpsSandbox) -> Iterator[list[str]]:
    """Every notification of every trigger of ours, in order."""
    told: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.append(self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode())
            self.send_response(200)
            self.end_headers()

        def do_POST(self) -> None:
            self.do_GET()

        def log_request(self, code: object = "-", size: object = "-") -> None:
            """What arrives is in `told`."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        listed = json.dumps([{"recipients": ["mailbox"], "triggers": [f"on-sagemaker-gitops-{name}" for name in TRIGGERS]}])
        service = json.dumps({"url": f"http://127.0.0.1:{server.server_address[1]}"})
        patch = {
            "data": {"service.webhook.mailbox": service, "subscriptions": listed, "context": json.dumps({"argocdUrl": "https://argocd"})}
        }
        sandbox.kubectl("patch", "configmap", "argocd-notifications-cm", "-n", NAMESPACE, "--type=merge", "-p", json.dumps(patch))
        try:
            yield told
        finally:
            server.shutdown()
            thread.join(10)
