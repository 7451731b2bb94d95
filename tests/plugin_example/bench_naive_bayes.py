"""Multinomial Naive Bayes on word counts, as a backend of its own package."""

from classifiers.interface import Classifier, Prediction, Settings


class NaiveBayesSettings(Settings):
    """`smoothing` is added to every word's count."""

    smoothing: float = 1.0


class NaiveBayes(Classifier[NaiveBayesSettings]):
    """Counts words per label."""

    settings_type = NaiveBayesSettings
    batch_size = 4096

    def fit(self, task, train, validation, *, listen=None):
        from sklearn.feature_extraction.text import CountVectorizer
        from sklearn.naive_bayes import MultinomialNB
        from sklearn.pipeline import make_pipeline

        self.names = task.label_names
        self.model = make_pipeline(CountVectorizer(), MultinomialNB(alpha=self.settings.smoothing))
        self.model.fit([m.text for m in train], [m.label for m in train])

    def predict(self, texts):
        for row in self.model.predict_proba(list(texts)) if texts else ():
            found = dict(zip(self.model.classes_, map(float, row), strict=True))
            probabilities = {name: found.get(name, 0.0) for name in self.names}
            yield Prediction((max(probabilities, key=probabilities.__getitem__),), probabilities=probabilities)
