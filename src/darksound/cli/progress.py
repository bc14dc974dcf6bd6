"""How long work is shown: bars on a terminal, a line now and then elsewhere."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from darksound.progress import duration

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

__all__ = ["BarProgress", "LineProgress"]

logger = logging.getLogger(__name__)
# Of a line with a bar, all but the figures.
_BAR_WIDTH = 70


@dataclass
class _Stage:
    """A stage that is under way, or has ended."""

    name: str
    began: float
    told: float
    first: int
    done: int = 0
    total: int = 0
    values: str = ""

    def pace(self, now: float) -> str:
        """Units a second and the time left, or the time taken once all is done."""
        taken = now - self.began
        if self.done >= self.total:
            return f"in {duration(taken)}"
        # What was done before it was first told of says nothing about the rate.
        done = self.done - self.first
        if not done or taken <= 0:
            return ""
        left = duration((self.total - self.done) * taken / done)
        return f"{done / taken:.3g}/s, {left} left"

    def line(self, now: float) -> str:
        """The stage in one line."""
        text = f"{self.name}: {self.done}/{self.total} {self.pace(now)}".rstrip()
        return f"{text} ({self.values})" if self.values else text


class _Stages:
    """What is under way, by name."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._open: dict[str, _Stage] = {}

    def update(
        self, name: str, done: int, total: int, values: Mapping[str, float] | None
    ) -> tuple[_Stage, bool]:
        """The stage as it is now, and whether it has just been opened."""
        now = self.clock()
        known = self._open.get(name)
        opened = known is None or done < known.done
        stage = _Stage(name, now, now, done) if known is None or opened else known
        stage.done, stage.total = done, total
        if values:
            stage.values = ", ".join(f"{key} {value:.3g}" for key, value in values.items())
        self._open[name] = stage
        if done >= total:
            del self._open[name]
        return stage, opened


class LineProgress:
    """A log line every `every` seconds of a stage, and one at the end of a stage that long."""

    def __init__(self, every: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._every = every
        self._stages = _Stages(clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Nothing is held open."""

    def __call__(
        self, stage: str, done: int, total: int, /, values: Mapping[str, float] | None = None
    ) -> None:
        """See `darksound.progress.Progress`."""
        state, _ = self._stages.update(stage, done, total, values)
        now = self._stages.clock()
        if now - (state.began if done >= total else state.told) >= self._every:
            state.told = now
            logger.info("%s", state.line(now))


class BarProgress:
    """A bar a stage with rate, time left and figures; `every` seconds of it leave a line."""

    def __init__(
        self,
        console: "Console",
        every: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._console = console
        self._every = every
        self._stages = _Stages(clock)
        self._tasks: dict[str, TaskID] = {}
        self._bars = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=20),
            MofNCompleteColumn(),
            TextColumn("{task.fields[pace]}", markup=False),
            TextColumn("{task.fields[values]}", markup=False),
            console=console,
            transient=True,
        )

    def __enter__(self) -> Self:
        self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._bars.stop()

    def __call__(
        self, stage: str, done: int, total: int, /, values: Mapping[str, float] | None = None
    ) -> None:
        """See `darksound.progress.Progress`."""
        state, opened = self._stages.update(stage, done, total, values)
        now = self._stages.clock()
        if opened:
            self._drop(stage)
            self._tasks[stage] = self._bars.add_task(stage, total=total, pace="", values="")
        task = self._tasks[stage]
        self._bars.update(
            task,
            completed=done,
            total=total,
            pace=state.pace(now),
            values=state.values[: max(self._console.width - _BAR_WIDTH, 0)],
        )
        if done >= total:
            self._drop(stage)
            if now - state.began >= self._every:
                self._console.print(state.line(now), markup=False, highlight=False)

    def _drop(self, stage: str) -> None:
        task = self._tasks.pop(stage, None)
        if task is not None:
            self._bars.remove_task(task)
