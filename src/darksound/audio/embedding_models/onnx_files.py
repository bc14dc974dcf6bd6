"""The tensors stored in an ONNX file, and the other files that it stores tensors in.

Only the parts of the format that hold tensors are read (onnx.proto of ONNX, and the encoding of
protocol buffers): a graph, its nodes and the graphs in their attributes. Numbers of fields are
those of `onnx.proto`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from darksound.errors import CheckpointError
from darksound.system_errors import check_readable

__all__ = ["external_files"]

# Fields with messages, by the kind of message they are in: number of the field, kind of the part.
_PARTS = {
    "model": {7: "graph", 25: "function"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "function": {7: "node"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}
# Fields of a tensor.
_TYPE, _FLOATS, _NAME, _RAW, _DOUBLES, _EXTERNAL = 2, 4, 8, 9, 10, 13
# Types whose values may be NaN; bfloat16, which NumPy lacks, is not examined.
_FLOAT_TYPES = {1: "<f4", 10: "<f2", 11: "<f8"}
# Fields of an entry of a tensor in another file.
_KEY, _VALUE = 1, 2
_MAX_DEPTH = 100
# Kinds of fields of protocol buffers.
_VARINT, _EIGHT_BYTES, _BYTES, _FOUR_BYTES = 0, 1, 2, 5


@dataclass(frozen=True)
class _Tensor:
    """A stored tensor: its name, type and values, and the keys of those in another file."""

    name: str
    dtype: str | None
    values: tuple[npt.NDArray[np.floating], ...]
    external: dict[str, str]


def external_files(path: Path) -> list[Path]:
    """Return the files that hold tensors of an ONNX model, which are in its folder.

    Raises:
        CheckpointError: the file is no ONNX model, names a file that is missing or not in its
            folder, or a tensor has values that are NaN.
    """
    files: dict[str, Path] = {}
    try:
        content = memoryview(path.read_bytes())
        for tensor in _tensors(content, "model", _MAX_DEPTH):
            values = tensor.values
            if location := tensor.external.get("location"):
                files[location] = _file_beside(path, location)
                values = (_stored_values(files[location], tensor),)
            if any(np.isnan(part).any() for part in values):
                raise CheckpointError(
                    f"{path} has values that are not numbers (NaN) in its tensor {tensor.name!r}; "
                    f"the model is damaged: export or copy it again."
                )
    except (OSError, ValueError, IndexError, OverflowError) as error:
        check_readable(path, error, CheckpointError)
        raise CheckpointError(f"{path} is damaged or not an ONNX model ({error}).") from None
    return [files[location] for location in sorted(files)]


def _file_beside(model: Path, location: str) -> Path:
    parts = PurePosixPath(location.replace("\\", "/")).parts
    if not parts or ".." in parts or parts[0] == "/" or ":" in parts[0] or "\0" in location:
        raise CheckpointError(
            f"{model} stores weights in {location!r}, which is not in its folder; export the model "
            f"again with its weights beside it."
        )
    path = model.parent.joinpath(*parts)
    if not path.is_file():
        raise CheckpointError(
            f"{model} stores weights in {path}, which does not exist; copy that file too."
        )
    return path


def _stored_values(path: Path, tensor: _Tensor) -> npt.NDArray[np.floating]:
    """Return the values of a tensor in another file, memory-mapped; none of types without NaN."""
    offset, size = int(tensor.external.get("offset", 0)), path.stat().st_size
    length = int(tensor.external.get("length", size - offset))
    if offset < 0 or length < 0 or offset + length > size:
        raise CheckpointError(
            f"{path} has {size} bytes, but the tensor {tensor.name!r} of its model ends at byte "
            f"{offset + length}; copy the file again."
        )
    if tensor.dtype is None or not length:
        return np.zeros(0)
    count = length // np.dtype(tensor.dtype).itemsize
    return np.memmap(path, tensor.dtype, "r", offset, (count,))


def _tensors(content: memoryview, kind: str, depth: int) -> Iterator[_Tensor]:
    if kind == "tensor":
        yield _read_tensor(content)
        return
    if not depth:
        raise ValueError("its graphs are nested too deeply")
    parts = _PARTS[kind]
    for number, value in _fields(content):
        if number in parts and isinstance(value, memoryview):
            yield from _tensors(value, parts[number], depth - 1)


def _read_tensor(content: memoryview) -> _Tensor:
    name, dtype, external = "", None, {}
    raw: list[memoryview] = []
    values: list[npt.NDArray[np.floating]] = []
    for number, value in _fields(content):
        if number == _TYPE and isinstance(value, int):
            dtype = _FLOAT_TYPES.get(value)
        elif number == _NAME and isinstance(value, memoryview):
            name = bytes(value).decode(errors="replace")
        elif number == _RAW and isinstance(value, memoryview):
            raw.append(value)
        elif number in (_FLOATS, _DOUBLES) and isinstance(value, memoryview):
            values.append(_as_array(value, "<f4" if number == _FLOATS else "<f8"))
        elif number == _EXTERNAL and isinstance(value, memoryview):
            entry = {n: bytes(v).decode() for n, v in _fields(value) if isinstance(v, memoryview)}
            external[entry.get(_KEY, "")] = entry.get(_VALUE, "")
    if dtype is not None:
        values += [_as_array(part, dtype) for part in raw]
    return _Tensor(name, dtype, tuple(values), external)


def _as_array(content: memoryview, dtype: str) -> npt.NDArray[np.floating]:
    size = np.dtype(dtype).itemsize
    return np.frombuffer(content[: len(content) // size * size], dtype)


def _fields(content: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Yield the number and value of each field of a message.

    Raises:
        ValueError, IndexError: it is no message.
    """
    position, end = 0, len(content)
    while position < end:
        key, position = _varint(content, position)
        number, kind = key >> 3, key & 7
        if kind == _VARINT:
            value, position = _varint(content, position)
            yield number, value
            continue
        if kind == _BYTES:
            length, position = _varint(content, position)
        elif kind in (_EIGHT_BYTES, _FOUR_BYTES):
            length = 8 if kind == _EIGHT_BYTES else 4
        else:
            raise ValueError(f"a field of unknown kind {kind}")
        if position + length > end:
            raise ValueError("it ends within a field")
        yield number, content[position : position + length]
        position += length


def _varint(content: memoryview, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift > 63:
            raise ValueError("a number of too many bytes")
