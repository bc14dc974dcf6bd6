"""Embeddings in pieces on disk: made once, gone on with, and never another learner's."""

import numpy as np
import pytest
import torch
from tests.cluster.conftest import MemoryImages

from darksound.cluster import embedding_shards as kept_embeddings
from darksound.cluster.embedding import embed, embedded, whole_batches
from darksound.cluster.embedding_shards import KeptEmbeddings, embed_in
from darksound.meta.learners import build_learner

N = 50


class _Watched(MemoryImages):
    """Notes which rows are asked for, and breaks off at some batch."""

    breaks_at = None

    def batch(self, rows, versions=None):
        self.asked = [*getattr(self, "asked", []), *np.asarray(rows).tolist()]
        if self.breaks_at is not None and self.breaks_at in rows:
            raise KeyboardInterrupt
        return super().batch(rows, versions)


@pytest.fixture
def settings(tiny_settings, monkeypatch):
    monkeypatch.setattr(kept_embeddings, "SHARD_ROIS", 15)
    return tiny_settings.replace(
        backbone={"weights": "none"},
        compute={"batch_size": 8, "device": "cpu", "precision": "float32"},
    )


@pytest.fixture
def images(settings):
    shape = (N, 3, settings.front_end.n_bands, settings.front_end.n_frames)
    values = torch.rand(shape, generator=torch.Generator().manual_seed(3))
    return _Watched(values, settings, None)


def test_files_hold_what_embed_gives_to_the_bit(settings, images, tmp_path):
    learner = build_learner(settings)
    whole = embed(learner, images, settings)
    shards = embed_in(tmp_path, learner, images, settings)
    # Files hold whole batches.
    assert [len(part) for part in shards] == [16, 16, 16, 2]
    assert (shards.whole() == whole).all()
    assert (np.concatenate(list(shards)) == whole).all()
    later = embedded(learner, images, settings, first=24, at_once=8)
    assert (np.concatenate(list(later)) == whole[24:]).all()


def test_what_was_broken_off_goes_on_where_it_was(settings, images, tmp_path):
    learner = build_learner(settings)
    whole = embed(learner, images, settings)
    images.breaks_at = 45
    with pytest.raises(KeyboardInterrupt):
        embed_in(tmp_path, learner, images, settings)
    images.breaks_at, images.asked, told = None, [], []
    shards = embed_in(tmp_path, learner, images, settings, lambda *args: told.append(args[:3]))
    assert images.asked == list(range(32, N))
    assert told[0] == ("embedding", 32, N)
    assert told[-1] == ("embedding", N, N)
    assert (shards.whole() == whole).all()


@pytest.mark.parametrize(
    "damage", [lambda path: path.write_bytes(b"x"), lambda path: path.unlink()]
)
def test_a_damaged_file_is_made_again(settings, images, tmp_path, damage):
    learner = build_learner(settings)
    shards = embed_in(tmp_path, learner, images, settings)
    whole = shards.whole()
    damage(shards.place(1))
    assert shards.made() == 16
    assert (embed_in(tmp_path, learner, images, settings).whole() == whole).all()


def test_other_weights_begin_anew(settings, images, tmp_path):
    learner = build_learner(settings)
    before = embed_in(tmp_path, learner, images, settings)
    with torch.no_grad():
        next(learner.parameters()).mul_(1.5)
    after = embed_in(tmp_path, learner, images, settings)
    assert (after.whole() == embed(learner, images, settings)).all()
    assert not before.folder.exists()


def test_a_loop_finds_its_first_and_last_embeddings_again(settings, images, tmp_path):
    learners = [build_learner(settings.replace(seed=seed)) for seed in (1, 2, 3)]
    made = [KeptEmbeddings(tmp_path / "kept")(one, images, settings) for one in learners]
    images.asked = []
    again = KeptEmbeddings(tmp_path / "kept")
    assert (again(learners[0], images, settings) == made[0]).all()
    assert (again(learners[2], images, settings) == made[2]).all()
    assert images.asked == []
    assert (again(learners[1], images, settings) == made[1]).all()
    assert sorted(images.asked) == list(range(N))
    again.remove()
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize(("rows", "batch", "whole"), [(256, 64, 256), (256, 96, 288), (1, 8, 8)])
def test_parts_are_whole_batches(settings, rows, batch, whole):
    assert whole_batches(rows, settings.replace(compute={"batch_size": batch})) == whole


def test_files_are_cut_however_parts_come():
    parts = [np.full((n, 1), n, np.float32) for n in (6, 6, 6, 3)]
    files = list(kept_embeddings._regrouped(iter(parts), 8))
    assert [len(file) for file in files] == [8, 8, 5]
    assert (np.concatenate(files) == np.concatenate(parts)).all()
