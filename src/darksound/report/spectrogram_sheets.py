"""Sheets of spectrograms: the most typical ROIs of each cluster."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from darksound.errors import InputError
from darksound.report.figures import COLOURS
from darksound.report.page.members import cluster_members
from darksound.run.reading import RunResult
from darksound.segmentation.power import power_spectrum

__all__ = ["Clip", "n_sheets", "sheets", "typical_clips"]

_COLUMNS = 6
_ROWS = 10
_MOST_SHEETS = 10
_TOP_HZ = 12_000.0
_LONGEST_S = 10.0
# Wind and handling below this say nothing about how loud birds are.
_RUMBLE_HZ = 500.0
_BOX = COLOURS[5]
_WINDOW_S, _LEAST_WINDOW_S = 1024 / 48_000, 256 / 48_000
# How much of a clip one window may take up: a short call is drawn finely in time.
_WINDOW_SHARE = 1 / 40


@dataclass(frozen=True)
class Clip:
    """A ROI as a spectrogram.

    Attributes:
        levels: decibels `(frames, bins)` from 0 Hz to half of `rate`.
        rate: samples a second.
        seconds: how long it is.
        band_hz: what of it is the ROI, where that is known.
    """

    levels: npt.NDArray[np.float32]
    rate: int
    seconds: float
    band_hz: tuple[float, float] | None = None

    def band(self, low_hz: float, high_hz: float) -> npt.NDArray[np.float32]:
        """The levels between two frequencies, of two bins at least."""
        bins = self.levels.shape[1]
        low, high = (round(hertz / (self.rate / 2) * bins) for hertz in (low_hz, high_hz))
        low = min(low, bins - 2)
        return self.levels[:, low : max(high, low + 2)]


def typical_clips(result: RunResult) -> tuple[dict[int, list[Clip]], str | None]:
    """Up to six typical ROIs of each of the largest clusters, the medoid first.

    Returns:
        By cluster, the largest first; and why the first ROI that cannot be heard cannot, if any.
    """
    members = cluster_members(result)
    largest = sorted(members, key=lambda number: -len(members[number].order))
    found: dict[int, list[Clip]] = {}
    cause: str | None = None
    for number in largest[: _ROWS * _MOST_SHEETS]:
        for row in members[number].order[:_COLUMNS].tolist():
            try:
                found.setdefault(number, []).append(_clip(result, row))
            except InputError as error:
                cause = cause or str(error)
    return found, cause


def sheets(clips: Mapping[int, Sequence[Clip]], called: Mapping[int, str]) -> Iterator[Figure]:
    """Figures with a row for each cluster, ten clusters each.

    All clips have the same scales of time and frequency, as long as nine in ten of them are; a
    longer one is cut. Grey is from a clip's own background (white) to its peak (black); a box is
    around the ROI where its band is known.

    Args:
        clips: of each cluster, six or fewer.
        called: names of clusters that have one.
    """
    every = [clip for own in clips.values() for clip in own]
    if not every:
        return
    span_s = float(np.quantile([clip.seconds for clip in every], 0.9))
    top_hz = min(max(clip.rate for clip in every) / 2, _TOP_HZ)
    numbers = list(clips)
    for start in range(0, len(numbers), _ROWS):
        page = numbers[start : start + _ROWS]
        figure = Figure(figsize=(9.0, 0.75 + 0.95 * len(page)), layout="constrained")
        grid = figure.subplots(len(page), _COLUMNS, squeeze=False, sharex=True, sharey=True)
        for row, number in enumerate(page):
            for column in range(_COLUMNS):
                _draw(grid[row, column], clips[number][column : column + 1], span_s, top_hz)
            name = called.get(number, f"cluster {number}")
            grid[row, 0].set_ylabel(_folded(name), rotation=0, ha="right", va="center", fontsize=9)
        figure.supxlabel(f"seconds; each from 0 to {top_hz / 1000:.3g} kHz", fontsize=9)
        yield figure


def n_sheets(clips: Mapping[int, Sequence[Clip]]) -> int:
    """How many figures `sheets` gives."""
    return -(-len(clips) // _ROWS)


def _clip(result: RunResult, row: int) -> Clip:
    roi = result.rois.iloc[row]
    start = float(roi["start_s"])
    end = min(float(roi["end_s"]), start + _LONGEST_S)
    wave, rate = result.reader.read(roi["root"], roi["recording"], start, end, None)
    seconds = len(wave) / rate
    window_s = np.clip(seconds * _WINDOW_SHARE, _LEAST_WINDOW_S, _WINDOW_S)
    n_fft = 2 * max(round(float(window_s) * rate / 2), 8)
    power = power_spectrum(wave, n_fft, max(n_fft // 4, 1))
    levels: npt.NDArray[np.float32] = 10 * np.log10(power + np.float32(1e-12))
    low, high = float(roi["low_hz"]), float(roi["high_hz"])
    return Clip(levels, rate, seconds, None if np.isnan(low + high) else (low, high))


def _draw(axes: Axes, clips: Sequence[Clip], span_s: float, top_hz: float) -> None:
    """Draw a clip, or leave the place empty where there is none."""
    axes.set_yticks([])
    axes.tick_params(labelsize=8)
    for clip in clips:
        low, high = clip.band_hz or (min(_RUMBLE_HZ, clip.rate / 4), top_hz)
        quiet = float(np.median(clip.band(min(_RUMBLE_HZ, low), top_hz)))
        loud = float(np.percentile(clip.band(low, high), 99.8))
        axes.imshow(
            clip.levels.T,
            origin="lower",
            aspect="auto",
            cmap="gray_r",
            extent=(0, clip.seconds, 0, clip.rate / 2),
            vmin=quiet,
            vmax=max(loud, quiet + 10),
            interpolation="bilinear",
        )
        if clip.band_hz is not None:
            box = Rectangle((0, low), clip.seconds, high - low, fill=False, ec=_BOX, lw=0.7)
            axes.add_patch(box)
    axes.set_xlim(0, span_s)
    axes.set_ylim(0, top_hz)
    if not clips:
        axes.axis("off")


def _folded(name: str) -> str:
    """A name in lines that fit beside the row."""
    words, lines = name.split(), [""]
    for word in words:
        word = word if len(word) <= 16 else f"{word[:15]}…"
        longer = f"{lines[-1]} {word}".strip()
        lines = [*lines[:-1], longer] if len(longer) <= 16 else [*lines, word]
    return "\n".join(lines[:3])
