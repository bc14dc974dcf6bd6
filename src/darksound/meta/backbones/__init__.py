"""Backbones by name. A new one is a file here and a line in `BACKBONES`."""

from difflib import get_close_matches

from darksound.audio.embedding_models import EMBEDDING_MODELS, TABLE_SCHEME, scheme_of
from darksound.errors import SettingsError
from darksound.settings import BackboneSettings, Settings

__all__ = ["BACKBONES", "WEIGHTS", "check_trained", "family_path"]

#: Names of weights; anything else is the path of a file.
WEIGHTS = ("auto", "darksound", "imagenet", "none")

# torchvision's image classifiers, listed here so that their names can be read without torch.
_TORCHVISION = """
    alexnet convnext_base convnext_large convnext_small convnext_tiny densenet121 densenet161
    densenet169 densenet201 efficientnet_b0 efficientnet_b1 efficientnet_b2 efficientnet_b3
    efficientnet_b4 efficientnet_b5 efficientnet_b6 efficientnet_b7 efficientnet_v2_l
    efficientnet_v2_m efficientnet_v2_s googlenet inception_v3 maxvit_t mnasnet0_5 mnasnet0_75
    mnasnet1_0 mnasnet1_3 mobilenet_v2 mobilenet_v3_large mobilenet_v3_small regnet_x_16gf
    regnet_x_1_6gf regnet_x_32gf regnet_x_3_2gf regnet_x_400mf regnet_x_800mf regnet_x_8gf
    regnet_y_128gf regnet_y_16gf regnet_y_1_6gf regnet_y_32gf regnet_y_3_2gf regnet_y_400mf
    regnet_y_800mf regnet_y_8gf resnet101 resnet152 resnet18 resnet34 resnet50 resnext101_32x8d
    resnext101_64x4d resnext50_32x4d shufflenet_v2_x0_5 shufflenet_v2_x1_0 shufflenet_v2_x1_5
    shufflenet_v2_x2_0 squeezenet1_0 squeezenet1_1 swin_b swin_s swin_t swin_v2_b swin_v2_s
    swin_v2_t vgg11 vgg11_bn vgg13 vgg13_bn vgg16 vgg16_bn vgg19 vgg19_bn vit_b_16 vit_b_32
    vit_h_14 vit_l_16 vit_l_32 wide_resnet101_2 wide_resnet50_2
"""
_EXAMPLES = ("pair", "small", "birdnet", "perch2", "resnet18", "vgg16", "densenet121", "alexnet")

#: Import path of the `BackboneFamily` of each backbone, by the part of `backbone.name` before the
#: colon. Reading this registry does not import torch.
BACKBONES: dict[str, str] = {
    "pair": "darksound.meta.backbones.pair:FAMILY",
    "small": "darksound.meta.backbones.small:FAMILY",
    **dict.fromkeys(_TORCHVISION.split(), "darksound.meta.backbones.torchvision_nets:FAMILY"),
    **dict.fromkeys([*EMBEDDING_MODELS, TABLE_SCHEME], "darksound.meta.backbones.head:FAMILY"),
}


def check_trained(settings: Settings) -> None:
    """Check that the embeddings of these settings are not those of an untrained network.

    With `mec.warm_up` of `none` that is what the user asks for.

    Raises:
        SettingsError: the network would be untrained.
    """
    by_images = scheme_of(settings.backbone) not in (*EMBEDDING_MODELS, TABLE_SCHEME)
    if by_images and settings.backbone.weights == "none" and settings.mec.warm_up != "none":
        raise SettingsError(
            "backbone.weights is none, and embeddings of an untrained network say nothing about "
            "sounds; name a trained learner (--checkpoint), or omit --weights for pretrained "
            "weights. --set mec.warm_up=none embeds with random weights."
        )


def family_path(settings: BackboneSettings) -> str:
    """Return the import path of the family of the backbone that `backbone.name` names.

    Raises:
        SettingsError: the name is unknown.
    """
    name = scheme_of(settings)
    if name not in BACKBONES:
        near = get_close_matches(name, BACKBONES, n=3) or _EXAMPLES
        raise SettingsError(
            f"backbone.name is {settings.name!r}; choose 'pair', 'small', an image classifier of "
            f"torchvision, or an embedding model, such as {', '.join(near)}."
        )
    return BACKBONES[name]
