"""The contract of backbones, over the families of the registry."""

import pytest
import torch

from darksound.errors import SettingsError
from darksound.meta.backbones import BACKBONES, family_path
from darksound.meta.backbones.base import BackboneFamily
from darksound.meta.backbones.build import build_backbone, resolve_weights, usable_untrained
from darksound.settings import BackboneSettings, resolve_object

DIM = 12
# One backbone of each family, and one more of torchvision's without convolutions at its end.
NAMES = ("pair", "small", "resnet18", "squeezenet1_1", "shufflenet_v2_x0_5", "embeddings")
ON_VECTORS = {"embeddings"}


@pytest.fixture(scope="module", params=NAMES)
def backbone(request, tiny):
    """Return a backbone whose statistics are those of random inputs, in evaluation mode."""
    backbone = build_backbone(_settings(tiny, request.param))
    backbone.fit(iter([_inputs(request.param, 16)]))
    backbone.train()
    with torch.no_grad():
        backbone(_inputs(request.param, 4))
    backbone.eval().name = request.param
    return backbone


def _settings(tiny, name):
    return tiny.replace(
        backbone=BackboneSettings(name=name, weights="none", embedding_dim=DIM),
        embedding_model={"embedding_dim": DIM},
    )


def _inputs(name, n):
    shape = (DIM,) if name in ON_VECTORS else (3, 96, 192)
    return torch.rand(n, *shape, generator=torch.Generator().manual_seed(n))


def test_every_family_is_tested():
    families = {BACKBONES[name] for name in NAMES}
    assert families == set(BACKBONES.values())
    for path in families:
        assert isinstance(resolve_object(path), BackboneFamily)


@torch.inference_mode()
def test_vectors_have_the_length_dim(backbone):
    vectors = backbone(_inputs(backbone.name, 3))
    assert vectors.shape == (3, backbone.dim)
    assert torch.isfinite(vectors).all()
    if backbone.logit_scale:
        torch.testing.assert_close(vectors.norm(dim=1), torch.ones(3))


@torch.inference_mode()
def test_evaluation_mode_is_deterministic(backbone):
    images = _inputs(backbone.name, 3)
    state = {key: value.clone() for key, value in backbone.state_dict().items()}
    assert torch.equal(backbone(images), backbone(images))
    for key, value in backbone.state_dict().items():
        assert torch.equal(value, state[key]), key


@torch.inference_mode()
def test_a_vector_in_evaluation_mode_does_not_depend_on_the_batch(backbone):
    images = _inputs(backbone.name, 18)
    together = backbone(images)
    single = torch.cat([backbone(images[i : i + 1]) for i in (0, 7, 17)])
    torch.testing.assert_close(single, together[[0, 7, 17]], rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_maps_have_map_channels_or_are_refused(backbone):
    images = _inputs(backbone.name, 2)
    if backbone.map_channels:
        maps = backbone.feature_map(images)
        assert maps.shape[:2] == (2, backbone.map_channels)
        assert maps.dim() == 4
    else:
        with pytest.raises(SettingsError):
            backbone.feature_map(images)


@torch.inference_mode()
def test_folding_batch_norm_does_not_change_the_vectors(backbone, tiny):
    copy = build_backbone(_settings(tiny, backbone.name)).eval()
    copy.load_state_dict(backbone.state_dict())
    images = _inputs(backbone.name, 2)
    expected = backbone(images)
    copy.fold_batch_norm()
    scale = float(expected.abs().max())
    torch.testing.assert_close(copy(images), expected, rtol=1e-3, atol=1e-4 * scale)


@pytest.mark.parametrize("name", BACKBONES)
def test_weights_resolve_for_every_name(name):
    settings = BackboneSettings(name=name)
    family = resolve_object(family_path(settings))
    assert resolve_weights(settings) == family.default_weights(settings)
    assert resolve_weights(settings.replace(weights="none")) == "none"
    assert resolve_weights(settings.replace(weights="some.pt")) == "some.pt"
    assert usable_untrained(settings) is family.usable_untrained


@pytest.mark.parametrize("name", ["resnet19", "bird-net", "smal:1", ""])
def test_an_unknown_name_is_refused_with_known_ones(name):
    settings = BackboneSettings(name=name)
    with pytest.raises(
        SettingsError, match=r"^backbone\.name is .*choose 'pair', 'small'"
    ) as error:
        resolve_weights(settings)
    assert any(known in str(error.value) for known in BACKBONES)
