"""Kills commands at random times, resumes them, and compares the result with a run left alone.

Each of segment, embed, train, mec, download and export runs once undisturbed. Then it is started in
a fresh folder, killed with its child processes as by `kill -9` after a random share of that time,
and run again, with --resume where the command has it, until it ends. All result files must be equal
byte for byte. Prints a table; exits with status 1 if a result differs or cannot be reached.

    python benchmarks/kills.py --kills 50 --seed 1
"""

import argparse
import hashlib
import io
import json
import os
import random
import re
import shutil
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

import mutations
from children import Child, command_line, start_child
from darksound.datasets import registry
from darksound.datasets.registry import Mirror

_MAX_STARTS = 5
_ENVIRONMENT = {
    "DARKSOUND_COMPUTE__DEVICE": "cpu",
    "DARKSOUND_EPISODES__N_WAY": "5",
    "DARKSOUND_EPISODES__N_SHOT": "2",
    "DARKSOUND_EPISODES__N_QUERY": "2",
    "DARKSOUND_TRAINING__EPISODES_PER_EPOCH": "6",
    "DARKSOUND_TRAINING__VALIDATION_EPISODES": "4",
    "DARKSOUND_TRAINING__EPOCHS": "2",
    "DARKSOUND_MEC__N_EPISODES": "6",
    "DARKSOUND_REDUCTION__METHOD": "pca",
    "DARKSOUND_DOWNLOAD__BACKOFF_BASE_S": "0.01",
    "NO_PROXY": "*",
}


@dataclass(frozen=True)
class Command:
    """A command to kill.

    Attributes:
        words: its arguments.
        results: patterns of the files of its result, below the working directory.
        resumable: whether it has --resume.
        prepare: fills the working directory.
    """

    words: tuple[str, ...]
    results: tuple[str, ...]
    resumable: bool = True
    prepare: Callable[[Path], None] = lambda folder: None


def _recordings(folder: Path) -> None:
    for number in range(6):
        data = mutations.recording("wav", "WAV", "PCM_16", seconds=600 + 60 * number)
        (folder / f"site_2023060{number + 1}_050000.wav").write_bytes(data)


def _run(folder: Path, finished: Path) -> None:
    shutil.copytree(finished, folder / "run")


def commands(finished: Path) -> dict[str, Command]:
    """Return the commands by name; `finished` is the directory of a MEC run to export."""
    mec_results = ("run/clusters.parquet", "run/rois.parquet", "run/embeddings.npy",
                   "run/iterations.csv", "run/checkpoints/*.safetensors")  # fmt: skip
    exported = ("export", "run", "--format", "clips", "--out", "clips")
    return {
        "segment": Command(
            ("segment", ".", "--out", "rois.parquet"),
            ("rois.parquet", "runs/*/chunks.csv"),
            prepare=_recordings,
        ),
        "embed": Command(("embed", "--data", "demo:val", "--out", "e.parquet"), ("e.parquet",)),
        "train": Command(
            ("train", "--data", "demo:train", "--out", "run"), ("run/checkpoints/*.safetensors",)
        ),
        "mec": Command(
            ("mec", "--data", "demo:val", "--iterations", "3", "--out", "run"), mec_results
        ),
        "download": Command(
            ("download", "darksound-2024:test", "--root", "sets"),
            ("sets/darksound-2024/**/*.wav",),
            resumable=False,
        ),
        "export": Command(
            exported,
            ("clips/**/*.wav", "clips/**/*.csv"),
            resumable=False,
            prepare=partial(_run, finished=finished),
        ),
    }


def digest(folder: Path, patterns: Sequence[str]) -> str:
    """Return a digest of the names and contents of result files."""
    total = hashlib.sha256()
    for pattern in patterns:
        paths = sorted(path for path in folder.glob(pattern) if path.is_file())
        total.update(f"{pattern} {len(paths)}".encode())
        for path in paths:
            # The time in the name of a run directory is that of its start.
            name = re.sub(r"^runs/[^/]+", "runs", path.relative_to(folder).as_posix())
            total.update(name.encode() + _content(path))
    return total.hexdigest()


def _content(path: Path) -> bytes:
    """Return the content of a file, without times: seconds of iterations, times of saving."""
    if path.name == "iterations.csv":
        table = pd.read_csv(path)
        seconds = [name for name in table.columns if name.endswith(("seconds", "_s"))]
        return table.drop(columns=seconds).to_csv().encode()
    data = path.read_bytes()
    if path.suffix == ".safetensors":
        end = 8 + int.from_bytes(data[:8], "little")
        header = json.loads(data[8:end])
        del header["__metadata__"]
        return json.dumps(header, sort_keys=True).encode() + data[end:]
    return data


def start(command: Command, folder: Path, number: int) -> Child:
    """Start a command; with --resume if it was started before and can be resumed."""
    environment = {**_ENVIRONMENT, "DARKSOUND_CACHE": str(folder / "cache")}
    words = list(command.words)
    if number and command.resumable:
        words.append("--resume")
    return start_child(f"start-{number}", partial(command_line, *words), folder, environment)


def finish(command: Command, folder: Path) -> str:
    """Run a killed command until it ends; return what happened."""
    for number in range(1, _MAX_STARTS):
        child = start(command, folder, number)
        child.wait()
        if child.status == 0:
            return f"{number} more"
        if child.status == 2 and re.search(r"There is no (\w+ )?run|is not a run", child.output):
            # Killed before there was a run: started as the first time.
            child = start(command, folder, 0)
            child.wait()
            if child.status == 0:
                return "started anew"
        return f"exit status {child.status}: {child.output[-400:]}"
    return f"not finished after {_MAX_STARTS} starts"


def undisturbed(command: Command, folder: Path) -> tuple[float, str]:
    """Return the seconds that a command takes, and the digest of its result."""
    folder.mkdir()
    command.prepare(folder)
    child = start(command, folder, 0)
    child.wait()
    if child.status:
        raise SystemExit(child.output)
    return child.seconds, digest(folder, command.results)


def killed(command: Command, folder: Path, after_s: float) -> bool:
    """Start a command and kill it; return whether it was still running."""
    folder.mkdir()
    command.prepare(folder)
    child, started = start(command, folder, 0), time.monotonic()
    while time.monotonic() - started < after_s and not child.poll():
        time.sleep(0.002)
    if child.poll():
        return False
    child.kill()
    child.wait()
    return True


def publish(n_clips: int, bytes_per_s: int) -> None:
    """Serve an archive of clips at a limited rate, and make it the published test split."""
    out, rng = io.BytesIO(), np.random.default_rng(1)
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for number in range(n_clips):
            clip = io.BytesIO()
            soundfile.write(clip, rng.normal(0, 0.1, 24_000), 24_000, format="WAV")
            archive.writestr(f"test/bird{number % 5}/{number}.wav", clip.getvalue())
    data = out.getvalue()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            """Send the archive, or the part of it that a Range header names."""
            found = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
            first = int(found[1]) if found else 0
            self.send_response(206 if found else 200)
            if found:
                self.send_header("Content-Range", f"bytes {first}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(data) - first))
            self.send_header("ETag", '"archive"')
            self.end_headers()
            try:
                for at in range(first, len(data), bytes_per_s // 50):
                    self.wfile.write(data[at : at + bytes_per_s // 50])
                    time.sleep(1 / 50)
            except OSError:
                # The client was killed.
                self.close_connection = True

        def log_message(self, *args: object) -> None:
            """Log nothing."""

    # In its own process, since the commands are forked from this one, which must have no threads.
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    address = f"http://127.0.0.1:{server.server_port}/test.zip"
    parent = os.getpid()
    if not os.fork():
        threading.Thread(target=server.serve_forever, daemon=True).start()
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(0)
    published = registry.REGISTRY["darksound-2024"]
    split = replace(
        published.splits["test"],
        mirrors=(Mirror("url", address, address),),
        md5=hashlib.md5(data, usedforsecurity=False).hexdigest(),
        n_species=None,
        n_clips=None,
    )
    registry.REGISTRY = {
        "darksound-2024": replace(published, splits={**published.splits, "test": split})
    }


def _measure(
    name: str, command: Command, n_kills: int, folder: Path, rng: random.Random
) -> Mapping[str, object]:
    """Kill a command at random times; return a row of the table."""
    # Always the same folder, because tables name it.
    place = folder / name
    seconds, expected = undisturbed(command, place)
    shutil.rmtree(place)
    n_running, wrong = 0, list[str]()
    for _ in range(n_kills):
        after_s = rng.uniform(0, seconds)
        n_running += killed(command, place, after_s)
        outcome = finish(command, place)
        if digest(place, command.results) != expected:
            wrong.append(f"{name}, killed after {after_s:.2f} s: {outcome}")
            print(wrong[-1], file=sys.stderr, flush=True)
        shutil.rmtree(place)
    return {
        "command": name,
        "undisturbed": f"{seconds:.1f} s",
        "kills": n_kills,
        "killed while it ran": n_running,
        "identical": n_kills - len(wrong),
    }


def main() -> int:
    """Kill all commands; return 1 if a result differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", nargs="*", default=(), metavar="COMMAND")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    publish(n_clips=400, bytes_per_s=8_000_000)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        made = folder / "made"
        undisturbed(
            Command(("mec", "--data", "demo:val", "--iterations", "0", "--out", "run"), ()), made
        )
        chosen = commands(made / "run")
        chosen = {name: chosen[name] for name in options.only or chosen}
        for i, (name, command) in enumerate(chosen.items()):
            n_kills = len(range(i, options.kills, len(chosen)))
            rows.append(_measure(name, command, n_kills, folder, rng))
            print(rows[-1], file=sys.stderr, flush=True)
    table = pd.DataFrame(rows)
    print("| " + " | ".join(table.columns) + " |\n|" + "---|" * len(table.columns))
    for row in table.itertuples(index=False):
        print("| " + " | ".join(str(value) for value in row) + " |")
    return int((table["identical"] != table["kills"]).any())


if __name__ == "__main__":
    sys.exit(main())
