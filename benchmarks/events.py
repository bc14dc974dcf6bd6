"""Measure which long sounds are joined to one ROI, and whether phrases or units cluster better.

    python benchmarks/events.py joins [--seeds 20]
    python benchmarks/events.py groups FOLDER [FOLDER ...]

`joins` makes recordings of churrs and of mixtures of 2 to 12 singers, and counts the cuts of their
long regions and how many of them are joined again.

`groups` segments folders of recordings, labelled by subfolder or by the `events.csv` of made
soundscapes, embeds the ROIs with the bundled weights and clusters them, once with each of
`segmentation.group`. It prints the number of ROIs and the AMI of clusters and labels of all ROIs,
and of the units that are in both, each with the cluster of its ROI.
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import soundfile as sf

import darksound as ds
from darksound.cluster.embedding import embed
from darksound.cluster.metrics import label_scores
from darksound.cluster.structure import find_clusters
from darksound.meta.learners.build import build_learner
from darksound.segmentation.recordings import segment_recording
from darksound.settings import SegmentationSettings, adopt_checkpoint
from darksound.store.building import build_store
from darksound.synthesis.night_voices import churr_texture, draw_churr
from darksound.synthesis.recordings import RATE
from darksound.synthesis.song_types import perform, render_performance
from darksound.synthesis.wild_species import draw_repertoire, draw_wild_species

Wave = npt.NDArray[np.float32]
MAX_ROI_S = 2.9
NOISE = 1e-3
SOUND_S, MARGIN_S = 12.0, 15.0
KEYS = ["recording", "unit_start", "unit_end"]


def churr(rng: np.random.Generator) -> Wave:
    """Return a churr at an SNR of 0 to 24 dB over the noise of all frequencies."""
    level = NOISE * 10 ** (rng.uniform(0, 24) / 20)
    texture = churr_texture(draw_churr(rng), rng)
    return (level * texture.render(0, round(SOUND_S * RATE))).astype(np.float32)


def mixture(rng: np.random.Generator) -> Wave:
    """Return the songs of 2 to 12 singers that hardly pause."""
    wave = np.zeros(round(SOUND_S * RATE), np.float32)
    for _ in range(int(rng.integers(2, 13))):
        songs = draw_repertoire(draw_wild_species(rng), rng)
        start = round(rng.uniform(0, 1) * RATE)
        while start < len(wave):
            song = perform(songs[int(rng.integers(len(songs)))], rng, 5.0)
            sound = render_performance(song, RATE, rng)[: len(wave) - start]
            level = 10 ** (rng.uniform(-50, -20) / 20)
            wave[start : start + len(sound)] += level * sound / max(np.abs(sound).max(), 1e-9)
            start += len(sound) + round(rng.uniform(0.05, 1.0) * RATE)
    return wave


def joins(seeds: int) -> None:
    """Print how many cuts of churrs and of mixtures are joined."""
    settings = SegmentationSettings(chunk_s=60)
    print("| sound | recordings | cuts | joined |\n|---|---|---|---|")
    for name, make in (("churrs", churr), ("mixtures", mixture)):
        n_cuts = n_joined = 0
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            margin = round(MARGIN_S * RATE)
            wave = np.pad(make(rng), margin)
            wave += NOISE * rng.standard_normal(len(wave), np.float32)
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / "a.wav"
                sf.write(path, wave, RATE, subtype="FLOAT")
                boxes = segment_recording(path, MAX_ROI_S, settings).boxes
            continues = boxes["continues"] > 0
            follows = np.isclose(boxes["start_s"][:, None], boxes["end_s"]).any(axis=1)
            n_cuts += int((follows | continues).sum())
            n_joined += int(continues.sum())
        print(f"| {name} | {seeds} | {n_cuts} | {n_joined} |")


def groups(folder: Path) -> None:
    """Print the agreement of clusters and labels with units and with phrases as ROIs."""
    tables = {}
    for group in ("unit", "phrase"):
        settings = ds.Settings().replace(segmentation={"group": group})
        rois = ds.load_rois(folder, rois="segment", settings=settings)
        learner = build_learner(settings)
        images = build_store(rois, adopt_checkpoint(settings, learner.settings))
        table = images.rois.table.reset_index(drop=True)
        table["label"] = _labels(folder, images.rois)
        clustering = find_clusters(embed(images, learner, images.settings), images.settings)
        table["cluster"] = clustering.labels
        print(f"{folder.name}, {group}: {len(table)} ROIs, AMI {_ami(table):.3f}")
        tables[group] = _units(table, settings.segmentation.pad_s).drop_duplicates(KEYS)
    both = tables["unit"].merge(tables["phrase"], on=KEYS, suffixes=("", "_phrase"))
    in_phrases = both.assign(cluster=both["cluster_phrase"])
    print(f"{len(both)} units: {_ami(both):.3f} as units, {_ami(in_phrases):.3f} in phrases")


def _ami(table: pd.DataFrame) -> float:
    labels = table["label"].to_numpy(dtype=object)
    return float(label_scores(table["cluster"].to_numpy(), labels).everything.ami)


def _labels(folder: Path, rois: ds.RoiSet) -> npt.NDArray[np.object_]:
    """Return the label of each ROI: its folder, or the narrowest event over most of its time."""
    if not (folder / "events.csv").exists():
        return np.asarray(rois.labels, dtype=object)
    events = pd.read_csv(folder / "events.csv")
    labels = []
    bounds = rois.table[["recording", "start_s", "end_s", "low_hz", "high_hz"]].to_numpy()
    for recording, start, end, low, high in bounds:
        near = events[
            (events["recording"] == recording)
            & (events["low_hz"] < high)
            & (events["high_hz"] > low)
        ]
        shared = np.minimum(near["end_s"], end) - np.maximum(near["start_s"], start)
        near = near[shared > (end - start) / 2]
        width = (near["high_hz"] - near["low_hz"]).to_numpy()
        labels.append(near["label"].iloc[int(width.argmin())] if len(near) else "none")
    return np.array(labels, dtype=object)


def _units(table: pd.DataFrame, pad_s: float) -> pd.DataFrame:
    """Return a row for each unit of the ROIs, with times to 0.1 s."""
    rows = []
    for roi in table.itertuples():
        whole = f"{roi.start_s + pad_s:.2f}-{roi.end_s - pad_s:.2f}"
        for unit in (roi.units if isinstance(roi.units, str) else whole).split():
            start, end = (round(float(time), 1) for time in unit.split("-"))
            rows.append((roi.recording, start, end, roi.label, roi.cluster))
    return pd.DataFrame(rows, columns=[*KEYS, "label", "cluster"])


def main() -> None:
    """Run one of the two."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parts = parser.add_subparsers(dest="part", required=True)
    parts.add_parser("joins").add_argument("--seeds", type=int, default=20)
    parts.add_parser("groups").add_argument("folders", type=Path, nargs="+")
    arguments = parser.parse_args()
    if arguments.part == "joins":
        joins(arguments.seeds)
    else:
        for folder in arguments.folders:
            groups(folder)


if __name__ == "__main__":
    main()
