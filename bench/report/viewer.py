"""The disagreement viewer in the terminal, with Textual: filter, search, and open a message's attempts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

from rich.text import Text
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.containers import VerticalScroll
from textual.events import Key
from textual.widgets import DataTable, Footer, Header, Input, Select, Static

from bench.analysis.compare import Disagreement
from bench.report.sanitize import plain
from bench.report.terminal import answer_text
from bench.report.text import label_text
from classifiers.errors import BenchError

Test = Callable[[Disagreement], bool]
Marker = Callable[[str, tuple[str, ...], str], str]
"""Notes what a person says of a message's gold labels, given with its text: the right label, 'ambiguous' or 'fine'."""
MAX_KEYS = 9
"""Labels that have a key of their own."""


def filters(names: Sequence[str]) -> dict[str, Test]:
    """Return what can be chosen to be shown: by disagreement, by who alone is right, by invalid or retried answers."""
    by_name: dict[str, Test] = {
        "where any two differ": lambda message: message.differs,
        "all messages": lambda message: True,
        "where none is right": lambda message: not any(map(message.is_right, message.answers)),
        "with a parse failure": lambda message: any(not r.valid for r in message.answers.values()),
        "with a retried answer": lambda message: any(len(r.attempts) > 1 for r in message.answers.values()),
    }
    for name in names:
        by_name[f"where {name} is wrong"] = lambda message, name=name: not message.is_right(name)  # type: ignore[misc]
    return by_name


class Viewer(App[None]):
    """All test messages of a run; Enter or a click shows what every classifier answered.

    With a `marker`, keys note what is wrong with the gold label under the cursor.
    """

    TITLE = "Every message"
    CSS = "DataTable { height: 1fr; } #detail { height: 14; border-top: solid gray; } Input { width: 1fr; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        ("q", "quit", "Quit"),
        ("slash", "search", "Search"),
        ("f", "mark('fine')", "Gold is fine"),
        ("a", "mark('ambiguous')", "Gold is ambiguous"),
    ]

    def __init__(
        self, messages: Sequence[Disagreement], labels: Sequence[str] = (), marker: Marker | None = None
    ) -> None:
        super().__init__()
        self.marker = marker
        self.keys = {str(i): label for i, label in enumerate(labels[:MAX_KEYS], start=1)} if marker else {}
        self.messages = list(messages)
        self.names = list(messages[0].answers) if messages else []
        self.filters = filters(self.names)
        self.shown: list[Disagreement] = []

    def compose(self) -> ComposeResult:
        """Lay out the search box, the choice of filter, the table and the detail below it."""
        yield Header()
        yield Input(placeholder="search in messages and answers", id="search")
        yield Select([(name, name) for name in self.filters], value=next(iter(self.filters)), allow_blank=False)
        yield DataTable[Text](cursor_type="row")
        with VerticalScroll(id="detail"):
            yield Static(id="text")
        yield Footer()

    def on_mount(self) -> None:
        """Make the columns and fill the table."""
        table = self.query_one(DataTable)
        table.add_columns("message", "gold", *self.names)
        table.focus()
        self.fill()

    def on_input_changed(self) -> None:
        """Filter anew with every key."""
        self.fill()

    def on_select_changed(self) -> None:
        """Filter anew."""
        self.fill()

    def action_search(self) -> None:
        """Go to the search box."""
        self.query_one(Input).focus()

    def on_key(self, event: Key) -> None:
        """Take a number as the label that is right, where the cursor is in the table."""
        if event.key in self.keys and self.query_one(DataTable).has_focus:
            self.action_mark(self.keys[event.key])

    def action_mark(self, what: str) -> None:
        """Note what is said of the gold label under the cursor."""
        place = self.query_one(DataTable).cursor_row
        if self.marker is None or not 0 <= place < len(self.shown):
            return
        message = self.shown[place]
        try:
            self.sub_title = f"{message.id}: {what}; {self.marker(message.text, message.gold, what)}"
        except BenchError as error:
            self.notify(str(error), severity="error", markup=False)

    def fill(self) -> None:
        """Show the messages that the filter and the search leave."""
        table = self.query_one(DataTable)
        test, words = self.filters[str(self.query_one(Select).value)], self.query_one(Input).value.casefold()
        self.shown = [message for message in self.messages if test(message) and words in _searched(message)]
        table.clear()
        for message in self.shown:
            marks = (
                plain(answer_text(record), style="green" if message.is_right(name) else "red")
                for name, record in message.answers.items()
            )
            table.add_row(plain(message.text[:60]), plain(label_text(message.gold)), *marks)
        self.sub_title = f"{len(self.shown)} of {len(self.messages)}"

    def on_data_table_row_highlighted(self, event: DataTable.RowHighlighted) -> None:
        """Show the message under the cursor with all attempts."""
        if 0 <= event.cursor_row < len(self.shown):
            keys = "  ".join(f"{key} {label}" for key, label in self.keys.items())
            about = plain(f"gold is wrong, it is: {keys}\n", style="dim") if keys else plain("")
            self.query_one("#text", Static).update(Text.assemble(detail(self.shown[event.cursor_row]), about))


def _searched(message: Disagreement) -> str:
    raw = (attempt.raw for record in message.answers.values() for attempt in record.attempts)
    return "\n".join([message.id, message.text, *raw]).casefold()


def detail(message: Disagreement) -> Text:
    """Return a message with gold label, answers and every attempt's raw text; texts are never read as markup."""
    pieces = [plain(message.text, style="bold"), plain(f"\n{message.id}   gold: {label_text(message.gold)}\n")]
    for name, record in message.answers.items():
        pieces.append(plain(f"{name}: {answer_text(record)}\n", style="green" if message.is_right(name) else "red"))
        attempts = enumerate(record.attempts, start=1)
        pieces += [plain(f"    attempt {i}: {attempt.raw!r}\n", style="dim") for i, attempt in attempts]
    return Text.assemble(*pieces)
