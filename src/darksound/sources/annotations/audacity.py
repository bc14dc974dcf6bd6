"""Read Audacity label tracks: `start TAB end TAB label`, then a line of frequencies, if any."""

from pathlib import Path

import pandas as pd

from darksound.rois.cells import is_number, parse_numbers
from darksound.rois.roi_set import TEXT_DTYPE
from darksound.rois.text_files import DAMAGED, is_damaged, read_text
from darksound.sources.annotations import Annotation, Annotations

__all__ = ["is_audacity", "read_audacity"]

# A line that begins with this has the frequencies of the label before it.
_FREQUENCIES = "\\"
_NUMBERS = ["start", "end", "low frequency", "high frequency"]
_TIMES = _NUMBERS[:2]


def is_audacity(first: str) -> bool:
    """Return whether a file may be a label track, from its first line."""
    cells = first.split("\t")
    return len(cells) >= 2 and is_number(cells[0].strip()) and is_number(cells[1].strip())


def read_audacity(path: Path, label_column: str | None = None) -> Annotations:
    """Return the labels of a track.

    Where the language of the system has decimal commas, Audacity writes them.

    Args:
        path: the file.
        label_column: not used; the format has one column for labels.

    Raises:
        InputError: the file cannot be read.
    """
    rows: dict[int, list[str]] = {}
    broken: dict[int, str] = {}
    labelled: int | None = None
    for number, line in enumerate(read_text(path, "Audacity labels").split("\n"), start=1):
        if not line.strip():
            continue
        cells = [cell.strip() for cell in line.split("\t")]
        is_label = cells[0] != _FREQUENCIES
        if is_damaged(line):
            broken[number] = DAMAGED
            labelled = None if is_label else labelled
        elif len(cells) < (2 if is_label else 3) or not all(cells[:2]):
            broken[number] = (
                "is not a label: expected start, end and label, separated by tabs, or \\, low and "
                f"high frequency, but found {line.strip()!r}"
            )
            labelled = None if is_label else labelled
        elif is_label:
            labelled = number
            rows[number] = [*cells[:2], "", "", cells[2] if len(cells) > 2 else ""]
        elif labelled is not None:
            rows[labelled][2:4] = cells[1:3]
    table = pd.DataFrame.from_dict(
        rows, orient="index", columns=[*_NUMBERS, "label"], dtype=TEXT_DTYPE
    )
    numbers, causes = parse_numbers(table[_NUMBERS], _TIMES)
    broken |= {int(str(row)): cause for row, cause in causes.dropna().items()}
    marks = [
        Annotation(row, start, end, _bound(low), _bound(high), label or None)
        for row, label, (start, end, low, high) in zip(
            rows, table["label"], numbers.to_numpy(), strict=True
        )
        if row not in broken
    ]
    return Annotations(marks, broken)


def _bound(frequency_hz: float) -> float | None:
    # Audacity writes -1 for a bound that was not set.
    return float(frequency_hz) if frequency_hz >= 0 else None
