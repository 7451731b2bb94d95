"""TF-IDF + logistic regression: the strong floor that a neural classifier has to beat.

Word uni- and bigrams and character n-grams inside words, both sublinear; the regularisation
strength is chosen on the validation part. Saved with skops, which unlike pickle runs no code.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import Field

from classifiers.interface import Classifier, Listener, Message, Prediction, Progress, Settings, Task, silent

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
        """Train one model a strength and keep the one that is right most often on validation."""
        tried: list[tuple[float, Pipeline]] = []
        strengths = self.settings.strengths if validation else self.settings.strengths[:1]
        for done, strength in enumerate(strengths, start=1):
            pipeline = self._pipeline(strength)
            pipeline.fit([m.text for m in train], [m.label for m in train])
            score = pipeline.score([m.text for m in validation], [m.label for m in validation]) if validation else 0.0
            tried.append((score, pipeline))
            listen(Progress(done, len(strengths)))
        self.pipeline = max(tried, key=lambda pair: pair[0])[1]

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

    def _pipeline(self, strength: float) -> Pipeline:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import LogisticRegression
        from sklearn.pipeline import make_pipeline, make_union

        words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, strip_accents="unicode")
        characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=2)
        features = make_union(words, characters) if self.settings.characters else words
        model = LogisticRegression(C=strength, max_iter=self.settings.max_iterations, random_state=self.seed)
        return make_pipeline(features, model)
