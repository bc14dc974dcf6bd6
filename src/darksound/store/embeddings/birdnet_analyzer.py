"""BirdNET-Analyzer's text files; its CSV files and its databases are other layouts.

Releases before 2.0 write one file for each recording, `NAME.birdnet.embeddings.txt`, with one line
for each window: start and end in seconds and the vector, separated by tabs. Later releases may
write one file for each window, `NAME_START_END.birdnet.embeddings.txt`, with the vector alone. Both
omit the suffix of the recording.
"""

import re
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from darksound.errors import InputError
from darksound.store.embeddings.layout import Embeddings, Layout

__all__ = ["BIRDNET_ANALYZER"]

_SUFFIX = ".birdnet.embeddings.txt"
_WINDOW = re.compile(r"(?P<name>.+)_(?P<start>\d+(?:\.\d+)?)_(?P<end>\d+(?:\.\d+)?)")

_Row = tuple[str, float, float, npt.NDArray[np.float32]]


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        return sorted(path.rglob(f"*{_SUFFIX}"))
    return [path] if path.name.endswith(_SUFFIX) else []


def _read(path: Path) -> Embeddings:
    root = path if path.is_dir() else path.parent
    parsed = [row for file in _files(path) for row in _read_rows(file, root)]
    lengths = {len(vector) for *_, vector in parsed}
    if len(lengths) != 1:
        raise InputError(f"{path}: embeddings of {len(lengths)} lengths, where one is needed.")
    rows = pd.DataFrame([times for *times, _ in parsed], columns=["recording", "start_s", "end_s"])
    vectors = np.stack([vector for *_, vector in parsed])
    return Embeddings(vectors, rows, root, "BirdNET")


def _read_rows(file: Path, root: Path) -> list[_Row]:
    name = file.relative_to(root).as_posix().removesuffix(_SUFFIX)
    try:
        lines = file.read_text(encoding="utf-8").split("\n")
        cells = [line.split("\t") for line in lines if line.strip()]
        window = _WINDOW.fullmatch(name)
        if window is not None and all(len(line) == 1 for line in cells):
            start, end = float(window["start"]), float(window["end"])
            return [(window["name"], start, end, _parse_vector(text)) for (text,) in cells]
        return [(name, float(start), float(end), _parse_vector(text)) for start, end, text in cells]
    except (OSError, ValueError) as error:
        raise InputError(
            f"{file}: not an embeddings file of BirdNET-Analyzer ({error}); write it again or "
            "remove it."
        ) from None


def _parse_vector(text: str) -> npt.NDArray[np.float32]:
    return np.array(text.split(","), dtype=np.float32)


BIRDNET_ANALYZER = Layout(
    f"*{_SUFFIX} files of BirdNET-Analyzer, one or a folder of them",
    lambda path: bool(_files(path)),
    _read,
)
