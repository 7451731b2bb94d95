"""Compare ways to choose epoch and class weights of a fine-tuned encoder, on several data sets and seeds.

    python docs/encoder_recipe.py run FOLDER   # FOLDER/SET/train.csv and test.csv with columns text,label; resumable
    python docs/encoder_recipe.py table        # the table of docs/encoder.md, from the committed figures

Epochs differ only in when a training is stopped, so one training shows every way to choose one: after each epoch the
model answers validation and test. What a recipe would have kept is read off afterwards.
"""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from itertools import product
from pathlib import Path
from statistics import fmean
from typing import Any

from sklearn.metrics import accuracy_score, f1_score

from classifiers.encoder.backend import Encoder
from classifiers.encoder.settings import EncoderSettings
from classifiers.finetune import fine_tuned
from classifiers.finetune.epoch_choice import latest_within_error
from classifiers.interface import Epoch, Label, Listener, Message, Task
from classifiers.sampling import stratified_sample

FIGURES = Path(__file__).parents[1] / "results" / "reference" / "recipe" / "recipe.jsonl"
SETS = {
    "sms_spam": True,
    "tweeteval_emotion": True,
    "goemotions_ekman_single": True,
    "clinc_domains10": False,
    "bitext": False,
    "hwu64": True,
    "banking77": False,
    "clinc150": False,
}
"""The data sets, and whether they are also trained with class weights."""
SEEDS = range(3)
N_TRAIN, N_VALIDATION, N_TEST = 640, 160, 600
Row = dict[str, Any]
Epochs = Sequence[Row]
Choice = Callable[[Epochs], int]
CHOICES: dict[str, Choice] = {
    "lowest validation loss": lambda epochs: min(range(len(epochs)), key=lambda i: epochs[i]["val_loss"]),
    "highest validation accuracy": lambda epochs: max(range(len(epochs)), key=lambda i: epochs[i]["val_acc"]),
    "last": lambda epochs: len(epochs) - 1,
    "default": lambda epochs: latest_within_error([epoch["val_acc"] for epoch in epochs], N_VALIDATION),
}


def main(arguments: Sequence[str]) -> None:
    """Run what is missing, or print the table."""
    if arguments[:1] == ["table"]:
        print("\n".join(table(read_figures())))
        return
    done = {(row["set"], row["seed"], row["weights"]) for row in read_figures()}
    for seed, name in product(SEEDS, SETS):
        for weights in ("none", "balanced") if SETS[name] else ("none",):
            if (name, seed, weights) not in done:
                row = train_once(Path(arguments[1]) / name, seed, weights)
                with FIGURES.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(row) + "\n")


def read_figures() -> list[Row]:
    """Return what every training gave."""
    return [json.loads(line) for line in FIGURES.read_text(encoding="utf-8").splitlines()] if FIGURES.exists() else []


def train_once(folder: Path, seed: int, weights: str) -> Row:
    """Fine-tune MiniLM once and return accuracy and macro F1 of validation and test after every epoch."""
    train, validation, test = _parts(folder, seed)
    task = Task(folder.name, tuple(Label(name) for name in sorted({m.label for m in train + validation + test})))
    epochs: list[Row] = []
    settings = EncoderSettings.model_validate({"model": "minilm-l6", "class_weights": weights, "runtime": "torch"})
    with Encoder(settings, seed=seed) as encoder:
        encoder.load()
        ids = [encoder.tokens.ids([m.text for m in part])[0] for part in (validation, test)]
        learn = fine_tuned.train

        def watched(model: Any, *rest: Any, listen: Listener, **named: Any) -> Any:
            def told(event: Any) -> None:
                if isinstance(event, Epoch):
                    scores = [_scores(model, encoder, task, part) for part in zip(ids, (validation, test), strict=True)]
                    (val_acc, val_f1), (test_acc, test_f1) = scores
                    figures = {"val_acc": val_acc, "val_f1": val_f1, "test_acc": test_acc, "test_f1": test_f1}
                    epochs.append({"epoch": event.epoch, "val_loss": event.validation_loss, **figures})
                listen(event)

            return learn(model, *rest, listen=told, **named)

        fine_tuned.train = watched
        try:
            encoder.fit(task, train, validation)
        finally:
            fine_tuned.train = learn

    about = {"set": folder.name, "n_labels": len(task.labels), "n_train": len(train)}
    return {**about, "seed": seed, "weights": weights, "epochs": epochs}


def _parts(folder: Path, seed: int) -> tuple[list[Message], list[Message], list[Message]]:
    drawn = stratified_sample(_read(folder / "train.csv"), N_TRAIN + N_VALIDATION, seed)
    validation = stratified_sample(drawn, N_VALIDATION, seed + 100)
    held_out = {m.id for m in validation}
    return (
        [m for m in drawn if m.id not in held_out],
        validation,
        stratified_sample(_read(folder / "test.csv"), N_TEST, 0),
    )


def _read(path: Path) -> list[Message]:
    with path.open(encoding="utf-8", newline="") as file:
        return [Message(f"{path.stem}:{i}", row["text"], (row["label"],)) for i, row in enumerate(csv.DictReader(file))]


def _scores(model: Any, encoder: Encoder, task: Task, part: tuple[Any, list[Message]]) -> tuple[float, float]:
    import torch

    def likeliest(batch: Any) -> list[int]:
        with torch.inference_mode():
            indices: list[int] = model(**batch).logits.argmax(-1).tolist()
        return indices

    ids, messages = part
    was_training = model.training
    model.eval()
    answers = [task.label_names[i] for i in encoder.tokens.run_by_length(ids, likeliest)]
    model.train(was_training)
    gold = [m.label for m in messages]
    return float(accuracy_score(gold, answers)), float(f1_score(gold, answers, average="macro", zero_division=0))


def accuracies(rows: Iterable[Row]) -> dict[str, dict[str, float]]:
    """Return the mean test accuracy in percent by data set and recipe."""
    means: dict[str, dict[str, list[float]]] = {}
    for row in rows:
        for name, choose in CHOICES.items():
            recipe = name if row["weights"] == "none" else f"{name}, class weights"
            accuracy = row["epochs"][choose(row["epochs"])]["test_acc"]
            means.setdefault(row["set"], {}).setdefault(recipe, []).append(100 * accuracy)
    return {name: {recipe: fmean(values) for recipe, values in by.items()} for name, by in means.items()}


def table(rows: Sequence[Row]) -> list[str]:
    """Return the Markdown table: a row per data set, a column per recipe, and how far the default is from the best."""
    recipes = [name + more for more in ("", ", class weights") for name in CHOICES]
    lines = ["| data set | labels | " + " | ".join(recipes) + " | default below the best |"]
    lines.append("|" + "---|" * (len(recipes) + 3))
    labels = {row["set"]: row["n_labels"] for row in rows}
    for name, by in sorted(accuracies(rows).items(), key=lambda item: labels[item[0]]):
        shown = [f"{by[recipe]:.1f}" if recipe in by else "" for recipe in recipes]
        short = max(by.values()) - by["default"]
        lines.append(f"| {name} | {labels[name]} | " + " | ".join(shown) + f" | {short:.1f} |")
    return lines


if __name__ == "__main__":
    main(sys.argv[1:])
