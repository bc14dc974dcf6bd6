"""Representations of sound, by name: mel, spec, cqt."""

from collections.abc import Callable

import torch

from darksound.audio.geometry import Geometry
from darksound.audio.representations.base import Representation
from darksound.audio.representations.cqt import ConstantQ
from darksound.audio.representations.mel import MelSpectrogram
from darksound.audio.representations.spectrogram import LinearSpectrogram
from darksound.settings import FrontEndSettings

__all__ = ["REPRESENTATIONS", "Representation"]

REPRESENTATIONS: dict[str, Callable[[Geometry, FrontEndSettings, torch.device], Representation]] = {
    "mel": MelSpectrogram,
    "spec": LinearSpectrogram,
    "cqt": ConstantQ,
}
