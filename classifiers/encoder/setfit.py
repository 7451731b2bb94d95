"""Tune an encoder's sentence embeddings on pairs of messages, as SetFit does, before a linear head is fitted on them.

Embeddings of two messages of one label are drawn together and those of two labels pushed apart (Tunstall et al.
2022, arXiv 2209.11055). From few labels many pairs can be made, which is why it is strong where labels are few. The
library `setfit` does the training; its head is left aside for the one `head = "linear"` has.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from transformers import TrainerCallback
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from classifiers.encoder.settings import EncoderSettings
from classifiers.errors import BenchError
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
    setfit = _setfit()
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
    with TemporaryDirectory(prefix="bench-pairs-") as checkpoints:
        arguments = setfit.TrainingArguments(
            output_dir=checkpoints,
            batch_size=settings.batch_size,
            max_steps=steps,
            body_learning_rate=settings.pair_learning_rate,
            warmup_proportion=settings.warmup,
            l2_weight=settings.weight_decay,
            seed=seed,
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            show_progress_bar=False,
        )
        trainer = setfit.Trainer(
            setfit.SetFitModel(model_body=body, model_head=None), arguments, callbacks=[_Teller(listen)]
        )
        # it would draw bars of its own, whatever it is told
        trainer.st_trainer.remove_callback(ProgressCallback)
        trainer.st_trainer.remove_callback(PrinterCallback)
        trainer.train_embeddings([m.text for m in messages], [m.label for m in messages])
    return SentenceEncoder(tuned.eval(), pooling)  # type: ignore[no-untyped-call]


def _setfit() -> Any:
    try:
        import setfit
    except ImportError as error:
        raise BenchError("head = \"setfit\" needs setfit; install it with: pip install '.[setfit]'") from error
    return setfit


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
