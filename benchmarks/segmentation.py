"""Compare darksound's segmentation with scikit-maad's ROI finder and with a PCEN detector.

Soundscapes: on recordings of scenes made by `darksound synth --soundscapes`, whose every event is
known, the scores of `soundscapes.py`. darksound's ROIs are those passed on to embedding. The PCEN
detector is librosa.pcen on 128 mel bands (150 to 11,500 Hz, windows of 1024 samples with half
overlap), over a threshold, closed over 0.1 s and three bands, of at least 0.05 s; the best of five
thresholds, by F1 on these very recordings, is printed.

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
    python benchmarks/segmentation.py --scenes night dawn rain river --seeds 11 12
"""

import argparse
import os
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

# Before NumPy starts its threads.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import librosa
import maad.rois
import maad.sound
import maad.util
import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy.ndimage
import scipy.signal
import skimage.morphology
import soundfile as sf
import soxr

import soundscapes
from darksound.audio.files import probe
from darksound.jobs.soundscapes import Soundscapes, write_soundscapes
from darksound.segmentation.block import segment_block
from darksound.segmentation.detection import DetectionScores, score_detections
from darksound.segmentation.recordings import plan_recording, segment_recording
from darksound.segmentation.rows import recording_rois
from darksound.settings import SegmentationSettings, load_settings
from darksound.sources.annotations.loading import read_annotations
from darksound.sources.calls import find_left_out

Times = npt.NDArray[np.float64]
Boxes = npt.NDArray[np.float64]
ROI_S = 3.0
CHUNK_S = 10.0
SPEED_RATE = 48_000
PCEN_THRESHOLDS = (0.5, 1.0, 2.0, 3.0, 5.0)


def by_maad(path: Path, low_hz: float, high_hz: float, close: bool) -> Boxes:
    """Return start and end in seconds, low and high in Hz of scikit-maad's ROIs, `(n, 4)`."""
    wave, rate = maad.sound.load(str(path))
    band = (low_hz, min(high_hz, rate / 2 - 1))
    wave = maad.sound.select_bandwidth(wave, rate, fcut=band, forder=5, fname="butter")
    size = round(CHUNK_S * rate)
    boxes = [np.empty((0, 4))]
    for start in range(0, len(wave) - 2048, size):
        chunk = wave[start : start + size]
        chunk = chunk * scipy.signal.windows.tukey(len(chunk), alpha=0.01)
        box = _segment_chunk(chunk, rate, band, close)
        boxes.append(box + np.array([1, 1, 0, 0]) * start / rate)
    return np.concatenate(boxes)


def _segment_chunk(
    wave: npt.NDArray[np.float64], rate: int, band: tuple[float, float], close: bool
) -> Boxes:
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
        return np.empty((0, 4))
    rois = maad.util.format_features(rois, frames, bins)
    width, height = rois.max_x - rois.min_x, rois.max_y - rois.min_y
    is_long = rois.max_t - rois.min_t > 0.2
    selected = rois[(width > 0) & (height > 0) & (height < 7 * width) & is_long]
    boxes: Boxes = selected[["min_t", "max_t", "min_f", "max_f"]].to_numpy(dtype=float)
    return boxes


def by_darksound(path: Path, settings: SegmentationSettings) -> Times:
    """Return starts and ends in seconds of darksound's ROIs with margins, `(n, 2)`."""
    boxes = segment_recording(path, ROI_S - 2 * settings.pad_s, settings).boxes
    return np.stack([boxes["start_s"] - settings.pad_s, boxes["end_s"] + settings.pad_s], axis=1)


def rois_of(path: Path, settings: SegmentationSettings) -> pd.DataFrame:
    """Return darksound's ROIs as rows, with those that are left out of embedding."""
    info = probe(path)
    grid, blocks = plan_recording(info, settings)
    roi_s = ROI_S - 2 * settings.pad_s
    segmented = [segment_block(path, block, grid, roi_s, settings) for block in blocks]
    return recording_rois(path, segmented, info, grid, settings).rows


def by_pcen(path: Path) -> Iterator[tuple[float, Boxes]]:
    """Yield each threshold and start and end in seconds, low and high in Hz, `(n, 4)`."""
    wave, rate = librosa.load(path, sr=None)
    bands = librosa.feature.melspectrogram(
        y=wave * 2**31, sr=rate, n_fft=1024, hop_length=512, n_mels=128, fmin=150, fmax=11_500,
        power=1,
    )  # fmt: skip
    edges = librosa.mel_frequencies(130, fmin=150, fmax=11_500)
    pcen = librosa.pcen(bands, sr=rate, hop_length=512)
    step = 512 / rate
    for threshold in PCEN_THRESHOLDS:
        mask = scipy.ndimage.binary_closing(pcen > threshold, np.ones((3, round(0.1 / step))))
        labels, _ = scipy.ndimage.label(mask, np.ones((3, 3)))
        found = [
            (f[1].start * step, f[1].stop * step, edges[f[0].start], edges[f[0].stop + 1])
            for f in scipy.ndimage.find_objects(labels)
            if (f[1].stop - f[1].start) * step >= 0.05
        ]
        yield threshold, np.array(found, dtype=float).reshape(-1, 4)


def compare_soundscapes(scene: str, plans: list[Soundscapes], folder: Path) -> None:
    """Print the scores of all ROI finders on made recordings of a scene."""
    scores: dict[str, soundscapes.Scores] = {}
    left_out = {"chorus": [0, 0], "low call score": [0, 0]}
    for plan in plans:
        target = folder / f"{scene}-{plan.seed}"
        events = write_soundscapes(plan, target)
        for recording, rows in events.groupby("recording"):
            truth = soundscapes.SoundscapeTruth.of(rows)
            for name, boxes in _all_finders(target / str(recording), truth, left_out):
                score = soundscapes.score_rois(boxes, truth)
                scores[name] = scores.get(name, soundscapes.Scores()) + score
    thresholds = [name for name in scores if name.startswith("PCEN")]
    best = max(thresholds, key=lambda name: scores[name].f1[0])
    kept = [(n, s) for n, s in scores.items() if n not in thresholds or n == best]
    soundscapes.print_scores(scene, kept)
    for reason, (rois, calls) in left_out.items():
        print(f"\nLeft out of `default`, {reason}: {rois} ROIs, {calls} of them calls.")


def _all_finders(
    path: Path, truth: soundscapes.SoundscapeTruth, left_out: dict[str, list[int]]
) -> Iterator[tuple[str, Boxes]]:
    """Yield the ROIs of every finder, and count those that darksound leaves out."""
    columns = ["start_s", "end_s", "low_hz", "high_hz"]
    for preset in ("default", "nocturnal", "paper-2024"):
        settings = load_settings(preset).segmentation
        rows = rois_of(path, settings)
        out = find_left_out(rows, settings)
        yield f"darksound, `{preset}`", rows.loc[~out.rows, columns].to_numpy(dtype=float)
        if preset == "default":
            yield "darksound, all ROIs", rows[columns].to_numpy(dtype=float)
            for count, mask in zip(left_out.values(), (out.chorus, out.low_score), strict=True):
                boxes = rows.loc[mask, columns].to_numpy(dtype=float)
                count[0] += len(boxes)
                count[1] += soundscapes.score_rois(boxes, truth).n_calls
    for high_hz in (5000, 12_000):
        yield f"scikit-maad, 250 to {high_hz} Hz", by_maad(path, 250, high_hz, close=True)
    for threshold, boxes in by_pcen(path):
        yield f"PCEN over {threshold:g}", boxes


def compare_agreement(path: Path, annotated: Times) -> None:
    """Print one row for each ROI finder."""
    print("| ROI finder | ROIs | precision | recall | F1 |\n|---|---|---|---|---|")
    for preset in ("default", "paper-2024", "thesis-2023"):
        settings = load_settings(preset).segmentation
        _row(f"darksound, `{preset}`", score_detections(by_darksound(path, settings), annotated))
    for high_hz in (5000, 2500, 12_000):
        times = by_maad(path, 250, high_hz, close=True)[:, :2]
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
    """Run the comparisons."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("recording", type=Path, nargs="?")
    parser.add_argument("annotations", type=Path, nargs="?", help="Audacity labels or Raven table")
    parser.add_argument("folder", type=Path, nargs="?", help="of recordings to tile for the speed")
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--scenes", nargs="*", default=[], help="night, dawn, rain, river")
    parser.add_argument("--seeds", nargs="*", type=int, default=[11, 12])
    parser.add_argument("--soundscapes", type=int, default=2, help="of 5 minutes, for each seed")
    parser.add_argument("--made", type=Path, help="folder to keep them in")
    arguments = parser.parse_args()
    # scikit-maad uses deprecated names of scikit-image.
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        made = arguments.made or Path(folder)
        for scene in arguments.scenes:
            plans = [Soundscapes(arguments.soundscapes, scene, seed=s) for s in arguments.seeds]
            compare_soundscapes(scene, plans, made)
        if arguments.annotations:
            marks = read_annotations(arguments.annotations).marks
            annotated = np.array([[m.start_s, m.end_s] for m in marks])
            compare_agreement(arguments.recording, annotated)
        if arguments.folder:
            target = Path(folder) / "tiled.wav"
            tile(arguments.folder, arguments.minutes, target)
            compare_speed(target, arguments.rounds)


if __name__ == "__main__":
    main()
