"""A causal LLM as transformers reads it, from a folder of safetensors or from a GGUF, with a head for labels.

A GGUF is unpacked to dense weights by transformers, which knows the blocks of every quantisation and the layers of
the commoner architectures (llama, qwen2, qwen3, gemma, phi3 and others).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from classifiers.errors import BenchError
from classifiers.finetune.tokens import MessageTokens
from classifiers.interface import ModelFile, Task
from classifiers.lora.settings import LoraSettings
from classifiers.models.cache import LocalModel, kind_of, local_model
from classifiers.models.catalogue import hub_name


class EndedTokens(MessageTokens):
    """Token ids that end with the end token, at which the head reads; so an empty message has one too."""

    def ids(self, texts: Sequence[str]) -> tuple[list[list[int]], list[bool]]:
        """Return each text's token ids, and whether its end was cut off."""
        ids, cut = super().ids(texts)
        end = self.tokenizer.eos_token_id
        assert isinstance(end, int)
        return [[*message_ids, end] for message_ids in ids], cut


@dataclass(frozen=True, slots=True)
class CausalLLM:
    """A model that lies on this machine, with its tokenizer; `place` says where in transformers' words."""

    name: str
    files: tuple[ModelFile, ...]
    place: dict[str, Any]
    tokens: EndedTokens

    @classmethod
    def open(cls, local: LocalModel, settings: LoraSettings) -> CausalLLM:
        """Read the tokenizer; special tokens that stand in a message are text to it.

        Raises:
            BenchError: if the model has no end token, as encoders have none.
        """
        from transformers import AutoTokenizer, PreTrainedTokenizerFast

        is_gguf = local.path.is_file()
        place: dict[str, Any] = {"pretrained_model_name_or_path": local.path}
        if is_gguf:
            place = {"pretrained_model_name_or_path": local.path.parent, "gguf_file": local.path.name}
        # AutoTokenizer reads all of a GGUF for its config first: 3.0 s for SmolLM2's, where this takes 0.2 s
        reader: Any = PreTrainedTokenizerFast if is_gguf else AutoTokenizer
        tokenizer = reader.from_pretrained(**place, split_special_tokens=True, padding_side="right")
        if tokenizer.eos_token is None:
            raise BenchError(f"'{local.name}' has no end token, so it is no causal LLM; name another model")
        tokenizer.pad_token = padding_token(tokenizer)
        limit = min(settings.max_length, int(tokenizer.model_max_length)) - 1
        return cls(local.name, local.files, place, EndedTokens(tokenizer, limit, fixed=False))

    @property
    def reading(self) -> tuple[str, dict[str, str]]:
        """Return where transformers finds the model, on the Hub if it is known there, and how it reads it."""
        known = hub_name(self.name)
        where = known if "/" in known else str(self.place["pretrained_model_name_or_path"])
        return where, {name: file for name, file in self.place.items() if name == "gguf_file"}

    def with_head(self, task: Task, settings: LoraSettings) -> Any:
        """Read the weights, in the precision they compute with; the head is new, and in float32 since it is learnt."""
        import torch
        from transformers import AutoConfig, AutoModelForSequenceClassification, GgufConfig

        from classifiers.finetune.device import chosen_device, precision_for
        from classifiers.finetune.label_config import label_config

        config = AutoConfig.from_pretrained(
            **self.place,
            **label_config(task),
            pad_token_id=self.tokens.tokenizer.pad_token_id,
            use_cache=False,
            trust_remote_code=False,
        )
        device = chosen_device(settings.device)
        unpack = {"quantization_config": GgufConfig(dequantize=True)} if "gguf_file" in self.place else {}
        auto: Any = AutoModelForSequenceClassification
        model = auto.from_pretrained(
            **self.place,
            **unpack,
            config=config,
            dtype=getattr(torch, precision_for(settings.training.precision, device.type)),
            **settings.reading,
        )
        model.score.float()
        return model.to(device)


def padding_token(tokenizer: Any) -> str:
    """Return a token to pad with, another than the end token where there is one.

    The head reads at the last token that is not padding: the end token, or where that is the padding too, the one
    before it.
    """
    others = (tokenizer.pad_token, tokenizer.unk_token, tokenizer.bos_token)
    return next((str(t) for t in others if t and t != tokenizer.eos_token), str(tokenizer.eos_token))


def model_of(files: tuple[ModelFile, ...], names: Sequence[str]) -> LocalModel:
    """Return the one of `names` that consists of these files.

    Raises:
        BenchError: if no available model does.
    """
    for name in names:
        with suppress(BenchError):
            if (local := local_model(name, kind_of(name))).files == files:
                return local
    raise BenchError(f"none of the models {', '.join(names)} has the weights that the LoRA was trained on")
