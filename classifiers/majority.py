"""The floor of every table, and the file a newcomer copies: always the commonest label."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from classifiers.interface import Classifier, Listener, Message, Prediction, Settings, Task, silent


class Majority(Classifier[Settings]):
    """Answers the commonest label set of the training part; probabilities are its label shares."""

    batch_size = 4096

    def fit(
        self,
        task: Task,
        train: Sequence[Message],
        validation: Sequence[Message],
        *,
        listen: Listener = silent,
    ) -> None:
        """Count the label sets; ties go to the one that comes first in the training part."""
        answers = Counter(message.labels for message in train)
        self.answer = answers.most_common(1)[0][0]
        labels = Counter(label for message in train for label in message.labels)
        self.shares = {name: labels[name] / len(train) for name in task.label_names}

    def predict(self, texts: Sequence[str]) -> Iterator[Prediction]:
        """Answer the same for every text."""
        return (Prediction(self.answer, probabilities=self.shares) for _ in texts)

    def save(self, folder: Path) -> None:
        """Write the answer and the shares as JSON."""
        body = {"answer": self.answer, "shares": self.shares}
        (folder / "majority.json").write_text(json.dumps(body), encoding="utf-8")

    def load_from(self, folder: Path, task: Task) -> None:
        """Read what `save` wrote."""
        body = json.loads((folder / "majority.json").read_text(encoding="utf-8"))
        self.answer, self.shares = tuple(body["answer"]), body["shares"]
