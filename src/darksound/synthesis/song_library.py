"""A library of synthetic songs as mel power, without echo or noise, for pretraining."""

import hashlib
import json
import logging
from collections.abc import Sequence
from copy import copy
from dataclasses import astuple, dataclass
from functools import partial
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
import torch

from darksound.atomic import CACHE_OPTION, replacing
from darksound.audio.geometry import Geometry, make_geometry
from darksound.audio.representations import REPRESENTATIONS
from darksound.device import upload
from darksound.errors import SettingsError
from darksound.parallel.workers import map_jobs
from darksound.progress import Progress, silent
from darksound.settings import Settings
from darksound.synthesis.song_types import perform, render_performance
from darksound.synthesis.wild_species import wild_individual

__all__ = ["RANGE_DB", "SONG_RATE", "SongLibrary", "SongPlan", "build_library"]

logger = logging.getLogger(__name__)

#: Sample rate of songs; half of it is above all bands of the default front end.
SONG_RATE = 24_000
#: Range in dB below a song's peak that 8 bits represent; lower levels become silence.
RANGE_DB = 80.0
# Songs last up to this many windows, so that some windows have only part of a song.
_MAX_WINDOWS = 5 / 3
_SPECIES_PER_FILE = 32
# Part of the cache's key; increase it with every change of the songs.
_VERSION = 3
_PERFORMANCE = 13


@dataclass(frozen=True)
class SongPlan:
    """Number and length of the songs of a library.

    Attributes:
        seed: seed of the generator.
        species: number of species.
        individuals: number of individuals of each species.
        songs: number of songs of each individual.
        window_s: length in seconds of the ROIs that the songs are for; it limits their length.
        low_share: share of the species with low voices; see `wild_species`.
    """

    seed: int
    species: int
    individuals: int
    songs: int
    window_s: float
    low_share: float = 0.0

    @property
    def songs_per_species(self) -> int:
        """Return the number of songs of a species."""
        return self.individuals * self.songs


class SongLibrary:
    """Songs in one array of frames, ordered by species.

    Attributes:
        plan: number and length of the songs.
        starts: first frame of each song, and the end of the last song, `(n + 1,)`.
    """

    def __init__(self, plan: SongPlan, frames: npt.NDArray[np.uint8], starts: Sequence[int]):
        """Create a library from its frames; `build_library` computes them.

        Args:
            plan: number and length of the songs.
            frames: `(frames, bands)`, level above `-RANGE_DB` relative to each song's peak, in
                steps of `RANGE_DB / 255`.
            starts: see the attribute.
        """
        self.plan = plan
        self.starts = np.asarray(starts, dtype=np.int64)
        self._frames = torch.from_numpy(frames)
        levels = torch.arange(256, dtype=torch.float32) / 255 * RANGE_DB - RANGE_DB
        self._power = torch.where(levels > -RANGE_DB, 10 ** (levels / 10), 0.0)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def n_bytes(self) -> int:
        """Return the size of all frames in bytes."""
        return self._frames.nbytes

    def to(self, device: torch.device, *, keep: bool) -> "SongLibrary":
        """Return the same library with its windows on a device.

        Args:
            device: of the windows.
            keep: keep all frames on the device; otherwise those of a batch cross as bytes.
        """
        library = copy(self)
        library._power = upload(self._power, device)
        if keep:
            library._frames = self._frames.to(device)
        return library

    def lengths(self, songs: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return the number of frames of each song."""
        return self.starts[songs + 1] - self.starts[songs]

    def windows(
        self, songs: npt.NDArray[np.int64], offsets: npt.NDArray[np.int64], width: int
    ) -> torch.Tensor:
        """Return windows with one song each.

        Args:
            songs: numbers of the songs, `(b,)`. The songs of species s are
                `s * songs_per_species` to `(s + 1) * songs_per_species - 1`.
            offsets: frame of the window where each song begins, `(b,)`; negative if its start is
                cut off.
            width: frames of a window.

        Returns:
            Power `(b, bands, width)`; the peak of each whole song is 1.
        """
        bounds = np.stack([self.starts[songs], self.starts[songs + 1], offsets])
        first, stop, offset = upload(torch.from_numpy(bounds), self._frames.device)[..., None]
        frame = first - offset + torch.arange(width, device=self._frames.device)
        is_inside = (frame >= first) & (frame < stop)
        chosen = self._frames.index_select(0, torch.where(is_inside, frame, 0).flatten())
        levels = chosen.reshape(*frame.shape, -1).masked_fill_(~is_inside[..., None], 0)
        return self._power[upload(levels, self._power.device).int()].transpose(1, 2)


def build_library(
    plan: SongPlan, settings: Settings, folder: Path, progress: Progress = silent
) -> SongLibrary:
    """Return a library; songs that are missing from the cache are rendered first.

    The same plan and front end give the same bytes for any number of workers. A second call
    resumes an interrupted one.

    Args:
        plan: number and length of the songs.
        settings: settings of the front end and workers; the plan replaces `audio.roi_s`.
        folder: folder of the cache.
        progress: called with the number of species, in the stage `songs`.

    Raises:
        SettingsError: the cache folder does not keep what is written to it.
    """
    settings = settings.replace(audio={"roi_s": plan.window_s, "sample_rate": SONG_RATE})
    cache = folder / _key(plan, settings)
    cache.mkdir(parents=True, exist_ok=True)
    firsts = range(0, plan.species, _SPECIES_PER_FILE)
    cached = {first: _read_songs(cache / f"{first:06d}.npz") for first in firsts}
    missing = [first for first, songs in cached.items() if songs is None]
    rendered = map_jobs(partial(_render_species, plan, settings, cache), missing, settings.compute)
    for done, _ in enumerate(rendered, start=1):
        progress("songs", min(done * _SPECIES_PER_FILE, plan.species), plan.species)
    for first in missing:
        cached[first] = _read_songs(cache / f"{first:06d}.npz")
    parts = [songs for songs in cached.values() if songs is not None]
    if len(parts) < len(cached):
        raise SettingsError(
            f"compute.cache_dir: songs in {cache} differ from what was written; choose a folder on "
            "another disk."
        )
    lengths, frames = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
    return SongLibrary(plan, frames, np.concatenate([[0], np.cumsum(lengths)]).tolist())


def _read_songs(path: Path) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.uint8]] | None:
    """Return lengths and frames in a cache file; None if there is no such file or it is damaged."""
    try:
        # The archive has a checksum of each array.
        with np.load(path, allow_pickle=False) as songs:
            return songs["lengths"], songs["frames"]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        logger.warning("The cache file %s is damaged and is created again.", path)
        return None


def _render_species(plan: SongPlan, settings: Settings, cache: Path, first: int) -> None:
    """Write the songs of `_SPECIES_PER_FILE` species to one file."""
    grid = make_geometry(settings.audio, settings.front_end, SONG_RATE)
    spectra, lengths = [], []
    for species in range(first, min(first + _SPECIES_PER_FILE, plan.species)):
        for individual in range(plan.individuals):
            for song in range(plan.songs):
                spectra.append(_render_song(plan, settings, grid, (species, individual, song)))
                lengths.append(len(spectra[-1]))
    target = cache / f"{first:06d}.npz"
    with replacing(target, CACHE_OPTION) as path, path.open("wb") as file:
        np.savez(file, frames=np.concatenate(spectra), lengths=np.array(lengths))


def _render_song(
    plan: SongPlan, settings: Settings, grid: Geometry, which: tuple[int, int, int]
) -> npt.NDArray[np.uint8]:
    species, individual, song = which
    rng = np.random.default_rng([plan.seed, _PERFORMANCE, species, individual, song])
    longest = _MAX_WINDOWS * plan.window_s
    song_types = wild_individual(plan.seed, species, individual, longest, plan.low_share)
    performance = perform(song_types[int(rng.integers(len(song_types)))], rng, longest)
    wave = render_performance(performance, SONG_RATE, rng)
    # Silence on both sides, which the windows of the first and last frames overlap.
    wave = np.pad(wave, grid.window)
    frames = 1 + len(wave) // grid.hop
    song_grid = Geometry(**{**vars(grid), "length": len(wave), "frames": frames})
    representation = REPRESENTATIONS[settings.front_end.representation]
    compute_power = representation(song_grid, settings.front_end, torch.device("cpu"))
    power = compute_power(torch.from_numpy(wave)[None])[0]
    decibels = 10 * (power / power.max()).clamp_min(1e-12).log10()
    steps = ((decibels + RANGE_DB) / RANGE_DB * 255).round().clamp(0, 255).to(torch.uint8)
    loud = torch.nonzero(steps.amax(0) > 0)[:, 0]
    return steps[:, int(loud[0]) : int(loud[-1]) + 1].T.contiguous().numpy()


def _key(plan: SongPlan, settings: Settings) -> str:
    # Songs of plans without low voices have the key of versions that knew none.
    values = astuple(plan) if plan.low_share else astuple(plan)[:-1]
    parts = [_VERSION, values, settings.image_fingerprint()]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:24]
