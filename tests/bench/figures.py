"""The figures, what they may be at most, and the table that shows both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any


@dataclass(frozen=True)
class Figure:
    """The median of what was measured, in its unit."""

    topic: str
    name: str
    samples: tuple[float, ...]
    unit: str = ""
    budget: float | None = None
    """The most that the median may be; nothing for a figure that only informs."""
    baseline: float | None = None
    """The same of an empty function; nothing where that says nothing."""

    @property
    def median(self) -> float:
        """The middle of all samples."""
        return median(self.samples)

    @property
    def ratio(self) -> float | None:
        """How many times the empty function's."""
        return self.median / self.baseline if self.baseline else None

    @property
    def met(self) -> bool:
        """Whether the budget is kept; a figure without one keeps it."""
        return self.budget is None or self.median <= self.budget

    def as_json(self) -> dict[str, Any]:
        """Return everything that is known about it."""
        return {
            "topic": self.topic,
            "name": self.name,
            "unit": self.unit,
            "median": round(self.median, 3),
            "lowest": round(min(self.samples), 3),
            "highest": round(max(self.samples), 3),
            "runs": len(self.samples),
            "times_empty": round(self.ratio, 2) if self.ratio else None,
            "budget": self.budget,
            "met": self.met if self.budget is not None else None,
        }


HEADINGS = ("", "median", "range", "runs", "/ empty", "at most", "")


def table(figures: Sequence[Figure]) -> str:
    """Return the figures as text: a line each, under the headings of their topics."""
    lines = [_cells(figure) for figure in figures]
    widths = [max(map(len, column)) for column in zip(HEADINGS, *lines, strict=True)]
    text = [_line(HEADINGS, widths)]
    topic = None
    for figure, cells in zip(figures, lines, strict=True):
        if figure.topic != topic:
            topic = figure.topic
            text += ["", topic]
        text.append(_line(cells, widths))
    return "\n".join(text)


def verdict(figures: Iterable[Figure]) -> str:
    """Return one sentence about all budgets."""
    bounded = [figure for figure in figures if figure.budget is not None]
    missed = [f"{figure.topic}: {figure.name}" for figure in bounded if not figure.met]
    if missed:
        return f"{len(missed)} of {len(bounded)} budgets are not met: {'; '.join(missed)}."
    return f"All {len(bounded)} budgets are met."


def _cells(figure: Figure) -> tuple[str, ...]:
    lowest, highest = _number(min(figure.samples)), _number(max(figure.samples))
    return (
        f"  {figure.name}",
        f"{_number(figure.median)} {figure.unit}".rstrip(),
        lowest if lowest == highest else f"{lowest} to {highest}",
        str(len(figure.samples)),
        f"{figure.ratio:.1f}" if figure.ratio else "",
        "" if figure.budget is None else f"{_number(figure.budget)} {figure.unit}".rstrip(),
        "" if figure.budget is None else "met" if figure.met else "NOT MET",
    )


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    """Numbers to the right, words to the left."""
    name, *numbers, verdict = cells
    first, *others, _ = widths
    columns = [name.ljust(first), *(n.rjust(w) for n, w in zip(numbers, others, strict=True)), verdict]
    return "  ".join(columns).rstrip()


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else f"{value:.2f}"
