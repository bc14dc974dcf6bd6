"""Batches for pretraining: the species of a batch, their songs, and the position of each song."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darksound.device import fits_on_device, resolve_device
from darksound.meta.pretraining.scenes import SceneSimulator
from darksound.meta.randomness import Purpose, numpy_generator, torch_generator
from darksound.settings import Settings
from darksound.synthesis.song_library import SongLibrary

__all__ = ["PairBatches"]

# Share of windows that are cut around their song, as ROIs are; the others are filled with sound.
_FRAMED_SHARE = 0.5
# Largest margin on each side of a framed song, as a share of the window.
_MARGIN = 0.15
# Smallest share of a short song that is inside its window.
_MIN_INSIDE = 0.75
# Probability that both species of a pair of similar ones are in a batch.
_SISTER_PROBABILITY = 0.5


@dataclass(frozen=True)
class _Placement:
    """Positions of songs in their windows.

    Attributes:
        offsets: frame of the window where each song begins, `(n,)`.
        spans: first frame of each ROI and the one after its last, `(n, 2)`.
    """

    offsets: npt.NDArray[np.int64]
    spans: npt.NDArray[np.int64]


class PairBatches:
    """Batches of images with two recordings of each species, made on the device.

    Songs stay in a GPU's memory if they fit. Random numbers are drawn on the CPU, so that a seed
    gives the same batches on all devices, but for the last digits.

    Args:
        libraries: songs without acoustics, one library a ROI length.
        settings: `pretraining`, `front_end`, `audio`, `compute.device` and `seed` are used.
    """

    def __init__(self, libraries: list[SongLibrary], settings: Settings) -> None:
        device, _ = resolve_device(settings.compute)
        self._settings = settings
        self._libraries = [
            library.to(device, keep=fits_on_device(library.n_bytes, device))
            for library in libraries
        ]
        self._simulators = [
            SceneSimulator(settings.replace(audio={"roi_s": library.plan.window_s}), device)
            for library in libraries
        ]
        shares = np.asarray(settings.pretraining.window_shares, dtype=np.float64)
        self._shares = shares / shares.sum()

    def __call__(self, *counters: int) -> Tensor:
        """Return images `(2, n, 3, h, w)`; `[0, i]` and `[1, i]` are of one species."""
        rng = numpy_generator(self._settings.seed, Purpose.PRETRAIN, *counters)
        index = int(rng.choice(len(self._libraries), p=self._shares))
        library, simulate = self._libraries[index], self._simulators[index]
        width = self._settings.front_end.frames(library.plan.window_s)
        batch_species = self._settings.pretraining.batch_species
        species = _draw_species(library.plan.species, batch_species, rng)
        pairs = np.stack([_draw_two_songs(library, number, rng) for number in species], axis=1)
        songs = pairs.ravel()
        placement = _place(library.lengths(songs), width, rng)
        other_songs = rng.integers(0, len(library), len(songs))
        other_offsets = rng.integers(-width // 2, width, len(songs))
        images = simulate(
            library.windows(songs, placement.offsets, width),
            torch.from_numpy(placement.spans),
            library.windows(other_songs, other_offsets, width),
            torch_generator(self._settings.seed, Purpose.SCENE, *counters),
        )
        return images.reshape(2, len(species), *images.shape[1:])


def _draw_species(n_species: int, n_drawn: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Return different species; species 2 i and 2 i + 1 are similar, and often drawn together."""
    families = rng.permutation((n_species + 1) // 2)
    drawn: list[int] = []
    for family in families:
        members = [int(family) * 2 + i for i in range(2) if family * 2 + i < n_species]
        if rng.random() < _SISTER_PROBABILITY:
            drawn += members
        else:
            drawn.append(members[int(rng.integers(len(members)))])
        if len(drawn) >= n_drawn:
            break
    return np.asarray(drawn[:n_drawn], dtype=np.int64)


def _draw_two_songs(
    library: SongLibrary, species: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Return a song of each of two individuals of a species."""
    plan = library.plan
    individuals = rng.choice(plan.individuals, size=2, replace=False)
    songs: npt.NDArray[np.int64] = (
        species * plan.songs_per_species + individuals * plan.songs + rng.integers(0, plan.songs, 2)
    )
    return songs


def _place(lengths: npt.NDArray[np.int64], width: int, rng: np.random.Generator) -> _Placement:
    """Return random positions of songs of these lengths in windows of `width` frames."""
    n = len(lengths)
    is_framed = (rng.random(n) < _FRAMED_SHARE) & (lengths < width)
    before = np.rint(_MARGIN * width * rng.random(n)).astype(np.int64)
    after = np.rint(_MARGIN * width * rng.random(n)).astype(np.int64)
    roi_lengths = np.minimum(lengths + before + after, width)
    roi_starts = (width - roi_lengths + 1) // 2
    framed_offsets = roi_starts + np.minimum(before, width - lengths)
    # A long song fills the window. A short one may extend beyond either edge.
    min_inside = np.where(lengths < width, np.ceil(_MIN_INSIDE * lengths), width).astype(np.int64)
    free_offsets = rng.integers(min_inside - lengths, width - min_inside + 1)
    offsets = np.where(is_framed, framed_offsets, free_offsets)
    first = np.where(is_framed, roi_starts, 0)
    stop = np.where(is_framed, roi_starts + roi_lengths, width)
    return _Placement(offsets, np.stack([first, stop], axis=1))
