"""The files that examples in the docs name: recordings, tables, annotations, embeddings."""

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

RATE = 16_000
SPECIES = ("wren", "owl", "crake", "rail")
PERCH_DESCRIPTION = 'name = "Perch"\nsample_rate = 16000\nwindow_s = 1.0\n'

#: Settings as environment variables, so small that a command takes about a second.
ENVIRONMENT = {
    "DARKSOUND_EPISODES__N_WAY": "3",
    "DARKSOUND_EPISODES__N_SHOT": "1",
    "DARKSOUND_EPISODES__N_QUERY": "1",
    "DARKSOUND_EVALUATION__N_WAY": "3",
    "DARKSOUND_EVALUATION__N_SHOT": "1",
    "DARKSOUND_EVALUATION__N_QUERY": "1",
    "DARKSOUND_EVALUATION__N_EPISODES": "10",
    "DARKSOUND_EVALUATION__FOLDS": "2",
    "DARKSOUND_TRAINING__EPOCHS": "1",
    "DARKSOUND_TRAINING__EPISODES_PER_EPOCH": "2",
    "DARKSOUND_TRAINING__VALIDATION_EPISODES": "2",
    "DARKSOUND_AUGMENTATION__SOUND_VERSIONS": "0",
    "DARKSOUND_MEC__ITERATIONS": "1",
    "DARKSOUND_MEC__N_EPISODES": "2",
    # UMAP compiles for half a minute in every process.
    "DARKSOUND_REDUCTION__METHOD": "pca",
    "DARKSOUND_PRETRAINING__SPECIES": "8",
    "DARKSOUND_PRETRAINING__INDIVIDUALS": "2",
    "DARKSOUND_PRETRAINING__SONGS": "1",
    "DARKSOUND_PRETRAINING__BATCH_SPECIES": "4",
    "DARKSOUND_PRETRAINING__STEPS": "2",
    "DARKSOUND_PRETRAINING__EMBEDDING_FIT_BATCHES": "0",
    "DARKSOUND_COMPUTE__WORKERS": "1",
    "DARKSOUND_COMPUTE__DEVICE": "cpu",
}


def _song(number: int, rng: np.random.Generator, seconds: float = 0.8) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    pitch = 900 * (number + 1) * rng.uniform(0.95, 1.05)
    return 0.3 * np.sin(2 * np.pi * pitch * time) * (np.sin(2 * np.pi * 8 * time) > 0)


def _clips(root: Path, each: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    for number, name in enumerate(SPECIES):
        (root / name).mkdir(parents=True)
        for i in range(each):
            song = _song(number, rng)
            wave = song + rng.normal(scale=0.01, size=len(song))
            soundfile.write(root / name / f"{i}.wav", wave, RATE)


def _night(path: Path, seconds: float, seed: int) -> list[tuple[float, float]]:
    """Write a recording with a song every 2 s; return the times of the songs."""
    rng = np.random.default_rng(seed)
    wave = rng.normal(scale=0.002, size=round(seconds * RATE))
    times = []
    for i, start in enumerate(np.arange(1.0, seconds - 1, 2.0)):
        song = _song(i % len(SPECIES), rng)
        first = round(start * RATE)
        wave[first : first + len(song)] += song
        times.append((float(start), float(start) + 0.8))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, wave, RATE)
    return times


def _raven(path: Path, times: list[tuple[float, float]]) -> None:
    header = (
        "Selection\tView\tChannel\tBegin Time (s)\tEnd Time (s)\tLow Freq (Hz)\tHigh Freq (Hz)"
        "\tAnnotation"
    )
    rows = [
        f"{i}\tSpectrogram 1\t1\t{a:.3f}\t{b:.3f}\t500\t7000\t{SPECIES[(i - 1) % len(SPECIES)]}"
        for i, (a, b) in enumerate(times, start=1)
    ]
    path.write_text("\n".join([header, *rows]) + "\n")


def write_material(root: Path) -> None:
    """Write into an empty folder what the examples of README and docs name."""
    _clips(root / "my-recordings", 6, seed=1)
    _night(root / "my-recordings" / "20220101_053000.WAV", 20, seed=2)
    for seed, name in enumerate(("labelled-clips", "other-labelled-clips"), start=3):
        _clips(root / name, 10, seed=seed)
    for i in range(2):
        recording = root / "annotated" / f"{i}.wav"
        _raven(
            recording.with_name(f"{i}.Table.1.selections.txt"), _night(recording, 20, seed=5 + i)
        )
    _raven(root / "night.Table.1.selections.txt", _night(root / "night.wav", 30, seed=7))
    _night(root / "song.wav", 30, seed=8)
    times = np.arange(1.0, 29.0, 2.0)
    pd.DataFrame({"recording": "song.wav", "start_s": times, "end_s": times + 0.2}).to_csv(
        root / "syllables.csv", index=False
    )
    for split in ("train", "val", "test"):
        _clips(root / "sets" / "darksound-2024" / split, 4, seed=9)
        _clips(root / "sets" / "darksound-2023" / split / "family", 4, seed=10)
    clips = sorted((root / "my-recordings").rglob("*.wav"))
    shutil.copy(clips[0], root / "call.wav")
    rng = np.random.default_rng(11)
    vectors = [
        list(rng.normal(size=16) + 8 * np.eye(16)[SPECIES.index(clip.parent.name)])
        for clip in clips
    ]
    pd.DataFrame(
        {
            "recording": [clip.relative_to(root / "my-recordings").as_posix() for clip in clips],
            "start_s": 0.0,
            "end_s": 0.8,
            "embedding": vectors,
        }
    ).to_parquet(root / "vectors.parquet")


def write_review(run: Path, file: Path) -> None:
    """Write a review of a run as its page does: cluster 0 named, its last ROI rejected."""
    rois, clusters = (pd.read_parquet(run / f"{name}.parquet") for name in ("rois", "clusters"))
    table = rois.merge(clusters, on="roi_id")
    table = table[table["cluster"] == 0]
    review = table[["roi_id", "recording", "start_s", "end_s", "cluster"]].assign(
        group=0,
        name="wren song",
        rejected=[False] * (len(table) - 1) + [True],
        verdict="yes",
    )
    review.to_csv(file, index=False)


def finished_run(folder: Path) -> Path | None:
    """Return the first finished run of `darksound mec` below a folder."""
    for manifest in sorted(folder.rglob("run.json")):
        content = json.loads(manifest.read_text())
        if content["command"] == "mec" and content["status"] == "done":
            return manifest.parent
    return None
