"""Train and test the call score: the probability that a ROI is an animal's call.

`features` renders synthetic recordings of one seed, segments them, and writes the features of their
ROIs outside choruses, each with the share of a call in its energy: single events in noise, pairs of
a call and another event, short scenes (night, dawn, rain, river), and nights of five minutes, in
which choruses are found as in real recordings. Each scene has species of its own. With `--whistles`
also plain notes that are repeated, in a steady rhythm or not, and with `--solos` clips of one bird
that sings without rest. `train` fits the trees of `darksound.segmentation.call_score` on such
files, calibrates them on recordings apart, and reports the area under the curve by kind on others.
Seeds 1 to 20 and 26 to 54 for training, 21 and 22 for calibration and 23 to 25 for the report made
the file of the package:

    none="--singles 0 --scenes 0 --nights 0"
    for seed in $(seq 1 54); do python benchmarks/call_score.py features $seed s$seed.npz
        python benchmarks/call_score.py features $seed w$seed.npz $none --whistles 32
        python benchmarks/call_score.py features $seed o$seed.npz $none --solos 24; done
    python benchmarks/call_score.py train src/darksound/segmentation/call_score.npz \\
        --train [swo][1-9].npz [swo]1?.npz [swo]20.npz [swo]2[6-9].npz [swo][345]?.npz \\
        --calibrate s2[12].npz --test s2[345].npz
    python benchmarks/call_score.py report s2[345].npz w2[345].npz o2[345].npz
"""

import argparse
import itertools
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile as sf
import soxr
from scipy import fft
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from darksound.audio.files import probe
from darksound.segmentation.block import find_block_rois
from darksound.segmentation.boxes import Boxes
from darksound.segmentation.call_features import CALL_FEATURES, call_features
from darksound.segmentation.call_score import CallTrees, bundled_trees
from darksound.segmentation.grid import Grid
from darksound.segmentation.power import power_spectrum
from darksound.segmentation.recordings import plan_recording
from darksound.segmentation.regions import RegionPoints
from darksound.settings import SegmentationSettings
from darksound.synthesis.acoustics import draw_acoustics, noise_shape, noise_spectrum, transfer
from darksound.synthesis.night_voices import draw_night_voice
from darksound.synthesis.recordings import RATE
from darksound.synthesis.scenes import plan_scene
from darksound.synthesis.single_events import (
    CALL_KINDS,
    OTHER_KINDS,
    render_single_event,
    scale_to_snr,
)
from darksound.synthesis.song_types import perform, render_performance
from darksound.synthesis.soundscapes import SceneId, render_block
from darksound.synthesis.wild_species import draw_repertoire, draw_wild_species
from darksound.synthesis.wild_syllables import log_uniform

Samples = npt.NDArray[np.float32]
Floats = npt.NDArray[np.float64]
# Kind, sound of calls, and of everything else.
Recording = tuple[str, Samples, Samples]

MAX_ROI_S = 2.9
# ROIs of one label in so many seconds, so that rain does not outnumber everything else.
MAX_ROIS, EVENT_S = 20, 25.0
# A ROI with a share of the call between these has no label.
UNCLEAR = (0.35, 0.65)
# Echo after a call.
ECHO_S = 0.5
SCENES = ("night", "night", "dawn", "rain", "river")
SCENE_S, NIGHT_S = 100.0, 300.0
SPECIES = 12
WHISTLES_S = 30.0
SOLO_S = (8.0, 40.0)
# Scenes of one seed of this program; each has another seed of the generator.
MAX_SCENES = 1000
RATES = (RATE, RATE, RATE, 44_100, 32_000, 24_000, 22_050)
BANDS = ((150.0, 11_500.0),) * 4 + ((150.0, 3500.0), (500.0, 11_500.0))


def main() -> None:
    """Run a command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    features = commands.add_parser("features")
    features.add_argument("seed", type=int)
    features.add_argument("out", type=Path)
    features.add_argument("--singles", type=int, default=90)
    features.add_argument("--scenes", type=int, default=14)
    features.add_argument("--nights", type=int, default=10)
    features.add_argument("--whistles", type=int, default=0)
    features.add_argument("--solos", type=int, default=0)
    train = commands.add_parser("train")
    train.add_argument("out", type=Path)
    train.add_argument("--train", type=Path, nargs="+", required=True)
    train.add_argument("--calibrate", type=Path, nargs="+", required=True)
    train.add_argument("--test", type=Path, nargs="+", required=True)
    report = commands.add_parser("report")
    report.add_argument("test", type=Path, nargs="+")
    args = parser.parse_args()
    if args.command == "features":
        made = itertools.chain(
            recordings(args.seed, args.singles, args.scenes, args.nights),
            whistled(args.seed, args.whistles),
            solos(args.seed, args.solos),
        )
        write_features(made, np.random.default_rng([args.seed, 21]), args.out)
    elif args.command == "train":
        tables = [read_tables(paths) for paths in (args.train, args.calibrate, args.test)]
        trees = fit_trees(*tables[:2])
        write_trees(trees, args.out)
        print_report(trees, tables[2])
    else:
        print_report(bundled_trees(), read_tables(args.test))


def write_features(made: Iterable[Recording], rng: np.random.Generator, out: Path) -> None:
    """Write the features, the share of a call and the kind of the ROIs of synthetic recordings."""
    rows: list[Floats] = []
    shares: list[Floats] = []
    kinds: list[str] = []
    for kind, call, other in made:
        features, share = label_rois(call, other, rng)
        for is_call in (False, True):
            chosen = np.flatnonzero((share > 0.5) == is_call)
            limit = MAX_ROIS * max(round(len(call) / RATE / EVENT_S), 1)
            chosen = rng.permutation(chosen)[:limit]
            rows.append(features[chosen])
            shares.append(share[chosen])
            kinds += [kind] * len(chosen)
    np.savez_compressed(
        out, rows=np.concatenate(rows), shares=np.concatenate(shares), kinds=np.array(kinds),
        features=np.array(CALL_FEATURES),
    )  # fmt: skip
    print(f"{out}: {len(kinds)} ROIs, {np.mean(np.concatenate(shares) > 0.5):.2f} calls")


def recordings(seed: int, singles: int, scenes: int, nights: int) -> Iterator[Recording]:
    """Yield kind, the sound of calls, and of everything else; the recording is their sum."""
    rng = np.random.default_rng([seed, 20])
    calls = ("wild",) * len(CALL_KINDS) + CALL_KINDS
    for _ in range(singles):
        is_call, is_pair = rng.random() < 0.55, rng.random() < 0.5
        kind = str(rng.choice(calls if is_call else OTHER_KINDS))
        yield from single(kind, str(rng.choice(OTHER_KINDS)) if is_pair else None, rng)
    for number in range(scenes):
        scene = str(rng.choice(SCENES))
        yield f"scene {scene}", *scene_stems(MAX_SCENES * seed + number, scene, SCENE_S)
    for number in range(scenes, scenes + nights):
        yield "long night", *scene_stems(MAX_SCENES * seed + number, "night", NIGHT_S)


def whistled(seed: int, count: int) -> Iterator[Recording]:
    """Yield plain notes that are repeated for half a minute, with or without another event.

    The generator's night birds call in a steadier rhythm than its frogs; these do not.
    """
    rng = np.random.default_rng([seed, 22])
    for _ in range(count):
        call = np.zeros(round(WHISTLES_S * RATE), np.float32)
        hertz, length = log_uniform(rng, 300, 5000), log_uniform(rng, 0.08, 0.8)
        pause, jitter, bend = log_uniform(rng, 0.3, 8), rng.uniform(0, 0.5), rng.normal(0, 0.05)
        overtones = 10 ** -rng.uniform(0.5, 3, 2)
        start = rng.uniform(0.2, 3)
        while start + length < WHISTLES_S:
            time = np.arange(round(length * RATE)) / RATE
            pitch = hertz * (1 + rng.normal(0, 0.01)) * (1 + bend * time / length)
            phase = 2 * np.pi * np.cumsum(pitch) / RATE
            note = (
                np.sin(phase) + overtones[0] * np.sin(2 * phase) + overtones[1] * np.sin(3 * phase)
            )
            fade = np.clip(np.minimum(time, length - time) / min(0.02, length / 3), 0, 1)
            first = round(start * RATE)
            note *= 10 ** (rng.normal(0, 1.5) / 20) * fade
            call[first : first + len(note)] += note.astype(np.float32)
            start += length + pause * (1 + jitter * rng.uniform(-1, 1))
        noise = np.fft.rfft(rng.normal(size=len(call)))
        noise *= np.maximum(np.arange(len(noise)), 100.0) ** -rng.uniform(0, 0.8)
        other = np.fft.irfft(noise, len(call)).astype(np.float32)
        # The level of a note over the noise in a band of 100 Hz around it.
        low, high = (round(h * len(call) / RATE) for h in (hertz - 50, hertz + 50))
        power = 2 * np.square(np.abs(noise[low:high])).sum() / len(call) ** 2
        other *= np.float32(10 ** (-rng.uniform(3, 35) / 20) / np.sqrt(2 * power))
        if rng.random() < 0.5:
            add_other(other, 0.5, rng)
        loudest = np.float32(2 * np.abs(call + other).max())
        yield "whistles", call / loudest, other / loudest


def solos(seed: int, count: int) -> Iterator[Recording]:
    """Yield clips of one bird that sings without rest, as recordists make them.

    In scenes and single events birds pause for longer, as crickets do not.
    """
    rng = np.random.default_rng([seed, 23])
    for _ in range(count):
        n = fft.next_fast_len(round(rng.uniform(*SOLO_S) * RATE), real=True)
        call, busy = np.zeros(n, np.float32), 0
        if rng.random() < 0.75:
            songs = draw_repertoire(draw_wild_species(rng), rng)
        else:
            voices = (draw_night_voice(str(rng.choice(CALL_KINDS[1:])), rng) for _ in range(20))
            songs = next((voice.song,) for voice in voices if voice.song is not None)
        pause = log_uniform(rng, 0.1, 5)
        start = rng.uniform(0, pause)
        while start * RATE < n - RATE / 2:
            song = songs[int(rng.integers(len(songs)))]
            wave = render_performance(perform(song, rng, 8.0), RATE, rng)
            wave = wave[: n - round(start * RATE)] * np.float32(10 ** (rng.normal(0, 2) / 20))
            call[round(start * RATE) : round(start * RATE) + len(wave)] += wave
            busy += len(wave)
            start += len(wave) / RATE + pause * rng.uniform(0.6, 1.4)
        acoustics = draw_acoustics(rng)
        spectrum = fft.rfft(call) * transfer(acoustics, n, RATE, rng)
        noise = noise_spectrum(noise_shape(acoustics, n, RATE), rng)
        scale_to_snr(spectrum, noise, float(rng.uniform(3, 35)), busy, n)
        call, other = (fft.irfft(each, n).astype(np.float32) for each in (spectrum, noise))
        if rng.random() < 0.4:
            add_other(other, float(np.sqrt(np.square(call).mean())), rng)
        loudest = np.float32(2 * np.abs(call + other).max())
        if np.isfinite(loudest) and loudest > 0:
            yield "solo", call / loudest, other / loudest


def add_other(other: Samples, level: float, rng: np.random.Generator) -> None:
    """Add an event that is no call to a recording, -20 to 5 dB from a level."""
    event = render_single_event(str(rng.choice(OTHER_KINDS)), rng, margin_s=1.0).samples
    if np.isfinite(event).all():
        event = event[: len(other)]
        place = int(rng.integers(0, len(other) - len(event) + 1))
        gain = 10 ** (rng.uniform(-20, 5) / 20) / np.sqrt(np.square(event).mean() + 1e-12)
        other[place : place + len(event)] += np.float32(level * gain) * event


def single(kind: str, other_kind: str | None, rng: np.random.Generator) -> Iterator[Recording]:
    """Yield one event, alone or with another one that is no call."""
    event = render_single_event(kind, rng, margin_s=float(rng.uniform(2, 6)))
    if not np.isfinite(event.samples).all():
        return
    wave = event.samples
    nothing = np.zeros_like(wave)
    start = round(max(event.start_s - 0.1, 0) * RATE)
    stop = round((event.end_s + ECHO_S) * RATE)
    call = nothing.copy()
    if event.is_call:
        call[start:stop] = wave[start:stop]
    other = wave - call
    if other_kind is not None:
        second = render_single_event(other_kind, rng, margin_s=1.0).samples
        if not np.isfinite(second).all():
            return
        n = max(len(wave), len(second))
        gain = np.float32(10 ** (rng.uniform(-15, 5) / 20))
        loudness = np.sqrt(np.mean(np.square(wave)) / (np.mean(np.square(second)) + 1e-12))
        place = int(rng.integers(0, n - len(second) + 1))
        call, other = np.pad(call, (0, n - len(call))), np.pad(other, (0, n - len(other)))
        other[place : place + len(second)] += gain * np.float32(loudness) * second
    yield kind, call, other


def scene_stems(seed: int, scene: str, seconds: float) -> tuple[Samples, Samples]:
    """Return the calls of a scene, and everything else."""
    name = SceneId(seed, scene, 0, seconds, SPECIES)
    blocks = [render_block(name, block).samples for block in range(name.n_blocks)]
    whole: Samples = np.concatenate(blocks).astype(np.float32) / np.float32(32768)
    plan = plan_scene(seed, scene, 0, seconds=seconds, species=SPECIES)
    calls: Samples = np.zeros_like(whole)
    for event in plan.events:
        if event.is_call:
            start = round(event.start_s * RATE)
            n = round((event.end_s - event.start_s + event.emitter.tail_s) * RATE)
            n = min(n, len(whole) - start)
            calls[start : start + n] += np.float32(event.gain) * event.emitter.render(0, n)
    rest: Samples = whole - calls
    return calls, rest


def label_rois(call: Samples, other: Samples, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return the features of ROIs outside choruses, and the share of the call in each."""
    rate = int(rng.choice(RATES))
    low_hz, high_hz = BANDS[int(rng.integers(len(BANDS)))]
    settings = SegmentationSettings(low_hz=low_hz, high_hz=min(high_hz, rate / 2))
    if rate != RATE:
        call, other = soxr.resample(call, RATE, rate), soxr.resample(other, RATE, rate)
    rows: list[Floats] = []
    shares: list[Floats] = []
    choruses: list[npt.NDArray[np.bool_]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.wav"
        sf.write(path, call + other, rate, subtype="FLOAT")
        grid, blocks = plan_recording(probe(path), settings)
        for block in blocks:
            found, points, ratio = find_block_rois(path, block, grid, MAX_ROI_S, settings)
            boxes = found.boxes
            if len(boxes):
                rows.append(call_features(boxes, points, ratio, grid))
                first = block.edges[0] * grid.hop
                parts = [each[first:] for each in (call, other)]
                shares.append(call_share(boxes, points, parts, grid))
                choruses.append(boxes["chorus"] > 0)
    if not rows:
        return np.empty((0, len(CALL_FEATURES))), np.empty(0)
    features, share = np.concatenate(rows), np.concatenate(shares)
    used = ~np.concatenate(choruses) & ((share <= UNCLEAR[0]) | (share >= UNCLEAR[1]))
    return features[used], share[used]


def call_share(boxes: Boxes, points: RegionPoints, parts: list[Samples], grid: Grid) -> Floats:
    """Return the share of the first of two sounds in the energy of the points of each ROI."""
    bands = slice(grid.first_bin, grid.first_bin + grid.bands)
    powers = [power_spectrum(part, grid.n_fft, grid.hop)[:, bands] for part in parts]
    energy = [np.zeros(len(boxes)) for _ in powers]
    frame = np.minimum(points.frame, len(powers[0]) - 1)
    own, rest = (power[frame, points.band] for power in powers)
    share = own / np.maximum(own + rest, 1e-30)
    for values, total in zip((share, np.ones(len(share))), energy, strict=True):
        np.add.at(total, points.region, values * points.ratio)
    return energy[0] / np.maximum(energy[1], 1e-30)


def read_tables(paths: list[Path]) -> dict[str, npt.NDArray[Any]]:
    """Return `rows`, `is_call` and `kinds` of several files."""
    tables = [np.load(path) for path in paths]
    for path, table in zip(paths, tables, strict=True):
        if tuple(table["features"].tolist()) != CALL_FEATURES:
            raise SystemExit(f"{path}: made with other features; make it again.")
    join = {name: np.concatenate([t[name] for t in tables]) for name in ("rows", "shares", "kinds")}
    return {"rows": join["rows"], "is_call": join["shares"] > 0.5, "kinds": join["kinds"]}


def fit_trees(train: dict[str, Any], calibrate: dict[str, Any]) -> CallTrees:
    """Return trees fitted on one table and calibrated on another."""
    model = HistGradientBoostingClassifier(
        learning_rate=0.07, max_iter=1000, max_leaf_nodes=47, max_depth=10, min_samples_leaf=40,
        l2_regularization=10.0, max_features=0.2, random_state=1, class_weight="balanced",
    )  # fmt: skip
    model.fit(train["rows"], train["is_call"])
    predictors = [each[0].nodes for each in model._predictors]
    trees, nodes = len(predictors), max(map(len, predictors))
    own = np.tile(np.arange(nodes), (trees, 1))
    feature, left, right = np.zeros_like(own), own.copy(), own.copy()
    threshold, value = np.full(own.shape, np.inf), np.zeros(own.shape)
    for tree, table in enumerate(predictors):
        n, leaf = len(table), table["is_leaf"].astype(bool)
        feature[tree, :n] = np.where(leaf, 0, table["feature_idx"])
        threshold[tree, :n] = np.where(leaf, np.inf, table["num_threshold"])
        left[tree, :n] = np.where(leaf, own[tree, :n], table["left"])
        right[tree, :n] = np.where(leaf, own[tree, :n], table["right"])
        value[tree, :n] = np.where(leaf, table["value"], 0.0)
    depth = int(max(table["depth"].max() for table in predictors))
    plain = CallTrees(feature, threshold, left, right, value, np.array([1.0, 0.0]), depth)
    log_odds = log_odds_of(plain, calibrate["rows"])[:, None]
    line = LogisticRegression(C=1e6, class_weight="balanced").fit(log_odds, calibrate["is_call"])
    scale = np.array([line.coef_[0, 0], line.intercept_[0]])
    return CallTrees(feature, threshold, left, right, value, scale, depth)


def log_odds_of(trees: CallTrees, rows: Floats) -> Floats:
    """Return the log-odds of the probability of a call."""
    scores = np.clip(trees.scores(rows), 1e-12, 1 - 1e-12)
    log_odds: Floats = np.log(scores / (1 - scores))
    return log_odds


def write_trees(trees: CallTrees, out: Path) -> None:
    """Write the file that the package reads."""
    np.savez_compressed(
        out, feature=trees.feature.astype(np.uint8), threshold=trees.threshold,
        left=trees.left.astype(np.uint8), right=trees.right.astype(np.uint8),
        value=trees.value.astype(np.float32), scale=trees.scale, depth=trees.depth,
        features=np.array(CALL_FEATURES),
    )  # fmt: skip
    print(f"{out}: {out.stat().st_size} bytes, {trees.feature.shape} trees and nodes")


def print_report(trees: CallTrees, test: dict[str, Any]) -> None:
    """Print the area under the curve, and what thresholds keep, by kind."""
    is_call, scores = test["is_call"], trees.scores(test["rows"])
    print(
        f"{len(scores)} ROIs, {is_call.mean():.2f} calls, AUC {roc_auc_score(is_call, scores):.3f}"
    )
    at_95 = np.quantile(scores[is_call], 0.05)
    for threshold in (at_95, 0.1, 0.15, 0.2, 0.3, 0.5):
        kept = scores >= threshold
        print(f"score >= {threshold:.3f}: {kept[is_call].mean():.3f} of calls, "
              f"{kept[~is_call].mean():.3f} of others")  # fmt: skip
    for low in np.arange(0, 1, 0.1):
        inside = (scores >= low) & (scores < low + 0.1)
        print(f"  scores {low:.1f}-{low + 0.1:.1f}: {inside.sum()} ROIs, "
              f"{is_call[inside].mean() if inside.any() else np.nan:.2f} calls")  # fmt: skip
    for kind in sorted(set(test["kinds"].tolist())):
        for truth in (True, False):
            of_kind = (test["kinds"] == kind) & (is_call == truth)
            if of_kind.sum() >= 5:
                print(f"  {kind:<14} {'call' if truth else 'other':<6} {of_kind.sum():>6} ROIs, "
                      f"{(scores[of_kind] >= at_95).mean():.2f} kept, "
                      f"median {np.median(scores[of_kind]):.2f}")  # fmt: skip


if __name__ == "__main__":
    main()
