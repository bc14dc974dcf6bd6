"""How long a run still takes, measured on its own stages, by a clock that the tests set."""

import logging
import re

import pytest

from darksound.jobs.estimate import Workload
from darksound.jobs.stages import planned_stages
from darksound.jobs.time_left import PlannedStage, TimeLeft
from darksound.meta.learners.build import build_learner
from darksound.settings import Settings

UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0}


class FakeRun:
    """A run whose stages take the seconds that the test sets."""

    def __init__(self, stages, caplog):
        caplog.set_level(logging.INFO, "darksound.jobs.time_left")
        self.now, self.reports, self._caplog = 0.0, [], caplog
        self.estimates: list[tuple[float, float]] = []
        self.messages: list[str] = []
        self.progress = TimeLeft(self._receive, stages, clock=lambda: self.now)

    def _receive(self, *report):
        self.reports.append(report)

    def stage(self, name, seconds, steps=50):
        """Run a stage in steps of equal length."""
        for step in range(steps + 1):
            self.now += seconds / steps if step else 0
            self.report(name, step, steps)

    def report(self, *report):
        self.progress(*report)
        self.estimates += [
            (self.now, float(match[1]) * UNITS[match[2]])
            for line in self._caplog.messages
            if (match := re.match(r"About ([\d.]+) (\w+) left", line))
        ]
        self.messages += self._caplog.messages
        self._caplog.clear()

    def ratios(self):
        """Return each logged estimate relative to what the run took from there on."""
        return [left / (self.now - at) for at, left in self.estimates]


def mec_stages(n_rois, settings=None):
    settings = (settings or Settings()).replace(compute={"workers": 1})
    iterations = settings.mec.iterations
    workload = Workload(
        images=3 * n_rois, embedded=6 * n_rois, trained=1, clusterings=iterations + 3
    )
    return planned_stages(n_rois, build_learner(settings), settings, workload)


def run_mec(run, planned, slowness, fine_tunings, iterations=5):
    """Run the stages of a plan with other paces, and converge after some fine-tunings."""
    seconds = {stage.name: stage.seconds * slowness[stage.name] for stage in planned}
    run.stage("images", seconds["images"])
    run.report("iteration", 0, iterations + 1)
    for number in range(fine_tunings + 1):
        if number:
            run.stage("fine-tuning", seconds["fine-tuning"], 6)
        run.stage("embedding", seconds["embedding"])
        run.stage("reducing", seconds["reducing"], 6)
        run.stage("clustering", seconds["clustering"], 1)
        run.report("iteration", number + 1, iterations + 1)
    run.report("iteration", iterations + 1, iterations + 1)
    run.stage("map", seconds["map"], 1)
    run.stage("resampling", seconds["resampling"])
    run.stage("clips", seconds["clips"], 20)


@pytest.mark.parametrize("fine_tunings", [1, 2, 5])
@pytest.mark.parametrize("load", [0.3, 1.0, 4.0])
@pytest.mark.parametrize("n_rois", [240, 1_000, 20_000])
# With the slower network most of the time is fine-tuning, of which there are one to five.
@pytest.mark.parametrize(("backbone", "factor"), [("small", 2.0), ("pair", 2.4)])
def test_each_estimate_is_within_a_factor(backbone, factor, n_rois, load, fine_tunings, caplog):
    planned = mec_stages(n_rois, Settings().replace(backbone={"name": backbone}))
    run = FakeRun(planned, caplog)
    # Stages whose seconds are 30 % more or less than planned, on a slower or faster machine.
    names = [stage.name for stage in planned if stage.name != "resampling"]
    off = {name: load * (1.3, 0.75)[i % 2] for i, name in enumerate(names)}
    off["resampling"] = load
    run_mec(run, planned, off, fine_tunings)
    assert run.estimates or run.now < 30
    assert len(run.estimates) <= 4
    assert all(1 / factor <= ratio <= factor for ratio in run.ratios()), run.ratios()


def test_a_wrong_constant_is_corrected_when_its_stage_has_begun(caplog):
    stages = [PlannedStage("images", 1, 60.0), PlannedStage("epoch", 10, 6.0)]
    run = FakeRun(stages, caplog)
    run.stage("images", 60.0)
    for epoch in range(10):
        run.stage(f"epoch {epoch + 1}/10", 120.0)
    first, *_, last = run.ratios()
    assert first == pytest.approx(120 / 1260, rel=0.1)
    assert last == pytest.approx(1, rel=0.05)
    assert len(run.estimates) == 2


def test_a_steady_run_logs_one_estimate(caplog):
    run = FakeRun([PlannedStage("embedding", 1, 1.0)], caplog)
    run.stage("embedding", 300.0)
    assert run.ratios() == [pytest.approx(1, rel=0.05)]


def test_other_work_that_starts_later_is_logged(caplog):
    run = FakeRun([PlannedStage("epoch", 4, 100.0)], caplog)
    for number, seconds in enumerate((100.0, 100.0, 500.0, 500.0), start=1):
        run.stage(f"epoch {number}/4", seconds)
    assert len(run.estimates) >= 2
    assert 0.5 < run.ratios()[-1] < 2


def test_time_left_is_among_the_figures_of_a_stage(caplog):
    run = FakeRun([PlannedStage("embedding", 1, 1.0)], caplog)
    run.stage("embedding", 600.0, 10)
    assert run.reports[0] == ("embedding", 0, 10, None)
    assert run.reports[5][3] == {"min left of run": pytest.approx(5.0)}
    assert run.reports[-1][3] is None


def test_short_runs_log_no_estimate(caplog):
    run = FakeRun([PlannedStage("embedding", 1, 1.0)], caplog)
    run.stage("embedding", 12.0)
    assert not run.estimates


def test_compilation_in_the_first_call_is_not_expected_of_the_others(caplog):
    run = FakeRun([PlannedStage("reducing", 4, 5.0, first_s=45.0)], caplog)
    run.stage("reducing", 50.0, 1)
    assert run.progress.seconds_left() == pytest.approx((15.0, 15.0))
    compiled_before = FakeRun([PlannedStage("reducing", 4, 5.0, first_s=45.0)], caplog)
    compiled_before.stage("reducing", 5.0, 1)
    assert compiled_before.progress.seconds_left() == pytest.approx((15.0, 15.0))


def test_stages_of_moments_do_not_decide_on_the_others(caplog):
    run = FakeRun([PlannedStage("embedding", 1, 0.001), PlannedStage("map", 1, 10.0)], caplog)
    run.stage("embedding", 0.1)
    assert run.progress.seconds_left()[1] == pytest.approx(10.0, rel=0.2)


def test_a_run_that_can_converge_logs_a_range(caplog):
    planned = mec_stages(20_000)
    run = FakeRun(planned, caplog)
    run.stage("images", 400.0)
    pattern = r"About [\d.]+ \w+ left, [\d.]+ \w+ to [\d.]+ \w+ by when the loop converges\."
    assert re.fullmatch(pattern, run.messages[0])


def test_resumed_calls_do_not_count_in_the_pace(caplog):
    run = FakeRun([PlannedStage("embedding", 1, 1.0)], caplog)
    run.report("embedding", 900, 1000)
    run.now = 10.0
    run.report("embedding", 910, 1000)
    assert run.progress.seconds_left() == pytest.approx((90.0, 90.0))


def test_plan_has_the_stages_of_each_command():
    settings = Settings()
    learner = build_learner(settings)
    embedded = planned_stages(100, learner, settings, Workload(images=100, held=1))
    assert [stage.name for stage in embedded] == ["images", "embedding"]
    training = planned_stages(100, learner, settings, Workload.of_training(100, settings, 7))
    assert [(stage.name, stage.calls) for stage in training] == [("images", 1), ("epoch", 7)]
    names = [stage.name for stage in mec_stages(100)]
    assert names == [
        "images", "embedding", "reducing", "clustering", "fine-tuning", "map", "resampling", "clips"
    ]  # fmt: skip
    without = settings.replace(mec={"resamples": 0})
    assert "resampling" not in [stage.name for stage in mec_stages(100, without)]
    assert "clips" not in [
        stage.name for stage in mec_stages(100, settings.replace(report={"page": False}))
    ]


def test_a_fast_network_says_nothing_of_stages_that_no_gpu_computes(caplog):
    stages = [
        PlannedStage("embedding", 2, 100.0, in_loop=True, in_network=True),
        PlannedStage("clustering", 2, 60.0, in_loop=True),
    ]
    run = FakeRun(stages, caplog)
    for _ in range(2):
        run.stage("embedding", 5.0)
        run.stage("clustering", 60.0, 1)
    # The first estimate is made within the first embedding: 2 x 65 s are right.
    assert run.estimates
    assert run.ratios()[0] == pytest.approx(1.0, abs=0.1)


def test_a_busy_machine_slows_all_stages(caplog):
    stages = [
        PlannedStage("embedding", 1, 20.0, in_network=True),
        PlannedStage("clustering", 1, 60.0),
    ]
    run = FakeRun(stages, caplog)
    run.stage("embedding", 80.0)
    run.stage("clustering", 240.0, 1)
    # Four times slower; the first second counts as if it were not.
    assert 0.7 < run.ratios()[0] < 1.1
