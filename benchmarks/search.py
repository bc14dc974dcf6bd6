"""Time and exactness of the search for the nearest of a million embeddings.

Writes random embeddings as a run has them (`embeddings.npy`, float32), opens the file
memory-mapped as `darksound search` does, and times `find_neighbours` for one clip: the first time,
with the file in the cache of the system, and the median of the others. The hits are compared with
those of a plain product of the whole matrix. Also times the lists of similar clips of a page.

    python benchmarks/search.py --rois 1000000 --dim 512
"""

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from darksound.cluster.neighbours import centre_of, find_neighbours, neighbours_within
from darksound.parallel.threads import usable_threads

_ROWS_PER_WRITE = 50_000
_REPEATS = 7


def write_embeddings(path: Path, n: int, dim: int, n_types: int) -> None:
    """Write random embeddings of `n_types` call types with a common offset."""
    rng = np.random.default_rng(0)
    types = rng.normal(size=(n_types, dim)).astype(np.float32)
    out = np.lib.format.open_memmap(path, "w+", np.float32, (n, dim))
    for start in range(0, n, _ROWS_PER_WRITE):
        rows = min(_ROWS_PER_WRITE, n - start)
        noise = rng.standard_normal((rows, dim), dtype=np.float32)
        out[start : start + rows] = types[rng.integers(n_types, size=rows)] + noise + 1
    out.flush()


def plain_nearest(x: np.ndarray, row: int, k: int) -> np.ndarray:
    """Return the k nearest of one row, by one product of the whole matrix in float32."""
    unit = np.asarray(x, np.float32)
    unit = unit / np.linalg.norm(unit, axis=1, keepdims=True)
    unit -= centre_of(x)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    return np.argsort(-(unit @ unit[row]), kind="stable")[:k]


def main() -> None:
    """Write, search and print the times."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--rois", type=int, default=1_000_000)
    parser.add_argument("--dim", type=int, default=512)
    parser.add_argument("--clips", type=int, default=2000, help="clips of a report page")
    parser.add_argument("--k", type=int, default=10)
    parser.add_argument("--folder", type=Path, help="folder for the file of embeddings")
    options = parser.parse_args()
    print(f"{options.rois} embeddings of {options.dim} dimensions, {usable_threads()} threads")
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "embeddings.npy"
        write_embeddings(path, options.rois, options.dim, n_types=200)
        seconds = []
        for repeat in range(_REPEATS):
            x = np.load(path, mmap_mode="r")
            start = time.perf_counter()
            find_neighbours(x, np.asarray(x[repeat : repeat + 1]), options.k)
            seconds.append(time.perf_counter() - start)
        few = x[: min(len(x), 100_000)]
        same = find_neighbours(few, np.asarray(few[7:8]), options.k).rows[0]
        exact = bool((same == plain_nearest(few, 7, options.k)).all())
        start = time.perf_counter()
        neighbours_within(x, np.arange(options.clips), 8)
        lists = time.perf_counter() - start
        print(
            f"{path.stat().st_size / 1e9:.1f} GB: first {seconds[0]:.2f} s, then "
            f"{statistics.median(seconds[1:]):.2f} s; same hits as a plain product: {exact}; lists "
            f"of {options.clips} clips {lists:.2f} s"
        )


if __name__ == "__main__":
    main()
