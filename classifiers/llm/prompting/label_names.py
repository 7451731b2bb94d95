"""Find the labels of a task in what a model wrote; a form of a name counts only where no other label has it too."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache

from classifiers.llm.prompting import denial, spelling

_WORDS = """
    a about above after again all also am an and any are as at be before below best both but by can could day did do
    does down each else few for from general had has have he her here him his how i if in into is it its just last
    let like make many may me might more most much must my new next nil no none nor not now of off ok on one only or
    other others our out over own part per same second see set she so some such than that the their them then there
    these they this those to too two under up us use very was way we well were what when where which who why will
    with would yes you your der die das und ein eine le la les un une et el los de en es
"""
COMMON_WORDS = frozenset(_WORDS.split())
"""Names that stand in sentences without being meant, such as the label IT: those count alone or marked only."""

# the same in other words: "Label: x", "the answer is x"
LEAD = (
    r"\b(?:final\s+|correct\s+|best\s+)?(?:label|answer|category|class|classification|intent|output|prediction)s?"
    r"\W{0,3}?(?:\s+(?:is|would\s+be))?\s*(?:[*_]*[:=\-\u2013\uff1a][*_]*\s*|(?<=is)\s+|(?<=be)\s+)"
)
_AT_START = re.compile(rf"^\W*(?:the\s+)?{LEAD}", re.IGNORECASE)
_AFTER_LEAD = re.compile(rf"(?P<lead>{LEAD})(?P<name>[^\n]+?)(?=[.,;!?]\s|[.,;!?)]*(?:\n|$))", re.IGNORECASE)
_QUOTED = re.compile(
    r"[\"“„«`「『【](?P<a>[^\n]{1,200}?)[\"”“»`」』】]|\*{1,2}(?P<b>[^*\n]{1,200})\*{1,2}|(?<!\w)['‘](?P<c>[^\n]{1,200}?)['’](?!\w)"
)
_MARK = 0xF0000
"""Where the private characters begin that stand for labels already found."""


@lru_cache(maxsize=64)
def names_of(names: tuple[str, ...]) -> LabelNames:
    """Return the table of these names."""
    return LabelNames(names)


class LabelNames:
    """The label names of one task in the forms by which they are recognised."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        spaced = [name.replace("_", " ") for name in names]
        self._exact = _unique([*zip(map(spelling.exact, spaced), names, strict=True)])
        self._exact |= {spelling.exact(name): name for name in names}
        self._looser = [_unique((form(name), name) for name in names) for form in (spelling.folded, spelling.reduced)]
        self._cased = _unique((spelling.reduced(name, fold=False), name) for name in names)
        self._mention = _mention_pattern(self._cased, self._looser[1])

    def exactly(self, text: str) -> str | None:
        """Return the label a text is to the letter, or None."""
        return self._exact.get(spelling.exact(text))

    def whole(self, text: str) -> str | None:
        """Return the label that all of a text is, behind "Label:" or in quotes, the strictest form first; or None."""
        for candidate in (text, _AT_START.sub("", text)):
            if (name := self._bare(candidate)) is not None:
                return name
        return None

    def mentioned(self, text: str) -> list[str]:
        """Return the labels that sentences name and do not deny, each once, in the order named."""
        scan = "".join(" " if ord(c) >= _MARK else c for c in text)
        scan = denial.with_clauses_marked(self._marked(scan))
        scan = spelling.reduced(scan, fold=False)
        if self._mention is not None:
            scan = self._mention.sub(lambda match: self._of_mention(match.group(0)), scan)
        named = (clause for clause in denial.clauses(scan) if not denial.is_denied(clause))
        marks = (ord(c) - _MARK for clause in named for c in clause if ord(c) >= _MARK)
        return list(dict.fromkeys(self.names[i] for i in marks))

    def _bare(self, text: str) -> str | None:
        layers = spelling.unwrapped(text)
        for layer in layers:
            if (name := self.exactly(layer)) is not None:
                return name
        for form, known in zip((spelling.folded, spelling.reduced), self._looser, strict=True):
            for layer in layers:
                if (key := form(layer)) and (name := known.get(key)) is not None:
                    return name
        return None

    def _marked(self, text: str) -> str:
        """Return a text in which quoted labels, and those behind "label:", are one private character each."""

        def mark_lead(match: re.Match[str]) -> str:
            name = self._meant(match["name"])
            return match[0] if name is None else f"{match['lead']} {self._mark(name)} "

        def mark_quoted(match: re.Match[str]) -> str:
            name = self._meant(next(filter(None, match.groups())))
            return match[0] if name is None else self._mark(name)

        return _QUOTED.sub(mark_quoted, _AFTER_LEAD.sub(mark_lead, text))

    def _meant(self, text: str) -> str | None:
        """Return the label of a marked text; a common word counts with its capitals only ("it" is no label IT)."""
        name = self._bare(text)
        is_common = name is not None and _is_common(spelling.reduced(name))
        return self.exactly(text.strip(" .,;:!?*_`'\"")) if is_common else name

    def _mark(self, name: str) -> str:
        return f" {chr(_MARK + self.names.index(name))} "

    def _of_mention(self, text: str) -> str:
        words = " ".join(text.replace(denial.END, " ").split())
        name = self._cased.get(words) or self._looser[1].get(spelling.folded(words))
        return text if name is None else self._mark(name)


def untellable(names: Sequence[str]) -> str | None:
    """Return why answers cannot tell these labels apart, naming both, or None where they can."""
    seen: dict[str, str] = {}
    for name in names:
        key = spelling.look(name)
        if not key:
            return f"the label {name!r} shows nothing that a model could write; rename it"
        if any(ord(c) < 32 or 0x7F <= ord(c) < 0xA0 for c in key):
            return f"the label {name!r} holds a control character; rename it"
        if key in seen:
            return f"the labels {seen[key]!r} and {name!r} look the same, so no answer can tell them apart; rename one"
        seen[key] = name
    return None


def _unique(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    """Return the names by their form, without forms that are empty or of several names."""
    listed = list(pairs)
    times = Counter(form for form, _ in listed)
    return {form: name for form, name in listed if form and times[form] == 1}


def _mention_pattern(cased: dict[str, str], folded: dict[str, str]) -> re.Pattern[str] | None:
    """Return the pattern of names in a reduced sentence, longer ones first; None where no name can be told there."""
    forms = [(key, rf"(?i:{_bounded(key)})") for key in folded if not _is_common(key)]
    forms += [
        (key, _bounded(key)) for key, name in cased.items() if name not in folded.values() and not _is_common(key)
    ]
    return re.compile("|".join(p for _, p in sorted(forms, key=lambda f: -len(f[0])))) if forms else None


def _is_common(key: str) -> bool:
    folded = key.casefold()
    is_letter = len(folded) == 1 and folded.isalpha() and not re.match(f"[{spelling.FREE}]", folded)
    return folded in COMMON_WORDS or is_letter or folded.replace(" ", "").isdigit()


def _bounded(key: str) -> str:
    """Return a pattern of a name that is no part of a longer word; scripts without spaces know no such bounds."""
    words = rf"[\s{denial.END}]+".join(map(re.escape, key.split()))
    beside = f"[^\\s{spelling.FREE}{denial.END}]"
    is_free: Callable[[str], object] = re.compile(f"[{spelling.FREE}]").match
    before = rf"(?<!{spelling.JOINER})" if is_free(key[0]) else f"(?<!{beside})"
    after = rf"(?!{spelling.JOINER})" if is_free(key[-1]) else f"(?!{beside})"
    return before + words + after
