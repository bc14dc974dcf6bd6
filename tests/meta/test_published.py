"""State dicts in the format of the reference code, made from torchvision and easyfsl."""

import logging
import os
import pickle

import easyfsl.methods
import pytest
import torch
import torchvision
from torch import nn
from torchvision.models.feature_extraction import create_feature_extractor

from darksound.errors import CheckpointError
from darksound.meta.checkpoints import load_checkpoint
from darksound.meta.learners.build import build_learner
from darksound.meta.published import load_published
from darksound.settings import load_settings

LABELS = torch.tensor([0, 0, 1, 1])
RENAMED = {
    "support_features_encoder": "support_embeddings_encoder",
    "query_features_encoding_cell": "query_embeddings_encoding_cell",
}


@pytest.fixture
def thesis():
    return load_settings("thesis-2023")


@pytest.fixture(scope="module")
def resnet():
    with torch.random.fork_rng():
        torch.manual_seed(11)
        network = torchvision.models.resnet18(num_classes=17)
    return network


def without_classifier(network):
    for head in ("fc", "classifier"):
        if hasattr(network, head):
            setattr(network, head, nn.Identity())
    return network


def published(path, learner):
    """Saved as the reference code names its parts."""
    state = {}
    for key, value in learner.state_dict().items():
        part, _, rest = key.partition(".")
        state[f"{RENAMED.get(part, part)}.{rest}"] = value
    torch.save(state, path)
    return path


@torch.inference_mode()
def scores(learner, images):
    features = learner.features(images)
    return learner.score(learner.adapt(features[:4], LABELS, 2), features[4:])


@torch.inference_mode()
def oracle_scores(oracle, images):
    oracle.eval()
    oracle.process_support_set(images[:4], LABELS)
    return oracle(images[4:])


@pytest.mark.parametrize("renamed", [True, False])
def test_matching_on_resnet18_equals_easyfsl(resnet, thesis, tmp_path, renamed):
    oracle = easyfsl.methods.MatchingNetworks(without_classifier(resnet), feature_dimension=512)
    path = tmp_path / "matching.pt"
    if renamed:
        published(path, oracle)
    else:
        torch.save(oracle.state_dict(), path)
    learner = load_published(path, thesis)
    assert learner.method == "matching"
    images = torch.rand(6, 3, 128, 282)
    expected = oracle_scores(oracle, learner.backbone.prepare(images))
    torch.testing.assert_close(scores(learner, images), expected, rtol=1e-4, atol=1e-4)


def relation_oracle(network, layer, channels=512):
    """A relation network of easyfsl on the maps of a layer, without the layers after it."""
    body = create_feature_extractor(network, [layer])

    class Maps(nn.Module):
        def __init__(self):
            super().__init__()
            self.body = body

        def forward(self, images):
            return self.body(images)[layer]

    return easyfsl.methods.RelationNetworks(Maps(), feature_dimension=channels)


def save_relation(oracle, path):
    state = {k.replace("backbone.body.", "backbone."): v for k, v in oracle.state_dict().items()}
    torch.save(state, path)
    return state


@pytest.mark.parametrize("preset", ["thesis-2023", "paper-2024"])
@pytest.mark.parametrize("layer", ["layer4.0.conv2", "layer4.1.bn2"])
def test_the_layer_of_relation_is_read_from_the_keys(resnet, tmp_path, caplog, preset, layer):
    oracle = relation_oracle(resnet, layer)
    path = tmp_path / "relation.pt"
    state = save_relation(oracle, path)
    assert ("backbone.layer4.1.bn2.weight" in state) == (layer == "layer4.1.bn2")
    with caplog.at_level(logging.INFO):
        learner = load_published(path, load_settings(preset))
    assert f"Relation compares the maps of {layer}." in caplog.messages
    assert (learner.method, learner.settings.learner.relation_layer) == ("relation", layer)
    assert learner.backbone.map_layer == layer
    images = torch.rand(6, 3, 128, 282)
    expected = oracle_scores(oracle, learner.backbone.prepare(images))
    torch.testing.assert_close(scores(learner, images), expected, rtol=1e-4, atol=1e-4)


def test_another_layer_gives_other_scores(resnet, thesis, tmp_path):
    with torch.random.fork_rng():
        torch.manual_seed(12)
        oracle = relation_oracle(resnet, "layer4.1.bn2")
        images = torch.rand(6, 3, 128, 282)
    path = tmp_path / "relation.pt"
    save_relation(oracle, path)
    learner = load_published(path, thesis)
    other_settings = learner.settings.replace(learner={"relation_layer": "layer4.0.conv2"})
    other = build_learner(other_settings).eval()
    other.load_state_dict(learner.state_dict())
    right, wrong = scores(learner, images), scores(other, images)
    assert (wrong - right).abs().min() > right.max() - right.min()


def test_channels_select_the_layer_of_a_complete_network(resnet, thesis, tmp_path):
    """A file with the layers after the maps too, as a wrapper of the whole network saves it."""
    oracle = relation_oracle(resnet, "layer3.1.bn2", channels=256)
    state = {k: v for k, v in oracle.state_dict().items() if not k.startswith("backbone.")}
    network = without_classifier(resnet).state_dict()
    state |= {f"backbone.{key}": value for key, value in network.items()}
    path = tmp_path / "relation.pt"
    torch.save(state, path)
    learner = load_published(path, thesis)
    assert learner.backbone.map_layer == "layer3.1.bn2"
    images = torch.rand(6, 3, 128, 282)
    expected = oracle_scores(oracle, learner.backbone.prepare(images))
    torch.testing.assert_close(scores(learner, images), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("name", "channels", "layer"),
    [
        ("vgg16", 512, "features.30"),
        ("alexnet", 256, "features.12"),
        ("densenet121", 1024, "features.norm5"),
    ],
)
def test_other_backbones_compare_their_published_layer(thesis, tmp_path, name, channels, layer):
    settings = thesis.replace(
        backbone={"name": name, "weights": "none"},
        learner={"method": "relation", "relation_layer": "auto"},
    )
    learner = build_learner(settings)
    state = {k.replace("backbone.net.", "backbone."): v for k, v in learner.state_dict().items()}
    path = tmp_path / "relation.pt"
    torch.save(state, path)
    loaded = load_published(path, thesis)
    assert (loaded.backbone.map_layer, loaded.backbone.map_channels) == (layer, channels)


@pytest.mark.parametrize("name", ["vgg16", "densenet121", "alexnet"])
def test_other_backbones_are_identified_by_their_keys(thesis, tmp_path, name):
    with torch.device("meta"):
        network = without_classifier(torchvision.models.get_model(name))
    state = {
        f"backbone.{k}": torch.zeros(v.shape, dtype=v.dtype)
        for k, v in network.state_dict().items()
    }
    path = tmp_path / "prototypical.pt"
    torch.save(state, path)
    learner = load_published(path, thesis)
    assert (learner.method, learner.settings.backbone.name) == ("prototypical", name)
    assert next(learner.backbone.parameters()).abs().max() == 0
    assert learner.settings.front_end == thesis.front_end


def test_the_classifier_of_a_torchvision_state_dict_is_ignored(thesis, tmp_path):
    network = torchvision.models.resnet18(num_classes=290).eval()
    path = tmp_path / "classical.pth"
    torch.save(network.state_dict(), path)
    learner = load_checkpoint(path, thesis)
    assert learner.method == "prototypical"
    images = torch.rand(1, 3, 128, 282)
    with torch.inference_mode():
        logits = network.fc(learner.embed(images))
        torch.testing.assert_close(logits, network(learner.backbone.prepare(images)))


@pytest.mark.parametrize(
    ("name", "preset", "expected"),
    [
        ("matching-networks-20way-5shot-classical.pt", "default", "matching"),
        ("relation-networks-5way-1shot-classical.pt", "thesis-2023", "relation"),
        ("classical.pt", "thesis-2023", "matching"),
        ("prototypical-networks-20way-5shot-classical.pt", "thesis-2023", None),
        ("classical.pt", "paper-2024", None),
    ],
)
def test_a_classical_file_of_another_learner_is_a_warning(
    resnet, tmp_path, caplog, name, preset, expected
):
    path = tmp_path / name
    torch.save(resnet.state_dict(), path)
    assert load_published(path, load_settings(preset)).method == "prototypical"
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    if expected is None:
        assert warnings == []
    else:
        assert warnings == [
            f"{path} has the weights of a backbone and none of the learner {expected!r}, as the "
            "classical regime saves them, so it is loaded as 'prototypical'."
        ]


def test_a_prototypical_file_of_the_episodic_regime_is_no_warning(resnet, thesis, tmp_path, caplog):
    path = tmp_path / "episodic.pt"
    oracle = easyfsl.methods.PrototypicalNetworks(without_classifier(resnet))
    torch.save(oracle.state_dict(), path)
    settings = thesis.replace(learner={"freeze_backbone": True})
    learner = load_published(path, settings)
    assert (learner.method, learner.settings.learner.freeze_backbone) == ("prototypical", False)
    assert not [record for record in caplog.records if record.levelname == "WARNING"]


class Malice:
    def __reduce__(self):
        return os.mkdir, ("made-by-a-pickle",)


@pytest.mark.parametrize("how", ["torch", "pickle", "module"])
def test_a_pickle_with_code_is_refused_without_running_it(thesis, tmp_path, monkeypatch, how):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "malice.pt"
    if how == "torch":
        torch.save({"backbone.conv1.weight": torch.zeros(1), "x": Malice()}, path)
    elif how == "pickle":
        path.write_bytes(pickle.dumps(Malice(), protocol=2))
    else:
        torch.save(nn.Linear(2, 2), path)
    with pytest.raises(CheckpointError, match=r"malice\.pt contains code"):
        load_published(path, thesis)
    assert not (tmp_path / "made-by-a-pickle").exists()


@pytest.mark.parametrize(
    "content", [b"", b"some text", b"\x80\x02garbage", b"PK\x03\x04 and then nothing"]
)
def test_other_files_are_a_checkpoint_error(thesis, tmp_path, content):
    path = tmp_path / "broken.pt"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"broken\.pt is damaged or not a weights file"):
        load_published(path, thesis)


def test_the_message_names_what_a_file_contains_instead(resnet, thesis, tmp_path):
    path = tmp_path / "other.pt"
    for content, message in (
        ([1, 2], "contains no state dict"),
        ({"epoch": 3}, "contains other objects than tensors"),
        ({"conv.weight": torch.zeros(2)}, "not of a published backbone"),
    ):
        torch.save(content, path)
        with pytest.raises(CheckpointError, match=message):
            load_published(path, thesis)
    oracle = easyfsl.methods.MatchingNetworks(without_classifier(resnet), feature_dimension=512)
    state = oracle.state_dict()
    del state["support_features_encoder.bias_hh_l0"], state["backbone.layer2.0.conv1.weight"]
    torch.save(state, path)
    with pytest.raises(CheckpointError, match=r"it lacks backbone\.net\.layer2\.0\.conv1\.weight"):
        load_published(path, thesis)
