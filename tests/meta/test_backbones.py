"""Backbones: shapes, seeds, weights, and errors where weights are missing."""

import urllib.error

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from darksound.errors import CheckpointError, SettingsError
from darksound.meta.backbones import BACKBONES
from darksound.meta.backbones.build import build_backbone
from darksound.settings import BackboneSettings


def test_the_small_cnn_has_about_a_million_weights_and_halves_the_image_four_times(tiny):
    size = {"channels": (16, 32, 64, 128), "embedding_dim": 256}
    backbone = build_backbone(tiny.replace(backbone=size))
    images = torch.rand(2, 3, 96, 192)
    assert backbone(images).shape == (2, 256)
    assert backbone.feature_map(images).shape == (2, 128, 6, 12)
    assert 300_000 < sum(p.numel() for p in backbone.parameters()) < 1_200_000


def test_the_weighted_mean_of_the_small_cnn_does_not_depend_on_silence(tiny):
    backbone = build_backbone(tiny.replace(backbone={"embedding_dim": 64})).eval()
    once = torch.zeros(1, 3, 96, 192)
    once[:, :, 30:60, 20:50] = torch.rand(3, 30, 30)
    # The same song twice; still half of the image is silent.
    twice = once + once.roll(96, dims=-1)
    n_maps = backbone.feature_map(once).shape[1]
    plain, weighted = [], []
    for features in (backbone.pooled_features(once), backbone.pooled_features(twice)):
        _, last = features.split([features.shape[1] - 18 * n_maps, 18 * n_maps], dim=1)
        mean, _, weighted_mean = last.split(6 * n_maps, dim=1)
        plain.append(mean)
        weighted.append(weighted_mean)
    change = [float(((b - a).norm() / a.norm()).detach()) for a, b in (plain, weighted)]
    assert change[1] < 0.1 < change[0]
    assert torch.isfinite(backbone.pooled_features(torch.zeros(1, 3, 96, 192))).all()


def test_distances_of_the_untrained_small_cnn_suit_a_softmax(tiny):
    backbone = build_backbone(tiny.replace(backbone={"embedding_dim": 64})).train()
    vectors = backbone(torch.rand(64, 3, 16, 24))
    distances = torch.cdist(vectors, vectors).square()
    assert 12 < distances.sum() / (64 * 63) < 20


def test_the_seed_determines_the_weights_and_global_generators_are_unchanged(tiny):
    before = torch.random.get_rng_state()
    first, second, other = (build_backbone(tiny.replace(seed=seed)) for seed in (3, 3, 4))
    assert torch.equal(before, torch.random.get_rng_state())
    weights = [net.get_parameter("stem.weight") for net in (first, second, other)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


@pytest.mark.parametrize(
    ("name", "dim", "channels", "size"),
    [("resnet18", 512, 512, 7), ("alexnet", 256, 256, 6), ("densenet121", 1024, 1024, 7)],
)
def test_torchvision_networks_return_vectors_and_maps(tiny, name, dim, channels, size):
    backbone = build_backbone(tiny.replace(backbone={"name": name})).eval()
    assert (backbone.dim, backbone.map_channels) == (dim, channels)
    images = torch.rand(1, 3, 96, 192)
    with torch.inference_mode():
        assert backbone(images).shape == (1, dim)
        assert backbone.feature_map(images).shape == (1, channels, size, size)


def test_resnet18_equals_torchvisions_without_its_last_layer(tiny):
    backbone = build_backbone(tiny.replace(backbone={"name": "resnet18"})).eval()
    whole = torchvision.models.resnet18()
    body = {k.removeprefix("net."): v for k, v in backbone.state_dict().items()}
    whole.load_state_dict(body, strict=False)
    whole.fc = torch.nn.Identity()
    maps = []
    whole.layer4[0].conv2.register_forward_hook(lambda m, i, out: maps.append(out.clone()))
    images = torch.rand(2, 3, 224, 224)
    with torch.inference_mode():
        expected = whole.eval()(backbone.prepare(images))
        torch.testing.assert_close(backbone(images), expected)
        torch.testing.assert_close(backbone.feature_map(images), maps[0])


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("size", [(128, 282), (256, 282), (300, 260), (97, 200), (230, 224)])
def test_crop_equals_the_published_resize_and_centre_crop(tiny, size, layout):
    settings = tiny.replace(backbone={"name": "alexnet"}, front_end={"fit": "crop"})
    images = torch.rand(2, 3, *size).contiguous(memory_format=layout)
    published = torchvision.transforms.Compose(
        [
            torchvision.transforms.Resize(256, antialias=True),
            torchvision.transforms.CenterCrop(224),
            torchvision.transforms.Normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
        ]
    )
    backbone = build_backbone(settings)
    with torch.autocast("cpu", torch.bfloat16):
        prepared = backbone.prepare(images)
    torch.testing.assert_close(prepared, published(images), atol=1e-5, rtol=1e-5)


def test_every_torchvision_classifier_is_registered():
    classifiers = torchvision.models.list_models(module=torchvision.models)
    assert set(classifiers) <= set(BACKBONES)


def test_sizes_without_effect_are_a_warning(tiny, caplog):
    assert tiny.backbone.channels != BackboneSettings().channels
    build_backbone(tiny)
    assert "no effect" not in caplog.text
    build_backbone(tiny.replace(backbone={"name": "resnet18", "weights": "none"}))
    assert "backbone.channels" in caplog.text
    assert "no effect on the backbone 'resnet18'" in caplog.text


def test_an_unknown_backbone_is_refused_with_similar_names(tiny):
    with pytest.raises(SettingsError, match=r"backbone\.name is 'resnet19'.*resnet1"):
        build_backbone(tiny.replace(backbone={"name": "resnet19"}))


def test_weights_that_cannot_be_downloaded_are_an_error_with_alternatives(tiny, monkeypatch):
    def unreachable(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", unreachable)
    settings = tiny.replace(backbone={"name": "resnet18", "weights": "imagenet"})
    with pytest.raises(CheckpointError, match=r"resnet18 cannot be downloaded.*'none'.*'small'"):
        build_backbone(settings)


def test_the_small_cnn_has_no_imagenet_weights(tiny):
    with pytest.raises(SettingsError, match=r"backbone\.weights is 'imagenet'"):
        build_backbone(tiny.replace(backbone={"weights": "imagenet"}))


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_weights_are_loaded_from_a_file(tiny, tmp_path, suffix):
    source = build_backbone(tiny.replace(seed=5))
    path = tmp_path / f"weights{suffix}"
    state = {f"backbone.{k}": v for k, v in source.state_dict().items()} | {
        "relation_module.3.bias": torch.zeros(1)
    }
    torch.save(state, path) if suffix == ".pt" else save_file(state, path)
    loaded = build_backbone(tiny.replace(backbone={"weights": str(path)}))
    torch.testing.assert_close(loaded.state_dict(), source.state_dict())


def test_a_file_of_another_network_is_refused(tiny, tmp_path):
    path = tmp_path / "weights.pt"
    torch.save(build_backbone(tiny).state_dict(), path)
    with pytest.raises(CheckpointError, match=r"does not fit: .* is \(4, 3, 5, 5\) in the file"):
        build_backbone(tiny.replace(backbone={"weights": str(path), "channels": (6, 4, 8, 8)}))
    with pytest.raises(CheckpointError, match="There is no weights file"):
        build_backbone(tiny.replace(backbone={"weights": str(tmp_path / "gone.pt")}))
