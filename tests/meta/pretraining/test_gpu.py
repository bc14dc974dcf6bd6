"""Pretraining on a GPU: nothing is computed on the CPU, and nothing waits."""

import numpy as np
import pytest
import torch
from tests.fake_gpu import NoWaiting, fake_gpu

from darksound.meta.pretraining.batches import PairBatches
from darksound.meta.pretraining.pretrainer import LOSSES, Pretrainer
from darksound.settings import Settings
from darksound.synthesis.song_library import SongLibrary, SongPlan

SETTINGS = Settings().replace(
    pretraining={"windows_s": (3.0,), "window_shares": (1.0,), "batch_species": 6},
    compute={"device": "cuda"},
)


def _library(n_species: int = 8) -> SongLibrary:
    plan = SongPlan(1, n_species, 2, 1, 3.0)
    n_songs = n_species * plan.songs_per_species
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (60 * n_songs, 112)).astype(np.uint8)
    return SongLibrary(plan, frames, range(0, 60 * n_songs + 1, 60))


@pytest.mark.parametrize("free_bytes", [80 << 30, 1000])
def test_batches_are_made_on_the_gpu_whether_songs_fit_or_not(free_bytes: int) -> None:
    with fake_gpu(free_bytes):
        batches = PairBatches([_library()], SETTINGS)
        with NoWaiting():
            images = batches(0)
        assert images.device.type == "cuda"
        assert images.shape == (2, 6, 3, 112, 192)


@pytest.mark.parametrize("name", LOSSES)
def test_losses_have_their_targets_on_the_gpu(name: str) -> None:
    with fake_gpu() as gpu, NoWaiting():
        loss, accuracy = LOSSES[name](torch.randn(2, 5, 7, device=gpu), 0.1)
        assert loss.device == accuracy.device == gpu


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_seed_gives_the_same_batches_on_a_real_gpu() -> None:
    libraries = [_library()]
    expected = PairBatches(libraries, SETTINGS.replace(compute={"device": "cpu"}))(3)
    actual = PairBatches(libraries, SETTINGS)(3).cpu()
    # A value at the edge of the range that is shown may be on either side of it.
    assert (actual - expected).abs().mean() < 1e-4


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("loss", LOSSES)
def test_steps_do_not_wait_for_a_real_gpu(loss: str) -> None:
    settings = SETTINGS.replace(
        backbone={
            "name": "small",
            "channels": (4, 8, 8, 16),
            "embedding_dim": 8,
            "weights": "none",
        },
        pretraining={"loss": loss, "steps": 20},
    )
    pretrainer = Pretrainer([_library()], settings)
    batches = PairBatches([_library()], settings)
    pretrainer._step(batches(0))
    torch.cuda.set_sync_debug_mode("error")
    try:
        for number in range(1, 5):
            pretrainer._step(batches(number))
    finally:
        torch.cuda.set_sync_debug_mode("default")
