"""The job of `darksound synth --sites`: a season of several recorders, and what is true of it."""

from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import pandas as pd

from darksound.atomic import replacing, write_text
from darksound.jobs.synth import write_plan
from darksound.parallel.workers import map_jobs
from darksound.progress import Progress, silent
from darksound.settings import ComputeSettings
from darksound.synthesis.season import (
    SeasonEvent,
    SeasonPlan,
    SeasonRecording,
    render_season_recording,
)

__all__ = ["DETECTION_COLUMNS", "Season", "season_tables", "write_season"]

# Increased when the audio or a table changes.
_EDITION = 1
_EVENT_COLUMNS = ("recording", "site", "start_s", "end_s", "low_hz", "high_hz", "label", "kind")
#: Columns of `detections.csv`.
DETECTION_COLUMNS = ("label", "site", "date", "detected", "songs")

EventsOf = tuple[SeasonRecording, list[SeasonEvent]]


@dataclass(frozen=True)
class Season:
    """The tables of a season.

    Attributes:
        sites: one row a site: `folder`, `site`, `latitude`, `longitude`, `start`, `end`,
            `time_zone`, `habitat`.
        recordings: one row a recording: `recording`, `site`, `recorder`, `recorded_at`,
            `duration_s`, `songs`, `rain`.
        events: one row a song or other sound, with `recording`, `site`, `start_s`, `end_s`,
            `low_hz`, `high_hz`, `label`, and `kind` (`call` or `other`).
        detections: one row a species, site and local date: `detected` is 1 where a recording has
            a song, 0 where there are recordings without one, missing where there is no recording;
            `songs` is their number.
    """

    sites: pd.DataFrame
    recordings: pd.DataFrame
    events: pd.DataFrame
    detections: pd.DataFrame


def write_season(
    plan: SeasonPlan,
    folder: Path,
    compute: ComputeSettings | None = None,
    progress: Progress = silent,
) -> Season:
    """Write recordings in a folder a site, `world.json`, and the tables of `Season` as CSV.

    The same plan gives identical files for any number of workers. Existing recordings are kept,
    so that an interrupted call can be repeated.

    Args:
        plan: the plan.
        folder: is created if it does not exist.
        compute: settings of the workers; None: the defaults.
        progress: called with the progress, in the stage `recordings`.

    Raises:
        InputError: the folder contains other files, or the data set of another plan.
    """
    write_plan({"edition": _EDITION, **asdict(plan)}, folder)
    recordings = plan.recordings()
    progress("recordings", 0, len(recordings))
    written: list[EventsOf] = []
    jobs = map_jobs(partial(_write, plan, folder), recordings, compute or ComputeSettings())
    for done, events in enumerate(jobs, start=1):
        written.append((recordings[done - 1], events))
        progress("recordings", done, len(recordings))
    season = season_tables(plan, written)
    for name, table in vars(season).items():
        write_text(folder / f"{name}.csv", table.to_csv(index=False, lineterminator="\n"))
    return season


def _write(plan: SeasonPlan, folder: Path, recording: SeasonRecording) -> list[SeasonEvent]:
    samples, events = render_season_recording(plan, recording)
    path = folder / plan.name(recording)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        header = plan.kind.header(plan.deployed(recording), plan.kind.rate, samples.size)
        with replacing(path) as temporary:
            temporary.write_bytes(header + samples.astype("<i2").tobytes())
    return events


def season_tables(plan: SeasonPlan, written: list[EventsOf]) -> Season:
    """Return the tables of a season from its recordings and their events."""
    recordings = [_recording_row(plan, recording, events) for recording, events in written]
    events = [
        (
            plan.name(recording), plan.site_name(recording.site), event.start_s, event.end_s,
            round(event.low_hz, 1), round(event.high_hz, 1), event.label,
            "call" if event.is_call else "other",
        )
        for recording, each in written
        for event in each
    ]  # fmt: skip
    return Season(
        pd.DataFrame(plan.sites_table()),
        pd.DataFrame(recordings),
        pd.DataFrame(events, columns=list(_EVENT_COLUMNS)),
        _detections(plan, written),
    )


def _recording_row(
    plan: SeasonPlan, recording: SeasonRecording, events: list[SeasonEvent]
) -> dict[str, object]:
    return {
        "recording": plan.name(recording),
        "site": plan.site_name(recording.site),
        "recorder": plan.deployed(recording).serial,
        "recorded_at": recording.start.isoformat(),
        "duration_s": plan.duration_s(recording),
        "songs": sum(event.is_call for event in events),
        "rain": int(any(event.label == "rain" for event in events)),
    }


def _detections(plan: SeasonPlan, written: list[EventsOf]) -> pd.DataFrame:
    songs: dict[tuple[int, int, str], int] = {}
    recorded = {(recording.site, recording.day) for recording, _ in written}
    for recording, events in written:
        for event in events:
            key = (recording.site, recording.day, event.label)
            songs[key] = songs.get(key, 0) + event.is_call
    rows = []
    for label in plan.labels:
        for site in range(plan.sites):
            for day in range(plan.days):
                count = songs.get((site, day, label), 0) if (site, day) in recorded else None
                date = SeasonRecording(site, day, 0).start.date().isoformat()
                detected = None if count is None else int(count > 0)
                rows.append((label, plan.site_name(site), date, detected, count))
    table = pd.DataFrame(rows, columns=list(DETECTION_COLUMNS))
    return table.astype({"detected": "Int64", "songs": "Int64"})
