"""From several channels to one, without losing sounds that cancel in the mean of the channels.

Where one channel is inverted (a wrongly wired microphone or adapter), the mean of the channels
lacks every sound that both recorded. There the strongest channel stands for the mean.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Mix", "mix_channels"]

Samples = npt.NDArray[np.float32]

# Energies are compared in blocks of this many samples, and in this share of them, the loudest:
# independent noise between the sounds does not cancel.
_BLOCK = 512
_LOUD_SHARE = 0.05
# Independent channels leave 1 / channels of their energy in the mean. Channels cancel where this
# share of that is left: 12 dB less than independent channels. Microphones that stand apart lose
# some frequencies in the mean, but rarely as much.
_MAX_LEFT = 1 / 16


@dataclass(frozen=True)
class Mix:
    """One channel made of several.

    Attributes:
        samples: `(n,)`.
        cancelled: whether the channels cancel in their mean, and `samples` are the strongest one.
    """

    samples: Samples
    cancelled: bool


def mix_channels(samples: Samples) -> Mix:
    """Return the mean of the channels, or the strongest channel where they cancel in the mean.

    Args:
        samples: `(n, channels)`.
    """
    if samples.shape[1] == 1:
        return Mix(np.ascontiguousarray(samples[:, 0]), False)
    strongest = _strongest_if_cancelled(samples)
    if strongest is not None:
        return Mix(np.ascontiguousarray(samples[:, strongest]), True)
    if samples.shape[1] == 2:
        # The same bits as `mean`, which is many times slower along a short axis.
        return Mix((samples[:, 0] + samples[:, 1]) / np.float32(2), False)
    return Mix(samples.mean(axis=1, dtype=np.float32), False)


def _strongest_if_cancelled(samples: Samples) -> int | None:
    """Return the number of the strongest channel if the channels cancel, else None."""
    # Differences of neighbouring samples lack a constant offset and most of wind and hum.
    steps = np.diff(samples, axis=0)
    if len(steps) == 0:
        return None
    n_channels, size = samples.shape[1], min(_BLOCK, len(steps))
    blocks = steps[: len(steps) // size * size].reshape(-1, size, n_channels)
    energy = np.einsum("bnc,bnc->bc", blocks, blocks)
    of_channels = energy.sum(axis=1)
    loudest = np.argsort(of_channels)[-max(round(_LOUD_SHARE * len(blocks)), 1) :]
    mean = blocks[loudest].mean(axis=2)
    left = n_channels * float(np.square(mean).sum()) / max(float(of_channels[loudest].sum()), 1e-30)
    # `left` is relative to the mean energy of a channel: 1 for equal channels.
    if not left < _MAX_LEFT / n_channels or not of_channels[loudest].any():
        return None
    return int(np.argmax(energy[loudest].sum(axis=0)))
