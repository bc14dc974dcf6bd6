"""Batch norms folded into the convolutions before them: the same function in evaluation, faster."""

from collections import Counter
from collections.abc import Sequence

import torch
from torch import fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

__all__ = ["fold", "foldable"]


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
