"""What a representation is: power over bands and frames."""

from typing import Protocol

from torch import Tensor

__all__ = ["Representation"]


class Representation(Protocol):
    """Makes power spectrograms of waveforms."""

    @property
    def height(self) -> int:
        """Number of bands."""

    def __call__(self, waves: Tensor) -> Tensor:
        """Power `(b, height, frames)`, lowest band first, of waves `(b, n)`."""
