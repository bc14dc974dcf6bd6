"""The loop of pretraining: who meets in a batch, that it learns, and going on after a stop."""

import copy

import numpy as np
import pytest
import torch

from darksound.errors import SettingsError
from darksound.meta.pretraining.batches import PairBatches, _draw_species, _place, _draw_two_songs
from darksound.meta.pretraining.pretrainer import Pretrainer, PretrainReport
from darksound.settings import Settings
from darksound.synthesis.song_library import SongLibrary, SongPlan, build_library


@pytest.fixture(scope="module")
def settings() -> Settings:
    return Settings().replace(
        backbone={"channels": (4, 8, 8, 16), "embedding_dim": 32, "weights": "none"},
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
    own = settings.pretraining
    plans = [SongPlan(1, own.species, own.individuals, own.songs, w) for w in own.windows_s]
    return [build_library(plan, settings, folder) for plan in plans]


def test_a_batch_depends_on_the_seed_and_its_number_alone(
    libraries: list[SongLibrary], settings: Settings
) -> None:
    batches = PairBatches(libraries, settings)
    one, other = batches(0), batches(1)
    assert one.shape == (2, 8, 3, 96, 192)
    assert torch.equal(one, PairBatches(libraries, settings)(0))
    assert not torch.equal(one, other)
    assert not torch.equal(one, PairBatches(libraries, settings.replace(seed=2))(0))


def test_two_recordings_of_a_species_are_of_two_of_its_birds(libraries: list[SongLibrary]) -> None:
    plan = libraries[0].plan
    rng = np.random.default_rng(0)
    for species in range(plan.species):
        songs = _draw_two_songs(libraries[0], species, rng)
        assert (songs // plan.songs_per_species).tolist() == [species, species]
        assert len(set((songs // plan.songs).tolist())) == 2


def test_species_of_a_batch_are_different_and_many_are_sisters() -> None:
    shares = []
    for seed in range(50):
        drawn = _draw_species(601, 96, np.random.default_rng(seed))
        assert len(set(drawn.tolist())) == 96
        assert drawn.max() < 601
        families = np.bincount(drawn // 2)
        shares.append(2 * (families == 2).sum() / 96)
    assert 0.55 < np.mean(shares) < 0.78


def test_songs_lie_within_their_spans_and_are_mostly_heard() -> None:
    lengths = np.array([1, 5, 60, 190, 192, 193, 320] * 50)
    for seed in range(20):
        placed = _place(lengths, 192, np.random.default_rng(seed))
        first, stop = placed.spans.T
        assert ((first >= 0) & (stop <= 192) & (stop > first)).all()
        start, end = np.maximum(placed.offsets, first), np.minimum(placed.at + lengths, stop)
        heard = (end - start) / np.minimum(lengths, 192)
        assert heard.min() >= 0.75 - 1e-9
        framed = stop - first < 192
        assert (heard[framed] == 1).all()
        assert (np.abs(first + stop - 192) <= 1).all()


def test_it_learns_and_going_on_from_a_state_gives_the_same_weights(
    libraries: list[SongLibrary], settings: Settings
) -> None:
    reports: list[PretrainReport] = []
    whole = Pretrainer(libraries, settings)
    whole.run(report_every=20, on_report=reports.append)
    assert [report.step for report in reports] == [20, 40, 60]
    assert reports[-1].loss < 0.9 * reports[0].loss
    assert reports[-1].learning_rate < 0.01 * settings.pretraining.learning_rate + 1e-4

    states = []
    first = Pretrainer(libraries, settings)

    def stop(report: PretrainReport) -> None:
        states.append(copy.deepcopy(first.state_dict()))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        first.run(report_every=13, on_report=stop)
    second = Pretrainer(libraries, settings)
    second.load_state_dict(states[0])
    second.run()
    for ours, theirs in zip(
        whole.backbone.state_dict().values(), second.backbone.state_dict().values(), strict=True
    ):
        assert torch.equal(ours, theirs)


def test_what_the_embedding_cannot_be_fitted_to_is_refused_before_training(
    libraries: list[SongLibrary], settings: Settings
) -> None:
    few = settings.replace(pretraining={"embedding_fit_batches": 1})
    with pytest.raises(SettingsError, match=r"dim is 32, and the 16 summaries .* raise"):
        Pretrainer(libraries, few)
    with pytest.raises(SettingsError, match=r"have 432 numbers that vary"):
        Pretrainer(libraries, settings.replace(backbone={"embedding_dim": 433}))
    Pretrainer(libraries, few.replace(pretraining={"embedding_fit_batches": 0}))
