"""Backbones: shapes, seeds, weights, and what is said when they cannot be had."""

import urllib.error

import pytest
import torch
import torchvision
from safetensors.torch import save_file

from darksound.errors import CheckpointError, SettingsError
from darksound.meta.backbones import BACKBONES
from darksound.meta.backbones.build import build_backbone


def test_small_is_about_a_million_weights_and_halves_the_image_four_times(tiny):
    backbone = build_backbone(
        tiny.replace(backbone={"channels": (16, 32, 64, 128), "embedding_dim": 256})
    )
    images = torch.rand(2, 3, 96, 192)
    assert backbone(images).shape == (2, 256)
    assert backbone.feature_map(images).shape == (2, 128, 6, 12)
    assert 300_000 < sum(p.numel() for p in backbone.parameters()) < 1_200_000


def test_smalls_weighted_mean_hears_a_song_alone_however_much_silence_is_around(tiny):
    backbone = build_backbone(tiny.replace(backbone={"embedding_dim": 64})).eval()
    one = torch.zeros(1, 3, 96, 192)
    one[:, :, 30:60, 20:50] = torch.rand(3, 30, 30)
    # The same song twice, and still half of the image is silent.
    two = one + one.roll(96, dims=-1)
    maps = backbone.feature_map(one).shape[1]
    plain, weighted = [], []
    for summary in (backbone.summary(one), backbone.summary(two)):
        _, last = summary.split([summary.shape[1] - 18 * maps, 18 * maps], dim=1)
        mean, _, loud = last.split(6 * maps, dim=1)
        plain.append(mean)
        weighted.append(loud)
    off = [float(((b - a).norm() / a.norm()).detach()) for a, b in (plain, weighted)]
    assert off[1] < 0.1 < off[0]
    assert torch.isfinite(backbone.summary(torch.zeros(1, 3, 96, 192))).all()


def test_untrained_small_spreads_a_batch_to_distances_that_a_softmax_can_use(tiny):
    backbone = build_backbone(tiny.replace(backbone={"embedding_dim": 64})).train()
    vectors = backbone(torch.rand(64, 3, 16, 24))
    distances = torch.cdist(vectors, vectors).square()
    assert 12 < distances.sum() / (64 * 63) < 20


def test_same_seed_same_weights_and_global_randomness_untouched(tiny):
    before = torch.random.get_rng_state()
    one, two, other = (build_backbone(tiny.replace(seed=seed)) for seed in (3, 3, 4))
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(one.stem.weight, two.stem.weight)
    assert not torch.equal(one.stem.weight, other.stem.weight)


@pytest.mark.parametrize(
    ("name", "dim", "channels", "size"),
    [("resnet18", 512, 512, 7), ("alexnet", 256, 256, 6), ("densenet121", 1024, 1024, 7)],
)
def test_torchvision_networks_give_vectors_and_maps(tiny, name, dim, channels, size):
    backbone = build_backbone(tiny.replace(backbone={"name": name})).eval()
    assert (backbone.dim, backbone.map_channels) == (dim, channels)
    images = torch.rand(1, 3, 96, 192)
    with torch.inference_mode():
        assert backbone(images).shape == (1, dim)
        assert backbone.feature_map(images).shape == (1, channels, size, size)


def test_resnet18_is_torchvisions_without_its_last_layer(tiny):
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
def test_crop_is_the_published_resize_and_centre_crop(tiny, size, layout):
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


def test_every_torchvision_classifier_has_a_name_and_an_unknown_one_is_told_of_them(tiny):
    assert {"small", "resnet50", "efficientnet_b0", "convnext_tiny"} <= set(BACKBONES)
    with pytest.raises(SettingsError, match=r"backbone\.name cannot be 'resnet19'.*resnet1"):
        build_backbone(tiny.replace(backbone={"name": "resnet19"}))


def test_weights_that_cannot_be_fetched_are_a_sentence_with_alternatives(tiny, monkeypatch):
    def unreachable(*args, **kwargs):
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", unreachable)
    settings = tiny.replace(backbone={"name": "resnet18", "weights": "imagenet"})
    with pytest.raises(CheckpointError, match=r"resnet18 cannot be fetched.*'none'.*'small'"):
        build_backbone(settings)


def test_small_has_no_imagenet_weights(tiny):
    with pytest.raises(SettingsError, match=r"backbone\.weights cannot be 'imagenet'"):
        build_backbone(tiny.replace(backbone={"weights": "imagenet"}))


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_file_brings_its_weights(tiny, tmp_path, suffix):
    given = build_backbone(tiny.replace(seed=5))
    path = tmp_path / f"weights{suffix}"
    state = {f"backbone.{k}": v for k, v in given.state_dict().items()} | {
        "relation_module.3.bias": torch.zeros(1)
    }
    torch.save(state, path) if suffix == ".pt" else save_file(state, path)
    loaded = build_backbone(tiny.replace(backbone={"weights": str(path)}))
    torch.testing.assert_close(loaded.state_dict(), given.state_dict())


def test_a_file_of_another_network_is_refused(tiny, tmp_path):
    path = tmp_path / "weights.pt"
    torch.save(build_backbone(tiny).state_dict(), path)
    with pytest.raises(CheckpointError, match=r"does not fit: .* is \(4, 3, 5, 5\) in the file"):
        build_backbone(tiny.replace(backbone={"weights": str(path), "channels": (6, 4, 8, 8)}))
    with pytest.raises(CheckpointError, match="There is no weights file"):
        build_backbone(tiny.replace(backbone={"weights": str(tmp_path / "gone.pt")}))
