"""Spectrograms, hourly counts and tables of segmented recordings."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from darksound.audio.files import open_audio
from darksound.audio.mixing import mix_channels
from darksound.report.tables import Table
from darksound.rois.roi_set import as_text
from darksound.segmentation.power import power_spectrum
from darksound.sources.calls import LeftOut
from darksound.text import path_text

__all__ = ["busiest_interval", "hourly", "hourly_plot", "segmentation_tables", "soundscape"]

# Wind and handling noise below this is excluded from the contrast.
_RUMBLE_HZ = 500.0
_TOP_HZ = 12_000.0
_WINDOW_S = 1024 / 48_000
_MIN_N_FFT = 16
_UNRECORDED = "#E4E4E4"
_BY_CLOCK = "hour of the day"
_BOX, _LEFT_OUT, _FLAGGED, _BAR = "#D55E00", "#56B4E9", "#E69F00", "#0072B2"


def soundscape(
    path: Path,
    start_s: float,
    end_s: float,
    rois: pd.DataFrame,
    chunks: pd.DataFrame,
    *,
    top_hz: float = _TOP_HZ,
) -> Figure:
    """Return the spectrogram of a part of a recording, with its ROIs as boxes.

    Flagged chunks have a bar with their quality flags at the top.

    Args:
        path: path of the recording.
        start_s: start of the part in seconds.
        end_s: end of the part in seconds.
        rois: ROIs of the recording, with `start_s`, `end_s`, `low_hz`, `high_hz` and `left_out`:
            whether other commands leave the ROI out; its box is thin then.
        chunks: chunks of the recording, with `start_s`, `end_s` and `quality_flags`.
        top_hz: highest frequency that is drawn, unless a ROI is higher.

    Raises:
        InputError: the recording cannot be read.
    """
    levels, rate = _levels(path, start_s, end_s)
    figure = Figure(figsize=(float(np.clip(0.45 * (end_s - start_s), 8, 24)), 4.5))
    figure.set_layout_engine("constrained")
    axes = figure.add_subplot()
    quiet, loud = _contrast(levels, rate)
    axes.imshow(
        levels.T,
        origin="lower",
        aspect="auto",
        cmap="gray_r",
        extent=(start_s, end_s, 0, rate / 2000),
        vmin=quiet,
        vmax=loud,
    )
    bounds = ["start_s", "end_s", "low_hz", "high_hz", "left_out"]
    # Used ROIs last, so that they are drawn over the others.
    shown = _overlapping(rois, start_s, end_s)[bounds]
    shown = shown.sort_values("left_out", ascending=False, kind="stable")
    for first, last, low, high, left_out in shown.to_numpy(np.float64):
        corner, width, height = (first, low / 1000), last - first, (high - low) / 1000
        colour, line_width = (_LEFT_OUT, 0.6) if left_out else (_BOX, 1.2)
        axes.add_patch(Rectangle(corner, width, height, fill=False, ec=colour, lw=line_width))
    flagged = _overlapping(chunks[chunks["quality_flags"] != ""], start_s, end_s)
    times = flagged[["start_s", "end_s"]].to_numpy(np.float64).clip(start_s, end_s)
    for (first, last), flags in zip(times, flagged["quality_flags"], strict=True):
        axes.axvspan(first, last, ymin=0.97, color=_FLAGGED)
        axes.annotate(
            flags, (first, 1), xycoords=("data", "axes fraction"), fontsize=8, va="bottom"
        )
    top = min(max(top_hz, float(rois["high_hz"].max()) if len(rois) else 0.0), rate / 2) / 1000
    axes.set_ylim(0, top)
    axes.set_xlim(start_s, end_s)
    axes.set_xlabel("seconds")
    axes.set_ylabel("kHz")
    # A dollar sign in a name does not begin a formula.
    axes.set_title(path_text(path.name), fontsize=10, pad=14, parse_math=False)
    return figure


def busiest_interval(rois: pd.DataFrame, duration_s: float, length_s: float) -> tuple[float, float]:
    """Return start and end of the part of a recording in which most ROIs start.

    Args:
        rois: ROIs of the recording, with `start_s`.
        duration_s: duration of the recording.
        length_s: length of the part, whose start is a multiple of it; a shorter recording is
            returned as a whole.
    """
    if duration_s <= length_s or rois.empty:
        return 0.0, min(duration_s, length_s)
    counts = np.bincount((rois["start_s"] // length_s).astype(int))
    start = float(np.argmax(counts) * length_s)
    return start, min(start + length_s, duration_s)


def hourly(rois: pd.DataFrame, chunks: pd.DataFrame) -> tuple[str, pd.DataFrame]:
    """Return the number of ROIs per hour of sound, by hour.

    Args:
        rois: table with `start_s` and `recorded_at`.
        chunks: table with `start_s`, `end_s` and `recorded_at`.

    Returns:
        The kind of hour, and a row an hour: `hour`, `minutes` of sound, `rois`,
        `rois_per_hour`. It is the hour of the day by the clocks of the recorders, for recordings
        with a known start; where none is known, the hour of the recording.
    """
    by_clock = bool(_clock(chunks).notna().any())
    if by_clock:
        rois, chunks = (rows[_clock(rows).notna()] for rows in (rois, chunks))
    sound = (chunks["end_s"] - chunks["start_s"]) / 60
    minutes = sound.groupby(_hours(chunks, by_clock)).sum()
    counts = pd.Series(1, rois.index).groupby(_hours(rois, by_clock)).sum()
    table = pd.DataFrame({"minutes": minutes, "rois": counts.reindex(minutes.index, fill_value=0)})
    table["rois_per_hour"] = 60 * table["rois"] / table["minutes"]
    kind = _BY_CLOCK if by_clock else "hour of the recording"
    return kind, table.rename_axis("hour").reset_index()


def hourly_plot(kind: str, hours: pd.DataFrame) -> Figure:
    """Return a bar plot of the two values of `hourly`; hours that were not recorded are grey."""
    figure = Figure(figsize=(8, 3.5), layout="constrained")
    axes = figure.add_subplot()
    if len(hours):
        count = 24 if kind == _BY_CLOCK else int(hours["hour"].max()) + 1
        recorded = np.isin(np.arange(count), hours["hour"].to_numpy(np.int64))
        edges = np.arange(count + 1) - 0.5
        axes.fill_between(
            np.repeat(edges, 2)[1:-1],
            0,
            1,
            where=np.repeat(~recorded, 2).tolist(),
            transform=axes.get_xaxis_transform(),
            color=_UNRECORDED,
            lw=0,
        )
        axes.set_xlim(edges[0], edges[-1])
    axes.bar(hours["hour"], hours["rois_per_hour"], color=_BAR)
    axes.set_xlabel(f"{kind} (grey: not recorded)")
    axes.set_ylabel("ROIs an hour of sound")
    axes.locator_params(axis="x", integer=True)
    axes.grid(axis="y", alpha=0.3)
    return figure


def segmentation_tables(
    rois: pd.DataFrame, left_out: LeftOut, chunks: pd.DataFrame
) -> tuple[Table, ...]:
    """Return tables of the segmentation: totals, shares of flagged sound, and counts by hour.

    Args:
        rois: the ROI table.
        left_out: which of its ROIs other commands leave out; they are not counted by hour.
        chunks: table with `root`, `recording`, `start_s`, `end_s`, `quality_flags` and
            `recorded_at`.
    """
    n_left_out = int(left_out.rows.sum())
    counts = (
        ("of choruses", int(left_out.chorus.sum())),
        (f"with a call score below {left_out.min_score:g}", int(left_out.low_score.sum())),
        ("used by other commands", len(rois) - n_left_out),
    )
    seconds = chunks["end_s"] - chunks["start_s"]
    hours = float(seconds.sum()) / 3600
    rows = [
        ("recordings", str(len(chunks[["root", "recording"]].drop_duplicates()))),
        ("hours of sound", f"{hours:.2f}"),
        ("ROIs", str(len(rois))),
        *((name, str(count)) for name, count in counts if n_left_out and count),
        ("ROIs an hour", f"{(len(rois) - n_left_out) / hours:.0f}" if hours else ""),
    ]
    flags = sorted({flag for text in chunks["quality_flags"] for flag in text.split()})
    for flag in flags:
        flagged = chunks["quality_flags"].str.split().map(lambda names, flag=flag: flag in names)
        share = 100 * float(seconds[flagged].sum() / seconds.sum())
        rows.append((f"flagged {flag}", f"{share:.0f} % of the sound"))
    kind, by_hour = hourly(rois[~left_out.rows], chunks)
    figures = by_hour[["hour", "minutes", "rois", "rois_per_hour"]].to_numpy(np.float64)
    hour_rows = tuple(
        (f"{hour:.0f}", f"{minutes:.1f}", f"{count:.0f}", f"{rate:.0f}")
        for hour, minutes, count, rate in figures
    )
    return (
        Table("Segmentation", ("quantity", "value"), tuple(rows)),
        Table(f"By the {kind}", ("hour", "minutes", "ROIs", "ROIs an hour"), hour_rows),
    )


def _levels(path: Path, start_s: float, end_s: float) -> tuple[npt.NDArray[np.float32], int]:
    """Return levels in dB `(frames, bins)` of a part of a recording, and the sampling rate."""
    with open_audio(path) as sound:
        rate = sound.samplerate
        sound.seek(round(start_s * rate))
        wave = sound.read(round((end_s - start_s) * rate), dtype="float32", always_2d=True)
    n_fft = max(2 * round(_WINDOW_S * rate / 2), _MIN_N_FFT)
    power = power_spectrum(mix_channels(wave).samples, n_fft, n_fft // 2)
    levels: npt.NDArray[np.float32] = 10 * np.log10(power + np.float32(1e-12))
    return levels, rate


def _contrast(levels: npt.NDArray[np.float32], rate: int) -> tuple[float, float]:
    """Return the levels that are drawn white and black."""
    relevant = levels[:, round(_RUMBLE_HZ / (rate / 2) * levels.shape[1]) :]
    if not relevant.size:
        return 0.0, 1.0
    quiet, loud = np.percentile(relevant, (40, 99.8))
    return float(quiet), float(max(loud, quiet + 10))


def _overlapping(rows: pd.DataFrame, start_s: float, end_s: float) -> pd.DataFrame:
    return rows[(rows["end_s"] > start_s) & (rows["start_s"] < end_s)]


def _hours(rows: pd.DataFrame, by_clock: bool) -> "pd.Series[int]":
    if not by_clock:
        return (rows["start_s"] // 3600).astype(int)
    return (_clock(rows) + pd.to_timedelta(rows["start_s"], unit="s")).dt.hour.astype(int)


def _clock(rows: pd.DataFrame) -> "pd.Series[pd.Timestamp]":
    """Return the local start of the recording of each row; missing where there is no valid one."""
    # Local time of the recorder: the offset from UTC is cut off.
    texts = as_text(rows["recorded_at"]).str[:19]
    return pd.to_datetime(texts, format="ISO8601", errors="coerce")
