"""Turn a conversation into tokens with the chat template of the GGUF.

The template is rendered with placeholders where texts belong, and the pieces are tokenised apart:
the template's own text may contain control tokens, a customer's message may not. A message that
says `<|im_end|>` is thus plain text and can never close its turn.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from classifiers.errors import BenchError
from classifiers.llm.engine.engine import Engine
from classifiers.llm.prompting.prompt import Turn

PLACE = re.compile("\u2983([0-9]+)\u2984")


@dataclass(slots=True)
class _Piece:
    """Tokens of template text, or of the message of a turn."""

    tokens: list[int]
    turn: Turn | None = None


class Chat:
    """Renders turns for one engine.

    Raises:
        BenchError: if the GGUF has no chat template.
    """

    def __init__(self, engine: Engine) -> None:
        from llama_cpp.llama_chat_format import Jinja2ChatFormatter

        if not engine.model.chat_template:
            raise BenchError("the GGUF has no chat template; choose an instruction-tuned model")
        self.engine = engine
        self._bos = engine.model.special_text("bos")
        eos = engine.model.special_text("eos")
        self._open = Jinja2ChatFormatter(engine.model.chat_template, eos, self._bos)
        self._closed = Jinja2ChatFormatter(engine.model.chat_template, eos, self._bos, add_generation_prompt=False)

    def tokens(self, turns: Sequence[Turn], *, room: int) -> tuple[list[int], bool]:
        """Return the prompt's token ids and whether the question was cut to fit `room` tokens.

        Raises:
            BenchError: if the prompt does not fit even without its question.
        """
        pieces = self._pieces(turns)
        excess = sum(len(piece.tokens) for piece in pieces) - room
        if excess > 0:
            question = next(piece.tokens for piece in pieces if piece.turn and piece.turn.is_question)
            if len(question) < excess:
                raise BenchError(
                    f"the prompt needs {room + excess - len(question)} tokens without its message, "
                    f"but only {room} fit; set a larger context, fewer labels or shorter definitions"
                )
            del question[len(question) - excess :]
        return [token for piece in pieces for token in piece.tokens], excess > 0

    def answer_tokens(self, answer: str) -> list[int]:
        """Return the tokens by which the model would say exactly this answer and end its turn."""
        rendered = self._render([Turn("user", "x"), Turn("assistant", "", "x")], self._closed)
        end = self.engine.model.tokenize(PLACE.split(rendered)[2], special=True)
        return [*self.engine.model.tokenize(answer, special=False), *end[:1]]

    def _pieces(self, turns: Sequence[Turn]) -> list[_Piece]:
        """Tokenise template text and messages apart."""
        rendered = self._render(turns, self._open)
        if self.engine.model.wants_bos and not rendered.startswith(self._bos):
            rendered = self._bos + rendered
        pieces: list[_Piece] = []
        parts = PLACE.split(rendered)
        for i, part in enumerate(parts):
            if i % 2:
                turn = turns[int(part)]
                # a word's token begins with the space before it: a prompt that ended in a space would be one
                # the model has hardly ever seen, so the space goes to the message
                space = " " * (len(parts[i - 1]) - len(parts[i - 1].rstrip(" ")))
                pieces.append(_Piece(self.engine.model.tokenize(space + turn.message, special=False), turn))
            else:
                text = part.rstrip(" ") if i + 1 < len(parts) else part
                pieces.append(_Piece(self.engine.model.tokenize(text, special=True)))
        return pieces

    def _render(self, turns: Sequence[Turn], form: Any) -> str:
        messages: list[Any] = [
            {"role": turn.role, "content": turn.text + ("" if turn.text and not turn.message else f"\u2983{i}\u2984")}
            for i, turn in enumerate(turns)
        ]
        return str(form(messages=messages).prompt)
