"""Model files that are small enough to make in a test: two matrix products in sequence."""

from pathlib import Path

import numpy as np

RATE, SAMPLES, DIM, CLASSES = 8000, 800, 6, 4


def matrices() -> tuple[np.ndarray, np.ndarray]:
    """Return the matrices `(DIM, SAMPLES)` and `(CLASSES, DIM)` of the models."""
    rng = np.random.default_rng(4)
    first = rng.normal(size=(DIM, SAMPLES)).astype(np.float32)
    return first, rng.normal(size=(CLASSES, DIM)).astype(np.float32)


def tflite_file(path: Path, batch: int = -1, **description: object) -> Path:
    """Write a model of any batch size (-1) or of 1: the inner tensor `embedding`, then `scores`."""
    path.write_bytes(_tflite(*matrices(), batch))
    return _describe(path, **description)


def onnx_file(path: Path, batch: int | str = "n", **description: object) -> Path:
    """Write a model of any batch size ("n") or of 1, with the outputs `embedding` and `scores`."""
    path.write_bytes(_onnx(*matrices(), batch))
    return _describe(path, **description)


def _describe(path: Path, **description: object) -> Path:
    lines = {"sample_rate": RATE, "window_s": SAMPLES / RATE, "output": "embedding", **description}
    text = (f"{key} = {value!r}\n" for key, value in lines.items() if value is not None)
    path.with_suffix(".toml").write_text("".join(text))
    return path


def _onnx(first: np.ndarray, second: np.ndarray, batch: int | str) -> bytes:
    from onnx import TensorProto, helper, numpy_helper

    def value(name: str, width: int):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, width])

    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["waves", "first"], ["embedding"]),
            helper.make_node("MatMul", ["embedding", "second"], ["scores"]),
        ],
        "lab",
        [value("waves", SAMPLES)],
        [value("embedding", DIM), value("scores", CLASSES)],
        [
            numpy_helper.from_array(np.ascontiguousarray(first.T), "first"),
            numpy_helper.from_array(np.ascontiguousarray(second.T), "second"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return model.SerializeToString()


def _tflite(first: np.ndarray, second: np.ndarray, batch: int) -> bytes:
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    def tensor(name: str, shape: list[int], buffer: int, signature: list[int] | None = None):
        made = schema.TensorT()
        made.name, made.shape, made.buffer = name, shape, buffer
        made.shapeSignature = signature
        made.type = schema.TensorType.FLOAT32
        return made

    def buffer(content: bytes = b""):
        made = schema.BufferT()
        made.data = np.frombuffer(content, np.uint8) if content else None
        return made

    def dense(given: int, weights: int, out: int):
        made = schema.OperatorT()
        made.opcodeIndex, made.inputs, made.outputs = 0, [given, weights, -1], [out]
        made.builtinOptionsType = schema.BuiltinOptions.FullyConnectedOptions
        made.builtinOptions = schema.FullyConnectedOptionsT()
        return made

    graph = schema.SubGraphT()
    graph.tensors = [
        tensor("waves", [1, SAMPLES], 0, [batch, SAMPLES]),
        tensor("first", [DIM, SAMPLES], 1),
        tensor("embedding", [1, DIM], 0, [batch, DIM]),
        tensor("second", [CLASSES, DIM], 2),
        tensor("scores", [1, CLASSES], 0, [batch, CLASSES]),
    ]
    graph.inputs, graph.outputs = [0], [4]
    graph.operators = [dense(0, 1, 2), dense(2, 3, 4)]
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.FULLY_CONNECTED
    code.version = 1
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [buffer(), buffer(first.tobytes()), buffer(second.tobytes())]
    builder = flatbuffers.Builder(1 << 16)
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())
