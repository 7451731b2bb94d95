"""One measurement of the encoder speed benchmark, in a process of its own: `python -m bench.speed.encoder JOB`.

Variants: `blog`, the blog post's loop (every message padded to 128 tokens, plain AdamW); `trainer`,
`transformers.Trainer` with its defaults and `transformers.pipeline` for inference; `ours`, the backend with its
defaults and the runtime it chooses. All train the same model on the same messages in the same number of
epochs at the same peak learning rate, so that only how it is done differs. At that rate, thrice the
backend's own, ours takes batches of 32: of 16 it is unsteady there.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.config.run import make_config
from bench.dataset.split import make_split
from bench.measure import process as meter
from bench.speed.job import Job, answer_job, load_for_speed
from classifiers.encoder.backend import Encoder
from classifiers.encoder.settings import EncoderSettings
from classifiers.interface import Epoch, Message, Progress, Task
from classifiers.models.cache import local_model
from classifiers.sampling import stratified_sample

EPOCHS = 3
LEARNING_RATE = 3e-4
BLOG_BATCH, BLOG_LENGTH = 16, 128
OUR_BATCH = 32
SINGLES = 50


@dataclass(frozen=True, slots=True)
class Measurement:
    """Messages per second in training (epochs counted) and in batches, milliseconds for one, and test accuracy.

    `limit_train_per_s` and `limit_predict_per_s` are left to the caller, who knows the machine's rate;
    `operations` are those of one message's forward pass without padding, 2 × weights × tokens.
    """

    train_per_s: float
    predict_per_s: float
    single_ms: float
    accuracy: float
    peak_memory_bytes: int
    operations: float
    runtime: str = "torch"


@dataclass(frozen=True, slots=True)
class Messages:
    """The parts of the data set a measurement uses."""

    task: Task
    train: Sequence[Message]
    test: Sequence[Message]


Predict = Callable[[Sequence[str]], Sequence[str]]


def measure(job: Job) -> Measurement:
    """Train, then time batches and single messages after a warm-up."""
    import torch
    from transformers import set_seed

    torch.set_num_threads(job.threads)
    set_seed(job.seed)
    data = read_messages(job)
    folder = local_model(job.model, "encoder").path
    variants = {"blog": _blog, "trainer": _trainer, "ours": _ours}
    train_seconds, predict, runtime = variants[job.variant](job, data, folder)
    texts = [m.text for m in data.test]
    predict(texts[:8])
    started = time.perf_counter()
    answers = predict(texts)
    seconds = time.perf_counter() - started
    alone = [_seconds(predict, text) for text in texts[:SINGLES]]
    right = sum(answer == m.label for answer, m in zip(answers, data.test, strict=True))
    return Measurement(
        train_per_s=EPOCHS * len(data.train) / train_seconds,
        predict_per_s=len(texts) / seconds,
        single_ms=1000 * statistics.median(alone),
        accuracy=right / len(texts),
        peak_memory_bytes=meter.peak_memory_bytes(),
        operations=_operations(folder, texts),
        runtime=runtime,
    )


def read_messages(job: Job) -> Messages:
    """Return the data set's own split, the training part cut to the number of messages asked for."""
    config = make_config({"data": {"path": job.data}, "classifiers": {"majority": {}}}, where=job.data)
    loaded = load_for_speed(job.data)
    split = make_split(loaded, config.split, config.seed)
    train, test = (split.select(loaded.messages, part) for part in ("train", "test"))
    drawn = stratified_sample(train, job.messages or len(train), seed=0)
    return Messages(loaded.task, drawn, test)


def _seconds(predict: Predict, text: str) -> float:
    started = time.perf_counter()
    predict([text])
    return time.perf_counter() - started


def _operations(folder: Path, texts: Sequence[str]) -> float:
    from transformers import AutoModel, AutoTokenizer

    auto: Any = AutoModel
    model = auto.from_pretrained(folder)
    weights = model.num_parameters() - model.get_input_embeddings().weight.numel()
    ids = AutoTokenizer.from_pretrained(folder)(list(texts))["input_ids"]
    return float(2 * weights * sum(map(len, ids)) / len(texts))


Trained = tuple[float, Predict, str]
"""Seconds of training, what answers, and the runtime it answers with."""


def _model(folder: Path, task: Task) -> Any:
    from transformers import AutoModelForSequenceClassification

    auto: Any = AutoModelForSequenceClassification
    names = dict(enumerate(task.label_names))
    return auto.from_pretrained(
        folder, num_labels=len(names), id2label=names, label2id={name: i for i, name in names.items()}
    )


def _blog(job: Job, data: Messages, folder: Path) -> Trained:
    import torch
    from torch.utils.data import DataLoader, TensorDataset
    from transformers import AutoTokenizer

    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model = _model(folder, data.task)

    def padded(texts: Sequence[str]) -> Any:
        return tokenizer(
            list(texts), padding="max_length", truncation=True, max_length=BLOG_LENGTH, return_tensors="pt"
        )

    encoded = padded([m.text for m in data.train])
    labels = torch.tensor([data.task.label_names.index(m.label) for m in data.train])
    rows = TensorDataset(encoded["input_ids"], encoded["attention_mask"], labels)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE)
    model.train()
    started = time.perf_counter()
    for _ in range(EPOCHS):
        for ids, mask, gold in DataLoader(rows, batch_size=BLOG_BATCH, shuffle=True):
            optimizer.zero_grad()
            model(input_ids=ids, attention_mask=mask, labels=gold).loss.backward()
            optimizer.step()
    seconds = time.perf_counter() - started
    model.eval()

    def predict(texts: Sequence[str]) -> list[str]:
        answers: list[str] = []
        with torch.no_grad():
            for start in range(0, len(texts), BLOG_BATCH):
                batch = padded(texts[start : start + BLOG_BATCH])
                logits = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
                answers += [data.task.label_names[i] for i in logits.argmax(-1).tolist()]
        return answers

    return seconds, predict, "torch"


def _trainer(job: Job, data: Messages, folder: Path) -> Trained:
    from transformers import AutoTokenizer, DataCollatorWithPadding, Trainer, TrainingArguments, pipeline

    tokenizer: Any = AutoTokenizer.from_pretrained(folder)
    model = _model(folder, data.task)
    ids = tokenizer([m.text for m in data.train], truncation=True)["input_ids"]
    rows: Any = [
        {"input_ids": i, "label": data.task.label_names.index(m.label)} for i, m in zip(ids, data.train, strict=True)
    ]
    with tempfile.TemporaryDirectory() as output:
        options = TrainingArguments(
            output,
            num_train_epochs=EPOCHS,
            learning_rate=LEARNING_RATE,
            seed=job.seed,
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
        )
        trainer = Trainer(model, options, DataCollatorWithPadding(tokenizer), rows)
        started = time.perf_counter()
        trainer.train()
        seconds = time.perf_counter() - started
    ask: Any = pipeline("text-classification", model=model.eval(), tokenizer=tokenizer)
    return seconds, lambda texts: [answer["label"] for answer in ask(list(texts))], "torch"


def _ours(job: Job, data: Messages, folder: Path) -> Trained:
    settings = EncoderSettings(
        model=(str(folder),),
        epochs=EPOCHS,
        learning_rate=LEARNING_RATE,
        batch_size=OUR_BATCH,
        head="softmax",
        runtime="auto",
    )
    classifier = Encoder(settings, seed=job.seed, threads=job.threads)
    classifier.load()
    told: list[float] = []

    def listen(_: Epoch | Progress) -> None:
        told.append(time.perf_counter())

    classifier.fit(data.task, data.train, (), listen=listen)
    # from just before the first step to the end of the last: reading model and messages is not timed with the others
    seconds = told[-1] - told[0]
    runtime = str(classifier.details().metadata["runtime"])
    return seconds, lambda texts: [p.labels[0] for p in classifier.predict(texts)], runtime


if __name__ == "__main__":
    answer_job(measure)
