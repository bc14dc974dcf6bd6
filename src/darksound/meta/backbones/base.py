"""The contract of a backbone, and batch norm folded into convolutions for faster evaluation."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from darksound.settings import BackboneSettings, Settings

__all__ = ["SIZES", "Backbone", "BackboneFamily", "fold", "foldable_pairs", "pool_maps"]


class Backbone(nn.Module):
    """A network that maps images to vectors, and where it is convolutional to feature maps.

    A backbone on an embedding model takes vectors `(b, dim)` in place of images.

    Attributes:
        dim: length of a vector.
        map_channels: channels of a feature map; 0 where the network has no maps.
        logit_scale: factor on cosine scores where vectors have unit length; 0 where they have not.
        fitted_keys: keys of the weights that are fitted at the end of pretraining, so that a file
            that it starts from may lack them.
    """

    dim: int
    map_channels: int
    logit_scale: float = 0.0
    fitted_keys: tuple[str, ...] = ()

    @property
    def is_fitted(self) -> bool:
        """Return whether the statistics of the data that the backbone needs are known."""
        return True

    def fit(self, batches: Iterable[Tensor]) -> None:
        """Compute the statistics that the backbone needs from all rows of a store, by batches."""

    def fold_batch_norm(self) -> None:
        """Fold batch norm into convolutions, in place: the same output in evaluation mode, faster.

        The backbone cannot be trained afterwards.
        """

    def prepare(self, images: Tensor) -> Tensor:
        """Return images `(b, 3, h, w)` in [0, 1] at the size and scale the network expects."""
        return images

    def forward(self, images: Tensor) -> Tensor:
        """Return vectors `(b, dim)` of images `(b, 3, h, w)` in [0, 1]."""
        raise NotImplementedError

    def feature_map(self, images: Tensor) -> Tensor:
        """Return maps `(b, map_channels, h', w')` of images `(b, 3, h, w)` in [0, 1].

        Raises:
            SettingsError: the network has no maps.
        """
        raise NotImplementedError


@dataclass(frozen=True)
class BackboneFamily:
    """Backbones that are built by the same function.

    Attributes:
        build: returns the network, given the settings and the resolved weights; ImageNet weights
            are loaded here, others by the caller.
        default_weights: returns the weights that `auto` stands for.
        named_weights: names of the weights that exist beside files and `none`.
        usable_untrained: whether embeddings are useful without any training.
        sizes: keys of the settings of `SIZES` that the network takes; others have no effect.
    """

    build: Callable[[Settings, str], Backbone]
    default_weights: Callable[[BackboneSettings], str]
    named_weights: tuple[str, ...]
    usable_untrained: bool = False
    sizes: tuple[str, ...] = ()


#: Keys of the settings for sizes of networks.
SIZES = ("channels", "blocks", "embedding_dim")


def pool_maps(maps: Tensor) -> Tensor:
    """Return the mean and the maximum of each map: `(b, c, h, w)` to `(b, 2c)`."""
    return torch.cat([maps.mean((2, 3)), maps.amax((2, 3))], dim=1)


def foldable_pairs(network: nn.Module) -> list[tuple[str, str]]:
    """Return dotted names of each convolution and the batch norm that alone takes its output.

    The list is empty where the control flow depends on the input, so that torch cannot trace it.
    """
    try:
        nodes = fx.symbolic_trace(network).graph.nodes
    except fx.proxy.TraceError:
        return []
    calls = Counter(node.target for node in nodes if node.op == "call_module")
    pairs = []
    for node in nodes:
        if node.op != "call_module" or not isinstance(node.args[0], fx.Node):
            continue
        previous = node.args[0]
        if previous.op != "call_module" or len(previous.users) > 1:
            continue
        names = str(previous.target), str(node.target)
        types = [type(network.get_submodule(name)) for name in names]
        called_once = all(calls[name] == 1 for name in names)
        if called_once and types == [nn.Conv2d, nn.BatchNorm2d]:
            pairs.append(names)
    return pairs


@torch.no_grad()
def fold(network: nn.Module, pairs: Sequence[tuple[str, str]]) -> None:
    """Fold these pairs of `foldable_pairs` in place. The network cannot be trained afterwards.

    Batch norm in evaluation mode is linear, so it goes into its convolution's weights and bias.
    """
    for convolution_name, norm_name in pairs:
        convolution = network.get_submodule(convolution_name)
        norm = network.get_submodule(norm_name)
        assert isinstance(convolution, nn.Conv2d)  # as `foldable_pairs` ensures
        assert isinstance(norm, nn.BatchNorm2d)
        _replace_submodule(network, convolution_name, fuse_conv_bn_eval(convolution, norm))
        _replace_submodule(network, norm_name, nn.Identity())


def _replace_submodule(network: nn.Module, name: str, module: nn.Module) -> None:
    # torch 2.4 has no nn.Module.set_submodule.
    parent_name, _, child_name = name.rpartition(".")
    setattr(network.get_submodule(parent_name), child_name, module)
