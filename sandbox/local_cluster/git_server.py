"""Bare git repositories over HTTP on 127.0.0.1: git's own `http-backend`, called as CGI (git-http-backend(1), RFC 3875).

    python -m local_cluster.git_server FOLDER PORT

Fetching and pushing work without credentials: it is a sandbox's server, for repositories that the sandbox made.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

SECONDS = 60.0


class Handler(BaseHTTPRequestHandler):
    """One request is one run of `git http-backend` in the folder of the server."""

    server: GitServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._serve(b"")

    def do_POST(self) -> None:
        self._serve(self._body())

    def _body(self) -> bytes:
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            chunks = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                chunks.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            body = b"".join(chunks)
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        return gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body

    def _serve(self, body: bytes) -> None:
        parts = urlsplit(self.path)
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "GIT_PROJECT_ROOT": str(self.server.folder),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_COUNT": "2",
            "GIT_CONFIG_KEY_0": "http.receivepack",
            "GIT_CONFIG_VALUE_0": "true",
            "GIT_CONFIG_KEY_1": "safe.directory",
            "GIT_CONFIG_VALUE_1": "*",
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "PATH_INFO": unquote(parts.path),
            "QUERY_STRING": parts.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(
            [self.server.git, "http-backend"], input=body, env=environment, capture_output=True, check=False, timeout=SECONDS
        )
        if done.stderr:
            self.log_error("%s", done.stderr.decode(errors="replace"))
        self._answer(done.stdout)

    def _answer(self, said: bytes) -> None:
        head, _, content = said.partition(b"\r\n\r\n")
        headers = [line.partition(": ")[::2] for line in head.decode("latin-1").split("\r\n") if line]
        status = next((value.split()[0] for name, value in headers if name == "Status"), "200" if headers else "500")
        self.send_response(int(status))
        for name, value in headers:
            if name != "Status":
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


class GitServer(ThreadingHTTPServer):
    """Serves `folder`; port 0 takes a free one."""

    daemon_threads = True

    def __init__(self, folder: Path, port: int) -> None:
        git = shutil.which("git")
        if git is None:
            raise FileNotFoundError("there is no git on PATH")
        self.folder, self.git = folder.resolve(), git
        super().__init__(("127.0.0.1", port), Handler)


if __name__ == "__main__":
    with GitServer(Path(sys.argv[1]), int(sys.argv[2])) as server:
        server.serve_forever()
