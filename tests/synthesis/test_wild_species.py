"""Wild species: their songs, sisters and individuals, and disturbances of recordings."""

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
def test_songs_of_every_species_are_finite_and_within_the_time_limit(
    seed: int, longest_s: float
) -> None:
    rng = np.random.default_rng(seed)
    for song in draw_wild_species(rng, longest_s).song_types:
        performance = perform(song, rng, longest_s)
        wave = render_performance(performance, RATE, rng)
        assert np.isfinite(wave).all()
        assert np.abs(wave).max() > 0
        longest_note = max(s.duration_s for s in song.syllables)
        assert performance.duration_s <= max(longest_s, longest_note)
        low, high = song_band(performance)
        assert 0 < low < high


@pytest.mark.parametrize("kind", WILD_KINDS)
def test_energy_of_a_syllable_is_in_its_pitch_range(kind: str) -> None:
    inside = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        syllable = draw_wild_syllable(kind, rng)
        low, high = (2000 * 2.0**octaves for octaves in pitch_range(syllable))
        wave = render_syllable(syllable, 2000.0, 48_000, rng)
        power = np.square(np.abs(np.fft.rfft(wave)))
        hertz = np.fft.rfftfreq(wave.size, 1 / 48_000)
        # Short and modulated syllables have sidebands beyond their pitch range.
        near = (hertz > low / 1.3 - 300) & (hertz < high * 1.3 + 300)
        inside.append(power[near].sum() / power.sum())
    assert np.median(inside) > 0.9


def test_species_depend_on_seed_and_number_only() -> None:
    wild_species.cache_clear()
    species = wild_species(5, 8)
    wild_species.cache_clear()
    for number in range(8):
        wild_species(5, number)
    assert wild_species(5, 8) == species
    assert wild_species(5, 10) != species
    assert wild_species(6, 8) != species


def test_every_odd_species_is_a_sister_of_the_one_before_it() -> None:
    for number in range(0, 40, 2):
        first, sister = wild_species(3, number), wild_species(3, number + 1)
        assert first != sister
        assert len(first.song_types) == len(sister.song_types)
        assert [song.form for song in first.song_types] == [song.form for song in sister.song_types]


def test_individuals_have_some_song_types_of_the_species_at_their_own_pitch() -> None:
    species = next(s for n in range(100) if len((s := wild_species(3, n)).song_types) > 4)
    number = next(n for n in range(100) if wild_species(3, n) is species)
    birds = [wild_individual(3, number, bird) for bird in range(6)]
    assert len({bird[0].centre_hz for bird in birds}) == len(birds)
    centre = species.song_types[0].centre_hz
    for bird in birds:
        assert 1 <= len(bird) <= len(species.song_types)
        # An individual has the same pitch in all its songs.
        assert len({round(song.centre_hz, 6) for song in bird}) == 1
        assert abs(np.log2(bird[0].centre_hz / centre)) < 0.7


def test_individuals_differ_in_contour_and_length_of_syllables() -> None:
    likeness, lengths = [], []
    for number in range(0, 160, 2):
        species = wild_species(3, number)
        if len(species.song_types) > 1:
            continue
        (song,) = wild_individual(3, number, 0)
        for individual, common in zip(song.syllables, species.song_types[0].syllables, strict=True):
            lengths.append(individual.duration_s / common.duration_s)
            if len(common.knots) > 2 and np.ptp(common.knots) > 0.1:
                likeness.append(np.corrcoef(individual.knots, common.knots)[0, 1])
    assert len(likeness) > 30
    assert np.median(likeness) > 0.9
    assert np.percentile(likeness, 25) < 0.999
    assert 0.02 < np.std(np.log(lengths)) < 0.5


def test_some_species_have_long_phrases() -> None:
    firsts = [wild_species(3, number) for number in range(0, 400, 2)]
    long = [
        max(len(section.phrase) for song in species.song_types for section in song.sections) > 4
        for species in firsts
    ]
    # Three in ten, without species that only have calls.
    assert 0.15 < np.mean(long) < 0.35


def test_disturbances_add_energy_in_their_bands_and_overload_clips() -> None:
    rng = np.random.default_rng(0)
    time = np.arange(48_000, dtype=np.float32) / 48_000
    wave = 0.1 * np.sin(2 * np.pi * 3000 * time).astype(np.float32)

    def energy_ratio(disturbances: Disturbances, low: float, high: float) -> float:
        def power(x: np.ndarray) -> float:
            spectrum = np.square(np.abs(np.fft.rfft(x)))
            hertz = np.fft.rfftfreq(x.size, 1 / 48_000)
            return float(spectrum[(hertz > low) & (hertz < high)].sum())

        return power(add_disturbances(wave, 48_000, disturbances, rng)) / (power(wave) + 1e-9)

    assert np.array_equal(add_disturbances(wave, 48_000, Disturbances(), rng), wave)
    assert energy_ratio(Disturbances(wind=1.0), 20, 300) > 1e6
    assert energy_ratio(Disturbances(hum=0.1, mains_hz=60.0), 55, 65) > 1e6
    assert energy_ratio(Disturbances(rain=50.0), 8000, 16_000) > 1e6
    clipped = add_disturbances(wave, 48_000, Disturbances(overload=3.0), rng)
    assert np.mean(np.abs(clipped) >= 1.0) > 0.5


def test_a_share_of_the_species_have_low_voices_and_the_others_are_as_without() -> None:
    usual = [wild_species(1, number) for number in range(0, 400, 2)]
    some_low = [wild_species(1, number, low_share=0.3) for number in range(0, 400, 2)]
    changed = [new for old, new in zip(usual, some_low, strict=True) if new != old]
    centres = np.array([species.song_types[0].centre_hz for species in changed])
    assert 0.2 < len(changed) / len(usual) < 0.4
    assert centres.min() >= 180
    assert centres.max() <= 1800
    # Evenly in octaves: as many below the geometric mean as above it.
    assert 0.3 < np.mean(centres < np.sqrt(180 * 1800)) < 0.7
    sisters = [wild_species(1, number, low_share=1.0) for number in range(1, 400, 2)]
    assert min(song.centre_hz for species in sisters for song in species.song_types) >= 170
