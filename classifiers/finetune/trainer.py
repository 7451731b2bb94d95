"""Fine-tuning with transformers.Trainer: its own switches, plus training accuracy and progress.

The Trainer does not report accuracy on the training part; it is added up here from the logits
each step computes anyway, so it costs nothing and is the running accuracy of the epoch.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import DataCollatorWithPadding, EarlyStoppingCallback, Trainer, TrainerCallback, TrainingArguments
from transformers.trainer_callback import PrinterCallback, ProgressCallback

from classifiers.finetune.class_weights import class_weights, is_unbalanced, train_both_ways
from classifiers.finetune.cpu_training import quick_training
from classifiers.finetune.device import precision_for, training_options
from classifiers.finetune.epoch_choice import EpochChoice, hits
from classifiers.finetune.label_config import takes_several
from classifiers.finetune.settings import TrainingSettings
from classifiers.heads.multilabel import label_matrix
from classifiers.interface import Epoch, Listener, Message, Progress, Task, Trial

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids of messages, in their order, with their label's index or a figure from 0 to 1 per label.

    The figures are 0 and 1 where a message may have several labels, or the probabilities of a teacher.
    """

    input_ids: Sequence[Sequence[int]]
    labels: Sequence[int] | Sequence[Sequence[float]]

    @classmethod
    def of(cls, input_ids: Sequence[Sequence[int]], messages: Sequence[Message], task: Task) -> Encoded:
        """Put messages' labels beside their token ids."""
        if task.takes_several:
            return cls(input_ids, label_matrix(messages, task.label_names).tolist())
        return cls(input_ids, [task.label_names.index(m.label) for m in messages])

    def rows(self) -> list[dict[str, Any]]:
        """Return one feature dictionary per message, as the Trainer's collator takes them."""
        return [{"input_ids": ids, "label": y} for ids, y in zip(self.input_ids, self.labels, strict=True)]


def train(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    parts: tuple[Encoded, Encoded],
    settings: TrainingSettings,
    *,
    seed: int,
    listen: Listener,
) -> tuple[Trial, ...]:
    """Fine-tune `model` on the first part, watching the second, which may be empty; return what was tried.

    With `class_weights = "auto"`, labels of very unlike frequency and a validation part it is trained twice from the
    same weights, without and with class weights, and the one that validation prefers is kept; equal ones weigh nothing.
    The listener hears of the epochs of the training that is kept.
    """
    if settings.freezes_embeddings_for(model.config.hidden_size):
        # half of a small model's weights: their gradient and Adam step cost more than they bring
        model.get_input_embeddings().requires_grad_(False)  # type: ignore[no-untyped-call]
    training, validation = parts
    balanced = class_weights(training.labels, int(model.config.num_labels or 0))
    fit = partial(_train_once, model, tokenizer, parts, (settings, seed))
    if settings.class_weights == "auto" and is_unbalanced(training.labels) and validation.labels:
        return train_both_ways(model, fit, balanced, listen, n_validation=len(validation.labels))
    fit(balanced if settings.class_weights == "balanced" else None, listen)
    return ()


def _train_once(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    parts: tuple[Encoded, Encoded],
    job: tuple[TrainingSettings, int],
    weights: list[float] | None,
    listen: Listener,
) -> float:
    """Fine-tune the model and return the highest validation accuracy of an epoch, 0 without a validation part."""
    (training, validation), (settings, seed) = parts, job
    choice = EpochChoice(several=takes_several(model.config))
    with _checkpoints() as folder, quick_training(model):
        trainer = _CountingTrainer(
            model=model,
            args=_arguments(settings, folder, model, parts, seed),
            train_dataset=training.rows(),  # type: ignore[arg-type]
            eval_dataset=validation.rows() if validation.labels else None,  # type: ignore[arg-type]
            data_collator=_collator(tokenizer, settings),
            compute_metrics=choice,
        )
        trainer.several = takes_several(model.config)
        trainer.weigh(weights)
        if settings.best_epoch and settings.patience and validation.labels:
            trainer.add_callback(EarlyStoppingCallback(settings.patience))
        trainer.remove_callback(PrinterCallback)
        trainer.remove_callback(ProgressCallback)
        trainer.add_callback(_Teller(trainer, listen, has_validation=bool(validation.labels)))
        trainer.train()
    # accelerate leaves its 16-bit arithmetic wrapped around the model's own forward, and an export would keep it
    for name in ("forward", "_original_forward"):
        vars(model).pop(name, None)
    model.eval()  # type: ignore[no-untyped-call]
    return choice.best


@contextmanager
def _checkpoints() -> Iterator[str]:
    """Return a folder for checkpoints that goes afterwards; processes of one torchrun or accelerate launch share it.

    They must, because the first of them saves the best epoch and all take it up again.
    """
    if "WORLD_SIZE" not in os.environ:
        with tempfile.TemporaryDirectory(prefix="bench-fit-") as folder:
            yield folder
        return
    shared = Path(tempfile.gettempdir()) / f"bench-fit-{os.getppid()}"
    yield str(shared)
    if os.environ.get("RANK") == "0":
        shutil.rmtree(shared, ignore_errors=True)


def _collator(tokenizer: PreTrainedTokenizerBase, settings: TrainingSettings) -> DataCollatorWithPadding:
    fixed = settings.padding == "max_length"
    return DataCollatorWithPadding(
        tokenizer, padding=settings.padding, max_length=settings.max_length if fixed else None
    )


def _arguments(
    settings: TrainingSettings, folder: str, model: PreTrainedModel, parts: tuple[Encoded, Encoded], seed: int
) -> TrainingArguments:
    hidden_size, device = model.config.hidden_size, model.device.type
    has_validation = bool(parts[1].labels)
    keep_best = settings.best_epoch and has_validation
    return TrainingArguments(
        output_dir=folder,
        num_train_epochs=settings.epochs_for(hidden_size, len(parts[0].labels)),
        learning_rate=settings.learning_rate_for(hidden_size),
        per_device_train_batch_size=settings.batch_size,
        per_device_eval_batch_size=64,
        lr_scheduler_type=settings.schedule,
        warmup_steps=settings.warmup,  # below 1 it is a share of all steps
        weight_decay=settings.weight_decay,
        train_sampling_strategy="group_by_length" if settings.group_by_length else "random",
        eval_strategy="epoch" if has_validation else "no",
        save_strategy="epoch" if keep_best else "no",
        load_best_model_at_end=keep_best,
        metric_for_best_model=EpochChoice.METRIC if keep_best else None,
        greater_is_better=True if keep_best else None,
        label_names=["labels"],  # it would look for them among the arguments of the model
        save_only_model=True,
        save_total_limit=1,
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
        optim=settings.optimizer,
        torch_compile=settings.compile,
        seed=seed,
        **training_options(device, precision_for(settings.precision, device)),
    )


class _CountingTrainer(Trainer):
    """Works out the loss, and adds it up with the hits over the training steps of the running epoch.

    The models' own losses know no weights and no probabilities for targets.
    """

    seen = 0
    hits = 0
    loss_sum = 0.0
    weights: torch.Tensor | None = None
    several = False

    def weigh(self, weights: Sequence[float] | None) -> None:
        """Weigh each message's loss by its label; None weighs all alike."""
        import torch

        self.weights = None if weights is None else torch.tensor(weights, device=self.args.device)

    def compute_loss(
        self, model: Any, inputs: Any, return_outputs: bool = False, num_items_in_batch: Any = None
    ) -> Any:
        from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

        labels = inputs["labels"]
        outputs = model(**{name: value for name, value in inputs.items() if name != "labels"})
        logits = outputs.logits.float()
        if self.several:
            loss = binary_cross_entropy_with_logits(logits, labels)
        else:
            loss = cross_entropy(logits, labels, weight=self.weights)  # of indices or of probabilities
        if model.training:
            self.seen += len(labels)
            right = hits(logits.detach().cpu().numpy(), labels.cpu().numpy(), several=self.several)
            self.hits += int(right.sum())
            self.loss_sum += float(loss.detach()) * len(labels)
        return (loss, outputs) if return_outputs else loss

    def take_counts(self) -> tuple[float, float]:
        """Return mean loss and accuracy since the last call and start again at zero."""
        counts = self.loss_sum / self.seen, self.hits / self.seen
        self.seen, self.hits, self.loss_sum = 0, 0, 0.0
        return counts


class _Teller(TrainerCallback):
    """Tells the listener of steps and epochs."""

    def __init__(self, trainer: _CountingTrainer, listen: Listener, *, has_validation: bool) -> None:
        self.trainer = trainer
        self.listen = listen
        self.has_validation = has_validation

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.listen(Progress(0, state.max_steps))

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        self.listen(Progress(state.global_step, state.max_steps))

    def on_epoch_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if not self.has_validation:
            self._tell(state, {})

    def on_evaluate(self, args: Any, state: Any, control: Any, **rest: Any) -> None:
        self._tell(state, rest["metrics"])

    def _tell(self, state: Any, metrics: dict[str, float]) -> None:
        loss, accuracy = self.trainer.take_counts()
        number = round(state.epoch)
        self.listen(Epoch(number, loss, accuracy, metrics.get("eval_loss"), metrics.get("eval_accuracy")))
