"""Classifies with any Hugging Face encoder: fine-tuned with a softmax head, or frozen with a linear one."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Union

import numpy as np

from classifiers.encoder.export.exported import Exported
from classifiers.encoder.settings import EncoderSettings
from classifiers.exporting import Deployment, Wanted, usage
from classifiers.finetune.base import TokenClassifier, ready
from classifiers.finetune.saved import Measured, Saved
from classifiers.finetune.tokens import MessageTokens, body_folder
from classifiers.heads.multilabel import Rows
from classifiers.interface import Details, Listener, Message, Task, silent
from classifiers.sampling import stratified_sample

if TYPE_CHECKING:
    from classifiers.encoder.export.runtime import Comparison
    from classifiers.encoder.frozen import Frozen
    from classifiers.finetune.fine_tuned import FineTuned
    from classifiers.finetune.sentence import SentenceEncoder
    from classifiers.finetune.trainer import Encoded

MAX_COMPARED = 1000

Answering = Union["FineTuned", "Frozen", Exported]


class Encoder(TokenClassifier[EncoderSettings, Answering]):
    """A pre-trained encoder, fine-tuned whole or frozen under a logistic regression."""

    settings_type = EncoderSettings

    def __init__(self, settings: EncoderSettings | None = None, *, seed: int = 0, threads: int = 1) -> None:
        super().__init__(settings, seed=seed, threads=threads)
        self._folder: Path | None = None
        self._measured: tuple[Measured, ...] = ()
        self._exported: FineTuned | None = None
        self._exports = ExitStack()

    def supports(self, task: Task) -> str | None:
        """SetFit's pairs are drawn by the one label of a message."""
        if task.takes_several and self.settings.head == "setfit":
            return 'head = "setfit" needs messages of one label each; use "linear" or "softmax"'
        return None

    def load(self) -> None:
        """Find the weights and read the tokenizer; the head's size is known only in `fit`."""
        local = self._find_model()
        if not self.settings.pretrained:
            self._notes = (
                "trained from random weights: only the architecture is that of the model named",
                *self._notes,
            )
        self._folder = local.path
        self._tokens = self._open_tokens(local.path)

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
        self._task, self.thresholds = task, ()
        parts = self._encode(train), self._encode(validation)
        if targets is not None:
            parts = Encoded(parts[0].input_ids, targets.tolist()), parts[1]
        self._learn(train, validation, parts, listen)
        self._tune_thresholds(validation, parts[1].input_ids)

    def _learn(
        self, train: Sequence[Message], validation: Sequence[Message], parts: tuple[Encoded, Encoded], listen: Listener
    ) -> None:
        from classifiers.finetune.fine_tuned import FineTuned

        settings, folder, probe = self.settings, ready(self._folder), None
        if not settings.trains_all_layers or settings.probes_first(folder):
            probe = self._fit_linear_head(train, validation, parts, listen)
        self._trials = probe.trials if probe else ()
        if probe and not settings.trains_all_layers:
            self._network, self.thresholds = probe, probe.thresholds
            return
        if probe:
            tuned = FineTuned.begin(probe.encoder, probe.head, probe.task, settings)
        else:
            tuned = FineTuned.start(folder, self.task, settings, device=self._device())
        tuned.fit(self.tokens.tokenizer, parts, seed=self.seed, listen=listen)
        self._network = tuned
        self._trials += tuned.trials
        if settings.runtime != "torch":
            self._choose_runtime(tuned, validation or train)

    def _choose_runtime(self, tuned: FineTuned, messages: Sequence[Message]) -> None:
        """Export the model where an export answers as torch does and is asked for, or faster."""
        from classifiers.encoder.export.runtime import choose

        folder = Path(self._exports.enter_context(TemporaryDirectory(prefix="bench-export-")))
        choice = choose(tuned, self.settings.runtime, self._comparison(messages), folder, threads=self.threads)
        self._network, self._exported, self._measured = choice.fitted, tuned, choice.measured

    def _comparison(self, messages: Sequence[Message]) -> Comparison:
        """Return batches of messages, drawn where they are many, to compare runtimes on."""
        from classifiers.encoder.export.runtime import Comparison

        compared = stratified_sample(messages, MAX_COMPARED, self.seed)
        ids = self.tokens.ids([m.text for m in compared])[0]
        mixed, ordered = (list(self.tokens.batches(listed)) for listed in (ids, sorted(ids, key=len)))
        return Comparison(mixed, ordered, [self.tokens.padded([i]) for i in ids], self._labels)

    def _fit_linear_head(
        self, train: Sequence[Message], validation: Sequence[Message], parts: tuple[Encoded, Encoded], listen: Listener
    ) -> Frozen:
        from classifiers.encoder.frozen import Frozen

        encoder = self._sentence_encoder(train, listen)
        vectors = [np.array(list(self.tokens.run_by_length(part.input_ids, encoder.embed))) for part in parts]
        embedded = (vectors[0], train), (vectors[1], validation)
        return Frozen.fit(encoder, self.task, embedded, seed=self.seed, listen=listen)

    def _sentence_encoder(self, train: Sequence[Message], listen: Listener) -> SentenceEncoder:
        """Read the encoder as it is, or tune its embeddings on pairs of messages."""
        from classifiers.finetune.sentence import SentenceEncoder

        folder, device = ready(self._folder), self._device()
        if self.settings.head == "setfit":
            from classifiers.encoder.setfit import tune_embeddings

            return tune_embeddings(folder, train, self.settings, device=device, seed=self.seed, listen=listen)
        return SentenceEncoder.open(folder, self.settings.reading, device=device)

    def close(self) -> None:
        """Drop model, tokenizer and exported files."""
        super().close()
        self._exported = None
        self._exports.close()

    def export(self, folder: Path, wanted: Wanted) -> Deployment:
        """Write what `save` writes, and the ONNX graphs that are wanted.

        Raises:
            BenchError: if a graph cannot be made, or its answers are not the model's.
        """
        from classifiers.encoder.export.graphs import graph_usages, write_graphs

        self.save(folder)
        if not self.settings.trains_all_layers:
            wanted.refuse_graphs("a frozen encoder under a logistic regression")
            return self._deployment("sentence-transformers", usage("head", self.task))
        if wanted.graphs:
            network: Any = self.network
            tuned = self._origin_of(network) if isinstance(network, Exported) else network
            write_graphs(tuned, wanted.graphs, self._comparison(wanted.messages), folder, threads=self.threads)
        library = "transformers" if body_folder(folder) == folder else "sentence-transformers"
        return self._deployment(library, usage(library, self.task), *graph_usages(self.task, wanted.graphs))

    def details(self) -> Details:
        """Name the model that ran, where and in which precision, and what every runtime tried gave."""
        tried = {
            f"{way.runtime} {what}": round(float(value), 4)
            for way in self._measured
            for what, value in (("equal", way.equal), ("/s", way.messages_per_s), ("ms", way.single_ms))
        }
        return replace(
            super().details(),
            bytes_on_disk=self.network.bytes_on_disk if isinstance(self.network, Exported) else None,
            fine_tuned=self.settings.head != "linear",
            metadata={"runtime": self._runtime, **tried},
        )

    def _answer(self, batch: Any) -> list[list[float]]:
        return self.network.probabilities(batch)

    def _write(self, folder: Path) -> None:
        network = self.network
        if isinstance(network, Exported):
            self._origin_of(network).save(folder)
        network.save(folder)
        self.tokens.save(folder)

    def _origin_of(self, exported: Exported) -> FineTuned:
        """Return the model that was exported; one that was read again lies beside its export."""
        from classifiers.finetune.fine_tuned import FineTuned

        return self._exported or FineTuned.load(exported.folder, self.task, self.settings, device=self._device())

    def _saved(self) -> Saved:
        more = {
            "runtime": self._runtime,
            "n_parameters": self.network.n_parameters,
            "measured": self._measured,
        }
        return super()._saved().model_copy(update=more)

    def _read(self, folder: Path, saved: Saved) -> None:
        from classifiers.encoder.frozen import Frozen
        from classifiers.finetune.fine_tuned import FineTuned

        self._measured = saved.measured
        self._tokens = self._open_tokens(folder)
        if not self.settings.trains_all_layers:
            self._network = Frozen.load(folder, self.task, device=self._device())
        elif saved.runtime == "torch":
            self._network = FineTuned.load(folder, self.task, self.settings, device=self._device())
        else:
            self._network = Exported.open(
                folder,
                saved.runtime,
                n_parameters=saved.n_parameters,
                several=self.task.takes_several,
                threads=self.threads,
            )

    @property
    def _runtime(self) -> str:
        return self.network.runtime if isinstance(self.network, Exported) else "torch"

    def _open_tokens(self, folder: Path) -> MessageTokens:
        return MessageTokens.open(folder, self.settings.max_length, fixed=self.settings.padding == "max_length")

    def _encode(self, messages: Sequence[Message]) -> Encoded:
        from classifiers.finetune.trainer import Encoded

        return Encoded.of(self.tokens.ids([m.text for m in messages])[0], messages, self.task)
