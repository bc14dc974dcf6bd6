"""Pretraining: composition of batches, training, and resuming."""

import copy

import numpy as np
import pytest
import torch

from darksound.errors import SettingsError
from darksound.meta.pretraining.batches import PairBatches, _draw_species, _draw_two_songs, _place
from darksound.meta.pretraining.pretrainer import Pretrainer, PretrainReport
from darksound.settings import Settings
from darksound.synthesis.song_library import SongLibrary, SongPlan, build_library


@pytest.fixture(scope="module")
def settings() -> Settings:
    return Settings().replace(
        backbone={
            "name": "small",
            "channels": (4, 8, 8, 16),
            "embedding_dim": 32,
            "weights": "none",
        },
        pretraining={
            "species": 16,
            "individuals": 2,
            "songs": 1,
            "windows_s": (3.0, 0.5),
            "window_shares": (2.0, 1.0),
            "batch_species": 8,
            "steps": 60,
            "learning_rate": 0.01,
        },
        compute={"device": "cpu", "precision": "float32", "workers": 1},
    )


@pytest.fixture(scope="module")
def libraries(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> list[SongLibrary]:
    folder = tmp_path_factory.mktemp("songs")
    sizes = settings.pretraining
    plans = [
        SongPlan(1, sizes.species, sizes.individuals, sizes.songs, window_s)
        for window_s in sizes.windows_s
    ]
    return [build_library(plan, settings, folder) for plan in plans]


def test_a_batch_is_determined_by_seed_and_number(
    libraries: list[SongLibrary], settings: Settings
) -> None:
    batches = PairBatches(libraries, settings)
    first, other = batches(0), batches(1)
    assert first.shape == (2, 8, 3, 112, 192)
    # A second call starts from the same state of the generators as a new object.
    assert torch.equal(first, batches(0))
    assert torch.equal(first, PairBatches(libraries, settings)(0))
    assert not torch.equal(first, other)
    assert not torch.equal(first, PairBatches(libraries, settings.replace(seed=2))(0))


def test_two_recordings_of_a_species_are_of_two_individuals(libraries: list[SongLibrary]) -> None:
    plan = libraries[0].plan
    rng = np.random.default_rng(0)
    for species in range(plan.species):
        songs = _draw_two_songs(libraries[0], species, rng)
        assert (songs // plan.songs_per_species).tolist() == [species, species]
        assert len(set((songs // plan.songs).tolist())) == 2


def test_species_of_a_batch_differ_and_many_are_pairs_of_similar_ones() -> None:
    shares = []
    for seed in range(50):
        drawn = _draw_species(601, 96, np.random.default_rng(seed))
        assert len(set(drawn.tolist())) == 96
        assert drawn.max() < 601
        families = np.bincount(drawn // 2)
        shares.append(2 * (families == 2).sum() / 96)
    assert 0.55 < np.mean(shares) < 0.78


def test_songs_are_mostly_inside_their_spans() -> None:
    lengths = np.array([1, 5, 60, 190, 192, 193, 320] * 50)
    for seed in range(20):
        placed = _place(lengths, 192, np.random.default_rng(seed))
        first, stop = placed.spans.T
        assert ((first >= 0) & (stop <= 192) & (stop > first)).all()
        start, end = np.maximum(placed.offsets, first), np.minimum(placed.offsets + lengths, stop)
        inside = (end - start) / np.minimum(lengths, 192)
        assert inside.min() >= 0.75 - 1e-9
        framed = stop - first < 192
        assert (inside[framed] == 1).all()
        assert (np.abs(first + stop - 192) <= 1).all()


def test_the_loss_falls_and_resuming_gives_the_same_weights(
    libraries: list[SongLibrary], settings: Settings
) -> None:
    reports: list[PretrainReport] = []
    states = {}
    uninterrupted = Pretrainer(libraries, settings)

    def on_report(report: PretrainReport) -> None:
        reports.append(report)
        states[report.step] = copy.deepcopy(uninterrupted.state_dict())

    uninterrupted.run(report_every=20, on_report=on_report)
    assert [report.step for report in reports] == [20, 40, 60]
    assert reports[-1].loss < 0.9 * reports[0].loss
    assert reports[-1].learning_rate < 0.01 * settings.pretraining.learning_rate + 1e-4

    resumed = Pretrainer(libraries, settings)
    resumed.load_state_dict(states[20])
    resumed.run()
    for expected, actual in zip(
        uninterrupted.backbone.state_dict().values(),
        resumed.backbone.state_dict().values(),
        strict=True,
    ):
        assert torch.equal(expected, actual)


def test_too_few_samples_or_features_are_refused_before_training(
    libraries: list[SongLibrary], settings: Settings
) -> None:
    few = settings.replace(pretraining={"embedding_fit_batches": 1})
    with pytest.raises(
        SettingsError, match=r"dim is 32, but the embedding is fitted to 16 samples .* raise"
    ):
        Pretrainer(libraries, few)
    with pytest.raises(SettingsError, match=r"of 432 features that vary"):
        Pretrainer(libraries, settings.replace(backbone={"embedding_dim": 433}))
    Pretrainer(libraries, few.replace(pretraining={"embedding_fit_batches": 0}))
