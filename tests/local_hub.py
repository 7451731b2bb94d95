"""A local server that speaks the part of the Hub's API which a download uses, and can be told to fail."""

from __future__ import annotations

import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "c0ffee" + "0" * 34
GATED, GONE = "owner/gated", "owner/gone"


@dataclass
class LocalHub:
    """Serves `files` as every repository but the gated and the missing one.

    The first `broken` downloads of a file of more than 1,000 bytes end in the middle; each file takes `delay_seconds`.
    `sent` counts the bytes of each file that left the server.
    """

    files: dict[str, bytes]
    broken: int = 0
    delay_seconds: float = 0.0
    address: str = ""
    sent: dict[str, int] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    @contextmanager
    def serving(self) -> Iterator[LocalHub]:
        """Serve on a free port of this machine until the block ends."""
        hub = self

        class Handler(_Handler):
            files = hub

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.address = f"http://127.0.0.1:{server.server_port}"
        try:
            yield self
        finally:
            server.shutdown()
            server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    files: LocalHub

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        path = self.path.split("?")[0]
        self.files.asked.append(path)
        if f"/{GATED}/" in path + "/":
            self._send(401, {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to this model is restricted."})
        elif f"/{GONE}/" in path + "/":
            self._send(404, {"X-Error-Code": "RepoNotFound", "X-Error-Message": "Repository not found"})
        elif re.fullmatch(r"/api/models/[^/]+/[^/]+(/revision/[^/]+)?", path):
            siblings = [{"rfilename": name} for name in self.files.files]
            self._send_json({"id": "owner/tiny", "modelId": "owner/tiny", "sha": COMMIT, "siblings": siblings})
        elif "/tree/" in path:
            self._send_json([_leaf(name, content) for name, content in self.files.files.items()])
        elif (name := path.split(f"/resolve/{COMMIT}/")[-1].split("/resolve/main/")[-1]) in self.files.files:
            self._send_file(name, with_body=with_body)
        else:
            self._send(404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT})

    def _send(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def _send_json(self, value: object) -> None:
        self._send(200, {"Content-Type": "application/json"}, json.dumps(value).encode())

    def _send_file(self, name: str, *, with_body: bool) -> None:
        content = self.files.files[name]
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range") or "")
        first = int(asked[1]) if asked else 0
        body = content[first:]
        headers = {
            "ETag": f'"{hashlib.sha256(content).hexdigest()}"',
            "X-Repo-Commit": COMMIT,
            "Accept-Ranges": "bytes",
        }
        if asked:
            headers["Content-Range"] = f"bytes {first}-{len(content) - 1}/{len(content)}"
        headers["Content-Length"] = str(len(body))
        if not with_body:
            self._send(200, headers)
            return
        time.sleep(self.files.delay_seconds)
        if self.files.broken and len(content) > 1000:
            self.files.broken -= 1
            body = body[: len(body) // 2]
            self.close_connection = True
        self.files.sent[name] = self.files.sent.get(name, 0) + len(body)
        self._send(206 if asked else 200, headers, body)


def _leaf(name: str, content: bytes) -> dict[str, object]:
    return {"type": "file", "path": name, "size": len(content), "oid": hashlib.sha1(content).hexdigest()}
