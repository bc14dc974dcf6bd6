"""Time to open the report page, frame rate of its map in headless Chromium, and size of the page.

Creates a result of many synthetic ROIs (by default 100,000 in 60 clusters), with sound for as many
as fit into a page of 50 MB. Writes `report.html`, opens it from disk, and pans the whole map for
some seconds. The time to open ends with the first frame after everything is loaded and painted. A
frame counts when the map was painted in it. Needs chromium, chromedriver and selenium.

    python benchmarks/page.py --rois 100000
"""

import argparse
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from browser import headless
from darksound.audio.files import AudioInfo
from darksound.report.page.writing import write_page
from darksound.report.result import MecResult
from darksound.rois.roi_set import RoiSet, as_roi_table
from darksound.settings import Settings

_READY = """
const done = arguments[0];
requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(performance.now()))));
"""
_PAN = """
const [seconds, done] = arguments;
const canvas = document.getElementById("map");
const box = canvas.getBoundingClientRect();
const prototype = CanvasRenderingContext2D.prototype;
const put = prototype.putImageData;
let paints = 0;
prototype.putImageData = function (...values) { paints++; return put.apply(this, values); };
const send = (type, x) => canvas.dispatchEvent(new PointerEvent(type, {
  pointerId: 1, button: 0, bubbles: true, clientX: x, clientY: box.top + box.height / 2,
}));
canvas.setPointerCapture = () => {};
const middle = box.left + box.width / 2;
send("pointerdown", middle);
const start = performance.now();
let frame = 0;
(function step() {
  const now = performance.now();
  if (now - start > 1000 * seconds) {
    send("pointerup", middle);
    prototype.putImageData = put;
    return done([paints, (now - start) / 1000]);
  }
  send("pointermove", middle + 120 * Math.sin(++frame / 10));
  requestAnimationFrame(step);
})();
"""


class _ChirpReader:
    """Return a chirp in noise for any ROI."""

    def read(
        self,
        root: str,
        recording: str,
        start_s: float,
        end_s: float,
        rate: int | None,
        *,
        channel: str = "mean",
    ) -> tuple[np.ndarray, int]:
        rate = rate or 48_000
        time = np.arange(round((end_s - start_s) * rate)) / rate
        rng = np.random.default_rng(int(recording[:6]))
        wave = np.sin(2 * np.pi * (2000 + 800 * rng.random() * time) * time)
        return (0.3 * wave + rng.normal(scale=0.03, size=len(time))).astype(np.float32), rate

    def stamp(self, root: str, recording: str) -> str:
        return ""

    def info(self, root: str, recording: str) -> AudioInfo:
        raise NotImplementedError


def synthetic_result(folder: Path, n: int, k: int) -> MecResult:
    """Return a result of `n` ROIs in `k` clusters, with 10 % noise."""
    rng = np.random.default_rng(11)
    cluster = rng.integers(k, size=n)
    centre = rng.normal(scale=10, size=(k, 2))
    position = centre[cluster] + rng.normal(scale=0.6, size=(n, 2))
    vectors = rng.normal(size=(k, 32))[cluster] + rng.normal(scale=0.3, size=(n, 32))
    noise = rng.random(n) < 0.1
    position[noise] = rng.normal(scale=11, size=(noise.sum(), 2))
    cluster = np.where(noise, -1, cluster)
    recording = rng.integers(2000, size=n)
    rois = as_roi_table(
        {
            "root": ["/recordings"] * n,
            "recording": [
                f"{r:06d}/SITE{r % 20:02d}_20220131_{r % 24:02d}0000.wav" for r in recording
            ],
            "start_s": 10.0 * np.arange(n) / 7,
            "end_s": 10.0 * np.arange(n) / 7 + 2.5,
            "recorded_at": [f"2022-01-31T{r % 24:02d}:00:00" for r in recording],
        }
    )
    clusters = pd.DataFrame(
        {
            "roi_id": rois["roi_id"],
            "cluster": cluster,
            "probability": np.where(noise, 0, rng.beta(5, 1, n)),
            "outlier_score": rng.random(n),
            "assigned_cluster": pd.array([pd.NA] * n, dtype="Int64"),
            "assigned_probability": np.nan,
            "x": position[:, 0].astype(np.float32),
            "y": position[:, 1].astype(np.float32),
            "persistence": np.where(noise, np.nan, 0.2),
            "supercluster": np.where(noise, -1, cluster // 4),
        }
    )
    iterations = pd.DataFrame(
        {
            "iteration": [0, 1], "n_clusters": [k, k], "coverage": [0.9, 0.9], "dbcv": [0.2, 0.3],
            "weighted_entropy": [1.0, 2.0], "ami_previous": [np.nan, 0.9],
            "persistence": [0.2, 0.2], "seconds": [1.0, 1.0], "kept": [False, True],
        }
    )  # fmt: skip
    return MecResult(
        rois=RoiSet(rois, _ChirpReader()),
        clusters=clusters,
        iterations=iterations,
        embeddings=vectors.astype(np.float32),
        settings=Settings(),
        path=folder,
    )


def measure(path: Path, width: int, height: int, ratio: float, seconds: float) -> str:
    """Open the page in a new browser and pan; return the measurements as a line."""
    browser = headless("--disable-dev-shm-usage")
    try:
        browser.set_script_timeout(120)
        size = {"width": width, "height": height, "deviceScaleFactor": ratio, "mobile": width < 600}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get(path.as_uri())
        opened = browser.execute_async_script(_READY) / 1000
        paints, took = browser.execute_async_script(_PAN, seconds)
    finally:
        browser.quit()
    return (
        f"{width} x {height} at {ratio:g}: open in {opened:.2f} s, pans at {paints / took:.0f} "
        f"frames a second"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rois", type=int, default=100_000)
    parser.add_argument("--clusters", type=int, default=60)
    parser.add_argument("--page-mb", type=float, default=50.0)
    parser.add_argument("--seconds", type=float, default=5.0, help="of panning")
    parser.add_argument("--page", type=Path, help="measure this page instead of a new one")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = args.page
        if path is None:
            result = synthetic_result(Path(folder), args.rois, args.clusters)
            settings = result.settings.replace(report={"page_mb": args.page_mb})
            page = write_page(replace(result, settings=settings))
            path = page.path
            print(f"{page.rois} ROIs, {page.with_sound} with sound, {page.size / 1e6:.1f} MB")
        for width, height, ratio in ((1400, 1000, 1), (1400, 1000, 2), (400, 860, 2)):
            print(measure(path.resolve(), width, height, ratio, args.seconds))


if __name__ == "__main__":
    main()
