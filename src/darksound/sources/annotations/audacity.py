"""Audacity's label tracks: `start TAB end TAB label`, and a line of frequencies after it."""

from collections.abc import Sequence

from darksound.errors import InputError
from darksound.sources.annotations import Mark

__all__ = ["is_audacity", "read_audacity"]

_FREQUENCIES = "\\"


def is_audacity(first: str) -> bool:
    """Whether a file may be a label track, from its first line."""
    cells = first.split("\t")
    return len(cells) >= 2 and _number(cells[0]) is not None and _number(cells[1]) is not None


def read_audacity(lines: Sequence[str], label_column: str | None = None) -> list[Mark]:
    """The labels of a track.

    Args:
        lines: of the file.
        label_column: not used; the format has one place for a label.

    Raises:
        InputError: a line is not of the format; the message names it.
    """
    marks: list[Mark] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        cells = line.rstrip("\r\n").split("\t")
        values = [_number(cell) for cell in (cells[1:3] if cells[0] == _FREQUENCIES else cells[:2])]
        if len(values) < 2 or None in values or (cells[0] == _FREQUENCIES and not marks):
            raise InputError(
                f"line {number} is no label: expected start, end and label, separated by tabs, "
                f"or \\, low and high frequency; found {line.strip()!r}."
            )
        first, second = (value or 0.0 for value in values)
        if cells[0] == _FREQUENCIES:
            marks[-1] = _with_frequencies(marks[-1], first, second)
        else:
            label = cells[2].strip() if len(cells) > 2 else ""
            marks.append(Mark(number, first, second, label=label or None))
    return marks


def _with_frequencies(mark: Mark, low: float, high: float) -> Mark:
    # A bound that was not drawn is negative.
    return Mark(
        mark.line,
        mark.start_s,
        mark.end_s,
        low if low >= 0 else None,
        high if high >= 0 else None,
        mark.label,
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
