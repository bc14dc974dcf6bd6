"""The demo: procedural birds, made on the fly from a seed; no network, no files."""

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soxr

from darksound.audio.files import AudioInfo
from darksound.errors import InputError
from darksound.rois.roi_set import RoiSet, as_roi_table
from darksound.synthesis.recordings import RATE, Recording, plan_recording, render_recording

__all__ = ["DEMO_SEED", "DemoReader", "demo_rois", "demo_root", "is_demo"]

#: The world that `demo` names; `demo:test:7` is the same split in another one.
DEMO_SEED = 2023
# Changes whenever the sound does, so that caches notice.
_VERSION = 1
_SONGS = 2


@dataclass(frozen=True)
class _Split:
    first: int
    species: int
    birds: int
    takes: int


# Numbers are species. Within 72 in a row no two share both the form of their song and the kind
# of their leading syllable (see `draw_species`), so no split shows what another one does.
_SPLITS = {
    "train": _Split(first=1, species=40, birds=4, takes=3),
    "val": _Split(first=41, species=10, birds=3, takes=2),
    "test": _Split(first=51, species=12, birds=5, takes=2),
}
_SPEC = re.compile(r"demo(?::(?P<split>[a-z]+))?(?::(?P<seed>\d{1,9}))?")
_RECORDING = re.compile(r"species-(\d+)/bird-(\d+)_rec-(\d+)\.wav")


def demo_rois(spec: str) -> RoiSet:
    """The ROIs of `demo`, `demo:train`, `demo:val` or `demo:test`, every one with its label.

    Args:
        spec: as above; `demo` is `demo:test`, and `demo:train:7` draws other species.

    Raises:
        InputError: there is no such split.
    """
    name, seed = _parse(spec)
    split = _SPLITS[name]
    root = _root(name, seed)
    # Species of another world are other species, whatever their number.
    world = "" if seed == DEMO_SEED else f"world-{seed}-"
    rows = []
    for number in range(split.first, split.first + split.species):
        for bird in range(1, split.birds + 1):
            for take in range(1, split.takes + 1):
                recording = plan_recording(seed, number, bird, take, _SONGS)
                rows += [
                    {
                        "root": root,
                        "recording": f"species-{number:03d}/bird-{bird}_rec-{take}.wav",
                        "start_s": slot.start_s,
                        "end_s": slot.end_s,
                        "low_hz": slot.low_hz,
                        "high_hz": slot.high_hz,
                        "label": f"{world}species-{number:03d}",
                        "split": name,
                    }
                    for slot in recording.slots
                ]
    columns = {key: [row[key] for row in rows] for key in rows[0]}
    return RoiSet(as_roi_table(columns), DemoReader())


def _root(name: str, seed: int) -> str:
    return f"demo:{name}" if seed == DEMO_SEED else f"demo:{name}:{seed}"


class DemoReader:
    """Sings the demo's recordings; as `darksound.rois.roi_set.Reader`."""

    def read(
        self, root: str, recording: str, start_s: float, end_s: float, rate: int | None
    ) -> tuple[npt.NDArray[np.float32], int]:
        """Mono samples `(n,)` of a stretch, synthesised at 48 kHz, and their rate.

        Raises:
            InputError: the demo has no such recording, or it does not last so long.
        """
        plan = _find(root, recording)
        first = max(0, round(start_s * RATE))
        last = min(plan.samples, round(end_s * RATE))
        if first >= last:
            raise InputError(
                f"{root}/{recording} lasts {plan.samples / RATE:.3f} s; there is nothing from "
                f"{start_s:g} to {end_s:g} s."
            )
        wave = render_recording(plan, first, last)
        if rate is None or rate == RATE:
            return wave, RATE
        return soxr.resample(wave, RATE, rate, quality="HQ").astype(np.float32), rate

    def stamp(self, root: str, recording: str) -> str:
        """The version of the synthesiser; the sound depends on nothing else but the names."""
        return f"demo-{_VERSION}"

    def info(self, root: str, recording: str) -> AudioInfo:
        """Length and rate of the recording, which is mono.

        Raises:
            InputError: the demo has no such recording.
        """
        samples = _find(root, recording).samples
        return AudioInfo(samples, RATE, 1, samples / RATE)


def _parse(spec: str) -> tuple[str, int]:
    match = _SPEC.fullmatch(spec)
    name = (match["split"] or "test") if match else None
    if match is None or name not in _SPLITS:
        raise InputError(
            f"There is no demo {spec!r}; there are demo:train, demo:val and demo:test "
            f"(demo alone is demo:test)."
        )
    return name, int(match["seed"]) if match["seed"] else DEMO_SEED


def _find(root: str, recording: str) -> Recording:
    name, seed = _parse(root)
    match = _RECORDING.fullmatch(recording)
    if match is not None:
        number, bird, take = (int(part) for part in match.groups())
        split = _SPLITS[name]
        if (
            0 <= number - split.first < split.species
            and 1 <= bird <= split.birds
            and 1 <= take <= split.takes
        ):
            return plan_recording(seed, number, bird, take, _SONGS)
    raise InputError(f"{root} has no recording {recording!r}; its table names those it has.")


def is_demo(spec: str) -> bool:
    """Return whether a specification or a root is of the demo: `demo`, `demo:test`, ..."""
    return spec.partition(":")[0] == "demo"


def demo_root(spec: str) -> str:
    """Return the root of the demo's recordings, the same for all ways to write a split.

    Raises:
        InputError: the demo has no such split.
    """
    return _root(*_parse(spec))
