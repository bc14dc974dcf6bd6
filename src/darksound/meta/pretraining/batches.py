"""Which songs meet in a batch, and where each lies in its window."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from darksound.meta.pretraining.scene import Scenes
from darksound.meta.randomness import Purpose, numpy_generator, torch_generator
from darksound.settings import Settings
from darksound.synthesis.song_library import SongLibrary

__all__ = ["Batches"]

# Share of windows that are cut around their song, as ROIs are; the others are heard through.
_FRAMED = 0.5
# Margins around a framed song, as a share of the window.
_MARGIN = 0.15
# Least share of a short song that a window holds.
_LEAST_HEARD = 0.75
_SISTERS = 0.5


@dataclass(frozen=True)
class _Placed:
    at: npt.NDArray[np.int64]
    spans: npt.NDArray[np.int64]


class Batches:
    """Batches of images, two recordings each of some species.

    Args:
        libraries: of dry songs, one a ROI length.
        settings: `pretraining` and `front_end` are used.
    """

    def __init__(self, libraries: list[SongLibrary], settings: Settings) -> None:
        self._libraries = libraries
        self._settings = settings
        self._scenes = [
            Scenes(settings.replace(audio={"roi_s": library.plan.window_s}))
            for library in libraries
        ]
        shares = np.asarray(settings.pretraining.window_shares, dtype=np.float64)
        self._shares = shares / shares.sum()

    def __call__(self, *counters: int) -> Tensor:
        """Images `(2, n, 3, h, w)`; `[0, i]` and `[1, i]` are two birds of one species."""
        rng = numpy_generator(self._settings.seed, Purpose.PRETRAIN, *counters)
        number = int(rng.choice(len(self._libraries), p=self._shares))
        library, scenes = self._libraries[number], self._scenes[number]
        width = self._settings.front_end.frames(library.plan.window_s)
        species = _draw_species(library.plan.species, self._settings.pretraining.batch_species, rng)
        pairs = np.stack([_two_songs(library, one, rng) for one in species], axis=1)
        songs = pairs.ravel()
        placed = _place(library.lengths(songs), width, rng)
        others = rng.integers(0, len(library), len(songs))
        away = rng.integers(-width // 2, width, len(songs))
        images = scenes(
            library.windows(songs, placed.at, width),
            torch.from_numpy(placed.spans),
            library.windows(others, away, width),
            torch_generator(self._settings.seed, Purpose.SCENE, *counters),
        )
        return images.reshape(2, len(species), *images.shape[1:])


def _draw_species(count: int, wanted: int, rng: np.random.Generator) -> npt.NDArray[np.int64]:
    """Different species, half of them beside their sister."""
    families = rng.permutation((count + 1) // 2)
    drawn: list[int] = []
    for family in families:
        own = [int(family) * 2 + i for i in range(2) if family * 2 + i < count]
        drawn += own if rng.random() < _SISTERS else [own[int(rng.integers(len(own)))]]
        if len(drawn) >= wanted:
            break
    return np.asarray(drawn[:wanted], dtype=np.int64)


def _two_songs(
    library: SongLibrary, species: int, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """A song each of two birds of a species."""
    plan = library.plan
    birds = rng.choice(plan.individuals, size=2, replace=False)
    songs: npt.NDArray[np.int64] = (
        species * plan.songs_per_species + birds * plan.songs + rng.integers(0, plan.songs, 2)
    )
    return songs


def _place(lengths: npt.NDArray[np.int64], width: int, rng: np.random.Generator) -> _Placed:
    n = len(lengths)
    framed = (rng.random(n) < _FRAMED) & (lengths < width)
    before = np.rint(_MARGIN * width * rng.random(n)).astype(np.int64)
    after = np.rint(_MARGIN * width * rng.random(n)).astype(np.int64)
    length = np.minimum(lengths + before + after, width)
    start = (width - length + 1) // 2
    in_frame = start + np.minimum(before, width - lengths)
    # A long song fills the window; a short one may lose a part of itself at either edge.
    heard = np.where(lengths < width, np.ceil(_LEAST_HEARD * lengths), width).astype(np.int64)
    anywhere = rng.integers(heard - lengths, width - heard + 1)
    at = np.where(framed, in_frame, anywhere)
    first = np.where(framed, start, 0)
    return _Placed(at, np.stack([first, np.where(framed, start + length, width)], axis=1))
