"""Measures `darksound segment` on one recording of a day: time, processor time and peak memory.

The recording is tiled from those of a folder, 48 kHz and 16 bits, as RF64 since it is larger than
4 GB: 24 hours take 8.3 GB of the temporary folder while the benchmark runs. Linux only, for the
memory.

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
# The peak of this process alone; what the system counts for it includes whoever started it.
SEGMENT = """
from darksound.cli.app import main
try:
    main()
finally:
    print([line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")][0])
"""


def tile(folder: Path, hours: float, target: Path) -> None:
    """Write recordings of a folder one after the other until there is enough."""
    paths = sorted(p for p in folder.rglob("*") if p.suffix in (".wav", ".ogg", ".mp3", ".flac"))
    parts = []
    for path in paths:
        wave, rate = sf.read(path, dtype="float32", always_2d=True)
        parts.append(soxr.resample(wave.mean(axis=1), rate, RATE))
    once = np.clip(np.concatenate(parts), -1, 1)
    left = round(hours * 3600 * RATE)
    with sf.SoundFile(target, "w", RATE, 1, "PCM_16", format="RF64") as out:
        while left > 0:
            out.write(once[:left])
            left -= len(once)


def main() -> None:
    """Tile, segment and tell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of recordings to tile")
    parser.add_argument("--hours", type=float, default=24.0)
    parser.add_argument("--workers", default="1")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        tile(given.folder, given.hours, folder / "in" / "day.wav")
        command = [
            *(sys.executable, "-c", SEGMENT, "segment", str(folder / "in")),
            *("--out", str(folder / "rois.parquet"), "--workers", given.workers, "-q"),
            *("--set", f"compute.cache_dir={folder / 'cache'}"),
        ]
        start = time.perf_counter()
        ended = subprocess.run(command, check=True, cwd=folder, stdout=subprocess.PIPE, text=True)
        wall = time.perf_counter() - start
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    peak_kb = int(ended.stdout.split()[-1])
    print(
        f"{given.hours:g} h: {wall:.0f} s, {3600 * given.hours / wall:.0f} times real time; "
        f"{cpu:.0f} s of processor time, {3600 * given.hours / cpu:.0f} times real time; "
        f"at most {peak_kb / 1024:.0f} MB resident."
    )


if __name__ == "__main__":
    main()
