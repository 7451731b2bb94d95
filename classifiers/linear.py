"""TF-IDF + logistic regression: the strong baseline that a neural classifier has to beat.

Word uni- and bigrams and character n-grams inside words, both sublinear; the regularisation strength is chosen on the
validation part, or by cross-validation on the training part where there is none. Saved with
skops, which unlike pickle runs no code.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field, TypeAdapter

from classifiers.heads.logistic import fit_logistic, label_probabilities, n_weights
from classifiers.heads.multilabel import DEFAULT_THRESHOLD, decide, label_matrix, tune_thresholds
from classifiers.heads.strength import STRENGTHS
from classifiers.interface import Classifier, Details, Listener, Message, Prediction, Settings, Task, Trial, silent
from classifiers.models.safe_load import read_fitted

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

FILE = "linear.skops"
THRESHOLDS = "thresholds.json"
TRIALS = "trials.json"


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
    pipeline: Pipeline
    task: Task
    thresholds: tuple[float, ...] = ()
    trials: tuple[Trial, ...] = ()

    def fit(
        self,
        task: Task,
        train: Sequence[Message],
        validation: Sequence[Message],
        *,
        listen: Listener = silent,
    ) -> None:
        """Count features on the training part; the strength is the one right most often on validation."""
        from sklearn.pipeline import make_pipeline

        self.task = task
        features, vectors = self._fit_features([m.text for m in train])
        held_out = features.transform([m.text for m in validation]) if validation else None
        fitted = fit_logistic(
            task,
            ((vectors, train), (held_out, validation)),
            self.settings.strengths,
            max_iterations=self.settings.max_iterations,
            seed=self.seed,
            listen=listen,
        )
        self.trials = fitted.trials
        self.pipeline = make_pipeline(features, fitted.model)
        self.thresholds = (DEFAULT_THRESHOLD,) * len(task.labels)
        if task.takes_several and validation:
            rows = label_probabilities(fitted.model, held_out, task)
            self.thresholds = tune_thresholds(rows, label_matrix(validation, task.label_names))

    def predict(self, texts: Sequence[str]) -> Iterator[Prediction]:
        """Return the likeliest label of each text, or all that are likely enough, with every label's probability."""
        if not texts:  # scikit-learn refuses an empty batch
            return
        names = self.task.label_names
        for row in label_probabilities(self.pipeline, list(texts), self.task).tolist():
            yield Prediction(decide(row, self.task, self.thresholds), probabilities=dict(zip(names, row, strict=True)))

    def save(self, folder: Path) -> None:
        """Write the fitted pipeline, the thresholds and what was tried."""
        from skops.io import dump

        dump(self.pipeline, folder / FILE)
        (folder / THRESHOLDS).write_text(json.dumps(self.thresholds), encoding="utf-8")
        (folder / TRIALS).write_bytes(TypeAdapter(tuple[Trial, ...]).dump_json(self.trials))

    def load_from(self, folder: Path, task: Task) -> None:
        """Read what `save` wrote; a file that names types unknown to skops is refused."""
        self.task = task
        self.pipeline = read_fitted(folder / FILE)
        thresholds = folder / THRESHOLDS
        saved = json.loads(thresholds.read_text(encoding="utf-8")) if thresholds.exists() else ()
        self.thresholds = tuple(saved) or (DEFAULT_THRESHOLD,) * len(task.labels)
        trials = folder / TRIALS
        self.trials = TypeAdapter(tuple[Trial, ...]).validate_json(trials.read_bytes()) if trials.exists() else ()

    def details(self) -> Details:
        """Return the number of weights and intercepts of the logistic regression, and the strengths tried."""
        return Details(n_parameters=n_weights(self.pipeline[-1]), trials=self.trials)

    def _fit_features(self, texts: Sequence[str]) -> tuple[Any, Any]:
        """Return the fitted features and the texts' vectors.

        Character sequences that stand in one text only are left out, unless that leaves none. Texts without a word,
        such as emoji or digits alone, are told apart by their single characters.
        """
        for features in (self._features(min_df=2), self._features(min_df=1)):
            with suppress(ValueError):  # scikit-learn's "empty vocabulary" and "no terms remain" have no type of theirs
                return features, features.fit_transform(texts)
        features = self._single_characters()
        return features, features.fit_transform(texts)

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
