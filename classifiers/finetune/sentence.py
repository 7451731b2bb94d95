"""A sentence encoder: a transformer and how one vector is made of its tokens' (pooling), always of length 1.

Both are read from and written in the layout of sentence-transformers, so that what is saved here opens there. The
transformer lies in a folder of its own: a folder with its config.json at the top would be opened by transformers as a
text classifier, with a head of random weights and no more than a warning.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn.functional import normalize
from transformers import AutoModel, PreTrainedModel

from classifiers.errors import BenchError
from classifiers.finetune.tokens import BODY, body_folder

POOLING, NORMALIZE = "1_Pooling", "2_Normalize"
MODULES = "modules.json"

Pooling = Literal["mean", "cls", "max"]
ALIKE = {"mean_sqrt_len_tokens": "mean"}
"""Poolings that differ by a factor only, which is gone once a vector has length 1."""
LEGACY = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""How sentence-transformers before version 6 wrote the pooling: a switch each."""


def pooling_of(folder: Path) -> Pooling:
    """Return how the model in a folder pools: as its sentence-transformers config asks for, else by the mean.

    Raises:
        BenchError: if the config is broken, or asks for something else.
    """
    file = folder / POOLING / "config.json"
    if not file.is_file():
        return "mean"
    try:
        values = dict(json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise BenchError(f"{file} is not the config of a pooling ({type(error).__name__})") from error
    modes = values.get("pooling_mode", [name for key, name in LEGACY.items() if values.get(key)]) or "mean"
    name = modes[0] if isinstance(modes, list) and len(modes) == 1 else modes
    for pooling in get_args(Pooling):
        if pooling == ALIKE.get(str(name), name):
            return pooling  # type: ignore[no-any-return]
    raise BenchError(f"{file} asks for the pooling {name}; supported are {', '.join(get_args(Pooling))}")


def sentence_embedding(
    body: PreTrainedModel, input_ids: torch.Tensor, attention_mask: torch.Tensor, pooling: Pooling
) -> torch.Tensor:
    """Return each message's vector of length 1, made of the last hidden states; shape (messages, width)."""
    hidden = body(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state.float()
    mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
    if pooling == "cls":
        vectors = hidden[:, 0]
    elif pooling == "max":
        vectors = hidden.masked_fill(mask == 0, float("-inf")).amax(1)
    else:
        vectors = (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
    return normalize(vectors, dim=-1)


@dataclass(frozen=True, slots=True)
class SentenceEncoder:
    """A transformer without a head, and its pooling."""

    body: PreTrainedModel
    pooling: Pooling

    @classmethod
    def open(cls, folder: Path, reading: dict[str, Any], *, device: torch.device) -> SentenceEncoder:
        """Read a pre-trained model, or what `save` wrote; `reading` is how transformers may read it."""
        auto: Any = AutoModel
        body = auto.from_pretrained(body_folder(folder), dtype="float32", **reading)
        return cls(body.to(device).eval(), pooling_of(folder))

    def save(self, folder: Path) -> None:
        """Write transformer (safetensors) and pooling."""
        config = self.body.config
        labels = config.id2label, config.label2id
        # a config without labels: opened as a classifier, the transformer gives no answer instead of a random one
        config.id2label, config.label2id = {}, {}
        self.body.save_pretrained(folder / BODY)
        config.id2label, config.label2id = labels
        names = {BODY: "Transformer", POOLING: "Pooling", NORMALIZE: "Normalize"}
        for name in names:
            (folder / name).mkdir(exist_ok=True)
        pooled = {"word_embedding_dimension": self.width}
        pooled |= {key: name == self.pooling for key, name in LEGACY.items()}
        (folder / POOLING / "config.json").write_text(json.dumps(pooled, indent=2), encoding="utf-8")
        write_modules(folder, names)

    @property
    def width(self) -> int:
        """Return the length of a vector."""
        return int(self.body.config.hidden_size)

    @property
    def n_parameters(self) -> int:
        """Count all weights."""
        return int(self.body.num_parameters())

    @property
    def device(self) -> str:
        """Return the kind of processor it runs on."""
        return str(self.body.device.type)

    @property
    def precision(self) -> str:
        """Return the precision of the matrix products."""
        return "float32"

    def embed(self, batch: Any) -> NDArray[np.float32]:
        """Return each row's embedding, shape (rows, width)."""
        batch = batch.to(self.body.device)
        with torch.inference_mode():
            embedding = sentence_embedding(self.body, batch["input_ids"], batch["attention_mask"], self.pooling)
        vectors: NDArray[np.float32] = embedding.float().cpu().numpy()
        return vectors


def write_modules(folder: Path, names: dict[str, str]) -> None:
    """Write the list of modules sentence-transformers reads: the type of each folder, in the order they run."""
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (path, kind) in enumerate(names.items())
    ]
    (folder / MODULES).write_text(json.dumps(modules, indent=2), encoding="utf-8")
