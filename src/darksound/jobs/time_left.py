"""The time that a run still takes, from the pace of its own stages."""

import logging
import math
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile

from darksound.progress import Progress, duration

__all__ = ["LOOP", "PlannedStage", "TimeLeft"]

logger = logging.getLogger(__name__)

#: Name of the stage that counts the repetitions of the loop.
LOOP = "iteration"
# Seconds of work until the first estimate, and at least between two of them.
_FIRST_S, _BETWEEN_S = 3.0, 10.0
# An estimate is logged again if it is out of the range of the last one by this share of it and by
# this many seconds.
_CHANGE, _CHANGE_S = 1 / 3, 10.0
# Seconds that count as measured at the planned pace, so that stages of moments say little.
_PRIOR_S = 1.0
# The message has a range if the latest end is later than the earliest one by this factor.
_RANGE = 1.3
_VALUE = "min left of run"
# Number of a repetition in the name of a stage, as in "epoch 3/20".
_NUMBER = re.compile(r" [\d/]+$")


@dataclass(frozen=True)
class PlannedStage:
    """A stage that a run will report.

    Attributes:
        name: as reported, without a number at its end.
        calls: how often it is reported from begin to end, at most.
        seconds: of one call, as far as known before the run. Only its ratio to that of the other
            stages matters after the first seconds.
        least_calls: how often at least, where a loop may end early; None: `calls`.
        in_loop: whether the stage is repeated by the loop; the others before and after it are not.
        first_s: what the first call may take in addition, such as compilation.
        in_network: whether a network computes it, perhaps on a GPU, whose pace says nothing of how
            fast the other stages are.
    """

    name: str
    calls: float
    seconds: float
    least_calls: float | None = None
    in_loop: bool = False
    first_s: float = 0.0
    in_network: bool = False


class _Pace:
    """The pace of a planned stage.

    Attributes:
        plan: the stage.
        seconds: elapsed in it, and until the next stage began.
        measured: calls that were done in these seconds, with the share of the current one.
        done: calls that are done, those of an earlier process of the run included.
        is_finished: whether no call is left.
    """

    def __init__(self, plan: PlannedStage) -> None:
        self.plan = plan
        self.seconds, self.measured, self.done = 0.0, 0.0, 0.0
        self.is_finished = False
        self._is_open = False

    def update(self, share: float) -> None:
        """Count the share of a call that is done; 0, or any share after 1, begins another one."""
        if not share or not self._is_open:
            if share >= 1 and self.done:  # a call whose end is reported twice
                return
            self.done = math.ceil(self.done) + share
            self._is_open = share < 1
            return
        done = math.floor(self.done) + share
        self.measured += max(done - self.done, 0.0)
        self.done, self._is_open = done, share < 1

    @property
    def nominal_s(self) -> float:
        """Return how long what was measured would have taken by the plan."""
        return self.measured * self.plan.seconds

    @property
    def usual_s(self) -> float:
        """Return `seconds` without what the first call took in addition."""
        return self.seconds - min(self.plan.first_s, max(self.seconds - self.nominal_s, 0.0))

    def left(self, calls: float, slowness: float) -> float:
        """Return the seconds until so many calls are done."""
        if self.is_finished:
            return 0.0
        a_call = self.usual_s / self.measured if self.measured else self.plan.seconds * slowness
        return max(calls - self.done, 0.0) * a_call


class TimeLeft:
    """Passes progress on, and logs how long the run still takes.

    The pace of each stage is measured while it runs. Stages that have not begun take as long as the
    plan says, times the ratio of measured to planned seconds of the others. An estimate is logged
    after the first seconds of work, and again when it has changed; it is among the figures of all
    stages.

    Args:
        progress: receives all calls.
        stages: of the run, in their order.
        clock: returns seconds.
    """

    def __init__(
        self,
        progress: Progress,
        stages: Sequence[PlannedStage],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._progress, self._clock = progress, clock
        self._paces = {stage.name: _Pace(stage) for stage in stages}
        self._current: _Pace | None = None
        self._last_event, self._started = -math.inf, math.inf
        self._logged: tuple[float, float, float] | None = None
        repeats = any(stage.in_loop and stage.calls > 1 for stage in stages)
        self._reason = " by when the loop converges" if repeats else ""

    def __call__(
        self, stage: str, done: int, total: int, /, values: Mapping[str, float] | None = None
    ) -> None:
        """Pass progress on; see `darksound.progress.Progress`."""
        self._measure(stage, done, total)
        left = self._estimate()
        figures = dict(values or {})
        if left is not None and done < total:
            figures[_VALUE] = left / 60
        self._progress(stage, done, total, figures or None)

    def _measure(self, stage: str, done: int, total: int) -> None:
        now = self._clock()
        if self._current is not None:
            self._current.seconds += now - self._last_event
        self._last_event = now
        share = done / total if total else 1.0
        if stage == LOOP:
            self._count_repetitions(done, total)
        pace = self._paces.get(_NUMBER.sub("", stage))
        if pace is None:
            return
        if self._current is None:
            self._started = now
        self._current = pace
        pace.update(share)
        for earlier in takewhile(lambda other: other is not pace, self._paces.values()):
            earlier.is_finished |= not (pace.plan.in_loop and earlier.plan.in_loop)

    def _count_repetitions(self, done: int, total: int) -> None:
        for pace in self._paces.values():
            if pace.plan.in_loop:
                # The first repetitions are without the stages of fewer calls.
                pace.done = max(pace.done, done - (total - pace.plan.calls))
                pace.is_finished |= done >= total

    def seconds_left(self) -> tuple[float, float]:
        """Return the seconds until the earliest and the latest end."""
        paces = list(self._paces.values())
        slowness_of = _slowness(paces)
        least, most = 0.0, 0.0
        for pace in paces:
            plan = pace.plan
            slowness = slowness_of[plan.in_network]
            most += pace.left(plan.calls, slowness)
            if not pace.done and not pace.is_finished:
                most += plan.first_s
            least += pace.left(
                plan.calls if plan.least_calls is None else plan.least_calls, slowness
            )
        return least, most

    def _estimate(self) -> float | None:
        """Return the estimate in seconds, None before the first one; log it if it has changed."""
        now = self._clock()
        is_measured = any(pace.nominal_s for pace in self._paces.values())
        if now - self._started < _FIRST_S or not is_measured:
            return None
        least, most = (max(seconds, 0.1) for seconds in self.seconds_left())
        # The earliest and the latest end differ from it by the same factor.
        left = math.sqrt(least * most)
        if self._has_changed(now, left):
            self._logged = now, least, most
            span = f", {duration(least)} to {duration(most)}{self._reason}"
            logger.info("About %s left%s.", duration(left), span if most > _RANGE * least else "")
        return left

    def _has_changed(self, now: float, left: float) -> bool:
        if self._logged is None:
            return left > _CHANGE_S
        logged_at, least, most = self._logged
        elapsed = now - logged_at
        earlier = max(least - elapsed, 0.0) - left
        later = left - max(most - elapsed, 0.0)
        is_due = elapsed >= _BETWEEN_S and left > _CHANGE_S
        return is_due and max(earlier, later) > max(_CHANGE_S, _CHANGE * left)


def _slowness(paces: Sequence[_Pace]) -> dict[bool, float]:
    """Return the ratio of measured to planned seconds, of stages in a network and of the others.

    Where only the other kind of stages was measured, it is theirs; but stages that no GPU computes
    are not taken to be faster than planned because a network is.
    """
    slowness = {}
    for in_network in (False, True):
        of_kind = [pace for pace in paces if pace.plan.in_network == in_network]
        is_measured = any(pace.nominal_s for pace in of_kind)
        known = of_kind if is_measured else paces
        nominal = sum(pace.nominal_s for pace in known)
        measured = sum(pace.usual_s for pace in known if pace.nominal_s)
        ratio = (measured + _PRIOR_S) / (nominal + _PRIOR_S)
        slowness[in_network] = ratio if is_measured or in_network else max(ratio, 1.0)
    return slowness
