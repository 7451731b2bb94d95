"""The server backend against a server that fails in every way: each fault once and mended, and each without end."""

from __future__ import annotations

import json
import math
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from pydantic import ValidationError

from bench.analysis.cost import machine_gb
from bench.analysis.resources import Resources
from bench.cli import main
from bench.records.store import RunFolder
from classifiers.errors import BenchError
from classifiers.interface import Label, Message, Task
from classifiers.llm.server import Server, ServerSettings

pytestmark = pytest.mark.slow

KEY = "sk-secret-0123456789"
TIMEOUT = 0.5


class Asked(BaseHTTPRequestHandler):
    """One request; a fault is a function of it."""

    server: FaultyServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.send(404, "not found", "text/plain")

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        self.server.clients.add(self.client_address)
        if "word yes" in body["messages"][-1]["content"]:
            self.server.probe(self)
        else:
            self.server.answer(self, body["messages"])

    def send(self, status: int, text: str, kind: str = "application/json", cut: int = 0, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(text) + cut), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(text.encode())
        self.close_connection |= cut > 0

    def complete(self, text: object, logprobs: dict[str, float] | None = None) -> None:
        usage = {"prompt_tokens": 7, "completion_tokens": 2, "total_tokens": 9}
        choice: dict[str, object] = {"index": 0, "finish_reason": "stop"}
        choice["message"] = {"role": "assistant", "content": text}
        if logprobs is not None:
            top = [{"token": token, "logprob": p, "bytes": None} for token, p in logprobs.items()]
            choice["logprobs"] = {"content": [{**top[0], "top_logprobs": top}]}
        self.send(200, json.dumps({"id": "1", "object": "chat.completion", "choices": [choice], "usage": usage}))

    def reset(self) -> None:
        """Close the connection so that the client sees a reset, not an end."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()

    def echo(self) -> None:
        """Fail with what servers in debug mode show: the request, key and all, far into a long text."""
        text = "x" * 230 + self.headers["Authorization"] + "\ntraceback:\n..."
        self.send(500, json.dumps({"error": {"message": text}}))

    def log_message(self, *_: object) -> None:
        pass

    def finish(self) -> None:
        with suppress(OSError, ValueError):  # the client has gone, or this side was reset
            super().finish()


Fault = Callable[[Asked], None]
FAULTS: dict[str, tuple[Fault, str]] = {
    "time-out": (lambda asked: time.sleep(2 * TIMEOUT), "timed out"),
    "too many requests": (lambda asked: asked.send(429, '{"error": "slow down"}', Retry_After="1"), "429"),
    "internal error": (lambda asked: asked.send(500, '{"error": "oops"}'), "500"),
    "bad gateway": (lambda asked: asked.send(502, "<html>\nnginx\n</html>", "text/html"), "502"),
    "echo of the request": (Asked.echo, r"500.*\*\*\*"),
    "reset": (Asked.reset, "Connection error|Request timed out"),
    "cut answer": (lambda asked: asked.send(200, '{"choices": [', cut=500), "Connection error"),
    "page in place of JSON": (
        lambda asked: asked.send(200, "<html>\nlog in</html>", "text/html"),
        "no chat completion",
    ),
    "broken JSON": (lambda asked: asked.send(200, '{"choices": [{]'), "Expecting|no chat completion"),
    "bytes": (lambda asked: asked.send(200, "\x00\x01\x7f"), "Expecting|no chat completion"),
    "error with status 200": (lambda asked: asked.send(200, '{"error": {"code": 500}}'), "no chat completion"),
    "no choices": (lambda asked: asked.send(200, '{"choices": []}'), "no chat completion"),
    "empty choice": (lambda asked: asked.send(200, '{"choices": [{}]}'), "no chat completion"),
    "list": (lambda asked: asked.send(200, "[]"), "no chat completion"),
    "nothing": (lambda asked: asked.send(200, ""), "Expecting|no chat completion"),
}


class FaultyServer(ThreadingHTTPServer):
    """Answers each message's own label once its faults are used up, and writes down when it was asked what."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"
        self.labels: dict[str, str] = {}
        self.faults: dict[str, list[Fault]] = {}
        self.always: Fault | None = None
        self.probe: Fault = lambda asked: asked.complete("yes")
        self.bodies: list[dict[str, object]] = []
        self.clients: set[object] = set()
        self.times: dict[str, list[float]] = {}
        self.guard = threading.Lock()

    def answer(self, asked: Asked, turns: list[dict[str, str]]) -> None:
        text = next(text for turn in turns for text in self.labels if text in turn["content"])
        with self.guard:
            self.times.setdefault(text, []).append(time.monotonic())
            faults = self.faults.get(text, [])
            fault = self.always or (faults.pop(0) if faults else None)
        if fault:
            fault(asked)
        else:
            asked.complete(self.labels[text])

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that gave up waiting


@pytest.fixture
def faulty() -> Iterator[FaultyServer]:
    with FaultyServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def make(faulty: FaultyServer, task: Task, **settings: object) -> Server:
    values = {"base_url": faulty.url, "timeout_seconds": TIMEOUT, "temperatures": (0.0, 0.5), **settings}
    server = Server(ServerSettings.model_validate(values))
    server.fetch()
    server.fit(task, (), ())
    return server


def test_every_fault_is_outlived_and_no_answer_is_lost_or_shifted(
    faulty: FaultyServer, task: Task, messages: list[Message]
) -> None:
    asked = messages[: len(FAULTS) + 1]
    faulty.labels = {message.text: message.label for message in asked}
    faulty.faults = {m.text: [fault] for m, (fault, _) in zip(asked, FAULTS.values(), strict=False)}
    server = make(faulty, task, concurrency=4, connection_retries=3)
    predictions = list(server.predict([message.text for message in asked]))
    assert [prediction.labels for prediction in predictions] == [message.labels for message in asked]
    for message, prediction in zip(asked, predictions, strict=True):
        (attempt,) = prediction.attempts
        assert (attempt.raw, attempt.prompt_tokens, attempt.completion_tokens) == (message.label, 7, 2)
    assert [len(faulty.times[message.text]) for message in asked] == [2] * len(FAULTS) + [1]
    waited = {name: b - a for name, (a, b) in zip(FAULTS, (faulty.times[m.text] for m in asked[:-1]), strict=True)}
    assert waited["too many requests"] >= 0.95, "it waits as long as it is told to"
    assert min(waited.values()) > 0.3, "it never asks again at once"


@pytest.mark.parametrize("name", ["internal error", "page in place of JSON"])
def test_pauses_grow(name: str, faulty: FaultyServer, task: Task) -> None:
    faulty.labels = {"hello": task.label_names[0]}
    faulty.faults = {"hello": [FAULTS[name][0]] * 2}
    (prediction,) = make(faulty, task).predict(["hello"])
    assert prediction.valid
    first, second, third = faulty.times["hello"]
    assert second - first > 0.3
    assert third - second > 0.7


@pytest.mark.parametrize("name", FAULTS)
def test_fault_without_end_is_one_line_without_the_key(name: str, faulty: FaultyServer, task: Task) -> None:
    faulty.labels = {"hello": task.label_names[0]}
    faulty.always, words = FAULTS[name]
    server = make(faulty, task, connection_retries=1)
    with pytest.raises(BenchError, match=f"the server at {faulty.url} failed: .*({words})") as caught:
        list(server.predict(["hello"]))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400
    assert KEY[:8] not in str(caught.value)
    assert len(faulty.times["hello"]) == 2


def test_answers_that_are_no_label_are_attempts_and_faults_between_them_are_not(
    faulty: FaultyServer, task: Task
) -> None:
    fault = FAULTS["internal error"][0]
    faulty.labels = {"hello": task.label_names[1]}
    faulty.faults = {"hello": [lambda asked: asked.complete("no idea \ud800"), fault]}
    (prediction,) = make(faulty, task).predict(["hello"])
    assert [(attempt.raw, attempt.valid) for attempt in prediction.attempts] == [
        ("no idea ?", False),
        (task.label_names[1], True),
    ]


def test_one_chat_request_says_whether_a_server_will_do(faulty: FaultyServer, task: Task) -> None:
    """It may have no /models: this one answers 404 there."""
    make(faulty, task)
    assert len(faulty.bodies) == 1
    faulty.probe = lambda asked: asked.send(200, "{[")
    with pytest.raises(BenchError, match=f"the server at {faulty.url} failed: "):
        make(faulty, task)


def test_a_refusal_is_said_in_the_servers_own_words(faulty: FaultyServer, task: Task) -> None:
    detail = [{"type": "extra", "input": "x" * 500, "loc": ["body", "seed"], "msg": "seed is not permitted"}]
    faulty.probe = lambda asked: asked.send(422, json.dumps({"detail": detail}))
    with pytest.raises(BenchError, match=r"failed: Error code: 422 - body\.seed: seed is not permitted$"):
        make(faulty, task)


def test_parameters_can_be_added_replaced_and_left_out(faulty: FaultyServer, task: Task) -> None:
    faulty.labels = {"hello": task.label_names[0]}
    request = {"max_completion_tokens": 64, "reasoning_effort": "low"}
    list(make(faulty, task, request=request, leave_out=["temperature", "seed"]).predict(["hello"]))
    for body in faulty.bodies:
        assert {name: value for name, value in body.items() if name != "messages"} == {"model": "default", **request}
    list(make(faulty, task).predict(["hello"]))
    assert {"max_tokens", "temperature", "seed"} <= set(faulty.bodies[-1])


def test_content_in_parts_is_joined(faulty: FaultyServer, task: Task) -> None:
    first, second = task.label_names[0].split()
    parts = [{"type": "text", "text": first}, {"type": "text", "text": f" {second}"}]
    faulty.labels = {"hello": ""}
    faulty.always = lambda asked: asked.complete(parts)
    (prediction,) = make(faulty, task).predict(["hello"])
    assert prediction.labels == (task.label_names[0],)


def test_one_connection_serves_all_calls(faulty: FaultyServer, task: Task) -> None:
    faulty.labels = {"hello": task.label_names[0]}
    with make(faulty, task, concurrency=1) as server:
        server.load()
        faulty.clients.clear()
        for _ in range(3):
            assert next(iter(server.predict(["hello"]))).valid
        assert len(faulty.clients) == 1
    assert server._client is None


# labels: Refund Request, Order Inquiry, General Feedback and, beginning as the first does, Return
FOUR = Task("t", (Label("Refund"), Label("Return"), Label("Order"), Label("Praise")))


@pytest.mark.parametrize(
    ("top", "expected"),
    [
        ({"Refund": 0.5, "Order": 0.25}, (2 / 3, 0, 1 / 3, 0)),
        ({"Refund": 0.5, "Order": 0.44, "R": 0.02}, (0.51 / 0.96, 0.01 / 0.96, 0.44 / 0.96, 0)),
        ({"Order": 0.5, "Re": 0.4}, None),
        ({"Hm": 0.9}, None),
    ],
)
def test_first_tokens_are_shared_out_among_the_labels_they_begin(
    faulty: FaultyServer, top: dict[str, float], expected: tuple[float, ...] | None
) -> None:
    """By hand: an unlikely "R" gives half its 2 % to Refund, half to Return; a likely "Re" says nothing of either."""
    faulty.labels = {"hello": ""}
    faulty.always = lambda asked: asked.complete("Order", {t: math.log(p) for t, p in top.items()})
    (prediction,) = make(faulty, FOUR, answers="logprobs").predict(["hello"])
    assert prediction.labels == ("Order",)
    if expected is None:
        assert prediction.probabilities is None
    else:
        assert prediction.probabilities == pytest.approx(dict(zip(FOUR.label_names, expected, strict=True)))


def test_log_probabilities_that_are_all_0_are_refused(faulty: FaultyServer, task: Task) -> None:
    faulty.labels = {"hello": ""}
    faulty.always = lambda asked: asked.complete("Order", {"Order": 0.0, "Refund": 0.0})
    with pytest.raises(BenchError, match="add up to more than 1"):
        list(make(faulty, task, answers="logprobs").predict(["hello"]))


@pytest.mark.parametrize(
    ("url", "words"),
    [(f"http://me:{KEY}@127.0.0.1:9/v1", "no user name or password"), ("http://host:port/v1", "Port")],
)
def test_address_with_a_key_or_without_a_port_is_refused(url: str, words: str) -> None:
    """A run keeps its config: a key in the address would stand in run.json."""
    with pytest.raises(ValidationError, match=words):
        ServerSettings(base_url=url)


def test_key_stands_in_no_file_of_a_run_whose_server_shows_it(
    faulty: FaultyServer, tmp_path: Path, data_folder: Path, messages: list[Message], capsys: pytest.CaptureFixture[str]
) -> None:
    faulty.labels = {message.text: message.label for message in messages}
    faulty.faults = {message.text: [Asked.echo] for message in messages[::3]}
    config = tmp_path / "c.toml"
    rows = "".join(
        f'[classifiers.{name}]\nbackend = "server"\nbase_url = "{faulty.url}"\nconnection_retries = {retries}\n'
        for name, retries in (("impatient", 0), ("patient", 3))
    )
    config.write_text(f'latency_messages = 2\n[data]\npath = "{data_folder}"\n[split]\ntest = 0.6\n{rows}')
    assert main(["--results", str(tmp_path / "r"), "run", str(config)]) == 1
    (file,) = (tmp_path / "r").glob("*/run.json")
    run = RunFolder(file.parent)
    (impatient, _), (patient, folder) = run.cells()
    assert (impatient.status, patient.status) == ("failed", "ok")
    assert impatient.cause is not None
    assert "***" in impatient.cause
    memory = patient.peak_memory_bytes, patient.predict_memory_bytes, machine_gb(Resources.of(patient))
    assert memory == (None, None, None), "the client's memory is not what the served model needs"
    assert patient.latency_ms is not None
    test_ids = [line.id for line in run.messages.read() if line.part == "test"]
    records = folder.predictions.read()
    assert [record.id for record in records] == test_ids
    assert all(record.is_right for record in records)
    shown = capsys.readouterr()
    assert KEY[:8] not in shown.out + shown.err
    for path in tmp_path.rglob("*"):
        assert path.is_dir() or KEY[:8].encode() not in path.read_bytes(), path
