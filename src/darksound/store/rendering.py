"""The sound of a few ROIs, and images of it, as one worker makes them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, partial

import numpy as np
import numpy.typing as npt
import torch

from darksound.audio.augmentation import alter
from darksound.audio.front_end import FrontEnd
from darksound.audio.waveform import limit_band
from darksound.errors import InputError
from darksound.rois.roi_set import Reader
from darksound.settings import Settings
from darksound.store.shard_file import Images, Rows

__all__ = ["Item", "Rendered", "Stretch", "hear", "random_stream", "render"]

Wave = npt.NDArray[np.float32]

# ROIs that are heard before images are made of them at once.
_TOGETHER = 8
# The purpose of a stream of random numbers; see `random_stream`.
_ALTER = 12


@dataclass(frozen=True)
class Stretch:
    """A stretch of a recording, the recording's stamp, and the band it is limited to, if any."""

    root: str
    recording: str
    start_s: float
    end_s: float
    stamp: str
    band_hz: tuple[float, float] | None = None


@dataclass(frozen=True)
class Item:
    """A ROI to make a row of, and the sound to mix into it when it is altered."""

    roi_id: str
    stretch: Stretch
    neighbour: Stretch | None = None


@dataclass(frozen=True)
class Rendered:
    """Images or vectors of some ROIs.

    Attributes:
        count: number of ROIs.
        rows: `(count, 3, h, w)` or `(count, dim)`, zeros where a ROI could not be read; None
            where none could.
        causes: why a ROI could not be read, by its row.
    """

    count: int
    rows: Rows | None
    causes: dict[int, str]


def render(items: Sequence[Item], reader: Reader, settings: Settings, version: int) -> Rendered:
    """Images of some ROIs, unaltered (version 0) or with altered sound.

    Args:
        items: what to make images of.
        reader: how to hear them.
        settings: with `audio.roi_s` a number.
        version: 0, or the number of an altered version.

    Raises:
        InputError: recordings of several rates give images of several shapes.
        SettingsError: the front end cannot work at a recording's rate.
    """
    front_end_at = cache(partial(FrontEnd, settings))
    causes: dict[int, str] = {}
    images: Images | None = None
    for start in range(0, len(items), _TOGETHER):
        rows = range(start, min(start + _TOGETHER, len(items)))
        heard, deaf = _hear_all(items, rows, reader, settings, version)
        causes |= deaf
        for rate, waves in heard.items():
            drawn = front_end_at(rate)(list(waves.values()))
            made = _quantised(drawn, settings.compute.cache_dtype)
            if images is None:
                images = np.zeros((len(items), *made.shape[1:]), made.dtype)
            if made.shape[1:] != images.shape[1:]:
                raise InputError(
                    f"{items[min(waves)].stretch.recording} at {rate} Hz gives an image of "
                    f"{made.shape[1:]}, other recordings of {images.shape[1:]}; set "
                    "audio.sample_rate to one rate for all."
                )
            images[list(waves)] = made
    return Rendered(len(items), images, causes)


def _hear_all(
    items: Sequence[Item], rows: Sequence[int], reader: Reader, settings: Settings, version: int
) -> tuple[dict[int, dict[int, Wave]], dict[int, str]]:
    """The sound of some rows by its rate and row, and why that of others cannot be heard."""
    wanted = settings.audio.sample_rate
    heard: dict[int, dict[int, Wave]] = {}
    causes: dict[int, str] = {}
    for row in rows:
        try:
            wave, rate = hear(
                items[row], reader, settings, version, None if wanted == "native" else wanted
            )
        except InputError as error:
            causes[row] = str(error)
        else:
            heard.setdefault(rate, {})[row] = wave
    return heard, causes


def random_stream(seed: int, purpose: int, roi_id: str, version: int) -> np.random.Generator:
    """Random numbers of a ROI's version, whatever else is drawn before."""
    digest = hashlib.blake2b(roi_id.encode(), digest_size=8).digest()
    return np.random.default_rng([seed, purpose, version, int.from_bytes(digest)])


def hear(
    item: Item, reader: Reader, settings: Settings, version: int, rate: int | None
) -> tuple[npt.NDArray[np.float32], int]:
    """The sound of a ROI, unaltered (version 0) or altered.

    Args:
        item: the ROI.
        reader: how to hear it.
        settings: `front_end` limits its band, `augmentation` and `seed` alter it.
        version: 0, or the number of an altered version.
        rate: in Hz to resample to; None keeps the recording's.

    Returns:
        Samples `(n,)` and their rate in Hz.

    Raises:
        InputError: the recording cannot be read, or holds no usable samples there.
    """
    attenuation_db = settings.front_end.band_attenuation_db
    wave, own = _read(item.stretch, reader, rate, attenuation_db)
    if version == 0:
        return wave, own
    neighbour = None
    if item.neighbour is not None:
        try:
            neighbour, _ = _read(item.neighbour, reader, rate, attenuation_db)
        except InputError:
            # It is reported where it stands as a ROI itself.
            neighbour = None
    rng = random_stream(settings.seed, _ALTER, item.roi_id, version)
    return alter(wave, own, rng, settings.augmentation, neighbour), own


def _read(
    stretch: Stretch, reader: Reader, rate: int | None, attenuation_db: float
) -> tuple[npt.NDArray[np.float32], int]:
    place = (stretch.root, stretch.recording, stretch.start_s, stretch.end_s)
    wave, rate = reader.read(*place, rate)
    if stretch.band_hz is not None:
        wave = limit_band(wave, rate, *stretch.band_hz, attenuation_db)
    return wave, rate


def _quantised(image: torch.Tensor, dtype: str) -> Images:
    if dtype == "float16":
        return image.to(torch.float16).numpy()
    return (image * 255).round().to(torch.uint8).numpy()
