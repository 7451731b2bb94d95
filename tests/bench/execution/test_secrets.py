"""A key that is given to a run stands in no file it writes and in no line it prints."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from bench.cli import main
from bench.records.store import RunFolder

pytestmark = pytest.mark.slow

KEY = "sk-secret-0123456789-abcdefghij"


class Leaky(BaseHTTPRequestHandler):
    """A server that says what it was sent: below /refuse it answers the first question alone, below /deny none."""

    asked: ClassVar[set[str]] = set()

    def do_GET(self) -> None:
        if self.path.startswith("/deny"):
            self._refuse()
        else:
            self._send(200, {"object": "list", "data": []})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        is_first = self.path not in self.asked
        self.asked.add(self.path)
        if self.path.startswith("/deny") or (self.path.startswith("/refuse") and not is_first):
            self._refuse()
            return
        message = {"role": "assistant", "content": "Refund Request"}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        self._send(200, {"id": "1", "object": "chat.completion", "choices": [choice]})

    def _refuse(self) -> None:
        said = self.headers["Authorization"]
        text = f"Incorrect API key: {said} {'x' * 200} {said}"  # an error text that is cut may be cut in the key
        self._send(401, {"error": {"message": text, "headers": dict(self.headers)}})

    def _send(self, status: int, body: object) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.send_header("X-Seen", self.headers["Authorization"])
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    Leaky.asked.clear()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Leaky)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def run_rows(tmp_path: Path, data_folder: Path, rows: dict[str, str]) -> int:
    """Run `server` rows by name and address."""
    config = tmp_path / "c.toml"
    tables = (
        f'[classifiers.{n}]\nbackend = "server"\nbase_url = "{u}"\nconnection_retries = 0\n' for n, u in rows.items()
    )
    config.write_text(f'latency_messages = 2\n[data]\npath = "{data_folder}"\n[split]\ntest = 0.6\n' + "".join(tables))
    return main(["--results", str(tmp_path / "r"), "run", str(config)])


def test_no_file_of_a_run_and_no_line_it_prints_holds_the_key(
    url: str, tmp_path: Path, data_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    code = run_rows(tmp_path, data_folder, {"works": f"{url}/work", "refused": f"{url}/refuse"})
    printed = "".join("".join(capfd.readouterr()).split())  # a line that is folded could hide half of a key
    assert code == 1
    assert "Errorcode:401" in printed
    (run,) = (file.parent for file in (tmp_path / "r").glob("*/run.json"))
    assert RunFolder(run).cell("works").predictions.read()[0].predicted == ("Refund Request",)
    files = [path for path in run.rglob("*") if path.is_file()]
    assert {"report.html", "report.md", "scores.json", "log.txt", "cell.json"} <= {file.name for file in files}
    for part in (KEY, KEY[:12], KEY[-12:]):
        assert part not in printed
        assert [file.name for file in files if part.encode() in file.read_bytes()] == []


def test_a_server_that_refuses_the_key_is_one_line_without_it(
    url: str, tmp_path: Path, data_folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert run_rows(tmp_path, data_folder, {"denied": f"{url}/deny"}) == 2
    printed = "".join(capfd.readouterr())
    assert "401" in printed
    assert KEY[:12] not in printed
    assert not list((tmp_path / "r").rglob("*.json"))
