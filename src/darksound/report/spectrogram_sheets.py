"""Sheets of spectrograms of typical ROIs of each cluster, and of the images of an episode."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from darksound.errors import failure_cause
from darksound.report.figures import COLOURS
from darksound.report.page.members import cluster_members
from darksound.report.result import MecResult
from darksound.segmentation.power import power_spectrum

__all__ = ["ClipSpectrogram", "episode_sheet", "n_sheets", "sheets", "typical_clips"]

_COLUMNS = 6
_ROWS = 10
_MAX_SHEETS = 10
_TOP_HZ = 12_000.0
_MAX_S = 10.0
# Wind and handling noise below this is excluded from the contrast.
_RUMBLE_HZ = 500.0
_BOX = COLOURS[5]
_CORRECT, _WRONG = COLOURS[2], COLOURS[5]
# Largest number of classes, and of images of a class, of an episode.
_MAX_WAY, _MAX_SHOWN = 20, 8
_WINDOW_S, _MIN_WINDOW_S = 1024 / 48_000, 256 / 48_000
# Longest window as a share of the clip, so that short calls have a fine time resolution.
_WINDOW_SHARE = 1 / 40


@dataclass(frozen=True)
class ClipSpectrogram:
    """The spectrogram of a ROI.

    Attributes:
        levels: levels in dB `(frames, bins)` from 0 Hz to half of `rate`.
        rate: sampling rate in Hz.
        seconds: duration.
        band_hz: lower and upper bound of the ROI; None where unknown.
    """

    levels: npt.NDArray[np.float32]
    rate: int
    seconds: float
    band_hz: tuple[float, float] | None = None

    def band(self, low_hz: float, high_hz: float) -> npt.NDArray[np.float32]:
        """Return the levels between two frequencies, at least two bins."""
        bins = self.levels.shape[1]
        low, high = (round(hertz / (self.rate / 2) * bins) for hertz in (low_hz, high_hz))
        low = min(low, bins - 2)
        return self.levels[:, low : max(high, low + 2)]


def typical_clips(result: MecResult) -> tuple[dict[int, list[ClipSpectrogram]], str | None]:
    """Return up to six typical ROIs of each of the largest clusters, the medoid first.

    Returns:
        Spectrograms by cluster, the largest first; and the first read error, None without.
    """
    members = cluster_members(result)
    largest = sorted(members, key=lambda number: -len(members[number].order))
    clips: dict[int, list[ClipSpectrogram]] = {}
    cause: str | None = None
    for number in largest[: _ROWS * _MAX_SHEETS]:
        for row in members[number].order[:_COLUMNS].tolist():
            try:
                clips.setdefault(number, []).append(_clip(result, row))
            except Exception as error:
                recording = result.rois.table["recording"].iloc[row]
                cause = cause or failure_cause(recording, error)
    return clips, cause


def sheets(
    clips: Mapping[int, Sequence[ClipSpectrogram]], cluster_names: Mapping[int, str]
) -> Iterator[Figure]:
    """Yield figures of ten clusters each, one cluster a row.

    All clips share the scales of time and frequency. The time scale is the 90th percentile of the
    durations; longer clips are cut. Grey levels reach from the background of a clip (white) to its
    peak (black). A box marks the ROI where its frequency bounds are known.

    Args:
        clips: up to six clips of each cluster.
        cluster_names: names of clusters; the others are shown by number.
    """
    all_clips = [clip for of_cluster in clips.values() for clip in of_cluster]
    if not all_clips:
        return
    span_s = float(np.quantile([clip.seconds for clip in all_clips], 0.9))
    top_hz = min(max(clip.rate for clip in all_clips) / 2, _TOP_HZ)
    numbers = list(clips)
    for start in range(0, len(numbers), _ROWS):
        page = numbers[start : start + _ROWS]
        figure = Figure(figsize=(9.0, 0.75 + 0.95 * len(page)), layout="constrained")
        grid = figure.subplots(len(page), _COLUMNS, squeeze=False, sharex=True, sharey=True)
        for row, number in enumerate(page):
            for column in range(_COLUMNS):
                _draw(grid[row, column], clips[number][column : column + 1], span_s, top_hz)
            name = cluster_names.get(number, f"cluster {number}")
            grid[row, 0].set_ylabel(_wrap(name), rotation=0, ha="right", va="center", fontsize=9)
        figure.supxlabel(f"seconds; each from 0 to {top_hz / 1000:.3g} kHz", fontsize=9)
        yield figure


def n_sheets(clips: Mapping[int, Sequence[ClipSpectrogram]]) -> int:
    """Return the number of figures that `sheets` yields."""
    return -(-len(clips) // _ROWS) if any(clips.values()) else 0


def _clip(result: MecResult, row: int) -> ClipSpectrogram:
    roi = result.rois.table.iloc[row]
    start = float(roi["start_s"])
    end = min(float(roi["end_s"]), start + _MAX_S)
    wave, rate = result.rois.reader.read(roi["root"], roi["recording"], start, end, None)
    seconds = len(wave) / rate
    window_s = np.clip(seconds * _WINDOW_SHARE, _MIN_WINDOW_S, _WINDOW_S)
    n_fft = 2 * max(round(float(window_s) * rate / 2), 8)
    power = power_spectrum(wave, n_fft, max(n_fft // 4, 1))
    levels: npt.NDArray[np.float32] = 10 * np.log10(power + np.float32(1e-12))
    low, high = float(roi["low_hz"]), float(roi["high_hz"])
    return ClipSpectrogram(levels, rate, seconds, None if np.isnan(low + high) else (low, high))


def _draw(axes: Axes, clips: Sequence[ClipSpectrogram], span_s: float, top_hz: float) -> None:
    """Draw the one clip, or leave the axes empty where there is none."""
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


def episode_sheet(
    support: npt.NDArray[np.float32],
    query: npt.NDArray[np.float32],
    classes: Sequence[str],
    predicted: npt.NDArray[np.int64],
) -> Figure:
    """Return the front-end images of an episode, one class a row: support, then query.

    Queries have a frame in the colour of a correct or of a wrong prediction, which is named. The
    three channels of an image are red, green and blue.

    Args:
        support: `(n_way, n_shot, 3, height, width)` in [0, 1], lowest frequency in the last row.
        query: `(n_way, n_query, 3, height, width)`.
        classes: `n_way` names.
        predicted: `(n_way, n_query)` predicted classes.
    """
    support, query = support[:_MAX_WAY, :_MAX_SHOWN], query[:_MAX_WAY, :_MAX_SHOWN]
    n_way, n_shot, n_query = len(support), support.shape[1], query.shape[1]
    height, width = support.shape[-2:]
    cell = 1.35
    figure = Figure(
        figsize=(1.6 + cell * (n_shot + n_query), 0.7 + n_way * (0.25 + cell * height / width)),
        layout="constrained",
    )
    # The names of the classes take some of the width.
    ratios = [n_shot + 0.6, n_query]
    left, right = figure.subfigures(1, 2, width_ratios=ratios, wspace=0.02, squeeze=False)[0]
    for part, title, images in ((left, "support", support), (right, "query", query)):
        part.suptitle(title)
        grid = part.subplots(n_way, images.shape[1], squeeze=False)
        for axes, image in zip(grid.ravel(), images.reshape(-1, 3, height, width), strict=True):
            axes.imshow(np.clip(image.transpose(1, 2, 0), 0, 1), aspect="auto")
            axes.set_xticks([])
            axes.set_yticks([])
        if images is support:
            for row, name in enumerate(classes[:n_way]):
                grid[row, 0].set_ylabel(_wrap(name), rotation=0, ha="right", va="center", size=8)
            continue
        for (row, column), axes in np.ndenumerate(grid):
            number = int(predicted[row, column])
            colour = _CORRECT if number == row else _WRONG
            axes.spines[:].set(color=colour, linewidth=2)
            if number != row:
                # Within the image, so that the rows of both parts stay at one height.
                axes.text(
                    *(0.5, 0.03, textwrap.shorten(classes[number], 24, placeholder="…")),
                    transform=axes.transAxes, ha="center", va="bottom", fontsize=6, color="white",
                    bbox={"facecolor": colour, "edgecolor": "none", "pad": 1},
                )  # fmt: skip
    return figure


def _wrap(name: str) -> str:
    """Break a name into at most three lines of 16 characters."""
    words, lines = name.split(), [""]
    for word in words:
        word = word if len(word) <= 16 else f"{word[:15]}…"
        longer = f"{lines[-1]} {word}".strip()
        lines = [*lines[:-1], longer] if len(longer) <= 16 else [*lines, word]
    return "\n".join(lines[:3])
