"""A season of several recorders: which species sing where and when, and the recordings.

Every number follows from the plan and its seed: sites differ in their species, background noise and
the end of their deployment; species in the hours of their songs.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, timezone
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import soxr

from darksound.synthesis.acoustics import Acoustics, noise_shape
from darksound.synthesis.recorders import RECORDERS, Deployed, Recorder
from darksound.synthesis.recordings import RATE
from darksound.synthesis.season_voices import SEASON_VOICES
from darksound.synthesis.song_types import (
    SongType,
    draw_individual,
    perform,
    render_performance,
    song_band,
)
from darksound.synthesis.textures import Noise, Samples, noise_table

__all__ = ["HOURS", "SeasonEvent", "SeasonPlan", "SeasonRecording", "render_season_recording"]

#: Hours of the local clock at which every recorder records.
HOURS = (0, 5, 6, 12, 18, 21)
_ZONE = timezone(timedelta(hours=-5))
_FIRST_DAY = date(2025, 6, 1)
# Where the sites are, on a line of 2 km each.
_LATITUDE, _LONGITUDE, _STEP = -0.55, -77.9, 0.018
_HABITATS = ("forest", "edge", "pasture")
# Shares: of sites that a species occupies, of days on which it sings at such a site, and of the
# recordings of that day in its hours that have its songs; and of recordings with rain.
_OCCUPIED, _SINGS, _IN_RECORDING, _RAIN = 0.6, 0.65, 0.8, 0.06
# Songs of a species in a recording beyond the first: the least, and one more than the most.
_MORE_SONGS = (1, 3)
# Seconds from the start of one song to that of the next, before the first, and after the last.
_SLOT_S, _EDGE_S = 2.4, 0.4
# Level of the background and of songs, as RMS; full scale is 1.
_NOISE_LEVEL, _SONG_LEVEL = 0.002, (0.05, 0.1)
# Length of a raindrop, drops a second, and their level.
_DROP_SAMPLES, _DROPS_PER_S, _DROP_LEVEL = 96, 15.0, 0.15
_VARIETY = 0.4
# The recorder that stops early does so after this share of the days, and of its last recording.
_STOPS_AFTER = 0.6
_LAST_SHARE = 0.75
# Purposes of the child seeds.
_OCCUPANCY, _DAY, _INDIVIDUAL, _SITE, _RECORDING, _SOUND = range(30, 36)


@dataclass(frozen=True)
class SeasonEvent:
    """A song, or the rain of a recording.

    Attributes:
        label: species, or kind of another sound.
        is_call: whether it is a song.
        start_s: start in the recording.
        end_s: end.
        low_hz: lowest frequency.
        high_hz: highest frequency.
    """

    label: str
    is_call: bool
    start_s: float
    end_s: float
    low_hz: float
    high_hz: float


@dataclass(frozen=True)
class SeasonRecording:
    """A recording of a season.

    Attributes:
        site: number of the site, from 0.
        day: number of the day, from 0.
        hour: of the local clock.
        is_last: whether the battery ended it, in its middle.
    """

    site: int
    day: int
    hour: int
    is_last: bool = False

    @property
    def start(self) -> datetime:
        """Return the start, in local time with its offset from UTC."""
        midnight = datetime.combine(_FIRST_DAY, datetime.min.time(), _ZONE)
        return midnight + timedelta(days=self.day, hours=self.hour)


@dataclass(frozen=True)
class SeasonPlan:
    """The plan of a season.

    Attributes:
        sites: number of sites, each with one recorder. With two or more, over three days or more,
            the last one stops after 60 % of the days.
        days: number of days.
        recorder: name in `RECORDERS`.
        seconds: length of each recording.
        species: number of species, the first of `SEASON_VOICES`.
        seed: of all random numbers.
    """

    sites: int = 4
    days: int = 10
    recorder: str = "audiomoth"
    seconds: float = 12.0
    species: int = 6
    seed: int = 1979

    @property
    def kind(self) -> Recorder:
        """Return the kind of recorder."""
        return RECORDERS[self.recorder]

    @property
    def labels(self) -> tuple[str, ...]:
        """Return the species."""
        return tuple(SEASON_VOICES)[: self.species]

    def site_name(self, site: int) -> str:
        """Return name and folder of a site."""
        return f"site-{site + 1:0{len(str(self.sites))}d}"

    def name(self, recording: SeasonRecording) -> str:
        """Return the path of a recording, with POSIX separators."""
        return f"{self.site_name(recording.site)}/{self.kind.name(recording.start)}"

    def recordings(self) -> list[SeasonRecording]:
        """Return all recordings, by site and time."""
        every: list[SeasonRecording] = []
        for site in range(self.sites):
            stops = self.sites > 1 and self.days > 2 and site == self.sites - 1
            days = max(1, round(_STOPS_AFTER * self.days)) if stops else self.days
            slots = [(day, hour) for day in range(days) for hour in HOURS]
            if stops:  # at noon of its last day
                slots = slots[: slots.index((days - 1, 12)) + 1]
            every += [
                SeasonRecording(site, day, hour, stops and (day, hour) == slots[-1])
                for day, hour in slots
            ]
        return every

    def sites_table(self) -> list[dict[str, object]]:
        """Return one row a site: name, folder, place, deployment, time zone and habitat."""
        rows: list[dict[str, object]] = []
        for site in range(self.sites):
            own = [each for each in self.recordings() if each.site == site]
            end = own[-1].start + timedelta(seconds=self.duration_s(own[-1]))
            rows.append(
                {
                    "folder": self.site_name(site),
                    "site": self.site_name(site),
                    "latitude": round(_LATITUDE + _STEP * site, 4),
                    "longitude": _LONGITUDE,
                    "start": own[0].start.isoformat(),
                    "end": end.isoformat(),
                    "time_zone": "America/Guayaquil",
                    "habitat": _HABITATS[site % len(_HABITATS)],
                }
            )
        return rows

    def duration_s(self, recording: SeasonRecording) -> float:
        """Return the length of a recording; the battery ends the last one of a site early."""
        return self.seconds * _LAST_SHARE if recording.is_last else self.seconds

    def deployed(self, recording: SeasonRecording) -> Deployed:
        """Return what the recorder writes about a recording."""
        warmth = float(np.cos((recording.hour - 14) / 12 * np.pi))
        return Deployed(
            self.kind.serial(recording.site),
            recording.start,
            2.8 if recording.is_last else 4.6 - 0.04 * recording.day,
            17.5 + 4.5 * warmth,
            recording.is_last,
        )

    def occupied(self) -> npt.NDArray[np.bool_]:
        """Return which species is at which site, `(species, sites)`.

        With several sites, every species is at one of them at least, and not at all of them.
        """
        rng = np.random.default_rng([self.seed, _OCCUPANCY])
        occupied = rng.random((self.species, self.sites)) < _OCCUPIED
        for species in range(self.species):
            one, other = rng.permutation(self.sites)[:2] if self.sites > 1 else (0, None)
            occupied[species, one] = True
            if other is not None:
                occupied[species, other] = False
        return occupied

    def singing(self, recording: SeasonRecording) -> list[str]:
        """Return the species that sing in a recording; none while it rains."""
        if self.rains(recording):
            return []
        occupied = self.occupied()[:, recording.site]
        day_rng = np.random.default_rng([self.seed, _DAY, recording.site, recording.day])
        sings = day_rng.random(self.species) < _SINGS
        rng = np.random.default_rng([self.seed, _RECORDING, *_key(recording)])
        is_in = rng.random(self.species) < _IN_RECORDING
        return [
            label
            for number, label in enumerate(self.labels)
            if occupied[number]
            and sings[number]
            and is_in[number]
            and recording.hour in SEASON_VOICES[label].hours
        ]

    def rains(self, recording: SeasonRecording) -> bool:
        """Return whether it rains throughout a recording."""
        rng = np.random.default_rng([self.seed, _SITE, *_key(recording)])
        return bool(rng.random() < _RAIN)


def _key(recording: SeasonRecording) -> tuple[int, int, int]:
    return recording.site, recording.day, recording.hour


def render_season_recording(
    plan: SeasonPlan, recording: SeasonRecording
) -> tuple[npt.NDArray[np.int16], list[SeasonEvent]]:
    """Return the samples `(n,)` of a recording at the recorder's rate, and its events in order."""
    seconds = plan.duration_s(recording)
    samples = round(seconds * RATE)
    first = (24 * recording.day + recording.hour) * round(plan.seconds * RATE)
    mix = _background(plan.seed, recording.site).render(first, first + samples)
    rng = np.random.default_rng([plan.seed, _SOUND, *_key(recording)])
    events: list[SeasonEvent] = []
    if plan.rains(recording):
        mix += _rain(samples, rng)
        events.append(SeasonEvent("rain", False, 0.0, seconds, 0.0, plan.kind.rate / 2))
    for event, start, wave in _songs(plan, recording, seconds, rng):
        mix[start : start + wave.size] += wave
        events.append(event)
    wave = soxr.resample(mix, RATE, plan.kind.rate, quality="HQ")
    rounded = np.clip(np.rint(wave * np.float32(32768)), -32768, 32767).astype(np.int16)
    return rounded[: round(seconds * plan.kind.rate)], events


def _rain(samples: int, rng: np.random.Generator) -> Samples:
    """Return drops on the recorder: short clicks over all frequencies."""
    rain = np.zeros(samples, dtype=np.float32)
    decay = np.exp(-np.arange(_DROP_SAMPLES) / (_DROP_SAMPLES / 3))
    drops = round(_DROPS_PER_S * samples / RATE)
    for start in rng.integers(0, samples - _DROP_SAMPLES, drops).tolist():
        click = _DROP_LEVEL * rng.standard_normal(_DROP_SAMPLES) * decay
        rain[start : start + _DROP_SAMPLES] += click.astype(np.float32)
    return rain


def _songs(
    plan: SeasonPlan, recording: SeasonRecording, seconds: float, rng: np.random.Generator
) -> Iterator[tuple[SeasonEvent, int, Samples]]:
    """Yield songs, first sample and sound, of which no two are at the same time."""
    singing = plan.singing(recording)
    more = [label for label in singing for _ in range(int(rng.integers(*_MORE_SONGS)))]
    slots = int((seconds - 2 * _EDGE_S) / _SLOT_S)
    # Each species once before any again, so that short recordings have as many as fit.
    sung = [str(label) for part in (singing, more) for label in rng.permutation(part)][:slots]
    places = np.sort(rng.permutation(slots)[: len(sung)])
    for slot, label in zip(places.tolist(), rng.permutation(sung).tolist(), strict=True):
        number = plan.labels.index(label)
        song = perform(_individual(plan.seed, number, recording.site), rng)
        wave = render_performance(song, RATE, rng)
        latest = max(0.0, _SLOT_S - 0.3 - song.duration_s)
        start_s = _EDGE_S + slot * _SLOT_S + float(rng.uniform(0, latest))
        level = float(np.exp(rng.uniform(*np.log(_SONG_LEVEL))))
        low, high = song_band(song)
        event = SeasonEvent(
            label, True, round(start_s, 3), round(start_s + song.duration_s, 3), low, high
        )
        yield event, round(start_s * RATE), np.float32(level) * wave


@lru_cache(maxsize=256)
def _individual(seed: int, species: int, site: int) -> SongType:
    """Return the song of the individual of a species at a site."""
    label = tuple(SEASON_VOICES)[species]
    rng = np.random.default_rng([seed, _INDIVIDUAL, species, site])
    return draw_individual(SEASON_VOICES[label].song, rng, _VARIETY)


@lru_cache(maxsize=8)
def _background(seed: int, site: int) -> Noise:
    """Return the noise of a site, which differs in level and slope."""
    rng = np.random.default_rng([seed, _SITE, site])
    acoustics = Acoustics(
        slope_db=float(rng.uniform(-4.5, -2.5)), insects=(), snr_db=0.0, reverb_s=0.3, echo=0.0,
        tilt_db=0.0, level=1.0,
    )  # fmt: skip
    table = noise_table(lambda n: noise_shape(acoustics, n, RATE), rng)
    level = _NOISE_LEVEL * float(10 ** (rng.uniform(-3, 3) / 20))
    return Noise(table * np.float32(level), int(rng.integers(2**31)))
