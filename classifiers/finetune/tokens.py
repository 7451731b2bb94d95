"""Messages as an encoder reads them: token ids cut to what the model takes, in batches padded as little as can be."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from classifiers.errors import BenchError

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

R = TypeVar("R")
BATCH = 32
UNLIMITED = 1 << 30
BODY = "0_Transformer"
"""Where a saved sentence encoder has its transformer and tokenizer, as in sentence-transformers' layout."""

Ids = Sequence[Sequence[int]]
"""Token ids, one sequence per message."""


def body_folder(folder: Path) -> Path:
    """Return where transformer and tokenizer lie: in a folder of their own where a sentence encoder was saved."""
    body = folder / BODY
    return body if body.is_dir() else folder


def token_limit(folder: Path) -> int:
    """Return how many tokens a model has positions for.

    It is the size of the model's own position table, less the rows up to the padding token's number where the table
    has one: RoBERTa, CamemBERT, MPNet and their kin begin to count behind it.
    """
    import torch
    from transformers import AutoConfig, AutoModel

    config: Any = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    auto: Any = AutoModel
    with torch.device("meta"):  # the layers alone, without their weights
        model = auto.from_config(config, trust_remote_code=False)
    for name, table in model.named_modules():
        if name.endswith("position_embeddings") and isinstance(table, torch.nn.Embedding):
            return table.num_embeddings - (0 if table.padding_idx is None else table.padding_idx + 1)
    most = getattr(config, "max_position_embeddings", None)
    return most if isinstance(most, int) and most > 0 else UNLIMITED  # without a table positions are relative


@dataclass(frozen=True, slots=True)
class MessageTokens:
    """A model's tokenizer with the most tokens a message may have: the setting, or less where the model takes less."""

    tokenizer: PreTrainedTokenizerBase
    limit: int
    fixed: bool

    @classmethod
    def open(cls, folder: Path, max_length: int, *, fixed: bool = False) -> MessageTokens:
        """Read the tokenizer of the model in a folder, or the one `save` wrote there.

        Raises:
            BenchError: if it has no padding token, without which messages cannot be put into one batch.
        """
        from transformers import AutoTokenizer

        body = body_folder(folder)
        tokenizer = AutoTokenizer.from_pretrained(body, trust_remote_code=False)
        if tokenizer.pad_token is None:
            raise BenchError(f"the tokenizer in {body} has no padding token; add pad_token to tokenizer_config.json")
        limit = min(max_length, int(tokenizer.model_max_length), token_limit(body))
        return cls(tokenizer, limit, fixed)

    def save(self, folder: Path) -> None:
        """Write the tokenizer beside the model that was saved in a folder, with its limit where others look for it."""
        body = body_folder(folder)
        self.tokenizer.save_pretrained(body)
        if body != folder:
            limit = json.dumps({"max_seq_length": self.limit, "do_lower_case": False})
            (body / "sentence_bert_config.json").write_text(limit, encoding="utf-8")

    def ids(self, texts: Sequence[str]) -> tuple[list[list[int]], list[bool]]:
        """Return each text's token ids, and whether its end was cut off."""
        if not texts:
            return [], []
        ids: list[list[int]] = self.tokenizer(list(texts), truncation=False, verbose=False)["input_ids"]
        is_cut = [len(message_ids) > self.limit for message_ids in ids]
        for i, text in enumerate(texts):
            if is_cut[i]:  # by the tokenizer itself, since it knows where its special tokens go
                ids[i] = self.tokenizer(text, truncation=True, max_length=self.limit)["input_ids"]
        return ids, is_cut

    def padded(self, ids: Ids) -> Any:
        """Return a batch as tensors; a message without any token becomes a padding token, so that it can be read."""
        return self.tokenizer.pad(
            {"input_ids": [list(message_ids) or [self.tokenizer.pad_token_id] for message_ids in ids]},
            padding="max_length" if self.fixed else "longest",
            max_length=self.limit if self.fixed else None,
            return_tensors="pt",
        )

    def batches(self, ids: Ids) -> Iterator[Any]:
        """Return batches as tensors, one at a time, in the given order."""
        return (self.padded(ids[start : start + BATCH]) for start in range(0, len(ids), BATCH))

    def run_by_length(self, ids: Ids, run: Callable[[Any], Iterable[R]]) -> list[R]:
        """Run batches of messages of like length, which need little padding, and give results in the given order.

        The longest come first: what they leave free in memory is room for the shorter, while growing ones find none.
        """
        order = sorted(range(len(ids)), key=lambda i: -len(ids[i]))
        ordered = (result for batch in self.batches([ids[i] for i in order]) for result in run(batch))
        results = dict(zip(order, ordered, strict=True))
        return [results[i] for i in range(len(ids))]
