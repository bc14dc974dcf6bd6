"""The demo: synthetic birds from a seed, rendered when they are read, without any files."""

import re
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import soxr

from darksound.audio.files import AudioInfo
from darksound.errors import InputError
from darksound.rois.roi_set import RoiSet, as_roi_table
from darksound.settings.audio import ChannelMix
from darksound.synthesis.demo_splits import DEMO_SEED, DEMO_SPLITS, demo_root, parse_demo
from darksound.synthesis.recordings import RATE, RecordingPlan, plan_recording, render_recording

__all__ = ["DemoReader", "demo_rois"]

# Part of the stamp of a recording; increase it with every change of the sound.
_VERSION = 1
_SONGS_PER_RECORDING = 2
_FULL_SCALE = 32_768


_RECORDING = re.compile(r"species-(\d+)/bird-(\d+)_rec-(\d+)\.wav")


def demo_rois(spec: str) -> RoiSet:
    """Return the ROIs of a split of the demo, all with a label.

    Args:
        spec: `demo:train`, `demo:val`, `demo:test` or `demo`, which is `demo:test`. A seed may
            follow: `demo:train:7` has other species.

    Raises:
        InputError: there is no such split.
    """
    name, seed = parse_demo(spec)
    split = DEMO_SPLITS[name]
    root = demo_root(spec)
    # Species of another seed are other species, even with the same number.
    prefix = "" if seed == DEMO_SEED else f"world-{seed}-"
    rows = []
    for number in range(split.first, split.first + split.species):
        for bird in range(1, split.birds + 1):
            for take in range(1, split.takes + 1):
                recording = plan_recording(seed, number, bird, take, _SONGS_PER_RECORDING)
                rows += [
                    {
                        "root": root,
                        "recording": f"species-{number:03d}/bird-{bird}_rec-{take}.wav",
                        "start_s": slot.start_s,
                        "end_s": slot.end_s,
                        "low_hz": slot.low_hz,
                        "high_hz": slot.high_hz,
                        "label": f"{prefix}species-{number:03d}",
                        "split": name,
                    }
                    for slot in recording.slots
                ]
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    return RoiSet(as_roi_table(columns), DemoReader())


class DemoReader:
    """Renders the demo's recordings; a `darksound.rois.roi_set.Reader`."""

    def read(
        self,
        root: str,
        recording: str,
        start_s: float,
        end_s: float,
        rate: int | None,
        *,
        channel: ChannelMix = "mean",
    ) -> tuple[npt.NDArray[np.float32], int]:
        """Return mono samples `(n,)` of a stretch, rendered at 48 kHz, and their rate in Hz.

        Recordings of the demo have one channel, whatever `channel` is.

        Raises:
            InputError: the demo has no such recording, or the recording is shorter.
        """
        plan = _plan_of(root, recording)
        first = max(0, round(start_s * RATE))
        last = min(plan.samples, round(end_s * RATE))
        if first >= last:
            raise InputError(
                f"{root}/{recording} lasts {plan.samples / RATE:.3f} s; there is nothing from "
                f"{start_s:g} to {end_s:g} s."
            )
        wave = _samples(plan, first, last).astype(np.float32) / np.float32(_FULL_SCALE)
        if rate is None or rate == RATE:
            return wave, RATE
        return soxr.resample(wave, RATE, rate, quality="HQ").astype(np.float32), rate

    def stamp(self, root: str, recording: str) -> str:
        """Return the version of the synthesis; the sound depends on it and the names only."""
        return f"demo-{_VERSION}"

    def info(self, root: str, recording: str) -> AudioInfo:
        """Return length and rate of the recording, which is mono.

        Raises:
            InputError: the demo has no such recording.
        """
        samples = _plan_of(root, recording).samples
        return AudioInfo(samples, RATE, 1, samples / RATE)


# The ROIs of a split for evaluation, at most 0.3 MB each: a run reads each of them several times,
# for versions of its sound and as a neighbour in that of others.
@lru_cache(maxsize=256)
def _samples(plan: RecordingPlan, first: int, last: int) -> npt.NDArray[np.int16]:
    """Return a stretch of a recording in 16 bits, which its samples are rounded to."""
    return (render_recording(plan, first, last) * np.float32(_FULL_SCALE)).astype(np.int16)


def _plan_of(root: str, recording: str) -> RecordingPlan:
    name, seed = parse_demo(root)
    match = _RECORDING.fullmatch(recording)
    if match is not None:
        number, bird, take = (int(part) for part in match.groups())
        split = DEMO_SPLITS[name]
        if (
            0 <= number - split.first < split.species
            and 1 <= bird <= split.birds
            and 1 <= take <= split.takes
        ):
            return plan_recording(seed, number, bird, take, _SONGS_PER_RECORDING)
    raise InputError(
        f"{root} has no recording {recording!r}; the demo's table lists its recordings."
    )
