"""Sound: every ROI as a file of its own, in a folder for each cluster."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import soundfile as sf

from darksound.errors import InputError, RunError
from darksound.report.exports.base import Found, Written, in_chunks, provenance
from darksound.report.exports.targets import ERRORS, MARKER, distinct, safe_name
from darksound.rois.roi_set import Problem

__all__ = ["TABLE", "Clips", "Dataset", "clip_folders"]

#: The table of the clips, which `--data` takes.
TABLE = "clips.csv"
_FILES = (TABLE, MARKER, ERRORS)
_STAGE = "clips"
_STEM = 60


@dataclass(frozen=True)
class Clips:
    """All ROIs as WAV or FLAC, noise too (see `Exporter`)."""

    suffix: ClassVar[str | None] = None
    hint: ClassVar[str] = f"A folder a cluster; {TABLE} says what each clip is."

    def write(self, found: Found, target: Path) -> Written:
        """Write `CLUSTER/RECORDING_MILLISECONDS_ROI.wav` and `clips.csv`.

        Clips are mono, 16 bits, at the recording's rate, as long as the ROI.

        Raises:
            InputError: there is no ROI, or none can be heard.
        """
        return _write(found, found.table, target)


@dataclass(frozen=True)
class Dataset:
    """Clips to learn from: ROIs of clusters alone, of named ones where there are (`Exporter`)."""

    suffix: ClassVar[str | None] = None
    hint: ClassVar[str] = (
        f"--data takes the folder, labels being its folders' names, and {TABLE} within it, "
        "labels being the names in full."
    )

    def write(self, found: Found, target: Path) -> Written:
        """Write clips as `Clips` does, without noise, and without clusters that nobody named if
        any has a name.

        Raises:
            InputError: there is no cluster, or no ROI can be heard.
        """
        group = found.table["group"]
        named = group.isin(list(found.review.names)) if found.review is not None else group < -1
        rows = found.table[named] if named.any() else found.table[group >= 0]
        return _write(found, rows.reset_index(drop=True), target)


def clip_folders(table: pd.DataFrame, names: dict[int, str]) -> dict[int, str]:
    """Name of each group's folder: what it was called, else `cluster-07`, and `noise`.

    Args:
        table: with `group` and `name`.
        names: of the groups that people named.
    """
    groups = sorted(table["group"].unique().tolist())
    width = len(str(max([*groups, 0])))
    called = dict(zip(table["group"].tolist(), table["name"].tolist(), strict=True))
    wanted = [
        safe_name(called[group] if group in names or group < 0 else f"cluster-{group:0{width}d}")
        for group in groups
    ]
    # A cluster may be called like a file that stands beside the folders.
    found = distinct([*_FILES, *wanted])[len(_FILES) :]
    return dict(zip(groups, found, strict=True))


def _write(found: Found, table: pd.DataFrame, target: Path) -> Written:
    if table.empty:
        raise InputError("There is no ROI in a cluster to export.")
    names = dict(found.review.names) if found.review is not None else {}
    folders = clip_folders(table, names)
    for folder in folders.values():
        (target / folder).mkdir()
    causes: dict[int, str] = {}
    found.progress(_STAGE, 0, len(table))
    for row, path in enumerate(_paths(table, folders, found.audio)):
        try:
            _write_clip(found, table, row, target / path)
        except InputError as error:
            causes[row] = str(error)
        found.progress(_STAGE, row + 1, len(table))
    if len(causes) == len(table):
        raise InputError(
            f"None of the {len(table)} ROIs can be heard; if the recordings were moved, name "
            f"their folder with --root. The first: {causes[0]}"
        )
    for folder in folders.values():
        if not any((target / folder).iterdir()):
            (target / folder).rmdir()
    kept = np.array([row for row in range(len(table)) if row not in causes], dtype=np.int64)
    _write_table(found, table, folders, names, kept, target)
    recordings = table["recording"]
    problems = tuple(Problem(str(recordings.iloc[row]), why) for row, why in causes.items())
    return Written(len(kept) + 1, len(kept), problems)


def _paths(table: pd.DataFrame, folders: dict[int, str], suffix: str) -> Iterator[str]:
    """Relative path of each clip; the ROI's id makes it one of a kind."""
    columns = ["recording", "start_s", "roi_id", "group"]
    for recording, start, roi_id, group in table[columns].itertuples(index=False, name=None):
        stem = safe_name(recording.rsplit("/", 1)[-1].rsplit(".", 1)[0], _STEM)
        yield f"{folders[group]}/{stem}_{round(start * 1000):08d}_{safe_name(roi_id)}.{suffix}"


def _write_clip(found: Found, table: pd.DataFrame, row: int, path: Path) -> None:
    one = table.iloc[row]
    wave, rate = found.result.reader.read(
        one["root"], one["recording"], float(one["start_s"]), float(one["end_s"]), None
    )
    try:
        sf.write(path, _within_scale(wave), rate, subtype="PCM_16", format=found.audio.upper())
    except sf.SoundFileError as error:
        raise RunError(f"Cannot write {path.name} as {found.audio} at {rate} Hz: {error}") from None


def _within_scale(wave: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The sound, made softer where it would be clipped: decoders of MP3 overshoot."""
    peak = float(np.max(np.abs(wave)))
    return wave if peak <= 1 else wave / np.float32(peak)


def _write_table(
    found: Found,
    table: pd.DataFrame,
    folders: dict[int, str],
    names: dict[int, str],
    kept: npt.NDArray[np.int64],
    target: Path,
) -> None:
    """Write `clips.csv`: a ROI table of the clips, and what each was cut from."""
    said = dict(provenance(found.result))
    paths = pd.Series(list(_paths(table, folders, found.audio)), index=table.index)
    with (target / TABLE).open("w", encoding="utf-8", newline="") as file:
        for number, part in enumerate(in_chunks(table.iloc[kept])):
            labels = [
                name if group in names else folders[group]
                for name, group in zip(part["name"], part["group"], strict=True)
            ]
            pd.DataFrame(
                {
                    "roi_id": part["roi_id"],
                    "recording": paths[part.index],
                    "start_s": 0.0,
                    "end_s": (part["end_s"] - part["start_s"]).round(6),
                    "low_hz": part["low_hz"],
                    "high_hz": part["high_hz"],
                    "label": labels,
                    "recorder": part["recorder"],
                    "cluster": part["cluster"],
                    "group": part["group"],
                    "probability": part["probability"],
                    "source_label": part["label"],
                    "source_recording": part["recording"],
                    "source_start_s": part["start_s"],
                    "source_end_s": part["end_s"],
                    **said,
                }
            ).to_csv(file, index=False, header=number == 0, lineterminator="\n")
