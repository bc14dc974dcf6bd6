"""The head on vectors: the identity at first, unit length, standardised by its first data."""

from copy import copy

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, strategies
from hypothesis import settings as hypothesis_settings
from tests.meta.conftest import NoReader

from darksound.errors import SettingsError
from darksound.meta.augmentation import augment_vectors
from darksound.meta.backbones.build import usable_untrained
from darksound.meta.backbones.head import Head
from darksound.meta.checkpoints import TrainState, load_checkpoint, save_checkpoint
from darksound.meta.features import compute_features
from darksound.meta.learners import LEARNERS
from darksound.meta.learners.build import build_learner
from darksound.meta.optimization import make_optimizer
from darksound.meta.training import fit
from darksound.rois.roi_set import RoiSet, as_roi_table
from darksound.settings import AugmentationSettings, HeadSettings, Settings
from darksound.store.contract import RowKind

DIM = 12
VECTORS = Settings().replace(
    seed=5,
    backbone={"name": "embeddings"},
    embedding_model={"embedding_dim": DIM},
    episodes={"n_way": 4, "n_shot": 2, "n_query": 2},
    training={"epochs": 3, "episodes_per_epoch": 20, "validation_episodes": 20},
    compute={"device": "cpu", "precision": "float32"},
)


class MemoryVectors:
    """A store of vectors; dimensions differ in scale, and most do not depend on the class."""

    kind: RowKind = "vectors"

    def __init__(self, n_classes: int = 6, each: int = 12, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        codes = np.repeat(np.arange(n_classes), each)
        signal = rng.normal(size=(n_classes, DIM)) * (np.arange(DIM) < 4)
        x = signal[codes] + 0.4 * rng.normal(size=(len(codes), DIM))
        self.x = torch.from_numpy((x * np.geomspace(1, 100, DIM) + 7).astype(np.float32))
        table = as_roi_table(
            {
                "root": ["here"] * len(codes),
                "recording": [f"rec-{i % 4}.wav" for i in range(len(codes))],
                "start_s": np.arange(len(codes), dtype=float),
                "end_s": np.arange(len(codes)) + 1.0,
                "label": [f"species {code}" for code in codes],
            }
        )
        self.rois = RoiSet(table, NoReader())
        self.settings, self.n_versions, self.pieces = VECTORS, 1, None
        self.shape: tuple[int, ...] = (DIM,)

    def __len__(self) -> int:
        return len(self.x)

    def take(self, rows):
        store = copy(self)
        store.x, store.rois = self.x[torch.as_tensor(rows)], self.rois.take(rows)
        return store

    def stored(self, rows, versions=None):
        return self.batch(rows, versions)

    def batch(self, rows, versions=None):
        return self.x[torch.as_tensor(np.asarray(rows))]


@pytest.fixture(scope="module")
def store():
    return MemoryVectors()


def standardised(x: torch.Tensor) -> torch.Tensor:
    return F.normalize((x - x.mean(0)) / x.std(0, correction=0))


@pytest.mark.parametrize("method", sorted(LEARNERS))
def test_initial_embeddings_are_the_standardised_vectors(method, store):
    learner = build_learner(VECTORS.replace(learner={"method": method}))
    vectors = compute_features(store, learner, VECTORS.compute, embed=True)
    torch.testing.assert_close(vectors, standardised(store.x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("method", sorted(LEARNERS))
def test_initial_scores_are_functions_of_the_cosine(method, store):
    learner = build_learner(VECTORS.replace(learner={"method": method})).eval()
    vectors = compute_features(store, learner, VECTORS.compute)
    support, query = vectors[[0, 12, 24]], vectors[[3, 15, 27, 40, 50]]
    scores = learner.score(learner.adapt(support, torch.arange(3), 3), query)
    cosines = query @ support.T
    assert (scores.argsort(1) == cosines.argsort(1)).all()
    if method == "prototypical":
        torch.testing.assert_close(scores, 10 * (cosines - 1), rtol=1e-4, atol=1e-4)
    if method == "relation":
        torch.testing.assert_close(scores, (10 * cosines - 5).sigmoid(), rtol=1e-4, atol=1e-4)


@given(
    offset=strategies.floats(-1e3, 1e3),
    scale=strategies.floats(1e-3, 1e3),
    cut=strategies.integers(1, 29),
)
@hypothesis_settings(max_examples=40, deadline=None)
def test_fitted_statistics_do_not_depend_on_the_batches(offset, scale, cut):
    x = torch.randn(30, 5, generator=torch.Generator().manual_seed(1)) * scale + offset
    x[:, 4] = offset
    head = Head(5, HeadSettings())
    assert not head.is_fitted
    head.fit(iter([x[:cut], x[cut:]]))
    assert head.is_fitted
    wide = x.double()
    torch.testing.assert_close(head.mean, wide.mean(0).float(), rtol=1e-5, atol=1e-5)
    expected = wide[:, :4].std(0, correction=0).float()
    torch.testing.assert_close(head.deviation[:4], expected, rtol=1e-4, atol=1e-6)
    assert head.deviation[4] == 1, "a constant dimension is not scaled"


def test_fitted_statistics_are_saved_in_the_checkpoint(store, tmp_path):
    learner = build_learner(VECTORS)
    first = compute_features(store, learner, VECTORS.compute)
    save_checkpoint(learner, tmp_path)
    loaded = load_checkpoint(tmp_path / "best.safetensors")
    compute_features(MemoryVectors(seed=9), loaded, VECTORS.compute)
    torch.testing.assert_close(compute_features(store, loaded, VECTORS.compute), first)


def test_without_standardisation_a_head_is_always_fitted():
    head = Head(3, HeadSettings(standardise=False))
    assert head.is_fitted
    torch.testing.assert_close(head(torch.tensor([[3.0, 0, 4]])), torch.tensor([[0.6, 0, 0.8]]))


def test_a_head_has_no_maps():
    with pytest.raises(SettingsError, match="no feature maps"):
        Head(3, HeadSettings()).feature_map(torch.zeros(1, 3))


def test_heads_are_usable_untrained_and_the_small_cnn_is_not():
    assert usable_untrained(VECTORS.backbone)
    assert not usable_untrained(Settings().backbone)


@pytest.mark.parametrize(
    ("method", "regime"),
    [("prototypical", "episodic"), ("prototypical", "classical"), ("matching", "episodic"),
     ("relation", "episodic")],
)  # fmt: skip
def test_training_brings_classes_together(method, regime, store):
    settings = VECTORS.replace(
        learner={"method": method}, training={"regime": regime, "learning_rate": 3e-3}
    )
    learner = build_learner(settings)
    before = _margin(compute_features(store, learner, settings.compute, embed=True))
    fit(store, TrainState(learner), settings)
    after = _margin(compute_features(store, learner, settings.compute, embed=True))
    assert after > before + 0.02


def _margin(vectors: torch.Tensor) -> float:
    """Return the mean cosine within classes minus that between classes."""
    codes = torch.arange(len(vectors)) // 12
    same = codes[:, None] == codes[None]
    cosines = vectors @ vectors.T
    return float(cosines[same].mean() - cosines[~same].mean())


def test_the_head_has_its_own_learning_rate_and_weight_decay():
    settings = VECTORS.replace(
        learner={"method": "matching"},
        training={"head_lr_multiplier": 4.0, "head_weight_decay": 0.5, "weight_decay": 0.01},
    )
    learner = build_learner(settings)
    other, head = make_optimizer(learner, settings.training, 1e-3).param_groups
    assert (other["lr"], other["weight_decay"]) == (1e-3, 0.01)
    assert (head["lr"], head["weight_decay"]) == (4e-3, 0.5)
    sizes = [sum(p.numel() for p in group["params"]) for group in (other, head)]
    assert sizes[1] == sum(p.numel() for p in learner.backbone.parameters())
    assert sum(sizes) == sum(p.numel() for p in learner.parameters())


def test_augmented_vectors_stay_close_and_differ_between_seeds():
    x = torch.randn(40, 8, generator=torch.Generator().manual_seed(3)) * 5 + 2

    def augmented(seed: int = 0, **changes: float) -> torch.Tensor:
        off = {"vector_noise": 0.0, "vector_drop": 0.0, "vector_mix": 0.0}
        settings = AugmentationSettings.model_validate({**off, **changes})
        return augment_vectors(x, settings, torch.Generator().manual_seed(seed))

    assert torch.equal(augmented(), x)
    noisy = augmented(vector_noise=0.2)
    assert float(((noisy - x) / x.std(0)).std()) == pytest.approx(0.2, rel=0.1)
    dropped = augmented(vector_drop=0.25)
    assert float((dropped != x).float().mean()) == pytest.approx(0.25, abs=0.06)
    torch.testing.assert_close(dropped[dropped != x], x.mean(0).expand_as(x)[dropped != x])
    mixed = augmented(vector_mix=0.3)
    assert (mixed - x).norm(dim=1).max() <= 0.3 * torch.cdist(x, x).max()
    assert not torch.equal(augmented(seed=1, vector_noise=0.2), noisy)
    assert torch.equal(augmented(vector_noise=0.2), noisy)
