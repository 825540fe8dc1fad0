"""What the demo prints: plain text for 100 columns, with colours on a terminal."""

from __future__ import annotations

import os
import shutil
import sys
import textwrap
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TextIO

WIDEST = 100
MARGIN = "  "
LABEL = 12
CODES = {"bold": "1", "dim": "2", "good": "32", "bad": "31", "change": "33", "accent": "36"}


class Console:
    """Writes to a stream, every line at once."""

    def __init__(self, stream: TextIO = sys.stdout):
        self._stream = stream
        self._colours = stream.isatty() and not os.environ.get("NO_COLOR")
        self._width = min(shutil.get_terminal_size().columns, WIDEST) if stream.isatty() else WIDEST

    def title(self, text: str, subtitle: str) -> None:
        """Begin a scene."""
        self._line(self.styled(text, "bold"))
        self._line(subtitle)

    def chapter(self, text: str) -> None:
        """Begin a part of a scene."""
        self._line("")
        self._line(self.styled(f"▸ {text}", "bold", "accent"))

    def blank(self) -> None:
        """Print an empty line."""
        self._line("")

    def say(self, text: str, *styles: str) -> None:
        """Print a paragraph."""
        for line in textwrap.wrap(text, self._width - len(MARGIN), break_on_hyphens=False):
            self._line(MARGIN + self.styled(line, *styles))

    def rows(self, rows: Iterable[tuple[str, ...]], styles: Iterable[tuple[str, ...]] = ()) -> None:
        """Print a table; `styles` has those of each row."""
        rows = list(rows)
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        styles = [*styles, *[()] * len(rows)]
        for row, style in zip(rows, styles, strict=False):
            cells = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
            self._line(MARGIN * 2 + self.styled(cells.rstrip(), *style))

    def moment(self, seconds: float, label: str, text: str, *styles: str) -> None:
        """Print what happened so many seconds after the beginning."""
        head = f"{MARGIN}{seconds:+6.2f} s  "
        indent = " " * (len(head) + LABEL)
        first, *rest = textwrap.wrap(text, self._width - len(indent), break_on_hyphens=False) or [""]
        self._line(self.styled(head, "dim") + self.styled(label.ljust(LABEL) + first, *styles))
        for line in rest:
            self._line(indent + self.styled(line, *styles))

    def frame(self, title: str, text: str) -> None:
        """Print a message as its reader gets it."""
        inner = self._width - 2 * len(MARGIN) - 4
        self._line("")
        self._line(f"{MARGIN}┌{'─' * (inner + 2)}┐")
        for line in [*_wrapped(title, inner), None, *_wrapped(text.rstrip("\n"), inner)]:
            if line is None:
                self._line(f"{MARGIN}├{'─' * (inner + 2)}┤")
            else:
                self._line(f"{MARGIN}│ {line.ljust(inner)} │")
        self._line(f"{MARGIN}└{'─' * (inner + 2)}┘")

    def tick(self, claim: str) -> None:
        """Say that a claim is true."""
        self._mark("✓", claim, "good")

    def cross(self, claim: str, expected: str, found: str) -> None:
        """Say that a claim is false, and what is there instead."""
        self._mark("✗", claim, "bad")
        for name, value in (("expected", expected), ("found", found)):
            self._line(f"{MARGIN * 3}{name}:")
            self._line(textwrap.indent(value, MARGIN * 4))

    @contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Say what is being done, and how long it took."""
        self._write(f"{MARGIN}{what} …")
        started = time.monotonic()
        try:
            yield
        except BaseException:
            self._line("")
            raise
        self._line(self.styled(f" {time.monotonic() - started:.1f} s", "dim"))

    def styled(self, text: str, *styles: str) -> str:
        """Return the text in these styles, if there are colours."""
        if not self._colours or not styles or not text:
            return text
        return f"\x1b[{';'.join(CODES[style] for style in styles)}m{text}\x1b[0m"

    def _mark(self, mark: str, claim: str, style: str) -> None:
        first, *rest = textwrap.wrap(claim, self._width - len(MARGIN) - 2, break_on_hyphens=False)
        self._line(f"{MARGIN}{self.styled(mark, 'bold', style)} {first}")
        for line in rest:
            self._line(f"{MARGIN}  {line}")

    def _line(self, text: str) -> None:
        self._write(f"{text}\n")

    def _write(self, text: str) -> None:
        self._stream.write(text)
        self._stream.flush()


def _wrapped(text: str, width: int) -> Iterator[str]:
    for paragraph in text.split("\n"):
        yield from textwrap.wrap(paragraph, width, break_on_hyphens=False, subsequent_indent="  ") or [""]
