"""Processes that are killed, interrupted, or not alone."""

import io
import os
import random
import signal
import time
import zipfile

import numpy as np
import pytest
from tests.datasets import server as manners
from tests.datasets.building import md5, zip_of
from tests.datasets.child import CONTEXT, run

from darksound.datasets.command import verify
from darksound.settings import Settings

SPEC = "darksound-2024:test"
# What the client asks of a connection at once, and what the two systems' buffers may hold beside.
CHUNK, BUFFERS = 1 << 20, 1 << 19


class Child:
    """Runs `darksound download` in processes of their own."""

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
        """The exit status, once the process has ended."""
        process.join(60)
        assert process.exitcode is not None
        return process.exitcode

    @property
    def said(self):
        return self._log.read_text() if self._log.exists() else ""

    @property
    def clip(self):
        return self.root / "darksound-2024" / "test" / "bird0" / "0.wav"

    @property
    def parts(self):
        return list(self.root.rglob("*.part"))

    def is_whole(self):
        (verdict,) = verify(SPEC, settings=Settings().replace(compute={"data_dir": self.root}))
        left = {p.name for p in self.root.rglob(".*") if p.is_dir()}
        archives = list(self.root.rglob("*.archive"))
        return not verdict.differences and left == {".download"} and not archives + self.parts


def noise(megabytes, seed):
    """A WAV file of noise, which no archive makes smaller."""
    samples = np.random.default_rng(seed).integers(-9999, 9999, megabytes * 500_000, np.int16)
    data = samples.tobytes()
    head = b"RIFF" + (36 + len(data)).to_bytes(4, "little") + b"WAVEfmt "
    head += (16).to_bytes(4, "little") + (1).to_bytes(2, "little") + (1).to_bytes(2, "little")
    head += (48_000).to_bytes(4, "little") + (96_000).to_bytes(4, "little")
    head += (2).to_bytes(2, "little") + (16).to_bytes(2, "little")
    return head + b"data" + len(data).to_bytes(4, "little") + data


def deadly(victims, after, bytes_a_second):
    """A manner that kills the client once it was sent so many bytes, at a pace it keeps up with."""

    def manner(handler, resource, asked):
        start, size = asked.start, len(resource.content)
        place = f"bytes {start}-{size - 1}/{size}" if start else None
        handler.head(
            206 if start else 200,
            Content_Length=size - start,
            Content_Range=place,
            ETag=resource.etag,
        )
        block = 1 << 16
        for first in range(start, size, block):
            handler.body(resource.content[first : first + block], asked)
            if asked.sent >= after:
                os.kill(victims[-1].pid, signal.SIGKILL)
                handler.hang_up()
                return
            time.sleep(block / bytes_a_second)

    return manner


@pytest.mark.parametrize(
    ("megabytes", "kills"),
    [(20, 3), pytest.param(200, 10, marks=pytest.mark.slow)],
)
def test_killed_again_and_again_nothing_is_fetched_twice(server, tmp_path, megabytes, kills):
    rng = random.Random(megabytes)
    sound = noise(megabytes, seed=kills)
    packed = zip_of({"test/owl/long.wav": sound}, zipfile.ZIP_STORED)
    victims = []
    cuts = [rng.randrange(len(packed) // (kills + 1)) for _ in range(kills)]
    child = Child(
        server,
        tmp_path,
        packed,
        *(deadly(victims, cut, bytes_a_second=60_000_000) for cut in cuts),
        manners.well,
    )
    kept = []
    for _ in range(kills):
        victims.append(child.start())
        assert child.end(victims[-1]) == -signal.SIGKILL
        kept.append(sum(part.stat().st_size for part in child.parts))
    assert child.run() == 0, child.said
    assert "the md5 of the archive is the published one" in child.said
    assert (child.root / "darksound-2024/test/owl/long.wav").read_bytes() == sound
    assert child.is_whole()

    # Each process asked for what was missing and for nothing else.
    assert [asked.start for asked in server.asked] == [0, *kept]
    # What was sent but not kept was still on its way to a process that died.
    twice = sum(asked.sent for asked in server.asked) - len(packed)
    assert 0 <= twice <= kills * (CHUNK + BUFFERS)


@pytest.mark.parametrize(
    ("function", "when"),
    [
        ("darksound.datasets.transfer._receive", 1),
        ("darksound.datasets.partial.Partial.finish", -1),
        ("darksound.datasets.partial.Partial.finish", 1),
        ("darksound.datasets.sets.install", -1),
        ("darksound.datasets.unpack._write", 2),
        ("darksound.datasets.staging.write_pending", 1),
        ("darksound.datasets.place.complete", -1),
        ("darksound.datasets.installing.move_in", 1),
        ("darksound.datasets.sets.discard", 1),
    ],
)
def test_killed_at_any_step_it_ends_whole_without_fetching_again(
    server, tmp_path, archive, function, when
):
    child = Child(server, tmp_path, archive)
    assert child.run(function, when) == -signal.SIGKILL, child.said
    assert child.run() == 0, child.said
    assert child.is_whole()
    assert sum(asked.sent for asked in server.asked) == len(archive)


@pytest.mark.parametrize("when", [-1, 1], ids=["before it moves", "once it is marked"])
def test_killed_while_a_damaged_set_is_replaced_one_of_them_is_there(
    server, tmp_path, archive, when
):
    child = Child(server, tmp_path, archive)
    assert child.run() == 0
    child.clip.write_bytes(b"damaged")
    assert child.run("os.rename", 1) == -signal.SIGKILL, child.said
    # Dead between the two renames: what was there lies aside, and comes back.
    assert not child.clip.exists()
    assert child.run("darksound.datasets.installing.move_in", when) == -signal.SIGKILL
    assert child.clip.read_bytes() == (b"damaged" if when < 0 else clip_of(archive))
    assert child.run() == 0
    assert child.is_whole()
    assert child.clip.read_bytes() == clip_of(archive)


def clip_of(packed):
    """The first clip of an archive."""
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        return archive.read("test/bird0/0.wav")


def test_an_interrupt_leaves_what_arrived_and_nothing_in_the_final_place(server, tmp_path, archive):
    child = Child(server, tmp_path, archive, manners.silent(40_000, 20), manners.well)
    process = child.start()
    wait_for(lambda: child.parts and child.parts[0].stat().st_size == 40_000)
    os.kill(process.pid, signal.SIGINT)
    assert child.end(process) == 130
    assert "Interrupted. Go on with: the same command" in child.said
    assert not (child.root / "darksound-2024" / "test").exists()
    assert child.run() == 0
    assert child.is_whole()
    assert [asked.start for asked in server.asked] == [0, 40_000]


@pytest.mark.parametrize("fate", ["lives", "dies"])
def test_of_two_at_once_one_fetches_and_the_other_waits(server, tmp_path, archive, fate):
    child = Child(server, tmp_path, archive, manners.silent(40_000, 3), manners.well)
    first = child.start()
    wait_for(lambda: child.parts and child.parts[0].stat().st_size == 40_000)
    second = child.start()
    wait_for(lambda: "Another process is at work on darksound-2024-test; waiting" in child.said)
    if fate == "dies":
        first.kill()
    assert child.end(second) == 0, child.said
    assert child.end(first) == (0 if fate == "lives" else -signal.SIGKILL)
    assert child.is_whole()
    assert sum(asked.sent for asked in server.asked) == len(archive)


def wait_for(happened, seconds=30.0):
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end
        time.sleep(0.02)
