"""Embeddings in files: computed once, resumed, and repeated for another learner."""

import numpy as np
import pytest
import torch
from tests.cluster.conftest import MemoryImages

from darksound.cluster import embedding_shards
from darksound.cluster.embedding import embed, iter_embeddings, round_up_to_batches
from darksound.cluster.embedding_shards import ResumableEmbedding, embed_to_shards
from darksound.meta.learners.build import build_learner

N = 50


class _RecordingImages(MemoryImages):
    """Records the rows that are read, and is interrupted at some batch."""

    interrupted_at = None

    def batch(self, rows, versions=None):
        self.rows_read = [*getattr(self, "rows_read", []), *np.asarray(rows).tolist()]
        if self.interrupted_at is not None and self.interrupted_at in rows:
            raise KeyboardInterrupt
        return super().batch(rows, versions)


@pytest.fixture
def settings(tiny_settings, monkeypatch):
    monkeypatch.setattr(embedding_shards, "SHARD_ROIS", 15)
    return tiny_settings.replace(
        backbone={"weights": "none"},
        compute={"batch_size": 8, "device": "cpu", "precision": "float32"},
    )


@pytest.fixture
def images(settings):
    shape = (N, 3, settings.front_end.n_bands, settings.front_end.n_frames)
    values = torch.rand(shape, generator=torch.Generator().manual_seed(3))
    return _RecordingImages(values, settings, None)


def test_files_equal_embed_to_the_bit(settings, images, tmp_path):
    learner = build_learner(settings)
    whole = embed(images, learner, settings)
    shards = embed_to_shards(images, learner, settings, tmp_path)
    # Files have complete batches.
    assert [len(part) for part in shards] == [16, 16, 16, 2]
    assert (shards.load() == whole).all()
    assert (np.concatenate(list(shards)) == whole).all()
    later = iter_embeddings(images, learner, settings, first_row=24, chunk_rows=8)
    assert (np.concatenate(list(later)) == whole[24:]).all()


def test_an_interrupted_embedding_is_resumed(settings, images, tmp_path):
    learner = build_learner(settings)
    whole = embed(images, learner, settings)
    images.interrupted_at = 45
    with pytest.raises(KeyboardInterrupt):
        embed_to_shards(images, learner, settings, tmp_path)
    images.interrupted_at, images.rows_read, reports = None, [], []
    shards = embed_to_shards(
        images, learner, settings, tmp_path, progress=lambda *args: reports.append(args[:3])
    )
    assert images.rows_read == list(range(32, N))
    assert reports[0] == ("embedding", 32, N)
    assert reports[-1] == ("embedding", N, N)
    assert (shards.load() == whole).all()


def _change_one_byte(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage", [lambda path: path.write_bytes(b"x"), lambda path: path.unlink(), _change_one_byte]
)
def test_a_damaged_file_is_computed_again(settings, images, tmp_path, damage):
    learner = build_learner(settings)
    shards = embed_to_shards(images, learner, settings, tmp_path)
    whole = shards.load()
    damage(shards.shard_path(1))
    assert shards.n_complete() == 16
    assert (embed_to_shards(images, learner, settings, tmp_path).load() == whole).all()


def test_other_weights_start_again(settings, images, tmp_path):
    learner = build_learner(settings)
    before = embed_to_shards(images, learner, settings, tmp_path)
    with torch.no_grad():
        next(learner.parameters()).mul_(1.5)
    after = embed_to_shards(images, learner, settings, tmp_path)
    assert (after.load() == embed(images, learner, settings)).all()
    assert not before.folder.exists()


def test_a_resumed_loop_loads_its_first_and_last_embeddings(settings, images, tmp_path):
    learners = [build_learner(settings.replace(seed=seed)) for seed in (1, 2, 3)]
    folder = tmp_path / "embedding"
    expected = [ResumableEmbedding(folder)(images, one, settings) for one in learners]
    images.rows_read = []
    resumed = ResumableEmbedding(folder)
    assert (resumed(images, learners[0], settings) == expected[0]).all()
    assert (resumed(images, learners[2], settings) == expected[2]).all()
    assert images.rows_read == []
    assert (resumed(images, learners[1], settings) == expected[1]).all()
    assert sorted(images.rows_read) == list(range(N))
    resumed.remove()
    assert not folder.exists()


@pytest.mark.parametrize(("rows", "batch", "expected"), [(256, 64, 256), (256, 96, 288), (1, 8, 8)])
def test_chunks_have_complete_batches(settings, rows, batch, expected):
    compute = settings.compute.replace(batch_size=batch)
    assert round_up_to_batches(rows, compute) == expected


def test_chunks_of_any_size_are_rechunked():
    parts = [np.full((n, 1), n, np.float32) for n in (6, 6, 6, 3)]
    files = list(embedding_shards._rechunk(iter(parts), 8))
    assert [len(file) for file in files] == [8, 8, 5]
    assert (np.concatenate(files) == np.concatenate(parts)).all()
