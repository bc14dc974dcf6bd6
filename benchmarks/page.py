"""How fast the page of a run opens and its map pans in headless Chromium, and how large it is.

Makes a run of many synthetic ROIs (100,000 in 60 clusters unless told otherwise) with sound for as
many as fit into the page's 50 MB, writes `report.html`, opens it from disk, and pans the whole map
for some seconds. Opening counts from the navigation to the first frame after everything is loaded
and the map is painted. A frame of panning counts when the map was painted anew in it. Needs
chromium, chromedriver and selenium.

    python benchmarks/page.py --rois 100000
"""

import argparse
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from browser import headless

from darksound.report.page.writing import write_page
from darksound.rois.roi_set import as_roi_table
from darksound.run.reading import RunResult
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
prototype.putImageData = function (...given) { paints++; return put.apply(this, given); };
const send = (type, x) => canvas.dispatchEvent(new PointerEvent(type, {
  pointerId: 1, button: 0, bubbles: true, clientX: x, clientY: box.top + box.height / 2,
}));
canvas.setPointerCapture = () => {};
const middle = box.left + box.width / 2;
send("pointerdown", middle);
const began = performance.now();
let frame = 0;
(function step() {
  const now = performance.now();
  if (now - began > 1000 * seconds) {
    send("pointerup", middle);
    prototype.putImageData = put;
    return done([paints, (now - began) / 1000]);
  }
  send("pointermove", middle + 120 * Math.sin(++frame / 10));
  requestAnimationFrame(step);
})();
"""


class _Chirps:
    """Two seconds and a half of a chirp in noise for any ROI."""

    def read(
        self, root: str, recording: str, start_s: float, end_s: float, rate: int | None
    ) -> tuple[np.ndarray, int]:
        rate = rate or 48_000
        time = np.arange(round((end_s - start_s) * rate)) / rate
        rng = np.random.default_rng(int(recording[:6]))
        wave = np.sin(2 * np.pi * (2000 + 800 * rng.random() * time) * time)
        return (0.3 * wave + rng.normal(scale=0.03, size=len(time))).astype(np.float32), rate

    def stamp(self, root: str, recording: str) -> str:
        return ""


def synthetic_run(folder: Path, n: int, k: int) -> RunResult:
    """A run of `n` ROIs in `k` clusters, a tenth of them noise."""
    rng = np.random.default_rng(11)
    cluster = rng.integers(k, size=n)
    centre = rng.normal(scale=10, size=(k, 2))
    place = centre[cluster] + rng.normal(scale=0.6, size=(n, 2))
    vectors = rng.normal(size=(k, 32))[cluster] + rng.normal(scale=0.3, size=(n, 32))
    noise = rng.random(n) < 0.1
    place[noise] = rng.normal(scale=11, size=(noise.sum(), 2))
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
            "x": place[:, 0].astype(np.float32),
            "y": place[:, 1].astype(np.float32),
            "persistence": np.where(noise, np.nan, 0.2),
        }
    )
    iterations = pd.DataFrame(
        {
            "iteration": [0, 1], "n_clusters": [k, k], "coverage": [0.9, 0.9], "dbcv": [0.2, 0.3],
            "information": [1.0, 2.0], "ami_previous": [np.nan, 0.9], "persistence": [0.2, 0.2],
            "seconds": [1.0, 1.0], "kept": [False, True],
        }
    )  # fmt: skip
    return RunResult(
        folder, {"inputs": {}}, Settings(), rois, clusters, iterations,
        vectors.astype(np.float32), _Chirps(),
    )  # fmt: skip


def measure(path: Path, width: int, height: int, ratio: float, seconds: float) -> str:
    """Open the page in a fresh browser and pan; what was measured, as a line."""
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
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = given.page
        if path is None:
            result = synthetic_run(Path(folder), given.rois, given.clusters)
            settings = result.settings.replace(report={"page_mb": given.page_mb})
            result = RunResult(**{**vars(result), "settings": settings})
            page = write_page(result)
            path = page.path
            print(f"{page.rois} ROIs, {page.heard} with sound, {page.size / 1e6:.1f} MB")
        for width, height, ratio in ((1400, 1000, 1), (1400, 1000, 2), (400, 860, 2)):
            print(measure(path.resolve(), width, height, ratio, given.seconds))


if __name__ == "__main__":
    main()
