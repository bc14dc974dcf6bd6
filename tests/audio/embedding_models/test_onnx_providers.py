"""ONNX models on a GPU: the provider that is chosen, its name, and messages without one."""

import logging
import pickle
from typing import ClassVar

import numpy as np
import onnxruntime
import pytest

from darksound.audio.embedding_models import onnx
from darksound.audio.embedding_models.base import CPU_PROVIDER
from darksound.audio.embedding_models.onnx import open_onnx
from darksound.errors import SettingsError

CUDA, DIRECTML, COREML = (f"{name}ExecutionProvider" for name in ("CUDA", "Dml", "CoreML"))


class _Session(onnxruntime.InferenceSession):  # type: ignore[misc]  # ONNX Runtime has no types
    """A session that computes on the CPU, and names the provider that it was asked for."""

    broken: ClassVar[set[str]] = set()
    opened: ClassVar[list[object]] = []
    batches: ClassVar[list[int]] = []

    def __init__(self, file, options, providers, **kwargs):
        self.opened.append(providers[0])
        names = [entry if isinstance(entry, str) else entry[0] for entry in providers]
        self._names = [name for name in names if name not in self.broken]
        super().__init__(file, options, providers=["CPUExecutionProvider"])

    def get_providers(self):
        return self._names

    def run(self, names, inputs):
        self.batches.append(len(next(iter(inputs.values()))))
        return super().run(names, inputs)


@pytest.fixture
def providers(monkeypatch):
    """Let ONNX Runtime have these providers and the CPU's."""
    onnx._open_gpu_session.cache_clear()
    monkeypatch.setattr(_Session, "broken", set())
    monkeypatch.setattr(_Session, "opened", [])
    monkeypatch.setattr(_Session, "batches", [])

    def install(*names):
        every = [*names, "AzureExecutionProvider", "CPUExecutionProvider"]
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: every)
        monkeypatch.setattr(onnxruntime, "InferenceSession", _Session)

    yield install
    onnx._open_gpu_session.cache_clear()


@pytest.mark.parametrize(
    ("available", "device", "expected"),
    [
        ((CUDA, DIRECTML), "auto", CUDA),
        ((DIRECTML,), "auto", DIRECTML),
        ((COREML,), "auto", CPU_PROVIDER),
        ((), "auto", CPU_PROVIDER),
        ((CUDA,), "cuda", CUDA),
        ((DIRECTML,), "cuda", DIRECTML),
        ((COREML,), "mps", COREML),
        ((CUDA, DIRECTML, COREML), "cpu", CPU_PROVIDER),
    ],
)
def test_the_device_selects_the_provider(onnx_model, providers, available, device, expected):
    providers(*available)
    assert open_onnx(str(onnx_model())).provider(device) == expected


def test_a_gpu_gives_the_same_vectors_from_one_session_in_large_batches(
    onnx_model, providers, waves, vectors
):
    providers(CUDA)
    model = open_onnx(str(onnx_model()))
    name = model.provider("auto")
    first, second = model.start(name), pickle.loads(pickle.dumps(model)).start(name)
    _Session.batches.clear()
    many = np.concatenate([waves] * 10)
    np.testing.assert_allclose(first(many), np.concatenate([vectors] * 10), rtol=1e-4, atol=1e-4)
    assert _Session.batches == [64, 6]
    np.testing.assert_allclose(second(waves), vectors, rtol=1e-4, atol=1e-4)
    gpu = [entry for entry in _Session.opened if entry != "CPUExecutionProvider"]
    assert gpu == [(CUDA, {"use_tf32": "0", "cudnn_conv_algo_search": "HEURISTIC"})]


def test_without_a_provider_of_a_gpu_the_message_says_what_to_install(onnx_model, providers):
    providers()
    model = open_onnx(str(onnx_model()))
    with pytest.raises(
        SettingsError, match=r"compute\.device is 'cuda', but .* has only .*install onnxruntime-gpu"
    ):
        model.provider("cuda")


def test_a_provider_that_does_not_start_is_an_error_or_a_warning(onnx_model, providers, caplog):
    providers(CUDA)
    _Session.broken.add(CUDA)
    model = open_onnx(str(onnx_model()))
    with pytest.raises(SettingsError, match=f"cannot start {CUDA}"):
        model.provider("cuda")
    with caplog.at_level(logging.WARNING):
        assert model.provider("auto") == CPU_PROVIDER
    assert f"lab.onnx runs on the CPU, because ONNX Runtime cannot start its {CUDA}" in caplog.text


@pytest.mark.gpu
@pytest.mark.skipif(
    CUDA not in onnxruntime.get_available_providers(), reason="needs onnxruntime-gpu"
)
def test_a_real_gpu_gives_the_same_vectors(onnx_model, waves, vectors):
    model = open_onnx(str(onnx_model()))
    embed = model.start(model.provider("cuda"))
    np.testing.assert_allclose(embed(waves), vectors, rtol=1e-4, atol=1e-3)
