"""Read Audacity label tracks: `start TAB end TAB label`, then a line of frequencies, if any."""

from collections.abc import Sequence
from dataclasses import replace

from darksound.errors import InputError
from darksound.sources.annotations import Annotation

__all__ = ["is_audacity", "read_audacity"]

# A line that begins with this has the frequencies of the label before it.
_FREQUENCIES = "\\"


def is_audacity(first: str) -> bool:
    """Return whether a file may be a label track, from its first line."""
    cells = first.split("\t")
    return len(cells) >= 2 and _number(cells[0]) is not None and _number(cells[1]) is not None


def read_audacity(lines: Sequence[str], label_column: str | None = None) -> list[Annotation]:
    """Return the labels of a track.

    Args:
        lines: lines of the file.
        label_column: not used; the format has one column for labels.

    Raises:
        InputError: a line does not have the format; the message has its number.
    """
    annotations: list[Annotation] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        cells = line.rstrip("\r\n").split("\t")
        values = [_number(cell) for cell in (cells[1:3] if cells[0] == _FREQUENCIES else cells[:2])]
        if len(values) < 2 or None in values or (cells[0] == _FREQUENCIES and not annotations):
            raise InputError(
                f"line {number} is not a label: expected start, end and label, separated by tabs, "
                f"or \\, low and high frequency; found {line.strip()!r}."
            )
        first, second = (value or 0.0 for value in values)
        if cells[0] == _FREQUENCIES:
            annotations[-1] = _with_frequencies(annotations[-1], first, second)
        else:
            label = cells[2].strip() if len(cells) > 2 else ""
            annotations.append(Annotation(number, first, second, label=label or None))
    return annotations


def _with_frequencies(annotation: Annotation, low_hz: float, high_hz: float) -> Annotation:
    # Audacity writes -1 for a bound that was not set.
    return replace(
        annotation,
        low_hz=low_hz if low_hz >= 0 else None,
        high_hz=high_hz if high_hz >= 0 else None,
    )


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
