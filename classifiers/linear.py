"""TF-IDF + logistic regression: the strong baseline that a neural classifier has to beat.

Word uni- and bigrams and character n-grams inside words, both sublinear; the regularisation strength is chosen on the
validation part, or by cross-validation on the training part where there is none. Saved with
skops, which unlike pickle runs no code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from classifiers.errors import BenchError
from classifiers.exporting import Deployment, Wanted, usage
from classifiers.heads.logistic import Fitted, fit_logistic, label_probabilities, n_weights, read_head
from classifiers.heads.multilabel import decide, thresholds_for
from classifiers.heads.strength import STRENGTHS, Search
from classifiers.interface import Classifier, Details, Listener, Message, Prediction, Settings, Task, Trial, silent

FILE = "linear.skops"
THRESHOLDS = "thresholds.json"
TRIALS = "trials.json"
STATE: dict[str, TypeAdapter[tuple[Any, ...]]] = {
    TRIALS: TypeAdapter(tuple[Trial, ...]),
    THRESHOLDS: TypeAdapter(tuple[Annotated[float, Field(ge=0, le=1)], ...]),
}
"""What is saved beside the pipeline."""
NO_VOCABULARY = ("empty vocabulary", "no terms remain")
"""How scikit-learn says that no feature is left."""


class LinearSettings(Settings):
    """`strengths` are the inverse regularisation strengths C that are tried, on validation or by cross-validation.

    At most `max_features` words and pairs of words count, the commonest, and as many character sequences: the solver
    holds 25 numbers for every feature of every label, which were 8 GB for 77 labels and the words of 70,000 messages.
    """

    strengths: tuple[float, ...] = Field(default=STRENGTHS, min_length=1)
    characters: bool = True
    max_features: int = Field(default=20_000, gt=0)
    max_iterations: int = Field(default=1000, gt=0)


class Linear(Classifier[LinearSettings]):
    """Logistic regression on TF-IDF features (scikit-learn)."""

    settings_type = LinearSettings
    batch_size = 4096

    def __init__(self, settings: LinearSettings | None = None, *, seed: int = 0, threads: int = 1) -> None:
        super().__init__(settings, seed=seed, threads=threads)
        self._state: tuple[Task, Fitted] | None = None

    def fit(
        self,
        task: Task,
        train: Sequence[Message],
        validation: Sequence[Message],
        *,
        listen: Listener = silent,
    ) -> None:
        """Count features on training messages alone; the strength is the one right most often on others."""
        texts, held_out = (np.array([m.text for m in part], dtype=object) for part in (train, validation))
        search = Search(self.settings.strengths, self.settings.max_iterations, self.seed)
        parts = (texts, train), (held_out, validation)
        fitted = fit_logistic(task, parts, search, listen=listen, vectorise=self._fit_features)
        self._state = task, fitted

    def predict(self, texts: Sequence[str]) -> Iterator[Prediction]:
        """Return the likeliest label of each text, or all that are likely enough, with every label's probability."""
        if not texts:  # scikit-learn refuses an empty batch
            return
        task, fitted = self._ready
        for row in label_probabilities(fitted.model, list(texts), task).tolist():
            labels = decide(row, task, fitted.thresholds)
            yield Prediction(labels, probabilities=dict(zip(task.label_names, row, strict=True)))

    def save(self, folder: Path) -> None:
        """Write the fitted pipeline, the thresholds and what was tried."""
        from skops.io import dump

        fitted = self._ready[1]
        dump(fitted.model, folder / FILE)
        (folder / THRESHOLDS).write_text(json.dumps(fitted.thresholds), encoding="utf-8")
        (folder / TRIALS).write_bytes(TypeAdapter(tuple[Trial, ...]).dump_json(fitted.trials))

    def export(self, folder: Path, wanted: Wanted) -> Deployment:
        """Write what `save` writes: a pipeline that scikit-learn runs on texts."""
        wanted.refuse_graphs("TF-IDF with a logistic regression")
        self.save(folder)
        task, fitted = self._ready
        return Deployment("sklearn", (usage("linear", task),), thresholds=thresholds_for(task, fitted.thresholds))

    def load_from(self, folder: Path, task: Task) -> None:
        """Read what `save` wrote; a file that names types unknown to skops is refused."""
        trials, thresholds = (_read(folder / name, kind) for name, kind in STATE.items())
        if len(thresholds) not in (0, len(task.labels)):
            raise BenchError(f"{folder / THRESHOLDS} is broken: {len(thresholds)} thresholds; run the benchmark again")
        self._state = task, Fitted(read_head(folder / FILE, task), trials, thresholds)

    def details(self) -> Details:
        """Return the number of weights and intercepts of the logistic regression, and the strengths tried."""
        fitted = self._ready[1]
        return Details(n_parameters=n_weights(fitted.model[-1]), trials=fitted.trials)

    @property
    def _ready(self) -> tuple[Task, Fitted]:
        if self._state is None:
            raise BenchError("the classifier is not ready: call fit or load_from before it answers or is saved")
        return self._state

    def _fit_features(self, texts: Sequence[str]) -> tuple[Any, Any]:
        """Return the fitted features and the texts' vectors.

        Character sequences that stand in one text only are left out, unless that leaves none. Texts without a word,
        such as emoji or digits alone, are told apart by their single characters.
        """
        for features in (self._features(min_df=2), self._features(min_df=1)):
            try:
                return features, _fitted(features, texts)
            except ValueError as error:  # these have no type of their own
                if not any(reason in str(error) for reason in NO_VOCABULARY):
                    raise
        features = self._single_characters()
        return features, _fitted(features, texts)

    def _features(self, *, min_df: int) -> Any:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_union

        both: dict[str, Any] = {"sublinear_tf": True, "max_features": self.settings.max_features}
        words = TfidfVectorizer(ngram_range=(1, 2), strip_accents="unicode", **both)
        characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=min_df, **both)
        return make_union(words, characters) if self.settings.characters else words

    def _single_characters(self) -> Any:
        from sklearn.feature_extraction.text import TfidfVectorizer

        return TfidfVectorizer(
            analyzer="char", ngram_range=(1, 5), sublinear_tf=True, max_features=self.settings.max_features
        )


def _read(file: Path, kind: TypeAdapter[tuple[Any, ...]]) -> tuple[Any, ...]:
    """Read what is saved beside the pipeline; nothing where an earlier version wrote no such file."""
    try:
        return kind.validate_json(file.read_bytes()) if file.exists() else ()
    except (OSError, ValidationError) as error:
        raise BenchError(f"{file} cannot be read; run the benchmark again") from error


def _fitted(features: Any, texts: Sequence[str]) -> Any:
    """Fit features and return the texts' vectors.

    scikit-learn numbers the features it keeps in numpy's integers, each of which skops would save as a file of its own,
    25,000 of them for 851 messages.
    """
    vectors = features.fit_transform(texts)
    parts = [part for _, part in getattr(features, "transformer_list", [("", features)])]
    for part in parts:
        part.vocabulary_ = {term: int(place) for term, place in part.vocabulary_.items()}
    return vectors
