"""Downloads by processes that are killed, interrupted, or not alone."""

import io
import os
import random
import signal
import time
import zipfile
from typing import Any

import numpy as np
import pytest
from tests.datasets import server as responses
from tests.datasets.archive_bytes import md5, zip_of
from tests.datasets.child import CONTEXT, run

from darksound.datasets.verify import verify
from darksound.settings import Settings

SPEC = "darksound-2024:test"
# Most bytes that the client reads at once, and the size of the system's buffers.
CHUNK, BUFFERS = 1 << 20, 1 << 19


class Child:
    """Runs `darksound download` in child processes."""

    def __init__(self, server, folder, packed, *served):
        self.root, self._log = folder / "sets", folder / "log"
        self._published = (server.serve("/test.zip", packed, *served), md5(packed))

    def start(self, function="", when=0):
        words = ("download", SPEC, "--root", str(self.root))
        process = CONTEXT.Process(
            target=run, args=(*self._published, function, when, words, self._log)
        )
        self._log.unlink(missing_ok=True)
        process.start()
        return process

    def run(self, function="", when=0):
        return self.end(self.start(function, when))

    def end(self, process):
        """Return the exit status of a process after its end."""
        process.join(120)
        assert process.exitcode is not None
        return process.exitcode

    @property
    def output(self):
        return self._log.read_text() if self._log.exists() else ""

    @property
    def clip(self):
        return self.root / "darksound-2024" / "test" / "bird0" / "0.wav"

    @property
    def parts(self):
        return list(self.root.rglob("*.part"))

    @property
    def partial_bytes(self):
        return sum(part.stat().st_size for part in self.parts)

    def is_complete(self):
        (result,) = verify(SPEC, settings=Settings().replace(compute={"data_dir": self.root}))
        left = {p.name for p in self.root.rglob(".*") if p.is_dir()}
        archives = list(self.root.rglob("*.archive"))
        return not result.differences and left == {".download"} and not archives + self.parts


def noise(megabytes, seed):
    """Return a WAV file of noise, which cannot be compressed."""
    samples = np.random.default_rng(seed).integers(-9999, 9999, megabytes * 500_000, np.int16)
    data = samples.tobytes()
    head = b"RIFF" + (36 + len(data)).to_bytes(4, "little") + b"WAVEfmt "
    head += (16).to_bytes(4, "little") + (1).to_bytes(2, "little") + (1).to_bytes(2, "little")
    head += (48_000).to_bytes(4, "little") + (96_000).to_bytes(4, "little")
    head += (2).to_bytes(2, "little") + (16).to_bytes(2, "little")
    return head + b"data" + len(data).to_bytes(4, "little") + data


def killing(victims, after, partial_bytes):
    """Return a response that kills the client after so many bytes, and never runs far ahead of it.

    On a busy machine the buffers of the system would else hold megabytes that the client did not
    read yet.
    """

    def response(handler, resource, request):
        start, size = request.start, len(resource.content)
        content_range = f"bytes {start}-{size - 1}/{size}" if start else None
        handler.head(
            206 if start else 200,
            Content_Length=size - start,
            Content_Range=content_range,
            ETag=resource.etag,
        )
        block = 1 << 16
        for first in range(start, size, block):
            handler.body(resource.content[first : first + block], request)
            if request.sent >= after:
                os.kill(victims[-1].pid, signal.SIGKILL)
                handler.hang_up()
                return
            least = first + block - BUFFERS
            wait_for(lambda least=least: partial_bytes() >= least)

    return response


@pytest.mark.parametrize(
    ("megabytes", "kills"),
    [(20, 3), pytest.param(200, 10, marks=pytest.mark.slow)],
)
def test_after_many_kills_nothing_is_downloaded_twice(server, tmp_path, megabytes, kills):
    rng = random.Random(megabytes)
    sound = noise(megabytes, seed=kills)
    packed = zip_of({"test/owl/long.wav": sound}, zipfile.ZIP_STORED)
    victims: list[Any] = []
    cuts = [rng.randrange(len(packed) // (kills + 1)) for _ in range(kills)]
    child: Child = Child(
        server,
        tmp_path,
        packed,
        *(killing(victims, cut, lambda: child.partial_bytes) for cut in cuts),
        responses.correct,
    )
    kept = []
    for _ in range(kills):
        victims.append(child.start())
        assert child.end(victims[-1]) == -signal.SIGKILL
        kept.append(child.partial_bytes)
    assert child.run() == 0, child.output
    assert "the md5 of the archive is the published one" in child.output
    assert (child.root / "darksound-2024/test/owl/long.wav").read_bytes() == sound
    assert child.is_complete()

    # Each process requested exactly the missing bytes.
    assert [request.start for request in server.requests] == [0, *kept]
    # Bytes sent but not kept were in the buffers of a killed process.
    twice = sum(request.sent for request in server.requests) - len(packed)
    assert 0 <= twice <= kills * (CHUNK + BUFFERS)


@pytest.mark.parametrize(
    ("function", "when"),
    [
        ("darksound.datasets.transfer._receive", 1),
        ("darksound.datasets.disk.PartialFile.finish", -1),
        ("darksound.datasets.disk.PartialFile.finish", 1),
        ("darksound.datasets.download.install", -1),
        ("darksound.datasets.unpack._write", 2),
        ("darksound.datasets.install.write_pending_marker", 1),
        ("darksound.datasets.install.complete_marker", -1),
        ("darksound.datasets.install._move_into_place", 1),
        ("darksound.datasets.download.delete_archive", 1),
    ],
)
def test_after_a_kill_at_any_step_it_completes_without_another_download(
    server, tmp_path, archive, function, when
):
    child = Child(server, tmp_path, archive)
    assert child.run(function, when) == -signal.SIGKILL, child.output
    assert child.run() == 0, child.output
    assert child.is_complete()
    assert sum(request.sent for request in server.requests) == len(archive)


@pytest.mark.parametrize("when", [-1, 1], ids=["before it moves", "once it is marked"])
def test_after_a_kill_during_replacement_one_version_is_in_place(server, tmp_path, archive, when):
    child = Child(server, tmp_path, archive)
    assert child.run() == 0
    child.clip.write_bytes(b"damaged")
    assert child.run("os.rename", 1) == -signal.SIGKILL, child.output
    # Killed between the two renames: the replaced folder is restored.
    assert not child.clip.exists()
    assert child.run("darksound.datasets.install._move_into_place", when) == -signal.SIGKILL
    assert child.clip.read_bytes() == (b"damaged" if when < 0 else clip_of(archive))
    assert child.run() == 0
    assert child.is_complete()
    assert child.clip.read_bytes() == clip_of(archive)


@pytest.mark.parametrize(
    ("function", "when"),
    [("complete_marker", -1), ("complete_marker", 1), ("_put_away", -1), ("_put_away", 1)],
)
def test_after_a_kill_files_of_the_user_are_in_quarantine(
    server, tmp_path, archive, function, when
):
    child = Child(server, tmp_path, archive)
    assert child.run() == 0
    (child.clip.parent / "notes.txt").write_text("of the user")
    child.clip.write_bytes(b"damaged")
    assert child.run(f"darksound.datasets.install.{function}", when) == -signal.SIGKILL
    assert child.run() == 0, child.output
    (notes,) = child.root.rglob("notes.txt")
    assert notes.parents[1].name.startswith(".test.kept-")
    assert notes.read_text() == "of the user"
    assert child.clip.read_bytes() == clip_of(archive)


def clip_of(packed):
    """The first clip of an archive."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return archive.read("test/bird0/0.wav")


def test_an_interrupt_keeps_the_partial_file_and_installs_nothing(server, tmp_path, archive):
    child = Child(server, tmp_path, archive, responses.silent(40_000, 20), responses.correct)
    process = child.start()
    wait_for(lambda: child.parts and child.parts[0].stat().st_size == 40_000)
    os.kill(process.pid, signal.SIGINT)
    assert child.end(process) == 130
    assert "Interrupted. Resume with: the same command" in child.output
    assert not (child.root / "darksound-2024" / "test").exists()
    assert child.run() == 0
    assert child.is_complete()
    assert [request.start for request in server.requests] == [0, 40_000]


@pytest.mark.parametrize("fate", ["lives", "dies"])
def test_of_two_processes_one_downloads_and_the_other_waits(server, tmp_path, archive, fate):
    child = Child(server, tmp_path, archive, responses.silent(40_000, 3), responses.correct)
    first = child.start()
    wait_for(lambda: child.parts and child.parts[0].stat().st_size == 40_000)
    second = child.start()
    wait_for(lambda: "Another process is working on darksound-2024-test; waiting" in child.output)
    if fate == "dies":
        first.kill()
    assert child.end(second) == 0, child.output
    assert child.end(first) == (0 if fate == "lives" else -signal.SIGKILL)
    assert child.is_complete()
    assert sum(request.sent for request in server.requests) == len(archive)


def wait_for(condition, seconds=60.0):
    """Wait until a condition is true."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)
