"""Damages recordings, tables, settings and files of a run, and checks how darksound reacts.

A case fails if it takes over 20 s, dies, ends with an internal error or a traceback, or uses part
of its input without a word. Prints a table of counts and every case that failed; exits with status
1 if there is one. The seed fixes all damage: `--only KEY` repeats a case and prints its output.

    python benchmarks/fuzz.py --recordings 500 --tables 300 --settings 300 --runs 100
"""

import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile

import mutations
from children import Child, command_line, run_children, start_child

LIMIT_S = 20.0
# Sound that may be missing without a word: the last frames of compressed files, and a chunk's end.
_TOLERANCE_S = 0.3
_ENVIRONMENT = {
    "DARKSOUND_COMPUTE__WORKERS": "1",
    "DARKSOUND_COMPUTE__DEVICE": "cpu",
    "DARKSOUND_SEGMENTATION__MAX_UNUSABLE": "1",
    "DARKSOUND_EPISODES__N_WAY": "3",
    "DARKSOUND_EPISODES__N_SHOT": "1",
    "DARKSOUND_EPISODES__N_QUERY": "1",
    "DARKSOUND_EVALUATION__N_WAY": "3",
    "DARKSOUND_EVALUATION__N_SHOT": "1",
    "DARKSOUND_EVALUATION__N_QUERY": "1",
    "DARKSOUND_EVALUATION__N_EPISODES": "10",
    "DARKSOUND_EVALUATION__FOLDS": "2",
    "DARKSOUND_MEC__ITERATIONS": "1",
    "DARKSOUND_MEC__N_EPISODES": "2",
    "DARKSOUND_REDUCTION__METHOD": "pca",
    "OMP_NUM_THREADS": "1",
}


@dataclass(frozen=True)
class Case:
    """A damaged input.

    Attributes:
        key: of the case, from its kind and number.
        what: what was damaged and how.
        start: starts the child process that reads it.
        check: returns what is wrong with the result, or None.
    """

    key: str
    what: str
    start: Callable[[], Child]
    check: Callable[[Child], str | None]


def verdict(case: Case, child: Child) -> str | None:
    """Return why a case failed, or None."""
    if child.timed_out:
        return f"took over {LIMIT_S:g} s"
    if child.status not in (0, 2, 3):
        return f"exit status {child.status}"
    output = child.output
    for words in ("Traceback (most recent", "internal error", "Internal error", "libmpg123"):
        if words in output:
            return f"printed {words!r}"
    if child.status == 2 and len(output.split()) < 4:
        return "refused without a sentence"
    return case.check(child) if child.status != 2 else None


def recordings(count: int, folder: Path, seed: int) -> Iterator[Case]:
    """Yield damaged recordings, each to be segmented alone."""
    originals = [mutations.recording(*each) for each in mutations.FORMATS]
    for number in range(count):
        rng = random.Random(f"{seed} recording {number}")
        which = rng.randrange(len(originals))
        suffix, original = mutations.FORMATS[which][0], originals[which]
        kind, data = mutations.damage_recording(original, rng)
        key = f"recording-{number}"
        place = folder / key
        place.mkdir(parents=True)
        path = place / f"sound_20230601_050000.{suffix}"
        path.write_bytes(data)
        words = ("segment", path.name, "--out", "rois.parquet", "--workers", "1")
        yield Case(
            key,
            f"{suffix} {mutations.FORMATS[which][2]}: {kind}",
            partial(start_child, key, partial(command_line, *words), place, _environment(place)),
            partial(_used_short, path, _seconds(original), len(original)),
        )


def _seconds(data: bytes) -> float:
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        return float(soundfile.info(file.name).duration)


def _used_short(path: Path, seconds: float, size: int, child: Child) -> str | None:
    """Return what is wrong if less than the original's sound was used, and nothing says so.

    A damaged header may change what a sample is, so that bytes of a file without compression, and
    samples of the other formats, are compared instead of seconds.
    """
    run = next((path.parent / "runs").glob("*"), None)
    if run is None:
        return "no run directory"
    if (run / "errors.csv").exists():
        return None if child.status == 3 else "errors.csv, but exit status 0"
    chunks = pd.read_csv(run / "chunks.csv")
    used_s = float(chunks["end_s"].max()) if len(chunks) else 0.0
    try:
        info = soundfile.info(path)
    except soundfile.SoundFileError:
        return None if used_s >= seconds - _TOLERANCE_S else f"{used_s:.2f} of {seconds:.2f} s used"
    width = {"PCM_16": 2, "PCM_24": 3, "PCM_32": 4, "FLOAT": 4, "PCM_U8": 1, "PCM_S8": 1}
    if path.suffix in (".wav", ".aiff") and info.subtype in width:
        tolerance = _TOLERANCE_S * info.samplerate * info.channels * width[info.subtype]
        used = used_s * info.samplerate * info.channels * width[info.subtype]
        there = min(size, path.stat().st_size)
        return None if used >= there - tolerance - 200 else f"{used:.0f} of {there} bytes used"
    used, original = used_s * info.samplerate, seconds * mutations.RATE
    if used < original - _TOLERANCE_S * mutations.RATE:
        return f"{used:.0f} of {original:.0f} samples used, exit status {child.status}"
    return None


def tables(count: int, folder: Path, seed: int) -> Iterator[Case]:
    """Yield damaged tables, each to be loaded as ROIs, and rewritten ones that mean the same."""
    sound = folder / "sound"
    sound.mkdir(parents=True)
    originals = _write_tables(sound)
    for number in range(count):
        rng = random.Random(f"{seed} table {number}")
        table = rng.choice(originals)
        way = rng.choice(("rewritten", "cells", "bytes"))
        if way == "rewritten":
            kind, data = mutations.rewrite_table(table, rng)
        elif way == "cells":
            kind, data = mutations.damage_cells(table, rng)
        else:
            kind, data = mutations.damage_bytes(table.text().encode(), rng)
        key = f"table-{number}"
        place = folder / key
        shutil.copytree(sound, place, copy_function=os.link)
        path = place / table.name
        path.write_bytes(data)
        yield Case(
            key,
            f"{table.name}: {way}: {kind}",
            partial(start_child, key, partial(_load, path.name), place, _environment(place)),
            partial(_rows_missing, place / "loaded.json", table, way),
        )


def _write_tables(folder: Path) -> list[mutations.Table]:
    """Write recordings into a folder, and return tables of their ROIs."""
    for name in ("a", "Grün"):
        (folder / f"{name}.wav").write_bytes(mutations.recording("wav", "WAV", "PCM_16"))
    times = [(f"{start:.2f}", f"{start + 0.5:.2f}") for start in np.arange(0.6, 11, 2.0)]
    listed = [
        ["recording", "start_s", "end_s", "label"],
        *([f"{n}.wav", *t, "Grünspecht" if i % 2 else "wren"]
          for n in ("a", "Grün") for i, t in enumerate(times)),
    ]  # fmt: skip
    raven = [
        ["Selection", "View", "Channel", "Begin Time (s)", "End Time (s)", "Low Freq (Hz)",
         "High Freq (Hz)", "Annotation"],
        *([str(i), "Spectrogram 1", "1", *t, "2000.5", "5000", "wren"]
          for i, t in enumerate(times, 1)),
    ]  # fmt: skip
    audacity = [[*t, "Grünspecht" if i % 2 else "wren"] for i, t in enumerate(times)]
    return [
        mutations.Table("table.csv", listed, ",", fixed=False),
        mutations.Table("a.Table.1.selections.txt", raven, "\t", fixed=True),
        mutations.Table("Grün.txt", audacity, "\t", fixed=True),
    ]


def _load(name: str) -> None:
    """Load a table, and write how many ROIs there are, their times and the problems."""
    import darksound as ds

    try:
        rois = ds.load_rois(name)
    except ds.DarksoundError as error:
        print(error)
        sys.exit(2)
    found = {
        "times": sorted(round(float(t), 4) for t in rois.table["start_s"]),
        "labels": sorted({str(label) for label in rois.table["label"]}),
        "ids": int(rois.table["roi_id"].nunique()),
        "problems": [f"{p.recording}: {p.cause}" for p in rois.problems],
    }
    Path("loaded.json").write_text(json.dumps(found))
    sys.exit(3 if rois.problems else 0)


def _rows_missing(path: Path, table: mutations.Table, way: str, child: Child) -> str | None:
    """Return what is wrong if rows of the table are missing, and nothing says so."""
    found = json.loads(path.read_text())
    n_rois, header = len(found["times"]), table.rows[0][0] in ("recording", "Selection")
    n_rows = len(table.rows) - header
    if found["ids"] != n_rois:
        return "two ROIs have one roi_id"
    if way == "rewritten":
        column = table.rows[0].index("start_s") if "start_s" in table.rows[0] else 3 * header
        expected = sorted(round(float(row[column]), 4) for row in table.rows[header:])
        labels = sorted({row[-1] for row in table.rows[header:]})
        if found["times"] != expected or found["labels"] != labels or found["problems"]:
            return f"not the table's ROIs: {found}"
    if way == "cells" and n_rois < n_rows and not found["problems"]:
        return f"{n_rois} ROIs of {n_rows} rows, and no problem"
    return None


def settings(count: int, folder: Path, seed: int) -> Iterator[Case]:
    """Yield settings files with values, sections or bytes that may not be meant."""
    from darksound.settings import Settings, to_toml

    text = to_toml(Settings())
    lines = text.splitlines()
    for number in range(count):
        rng = random.Random(f"{seed} settings {number}")
        if rng.random() < 0.7:
            changed, at = list(lines), rng.choice([i for i, x in enumerate(lines) if " = " in x])
            name, value = lines[at].partition(" = ")[0], rng.choice(mutations.SETTINGS_VALUES)
            changed[at] = f"{name} = {value}"
            kind, data = changed[at], ("\n".join(changed) + "\n").encode()
        elif rng.random() < 0.3:
            depth = rng.choice((50, 5000, 100_000))
            kind, data = f"depth {depth}", f"seed = {'[' * depth}{']' * depth}\n".encode()
        else:
            kind, data = mutations.damage_bytes(text.encode(), rng)
        key = f"settings-{number}"
        place = folder / key
        place.mkdir(parents=True)
        (place / "settings.toml").write_bytes(data)
        words = ("settings", "--config", "settings.toml")
        yield Case(
            key,
            kind,
            partial(start_child, key, partial(command_line, *words), place, {}),
            _no_infinity,
        )


def _no_infinity(child: Child) -> str | None:
    """Return what is wrong if a setting is infinite or not a number."""
    bad = [x for x in child.output.splitlines() if x.endswith((" inf", " -inf", " nan"))]
    return f"accepted {bad[0]}" if bad else None


def runs(count: int, folder: Path, seed: int) -> Iterator[Case]:
    """Yield runs and checkpoints with a damaged file, each to be used by a command."""
    finished, stopped = _make_runs(folder)
    for number in range(count):
        rng = random.Random(f"{seed} run {number}")
        origin, command = rng.choice(
            [
                (finished, ("report", "run")),
                (finished, ("export", "run", "--format", "csv", "--out", "exported.csv")),
                (finished, ("export", "run", "--format", "raven", "--out", "exported")),
                (finished, ("evaluate", "run", "--data", "demo:val")),
                (
                    finished,
                    ("embed", "--data", "demo:val", "--checkpoint", "run", "--out", "e.npy"),
                ),
                (stopped, ("mec", "--resume", "--out", "run")),
            ]
        )
        key = f"run-{number}"
        place = folder / key
        place.mkdir()
        shutil.copytree(origin, place / "run")
        files = sorted(p for p in (place / "run").rglob("*") if p.is_file() and p.suffix != ".html")
        path = rng.choice(files)
        data = path.read_bytes()
        damage = mutations.damage_bytes
        if path.suffix == ".json" and rng.random() < 0.7:
            damage = mutations.damage_json
        kind, changed = damage(data, rng)
        path.write_bytes(changed)
        environment = {**_environment(folder), **_ENVIRONMENT}
        yield Case(
            key,
            f"{command[0]}: {path.relative_to(place)}: {kind}",
            partial(start_child, key, partial(command_line, *command), place, environment),
            lambda child: None,
        )


def _make_runs(folder: Path) -> tuple[Path, Path]:
    """Return the directories of a finished MEC run, and of one that was killed."""
    environment = {**_environment(folder), **_ENVIRONMENT}
    finished, stopped = folder / "finished", folder / "stopped"
    words = ("mec", "--data", "demo:val", "--iterations", "2", "--out")
    child = start_child(
        "finished", partial(command_line, *words, str(finished)), folder, environment
    )
    child.wait()
    if child.status:
        raise SystemExit(child.output)
    child = start_child("stopped", partial(command_line, *words, str(stopped)), folder, environment)
    while not child.poll() and not (stopped / "state.safetensors").exists():
        time.sleep(0.01)
    if not child.poll():
        child.kill()
        child.wait()
    return finished, stopped


def _environment(folder: Path) -> dict[str, str]:
    return {**_ENVIRONMENT, "DARKSOUND_CACHE": str(folder / "cache")}


_KINDS: dict[str, Callable[[int, Path, int], Iterator[Case]]] = {
    "recordings": recordings,
    "tables": tables,
    "settings": settings,
    "runs": runs,
}


def run_cases(cases: Sequence[Case], at_once: int) -> Iterator[tuple[Case, Child, str | None]]:
    """Run cases in child processes; yield each case with its result and why it failed."""
    by_key = {case.key: case for case in cases}
    for child in run_children([case.start for case in cases], LIMIT_S, at_once):
        case = by_key[child.key]
        yield case, child, verdict(case, child)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all cases and print their counts; return 1 if a case failed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for kind in _KINDS:
        parser.add_argument(f"--{kind}", type=int, default=0, metavar="N")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", metavar="KEY")
    parser.add_argument("--at-once", type=int, default=os.cpu_count() or 1)
    options = parser.parse_args(arguments)
    _import_everything()
    n_failed = 0
    print("| input | cases | used | used, problem listed | refused | longest | failed |")
    print("|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as name:
        for kind, make in _KINDS.items():
            cases = list(make(getattr(options, kind), Path(name) / kind, options.seed))
            if options.only:
                cases = [case for case in cases if case.key == options.only]
            counts, longest, failed = Counter[int | None](), 0.0, []
            for case, child, wrong in run_cases(cases, options.at_once):
                counts[child.status] += 1
                longest = max(longest, child.seconds)
                if wrong:
                    failed.append(f"{case.key} ({case.what}): {wrong}")
                    print(f"{failed[-1]}\n{child.output[-600:]}", file=sys.stderr, flush=True)
                elif options.only:
                    print(case.what, child.output, sep="\n", file=sys.stderr)
            n_failed += len(failed)
            print(
                f"| {kind} | {len(cases)} | {counts[0]} | {counts[3]} | {counts[2]} "
                f"| {longest:.1f} s | {len(failed)} |",
                flush=True,
            )
    return int(n_failed > 0)


def _import_everything() -> None:
    """Import what the commands import, so that a child process does not."""
    import darksound.api
    import darksound.jobs.embed
    import darksound.jobs.evaluate
    import darksound.jobs.export
    import darksound.jobs.mec
    import darksound.jobs.report
    import darksound.jobs.segment
    import darksound.report.figures
    import darksound.sources.annotations.raven  # noqa: F401


if __name__ == "__main__":
    sys.exit(main())
