"""What is saved opens in the programs people already use, answers alike, and never opens into random weights.

Every form is opened by the code that docs/saved-models.md shows, in a fresh process that cannot import this project,
and answers 200 messages.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import islice, product
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import REPOSITORY
from samples import ask_stranger

from classifiers.encoder.backend import Encoder
from classifiers.encoder.settings import EncoderSettings
from classifiers.errors import BenchError
from classifiers.interface import Classifier, Message, Task
from classifiers.knn import Knn, KnnSettings
from classifiers.linear import Linear
from classifiers.lora.backend import Lora
from classifiers.lora.settings import LoraSettings

pytestmark = pytest.mark.slow
PAGE = REPOSITORY / "docs" / "saved-models.md"
Save = Callable[..., tuple[Path, np.ndarray]]


@pytest.fixture(scope="module")
def texts(messages: list[Message]) -> list[str]:
    return [f"{a.text} {b.text}" for a, b in islice(product(messages, messages), 0, 600, 2)][:200]


@pytest.fixture
def save(tiny_bert: Path, task: Task, messages: list[Message], texts: list[str], tmp_path: Path) -> Save:
    """Fit, save and answer: the folder, and the probabilities of the 200 messages."""

    def saved(make: type[Classifier[Any]] = Encoder, several: bool = False, **settings: Any) -> tuple[Path, np.ndarray]:
        kinds = {Encoder: EncoderSettings, Lora: LoraSettings, Knn: KnnSettings}
        plain = {"model": str(tiny_bert), "device": "cpu"} if make in kinds else {}
        if make is Encoder:
            plain |= {"epochs": 25, "batch_size": 8, "learning_rate": 3e-3, "precision": "float32"}
            plain |= {"freeze_embeddings": False, "best_epoch": False}
        kind = kinds.get(make, make.settings_type)
        classifier = make(kind.model_validate({**plain, **settings}), threads=1)
        classifier.load()
        asked = Task(task.name, task.labels, max_labels=3) if several else task
        classifier.fit(asked, messages, messages[::4])
        folder = tmp_path / "saved"
        folder.mkdir()
        classifier.save(folder)
        rows = [list((p.probabilities or {}).values()) for p in classifier.predict(texts)]
        # neighbours by random weights may have nothing to say of any text; of them only the encoder is compared
        assert make is Knn or np.ptp(rows, axis=0).min() > 0.05, "answers that differ by far more than the tolerance"
        return folder, np.array(rows)

    return saved


def ask(program: str, folder: Path, texts: list[str], *, before: str = "", **given: Any) -> Any:
    """Run the page's first block that names all these words, and return its answers."""
    shown = PAGE.read_text(encoding="utf-8").split("```python\n")[1:]
    code = next(block for block in (b.partition("```")[0] for b in shown) if all(w in block for w in program.split()))
    lines = f"globals().update(given)\n{before}\n{code}\nanswer = answers"
    return ask_stranger(lines, folder, folder=str(folder), texts=texts, **given)


NOT_OPENED = """
from transformers import pipeline as open_with_transformers
for place in folder, folder + "/0_Transformer":
    try:
        got = open_with_transformers("text-classification", model=place)(texts[0])
    except Exception:
        continue
    raise SystemExit(f"{place} answers {got}")
"""


@pytest.mark.parametrize("several", [False, True])
def test_a_softmax_head_opens_in_transformers(save: Save, texts: list[str], task: Task, several: bool) -> None:
    folder, rows = save(head="softmax", several=several)
    answer = ask("text-classification", folder, texts)
    theirs = np.array([[row[name] for name in task.label_names] for row in answer])
    assert np.abs(theirs - rows).max() < 1e-3


@pytest.mark.parametrize("several", [False, True])
def test_a_pooled_head_opens_in_sentence_transformers_and_nowhere_by_chance(
    save: Save, texts: list[str], several: bool
) -> None:
    folder, rows = save(head="probe", several=several)
    theirs = np.array(ask("SentenceTransformer", folder, texts, before=NOT_OPENED))
    assert np.abs(theirs - rows).max() < 1e-3


def test_a_frozen_encoder_opens_in_sentence_transformers_and_its_head_in_skops(save: Save, texts: list[str]) -> None:
    folder, rows = save(head="linear")
    answer = ask("SentenceTransformer skops", folder, texts, before=NOT_OPENED)
    labels = json.loads((folder / "fitted.json").read_text(encoding="utf-8"))["labels"]
    assert np.abs(np.array([[row[name] for name in labels] for row in answer]) - rows).max() < 1e-3


def test_a_linear_pipeline_opens_in_skops(save: Save, texts: list[str], task: Task) -> None:
    folder, rows = save(Linear)
    answer = ask("linear.skops", folder, texts)
    assert np.abs(np.array([[row[name] for name in task.label_names] for row in answer]) - rows).max() < 1e-6


@pytest.mark.parametrize("head", ["softmax", "probe"])
def test_an_export_runs_in_plain_onnxruntime(save: Save, texts: list[str], head: str) -> None:
    """Without torch and transformers: the tokenizer is the file that the library tokenizers reads."""
    folder, rows = save(head=head, runtime="onnx")
    hidden = 'sys.modules.update(dict.fromkeys(("torch", "transformers")))'
    theirs = np.array(ask("onnxruntime", folder, texts, before=hidden))
    assert np.abs(theirs - rows).max() < 1e-3


def test_an_adapter_opens_in_peft(save: Save, texts: list[str], tiny_llama: Path) -> None:
    folder, rows = save(Lora, model=str(tiny_llama), epochs=30, learning_rate=1e-2, rank=4, precision="float32")
    alone = """
from transformers import AutoModelForSequenceClassification as Alone
try:
    Alone.from_pretrained(folder)
except Exception:
    pass
else:
    raise SystemExit("an adapter alone became a classifier")
"""
    theirs = np.array(ask("peft", folder, texts, before=alone, base=str(tiny_llama), n_labels=3))
    assert np.abs(theirs - rows).max() < 1e-3


def test_neighbours_keep_an_encoder_that_is_no_classifier(save: Save, texts: list[str]) -> None:
    folder, _ = save(Knn)
    assert len(ask("SentenceTransformer", folder, texts, before=NOT_OPENED)) == len(texts)


@pytest.mark.parametrize("head", ["probe", "linear"])
def test_a_folder_of_an_older_layout_is_refused_in_one_line(save: Save, task: Task, head: str) -> None:
    folder, _ = save(head=head)
    saved = json.loads((folder / "fitted.json").read_text(encoding="utf-8"))
    del saved["layout"]
    (folder / "fitted.json").write_text(json.dumps(saved), encoding="utf-8")
    with pytest.raises(BenchError, match=r"was saved by another version of this program; run the benchmark again$"):
        Encoder(EncoderSettings(head=head)).load_from(folder, task)
