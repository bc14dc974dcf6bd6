"""Models that are made in the test, and their embeddings."""

from functools import partial

import numpy as np
import pytest
from tests.audio.embedding_models.models import SAMPLES, matrices, onnx_file, tflite_file


@pytest.fixture(scope="session")
def waves() -> np.ndarray:
    """Return `(7, SAMPLES)` waveforms."""
    return np.random.default_rng(9).normal(size=(7, SAMPLES)).astype(np.float32)


@pytest.fixture(scope="session")
def vectors(waves) -> np.ndarray:
    """Return the values `(7, DIM)` of the models' tensor `embedding` for `waves`."""
    return waves @ matrices()[0].T


@pytest.fixture
def tflite_model(tmp_path):
    """Return a function that writes a TFLite model: `tflite_model(batch=-1, **description)`."""
    return partial(tflite_file, tmp_path / "lab.tflite")


@pytest.fixture
def onnx_model(tmp_path):
    """Return a function that writes an ONNX model: `onnx_model(batch="n", **description)`."""
    return partial(onnx_file, tmp_path / "lab.onnx")
