"""TF-IDF + logistic regression: the strong floor that a neural classifier has to beat.

Word uni- and bigrams and character n-grams inside words, both sublinear; the regularisation
strength is chosen on the validation part. Saved with skops, which unlike pickle runs no code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import Field

from classifiers.interface import Classifier, Listener, Message, Prediction, Settings, Task, silent
from classifiers.logistic import fit_logistic

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

FILE = "linear.skops"


class LinearSettings(Settings):
    """`strengths` are the inverse regularisation strengths C that are tried on validation."""

    strengths: tuple[float, ...] = Field(default=(1.0, 10.0, 100.0), min_length=1)
    characters: bool = True
    max_iterations: int = Field(default=1000, gt=0)


class Linear(Classifier[LinearSettings]):
    """Logistic regression on TF-IDF features (scikit-learn)."""

    settings_type = LinearSettings
    batch_size = 4096
    pipeline: Pipeline

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

        features = self._features()
        vectors = features.fit_transform([m.text for m in train])
        held_out = features.transform([m.text for m in validation]) if validation else None
        model = fit_logistic(
            (vectors, [m.label for m in train]),
            (held_out, [m.label for m in validation]),
            self.settings.strengths,
            max_iterations=self.settings.max_iterations,
            seed=self.seed,
            listen=listen,
        )
        self.pipeline = make_pipeline(features, model)

    def predict(self, texts: Sequence[str]) -> Iterator[Prediction]:
        """Give the likeliest label of each text with every label's probability."""
        if not texts:  # scikit-learn refuses an empty batch
            return
        names = [str(name) for name in self.pipeline.classes_]
        for row in self.pipeline.predict_proba(list(texts)):
            probabilities = dict(zip(names, map(float, row), strict=True))
            yield Prediction((max(probabilities, key=probabilities.__getitem__),), probabilities=probabilities)

    def save(self, folder: Path) -> None:
        """Write the fitted pipeline."""
        from skops.io import dump

        dump(self.pipeline, folder / FILE)

    def load_from(self, folder: Path, task: Task) -> None:
        """Read what `save` wrote; a file that names types unknown to skops is refused by it."""
        from skops.io import load

        self.pipeline = load(folder / FILE, trusted=[])

    @property
    def n_parameters(self) -> int | None:
        """Count the weights and intercepts of the logistic regression."""
        model = self.pipeline[-1]
        return int(model.coef_.size + model.intercept_.size)

    def _features(self) -> Any:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.pipeline import make_union

        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, strip_accents="unicode")
        characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2)
        return make_union(words, characters) if self.settings.characters else words
