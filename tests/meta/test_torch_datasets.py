"""Datasets, episode batches and the collate function, driven by real DataLoaders."""

import copy
import pickle
import re
from multiprocessing import get_all_start_methods

import numpy as np
import pytest
import soundfile
import torch
from torch.utils.data import DataLoader
from torchvision.models import ResNet18_Weights

from darksound.audio.front_end import FrontEnd
from darksound.errors import InputError, SettingsError
from darksound.meta import torch_datasets
from darksound.meta.episodes import recording_names
from darksound.meta.torch_datasets import (
    Darksound,
    EpisodeBatchSampler,
    RoiDataset,
    episode_collate,
)
from darksound.rois.roi_set import RoiSet
from darksound.settings import EpisodeSettings, Settings, load_settings
from darksound.sources import load_rois
from darksound.store.cached_store import build_images

RATE = 48_000
EPISODES = EpisodeSettings(n_way=3, n_shot=2, n_query=1)


@pytest.fixture(scope="module")
def settings(tmp_path_factory) -> Settings:
    folder = tmp_path_factory.mktemp("cache")
    return Settings().replace(compute={"cache_dir": folder, "workers": 1})


@pytest.fixture(scope="module")
def dataset(settings) -> RoiDataset:
    return RoiDataset("demo:val", settings)


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """A folder with splits of both published sets."""
    root = tmp_path_factory.mktemp("sets")
    rng = np.random.default_rng(3)
    for folder in (
        "darksound-2023/train/Strigidae/Tawny Owl",
        "darksound-2023/train/Nyctibiidae/Great Potoo",
        "darksound-2024/test/Great Potoo",
        "darksound-2024/test/Little Tinamou",
    ):
        (root / folder).mkdir(parents=True)
        for i in range(2):
            wave = rng.normal(scale=0.1, size=RATE)
            soundfile.write(root / folder / f"{i}.wav", wave, RATE)
    # Longer than twice the ROI length, and still one clip.
    wave = rng.normal(scale=0.1, size=7 * RATE)
    soundfile.write(root / "darksound-2023/train/Strigidae/Tawny Owl/long.wav", wave, RATE)
    return root


def published_settings(preset, sets, settings):
    compute = {**settings.compute.model_dump(), "data_dir": sets}
    return load_settings(preset).replace(compute=compute)


def labels_of(rois: RoiSet) -> list[str]:
    assert rois.labels is not None
    return rois.labels.tolist()


def test_items_are_the_images_of_the_store_and_the_indices_of_the_labels(dataset, settings):
    images = build_images(load_rois("demo:val"), settings)
    labels = labels_of(load_rois("demo:val"))
    assert len(dataset) == len(dataset.labels) == 120
    assert dataset.classes == sorted(set(labels))
    assert dataset.class_to_idx == {name: i for i, name in enumerate(dataset.classes)}
    assert [dataset.classes[k] for k in dataset.labels] == labels
    for row in (0, 57, 119, -1, np.int64(3), torch.tensor(4)):
        image, label = dataset[row]
        assert torch.equal(image, images.batch([int(row) % 120])[0])
        assert label == dataset.labels[row]
        assert isinstance(label, int)
    assert (image.dtype, image.shape) == (torch.float32, (3, 112, 192))
    assert 0 <= image.min() < image.max() <= 1
    assert len(list(dataset)) == 120
    for index in (120, -121):
        with pytest.raises(IndexError):
            dataset[index]
    with pytest.raises(TypeError):
        dataset[0:2]


def test_transforms_get_the_tensor_and_the_index(settings):
    weights = ResNet18_Weights.IMAGENET1K_V1.transforms()
    plain = RoiDataset("demo:val", settings)
    changed = RoiDataset(plain.rois, settings, weights, lambda label: plain.classes[label])
    image, label = changed[7]
    assert torch.equal(image, weights(plain[7][0]))
    assert (image.shape, label) == ((3, 224, 224), labels_of(plain.rois)[7])
    assert changed.labels == plain.labels


@pytest.mark.parametrize("context", sorted({"fork", "spawn"} & {*get_all_start_methods()}))
def test_workers_give_the_same_bytes_in_the_same_order(dataset, context):
    def batches(**workers):
        generator = torch.Generator().manual_seed(5)
        return list(
            DataLoader(dataset, batch_size=16, shuffle=True, generator=generator, **workers)
        )

    expected = batches()
    given = batches(num_workers=2, multiprocessing_context=context)
    assert len(given) == len(expected) == 8
    for (images, labels), (expected_images, expected_labels) in zip(given, expected, strict=True):
        assert torch.equal(images, expected_images)
        assert torch.equal(labels, expected_labels)


def test_a_pickled_dataset_is_small_and_equal(dataset):
    content = pickle.dumps(dataset)
    # The images are in the cache and not in the pickle.
    assert len(content) < 100_000
    again = pickle.loads(content)
    assert torch.equal(again[11][0], dataset[11][0])
    assert (again.labels, again.classes) == (dataset.labels, dataset.classes)


def test_rois_without_labels_and_unreadable_ones(settings, tmp_path):
    rng = np.random.default_rng(1)
    for name in ("b/0.wav", "a/0.wav", "0.wav"):
        path = tmp_path / "clips" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, rng.normal(scale=0.1, size=RATE), RATE)
    rois = load_rois(tmp_path / "clips")
    (tmp_path / "clips" / "a" / "0.wav").write_bytes(b"no sound")
    dataset = RoiDataset(rois, settings)
    assert (dataset.classes, dataset.labels) == (["b"], [-1, 0])
    assert len(dataset.rois.problems) == 1
    unlabelled = RoiDataset(tmp_path / "clips" / "0.wav", settings)
    assert (unlabelled.classes, unlabelled.labels) == ([], [-1])
    with pytest.raises(InputError, match="at least 2 must"):
        EpisodeBatchSampler(dataset, n_shot=1, n_query=1)


def test_a_second_dataset_with_the_settings_of_the_first_has_the_same_front_end(dataset, tmp_path):
    soundfile.write(tmp_path / "short.wav", np.random.default_rng(1).normal(size=4800), RATE)
    other = RoiDataset(tmp_path, dataset.settings)
    assert other.settings.audio.roi_s == dataset.settings.audio.roi_s


@pytest.mark.parametrize(
    ("name", "split", "preset", "classes", "labels"),
    [
        (
            "darksound-2023",
            "train",
            "thesis-2023",
            ["Great Potoo", "Tawny Owl"],
            [0, 0, 1, 1, 1],
        ),
        (
            "darksound-2024",
            "test",
            "paper-2024",
            ["Great Potoo", "Little Tinamou"],
            [0, 0, 1, 1],
        ),
    ],
)
def test_published_sets_have_the_images_of_their_publication(
    sets, settings, monkeypatch, name, split, preset, classes, labels
):
    own = published_settings(preset, sets, settings)
    # Without settings the preset is loaded; here it has the folders of the test.
    monkeypatch.setattr(
        torch_datasets,
        "load_settings",
        lambda preset: published_settings(preset, sets, settings),
    )
    dataset = Darksound(split, name=name)
    assert (dataset.classes, dataset.labels) == (classes, labels)
    assert (dataset.name, dataset.split) == (name, split)
    assert dataset.settings.front_end == own.front_end
    recording = dataset.rois.table["recording"][0]
    wave, rate = soundfile.read(sets / name / recording, dtype="float32")
    expected = FrontEnd(own.audio, own.front_end, rate)([wave])[0]
    # Images are cached in 8 bits.
    assert (dataset[0][0] - expected).abs().max() <= 0.5 / 255 + 1e-6
    changed = Darksound(split, name=name, settings=own.replace(front_end={"n_bands": 64}))
    assert changed[0][0].shape == (3, 64, 282)


def test_a_missing_split_is_an_error_that_names_the_ways_to_get_it(sets, settings):
    own = published_settings("thesis-2023", sets, settings)
    message = re.escape(
        f"darksound-2023:test is not on disk (searched in {sets / 'darksound-2023' / 'test'}). "
        "Pass download=True, or run `darksound download darksound-2023:test`; if it is in another "
        "folder, pass settings with compute.data_dir. darksound.RoiDataset('demo:train') needs no "
        "download."
    )
    with pytest.raises(InputError, match=f"^{message}$"):
        Darksound("test", settings=own)
    for split, name in (("val", "darksound-2024"), ("train", "darksound-1999")):
        with pytest.raises(InputError, match="There is no published set"):
            Darksound(split, name=name, settings=own)


def test_download_installs_the_split_first(sets, settings, monkeypatch, tmp_path):
    own = published_settings("thesis-2023", tmp_path, settings)
    requested = []

    def install(*what, settings):
        requested.append((what, settings))
        (tmp_path / "darksound-2023").mkdir()
        source = sets / "darksound-2023" / "train"
        (tmp_path / "darksound-2023" / "train").symlink_to(source, target_is_directory=True)

    monkeypatch.setattr(torch_datasets, "download_sets", install)
    assert len(Darksound("train", download=True, settings=own)) == 5
    assert requested == [(("darksound-2023:train",), own)]


def test_a_transform_in_the_place_of_settings_is_an_error(sets):
    weights = ResNet18_Weights.IMAGENET1K_V1.transforms()
    for call in (
        lambda: RoiDataset("demo:val", weights),
        lambda: Darksound(settings=weights),
    ):
        with pytest.raises(InputError, match="pass a transform by its name"):
            call()


def episode_loader(dataset, sampler, workers=0):
    return DataLoader(
        dataset, batch_sampler=sampler, collate_fn=episode_collate, num_workers=workers
    )


def test_episodes_of_a_loader_are_those_of_the_dataset(dataset):
    sampler = EpisodeBatchSampler(dataset, EPISODES, n_episodes=6, seed=4)
    rows = list(sampler)
    assert len(rows) == len(sampler) == len(episode_loader(dataset, sampler)) == 6
    recordings = recording_names(dataset.rois)
    for batch, items in zip(episode_loader(dataset, sampler), rows, strict=True):
        support, support_labels, query, query_labels, class_ids = batch
        assert torch.equal(torch.cat([support, query]), torch.stack([dataset[i][0] for i in items]))
        assert support_labels.tolist() == [0, 0, 1, 1, 2, 2]
        assert query_labels.tolist() == [0, 1, 2]
        assert len(set(class_ids)) == 3
        labels = [class_ids[k] for k in (*support_labels, *query_labels)]
        assert labels == [dataset.labels[i] for i in items]
        assert not set(recordings[items[:6]]) & set(recordings[items[6:]])


def test_two_workers_give_the_same_episodes(dataset):
    sampler = EpisodeBatchSampler(dataset, EPISODES, n_episodes=8, seed=4)
    for epoch in (0, 1):
        sampler.set_epoch(epoch)
        expected = list(episode_loader(dataset, sampler))
        given = list(episode_loader(dataset, sampler, workers=2))
        for batch, expected_batch in zip(given, expected, strict=True):
            assert all(map(torch.equal, batch[:4], expected_batch[:4]))
            assert batch[4] == expected_batch[4]


def test_episodes_depend_on_seed_and_epoch_alone(dataset):
    sampler, again = (EpisodeBatchSampler(dataset, EPISODES, n_episodes=5, seed=1) for _ in "ab")
    first = list(sampler)
    assert list(sampler) == list(again) == first
    sampler.set_epoch(1)
    assert list(sampler) != first
    sampler.set_epoch(0)
    assert list(sampler) == first
    assert list(EpisodeBatchSampler(dataset, EPISODES, n_episodes=5, seed=2)) != first
    assert list(pickle.loads(pickle.dumps(sampler))) == first
    # A longer epoch begins with the same episodes.
    assert list(EpisodeBatchSampler(dataset, EPISODES, n_episodes=9, seed=1))[:5] == first


def test_sizes_come_from_the_settings_unless_they_are_given(dataset):
    episodes = Settings().replace(episodes={"n_way": 4, "n_shot": 3, "n_query": 2}).episodes
    assert {len(rows) for rows in EpisodeBatchSampler(dataset, episodes)} == {4 * 5}
    assert {len(rows) for rows in EpisodeBatchSampler(dataset, episodes, n_shot=1)} == {4 * 3}
    with pytest.raises(InputError, match="the section `episodes`"):
        EpisodeBatchSampler(dataset, Settings())  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="n_way cannot be 1"):
        EpisodeBatchSampler(dataset, n_way=1)


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_labels_of_another_dataset_may_be_given(kind):
    values = [3, 3, 3, -1, 5, 5, 5, 8, 8, -1, 8]
    labels = kind(values)
    sampler = EpisodeBatchSampler(labels, n_way=2, n_shot=2, n_query=1, n_episodes=30)
    for rows in sampler:
        given = [values[row] for row in rows]
        assert -1 not in given
        assert given[0] == given[1] == given[4] != given[2] == given[3] == given[5]


def test_labels_may_be_names_and_recordings_are_kept_apart():
    labels = ["owl"] * 4 + ["potoo"] * 4 + [None]
    recordings = ["a", "a", "b", "b", "c", "c", "d", "d", "e"]
    sampler = EpisodeBatchSampler(
        labels, n_way=2, n_shot=2, n_query=2, n_episodes=20, recordings=recordings
    )
    for rows in sampler:
        support, query = ({recordings[row] for row in part} for part in (rows[:4], rows[4:]))
        assert not support & query
    with pytest.raises(InputError, match="a list of labels, not of type int"):
        EpisodeBatchSampler(3)


@pytest.mark.parametrize("labels", [[], [0, 0, 0], [0, 1], [0, 0, 1, 1], [0, 1, 1, 0], [0, 1, 0]])
def test_other_batches_are_not_collated(labels):
    batch = [(torch.zeros(3, 4, 4), label) for label in labels]
    with pytest.raises(InputError, match=r"pass darksound\.EpisodeBatchSampler as batch_sampler"):
        episode_collate(batch)


@pytest.mark.parametrize("convert", [int, str, torch.tensor, np.int64])
def test_labels_of_any_kind_are_collated(convert):
    labels = [4, 4, 2, 2, 9, 9, 4, 2, 9]
    images = torch.rand(9, 3, 4, 4)
    batch = [(image, convert(label)) for image, label in zip(images, labels, strict=True)]
    support, support_labels, query, query_labels, class_ids = episode_collate(batch)
    assert torch.equal(support, images[:6])
    assert torch.equal(query, images[6:])
    assert support_labels.tolist() == [0, 0, 1, 1, 2, 2]
    assert query_labels.tolist() == [0, 1, 2]
    assert [int(k) for k in class_ids] == [4, 2, 9]


def test_a_network_of_the_user_learns_on_the_batches(dataset):
    """A linear map on pooled images, trained as in `docs/pytorch.md`."""
    sampler = EpisodeBatchSampler(dataset, n_way=5, n_shot=2, n_query=2, n_episodes=40, seed=3)
    torch.manual_seed(1)
    net = torch.nn.Sequential(
        torch.nn.AdaptiveAvgPool2d((24, 8)), torch.nn.Flatten(), torch.nn.Linear(576, 16)
    )
    untrained = copy.deepcopy(net)

    def loss_of(net, batch):
        support, support_labels, query, query_labels, _ = batch
        features = net(support)
        means = torch.stack([features[support_labels == k].mean(0) for k in range(5)])
        scores = -torch.cdist(net(query), means).square()
        return torch.nn.functional.cross_entropy(scores, query_labels)

    optimizer = torch.optim.Adam(net.parameters(), lr=1e-2)
    for batch in episode_loader(dataset, sampler, workers=2):
        optimizer.zero_grad()
        loss_of(net, batch).backward()
        optimizer.step()
    sampler.set_epoch(1)
    with torch.inference_mode():
        losses = torch.tensor(
            [[loss_of(n, b) for n in (net, untrained)] for b in episode_loader(dataset, sampler)]
        )
    trained, before = losses.mean(0)
    assert trained < 0.7 * before
