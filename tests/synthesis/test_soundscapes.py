"""Soundscapes: what is in a scene, and the measured truth of its events."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import pytest

from darksound.synthesis import soundscapes
from darksound.synthesis.scenes import SceneEvent, ScenePlan, noise_acoustics, plan_scene
from darksound.synthesis.soundscapes import BLOCK, SceneId, event_truths, render_block

RATE = 48_000
Samples = npt.NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Tone:
    """A tone of amplitude 1 with whole cycles in a block."""

    hertz: float
    tail_s: float = 0.0

    def render(self, first: int, last: int) -> Samples:
        """Return samples."""
        return np.sin(2 * np.pi * self.hertz / RATE * np.arange(first, last)).astype(np.float32)


@dataclass(frozen=True)
class White:
    """White noise."""

    level: float

    def render(self, first: int, last: int) -> Samples:
        """Return samples."""
        noise = np.random.default_rng(first).standard_normal(last - first)
        return (self.level * noise).astype(np.float32)


def _event(units: tuple[tuple[float, float], ...], hertz: float, gain: float) -> SceneEvent:
    return SceneEvent("tone", True, 1, 20.0, units, Tone(hertz), gain)


def _truths(
    monkeypatch: pytest.MonkeyPatch, level: float, *events: SceneEvent, seconds: float = 30.0
) -> list[soundscapes.EventTruth]:
    plan = ScenePlan((1,), seconds, noise_acoustics(np.random.default_rng(0)), events)
    monkeypatch.setattr(soundscapes, "_plan", lambda scene: plan)
    monkeypatch.setattr(soundscapes, "_noise", lambda scene: White(level))
    scene = SceneId(1, "night", 0, seconds, 1)
    blocks = [render_block(scene, number) for number in range(scene.n_blocks)]
    assert sum(block.samples.size for block in blocks) == scene.samples
    return event_truths(scene, [energy for block in blocks for energy in block.energies])


def test_snr_is_the_power_of_a_tone_over_that_of_white_noise_in_its_band(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Over the border of two blocks at 21.8 s.
    (truth,) = _truths(monkeypatch, 0.05, _event(((18.0, 26.0),), 1000.0, 0.1))
    assert truth.low_hz < 1000 < truth.high_hz
    noise = 0.05**2 * (truth.high_hz - truth.low_hz) / 24_000
    assert truth.snr_db == pytest.approx(10 * np.log10(0.1**2 / 2 / noise), abs=0.7)


def test_other_events_count_as_noise_only_while_and_where_they_sound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # The second tone is in the band and between the units; the third sounds elsewhere.
    event = _event(((2.0, 4.0), (8.0, 10.0)), 1000.0, 0.1)
    alone = _truths(monkeypatch, 0.01, event)[0]
    between = _event(((4.2, 7.8),), 1010.0, 0.3)
    elsewhere = _event(((1.0, 11.0),), 5000.0, 0.3)
    same = _truths(monkeypatch, 0.01, event, between, elsewhere)[0]
    assert same.snr_db == pytest.approx(alone.snr_db, abs=0.3)
    # A tone of half the power in the same place: 3 dB, whatever the phase.
    beside = _event(((0.0, 12.0),), 1010.0, 0.1 / np.sqrt(2))
    masked = _truths(monkeypatch, 1e-5, event, beside)[0]
    assert masked.snr_db == pytest.approx(3.0, abs=0.3)


def test_echo_after_a_unit_is_no_part_of_the_measured_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    event = _event(((2.0, 4.0),), 1000.0, 0.1)
    echoing = replace(event, emitter=Tone(1000.0, tail_s=6.0))
    dry, wet = (_truths(monkeypatch, 0.01, each)[0] for each in (event, echoing))
    assert wet.snr_db == pytest.approx(dry.snr_db, abs=0.2)


def test_blocks_are_rendered_in_any_order() -> None:
    scene = SceneId(3, "night", 0, 45.0, 4)
    forward = [render_block(scene, number).samples for number in (0, 1, 2)]
    soundscapes._plan.cache_clear()
    backward = [render_block(scene, number).samples for number in (2, 1, 0)][::-1]
    for one, other in zip(forward, backward, strict=True):
        np.testing.assert_array_equal(one, other)
    assert [len(each) for each in forward] == [BLOCK, BLOCK, scene.samples - 2 * BLOCK]


def test_night_has_low_voices_long_churrs_and_choruses() -> None:
    plans = [plan_scene(seed, "night", 0, seconds=600, species=12) for seed in range(3)]
    events = [event for plan in plans for event in plan.events]
    calls = {event.label.partition("-")[0] for event in events if event.is_call}
    assert {"owl", "tinamou", "nightjar", "toots"} <= calls
    churrs = [event for event in events if event.label.startswith("nightjar")]
    assert any(event.end_s - event.start_s >= 60 for event in churrs)
    assert all(event.end_s - event.start_s <= 240 for event in churrs)
    for plan in plans:
        kinds = {event.label for event in plan.events if not event.is_call}
        assert kinds & {"cricket", "insect"}
        assert all(0 <= e.start_s < e.end_s <= 600 for e in plan.events)
    assert all(8 <= event.distance_m <= 357 for event in events if event.is_call)


def test_dawn_has_several_singers_at_a_time() -> None:
    def singers(scene: str) -> float:
        plan = plan_scene(2, scene, 0, seconds=300, species=12)
        calls = [event for event in plan.events if event.is_call]
        return sum(event.end_s - event.start_s for event in calls) / 300

    assert singers("dawn") > 1.5


@pytest.mark.parametrize("scene", ["rain", "river"])
def test_rain_and_river_have_what_they_are_named_for(scene: str) -> None:
    plan = plan_scene(2, scene, 0, seconds=60, species=12)
    (steady,) = [event for event in plan.events if event.label == scene]
    assert (steady.start_s, steady.end_s) == (0, 60)


def test_species_do_not_depend_on_the_recording_or_its_length() -> None:
    first, other = (
        plan_scene(2, "night", number, seconds=seconds, species=1)
        for number, seconds in ((0, 60), (1, 300))
    )
    labels = {e.label for plan in (first, other) for e in plan.events if e.is_call}
    assert labels == {"owl-01"}
