"""Tune an encoder's sentence embeddings on pairs of messages, as SetFit does, before a linear head is fitted on them.

Embeddings of two messages of one label are drawn together and those of two labels pushed apart (Tunstall et al.
2022, arXiv 2209.11055). From few labels many pairs can be made, which is why it is strong where labels are few. The
library `setfit` draws the pairs and sentence-transformers trains on them: setfit's own trainer would choose the device
itself, whatever the settings say. The head is the one that `head = "linear"` has.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback

from classifiers.encoder.settings import EncoderSettings
from classifiers.errors import BenchError
from classifiers.finetune.device import training_options
from classifiers.finetune.sentence import Pooling, SentenceEncoder, pooling_of
from classifiers.interface import Listener, Message, Progress

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

MAX_MESSAGES = 2000
"""From how many messages pairs are drawn: setfit first lists every possible pair, 2 million of them here."""


def tune_embeddings(
    folder: Path,
    messages: Sequence[Message],
    settings: EncoderSettings,
    *,
    device: torch.device,
    seed: int,
    listen: Listener,
) -> SentenceEncoder:
    """Return the encoder in `folder`, trained on `pairs_per_message` pairs for every message.

    Raises:
        BenchError: if setfit is not installed, or fewer than two labels have a message.
    """
    draw_pairs = _sampler()
    if len({message.label for message in messages}) < 2:
        raise BenchError('head = "setfit" needs training messages of two labels or more; use head = "linear"')
    if len(messages) > MAX_MESSAGES:
        messages = random.Random(seed).sample(list(messages), MAX_MESSAGES)
    pooling = pooling_of(folder)
    body = _sentence_encoder(folder, pooling, settings, device)
    tuned: PreTrainedModel = body[0].auto_model
    if settings.freezes_embeddings_for(tuned.config.hidden_size):
        tuned.get_input_embeddings().requires_grad_(False)  # type: ignore[no-untyped-call]
    steps = math.ceil(len(messages) * settings.pairs_per_message / settings.batch_size)
    texts, labels = [m.text for m in messages], [m.label for m in messages]
    pairs = draw_pairs(texts, labels, multilabel=False, max_pairs=steps * settings.batch_size)
    with TemporaryDirectory(prefix="bench-pairs-") as checkpoints:
        trainer = _trainer(body, _arguments(checkpoints, settings, steps, device=device, seed=seed))
        trainer.add_callback(_Teller(listen))
        trainer.train_dataset = _dataset(pairs)  # given to the constructor, it would look for examples for a model card
        trainer.train()
    return SentenceEncoder(tuned.eval(), pooling)  # type: ignore[no-untyped-call]


def _sampler() -> Any:
    try:
        from setfit.sampler import ContrastiveDataset
    except ImportError as error:
        raise BenchError("head = \"setfit\" needs setfit; install it with: pip install '.[setfit]'") from error
    return ContrastiveDataset


def _dataset(pairs: Iterable[dict[str, Any]]) -> Any:
    from datasets import Dataset

    return Dataset.from_list(list(pairs))


def _arguments(checkpoints: str, settings: EncoderSettings, steps: int, *, device: torch.device, seed: int) -> Any:
    from sentence_transformers import SentenceTransformerTrainingArguments

    return SentenceTransformerTrainingArguments(
        output_dir=checkpoints,
        max_steps=steps,
        num_train_epochs=1,
        per_device_train_batch_size=settings.batch_size,
        learning_rate=settings.pair_learning_rate,
        warmup_steps=settings.warmup,  # below 1 it is a share of all steps
        weight_decay=settings.weight_decay,
        seed=seed,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        **training_options(device.type, "float32"),
    )


def _trainer(body: Any, arguments: Any) -> Any:
    """Return what trains on pairs whose label is the cosine that they are to have: 1 of one label, else 0."""
    from sentence_transformers import SentenceTransformerTrainer
    from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss

    trainer = SentenceTransformerTrainer(body, arguments, loss=CosineSimilarityLoss(body))
    trainer.remove_callback(PrinterCallback)
    return trainer


def _sentence_encoder(folder: Path, pooling: Pooling, settings: EncoderSettings, device: torch.device) -> Any:
    """Read it for training, pooled as the head's embeddings are."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer import modules

    plain = {"trust_remote_code": False}
    transformer = modules.Transformer(
        str(folder),
        max_seq_length=settings.max_length,
        model_kwargs=settings.reading,
        config_kwargs=plain,
        processor_kwargs=plain,
    )
    width = transformer.get_embedding_dimension()
    pooled = [transformer, modules.Pooling(width, pooling), modules.Normalize()]
    return SentenceTransformer(modules=pooled, device=str(device))


class _Teller(TrainerCallback):
    """Tells the listener of steps."""

    def __init__(self, listen: Listener) -> None:
        self.listen = listen

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.listen(Progress(state.global_step, state.max_steps))
