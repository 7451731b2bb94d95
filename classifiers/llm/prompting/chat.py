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
from classifiers.llm.prompting.reasoning import DEFAULT_OPENING, closing_of, is_open, opening_in
from classifiers.llm.prompting.recipe import MESSAGE

PLACE = re.compile("\u2983([0-9]+)\u2984")


class NoRoomError(BenchError):
    """A prompt does not fit, even without its message."""


@dataclass(slots=True)
class _Piece:
    """Tokens of template text, or of the message of a turn with the space that was put before it."""

    tokens: list[int]
    turn: Turn | None = None
    space: str = ""


class Chat:
    """Renders turns for one engine.

    Without `thinks`, a model whose template knows reasoning is asked to answer at once: an empty reasoning stands
    before its answer, as its own template writes it where thinking is switched off. With it, every answer begins with
    an opening tag.

    Raises:
        BenchError: if the GGUF has no chat template.
    """

    def __init__(self, engine: Engine, *, thinks: bool = False) -> None:
        from llama_cpp.llama_chat_format import Jinja2ChatFormatter

        template = engine.model.chat_template
        if not template:
            raise BenchError("the GGUF has no chat template; choose an instruction-tuned model")
        self.engine = engine
        self._thinks = thinks
        self._opening = opening_in(template) or (DEFAULT_OPENING if thinks else None)
        self._bos = engine.model.special_text("bos")
        eos = engine.model.special_text("eos")
        self._open = Jinja2ChatFormatter(template, eos, self._bos)
        self._closed = Jinja2ChatFormatter(template, eos, self._bos, add_generation_prompt=False)

    def end_of_thought(self, *, is_closed: bool) -> list[int]:
        """Return the tokens between a reasoning and the answer, its closing tag included where it wrote none."""
        text = "\n\n" if is_closed else f"\n{closing_of(self._opening or DEFAULT_OPENING)}\n\n"
        return self.engine.model.tokenize(text, special=True)

    def tokens(self, turns: Sequence[Turn], *, room: int, is_open: bool = False) -> tuple[list[int], bool]:
        """Return the prompt's token ids and whether the question was cut to fit `room` tokens.

        Args:
            turns: the conversation; the last one is the question.
            room: tokens the prompt may have.
            is_open: whether to leave out all that stands behind the question's message.

        Raises:
            NoRoomError: if the prompt does not fit even without its question.
        """
        pieces = self._pieces(turns)[: -1 if is_open else None]
        excess = sum(len(piece.tokens) for piece in pieces) - room
        if excess > 0:
            question = next(piece.tokens for piece in pieces if piece.turn and piece.turn.is_question)
            if len(question) < excess:
                raise NoRoomError(
                    f"the prompt needs {room + excess - len(question)} tokens without its message, "
                    f"but only {room} fit; set a larger context, fewer labels or shorter definitions"
                )
            del question[len(question) - excess :]
        return [token for piece in pieces for token in piece.tokens], excess > 0

    def around(self, turns: Sequence[Turn]) -> list[int | str]:
        """Return the tokens around the message of a question, and between them its place as text."""
        pieces = self._pieces(turns)
        place = next(i for i, piece in enumerate(pieces) if piece.turn and piece.turn.is_question)
        before, behind = ([t for piece in part for t in piece.tokens] for part in (pieces[:place], pieces[place + 1 :]))
        return [*before, pieces[place].space + MESSAGE, *behind]

    def behind_message(self, after: str) -> list[int]:
        """Return the tokens behind a question's message where `after` is asked there."""
        return self._pieces([Turn("user", "", "x", is_question=True, after=after)])[-1].tokens

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
        parts[-1] = self._with_reasoning(parts[-1])
        for i, part in enumerate(parts):
            if i % 2:
                turn = turns[int(part)]
                # a word's token begins with the space before it: a prompt that ended in a space would be one
                # the model has hardly ever seen, so the space goes to the message
                space = " " * (len(parts[i - 1]) - len(parts[i - 1].rstrip(" ")))
                pieces.append(_Piece(self.engine.model.tokenize(space + turn.message, special=False), turn, space))
            else:
                text = part.rstrip(" ") if i + 1 < len(parts) else part
                pieces.append(_Piece(self.engine.model.tokenize(text, special=True)))
        return pieces

    def _with_reasoning(self, end: str) -> str:
        """Return the end of a rendered prompt with its reasoning opened, or opened and closed."""
        if self._opening is None or closing_of(self._opening) in end:
            return end
        opened = end if is_open(end) else f"{end}{self._opening}\n"
        return opened if self._thinks else f"{opened.rstrip()}\n\n{closing_of(self._opening)}\n\n"

    def _render(self, turns: Sequence[Turn], form: Any) -> str:
        messages: list[Any] = []
        for i, turn in enumerate(turns):
            place = "" if turn.text and not turn.message and not turn.after else f"\u2983{i}\u2984"
            messages.append({"role": turn.role, "content": turn.text + place + turn.after})
        return str(form(messages=messages, enable_thinking=self._thinks).prompt)
