"""Time an embedding model: ROIs a second from files to cached embeddings, by number of threads.

    python benchmarks/embedding_models.py DATA [--backbone birdnet] [--versions 2] [--threads 1 2]

Each figure starts with an empty cache. It includes reading, resampling and augmenting the
waveforms, and every thread loads the model.
"""

import argparse
import tempfile
import time
from pathlib import Path

import darksound as ds


def rate(
    rois: ds.RoiSet, settings: ds.Settings, versions: int, threads: int
) -> tuple[float, float]:
    """Return ROIs a second, and seconds of CPU time for each ROI."""
    with tempfile.TemporaryDirectory() as cache:
        variant = settings.replace(compute={"cache_dir": Path(cache), "workers": threads})
        start, cpu_start = time.perf_counter(), time.process_time()
        ds.build_store(rois, variant, versions=versions)
        n = len(rois) * (versions + 1)
        return n / (time.perf_counter() - start), (time.process_time() - cpu_start) / n


def main() -> None:
    """Print one line for each number of threads."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--backbone", default="birdnet")
    parser.add_argument("--versions", type=int, default=2, help="augmented versions of each ROI")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    settings = ds.Settings().replace(backbone={"name": arguments.backbone})
    rois = ds.load_rois(arguments.data, settings=settings)
    for threads in arguments.threads:
        per_s, cpu_s = rate(rois, settings, arguments.versions, threads)
        print(
            f"{threads} thread(s): {per_s:.1f} ROIs/s, {1000 * cpu_s:.0f} ms of CPU time for each"
        )


if __name__ == "__main__":
    main()
