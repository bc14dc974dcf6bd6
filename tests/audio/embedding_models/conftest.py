"""Models that are made in the test, and what they give."""

from functools import partial

import numpy as np
import pytest
from tests.audio.embedding_models.models import SAMPLES, matrices, onnx_file, tflite_file


@pytest.fixture(scope="session")
def waves() -> np.ndarray:
    """`(7, SAMPLES)` waveforms."""
    return np.random.default_rng(9).normal(size=(7, SAMPLES)).astype(np.float32)


@pytest.fixture(scope="session")
def vectors(waves) -> np.ndarray:
    """What the models' tensor `embedding` is of `waves`, `(7, DIM)`."""
    return waves @ matrices()[0].T


@pytest.fixture
def tflite_model(tmp_path):
    """Writes a TFLite model: `tflite_model(batch=-1, **described)`."""
    return partial(tflite_file, tmp_path / "lab.tflite")


@pytest.fixture
def onnx_model(tmp_path):
    """Writes an ONNX model: `onnx_model(batch="n", **described)`."""
    return partial(onnx_file, tmp_path / "lab.onnx")
