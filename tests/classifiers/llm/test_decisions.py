"""Decision models: both wire forms against a server of each documented form, and llama.cpp's own refusal.

The answers are written as TypeSafe's and llama.cpp's pages (`systemone`) and the official client's types (`decisions`)
have them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from pydantic import ValidationError

from classifiers.errors import BenchError
from classifiers.interface import Label, Task
from classifiers.llm.server import Server, ServerSettings

TASK = Task("t", (Label("card_lost", "The card is gone."), Label("refund"), Label("other")), "What is wanted?")
SEVERAL = Task("t", TASK.labels, TASK.instruction, max_labels=2)
FORMS = ("systemone", "decisions")


class Asked(BaseHTTPRequestHandler):
    server: DecisionServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.bodies.append(body)
        self.server.paths.add(self.path)
        text = json.dumps(self.server.respond(body)).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def log_message(self, *_: object) -> None:
        pass


class DecisionServer(ThreadingHTTPServer):
    """Answers questions of either form with given shares of the options, in the form they were asked in."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.url = f"http://127.0.0.1:{self.server_address[1]}/v1"
        self.bodies: list[dict[str, Any]] = []
        self.paths: set[str] = set()
        self.shares: Callable[[str, list[str]], dict[str, float] | float | None] = _first
        self.choice = ""

    def respond(self, body: dict[str, Any]) -> dict[str, Any]:
        usage = {"input_tokens": 40, "output_tokens": 0}
        if "state" in body:
            answers: Any = {name: self.system_one(name, q, body["state"]) for name, q in body["questions"].items()}
        else:
            answers = [self.openai(question, body["input"]) for question in body["questions"]]
        return {"model": body["model"], "answers": answers, "usage": usage}

    def system_one(self, name: str, question: dict[str, Any], text: str) -> dict[str, Any]:
        if question["type"] == "noul":
            share = self.shares(text, [name])
            return {"type": "refusal"} if share is None else {"type": "noul", "noul": share}
        shares = self.shares(text, list(question["criteria"]))
        if shares is None:
            return {"type": "refusal"}
        assert isinstance(shares, dict)
        choice = self.choice or max(shares, key=lambda option: shares[option])
        return {"type": "choice", "choice": choice, "probabilities": shares, "confidence": 0.5}

    def openai(self, question: dict[str, Any], text: str) -> dict[str, Any]:
        kind, name = question["type"], question["name"]
        options = [name] if kind == "predicate" else [choice["value"] for choice in question["choices"]]
        shares = self.shares(text, options)
        if shares is None:
            return {"type": "refusal", "name": name}
        if not isinstance(shares, dict):
            return {"type": "predicate", "name": name, "probability": shares}
        listed = [{"value": value, "probability": share} for value, share in shares.items()]
        choice = self.choice or max(shares, key=lambda option: shares[option])
        return {"type": "choice", "name": name, "choice": choice, "confidence": 0.5, "probabilities": listed}


def _first(text: str, options: list[str]) -> dict[str, float]:
    return {option: float(i == 0) for i, option in enumerate(options)}


@pytest.fixture
def decisions() -> Iterator[DecisionServer]:
    with DecisionServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def make(decisions: DecisionServer, form: str, task: Task = TASK, **settings: object) -> Server:
    values = {"base_url": decisions.url, "answers": "decisions", "decision_form": form, **settings}
    server = Server(ServerSettings.model_validate({"connection_retries": 0, **values}))
    assert server.supports(task) is None
    server.fetch()
    decisions.bodies.clear()
    server.fit(task, (), ())
    return server


@pytest.mark.parametrize("form", FORMS)
def test_choice_has_every_labels_probability_in_order(decisions: DecisionServer, form: str) -> None:
    served = {"a": (0.2, 0.7, 0.1), "b": (0.9, 0.06, 0.04)}
    decisions.shares = lambda text, options: dict(zip(options, served.get(text, (0.5, 0.5)), strict=True))
    first, second = make(decisions, form).predict(["a", "b"])
    assert (first.labels, second.labels) == (("refund",), ("card_lost",))
    assert first.probabilities == pytest.approx({"card_lost": 0.2, "refund": 0.7, "other": 0.1})
    (attempt,) = second.attempts
    assert (attempt.raw, attempt.valid, attempt.prompt_tokens) == ("card_lost", True, 40)
    assert decisions.paths == {f"/v1/{form}"}


def test_questions_are_in_the_documented_forms(decisions: DecisionServer) -> None:
    list(make(decisions, "systemone", model="laya").predict(["hi"]))
    criteria = {"card lost": "The card is gone.", "refund": None, "other": None}
    question = {"type": "choice", "instructions": "What is wanted?", "criteria": criteria}
    assert decisions.bodies == [{"state": "hi", "questions": {"label": question}, "model": "laya"}]
    list(make(decisions, "decisions", model="m", request={"safety_identifier": "x"}).predict(["hi"]))
    choices = [{"value": "card lost", "description": "The card is gone."}, {"value": "refund"}, {"value": "other"}]
    asked = {"name": "label", "type": "choice", "instructions": "What is wanted?", "choices": choices}
    assert decisions.bodies == [{"input": "hi", "questions": [asked], "model": "m", "safety_identifier": "x"}]


@pytest.mark.parametrize("form", FORMS)
def test_several_labels_are_a_yes_no_question_each(decisions: DecisionServer, form: str) -> None:
    yes = {"card lost": 0.8, "refund": 0.5, "other": 0.1}
    decisions.shares = lambda text, options: yes[options[0]] if options[0] in yes else dict.fromkeys(options, 0.5)
    (prediction,) = make(decisions, form, SEVERAL).predict(["hi"])
    assert prediction.labels == ("card_lost", "refund")
    assert prediction.probabilities == {"card_lost": 0.8, "refund": 0.5, "other": 0.1}
    (body,) = decisions.bodies
    questions = body["questions"]
    first = questions["card lost"] if form == "systemone" else questions[0]
    assert first["type"] == {"systemone": "noul", "decisions": "predicate"}[form]
    assert first["instructions"] == 'What is wanted? The label "card lost" applies to the message. The card is gone.'


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("task", [TASK, SEVERAL], ids=["one", "several"])
def test_refusal_is_a_parse_failure(decisions: DecisionServer, form: str, task: Task) -> None:
    server = make(decisions, form, task)
    decisions.shares = lambda text, options: None if options[0] == "card lost" else 0.9
    (prediction,) = server.predict(["hi"])
    assert (prediction.valid, prediction.labels, prediction.probabilities) == (False, (), None)
    assert [(attempt.raw, attempt.valid) for attempt in prediction.attempts] == [("refusal", False)]
    assert server.details().max_attempts == 1


@pytest.mark.parametrize("form", FORMS)
def test_255_options_are_asked_about_and_more_are_not(decisions: DecisionServer, form: str) -> None:
    """Rounded to two digits, 255 probabilities do not add up to 1; they are brought to it."""
    task = Task("t", tuple(Label(f"label {i}") for i in range(255)))
    server = make(decisions, form, task)
    decisions.shares = lambda text, options: {o: 0.3 if i == 7 else 0.0 for i, o in enumerate(options)}
    (prediction,) = server.predict(["hi"])
    assert prediction.labels == ("label 7",)
    assert prediction.probabilities is not None
    assert prediction.probabilities["label 7"] == pytest.approx(1)
    more = Task("t", (*task.labels, Label("one more")))
    assert server.supports(more) == "a decision has at most 255 options, and the task 256 labels; use 'text'"


@pytest.mark.parametrize("form", FORMS)
def test_of_rounded_ties_the_served_choice_comes_first(decisions: DecisionServer, form: str) -> None:
    server = make(decisions, form)
    decisions.choice = "other"
    decisions.shares = lambda text, options: dict(zip(options, (0.1, 0.45, 0.45), strict=True))
    (prediction,) = server.predict(["hi"])
    assert prediction.labels == ("other",)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ({"card lost": 0.0, "refund": 0.0, "other": 0.0}, "add up to 0 in place of 1, so they mean nothing"),
        ({"card lost": 1.0, "refund": 1.0, "other": 1.0}, "add up to 3 in place of 1"),
        ({"card lost": 0.5, "refund": 0.5}, "failed: it sent no decision .its options are not those"),
    ],
)
def test_probabilities_that_are_none_are_refused(
    decisions: DecisionServer, form: str, shares: dict[str, float], words: str
) -> None:
    server = make(decisions, form)
    decisions.shares = lambda text, options: shares
    with pytest.raises(BenchError, match=words):
        list(server.predict(["hi"]))


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("answer", [[], {}, {"answers": None}, {"answers": {}}, {"answers": [{"type": "choice"}]}])
def test_answer_that_is_none_is_one_line_that_names_the_server(
    decisions: DecisionServer, form: str, answer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = make(decisions, form)
    monkeypatch.setattr(decisions, "respond", lambda body: answer)
    with pytest.raises(BenchError, match=f"the server at {decisions.url} failed: it sent no decision") as caught:
        list(server.predict(["hi"]))
    assert "\n" not in str(caught.value)


def test_decisions_take_neither_examples_nor_template() -> None:
    for values in ({"examples_per_label": 2}, {"prompt_template": "short"}):
        with pytest.raises(ValidationError, match="leave out examples_per_label and prompt_template"):
            ServerSettings.model_validate({"base_url": "http://h/v1", "answers": "decisions", **values})
