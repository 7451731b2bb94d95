"""Turn a conversation into tokens with the chat template of the GGUF.

The template is rendered with placeholders where texts belong, and the pieces are tokenised apart:
the template's own text may contain control tokens, a customer's message may not. A message that
says `<|im_end|>` is thus plain text and can never close its turn.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from classifiers.interface import BenchError
from classifiers.llm.engine import Engine
from classifiers.llm.prompt import Turn

PLACE = re.compile("\u2983([0-9]+)\u2984")


class Chat:
    """Renders turns for one engine.

    Raises:
        BenchError: if the GGUF has no chat template.
    """

    def __init__(self, engine: Engine) -> None:
        from llama_cpp.llama_chat_format import Jinja2ChatFormatter

        if not engine.chat_template:
            raise BenchError("the GGUF has no chat template; choose an instruction-tuned model")
        self.engine = engine
        self._bos = engine.special_text("bos")
        self._format = Jinja2ChatFormatter(engine.chat_template, engine.special_text("eos"), self._bos)

    def tokens(self, turns: Sequence[Turn], *, room: int) -> tuple[list[int], bool]:
        """Give the prompt's token ids and whether the first message was cut to fit `room` tokens.

        Raises:
            BenchError: if the prompt does not fit even without the message.
        """
        pieces = self._pieces(turns)
        excess = sum(len(ids) for ids, _ in pieces) - room
        if excess > 0:
            longest = max((ids for ids, is_message in pieces if is_message), key=len, default=[])
            if len(longest) < excess:
                raise BenchError(
                    f"the prompt needs {room + excess - len(longest)} tokens without its message, "
                    f"but only {room} fit; set a larger context or shorten the label definitions"
                )
            del longest[len(longest) - excess :]
        return [token for ids, _ in pieces for token in ids], excess > 0

    def _pieces(self, turns: Sequence[Turn]) -> list[tuple[list[int], bool]]:
        """Tokenise template text and messages apart; True marks a message."""
        rendered = self._render(turns)
        if self.engine.wants_bos and not rendered.startswith(self._bos):
            rendered = self._bos + rendered
        pieces: list[tuple[list[int], bool]] = []
        for i, part in enumerate(PLACE.split(rendered)):
            if i % 2:
                pieces.append((self.engine.tokenize(turns[int(part)].message, special=False), True))
            else:
                pieces.append((self.engine.tokenize(part, special=True), False))
        return pieces

    def _render(self, turns: Sequence[Turn]) -> str:
        places = [t.text + (f"\u2983{i}\u2984" if t.message or not t.text else "") for i, t in enumerate(turns)]
        messages: list[Any] = [{"role": t.role, "content": text} for t, text in zip(turns, places, strict=True)]
        return str(self._format(messages=messages).prompt)
