"""Score the clusters of a made night by the species of their ROIs.

    darksound synth --soundscapes 1 --scene night --minutes 360 --species 12 --seed 41 --out NIGHT
    darksound mec --data NIGHT --rois segment --iterations 0 --out RUN
    python benchmarks/night_clusters.py RUN NIGHT

The species of a ROI is that of the call unit with the highest intersection over union in time,
among those that share 0.3 of the narrower band, if that is at least 0.3 or the unit fills half of
the ROI. Other ROIs are no calls. A churr of a minute is thus not the label of the short calls in
its band.

Printed are the clusters; the species that have a cluster of a purity of 0.9 or more among all its
ROIs, and those that have none; the ten largest clusters; and the AMI of the species below 1 kHz
with clusters of their ROIs alone, every noise ROI as a cluster of its own.
"""

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

import darksound as ds
from darksound.cluster.metrics import NOISE, label_scores
from darksound.cluster.structure import find_clusters
from soundscapes import END, MIN_IOU, START, SoundscapeTruth, overlap

_PURITY = 0.9
_LOW_VOICE_HZ = 1000.0
_OTHER = ""
_BOX = ["start_s", "end_s", "low_hz", "high_hz"]


def species_of(rois: pd.DataFrame, events: pd.DataFrame) -> npt.NDArray[np.object_]:
    """Return the species `(n,)` of the ROIs of one recording, an empty text for other sounds."""
    truth = SoundscapeTruth.of(events)
    species = truth.events["label"].to_numpy(dtype=object)
    order = np.argsort(truth.steps[:, START])
    units, event = truth.steps[order], truth.event_of_step[order]
    longest = (units[:, END] - units[:, START]).max()
    labels = np.full(len(rois), _OTHER, dtype=object)
    for number, box in enumerate(rois[_BOX].to_numpy(dtype=float)):
        first, last = np.searchsorted(units[:, START], [box[START] - longest, box[END]])
        shared, in_band = overlap(box[None], units[first:last])
        shared = np.where(in_band, shared, 0)[0]
        length = box[END] - box[START]
        together = length + units[first:last, END] - units[first:last, START] - shared
        agreement = shared / np.maximum(together, 1e-9)
        if agreement.size and agreement.max() > 0:
            best = int(agreement.argmax())
            if agreement[best] >= MIN_IOU or shared[best] >= 0.5 * length:
                labels[number] = species[event[first + best]]
    return labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("night", type=Path, help="folder of the soundscapes")
    arguments = parser.parse_args()
    result = ds.read_run(arguments.run)
    table, events = result.table, pd.read_csv(arguments.night / "events.csv")
    labels = np.full(len(table), _OTHER, dtype=object)
    for name, rows in table.groupby("recording").indices.items():
        of_recording = events[events["recording"] == name]
        labels[rows] = species_of(table.iloc[rows], of_recording)
    clusters = table["cluster"].to_numpy()
    named = pd.DataFrame({"cluster": clusters, "species": labels})[clusters != NOISE]
    counts = named.groupby(["cluster", "species"]).size().unstack(fill_value=0)
    largest, purity = counts.idxmax(axis=1), counts.max(axis=1) / counts.sum(axis=1)
    pure = set(largest[purity >= _PURITY]) - {_OTHER}
    calls = events[events["kind"] == "call"]
    missing = sorted(set(calls["label"]) - pure)
    print(
        f"{len(table)} ROIs, {(labels != _OTHER).mean():.0%} of them calls; {len(counts)} clusters"
    )
    print(f"{len(pure)} species with a pure cluster; without: {', '.join(missing)}")
    for cluster in counts.sum(axis=1).nlargest(10).index:
        size = int(counts.loc[cluster].sum())
        print(f"  {size} ROIs, {purity[cluster]:.2f} of {largest[cluster] or 'other sounds'}")
    highest = calls.groupby("label")["high_hz"].median()
    low = np.isin(labels, highest.index[highest < _LOW_VOICE_HZ])
    embeddings = np.load(arguments.run / "embeddings.npy")[low]
    found = find_clusters(embeddings, ds.Settings())
    ami = label_scores(found.labels, labels[low]).everything.ami
    n_species = len(set(labels[low]))
    print(
        f"{low.sum()} ROIs of {n_species} species below 1 kHz: {found.n_clusters} clusters,",
        end=" ",
    )
    print(f"AMI {ami:.3f}")


if __name__ == "__main__":
    main()
