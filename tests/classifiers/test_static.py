"""Static embeddings: the sums by hand, and the vectors against an encoder's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from classifiers.errors import BenchError
from classifiers.interface import Message, silent
from classifiers.static import Static, StaticSettings, TokenVectors, rarity
from classifiers.testing import TASK, check_classifier
from classifiers.zero_shot import ZeroShot, ZeroShotSettings

WORDS = {"refund": 0, "order": 1, "lovely": 2, "the": 3}
TOKEN_VECTORS = np.array([[4, 0], [0, 3], [-4, -3], [0, 0]], np.float32)
REFUND, ORDER, FEEDBACK = TASK.label_names


class Given(Static):
    """Its token vectors are given instead of made, and its tokens are words."""

    def _distilled(self, listen: object) -> TokenVectors:
        tokenizer = Tokenizer(WordLevel(WORDS, unk_token="the"))
        tokenizer.pre_tokenizer = Whitespace()
        return TokenVectors(TOKEN_VECTORS, tokenizer)


def fitted(**settings: object) -> Static:
    texts = {"refund the": REFUND, "order the": ORDER, "lovely the": FEEDBACK, "refund": REFUND, "order": ORDER}
    classifier = Given(StaticSettings.model_validate(settings))
    classifier.fit(TASK, [Message(text, text, (label,)) for text, label in texts.items()], ())
    return classifier


def test_common_tokens_count_less() -> None:
    # by Zipf's law the shares of four tokens are as 1/2, 1/3, 1/4 and 1/5, which together are 77/60
    shares = np.array([30, 20, 15, 12]) / 77
    assert rarity(4) == pytest.approx(1e-4 / (1e-4 + shares))


def test_a_message_is_the_sum_of_its_tokens_over_the_root_of_their_number() -> None:
    network = fitted().network
    ids = network.ids(["refund order", "order order order order", ""])
    assert [len(row) for row in ids] == [2, 4, 0]
    assert network.sums(ids) == pytest.approx(np.array([[4 / np.sqrt(2), 3 / np.sqrt(2)], [0, 2 * 3], [0, 0]]))


def test_its_head_learns_and_its_strengths_are_tried() -> None:
    answers = fitted().predict(["refund refund", "order", "lovely"])
    assert [p.labels for p in answers] == [(REFUND,), (ORDER,), (FEEDBACK,)]
    details = fitted().details()
    # four tokens and three labels of two numbers, and three intercepts
    assert details.n_parameters == 4 * 2 + 3 * 2 + 3
    assert {trial.settings["C"] for trial in details.trials} == {0.1, 1.0, 3.0, 10.0, 30.0, 100.0}
    assert fitted(strengths=[5.0]).details().trials == ()


def test_a_saved_one_that_is_damaged_is_refused(tmp_path: Path) -> None:
    classifier = fitted()
    classifier.save(tmp_path)
    again = Static()
    again.load_from(tmp_path, TASK)
    assert [p.probabilities for p in again.predict(["refund"])] == [
        p.probabilities for p in classifier.predict(["refund"])
    ]
    (tmp_path / "tokenizer.json").write_text("{}")
    with pytest.raises(BenchError, match=r"tokenizer\.json cannot be read"):
        Static().load_from(tmp_path, TASK)
    np.save(tmp_path / "tokens.npy", np.zeros((4, 3), np.float32))
    with pytest.raises(BenchError, match="does not hold 4 vectors of width 2"):
        Static().load_from(tmp_path, TASK)


@pytest.fixture
def small_bert(tmp_path: Path) -> Path:
    """A BERT of two layers with random weights that knows some letters and words."""
    from transformers import BertConfig, BertModel, BertTokenizer, set_seed

    folder = tmp_path / "small"
    folder.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", *WORDS]
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizer(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    set_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=64, **sizes)).save_pretrained(folder)
    return folder


def test_every_token_is_embedded_alone_as_the_encoder_embeds_it(small_bert: Path) -> None:
    model = (str(small_bert),)
    texts = ["refund", "order", "the", "lovely"]
    with Static(StaticSettings(model=model)) as static, ZeroShot(ZeroShotSettings(model=model)) as encoder:
        static.load()
        encoder.load()
        tokens = static._distilled(silent)
        assert tokens.table.shape == (10, 16)
        alone = tokens.table / rarity(10)[:, None]
        assert alone.mean(0) == pytest.approx(np.zeros(16), abs=1e-4), "centred before common ones are weighted down"
        differences = encoder.embed(texts[1:]).vectors - encoder.embed(texts[:1]).vectors
        assert alone[[7, 9, 8]] - alone[[6]] == pytest.approx(differences, abs=1e-4)


def test_it_keeps_the_contract_with_a_small_encoder(small_bert: Path) -> None:
    check_classifier(lambda: Static(StaticSettings(model=(str(small_bert),))))
