"""The server backend against a real server: llama.cpp's own with SmolLM2-135M, killed and restarted."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from llama_server import LlamaServer

from bench.cli import main
from bench.measure.limits import usable_cores
from bench.records.store import RunFolder
from classifiers.errors import BenchError
from classifiers.interface import Message, Task
from classifiers.llm.server import Server, ServerSettings

KEY = "sk-secret-0123456789"


@pytest.fixture(scope="module")
def running(smollm: Path) -> Iterator[LlamaServer]:
    with LlamaServer(smollm, context=2048, threads=usable_cores()) as server:
        yield server


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def make(url: str, task: Task, messages: list[Message], **settings: object) -> Server:
    values = {"max_tokens": 16, "temperatures": (0.0, 0.5), **settings}
    server = Server(ServerSettings.model_validate({"base_url": url, **values}))
    server.fetch()
    server.fit(task, messages, ())
    return server


def test_free_text_answers_come_in_order_with_their_attempts(
    running: LlamaServer, task: Task, messages: list[Message]
) -> None:
    server = make(running.url, task, messages, examples_per_label=2)
    texts = [m.text for m in messages[::6]]
    predictions = list(server.predict(texts))
    assert len(predictions) == len(texts)
    for prediction in predictions:
        assert 1 <= len(prediction.attempts) <= 2
        assert prediction.valid == prediction.attempts[-1].valid
        assert prediction.attempts[0].prompt_tokens > 50
    alone = [next(iter(server.predict([text]))) for text in texts]
    assert [p.attempts[0].raw for p in alone] == [p.attempts[0].raw for p in predictions], "no answer is shifted"


@pytest.mark.parametrize("form", ["json_schema", "json_object"])
def test_schema_makes_every_answer_valid(running: LlamaServer, task: Task, messages: list[Message], form: str) -> None:
    server = make(running.url, task, messages, answers="json", schema_form=form, max_tokens=32)
    predictions = list(server.predict([m.text for m in messages[::6]]))
    assert all(p.valid and len(p.attempts) == 1 for p in predictions)


def test_schema_that_a_server_drops_is_noticed(
    running: LlamaServer, task: Task, messages: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A form that leaves answers free stands for a server that drops the schema without a word."""
    monkeypatch.setattr(Server, "_schema", lambda self: {"type": "text"})
    server = make(running.url, task, messages, answers="json")
    with pytest.raises(BenchError, match="does not hold answers to the schema"):
        list(server.predict(["where is my parcel?"]))


def test_schema_that_a_server_refuses_is_one_line(
    running: LlamaServer, task: Task, messages: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Server, "_schema", lambda self: {"type": "yaml"})
    server = make(running.url, task, messages, answers="json", connection_retries=0)
    with pytest.raises(BenchError, match=r"failed: Error code: 400 - .*response_format"):
        list(server.predict(["where is my parcel?"]))


def test_model_without_a_decision_head_is_refused_in_the_servers_words(running: LlamaServer) -> None:
    for form, words in (("systemone", "Error code: .*decision"), ("decisions", "Error code: 404")):
        server = Server(ServerSettings(base_url=running.url, answers="decisions", decision_form=form))
        with pytest.raises(BenchError, match=f"the server at {running.url} failed: {words}") as caught:
            server.fetch()
        assert "\n" not in str(caught.value)


def test_first_token_gives_probabilities(running: LlamaServer, task: Task, messages: list[Message]) -> None:
    server = make(running.url, task, messages, answers="logprobs", examples_per_label=2)
    (prediction,) = server.predict(["I want my money back"])
    assert prediction.probabilities is not None
    assert set(prediction.probabilities) == set(task.label_names)
    assert sum(prediction.probabilities.values()) == pytest.approx(1)


def test_server_that_is_not_there_is_one_line_without_the_key() -> None:
    server = Server(ServerSettings(base_url="http://127.0.0.1:9/v1"))
    with pytest.raises(BenchError, match=r"the server at http://127.0.0.1:9/v1 failed") as caught:
        server.fetch()
    assert KEY not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_run_whose_server_is_not_there_ends_before_any_row_runs(
    tmp_path: Path, data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config = tmp_path / "c.toml"
    config.write_text(
        f'[data]\npath = "{data_folder}"\n[classifiers.linear]\n[classifiers.decider]\nbackend = "server"\n'
        'base_url = "http://127.0.0.1:9/v1"\nanswers = "decisions"\n[classifiers.majority]\n'
    )
    assert main(["--results", str(tmp_path / "r"), "run", str(config)]) == 2
    assert "the server at http://127.0.0.1:9/v1 failed: Connection error" in capsys.readouterr().err
    assert not (tmp_path / "r").exists(), "nothing was run and nothing written"


def test_run_outlives_a_server_that_is_killed_and_restarted(
    smollm: Path, tmp_path: Path, data_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every message is answered once, in order, and the key stands in no file the run wrote."""
    results = tmp_path / "r"
    with LlamaServer(smollm, context=2048, threads=usable_cores()) as server:
        config = tmp_path / "c.toml"
        config.write_text(
            f'latency_messages = 2\n[data]\npath = "{data_folder}"\n[split]\ntest = 0.6\n[classifiers.server]\n'
            f'base_url = "{server.url}"\nmax_tokens = 8\ntemperatures = [0.0, 0.5]\nconcurrency = 2\n'
        )
        killed = threading.Event()

        def strike() -> None:
            while not list(results.glob("*/server/log.txt")):
                time.sleep(0.05)
            time.sleep(2)
            server.kill()
            killed.set()
            server.start()

        striker = threading.Thread(target=strike)
        striker.start()
        code = main(["--results", str(results), "run", str(config)])
        striker.join()
    assert killed.is_set()
    assert code == 0, capsys.readouterr().out
    (file,) = results.glob("*/run.json")
    run = RunFolder(file.parent)
    test_ids = [line.id for line in run.messages.read() if line.part == "test"]
    assert [record.id for record in run.cell("server").predictions.read()] == test_ids
    for path in run.path.rglob("*"):
        assert path.is_dir() or KEY.encode() not in path.read_bytes()
