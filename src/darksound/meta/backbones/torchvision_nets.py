"""Torchvision's classifiers without their classifier, as backbones."""

from collections.abc import Callable
from http.client import HTTPException
from typing import Any, cast

import torch
import torchvision.models as models
from torch import Tensor, nn
from torchvision.transforms import functional as TF

from darksound.errors import CheckpointError, SettingsError
from darksound.meta.backbones.base import Backbone
from darksound.meta.backbones.fitting import FITS, SIZE
from darksound.meta.backbones.folding import fold, foldable

__all__ = ["RELATION_LAYERS", "TorchvisionBackbone", "torchvision_names"]

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Images that a CPU takes at once: what lies between the layers of more outgrows its cache, and is
# so large that the system gives the memory anew at each layer.
_AT_ONCE = 16
_HEADS = ("fc", "classifier", "heads", "head")
# A head that begins so receives maps, not vectors.
_ON_MAPS = (nn.Conv2d, nn.AdaptiveAvgPool2d)

#: Whose output Relation compares, where the settings leave it to the backbone.
RELATION_LAYERS = {
    "resnet18": "layer4.0.conv2",
    "vgg16": "features.30",
    "densenet121": "features.norm5",
    "alexnet": "features.12",
}


def torchvision_names() -> list[str]:
    """Names of torchvision's image classifiers."""
    return list(models.list_models(module=models))


class TorchvisionBackbone(Backbone):
    """A torchvision classifier whose head is taken off; what came before it is pooled to a vector.

    Args:
        name: torchvision's name of the network.
        relation_layer: dotted name of the layer whose output is the feature map, or `auto`.
        fit: `whole` resizes the image to 224 x 224; `crop` brings its shorter side to 256
            (bilinear, antialiased) and crops 224 x 224 from the centre.
        pretrained: take torchvision's ImageNet weights, downloading them where need be.

    Without a layer of that name there are no maps, and `map_channels` is 0.

    Raises:
        SettingsError: the network has no head to take off.
        CheckpointError: the ImageNet weights cannot be fetched.
    """

    def __init__(
        self, name: str, relation_layer: str = "auto", fit: str = "whole", pretrained: bool = False
    ) -> None:
        super().__init__()
        self.name = name
        self._fit = fit
        self.net = _network(name, pretrained)
        _behead(self.net, name)
        self.map_layer = _map_layer(self.net, name, relation_layer)
        self._measure()

    def _measure(self) -> None:
        blank = torch.zeros(1, 3, SIZE, SIZE)
        training = self.training
        self.eval()
        with torch.no_grad():
            self.dim = self.forward(blank).shape[1]
            shape = self.feature_map(blank).shape if self.map_layer else ()
        self.train(training)
        # Transformers keep channels last: theirs are no maps, and not square for a square image.
        self.map_channels = shape[1] if len(shape) == 4 and shape[2] == shape[3] else 0

    def fold(self) -> None:
        """Fold every batch norm behind a convolution into it; see `Backbone.fold`."""
        pairs = foldable(self.net)
        # What a convolution gives before its batch norm may be the map that is asked for.
        fold(self.net, [pair for pair in pairs if pair[0] != self.map_layer])

    def prepare(self, images: Tensor) -> Tensor:
        """Images `(b, 3, 224, 224)` with ImageNet's mean and standard deviation."""
        fitted: Tensor = TF.normalize(FITS[self._fit](images), _MEAN, _STD)
        return fitted

    def forward(self, images: Tensor) -> Tensor:
        """Vectors `(b, dim)`."""
        return self._in_parts(lambda some: self.net(self.prepare(some)).flatten(1), images)

    def feature_map(self, images: Tensor) -> Tensor:
        """Maps `(b, map_channels, h', w')`: the output of `map_layer`."""
        if not self.map_layer:
            raise SettingsError(
                f"backbone.name {self.name!r} has no such layer as learner.relation_layer names; "
                f"use 'auto', or a layer such as {', '.join(RELATION_LAYERS.values())}."
            )
        return self._in_parts(self._mapped, images)

    def _mapped(self, images: Tensor) -> Tensor:
        handle = self.net.get_submodule(self.map_layer).register_forward_hook(_stop)
        try:
            self.net(self.prepare(images))
        except _Reached as reached:
            return reached.output
        finally:
            handle.remove()
        raise SettingsError(f"{self.name!r} does not run its layer {self.map_layer!r}.")

    def _in_parts(self, run: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
        """What `run` gives of all images; on a CPU of some after the others, in evaluation, where
        none depends on its company."""
        if self.training or images.device.type != "cpu":
            return run(images)
        return torch.cat([run(some) for some in torch.split(images, _AT_ONCE)])


class _Reached(Exception):  # noqa: N818  (a signal, not an error)
    """The layer that was asked for has run; what comes after it need not."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output


def _stop(module: nn.Module, inputs: Any, output: Tensor) -> None:
    raise _Reached(output)


def _network(name: str, pretrained: bool) -> nn.Module:
    try:
        return cast(nn.Module, models.get_model(name, weights="DEFAULT" if pretrained else None))
    except (OSError, HTTPException, RuntimeError) as error:
        if not pretrained:
            raise
        raise CheckpointError(
            f"The ImageNet weights of {name} cannot be fetched ({error}). Connect once to the "
            f"network, put the file where backbone.weights points, set backbone.weights to "
            f"'none', or use the backbone 'small', which needs none."
        ) from error


def _behead(net: Any, name: str) -> None:
    """Replace the classifier by nothing, and a pooling to a grid by one to a point."""
    head = next((h for h in _HEADS if isinstance(getattr(net, h, None), nn.Module)), None)
    if head is None:
        raise SettingsError(f"backbone.name {name!r} has no classifier that can be taken off.")
    layers = getattr(net, head).modules()
    first = next((m for m in layers if isinstance(m, (nn.Linear, *_ON_MAPS))), None)
    bare = nn.AdaptiveAvgPool2d(1) if isinstance(first, _ON_MAPS) else nn.Identity()
    setattr(net, head, bare)
    if isinstance(getattr(net, "avgpool", None), nn.AdaptiveAvgPool2d):
        net.avgpool = nn.AdaptiveAvgPool2d(1)
    if getattr(net, "aux_logits", False):
        net.aux_logits = False
        for auxiliary in ("AuxLogits", "aux1", "aux2"):
            if hasattr(net, auxiliary):
                setattr(net, auxiliary, None)


def _map_layer(net: nn.Module, name: str, wanted: str) -> str:
    """The layer's dotted name; empty where there is none such."""
    if wanted == "auto":
        children = dict(net.named_children())
        by_shape = next((layer for layer in ("layer4", "features") if layer in children), "")
        return RELATION_LAYERS.get(name, by_shape)
    return wanted if wanted in dict(net.named_modules()) else ""
