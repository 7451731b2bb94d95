"""Messages as an encoder reads them: token ids cut to what the model takes, in batches padded as little as can be."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from classifiers.finetune.settings import TrainingSettings

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

R = TypeVar("R")
BATCH = 32
UNLIMITED = 1 << 30

Ids = Sequence[Sequence[int]]
"""Token ids, one sequence per message."""


def token_limit(folder: Path) -> int:
    """Return how many tokens a model has positions for.

    RoBERTa and its kin begin to count after the padding token's number, and so have that many fewer.
    """
    from transformers import AutoConfig

    config: Any = AutoConfig.from_pretrained(folder, trust_remote_code=False)
    most = getattr(config, "max_position_embeddings", None)
    if not isinstance(most, int) or most <= 0:
        return UNLIMITED  # relative positions
    return most - config.pad_token_id - 1 if "roberta" in config.model_type else most


@dataclass(frozen=True, slots=True)
class MessageTokens:
    """A model's tokenizer with the most tokens a message may have: the setting, or less where the model takes less."""

    tokenizer: PreTrainedTokenizerBase
    limit: int
    fixed: bool

    @classmethod
    def open(cls, folder: Path, settings: TrainingSettings) -> MessageTokens:
        """Read the tokenizer of the model in a folder."""
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        limit = min(settings.max_length, int(tokenizer.model_max_length), token_limit(folder))
        return cls(tokenizer, limit, settings.padding == "max_length")

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
        """Return a batch as tensors."""
        return self.tokenizer.pad(
            {"input_ids": list(map(list, ids))},
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
        outputs = (result for batch in self.batches([ids[i] for i in order]) for result in run(batch))
        results = dict(zip(order, outputs, strict=True))
        return [results[i] for i in range(len(ids))]
