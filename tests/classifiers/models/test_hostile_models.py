"""Other people's models: nothing in them is run, no name in them leads out of a folder, and what is broken is said."""

from __future__ import annotations

import ast
import json
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from classifiers.encoder.backend import Encoder
from classifiers.encoder.settings import EncoderSettings
from classifiers.errors import BenchError
from classifiers.finetune.sentence import SentenceEncoder
from classifiers.finetune.settings import ModelSettings
from classifiers.interface import Message, Task
from classifiers.linear import Linear
from classifiers.models.cache import local_model
from classifiers.models.safe_load import read_fitted

REPOSITORY = Path(__file__).parents[3]
RAN: list[str] = []


def run(what: str) -> None:
    RAN.append(what)


class Evil:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str]]:
        return run, ("a pickle was run",)


def test_the_evil_pickle_does_run_where_nobody_minds() -> None:
    pickle.loads(pickle.dumps(Evil()))
    assert RAN.pop() == "a pickle was run"


@pytest.fixture(autouse=True)
def nothing_runs() -> Any:
    RAN.clear()
    yield
    assert RAN == []


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of a few random weights, whole with its tokenizer."""
    from transformers import BertConfig, BertModel, BertTokenizer

    folder = tmp_path_factory.mktemp("encoder")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "refund", "order", "my", "where", "the", "is"]
    tokenizer: Any = BertTokenizer(vocab={word: i for i, word in enumerate(words)})
    tokenizer.save_pretrained(folder)
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    BertModel(BertConfig(vocab_size=len(words), max_position_embeddings=64, **sizes)).save_pretrained(folder)
    return folder


def copied(folder: Path, to: Path, *, without: str = "") -> Path:
    to.mkdir()
    for file in folder.iterdir():
        if file.name != without:
            (to / file.name).write_bytes(file.read_bytes())
    return to


@pytest.fixture
def pickled(encoder: Path, tmp_path: Path) -> Path:
    """The same encoder with its weights as pickle alone."""
    from safetensors.torch import load_file

    folder = copied(encoder, tmp_path / "pickled", without="model.safetensors")
    torch.save(load_file(encoder / "model.safetensors"), folder / "pytorch_model.bin")
    return folder


def fitted(folder: Path, task: Task, messages: list[Message], **values: object) -> Encoder:
    given = {"model": str(folder), "head": "linear", **values}
    made = Encoder(EncoderSettings.model_validate(given))
    made.load()
    made.fit(task, messages, messages[::4])
    return made


def test_pickled_weights_are_refused_unless_asked_for(
    encoder: Path, pickled: Path, task: Task, messages: list[Message]
) -> None:
    with pytest.raises(BenchError, match=r"pickle \(pytorch_model.bin\), which can run code .* allow_pickle = true"):
        fitted(pickled, task, messages)
    texts = [message.text for message in messages]
    for head in ("linear", "softmax"):
        made = fitted(pickled, task, messages, head=head, allow_pickle=True, epochs=1)
        assert made.details().models[0].name == "pytorch_model.bin"
        assert len(list(made.predict(texts))) == len(texts)
    safe, unsafe = fitted(encoder, task, messages), fitted(pickled, task, messages, allow_pickle=True)
    assert [p.labels for p in safe.predict(texts)] == [p.labels for p in unsafe.predict(texts)]


@pytest.mark.parametrize("head", ["linear", "softmax", "probe", "setfit"])
def test_a_pickle_that_runs_code_does_not_even_where_pickles_are_allowed(
    head: str, pickled: Path, task: Task, messages: list[Message]
) -> None:
    torch.save({"embeddings.word_embeddings.weight": Evil()}, pickled / "pytorch_model.bin")
    with pytest.raises(pickle.UnpicklingError, match="weights_only"):
        fitted(pickled, task, messages, head=head, allow_pickle=True)


def test_safetensors_are_taken_where_a_folder_has_both(encoder: Path, tmp_path: Path) -> None:
    folder = copied(encoder, tmp_path / "both")
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Evil()))
    assert [file.name for file in local_model(str(folder), "encoder").files] == ["model.safetensors"]
    for allowed in (False, True):
        reading = ModelSettings(allow_pickle=allowed).reading
        SentenceEncoder.open(folder, reading, device=torch.device("cpu"))


@pytest.mark.parametrize("ending", [".bin", ".pt", ".pth"])
def test_other_names_of_pickles_are_refused_too(encoder: Path, tmp_path: Path, ending: str) -> None:
    folder = copied(encoder, tmp_path / "other", without="model.safetensors")
    (folder / f"weights{ending}").write_bytes(b"")
    for allowed in (False, True):
        with pytest.raises(BenchError, match=r"as pickle|has neither pytorch_model.bin"):
            local_model(str(folder), "encoder", allow_pickle=allowed)


@pytest.mark.parametrize(
    "index",
    [b"[", b"[]", b"{}", b'{"weight_map": []}', b'{"weight_map": {"a": 1}}', b"[" * 100_000]
    + [
        json.dumps({"weight_map": {"a": name}}).encode()
        for name in ("../model.safetensors", "/m.safetensors", "evil.bin", "sub/m.safetensors")
    ],
)
def test_a_list_of_weights_names_safetensors_of_its_folder(encoder: Path, tmp_path: Path, index: bytes) -> None:
    folder = copied(encoder, tmp_path / "listed")
    (folder / "model.safetensors.index.json").write_bytes(index)
    with pytest.raises(BenchError, match=r"is no list of weights|file beside it"):
        local_model(str(folder), "encoder")


def test_no_code_of_a_model_is_run(encoder: Path, tmp_path: Path, task: Task, messages: list[Message]) -> None:
    """Neither the classes a config maps to nor the modules a sentence encoder lists."""
    from classifiers.llm.prompting.examples import SimilarMessages

    code = f"from {__name__} import RAN\nRAN.append('imported')\n"
    folder = copied(encoder, tmp_path / "coded")
    (folder / "evil.py").write_text(code + "from transformers import BertModel as Evil\n")
    config = json.loads((folder / "config.json").read_text())
    config["auto_map"] = dict.fromkeys(("AutoConfig", "AutoModel", "AutoTokenizer"), "evil.Evil")
    (folder / "config.json").write_text(json.dumps(config))
    fitted(folder, task, messages)
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "evil"}))
    with pytest.raises(ValueError, match=r"trust_remote_code|evil"):
        fitted(folder, task, messages)
    (folder / "modules.json").write_text(json.dumps([{"idx": 0, "name": "0", "path": "", "type": "evil.Evil"}]))
    with pytest.raises(ValueError, match=r"trust_remote_code|evil"):
        SimilarMessages(messages, folder, threads=1)


def test_saved_models_that_name_strange_types_are_refused(
    encoder: Path, tmp_path: Path, task: Task, messages: list[Message]
) -> None:
    from skops.io import dump

    class Strange:
        """A type that skops does not know."""

    globals()["Strange"] = Strange
    Strange.__qualname__ = "Strange"
    made, linear = fitted(encoder, task, messages), Linear()
    linear.fit(task, messages, messages[::4])
    for one, name in ((made, "head.skops"), (linear, "linear.skops")):
        folder = tmp_path / name
        folder.mkdir()
        one.save(folder)
        type(one)(one.settings).load_from(folder, task)
        dump(Strange(), folder / name)
        with pytest.raises((BenchError, TypeError), match="Strange"):
            type(one)(one.settings).load_from(folder, task)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", pickle.dumps(Evil()), b"[" * 100_000])
def test_what_is_no_skops_file_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "head.skops").write_bytes(content)
    with pytest.raises(BenchError, match="cannot be read"):
        read_fitted(tmp_path / "head.skops")
    with zipfile.ZipFile(tmp_path / "head.skops", "w") as archive:
        archive.writestr("schema.json", content)
    with pytest.raises(BenchError, match="cannot be read"):
        read_fitted(tmp_path / "head.skops")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("fitted.json", b"{}"),
        ("fitted.json", b"[" * 100_000),
        ("fitted.json", b'{"runtime": "../x"}'),
        ("0_Transformer/model.safetensors", b"\xff" * 100),
        ("0_Transformer/model.safetensors", struct.pack("<Q", 1 << 60)),
        ("0_Transformer/config.json", b"[]"),
        ("0_Transformer/config.json", b"{}"),
        ("1_Pooling/config.json", b"[" * 100_000),
        ("1_Pooling/config.json", b"[1]"),
    ],
)
def test_a_saved_encoder_that_is_broken_is_one_line(
    encoder: Path, tmp_path: Path, task: Task, messages: list[Message], name: str, content: bytes
) -> None:
    made = fitted(encoder, task, messages)
    made.save(tmp_path)
    (tmp_path / name).write_bytes(content)
    with pytest.raises(BenchError) as caught:
        Encoder(made.settings).load_from(tmp_path, task)
    assert "\n" not in str(caught.value)


FORBIDDEN = {"pickle", "cPickle", "dill", "joblib", "marshal", "shelve"}


@pytest.mark.parametrize(
    "file", sorted(f for room in ("bench", "classifiers") for f in (REPOSITORY / room).rglob("*.py"))
)
def test_no_code_of_ours_unpickles_trusts_a_models_code_or_starts_a_shell(file: Path) -> None:
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            counts_cores = names == ["cpu_count", "joblib"]  # which reads no file of joblib's
            assert counts_cores or not FORBIDDEN & {name.partition(".")[0] for name in names}
        if isinstance(node, ast.Call):
            given = {word.arg: ast.unparse(word.value) for word in node.keywords}
            assert given.get("trust_remote_code", "False") == "False"
            assert given.get("shell", "False") == "False"
            assert given.get("weights_only", "True") == "True"
            assert ast.unparse(node.func) not in ("eval", "exec", "os.system", "os.popen")
            assert ast.unparse(node.func) != "torch.load" or "weights_only" in given
