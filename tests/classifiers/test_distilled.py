"""A student learns from its teacher's answers alone: the labels of the messages play no part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bench.measure.limits import usable_cores
from classifiers.distilled import Distilled, DistilledSettings, _divided
from classifiers.errors import BenchError
from classifiers.interface import Message, ModelFile, Prediction, Task
from classifiers.testing import check_classifier

TEACHER = '''
import json
from pathlib import Path

from classifiers.interface import Classifier, Prediction, Settings

WORDS = {"Refund Request": ("refund", "money", "back", "return"), "Order Inquiry": ("?", "order", "deliver", "parcel")}


class Rules(Classifier[Settings]):
    """Knows some words; the labels it was given to learn from are kept for the test."""

    def fit(self, task, train, validation, *, listen=None):
        Path(__file__).with_name("seen.json").write_text(json.dumps([m.labels for m in (*train, *validation)]))
        self.task = task

    def predict(self, texts):
        for text in texts:
            counts = [sum(word in text for word in WORDS.get(name, ())) for name in self.task.label_names]
            best = counts.index(max(counts)) if max(counts) else len(counts) - 1
            p = 0.9 if max(counts) else 0.5
            rest = (1 - p) / (len(counts) - 1)
            probabilities = {name: p if i == best else rest for i, name in enumerate(self.task.label_names)}
            yield Prediction((self.task.label_names[best],), probabilities=probabilities)
'''


@pytest.fixture
def settings(tmp_path: Path, minilm: Path) -> dict[str, Any]:
    file = tmp_path / "rules.py"
    file.write_text(TEACHER)
    student = {"model": str(minilm), "epochs": 6, "batch_size": 8, "learning_rate": 3e-4}
    return {"teacher": {"backend": f"{file}:Rules"}, "student": student}


def make(settings: dict[str, Any], **more: Any) -> Distilled:
    return Distilled(DistilledSettings.model_validate(settings | more), threads=usable_cores())


def test_it_keeps_the_contract(settings: dict[str, Any]) -> None:
    settings["student"]["epochs"] = 1
    check_classifier(lambda: make(settings))


@pytest.mark.parametrize(
    ("groups", "held_out"),
    [
        ([""] * 25, [9, 19]),
        ([str(i) for i in range(25)], [9, 19]),
        ([str(i // 2) for i in range(24)], [18, 19]),  # the tenth of twelve groups
        (["a", "b"] * 10, []),
    ],
)
def test_whole_groups_are_held_out_to_choose_the_epoch_by(groups: list[str], held_out: list[int]) -> None:
    messages = [Message(str(i), "x", ("a",), group=group) for i, group in enumerate(groups)]
    kept, others = _divided(messages)
    assert others == held_out
    assert sorted([*kept, *others]) == list(range(len(groups)))


def test_wrong_labels_change_nothing(
    settings: dict[str, Any], task: Task, messages: list[Message], tmp_path: Path
) -> None:
    """Trained on labels turned round, it answers as the teacher does and not as the labels say."""
    names = list(task.label_names)
    turned = [Message(m.id, m.text, (names[(names.index(m.label) + 1) % 3],)) for m in messages]
    with make(settings) as distilled:
        assert distilled.supports(task) is None
        distilled.load()
        distilled.fit(task, turned, turned)
        answers = [p.labels[0] for p in distilled.predict([m.text for m in messages])]
        assert json.loads((tmp_path / "seen.json").read_text()) == [[]] * len(messages), "it is told no labels"
        teacher = distilled._teacher()
        teacher.fit(task, (), ())
        taught = [p.labels[0] for p in teacher.predict([m.text for m in messages])]
        assert distilled.details().n_labelled == 0
        assert distilled.details().metadata["taught"] == len(messages)
    agree = np.mean([a == b for a, b in zip(answers, taught, strict=True)])
    assert agree >= 0.8
    assert agree > np.mean([a == m.label for a, m in zip(answers, turned, strict=True)]) + 0.4


def test_a_student_that_was_read_again_names_its_teacher(
    settings: dict[str, Any], task: Task, messages: list[Message], tmp_path: Path
) -> None:
    files = (ModelFile("teacher.gguf", "ab" * 32, 7),)

    class Named(Distilled):
        """Its teacher has a model file."""

        def _ask_teacher(self, task: Task, messages: Any, listen: Any) -> Any:
            return super()._ask_teacher(task, messages, listen)[0], files

    settings["student"]["epochs"] = 1
    folder = tmp_path / "saved"
    folder.mkdir()
    with Named(DistilledSettings.model_validate(settings | {"messages": 20}), threads=usable_cores()) as distilled:
        distilled.load()
        distilled.fit(task, messages, ())
        details = distilled.details()
        distilled.save(folder)
    assert details.metadata["teacher teacher.gguf"] == "ab" * 32
    assert (details.metadata["taught"], details.metadata["learnt"]) == (20, 20)
    with make(settings) as again:
        again.load_from(folder, task)
        assert again.details() == details


def test_the_surest_are_learnt_and_targets_are_evened(settings: dict[str, Any], task: Task) -> None:
    names = task.label_names

    def answer(p: float, valid: bool = True) -> Prediction:
        rest = (1 - p) / 2
        return Prediction(names[:1] if valid else (), valid, dict(zip(names, (p, rest, rest), strict=True)))

    answers = [answer(0.9), answer(0.5), answer(0.8), answer(0.7), answer(0.99, valid=False)]
    assert make(settings)._surest(answers) == [0, 1, 2, 3]
    assert make(settings, surest=0.5)._surest(answers) == [0, 2]
    hard = make(settings, soft=False)._targets(task, answers[:1])
    assert hard is None
    plain = make(settings)._targets(task, answers[:1])
    assert plain == pytest.approx(np.array([[0.9, 0.05, 0.05]]))
    evened = make(settings, temperature=2.0)._targets(task, answers[:1])
    roots = np.sqrt([0.9, 0.05, 0.05])
    assert evened == pytest.approx((roots / roots.sum())[None])


def test_a_teacher_that_needs_labels_or_says_one_thing_only_is_refused(
    settings: dict[str, Any], task: Task, messages: list[Message]
) -> None:
    shown = {"teacher": {"backend": "llama_cpp", "examples": "fixed"}}
    assert "leave out examples" in str(make(settings, **shown).supports(task))
    with pytest.raises(BenchError, match="did you mean 'mode'"):
        make(settings, teacher={"backend": "llama_cpp", "mod": "score"})
    with make(settings) as distilled:
        distilled.load()
        with pytest.raises(BenchError, match="one label or none"):
            distilled.fit(task, messages[:8], ())
