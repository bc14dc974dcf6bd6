"""BirdNET-Analyzer's text files; its CSV files and its databases are other layouts.

Releases before 2.0 write one file for each recording, `NAME.birdnet.embeddings.txt`, with one line
for each window: start and end in seconds and the vector, separated by tabs. Later releases may
write one file for each window, `NAME_START_END.birdnet.embeddings.txt`, with the vector alone. Both
omit the suffix of the recording.
"""

import re
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.audio.names import recording_text
from darksound.errors import InputError
from darksound.rois.listing import list_files
from darksound.rois.roi_set import Problem
from darksound.rois.text_files import read_text
from darksound.store.embeddings.layout import Embeddings, Layout
from darksound.text import path_text

__all__ = ["BIRDNET_ANALYZER"]

_SUFFIX = ".birdnet.embeddings.txt"
_WINDOW = re.compile(r"(?P<name>.+)_(?P<start>\d+(?:\.\d+)?)_(?P<end>\d+(?:\.\d+)?)")

# Recording, start and end in seconds, vector, and the place in the file for messages.
_Row = tuple[str, float, float, npt.NDArray[np.float32], str]


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return [file for _, file in list_files(path).files if file.name.endswith(_SUFFIX)]
    return [path] if path.name.endswith(_SUFFIX) else []


def _read(path: Path) -> Embeddings:
    root = path if path.is_dir() else path.parent
    problems: list[Problem] = []
    parsed = [row for file in _files(path) for row in _read_rows(file, root, problems)]
    lengths = Counter(len(vector) for *_, vector, _ in parsed)
    if not parsed:
        raise InputError(
            f"{path_text(path)}: no embeddings that can be used. "
            + " ".join(problem.cause for problem in problems[:1])
        )
    length, count = lengths.most_common(1)[0]
    if len(lengths) > 1 and 2 * count <= len(parsed):
        raise InputError(
            f"{path_text(path)}: embeddings of {len(lengths)} lengths, where one is needed."
        )
    problems += [
        Problem(name, f"{place}: {len(vector)} numbers, where others have {length}; left out.")
        for name, *_, vector, place in parsed
        if len(vector) != length
    ]
    usable = [row for row in parsed if len(row[3]) == length]
    rows = pd.DataFrame([row[:3] for row in usable], columns=["recording", "start_s", "end_s"])
    vectors = np.stack([row[3] for row in usable])
    return Embeddings(vectors, rows, root, "BirdNET", problems=tuple(problems))


def _read_rows(file: Path, root: Path, problems: list[Problem]) -> list[_Row]:
    """Return the rows of a file, and note its lines that are not rows."""
    name = recording_text(file.relative_to(root)).removesuffix(_SUFFIX)
    window = _WINDOW.fullmatch(name)
    rows: list[_Row] = []
    text = read_text(file, "an embeddings file of BirdNET-Analyzer")
    for number, line in enumerate(text.split("\n"), start=1):
        cells = line.split("\t")
        place = f"{path_text(file)}, row {number}"
        try:
            if not line.strip():
                continue
            if window is not None and len(cells) == 1:
                start, end = float(window["start"]), float(window["end"])
                rows.append((window["name"], start, end, _parse_vector(line), place))
            else:
                first, last, numbers = cells
                rows.append((name, float(first), float(last), _parse_vector(numbers), place))
        except ValueError as error:
            problems.append(
                Problem(
                    name,
                    f"{place}: not an embeddings file of BirdNET-Analyzer ({error}); left out.",
                )
            )
    return rows


def _parse_vector(text: str) -> npt.NDArray[np.float32]:
    return np.array(text.split(","), dtype=np.float32)


BIRDNET_ANALYZER = Layout(
    f"*{_SUFFIX} files of BirdNET-Analyzer, one or a folder of them",
    lambda path: bool(_files(path)),
    _read,
)
