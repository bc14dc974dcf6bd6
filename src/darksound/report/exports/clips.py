"""Clips: one sound file a ROI, in one folder a cluster."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import soundfile as sf

from darksound.atomic import raise_if_by_system
from darksound.audio.names import recording_path
from darksound.errors import InputError, RunError, failure_cause
from darksound.report.exports.base import (
    AudioFormat,
    ExportContent,
    ExportCounts,
    in_chunks,
    provenance,
)
from darksound.report.exports.targets import ERRORS, MARKER, distinct, safe_name
from darksound.rois.roi_set import Problem, Reader
from darksound.rois.spreadsheets import csv_text
from darksound.text import library_path

__all__ = ["TABLE", "Clips", "Dataset", "clip_folders", "write_clip"]

#: Name of the table of clips, which `--data` accepts.
TABLE = "clips.csv"
_FILES = (TABLE, MARKER, ERRORS)
_STAGE = "clips"
_STEM_BYTES = 60


@dataclass(frozen=True)
class Clips:
    """All ROIs as WAV or FLAC, noise included (see `Exporter`)."""

    suffix: ClassVar[str | None] = None
    hint: ClassVar[str] = f"One folder a cluster; {TABLE} describes each clip."

    def write(self, content: ExportContent, target: Path) -> ExportCounts:
        """Write `CLUSTER/RECORDING_MILLISECONDS_ROI.wav` and `clips.csv`.

        Clips are mono, 16 bits, at the recording's sampling rate, as long as the ROI.

        Raises:
            InputError: there is no ROI, or none can be read.
        """
        return _write(content, content.table, target)


@dataclass(frozen=True)
class Dataset:
    """Clips for training: ROIs of clusters, of named clusters where there are any (`Exporter`)."""

    suffix: ClassVar[str | None] = None
    hint: ClassVar[str] = (
        f"--data accepts the folder (the labels are the names of its folders) and {TABLE} in it "
        "(the labels are the full names)."
    )

    def write(self, content: ExportContent, target: Path) -> ExportCounts:
        """Write clips as `Clips` does, without noise; only named clusters, if any has a name.

        Raises:
            InputError: there is no cluster, or no ROI can be read.
        """
        group = content.table["group"]
        rows = content.table[group >= 0]
        if content.review is not None and (named := group.isin(list(content.review.names))).any():
            rows = content.table[named]
        return _write(content, rows.reset_index(drop=True), target)


def clip_folders(table: pd.DataFrame, names: dict[int, str]) -> dict[int, str]:
    """Return the folder name of each group: its name, else `cluster-07`, or `noise`.

    Args:
        table: with the columns `group` and `name`.
        names: names of groups from a review.
    """
    groups = sorted(table["group"].unique().tolist())
    width = len(str(max([*groups, 0])))
    titles = dict(zip(table["group"].tolist(), table["name"].tolist(), strict=True))
    candidates = [
        safe_name(titles[group] if group in names or group < 0 else f"cluster-{group:0{width}d}")
        for group in groups
    ]
    # A cluster may have the name of a file beside the folders.
    folders = distinct([*_FILES, *candidates])[len(_FILES) :]
    return dict(zip(groups, folders, strict=True))


def _write(content: ExportContent, table: pd.DataFrame, target: Path) -> ExportCounts:
    if table.empty:
        raise InputError("There is no ROI in a cluster to export.")
    names = {} if content.review is None else dict(content.review.names)
    folders = clip_folders(table, names)
    for folder in folders.values():
        (target / folder).mkdir()
    causes: dict[int, str] = {}  # by row
    content.progress(_STAGE, 0, len(table))
    paths = list(_paths(table, folders, content.audio))
    for row, path in enumerate(paths):
        try:
            write_clip(content.result.rois.reader, table.iloc[row], target / path, content.audio)
        except RunError:
            raise
        except Exception as error:
            roi = table.iloc[row]
            name = recording_path(roi["root"], roi["recording"])
            causes[row] = failure_cause(f"{name} from {roi['start_s']:.3f} s", error)
            (target / path).unlink(missing_ok=True)
        content.progress(_STAGE, row + 1, len(table))
    if len(causes) == len(table):
        raise InputError(
            f"None of the {len(table)} ROIs can be read; if the recordings were moved, give their "
            f"folder with --root. The first error: {causes[0]}"
        )
    for folder in folders.values():
        if not any((target / folder).iterdir()):
            (target / folder).rmdir()
    written = np.array([row for row in range(len(table)) if row not in causes], dtype=np.int64)
    _write_table(content, table.assign(clip=paths).iloc[written], folders, target / TABLE)
    recordings = table["recording"]
    problems = tuple(Problem(str(recordings.iloc[row]), text) for row, text in causes.items())
    return ExportCounts(len(written) + 1, len(written), problems)


def _paths(table: pd.DataFrame, folders: dict[int, str], suffix: str) -> Iterator[str]:
    """Yield the relative path of each clip, unique by the ROI's id."""
    columns = ["recording", "start_s", "roi_id", "group"]
    for recording, start, roi_id, group in table[columns].itertuples(index=False, name=None):
        stem = safe_name(recording.rsplit("/", 1)[-1].rsplit(".", 1)[0], _STEM_BYTES)
        yield f"{folders[group]}/{stem}_{round(start * 1000):08d}_{safe_name(roi_id)}.{suffix}"


def write_clip(reader: Reader, roi: "pd.Series[Any]", path: Path, audio: AudioFormat) -> None:
    """Write the sound of a ROI, mono, 16 bits, at the sampling rate of its recording.

    Raises:
        InputError: it cannot be read, or the format lacks its sampling rate.
        RunError: the disk is full, or the folder cannot be written to.
    """
    wave, rate = reader.read(
        roi["root"], roi["recording"], float(roi["start_s"]), float(roi["end_s"]), None
    )
    try:
        with library_path(path, "wb") as file:
            sf.write(file, _limit_peak(wave), rate, subtype="PCM_16", format=audio.upper())
    except (sf.SoundFileError, OSError) as error:
        # A full disk ends the export; a rate that the format lacks concerns this recording.
        raise_if_by_system(path, error)
        raise InputError(
            f"{recording_path(roi['root'], roi['recording'])}: cannot be written as "
            f"{audio} at {rate} Hz ({error}); choose another --audio."
        ) from None


def _limit_peak(wave: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the samples, scaled to a peak of 1 where they exceed it: MP3 decoders overshoot."""
    peak = float(np.max(np.abs(wave)))
    return wave if peak <= 1 else wave / np.float32(peak)


def _write_table(
    content: ExportContent, clips: pd.DataFrame, folders: dict[int, str], path: Path
) -> None:
    """Write the ROI table of the clips, with the source of each; `clip` is its path."""
    source = dict(provenance(content.result))
    names = {} if content.review is None else content.review.names
    with path.open("w", encoding="utf-8", newline="") as file:
        for number, part in enumerate(in_chunks(clips)):
            labels = [
                name if group in names else folders[group]
                for name, group in zip(part["name"], part["group"], strict=True)
            ]
            rows = pd.DataFrame(
                {
                    "roi_id": part["roi_id"],
                    "recording": part["clip"],
                    "start_s": 0.0,
                    "end_s": (part["end_s"] - part["start_s"]).round(6),
                    "low_hz": part["low_hz"],
                    "high_hz": part["high_hz"],
                    "label": labels,
                    "site": part["site"],
                    "recorder": part["recorder"],
                    "cluster": part["cluster"],
                    "supercluster": part["supercluster"],
                    "group": part["group"],
                    "probability": part["probability"],
                    "source_label": part["label"],
                    "source_recording": part["recording"],
                    "source_start_s": part["start_s"],
                    "source_end_s": part["end_s"],
                    **source,
                }
            )
            file.write(csv_text(rows, header=number == 0, raw=content.raw_csv))
