"""Perturb a text the way the world does, at three severities, at random by a seed.

Written here because the libraries for it are unkept (nlpaug: no release since 2022) or bring a framework of
their own (textattack). Everything works on characters and words alone, in any language that has them.
"""

from __future__ import annotations

import random
from collections.abc import Callable

SEVERITIES = (1, 2, 3)
SHARES = {1: 0.05, 2: 0.15, 3: 0.3}
"""Severity to the share of characters or words that is touched."""

# neighbours on a QWERTY keyboard
KEYS = {
    "q": "wa", "w": "qes", "e": "wrd", "r": "etf", "t": "ryg", "y": "tuh", "u": "yij", "i": "uok", "o": "ipl",
    "p": "ol", "a": "qsz", "s": "awdx", "d": "sefc", "f": "drgv", "g": "fthb", "h": "gyjn", "j": "hukm",
    "k": "jil", "l": "kop", "z": "asx", "x": "zsdc", "c": "xdfv", "v": "cfgb", "b": "vghn", "n": "bhjm", "m": "njk",
}  # fmt: skip
# letters of other scripts that look the same (Unicode confusables)
HOMOGLYPHS = dict(zip("aceiopsxyABCEHKMOPTX", "\u0430\u0441\u0435\u0456\u043e\u0440\u0455\u0445\u0443"
    "\u0410\u0412\u0421\u0415\u041d\u041a\u041c\u041e\u0420\u0422\u0425", strict=True))  # fmt: skip
NOISE = (
    "Sent from my phone.",
    "Have a nice weekend!",
    "This e-mail may contain confidential information.",
    "By the way, the weather here is lovely today.",
    "> On Monday you wrote: thank you for contacting us.",
    "Ticket created automatically, do not reply to this address.",
)

Perturbation = Callable[[str, int, random.Random], str]


def typos(text: str, severity: int, rng: random.Random) -> str:
    """Hit a neighbouring key, double or drop a letter."""

    def mistyped(letter: str) -> str:
        if letter.lower() not in KEYS or rng.random() >= SHARES[severity]:
            return letter
        return rng.choice(["", letter * 2, rng.choice(KEYS[letter.lower()])])

    return "".join(map(mistyped, text))


def case(text: str, severity: int, rng: random.Random) -> str:
    """Write all in lower case, shout, or mix at random."""
    if severity == SEVERITIES[0]:
        return text.lower()
    if severity == SEVERITIES[1]:
        return text.upper()
    return "".join(c.upper() if rng.random() < 0.5 else c.lower() for c in text)


def punctuation(text: str, severity: int, rng: random.Random) -> str:
    """Drop a third, two thirds or all of the punctuation."""
    share = severity / SEVERITIES[-1]
    return "".join(s for s in text if s.isalnum() or s.isspace() or rng.random() >= share)


def whitespace(text: str, severity: int, rng: random.Random) -> str:
    """Lose spaces, and put others where none belong."""
    share = SHARES[severity]
    characters = []
    for character in text:
        if character == " " and rng.random() < share:
            continue
        characters.append(character + (rng.choice([" ", "\t", "\n"]) if rng.random() < share / 3 else ""))
    return "".join(characters)


def homoglyphs(text: str, severity: int, rng: random.Random) -> str:
    """Put letters of other scripts in place of those that look the same."""
    share = 2 * SHARES[severity]
    return "".join(HOMOGLYPHS.get(s, s) if rng.random() < share else s for s in text)


def irrelevant_text(text: str, severity: int, rng: random.Random) -> str:
    """Put sentences that say nothing before and after."""
    before, after = rng.sample(NOISE, severity), rng.sample(NOISE, severity)
    return " ".join([*before, text, *after])


def truncation(text: str, severity: int, rng: random.Random) -> str:
    """Keep three quarters, a half or a quarter of the words, the first ones; one at least."""
    words = text.split(" ")
    return " ".join(words[: max(1, round(len(words) * (1 - 0.25 * severity)))])


PERTURBATIONS: dict[str, Perturbation] = {
    "typos": typos,
    "case": case,
    "punctuation": punctuation,
    "whitespace": whitespace,
    "homoglyphs": homoglyphs,
    "irrelevant text": irrelevant_text,
    "truncation": truncation,
}


def perturb(text: str, perturbation: str, severity: int, *, seed: int) -> str:
    """Perturb a text; the same text, perturbation, severity and seed give the same result everywhere."""
    rng = random.Random(f"{seed}:{perturbation}:{severity}:{text}")
    return PERTURBATIONS[perturbation](text, severity, rng)
