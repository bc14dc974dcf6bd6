"""Published models by name: their entries, how their input is scaled, and their licences."""

import re
from urllib.parse import urlsplit

import numpy as np
import pytest
from tests.audio.embedding_models.models import matrices, onnx_file
from tests.datasets.publishing import small_model

from darksound.audio import embedding_models as registry
from darksound.audio.embedding_models import licence_of, open_embedding_model, published
from darksound.audio.embedding_models.published import PUBLISHED_MODELS
from darksound.errors import SettingsError
from darksound.settings import BackboneSettings, ComputeSettings, EmbeddingModelSettings

PERCH2 = BackboneSettings(name="perch2")


@pytest.fixture(autouse=True)
def _empty_cache():
    """Open models anew in each test."""
    registry._open_once.cache_clear()


@pytest.fixture
def downloaded(tmp_path, monkeypatch):
    """Return the path of a small model in place of Perch 2.0, in the folder of downloads."""
    path = tmp_path / "models" / "perch2" / "lab+1.onnx"
    path.parent.mkdir(parents=True)
    onnx_file(path)
    path.with_suffix(".toml").unlink()
    model = small_model("perch2", path.read_bytes())
    monkeypatch.setattr(published, "PUBLISHED_MODELS", {"perch2": model})
    return path


def opened(tmp_path, name="perch2", **settings):
    expected = EmbeddingModelSettings(**settings)
    return open_embedding_model(
        BackboneSettings(name=name), expected, ComputeSettings(data_dir=tmp_path)
    )


@pytest.mark.parametrize("name", sorted(PUBLISHED_MODELS))
def test_an_entry_is_complete(name):
    model = PUBLISHED_MODELS[name]
    assert re.fullmatch("[0-9a-f]{64}", model.sha256)
    assert model.size > 1_000_000
    assert model.file.endswith(".onnx")
    for address in (*model.addresses, model.page, model.record.address):
        parts = urlsplit(address)
        assert (parts.scheme, bool(parts.hostname)) == ("https", True)
        assert "+" not in parts.path
    described = model.description
    assert (described.sample_rate, described.name != name) == (32_000, True)
    assert described.licence
    assert described.output
    assert model.citation.endswith(".")


def test_perch_and_birdnet_have_their_published_windows_and_dimensions():
    perch, birdnet = PUBLISHED_MODELS["perch2"], PUBLISHED_MODELS["birdnet3"]
    assert (perch.embedding_dim, perch.description.window_samples) == (1536, 160_000)
    assert (birdnet.embedding_dim, birdnet.description.window_samples) == (1280, 96_000)
    assert perch.size == 409_148_616


def test_windows_are_centred_and_scaled_as_described(downloaded, tmp_path, waves):
    shifted = waves + np.float32(0.7)
    centred = shifted.astype(np.float64) - shifted.mean(axis=1, dtype=np.float64)[:, None]
    scaled = 0.25 * centred / np.abs(centred).max(axis=1)[:, None]
    embeddings = opened(tmp_path).start()(shifted)
    np.testing.assert_allclose(embeddings, scaled @ matrices()[0].T, rtol=1e-3, atol=1e-3)


def test_the_setting_changes_the_scaling_and_the_identity(downloaded, tmp_path, waves):
    usual, half, none = (opened(tmp_path, peak=peak) for peak in ("auto", 0.5, "none"))
    expected = usual.start()(waves)
    np.testing.assert_allclose(half.start()(waves), 2 * expected, rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(none.start()(waves), waves @ matrices()[0].T, rtol=1e-4, atol=1e-4)
    assert len({usual.digest, half.digest, none.digest}) == 3
    assert opened(tmp_path, peak=0.25).digest == usual.digest


def test_the_setting_scales_models_in_files_too(onnx_model, tmp_path, waves):
    name = f"onnx:{onnx_model()}"
    scaled = waves / np.abs(waves).max(axis=1, keepdims=True)
    embeddings = opened(tmp_path, name, peak=1).start()(waves)
    np.testing.assert_allclose(embeddings, scaled @ matrices()[0].T, rtol=1e-3, atol=1e-4)


def test_a_copy_is_used_without_a_description_and_is_the_same_model(downloaded, tmp_path):
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(downloaded.read_bytes())
    assert opened(tmp_path, f"perch2:{copy}").digest == opened(tmp_path).digest


def test_a_model_that_is_not_on_disk_names_the_command(downloaded, tmp_path):
    downloaded.unlink()
    with pytest.raises(SettingsError, match=r"is not on disk .*`darksound models perch2`") as error:
        opened(tmp_path)
    assert str(downloaded) in str(error.value)


def test_a_file_of_another_size_is_damaged(downloaded, tmp_path):
    downloaded.write_bytes(downloaded.read_bytes()[:-1])
    with pytest.raises(SettingsError, match=r"is damaged; `darksound models perch2`"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("record", "suffix"),
    [
        (None, ""),
        ('{"licence": "cc-by-4.0"}', "; its record at https://lab.example/models states cc-by-4.0"),
        ('{"licence": ""}', ""),
        ("[]", ""),
        ("{", ""),
    ],
)
def test_the_licence_names_what_the_record_states(record, suffix, downloaded, tmp_path):
    if record is not None:
        (downloaded.parent / "lab+1.onnx.json").write_text(record)
    licence = licence_of(PERCH2, None, ComputeSettings(data_dir=tmp_path))
    assert licence == f"Lab perch2: CC BY 4.0{suffix}"
