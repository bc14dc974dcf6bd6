"""torchvision's image classifiers as backbones, without their classification layers."""

import pickle
from collections.abc import Callable, Container
from functools import lru_cache
from http.client import HTTPException
from typing import Any, cast

import torch
import torch.nn.functional as F
import torchvision.models as models
from torch import Tensor, nn
from torch.nn.modules.dropout import _DropoutNd
from torchvision.ops import StochasticDepth
from torchvision.transforms import functional as TF

from darksound.errors import CheckpointError, SettingsError
from darksound.meta.backbones.base import Backbone, BackboneFamily, fold, foldable_pairs
from darksound.meta.pieces import run_in_pieces
from darksound.meta.weights import IMAGENET
from darksound.settings import Settings

__all__ = ["FAMILY", "FITS", "RELATION_LAYERS", "SIZE", "TorchvisionBackbone", "last_layer"]

#: Height and width of their input.
SIZE = 224
# Length of the shorter side before the centre is cropped.
_SHORTER_SIDE = 256


def _resize(images: Tensor) -> Tensor:
    """Resize the whole image to 224 x 224 (bilinear, antialiased)."""
    if images.shape[2:] == (SIZE, SIZE):
        return images
    # torch resizes channel by channel, and would copy images in another memory format twice.
    resized: Tensor = TF.resize(images.contiguous(), [SIZE, SIZE], antialias=True)
    return resized


def _crop(images: Tensor) -> Tensor:
    """Resize the shorter side to 256 (bilinear, antialiased), and crop the central 224 x 224.

    Resizing is linear along each side, so it is two matrix products, computed for the pixels of
    the crop alone.
    """
    height, width = images.shape[2:]
    if min(height, width) == _SHORTER_SIDE:
        cropped: Tensor = TF.center_crop(images, [SIZE, SIZE])
        return cropped
    longer = _SHORTER_SIDE * max(height, width) // min(height, width)
    new = (_SHORTER_SIDE, longer) if height <= width else (longer, _SHORTER_SIDE)
    (rows, down), (columns, across) = (
        _resize_weights(*sizes) for sizes in zip((height, width), new, strict=True)
    )
    # The weights need single precision.
    with torch.autocast(images.device.type, enabled=False):
        pixels = images[:, :, rows, columns].float()
        return down.to(pixels.device) @ (pixels @ across.T.to(pixels.device))


@lru_cache(maxsize=16)
@torch.inference_mode(False)
def _resize_weights(size: int, new: int) -> tuple[slice, Tensor]:
    """Return the matrix that resizes a side from `size` to `new` pixels and crops its centre.

    Returns:
        The pixels that the crop depends on, and their weights `(224, n_pixels)`.
    """
    identity = torch.eye(size)[None, None]
    weights = F.interpolate(identity, (new, size), mode="bilinear", antialias=True)[0, 0]
    start = round((new - SIZE) / 2)
    weights = weights[start : start + SIZE]
    used = torch.nonzero(weights.any(0))[:, 0]
    pixels = slice(int(used[0]), int(used[-1]) + 1)
    return pixels, weights[:, pixels].contiguous()


#: By `front_end.fit`: images `(b, 3, h, w)` to `(b, 3, 224, 224)`.
FITS: dict[str, Callable[[Tensor], Tensor]] = {"whole": _resize, "crop": _crop}


_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
# Largest batch on a CPU: activations of more images do not fit its cache, and are so large that
# the system allocates memory again at each layer.
_CPU_BATCH = 16
_CLASSIFIERS = ("fc", "classifier", "heads", "head")
# A classifier that begins with one of these layers takes maps, not vectors.
_MAP_LAYERS = (nn.Conv2d, nn.AdaptiveAvgPool2d)

#: Layers whose output Relation compares by default.
RELATION_LAYERS = {
    "resnet18": "layer4.0.conv2",
    "vgg16": "features.30",
    "densenet121": "features.norm5",
    "alexnet": "features.12",
}


def last_layer(name: str, keys: Container[str], channels: int) -> str | None:
    """Return the last layer of a network that a state dict has weights of.

    Args:
        name: torchvision's name of the network.
        keys: of the state dict.
        channels: number of output channels of the layer.

    Returns:
        The dotted name of a convolution or batch norm outside of shortcuts; None without any.
    """
    with torch.device("meta"):
        modules = _network(name, pretrained=False).named_modules()
    layers = [
        layer
        for layer, module in modules
        if isinstance(module, (nn.Conv2d, nn.BatchNorm2d))
        and len(module.weight) == channels
        and "downsample" not in layer
        and f"{layer}.weight" in keys
    ]
    return layers[-1] if layers else None


class TorchvisionBackbone(Backbone):
    """A torchvision classifier without its classification layer; maps are pooled to a vector.

    Args:
        name: torchvision's name of the network.
        relation_layer: dotted name of the layer whose output is the feature map, or `auto`.
        fit: `whole` resizes the image to 224 x 224; `crop` brings its shorter side to 256
            (bilinear, antialiased) and crops 224 x 224 from the centre.
        pretrained: load torchvision's ImageNet weights, which are downloaded if necessary.

    If there is no layer of that name, there are no maps, and `map_channels` is 0.

    Raises:
        SettingsError: the network has no classification layer.
        CheckpointError: the ImageNet weights cannot be downloaded.
    """

    def __init__(
        self, name: str, relation_layer: str = "auto", fit: str = "whole", pretrained: bool = False
    ) -> None:
        super().__init__()
        self.name = name
        self._fit = fit
        self.net = _network(name, pretrained)
        _remove_classifier(self.net, name)
        self.map_layer = _map_layer(self.net, name, relation_layer)
        self._set_sizes()

    def _set_sizes(self) -> None:
        """Set `dim` and `map_channels` to the sizes of the output for a blank image."""
        blank = torch.zeros(1, 3, SIZE, SIZE)
        training = self.training
        self.eval()
        with torch.no_grad():
            self.dim = self.forward(blank).shape[1]
            shape = self.feature_map(blank).shape if self.map_layer else ()
        self.train(training)
        # The output of a transformer is not a map: its channels are last.
        self.map_channels = shape[1] if len(shape) == 4 and shape[2] == shape[3] else 0

    def fold_batch_norm(self) -> None:
        """Fold every batch norm that follows a convolution into it."""
        pairs = foldable_pairs(self.net)
        # The map may be the output of a convolution before its batch norm.
        fold(self.net, [pair for pair in pairs if pair[0] != self.map_layer])

    def prepare(self, images: Tensor) -> Tensor:
        """Return images `(b, 3, 224, 224)`, normalised by ImageNet's mean and deviation."""
        normalised: Tensor = TF.normalize(FITS[self._fit](images), _MEAN, _STD)
        return normalised

    def forward(self, images: Tensor) -> Tensor:
        """Return vectors `(b, dim)` of images `(b, 3, h, w)` in [0, 1]."""
        return self._in_parts(TorchvisionBackbone._run_to_end, images)

    def feature_map(self, images: Tensor) -> Tensor:
        """Return maps `(b, map_channels, h', w')`: the output of `map_layer`."""
        if not self.map_layer:
            raise SettingsError(
                f"The backbone {self.name!r} has no layer learner.relation_layer; use 'auto', or a "
                f"layer such as {', '.join(RELATION_LAYERS.values())}."
            )
        return self._in_parts(TorchvisionBackbone._run_to_map_layer, images)

    def _run_to_end(self, images: Tensor) -> Tensor:
        vectors: Tensor = self.net(self.prepare(images)).flatten(1)
        return vectors

    def _run_to_map_layer(self, images: Tensor) -> Tensor:
        handle = self.net.get_submodule(self.map_layer).register_forward_hook(_raise_output)
        try:
            self.net(self.prepare(images))
        except _MapLayerOutput as signal:
            return signal.output
        finally:
            handle.remove()
        raise SettingsError(
            f"The backbone {self.name!r} does not use its layer {self.map_layer!r}."
        )

    def _in_parts(
        self, run: "Callable[[TorchvisionBackbone, Tensor], Tensor]", images: Tensor
    ) -> Tensor:
        """Return `run(self, images)`; without gradients on a CPU computed in small batches."""
        if images.device.type == "cpu" and not self.training and not torch.is_grad_enabled():
            return torch.cat([run(self, part) for part in torch.split(images, _CPU_BATCH)])
        if _draws_random_numbers(self.net):
            return run(self, images)
        return run_in_pieces(self, run, images)


def _draws_random_numbers(net: nn.Module) -> bool:
    """Return whether layers of a network draw from torch's generator in training mode."""
    return any(
        isinstance(layer, (_DropoutNd, StochasticDepth)) and layer.p > 0 and layer.training
        for layer in net.modules()
    )


class _MapLayerOutput(Exception):  # noqa: N818  (a signal, not an error)
    """Carries the output of a layer, and skips the layers after it."""

    def __init__(self, output: Tensor) -> None:
        super().__init__()
        self.output = output


def _raise_output(module: nn.Module, inputs: Any, output: Tensor) -> None:
    raise _MapLayerOutput(output)


def _network(name: str, pretrained: bool) -> nn.Module:
    try:
        if pretrained:
            # torchvision itself would run code that is in a file; this refuses such a file first.
            weights: Any = models.get_model_weights(name)
            weights.DEFAULT.get_state_dict(map_location="cpu", check_hash=True, weights_only=True)
        return cast(nn.Module, models.get_model(name, weights="DEFAULT" if pretrained else None))
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"The ImageNet weights of {name} in {torch.hub.get_dir()} are damaged, or contain code "
            f"and are not opened; remove that file, so that it is downloaded again."
        ) from error
    except (OSError, HTTPException, RuntimeError) as error:
        if not pretrained:
            raise
        raise CheckpointError(
            f"The ImageNet weights of {name} cannot be downloaded ({error}). Connect to the "
            f"network once, set backbone.weights to a file or to 'none', or use the backbone "
            f"'small', which does not need them."
        ) from error


def _remove_classifier(net: Any, name: str) -> None:
    """Replace the classifier by the identity, and pooling to a grid by global pooling."""
    head = next((h for h in _CLASSIFIERS if isinstance(getattr(net, h, None), nn.Module)), None)
    if head is None:
        raise SettingsError(f"backbone.name {name!r} has no classification layer to remove.")
    layers = getattr(net, head).modules()
    first = next((m for m in layers if isinstance(m, (nn.Linear, *_MAP_LAYERS))), None)
    takes_maps = isinstance(first, _MAP_LAYERS)
    setattr(net, head, nn.AdaptiveAvgPool2d(1) if takes_maps else nn.Identity())
    if isinstance(getattr(net, "avgpool", None), nn.AdaptiveAvgPool2d):
        net.avgpool = nn.AdaptiveAvgPool2d(1)
    if getattr(net, "aux_logits", False):
        net.aux_logits = False
        for auxiliary in ("AuxLogits", "aux1", "aux2"):
            if hasattr(net, auxiliary):
                setattr(net, auxiliary, None)


def _map_layer(net: nn.Module, name: str, relation_layer: str) -> str:
    """Return the layer's dotted name, or an empty string if there is no such layer."""
    if relation_layer == "auto":
        children = dict(net.named_children())
        default = next((layer for layer in ("layer4", "features") if layer in children), "")
        return RELATION_LAYERS.get(name, default)
    return relation_layer if relation_layer in dict(net.named_modules()) else ""


def _build(settings: Settings, weights: str) -> Backbone:
    return TorchvisionBackbone(
        settings.backbone.name,
        relation_layer=settings.learner.relation_layer,
        fit=settings.front_end.fit,
        pretrained=weights == IMAGENET,
    )


FAMILY = BackboneFamily(_build, lambda _: IMAGENET, (IMAGENET,))
