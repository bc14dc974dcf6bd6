"""Measure `darksound segment` on a recording of one day: time, CPU time and peak memory.

The recording is tiled from those of a folder, 48 kHz and 16 bits. It is an RF64 file because it is
larger than 4 GB: 24 hours take 8.3 GB of the temporary folder. Linux only, because of how memory
is measured.

    python benchmarks/segmentation_day.py british --hours 24 --workers 1
"""

import argparse
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile as sf
import soxr

RATE = 48_000
# Peak memory of this process only; getrusage includes the parent process.
SEGMENT = """
from darksound.cli.app import main
try:
    main()
finally:
    print([line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")][0])
"""


def tile(folder: Path, hours: float, target: Path) -> None:
    """Write the recordings of a folder in sequence, repeated to the given length."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix in (".wav", ".ogg", ".mp3", ".flac"))
    parts = []
    for path in paths:
        wave, rate = sf.read(path, dtype="float32", always_2d=True)
        parts.append(soxr.resample(wave.mean(axis=1), rate, RATE))
    all_samples = np.clip(np.concatenate(parts), -1, 1)
    n_left = round(hours * 3600 * RATE)
    with sf.SoundFile(target, "w", RATE, 1, "PCM_16", format="RF64") as out:
        while n_left > 0:
            out.write(all_samples[:n_left])
            n_left -= len(all_samples)


def main() -> None:
    """Tile, segment and print the measurements."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of recordings to tile")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--workers", default="1")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        tile(arguments.folder, arguments.hours, folder / "in" / "day.wav")
        command = [
            *(sys.executable, "-c", SEGMENT, "segment", str(folder / "in")),
            *("--out", str(folder / "rois.parquet"), "--workers", arguments.workers, "-q"),
            *("--set", f"compute.cache_dir={folder / 'cache'}"),
        ]
        start = time.perf_counter()
        ended = subprocess.run(command, check=True, cwd=folder, stdout=subprocess.PIPE, text=True)
        wall = time.perf_counter() - start
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = usage.ru_utime + usage.ru_stime
    peak_kb = int(ended.stdout.split()[-1])
    seconds = 3600 * arguments.hours
    print(
        f"{arguments.hours:g} h: {wall:.0f} s, {seconds / wall:.0f} times real time; "
        f"{cpu:.0f} s of CPU time, {seconds / cpu:.0f} times real time; "
        f"at most {peak_kb / 1024:.0f} MB resident."
    )


if __name__ == "__main__":
    main()
