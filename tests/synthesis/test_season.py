"""Plans of seasons: which species sing where and when, and what a recording has of it."""

import numpy as np

from darksound.synthesis.season import HOURS, SeasonPlan, SeasonRecording, render_season_recording
from darksound.synthesis.season_voices import SEASON_VOICES

PLAN = SeasonPlan(sites=3, days=5, seconds=6.0, species=8, seed=3)


def test_every_species_is_at_some_sites_and_not_at_all() -> None:
    for seed in range(20):
        occupied = SeasonPlan(species=8, seed=seed).occupied()
        assert occupied.any(axis=1).all()
        assert not occupied.all(axis=1).any()


def test_one_recorder_stops_early_within_its_last_recording() -> None:
    recordings = PLAN.recordings()
    by_site = [[each for each in recordings if each.site == site] for site in range(3)]
    assert [len(each) for each in by_site] == [30, 30, 16]
    last = by_site[2][-1]
    assert (last.day, last.hour, last.is_last) == (2, 12, True)
    assert sum(each.is_last for each in recordings) == 1
    assert PLAN.duration_s(last) == 4.5
    assert PLAN.deployed(last).stopped


def test_a_single_recorder_and_a_short_season_run_to_the_end() -> None:
    assert len(SeasonPlan(sites=1, days=5).recordings()) == 5 * len(HOURS)
    assert len(SeasonPlan(sites=2, days=2).recordings()) == 2 * 2 * len(HOURS)


def test_species_sing_in_their_hours_at_their_sites_only() -> None:
    occupied = PLAN.occupied()
    sung = 0
    for recording in PLAN.recordings():
        for label in PLAN.singing(recording):
            assert recording.hour in SEASON_VOICES[label].hours
            assert occupied[PLAN.labels.index(label), recording.site]
            sung += 1
    assert sung > 20


def test_songs_do_not_overlap_and_are_where_the_events_say() -> None:
    plan = SeasonPlan(sites=2, days=3, species=8, seed=5)
    singing = [each for each in plan.recordings() if plan.singing(each)][:4]
    for recording in singing:
        samples, events = render_season_recording(plan, recording)
        assert samples.size == 12 * 32_000
        assert {event.label for event in events} == set(plan.singing(recording))
        outside = np.ones(samples.size, dtype=bool)
        end = 0.0
        for event in events:
            assert event.start_s >= end
            end = event.end_s
            inside = slice(int(event.start_s * 32_000), int(event.end_s * 32_000) + 1)
            outside[inside] = False
            assert np.abs(samples[inside]).max() > 1000
        assert end <= 12
        assert np.abs(samples[outside]).max() < 1000


def test_a_recording_with_rain_has_no_song_and_a_silent_one_no_event() -> None:
    plan = SeasonPlan(sites=2, days=10, seed=5, seconds=6.0)
    rainy = next(each for each in plan.recordings() if plan.rains(each))
    _, events = render_season_recording(plan, rainy)
    assert [(event.label, event.is_call) for event in events] == [("rain", False)]
    silent = next(
        each for each in plan.recordings() if not plan.singing(each) and not plan.rains(each)
    )
    samples, events = render_season_recording(plan, silent)
    assert events == []
    assert 0 < np.abs(samples).max() < 1000


def test_recordings_start_in_local_time() -> None:
    recording = SeasonRecording(0, 1, 21)
    assert recording.start.isoformat() == "2025-06-02T21:00:00-05:00"
    assert PLAN.name(recording) == "site-1/20250602_210000.WAV"
