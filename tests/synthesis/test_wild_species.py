"""Wild species: any number of them, each sings, and sisters are close but not the same."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from darksound.synthesis.acoustics import Disturbances, add_disturbances
from darksound.synthesis.song_types import perform, render_performance, song_band
from darksound.synthesis.syllables import pitch_range, render_syllable
from darksound.synthesis.wild_species import draw_wild_species, wild_individual, wild_species
from darksound.synthesis.wild_syllables import WILD_KINDS, draw_wild_syllable

RATE = 24_000


@given(seed=st.integers(0, 2**32 - 1), longest_s=st.sampled_from([0.4, 1.6, 5.0]))
@settings(max_examples=40, deadline=None)
def test_every_species_sings_and_keeps_to_the_time_it_is_given(seed: int, longest_s: float) -> None:
    rng = np.random.default_rng(seed)
    for song in draw_wild_species(rng, longest_s).song_types:
        sung = perform(song, rng, longest_s)
        wave = render_performance(sung, RATE, rng)
        assert np.isfinite(wave).all()
        assert np.abs(wave).max() > 0
        longest_note = max(s.duration_s for s in song.syllables)
        assert sung.duration_s <= max(longest_s, longest_note)
        low, high = song_band(sung)
        assert 0 < low < high


@pytest.mark.parametrize("kind", WILD_KINDS)
def test_a_syllable_sounds_where_its_pitch_range_says(kind: str) -> None:
    inside = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        syllable = draw_wild_syllable(kind, rng)
        low, high = (2000 * 2.0**octaves for octaves in pitch_range(syllable))
        wave = render_syllable(syllable, 2000.0, 48_000, rng)
        power = np.square(np.abs(np.fft.rfft(wave)))
        hertz = np.fft.rfftfreq(wave.size, 1 / 48_000)
        # Short and beating sounds spread beyond their pitch.
        near = (hertz > low / 1.3 - 300) & (hertz < high * 1.3 + 300)
        inside.append(power[near].sum() / power.sum())
    assert np.median(inside) > 0.9


def test_species_do_not_depend_on_how_many_there_are_and_differ_by_seed_and_number() -> None:
    wild_species.cache_clear()
    one = wild_species(5, 8)
    wild_species.cache_clear()
    for number in range(8):
        wild_species(5, number)
    assert wild_species(5, 8) == one
    assert wild_species(5, 10) != one
    assert wild_species(6, 8) != one


def test_every_odd_species_is_a_sister_of_the_one_before_it() -> None:
    for number in range(0, 40, 2):
        first, sister = wild_species(3, number), wild_species(3, number + 1)
        assert first != sister
        assert len(first.song_types) == len(sister.song_types)
        assert [song.form for song in first.song_types] == [song.form for song in sister.song_types]


def test_birds_of_a_species_sing_some_of_its_songs_at_their_own_pitch() -> None:
    species = next(s for n in range(100) if len((s := wild_species(3, n)).song_types) > 4)
    number = next(n for n in range(100) if wild_species(3, n) is species)
    birds = [wild_individual(3, number, bird) for bird in range(6)]
    assert len({bird[0].centre_hz for bird in birds}) == len(birds)
    centre = species.song_types[0].centre_hz
    for bird in birds:
        assert 1 <= len(bird) <= len(species.song_types)
        # One bird has one pitch, whatever it sings.
        assert len({round(song.centre_hz, 6) for song in bird}) == 1
        assert abs(np.log2(bird[0].centre_hz / centre)) < 0.7


def test_a_bird_sings_its_species_syllables_by_a_course_and_length_of_its_own() -> None:
    likeness, lengths = [], []
    for number in range(0, 160, 2):
        species = wild_species(3, number)
        if len(species.song_types) > 1:
            continue
        (song,) = wild_individual(3, number, 0)
        for own, common in zip(song.syllables, species.song_types[0].syllables, strict=True):
            lengths.append(own.duration_s / common.duration_s)
            if len(common.knots) > 2 and np.ptp(common.knots) > 0.1:
                likeness.append(np.corrcoef(own.knots, common.knots)[0, 1])
    assert len(likeness) > 30
    assert np.median(likeness) > 0.9
    assert np.percentile(likeness, 25) < 0.999
    assert 0.02 < np.std(np.log(lengths)) < 0.5


def test_some_species_string_many_syllables_together_and_others_repeat_a_few() -> None:
    firsts = [wild_species(3, number) for number in range(0, 400, 2)]
    long = [
        max(len(section.phrase) for song in species.song_types for section in song.sections) > 4
        for species in firsts
    ]
    # Three in ten, less those that only call.
    assert 0.15 < np.mean(long) < 0.35


def test_weather_adds_what_it_names_and_overload_clips() -> None:
    rng = np.random.default_rng(0)
    time = np.arange(48_000, dtype=np.float32) / 48_000
    wave = 0.1 * np.sin(2 * np.pi * 3000 * time).astype(np.float32)

    def gained(weather: Disturbances, low: float, high: float) -> float:
        def power(x: np.ndarray) -> float:
            spectrum = np.square(np.abs(np.fft.rfft(x)))
            hertz = np.fft.rfftfreq(x.size, 1 / 48_000)
            return float(spectrum[(hertz > low) & (hertz < high)].sum())

        return power(add_disturbances(wave, 48_000, weather, rng)) / (power(wave) + 1e-9)

    assert np.array_equal(add_disturbances(wave, 48_000, Disturbances(), rng), wave)
    assert gained(Disturbances(wind=1.0), 20, 300) > 1e6
    assert gained(Disturbances(hum=0.1, mains_hz=60.0), 55, 65) > 1e6
    assert gained(Disturbances(rain=50.0), 8000, 16_000) > 1e6
    clipped = add_disturbances(wave, 48_000, Disturbances(overload=3.0), rng)
    assert np.mean(np.abs(clipped) >= 1.0) > 0.5
