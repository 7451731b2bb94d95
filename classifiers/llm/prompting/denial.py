"""Which parts of an answer say that something is not so: what such a clause names is no answer."""

from __future__ import annotations

import re

END = "\u241e"
"""Stands for the end of a clause in a text whose punctuation is gone."""

_ENDS = re.compile(r"[.!?]+(?=[\s\"'*_)\]]|$)|[;\n]|[。！？；]")
# what follows these words is a statement of its own: "not a refund but an order", "a refund because it does not work"
_TURNS = re.compile(
    r"\b(?:but(?! also)|because|since|however|although|instead(?! of)|sondern|weil|sino|porque|mais|parce que)\b"
    rf"|而是|因为|因為|但是|{END}",
    re.IGNORECASE,
)
_NEGATION = re.compile(
    r"\b(?:not?|never|neither|nor|none|nothing|nobody|nowhere|cannot|cant|without|hardly|scarcely|barely|unlikely|"
    r"unrelated|false|except|excluding|lacks?|lacking|rather than|instead of|other than|far from|fails? to|"
    r"rules? out|ruled out|\w+n t|(?:do|does|did|is|was|are|were|wo|would|should|could|has|have|ai)nt|"
    r"nicht|kein\w*|weder|nie|niemals|pas|aucune?|jamais|n est|ni|nunca|jam[aá]s|ning[uú]n\w*|non|n[aã]o|nem|niet|geen|"
    r"не|нет|ни|никогда|nie|değil|bukan|tidak|không|ليس|ليست|لا|नहीं|ना|לא|אין)\b"
    r"|नहीं|[不没沒未]|无(?!线)|無(?!料|線)|并非|並非|而非|(?:は|が|で|じゃ|で\s*は)\s*な[いく]|ません|なし|아니|아닙|않|없|ไม่",
    re.IGNORECASE,
)


def with_clauses_marked(text: str) -> str:
    """Return a text in which every end of a sentence or line is an `END` of its own."""
    return _ENDS.sub(f" {END} ", text)


def clauses(text: str) -> list[str]:
    """Split a marked text into its clauses."""
    return _TURNS.split(text)


def is_denied(clause: str) -> bool:
    """Tell whether a clause, without punctuation, holds a negation anywhere."""
    return _NEGATION.search(clause) is not None
