"""Batch norms folded into the convolutions before them: the same function in evaluation, faster."""

from collections import Counter
from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["Backbone", "fold", "foldable", "pooled"]


class Backbone(nn.Module):
    """A network that turns images in [0, 1] into vectors, or into feature maps.

    Attributes:
        dim: length of a vector.
        map_channels: channels of a feature map; 0 where the network has no maps.
        logit_scale: 0; or where vectors have unit length, the factor that makes scores of cosines.
    """

    dim: int
    map_channels: int
    logit_scale: float = 0.0

    @property
    def settled(self) -> bool:
        """Whether there is nothing that it must learn of the data before it is first used."""
        return True

    def settle(self, vectors: Iterable[Tensor]) -> None:
        """Learn what must be known of the data, from all rows of a store, batch by batch."""

    def fold(self) -> None:
        """Become faster and the same in evaluation, in place, and of no use for training."""

    def prepare(self, images: Tensor) -> Tensor:
        """Bring images `(b, 3, h, w)` in [0, 1] to the size and scale the network was made for."""
        return images

    def forward(self, images: Tensor) -> Tensor:
        """Vectors `(b, dim)` of images `(b, 3, h, w)` in [0, 1]."""
        raise NotImplementedError

    def feature_map(self, images: Tensor) -> Tensor:
        """Maps `(b, map_channels, h', w')` of images `(b, 3, h, w)` in [0, 1].

        Raises:
            SettingsError: the network has no maps.
        """
        raise NotImplementedError


def pooled(maps: Tensor) -> Tensor:
    """Mean and maximum over each map: `(b, c, h, w)` to `(b, 2c)`."""
    return torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], dim=1)


def foldable(network: nn.Module) -> list[tuple[str, str]]:
    """Dotted names of each convolution, and of the batch norm that alone takes what it gives.

    None where the network's way depends on its input, so that it cannot be followed.
    """
    try:
        nodes = fx.symbolic_trace(network).graph.nodes
    except fx.proxy.TraceError:
        return []
    calls = Counter(node.target for node in nodes if node.op == "call_module")
    found = []
    for node in nodes:
        if node.op != "call_module" or not isinstance(node.args[0], fx.Node):
            continue
        before = node.args[0]
        if before.op != "call_module" or len(before.users) > 1:
            continue
        names = str(before.target), str(node.target)
        kinds = [type(network.get_submodule(name)) for name in names]
        once = all(calls[name] == 1 for name in names)
        if once and kinds == [nn.Conv2d, nn.BatchNorm2d]:
            found.append(names)
    return found


@torch.no_grad()
def fold(network: nn.Module, pairs: Sequence[tuple[str, str]]) -> None:
    """Fold these pairs, from `foldable`, in place; the network is of no use for training then.

    A batch norm in evaluation is linear, so it goes into its convolution's weights and bias.
    """
    for convolution, norm in pairs:
        before, after = network.get_submodule(convolution), network.get_submodule(norm)
        assert isinstance(before, nn.Conv2d)  # as `foldable` saw to
        assert isinstance(after, nn.BatchNorm2d)
        network.set_submodule(convolution, fuse_conv_bn_eval(before, after))
        network.set_submodule(norm, nn.Identity())
