"""Runs many short jobs in child processes that are forked from one with all imports done."""

import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Child", "command_line", "run_children", "start_child"]

_MAX_MEMORY = 16 << 30
_POLL_S = 0.01


@dataclass
class Child:
    """A child process.

    Attributes:
        key: of its job.
        pid: process number; it is also the leader of a process group.
        log: file with its output.
        started: time of its start in seconds.
        status: exit status, the negative number of the signal that ended it, or None while it runs.
        seconds: that it took.
        timed_out: whether it was killed because it took too long.
    """

    key: str
    pid: int
    log: Path
    started: float
    status: int | None = None
    seconds: float = 0.0
    timed_out: bool = False

    @property
    def output(self) -> str:
        """Return what it printed."""
        return self.log.read_text(errors="replace")

    def poll(self) -> bool:
        """Return whether it has ended."""
        if self.status is not None:
            return True
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid:
            return False
        self.status = os.waitstatus_to_exitcode(status)
        self.seconds = time.monotonic() - self.started
        return True

    def wait(self) -> None:
        """Wait for its end."""
        while not self.poll():
            time.sleep(_POLL_S)

    def kill(self) -> None:
        """Kill it and the processes that it started, as `kill -9` does."""
        os.killpg(self.pid, signal.SIGKILL)


def command_line(*words: str) -> None:
    """Run the command `darksound` with arguments; for a child process."""
    from darksound.cli.app import main

    sys.argv = ["darksound", *words]
    main()


def start_child(
    key: str, job: Callable[[], None], folder: Path, environment: Mapping[str, str]
) -> Child:
    """Start a job in a child process.

    Args:
        key: of the job; its output is in `folder/key.log`.
        job: the function to run.
        folder: working directory.
        environment: added to the environment.
    """
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / f"{key}.log"
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return Child(key, pid, log, time.monotonic())
    status = 1
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_AS, (_MAX_MEMORY, _MAX_MEMORY))
        descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        for number in (1, 2):
            os.dup2(descriptor, number)
        sys.stdout, sys.stderr = (
            os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2)
        )
        os.chdir(folder)
        os.environ.update(environment)
        job()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(status)


def run_children(
    starts: Sequence[Callable[[], Child]], limit_s: float, at_once: int
) -> Iterator[Child]:
    """Run jobs in child processes; yield each child after its end.

    Args:
        starts: functions that start a child.
        limit_s: time after which a child is killed.
        at_once: number of children that run at the same time.
    """
    waiting, running = list(reversed(starts)), list[Child]()
    while waiting or running:
        while waiting and len(running) < at_once:
            running.append(waiting.pop()())
        for child in list(running):
            if not child.poll():
                if time.monotonic() - child.started > limit_s and not child.timed_out:
                    child.timed_out = True
                    child.kill()
                continue
            running.remove(child)
            yield child
        time.sleep(_POLL_S)
