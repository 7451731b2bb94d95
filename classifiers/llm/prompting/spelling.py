"""The forms in which a label name is compared with what a model wrote, from the strictest to the loosest.

Signs can be all that tells two labels apart (C, C++, C#; +1, -1; A, A+), and marks are letters in many scripts, so a
reduced form drops only what never does: case, quotes, brackets, sentence punctuation and underscores.
"""

from __future__ import annotations

import re
import unicodedata

# scripts written without spaces between words, in which a label can stand in the middle of a sentence
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese, Japanese, Korean
)
PICTURES = "\u2190-\u21ff\u2300-\u2bff\U0001f000-\U0001faff"
FREE = UNSPACED + PICTURES
"""Characters that a label may stand beside without a space, as a character class."""

JOINER = "\u200d"
_DASHES = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212\uff0d\ufe63", "-"))
_KEPT_PUNCTUATION = "#%@"
_BULLET = re.compile(r"^(?:[-*+•>]|#+|\d+[.)])\s+")
_PAIRS = dict(zip("\"'`*_“‘„«»([{<「『【《", "\"'`*_”’“»«)]}>」』】》", strict=True))
_ENDINGS = ".,;:!?…。！？；：、"


def exact(text: str) -> str:
    """Return a text composed (NFC), with single spaces and without variation selectors and other invisible signs."""
    seen = (c for c in unicodedata.normalize("NFC", text) if not _is_invisible(c))
    return " ".join("".join(seen).split())


def look(text: str) -> str:
    """Return what a reader can see of a text: two labels that look the same cannot both be asked for."""
    return exact(text).replace(JOINER, "").replace("\u200c", "")


def folded(text: str) -> str:
    """Return a text without case and compatibility forms (full width, ligatures, the kinds of dashes)."""
    return exact(unicodedata.normalize("NFKC", text).translate(_DASHES).casefold())


def reduced(text: str, *, fold: bool = True) -> str:
    """Return a text's words, with their marks and signs, without punctuation; a hyphen between words divides them."""
    plain = folded(text) if fold else exact(unicodedata.normalize("NFKC", text).translate(_DASHES))
    return " ".join("".join(_kept(plain, i) for i in range(len(plain))).split())


def unwrapped(text: str) -> list[str]:
    """Return a text, and what is left as its bullets, quotes, brackets and full stops are taken off one by one."""
    layers = [text.strip()]
    while (inner := _without_outermost(layers[-1])) != layers[-1]:
        layers.append(inner)
    return [layer for layer in layers if layer]


def _without_outermost(text: str) -> str:
    if bullet := _BULLET.match(text):
        return text[bullet.end() :].strip()
    if len(text) > 1 and _PAIRS.get(text[0]) == text[-1]:
        return text[1:-1].strip()
    return text[:-1].strip() if text[-1:] and text[-1] in _ENDINGS else text


def _is_invisible(character: str) -> bool:
    """Tell whether a character shows nothing; joiners are no such ones, they change what is beside them."""
    is_format = unicodedata.category(character) == "Cf" and character not in (JOINER, "\u200c")
    return is_format or "\ufe00" <= character <= "\ufe0f"


def _kept(text: str, i: int) -> str:
    """Return what the reduced form keeps of one character: itself, a space, or nothing."""
    character = text[i]
    if character == "-":
        between_words = 0 < i < len(text) - 1 and text[i - 1].isalnum() and text[i + 1].isalnum()
        attached = any(side.isalnum() or side == "-" for side in (text[i - 1 : i], text[i + 1 : i + 2]))
        return "-" if attached and not between_words else " "
    if character == "\u200c" or (character == JOINER and text[i - 1 : i].isalpha()):
        return ""
    if character in _KEPT_PUNCTUATION:
        return character
    kind = unicodedata.category(character)
    dropped = kind[0] in "PZ" or kind in ("Cc", "Cs") or character in "`|~"
    return " " if dropped else character
