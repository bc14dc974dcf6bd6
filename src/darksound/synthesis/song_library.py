"""A library of dry songs: what synthetic birds sing, as mel power, before any room or noise."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from darksound.atomic import replacing
from darksound.audio.geometry import Geometry, make_geometry
from darksound.audio.representations import REPRESENTATIONS
from darksound.parallel.workers import map_unordered
from darksound.progress import Progress, silent
from darksound.settings import Settings
from darksound.synthesis.song_types import perform, render_performance
from darksound.synthesis.wild_species import wild_individual

__all__ = ["RANGE_DB", "SONG_RATE", "SongLibrary", "SongPlan", "build_library"]

#: Songs are sung at this rate: all that the default front end shows is below half of it.
SONG_RATE = 24_000
#: Decibels below a song's peak that 8 bits keep; what is fainter is silence.
RANGE_DB = 80.0
# Songs last up to this many windows, so that some windows hold part of a song only.
_WINDOWS = 5 / 3
_SPECIES_A_FILE = 32
# Changes whenever the songs do.
_EDITION = 3
_PERFORMANCE = 13


@dataclass(frozen=True)
class SongPlan:
    """Which songs.

    Attributes:
        seed: the world.
        species: how many.
        birds: individuals of each.
        songs: performances of each individual.
        window_s: the ROI length that they are for; calls are as short as it asks.
    """

    seed: int
    species: int
    birds: int
    songs: int
    window_s: float

    @property
    def each(self) -> int:
        """Songs of a species."""
        return self.birds * self.songs


class SongLibrary:
    """Songs one after the other, mapped from disk; those of a species are neighbours.

    Attributes:
        plan: which songs.
        starts: first frame of each song, and the end of the last, `(n + 1,)`.
    """

    def __init__(self, plan: SongPlan, frames: npt.NDArray[np.uint8], starts: Sequence[int]):
        """Put a library together; `build_library` does it.

        Args:
            plan: which songs.
            frames: `(frames, bands)`, decibels below each song's peak in steps of `RANGE_DB / 255`.
            starts: as the attribute.
        """
        self.plan = plan
        self.starts = np.asarray(starts, dtype=np.int64)
        self._frames = frames
        levels = torch.arange(256, dtype=torch.float32) / 255 * RANGE_DB - RANGE_DB
        self._power = torch.where(levels > -RANGE_DB, 10 ** (levels / 10), 0.0)

    def __len__(self) -> int:
        return len(self.starts) - 1

    def lengths(self, songs: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Frames of some songs."""
        return self.starts[songs + 1] - self.starts[songs]

    def windows(
        self, songs: npt.NDArray[np.int64], at: npt.NDArray[np.int64], width: int
    ) -> torch.Tensor:
        """Songs laid into windows.

        Args:
            songs: their numbers, `(b,)`; those of species s are s * each to (s + 1) * each - 1.
            at: frame of the window where each begins; negative where its start is cut off.
            width: frames of a window.

        Returns:
            Power `(b, bands, width)`, each song's peak being 1 wherever it lies.
        """
        out = np.zeros((len(songs), width, self._frames.shape[1]), np.uint8)
        for row, (song, place) in enumerate(zip(songs, at, strict=True)):
            first, stop = self.starts[song], self.starts[song + 1]
            here = max(0, -place)
            kept = min(stop - first - here, width - max(0, place))
            if kept > 0:
                start = max(0, place)
                out[row, start : start + kept] = self._frames[first + here : first + here + kept]
        return self._power[torch.from_numpy(out).int()].transpose(1, 2)


def build_library(
    plan: SongPlan, settings: Settings, folder: Path, progress: Progress = silent
) -> SongLibrary:
    """Sing the songs that are not in the folder yet, and open them all.

    The same plan and front end give the same bytes, whatever the number of workers; a build that
    was interrupted goes on where it stopped.

    Args:
        plan: which songs.
        settings: of the front end; `audio.roi_s` is the plan's own.
        folder: of the cache.
        progress: told of species done, in the stage `songs`.
    """
    settings = settings.replace(audio={"roi_s": plan.window_s, "sample_rate": SONG_RATE})
    place = folder / _key(plan, settings)
    place.mkdir(parents=True, exist_ok=True)
    firsts = range(0, plan.species, _SPECIES_A_FILE)
    missing = [first for first in firsts if not (place / f"{first:06d}.npz").exists()]
    sung = map_unordered(partial(_sing, plan, settings, place), missing, settings.compute)
    for done, _ in enumerate(sung, start=1):
        progress("songs", min(done * _SPECIES_A_FILE, plan.species), plan.species)
    parts = [np.load(place / f"{first:06d}.npz") for first in firsts]
    lengths = np.concatenate([part["lengths"] for part in parts])
    frames = np.concatenate([part["frames"] for part in parts])
    return SongLibrary(plan, frames, np.concatenate([[0], np.cumsum(lengths)]).tolist())


def _sing(plan: SongPlan, settings: Settings, place: Path, first: int) -> None:
    form = make_geometry(settings.audio, settings.front_end, SONG_RATE)
    spectra, lengths = [], []
    for species in range(first, min(first + _SPECIES_A_FILE, plan.species)):
        for bird in range(plan.birds):
            for song in range(plan.songs):
                spectra.append(_song(plan, settings, form, (species, bird, song)))
                lengths.append(len(spectra[-1]))
    with replacing(place / f"{first:06d}.npz") as path, path.open("wb") as file:
        np.savez(file, frames=np.concatenate(spectra), lengths=np.array(lengths))


def _song(
    plan: SongPlan, settings: Settings, form: Geometry, which: tuple[int, int, int]
) -> npt.NDArray[np.uint8]:
    species, bird, song = which
    rng = np.random.default_rng([plan.seed, _PERFORMANCE, species, bird, song])
    longest = _WINDOWS * plan.window_s
    repertoire = wild_individual(plan.seed, species, bird, longest)
    sung = perform(repertoire[int(rng.integers(len(repertoire)))], rng, longest)
    wave = render_performance(sung, SONG_RATE, rng)
    # A frame of silence on both sides, which the window of the transform reaches into.
    wave = np.pad(wave, form.window)
    frames = 1 + len(wave) // form.hop
    whole = Geometry(**{**vars(form), "length": len(wave), "frames": frames})
    make = REPRESENTATIONS[settings.front_end.representation]
    power = make(whole, settings.front_end, torch.device("cpu"))(torch.from_numpy(wave)[None])[0]
    decibels = 10 * (power / power.max()).clamp_min(1e-12).log10()
    steps = ((decibels + RANGE_DB) / RANGE_DB * 255).round().clamp(0, 255).to(torch.uint8)
    loud = torch.nonzero(steps.amax(0) > 0)[:, 0]
    return steps[:, int(loud[0]) : int(loud[-1]) + 1].T.contiguous().numpy()


def _key(plan: SongPlan, settings: Settings) -> str:
    parts = [_EDITION, astuple(plan), settings.image_fingerprint()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
