"""Torchvision's classifiers without their classifier, as backbones."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from http.client import HTTPException
from types import MappingProxyType
from typing import Any, cast

import torch
import torch.nn.functional as F
import torchvision.models as models
from torch import Tensor, nn
from torchvision.transforms import functional as TF

from darksound.errors import CheckpointError, SettingsError
from darksound.meta.backbones.base import Backbone, BackboneFamily, fold, foldable_pairs
from darksound.meta.weights import IMAGENET
from darksound.settings import Settings

__all__ = ["FAMILY", "FITS", "RELATION_LAYERS", "SIZE", "TorchvisionBackbone"]

#: Height and width that they take.
SIZE = 224
# What the shorter side is brought to before the middle is cut out.
_SHORTER = 256


def _whole(images: Tensor) -> Tensor:
    """The whole image at 224 x 224 (bilinear, antialiased)."""
    if images.shape[2:] == (SIZE, SIZE):
        return images
    # Resizing works on one channel after the other, so other layouts would be copied twice.
    resized: Tensor = TF.resize(images.contiguous(), [SIZE, SIZE], antialias=True)
    return resized


def _crop(images: Tensor) -> Tensor:
    """The shorter side resized to 256 (bilinear, antialiased), and 224 x 224 from the centre.

    Resizing is linear along each side, so only the pixels that are seen in the crop are resized,
    by products of matrices.
    """
    height, width = images.shape[2:]
    if min(height, width) == _SHORTER:
        cropped: Tensor = TF.center_crop(images, [SIZE, SIZE])
        return cropped
    longer = _SHORTER * max(height, width) // min(height, width)
    new = (_SHORTER, longer) if height <= width else (longer, _SHORTER)
    (rows, down), (columns, across) = (
        _weights(*sizes) for sizes in zip((height, width), new, strict=True)
    )
    # Coordinates and weights are too fine for half precision.
    with torch.autocast(images.device.type, enabled=False):
        seen = images[:, :, rows, columns].float()
        return down.to(seen.device) @ (seen @ across.T.to(seen.device))


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def _weights(size: int, new: int) -> tuple[slice, Tensor]:
    """Which of `size` pixels are seen in the middle of a side resized to `new`, and the weights
    `(224, seen)` that each pixel there gives them."""
    identity = torch.eye(size)[None, None]
    weights = F.interpolate(identity, (new, size), mode="bilinear", antialias=True)[0, 0]
    start = round((new - SIZE) / 2)
    weights = weights[start : start + SIZE]
    seen = torch.nonzero(weights.any(0))[:, 0]
    kept = slice(int(seen[0]), int(seen[-1]) + 1)
    return kept, weights[:, kept].contiguous()


#: By the names of `front_end.fit`: images `(b, 3, h, w)` to `(b, 3, 224, 224)`.
FITS: Mapping[str, Callable[[Tensor], Tensor]] = MappingProxyType({"whole": _whole, "crop": _crop})


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

    def fold_batch_norm(self) -> None:
        """Fold every batch norm that follows a convolution into it."""
        pairs = foldable_pairs(self.net)
        # The map may be the output of a convolution before its batch norm.
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


def _build(settings: Settings, weights: str) -> Backbone:
    return TorchvisionBackbone(
        settings.backbone.name,
        relation_layer=settings.learner.relation_layer,
        fit=settings.front_end.fit,
        pretrained=weights == IMAGENET,
    )


FAMILY = BackboneFamily(_build, lambda _: IMAGENET, IMAGENET)
