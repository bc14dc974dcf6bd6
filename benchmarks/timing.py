"""Time several ways to do the same work, in alternating rounds on a machine of known load.

A ratio counts only where all ways had the machine alike: each round prints the load before it and,
of each way, the seconds and the cores that it used and that other processes used meanwhile. Rounds
in which others used more than a tenth of the cores, or much more during one way than during
another, are left out; without at least two rounds there is no ratio.
"""

import os
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import psutil

__all__ = ["Timing", "alternate", "print_ratio"]

# Share of all cores that other processes may use, and by which it may differ between the ways.
_MAX_OTHERS, _MAX_DIFFERENCE = 0.10, 0.05
_MIN_ROUNDS = 2


@dataclass(frozen=True)
class Timing:
    """One way in one round.

    Attributes:
        seconds: of wall time.
        own: share of all cores that this process and its children used.
        others: share of all cores that other processes used.
    """

    seconds: float
    own: float
    others: float

    @property
    def cpu_s(self) -> float:
        """Return the seconds of CPU time that this process and its children used."""
        return max(self.own * self.seconds * (os.cpu_count() or 1), 1e-9)


def _cpu_seconds() -> tuple[float, float]:
    """Return the CPU time of this process with its children, and of the whole machine."""
    own = sum(os.times()[:4])
    for child in psutil.Process().children(recursive=True):
        try:
            own += sum(child.cpu_times()[:2])
        except psutil.Error:
            continue
    times = psutil.cpu_times()
    # Guests are counted in user time; steal is what other virtual machines used.
    busy = times.user + times.system + times.nice + getattr(times, "steal", 0.0)
    return own, busy + getattr(times, "irq", 0.0) + getattr(times, "softirq", 0.0)


def timed(work: Callable[[], object]) -> Timing:
    """Return how long the work takes, and who used the cores meanwhile."""
    start, (own, busy) = time.perf_counter(), _cpu_seconds()
    work()
    seconds, (own_after, busy_after) = time.perf_counter() - start, _cpu_seconds()
    available = seconds * (os.cpu_count() or 1)
    used = own_after - own
    return Timing(seconds, used / available, max(busy_after - busy - used, 0.0) / available)


def alternate(
    ways: Mapping[str, Callable[[], object]], rounds: int, keep_all: bool = False
) -> list[dict[str, Timing]]:
    """Return the timings of the rounds in which all ways had the machine alike.

    Args:
        ways: by name; each is run once a round, in this order and backwards by turns.
        rounds: number of rounds.
        keep_all: also return the others.
    """
    kept = []
    for number in range(rounds):
        load = os.getloadavg()[0]
        names = list(ways) if number % 2 == 0 else list(ways)[::-1]
        timings = {name: timed(ways[name]) for name in names}
        shares = [timing.others for timing in timings.values()]
        is_fair = max(shares) <= _MAX_OTHERS and max(shares) - min(shares) <= _MAX_DIFFERENCE
        text = ", ".join(
            f"{name} {timings[name].seconds:.2f} s (own {timings[name].own:.0%}, others "
            f"{timings[name].others:.0%})"
            for name in ways
        )
        left_out = "" if is_fair else "; left out"
        print(f"  round {number + 1}: load {load:.1f}; {text}{left_out}", flush=True)
        if is_fair or keep_all:
            kept.append(timings)
    return kept


def print_ratio(
    stage: str,
    rounds: list[dict[str, Timing]],
    amounts: Mapping[str, float],
    unit: str,
) -> float | None:
    """Print the rate of each way, and how many times that of the first one the last one's is.

    Args:
        stage: name of the work.
        rounds: of `alternate`.
        amounts: of work of the first and of the last way, by its name.
        unit: of the rates.

    Returns:
        The median rate of the last way; None where there are too few rounds.
    """
    if len(rounds) < _MIN_ROUNDS:
        print(
            f"{stage}: no ratio, since only {len(rounds)} rounds had the machine alike", flush=True
        )
        return None
    first, last = amounts
    rates = {
        name: [amount / timings[name].seconds for timings in rounds]
        for name, amount in amounts.items()
    }
    ratios = [b / a for a, b in zip(rates[first], rates[last], strict=True)]
    medians = {name: statistics.median(values) for name, values in rates.items()}
    # Where a way uses one core only, this compares the work, and the other ratio the waiting.
    by_cpu = [
        amounts[last] / timings[last].cpu_s * timings[first].cpu_s / amounts[first]
        for timings in rounds
    ]
    print(
        f"{stage}: {medians[first]:.4g} -> {medians[last]:.4g} {unit}, "
        f"{statistics.median(ratios):.1f} times ({min(ratios):.1f} to {max(ratios):.1f} in "
        f"{len(rounds)} rounds), {statistics.median(by_cpu):.1f} times by CPU time",
        flush=True,
    )
    return medians[last]
