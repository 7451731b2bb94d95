"""Real weights for the tests, a message folder small enough to learn in seconds, and a browser."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from samples import word_pieces, write_sweep

from bench.cli import main
from classifiers.interface import Message, Task
from classifiers.models.cache import local_model
from classifiers.testing import MESSAGES, TASK, TEXTS

REPOSITORY = Path(__file__).parents[1]
CUSTOMER_MESSAGES = REPOSITORY / "data" / "customer-messages"

LONGEST = (
    *("docs", "sweep", "speed", "scoring", "contract", "faults", "runtime", "atlas_commands", "mpnet", "run", "lora"),
    *("tuning", "saved_formats", "multilabel", "server_faults", "page", "torchrun", "package", "batch", "hub"),
    *("wording", "server", "deployment"),
)
"""The files that take longest, the longest first."""


def pytest_configure(config: pytest.Config) -> None:
    """Give every process of a parallel test run cores of its own: threads that share a core wait for each other.

    Threads sleep soon when they wait: processes that a test starts run beside those of other tests.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "4000")
    worker = getattr(config, "workerinput", None)
    if worker and hasattr(os, "sched_setaffinity"):
        cores = sorted(os.sched_getaffinity(0))
        place = int(worker["workerid"].removeprefix("gw"))
        os.sched_setaffinity(0, cores[place :: worker["workercount"]] or cores)
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False  # xdist would begin with the files of most tests, not with the longest


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Do not import modules of slow tests alone where none is wanted: they take torch, pandas and others along."""
    if config.getoption("markexpr") != "not slow" or collection_path.suffix != ".py":
        return None
    return True if "\npytestmark = pytest.mark.slow\n" in collection_path.read_text(encoding="utf-8") else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A test that asks for weights is slow; nobody has to remember to mark it."""
    for item in items:
        if {"minilm", "smollm", "distilbert", "engine"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    # files that take long come first, so that no process is left alone with one at the end
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    last = len(LONGEST)
    places = {f"test_{name}.py": place for place, name in enumerate(LONGEST)}
    items.sort(key=lambda item: (places.get(item.path.name, last), item.path not in slow))


def pytest_terminal_summary(terminalreporter: object) -> None:
    """In CI a skipped test is a failed run."""
    skipped = getattr(terminalreporter, "stats", {}).get("skipped", [])
    if os.environ.get("CI") and skipped:
        pytest.exit(f"{len(skipped)} tests were skipped in CI", returncode=1)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """Return a folder that the first process to want it fills, for all processes of a test run; nobody changes it."""
    root = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent  # that of the whole run, of which each process has a folder
    folder = root / name
    with FileLock(root / f"{name}.lock"):
        if not (folder / "made").exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir()
            make(folder)
            (folder / "made").touch()
    return folder


def said_by(*command: str) -> str:
    """Return what a command of ours prints; it must succeed."""
    shown = io.StringIO()
    with redirect_stdout(shown):
        assert main(list(command)) == 0
    return shown.getvalue()


@pytest.fixture(scope="session")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished sweep over three data sets and two seeds: `wide.toml`, `results`, and what it said, `shown.txt`."""

    def make(folder: Path) -> None:
        config = write_sweep(folder, seeds=[0, 1], top="jobs = 2\n")
        (folder / "shown.txt").write_text(said_by("--results", str(folder / "results"), "run", str(config)))

    return made_once(tmp_path_factory, "swept", make)


@pytest.fixture(scope="session")
def shipped_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A results folder with a finished run `r` of `majority` and `linear`, saved, on the shipped messages."""

    def make(folder: Path) -> None:
        rows = "[classifiers.majority]\n[classifiers.linear]\nstrengths = [10.0]\n"
        config = folder / "c.toml"
        config.write_text(f"latency_messages = 0\n[data]\npath = '{CUSTOMER_MESSAGES}'\n{rows}")
        said_by("--results", str(folder), "run", str(config), "--run", "r")

    return made_once(tmp_path_factory, "shipped", make)


@pytest.fixture(scope="session")
def minilm() -> Path:
    return local_model("minilm-l6", "encoder").path


@pytest.fixture(scope="session")
def smollm() -> Path:
    return local_model("smollm2-135m-instruct", "gguf").path


@pytest.fixture(scope="session")
def distilbert(minilm: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MiniLM's weights as a DistilBERT: the two differ only by the token-type row, which is added in."""
    from transformers import AutoModel, DistilBertConfig, DistilBertModel

    bert = AutoModel.from_pretrained(minilm)
    c = bert.config
    model = DistilBertModel(
        DistilBertConfig(
            vocab_size=c.vocab_size,
            dim=c.hidden_size,
            hidden_dim=c.intermediate_size,
            n_layers=c.num_hidden_layers,
            n_heads=c.num_attention_heads,
            max_position_embeddings=c.max_position_embeddings,
        )
    )
    model.load_state_dict(_distilbert_weights(bert))
    folder = tmp_path_factory.mktemp("distilbert")
    model.save_pretrained(folder)
    for file in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        shutil.copy(minilm / file, folder / file)
    return folder


def _distilbert_weights(bert: object) -> dict[str, object]:
    """Rename BERT's weights to DistilBERT's and add token-type row 0 to every position embedding."""
    names = {
        "encoder.layer.": "transformer.layer.",
        "attention.self.query": "attention.q_lin",
        "attention.self.key": "attention.k_lin",
        "attention.self.value": "attention.v_lin",
        "attention.output.dense": "attention.out_lin",
        "attention.output.LayerNorm": "sa_layer_norm",
        "intermediate.dense": "ffn.lin1",
        "output.dense": "ffn.lin2",
        "output.LayerNorm": "output_layer_norm",
    }
    weights = {}
    for name, tensor in bert.state_dict().items():  # type: ignore[attr-defined]
        for old, new in names.items():
            name = name.replace(old, new)
        weights[name] = tensor
    kinds = weights.pop("embeddings.token_type_embeddings.weight")
    weights["embeddings.position_embeddings.weight"] = weights["embeddings.position_embeddings.weight"] + kinds[0]
    return {k: v for k, v in weights.items() if not k.startswith("pooler") and "_ids" not in k}


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory, messages: list[Message]) -> Path:
    """A BERT of two layers with random weights, and a tokenizer trained on the messages."""
    from transformers import BertConfig, BertModel, set_seed

    folder = tmp_path_factory.mktemp("bert")
    tokenizer = word_pieces([m.text for m in messages])
    tokenizer.save_pretrained(folder)
    set_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(
        BertConfig(vocab_size=len(tokenizer), max_position_embeddings=64, pad_token_id=1, **sizes)
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory, messages: list[Message]) -> Path:
    """A llama of two layers with random weights, and a tokenizer trained on the messages."""
    from tokenizers import ByteLevelBPETokenizer
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

    folder = tmp_path_factory.mktemp("llama")
    bytes_ = ByteLevelBPETokenizer()
    bytes_.train_from_iterator([m.text for m in messages], vocab_size=400, special_tokens=["<start>", "<end>"])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=bytes_._tokenizer, bos_token="<start>", eos_token="<end>")
    tokenizer.save_pretrained(folder)
    set_seed(0)
    LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
        )
    ).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def task() -> Task:
    return TASK


REFUNDS, INQUIRIES, FEEDBACK = TEXTS.values()


@pytest.fixture(scope="session")
def messages() -> list[Message]:
    return list(MESSAGES)


@pytest.fixture
def data_folder(tmp_path: Path) -> Path:
    """The messages as a folder with task.toml, eight a label."""
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "refunds.txt").write_text("\n".join(REFUNDS) + "\n", encoding="utf-8")
    (folder / "inquiries.txt").write_text("\n".join(INQUIRIES) + "\n", encoding="utf-8")
    (folder / "feedback.txt").write_text("\n".join(FEEDBACK) + "\n", encoding="utf-8")
    (folder / "task.toml").write_text(
        """name = "shop"
instruction = "Decide what a customer wants."
labels = [
  {name = "Refund Request", definition = "Wants money back.", file = "refunds.txt"},
  {name = "Order Inquiry", definition = "Asks about an order.", file = "inquiries.txt"},
  {name = "General Feedback", definition = "Praises or complains.", file = "feedback.txt"},
]
""",
        encoding="utf-8",
    )
    return folder


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium, closed at the end of a module: playwright's event loop would refuse those of later tests."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        pytest.skip("no chromium: install it to test the report's page")
    from playwright.sync_api import sync_playwright

    flags = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync", "--no-first-run"]
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=path, args=flags)
        yield opened
        opened.close()


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A Ray cluster of a head that works on nothing; tests add machines."""
    import ray
    from ray.cluster_utils import Cluster

    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    yield started
    ray.shutdown()
    started.shutdown()
