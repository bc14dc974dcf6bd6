"""Speckle: how power in bands and frames scatters for noise, taken from noise itself."""

import numpy as np
import torch
from torch import Tensor

from darksound.audio.geometry import Geometry, geometry
from darksound.audio.representations import REPRESENTATIONS
from darksound.data.songs import SONG_RATE
from darksound.meta.randomness import Purpose, numpy_generator
from darksound.settings import Settings

__all__ = ["Speckle"]


class Speckle:
    """White noise through the front end, every band's mean being 1; cut out at random places.

    Neighbouring frames share samples and wide bands average many bins, so its statistics are not
    those of independent draws.

    Args:
        settings: of the front end, `audio.roi_s` a number.
        windows: how many windows' worth of noise to keep.
    """

    def __init__(self, settings: Settings, windows: int = 64) -> None:
        form = geometry(settings, SONG_RATE)
        rng = numpy_generator(settings.seed, Purpose.SCENE, 0)
        wave = rng.standard_normal(windows * form.length).astype(np.float32)
        frames = 1 + len(wave) // form.hop
        whole = Geometry(**{**vars(form), "length": len(wave), "frames": frames})
        make = REPRESENTATIONS[settings.front_end.representation]
        front_end = make(whole, settings.front_end, torch.device("cpu"))
        power = front_end(torch.from_numpy(wave)[None])[0]
        self._noise = (power / power.mean(1, keepdim=True)).contiguous()

    def __call__(self, count: int, width: int, generator: torch.Generator) -> Tensor:
        """Power `(count, bands, width)` with a mean of 1."""
        last = self._noise.shape[1] - width
        starts = torch.randint(last, (count,), generator=generator).tolist()
        return torch.stack([self._noise[:, start : start + width] for start in starts])
