"""Weights that an ONNX model stores in other files, and weights that are not numbers."""

from pathlib import Path

import numpy as np
import pytest
from tests.audio.embedding_models.models import onnx_file

from darksound.audio.embedding_models.onnx import open_onnx
from darksound.audio.embedding_models.onnx_files import external_files
from darksound.errors import CheckpointError

onnx = pytest.importorskip("onnx")


def with_external(path: Path, location: str = "weights/lab.bin", subgraph: bool = False) -> Path:
    """Write the model of the tests with its matrices in another file."""
    onnx_file(path)
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        onnx.external_data_helper.set_external_data(tensor, location)
    if "/" in location:
        (path.parent / location).parent.mkdir(exist_ok=True)
    onnx.external_data_helper.write_external_data_tensors(model, str(path.parent))
    onnx.save_model(model, path)
    return path


def changed(path: Path, initializer: str, value: float) -> Path:
    """Set one value of a tensor that is in the model file."""
    model = onnx.load(path)
    for tensor in model.graph.initializer:
        if tensor.name == initializer:
            array = onnx.numpy_helper.to_array(tensor).copy()
            array[0, 1] = value
            tensor.CopyFrom(onnx.numpy_helper.from_array(array, initializer))
    onnx.save_model(model, path)
    return path


def test_files_with_weights_are_found(tmp_path):
    assert external_files(onnx_file(tmp_path / "a.onnx")) == []
    path = with_external(tmp_path / "lab.onnx")
    assert external_files(path) == [tmp_path / "weights" / "lab.bin"]


def test_other_weights_beside_the_same_file_are_another_model(tmp_path):
    path = with_external(tmp_path / "lab.onnx")
    weights = tmp_path / "weights" / "lab.bin"
    first = open_onnx(str(path))
    assert open_onnx(str(path)).digest == first.digest
    content = bytearray(weights.read_bytes())
    content[3] ^= 1
    weights.write_bytes(content)
    assert open_onnx(str(path)).digest != first.digest


def test_the_digest_of_a_model_in_one_file_is_that_of_its_description_and_bytes(tmp_path):
    # As computed before other files were hashed, so that embeddings in caches are found.
    import hashlib

    path = onnx_file(tmp_path / "lab.onnx")
    keys = b'{"sample_rate":8000,"window_s":0.1,"input":null,"output":"embedding","peak":null}'
    expected = hashlib.sha256(keys + path.read_bytes()).hexdigest()[:32]
    assert open_onnx(str(path)).digest == expected


def test_weights_in_a_graph_within_a_node_are_found(tmp_path):
    from onnx import TensorProto, helper

    tensor = helper.make_tensor("inner", TensorProto.FLOAT, [2], [1.0, 2.0])
    onnx.external_data_helper.set_external_data(
        onnx.numpy_helper.from_array(np.ones(2, np.float32)), "x"
    )
    tensor.ClearField("float_data")
    tensor.raw_data = np.ones(2, np.float32).tobytes()
    onnx.external_data_helper.set_external_data(tensor, "inner.bin", 0, 8)
    tensor.ClearField("raw_data")
    (tmp_path / "inner.bin").write_bytes(np.ones(2, np.float32).tobytes())
    body = helper.make_graph(
        [helper.make_node("Identity", ["inner"], ["y"])],
        "body",
        [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])],
        [tensor],
    )
    condition = helper.make_node("If", ["c"], ["z"], then_branch=body, else_branch=body)
    graph = helper.make_graph(
        [condition],
        "g",
        [helper.make_tensor_value_info("c", TensorProto.BOOL, [])],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [2])],
    )
    path = tmp_path / "if.onnx"
    path.write_bytes(helper.make_model(graph).SerializeToString())
    assert external_files(path) == [tmp_path / "inner.bin"]
    (tmp_path / "inner.bin").write_bytes(np.array([1, np.nan], np.float32).tobytes())
    with pytest.raises(CheckpointError, match="'inner'"):
        external_files(path)


@pytest.mark.parametrize(
    "location", ["../lab.bin", "/etc/hostname", "a/../../lab.bin", "..\\lab.bin", "C:\\lab.bin"]
)
def test_weights_outside_of_the_folder_are_refused(location, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    path = with_external(folder / "lab.onnx", "lab.bin")
    (folder / "lab.bin").rename(tmp_path / "lab.bin")
    path.write_bytes(renamed(path, location))
    with pytest.raises(CheckpointError, match="which is not in its folder"):
        open_onnx(str(path))


def renamed(path: Path, location: str) -> bytes:
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    content: bytes = model.SerializeToString()
    return content


def test_weights_that_are_missing_or_cut_are_named(tmp_path):
    path = with_external(tmp_path / "lab.onnx", "lab.bin")
    weights = tmp_path / "lab.bin"
    content = weights.read_bytes()
    weights.write_bytes(content[:-4])
    with pytest.raises(CheckpointError, match=r"lab\.bin has 19292 bytes, but the tensor 'second'"):
        open_onnx(str(path))
    weights.unlink()
    with pytest.raises(
        CheckpointError, match=r"stores weights in .*lab\.bin, which does not exist"
    ):
        open_onnx(str(path))


@pytest.mark.parametrize("external", [False, True])
def test_weights_that_are_not_numbers_are_refused_with_file_and_tensor(external, tmp_path):
    path = changed(onnx_file(tmp_path / "lab.onnx"), "second", np.nan)
    if external:
        model = onnx.load(path)
        for tensor in model.graph.initializer:
            onnx.external_data_helper.set_external_data(tensor, "lab.bin")
        onnx.save_model(model, path)
        assert b"nan" not in path.read_bytes()
    with pytest.raises(CheckpointError, match=r"lab\.onnx has values .*NaN.* tensor 'second'"):
        open_onnx(str(path))


def test_embeddings_that_are_not_finite_are_refused_when_the_model_is_opened(tmp_path):
    path = changed(onnx_file(tmp_path / "lab.onnx"), "first", np.inf)
    with pytest.raises(
        CheckpointError, match=r"gives embeddings that are not finite .*'embedding'"
    ):
        open_onnx(str(path))


def test_random_bytes_and_cut_models_are_refused(tmp_path):
    path = onnx_file(tmp_path / "lab.onnx")
    content = path.read_bytes()
    rng = np.random.default_rng(3)
    damaged = [b"", b"\0" * 100, b"PK\3\4" + bytes(50), b"\xff" * 200]
    damaged += [rng.bytes(500) for _ in range(20)]
    damaged += [content[: int(cut)] for cut in rng.integers(1, len(content) - 1, 20)]
    for content in damaged:
        path.write_bytes(content)
        with pytest.raises(CheckpointError, match=r"lab\.onnx"):
            open_onnx(str(path))
