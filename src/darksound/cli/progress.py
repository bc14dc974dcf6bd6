"""Display of progress: bars on a terminal, or log lines at intervals."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

from darksound.progress import duration
from darksound.text import printable

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import TaskID

__all__ = ["BarProgress", "LineProgress"]

logger = logging.getLogger(__name__)
# Width of a line with a bar, without its figures.
_BAR_WIDTH = 70


@dataclass
class _Stage:
    """The progress of one stage.

    Attributes:
        name: name of the stage.
        started: time of its first report.
        logged: time of its last log line.
        first: units that were done at the first report, as in a resumed run.
        done, total: units.
        values: figures as text.
    """

    name: str
    started: float
    logged: float
    first: int
    done: int = 0
    total: int = 0
    values: str = ""

    def pace(self, now: float) -> str:
        """Return units per second and remaining time, or the elapsed time of a finished stage."""
        elapsed = now - self.started
        if self.done >= self.total:
            return f"in {duration(elapsed)}"
        # Units of an earlier process do not count in the rate.
        done = self.done - self.first
        if not done or elapsed <= 0:
            return ""
        remaining = duration((self.total - self.done) * elapsed / done)
        return f"{done / elapsed:.3g}/s, {remaining} left"

    def line(self, now: float) -> str:
        """Return the progress in one line."""
        text = f"{self.name}: {self.done}/{self.total} {self.pace(now)}".rstrip()
        return f"{text} ({self.values})" if self.values else text


class _Stages:
    """The stages in progress, by name."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self._open: dict[str, _Stage] = {}

    def update(
        self, name: str, done: int, total: int, values: Mapping[str, float] | None
    ) -> tuple[_Stage, bool]:
        """Return the updated stage, and whether it is new."""
        now = self.clock()
        current = self._open.get(name)
        is_new = current is None or done < current.done
        stage = _Stage(name, now, now, done) if current is None or is_new else current
        stage.done, stage.total = done, total
        if values:
            stage.values = ", ".join(f"{key} {value:.3g}" for key, value in values.items())
        self._open[name] = stage
        if done >= total:
            del self._open[name]
        return stage, is_new


class LineProgress:
    """Logs a line every `interval` seconds of a stage, and one at the end of a longer stage."""

    def __init__(self, interval: float = 10.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._interval = interval
        self._stages = _Stages(clock)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close nothing."""

    def __call__(
        self, stage: str, done: int, total: int, /, values: Mapping[str, float] | None = None
    ) -> None:
        """Show progress; see `darksound.progress.Progress`."""
        stage_state, _ = self._stages.update(stage, done, total, values)
        now = self._stages.clock()
        if now - (stage_state.started if done >= total else stage_state.logged) >= self._interval:
            stage_state.logged = now
            logger.info("%s", stage_state.line(now))


class BarProgress:
    """Shows a bar per stage with rate, remaining time and figures.

    A stage of at least `interval` seconds leaves a line.
    """

    def __init__(
        self,
        console: "Console",
        interval: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

        self._console = console
        self._interval = interval
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
        """Show progress; see `darksound.progress.Progress`."""
        stage_state, is_new = self._stages.update(stage, done, total, values)
        now = self._stages.clock()
        if is_new:
            self._drop(stage)
            self._tasks[stage] = self._bars.add_task(
                printable(stage), total=total, pace="", values=""
            )
        task = self._tasks[stage]
        self._bars.update(
            task,
            completed=done,
            total=total,
            pace=stage_state.pace(now),
            values=stage_state.values[: max(self._console.width - _BAR_WIDTH, 0)],
        )
        if done >= total:
            self._drop(stage)
            if now - stage_state.started >= self._interval:
                self._console.print(printable(stage_state.line(now)), markup=False, highlight=False)

    def _drop(self, stage: str) -> None:
        task = self._tasks.pop(stage, None)
        if task is not None:
            self._bars.remove_task(task)
