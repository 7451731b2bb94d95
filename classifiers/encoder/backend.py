"""Classifies with any Hugging Face encoder: fine-tuned with a softmax head, or frozen with a linear one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import numpy as np

from classifiers.encoder.settings import EncoderSettings
from classifiers.errors import BenchError
from classifiers.finetune.tokens import MessageTokens
from classifiers.heads.multilabel import DEFAULT_THRESHOLD, Rows, decide, label_matrix, tune_thresholds
from classifiers.interface import (
    Attempt,
    Classifier,
    Details,
    FetchReport,
    Listener,
    Message,
    ModelFile,
    Prediction,
    Task,
    Trial,
    quiet,
    silent,
)
from classifiers.models.cache import first_model
from classifiers.sampling import stratified_sample

if TYPE_CHECKING:
    import torch

    from classifiers.encoder.export.exported import Exported
    from classifiers.encoder.frozen import Frozen
    from classifiers.finetune.fine_tuned import FineTuned
    from classifiers.finetune.saved import Measured, Saved
    from classifiers.finetune.trainer import Encoded

MAX_COMPARED = 1000


class Encoder(Classifier[EncoderSettings]):
    """A pre-trained encoder, fine-tuned whole or frozen under a logistic regression."""

    settings_type = EncoderSettings
    batch_size = 512
    task: Task
    fitted: FineTuned | Frozen | Exported
    tokens: MessageTokens

    def __init__(self, settings: EncoderSettings | None = None, *, seed: int = 0, threads: int = 1) -> None:
        super().__init__(settings, seed=seed, threads=threads)
        self._notes: tuple[str, ...] = ()
        self.thresholds: tuple[float, ...] = ()
        self._models: tuple[ModelFile, ...] = ()
        self._model_name = ""
        self._measured: tuple[Measured, ...] = ()
        self._trials: tuple[Trial, ...] = ()
        self._origin: FineTuned | Frozen | None = None
        self._exports = ExitStack()

    def supports(self, task: Task) -> str | None:
        """SetFit's pairs are drawn by the one label of a message."""
        if task.takes_several and self.settings.head == "setfit":
            return 'head = "setfit" needs messages of one label each; use "linear" or "softmax"'
        return None

    def fetch(self, report: FetchReport = quiet) -> None:
        """Fetch the first of the named models that is available."""
        first_model(self.settings.model, "encoder", report=report, allow_pickle=self.settings.allow_pickle)

    def model_files(self) -> tuple[ModelFile, ...]:
        """Return the weights of the first of the named models that is available."""
        return first_model(self.settings.model, "encoder", allow_pickle=self.settings.allow_pickle)[0].files

    def load(self) -> None:
        """Find the weights and read the tokenizer; the head's size is known only in `fit`."""
        import torch

        torch.set_num_threads(self.threads)
        local, refusals = first_model(self.settings.model, "encoder", allow_pickle=self.settings.allow_pickle)
        self._models, self._model_name = local.files, local.name
        if not self.settings.pretrained:
            self._notes += ("trained from random weights: only the architecture is that of the model named",)
        if refusals:
            self._notes += (f"'{local.name}' was run in place of '{self.settings.model[0]}': {refusals[0]}",)
        self._folder = local.path
        self.tokens = MessageTokens.open(local.path, self.settings)

    def fit(
        self,
        task: Task,
        train: Sequence[Message],
        validation: Sequence[Message],
        *,
        listen: Listener = silent,
        targets: Rows | None = None,
    ) -> None:
        """Fine-tune all layers, or fit a logistic regression on embeddings, as they are or tuned on pairs.

        Epochs are told to `listen` with loss and accuracy of both parts. `targets`, a teacher's probabilities of shape
        (training messages, labels), are learnt in place of the labels; a logistic regression learns the labels still.
        """
        from transformers import set_seed

        from classifiers.finetune.trainer import Encoded

        set_seed(self.seed)
        self.task = task
        parts = self._encode(train), self._encode(validation)
        if targets is not None:
            parts = Encoded(parts[0].input_ids, targets.tolist()), parts[1]
        self._learn(train, validation, parts, listen)
        if task.takes_several and validation:
            rows = np.array(self.tokens.run_by_length(parts[1].input_ids, self.fitted.probabilities))
            self.thresholds = tune_thresholds(rows, label_matrix(validation, task.label_names))

    def _learn(
        self, train: Sequence[Message], validation: Sequence[Message], parts: tuple[Encoded, Encoded], listen: Listener
    ) -> None:
        from classifiers.finetune.fine_tuned import FineTuned

        probe = None
        if not self.settings.trains_all_layers or self.settings.probes_first(self._folder):
            probe = self._fit_linear_head(train, validation, parts, listen)
        self._trials = probe.trials if probe else ()
        if probe and not self.settings.trains_all_layers:
            self.fitted = self._origin = probe
            return
        if probe:
            tuned = FineTuned.begin(probe.model, probe.head, probe.task, self.settings)
        else:
            tuned = FineTuned.start(self._folder, self.task, self.settings, device=self._device())
        tuned.fit(self.tokens.tokenizer, parts, seed=self.seed, listen=listen)
        self.fitted = self._origin = tuned
        if self.settings.runtime != "torch":
            self._choose_runtime(tuned, validation or train)

    def _choose_runtime(self, tuned: FineTuned, messages: Sequence[Message]) -> None:
        """Export the model where an export answers as torch does and is asked for, or faster."""
        from classifiers.encoder.export.runtime import Comparison, choose

        compared = stratified_sample(messages, MAX_COMPARED, self.seed)
        ids = self.tokens.ids([m.text for m in compared])[0]
        mixed, ordered = (list(self.tokens.batches(listed)) for listed in (ids, sorted(ids, key=len)))
        comparison = Comparison(mixed, ordered, [self.tokens.padded([i]) for i in ids], self._answer)
        folder = Path(self._exports.enter_context(TemporaryDirectory(prefix="bench-export-")))
        choice = choose(tuned, self.settings.runtime, comparison, folder, threads=self.threads)
        self.fitted = choice.fitted
        self._measured = choice.measured

    def _fit_linear_head(
        self, train: Sequence[Message], validation: Sequence[Message], parts: tuple[Encoded, Encoded], listen: Listener
    ) -> Frozen:
        from classifiers.encoder.frozen import Frozen

        device = self._device()
        if self.settings.head == "setfit":
            from classifiers.encoder.setfit import tune_embeddings

            body = tune_embeddings(self._folder, train, self.settings, device=device, seed=self.seed, listen=listen)
            frozen = Frozen(body, None, self.task)
        else:
            frozen = Frozen.start(self._folder, self.task, self.settings, device=device)
        vectors = [np.array(list(self.tokens.run_by_length(part.input_ids, frozen.embed))) for part in parts]
        frozen.fit(((vectors[0], train), (vectors[1], validation)), seed=self.seed, listen=listen)
        return frozen

    def predict(self, texts: Sequence[str]) -> Iterator[Prediction]:
        """Return label and probabilities; batched by length, answered in the given order."""
        ids, truncated = self.tokens.ids(texts)
        rows = self.tokens.run_by_length(ids, self.fitted.probabilities)
        for row, tokens, cut in zip(rows, ids, truncated, strict=True):
            yield self._prediction(row, len(tokens), cut)

    def save(self, folder: Path) -> None:
        """Write weights (safetensors), tokenizer and, last, what else `load_from` needs."""
        from classifiers.encoder.export.exported import Exported
        from classifiers.finetune.saved import Saved

        assert self._origin is not None
        self._origin.save(folder)
        if isinstance(self.fitted, Exported):
            self.fitted.save(folder)
        self.tokens.tokenizer.save_pretrained(folder)
        saved = Saved(
            labels=self.task.label_names,
            models=self._models,
            model_name=self._model_name,
            notes=self._notes,
            thresholds=self.thresholds,
            runtime=self._runtime,
            n_parameters=self.fitted.n_parameters,
            measured=self._measured,
            trials=self._trials,
        )
        saved.write(folder)

    def load_from(self, folder: Path, task: Task) -> None:
        """Read what `save` wrote.

        Raises:
            BenchError: if the folder holds no whole model or one of another task.
        """
        import torch
        from safetensors import SafetensorError

        from classifiers.finetune.saved import read_saved

        torch.set_num_threads(self.threads)
        saved = read_saved(folder, task)
        self.task = task
        self.thresholds, self._measured, self._trials = saved.thresholds, saved.measured, saved.trials
        self._models, self._model_name, self._notes = saved.models, saved.model_name, saved.notes
        try:
            self._open(folder, saved)
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError, SafetensorError) as error:
            reason = " ".join(str(error).split())[:200]
            raise BenchError(f"the encoder in {folder} cannot be read: {reason}; run the benchmark again") from error

    def _open(self, folder: Path, saved: Saved) -> None:
        from classifiers.encoder.export.exported import Exported
        from classifiers.encoder.frozen import Frozen
        from classifiers.finetune.fine_tuned import FineTuned

        self.tokens = MessageTokens.open(folder, self.settings)
        if not self.settings.trains_all_layers:
            self.fitted = Frozen.load(folder, self.task, device=self._device())
        elif saved.runtime == "torch":
            self.fitted = FineTuned.load(folder, self.settings, device=self._device())
        else:
            self.fitted = Exported.open(
                folder,
                saved.runtime,
                n_parameters=saved.n_parameters,
                several=self.task.takes_several,
                threads=self.threads,
            )

    def close(self) -> None:
        """Drop model, tokenizer and exported files."""
        vars(self).pop("fitted", None)
        self._origin = None
        self._exports.close()
        vars(self).pop("tokens", None)

    def details(self) -> Details:
        """Name the model that ran, where and in which precision, and what every runtime tried gave."""
        tried = {
            f"{tried.runtime} {what}": round(float(value), 4)
            for tried in self._measured
            for what, value in (
                ("equal", tried.equal),
                ("/s", tried.messages_per_s),
                ("ms", tried.single_ms),
            )
        }
        return Details(
            model=self._model_name,
            models=self._models,
            device=str(self.fitted.device),
            precision=self.fitted.precision,
            n_parameters=self.fitted.n_parameters,
            bytes_on_disk=getattr(self.fitted, "bytes_on_disk", None),
            notes=self._notes,
            trials=self._trials,
            metadata={"runtime": self._runtime, **tried},
        )

    @property
    def _runtime(self) -> Any:
        return getattr(self.fitted, "runtime", "torch")

    def _device(self) -> torch.device:
        from classifiers.finetune.trainer import chosen_device

        return chosen_device(self.settings.device)

    def _encode(self, messages: Sequence[Message]) -> Encoded:
        from classifiers.finetune.trainer import Encoded

        return Encoded.of(self.tokens.ids([m.text for m in messages])[0], messages, self.task)

    def _answer(self, row: Sequence[float]) -> tuple[str, ...]:
        return decide(row, self.task, self.thresholds or (DEFAULT_THRESHOLD,) * len(row))

    def _prediction(self, row: list[float], tokens: int, truncated: bool) -> Prediction:
        labels = self._answer(row)
        attempt = Attempt(raw=", ".join(labels), labels=labels, valid=True, prompt_tokens=tokens)
        probabilities = dict(zip(self.task.label_names, row, strict=True))
        return Prediction(labels, probabilities=probabilities, attempts=(attempt,), truncated=truncated)
