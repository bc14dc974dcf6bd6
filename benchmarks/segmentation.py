"""Compare darksound's segmentation with scikit-maad's ROI finder, in agreement and speed.

Agreement: on a recording with annotations, precision, recall and F1 of the ROIs at an intersection
over union of 0.3 in time. scikit-maad runs with the published parameters (band-pass, spectrogram
of 1024, median background smoothed over 10 bands, thresholds of 26 and 10 dB, closing over
0.2 s and 250 Hz, at least 0.2 s long, at most 7 times as high as wide, chunks of 10 s), in the
published bands and in a wider one. Its boxes are scored without margins and with the published
margin of 0.2 s.

Speed: both run in turn on the same 48 kHz WAV of some minutes, tiled from the recordings of a
folder, with one thread. CPU time and wall-clock time are medians over the rounds. Closing, which
is slow and not part of scikit-maad, is left out of its time.

    python benchmarks/segmentation.py maad/spinetail.wav maad/spinetail.txt british
"""

import argparse
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

# Before NumPy starts its threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import maad.rois
import maad.sound
import maad.util
import numpy as np
import numpy.typing as npt
import scipy.signal
import skimage.morphology
import soundfile as sf
import soxr

from darksound.segmentation.detection import DetectionScores, score_detections
from darksound.segmentation.recordings import segment_recording
from darksound.settings import SegmentationSettings, load_settings
from darksound.sources.annotations.loading import read_annotations

Times = npt.NDArray[np.float64]
ROI_S = 3.0
CHUNK_S = 10.0
SPEED_RATE = 48_000


def by_maad(path: Path, low_hz: float, high_hz: float, close: bool) -> Times:
    """Return starts and ends in seconds of scikit-maad's ROIs, `(n, 2)`."""
    wave, rate = maad.sound.load(str(path))
    band = (low_hz, min(high_hz, rate / 2 - 1))
    wave = maad.sound.select_bandwidth(wave, rate, fcut=band, forder=5, fname="butter")
    size = round(CHUNK_S * rate)
    times = [np.empty((0, 2))]
    for start in range(0, len(wave) - 2048, size):
        chunk = wave[start : start + size]
        chunk = chunk * scipy.signal.windows.tukey(len(chunk), alpha=0.01)
        times.append(_segment_chunk(chunk, rate, band, close) + start / rate)
    return np.concatenate(times)


def _segment_chunk(
    wave: npt.NDArray[np.float64], rate: int, band: tuple[float, float], close: bool
) -> Times:
    power, frames, bins, _ = maad.sound.spectrogram(
        wave, rate, nperseg=1024, noverlap=512, flims=list(band)
    )
    levels = maad.util.power2dB(power, db_range=96) + 96
    clean, _ = maad.sound.remove_background_along_axis(levels, mode="median", N=10)
    mask = maad.rois.create_mask(clean, mode_bin="absolute", bin_h=26, bin_l=10)
    frame_s, bin_hz = frames[1] - frames[0], bins[1] - bins[0]
    if close:
        size = (2 * round(250 / bin_hz) + 1, 2 * round(0.2 / frame_s) + 1)
        mask = skimage.morphology.closing(mask, np.ones(size))
    _, rois = maad.rois.select_rois(mask)
    if len(rois) == 0:
        return np.empty((0, 2))
    rois = maad.util.format_features(rois, frames, bins)
    width, height = rois.max_x - rois.min_x, rois.max_y - rois.min_y
    is_long = rois.max_t - rois.min_t > 0.2
    selected = rois[(width > 0) & (height > 0) & (height < 7 * width) & is_long]
    times: Times = selected[["min_t", "max_t"]].to_numpy(dtype=float)
    return times


def by_darksound(path: Path, settings: SegmentationSettings) -> Times:
    """Return starts and ends in seconds of darksound's ROIs with margins, `(n, 2)`."""
    boxes = segment_recording(path, ROI_S - 2 * settings.pad_s, settings).boxes
    return np.stack([boxes["start_s"] - settings.pad_s, boxes["end_s"] + settings.pad_s], axis=1)


def compare_agreement(path: Path, annotated: Times) -> None:
    """Print one row for each ROI finder."""
    print("| ROI finder | ROIs | precision | recall | F1 |\n|---|---|---|---|---|")
    for preset in ("default", "paper-2024", "thesis-2023"):
        settings = load_settings(preset).segmentation
        _row(f"darksound, `{preset}`", score_detections(by_darksound(path, settings), annotated))
    for high_hz in (5000, 2500, 12_000):
        times = by_maad(path, 250, high_hz, close=True)
        _row(f"scikit-maad, 250 to {high_hz} Hz", score_detections(times, annotated))
        wider = score_detections(times + np.array([-0.2, 0.2]), annotated)
        _row(f"scikit-maad, 250 to {high_hz} Hz, with margins", wider)


def _row(name: str, scores: DetectionScores) -> None:
    figures = " | ".join(f"{figure:.2f}" for figure in (scores.precision, scores.recall, scores.f1))
    print(f"| {name} | {scores.n_detected} | {figures} |")


def compare_speed(path: Path, rounds: int) -> None:
    """Print the speed of each relative to real time, and their ratio."""
    seconds = sf.info(path).duration
    settings = SegmentationSettings()
    finders: dict[str, Callable[[], object]] = {
        "darksound, `default`": lambda: by_darksound(path, settings),
        "scikit-maad, 250 to 5000 Hz": lambda: by_maad(path, 250, 5000, close=False),
        "scikit-maad, 250 to 12000 Hz": lambda: by_maad(path, 250, 12_000, close=False),
    }
    speeds: dict[str, list[tuple[float, float]]] = {name: [] for name in finders}
    for _ in range(rounds + 1):
        for name, find in finders.items():
            cpu, wall = time.process_time(), time.perf_counter()
            find()
            cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
            speeds[name].append((seconds / cpu, seconds / wall))
    print(
        f"\n{seconds / 60:.1f} minutes at {SPEED_RATE} Hz, {rounds} rounds after one to warm up\n"
    )
    print("| ROI finder | times real time, CPU | wall clock | darksound is faster by (CPU) |")
    print("|---|---|---|---|")
    darksound_cpu = statistics.median(cpu for cpu, _ in speeds["darksound, `default`"][1:])
    for name, figures in speeds.items():
        cpu, wall = (statistics.median(column) for column in zip(*figures[1:], strict=True))
        print(f"| {name} | {cpu:.0f} | {wall:.0f} | {darksound_cpu / cpu:.1f} |")


def tile(folder: Path, minutes: float, target: Path) -> None:
    """Write the recordings of a folder in sequence, repeated to the given length."""
    n_samples = round(60 * minutes * SPEED_RATE)
    paths = sorted(p for p in folder.rglob("*") if p.suffix in (".wav", ".ogg", ".mp3", ".flac"))
    with sf.SoundFile(target, "w", SPEED_RATE, 1, "PCM_16") as out:
        while out.frames < n_samples:
            for path in paths:
                wave, rate = sf.read(path, dtype="float32", always_2d=True)
                wave = soxr.resample(wave.mean(axis=1), rate, SPEED_RATE)
                out.write(np.clip(wave[: n_samples - out.frames], -1, 1))
                if out.frames >= n_samples:
                    break


def main() -> None:
    """Run both comparisons."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("recording", type=Path)
    parser.add_argument("annotations", type=Path, help="Audacity labels or a Raven table")
    parser.add_argument("folder", type=Path, help="of recordings to tile for the speed")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    # scikit-maad uses deprecated names of scikit-image.
    warnings.simplefilter("ignore")
    marks = read_annotations(arguments.annotations).marks
    compare_agreement(arguments.recording, np.array([[m.start_s, m.end_s] for m in marks]))
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "tiled.wav"
        tile(arguments.folder, arguments.minutes, target)
        compare_speed(target, arguments.rounds)


if __name__ == "__main__":
    main()
