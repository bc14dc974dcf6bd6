"""Time an embedder: ROIs a second from sound files to cached vectors, by number of threads.

    python benchmarks/embedding_models.py DATA [--backbone birdnet] [--versions 2] [--threads 1 2]

Each figure is of a cache that was empty before. Reading, resampling and altering the sound are
part of it; the model is started by every thread anew.
"""

import argparse
import tempfile
import time
from pathlib import Path

import darksound as ds


def rate(
    rois: ds.RoiSet, settings: ds.Settings, versions: int, threads: int
) -> tuple[float, float]:
    """ROIs a second, and seconds of processor time a ROI."""
    with tempfile.TemporaryDirectory() as cache:
        own = settings.replace(compute={"cache_dir": Path(cache), "workers": threads})
        began, busy = time.perf_counter(), time.process_time()
        ds.build_store(rois, own, versions=versions)
        made = len(rois) * (versions + 1)
        return made / (time.perf_counter() - began), (time.process_time() - busy) / made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("data", type=Path)
    parser.add_argument("--backbone", default="birdnet")
    parser.add_argument("--versions", type=int, default=2, help="with altered sound")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    settings = ds.Settings().replace(backbone={"name": arguments.backbone})
    rois = ds.load_rois(arguments.data, settings=settings)
    for threads in arguments.threads:
        per_s, busy = rate(rois, settings, arguments.versions, threads)
        print(f"{threads} thread(s): {per_s:.1f} ROIs/s, {1000 * busy:.0f} ms of processor a ROI")


if __name__ == "__main__":
    main()
