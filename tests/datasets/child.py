"""The command line in a child process, which may kill itself."""

import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from pkgutil import resolve_name

from darksound.cli.app import main
from darksound.datasets import registry
from darksound.datasets.registry import Mirror

#: Its processes are forked from one that has imported everything and runs no threads.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["darksound.jobs.download", "tests.datasets.child"])


def run(address: str, md5: str, function: str, when: int, words: Sequence[str], log: Path) -> None:
    """Run the command line, with its output in a file.

    Args:
        address, md5: of the published archive of `darksound-2024:test`.
        function: the function at which the process is killed, as a dotted path.
        when: number of the call at which the process is killed: before it if negative, after it
            if positive, not at all if 0.
        words: arguments of the command line.
        log: file for the output.
    """
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.stdout, sys.stderr = (
        os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2)
    )
    os.environ["NO_PROXY"] = "*"
    os.environ["DARKSOUND_DOWNLOAD__BACKOFF_BASE_S"] = "0.01"
    os.environ["DARKSOUND_COMPUTE__WORKERS"] = "1"
    publish(address, md5)
    if when:
        kill_at(function, when)
    sys.argv = ["darksound", *words]
    main()


def publish(address: str, md5: str) -> None:
    """Change the published archive."""
    published = registry.REGISTRY["darksound-2024"]
    mirrors = (Mirror("url", address, address),)
    split = replace(
        published.splits["test"], mirrors=mirrors, md5=md5, n_species=None, n_clips=None
    )
    splits = {**published.splits, "test": split}
    registry.REGISTRY = {"darksound-2024": replace(published, splits=splits)}


def kill_at(function: str, when: int) -> None:
    """Kill this process, as `kill -9` would, at a call of a function."""
    home, name = function.rsplit(".", 1)
    owner, calls = resolve_name(home), 0
    real = getattr(owner, name)

    def kill_or_call(*args: object, **more: object) -> object:
        nonlocal calls
        calls += 1
        if calls != abs(when):
            return real(*args, **more)
        if when > 0:
            real(*args, **more)
        os.kill(os.getpid(), signal.SIGKILL)
        return None

    setattr(owner, name, kill_or_call)
