"""The jobs of `darksound catalogue`."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from darksound.atomic import claiming
from darksound.catalogue import changes
from darksound.catalogue.content import Content
from darksound.catalogue.folder import changing, read_content, write_content
from darksound.catalogue.joining import merge_catalogue, same_named
from darksound.errors import InputError, RunError
from darksound.jobs.base import JobResult
from darksound.report.result import read_run
from darksound.report.tables import Table
from darksound.rois.review import read_review

__all__ = [
    "create_job",
    "history_job",
    "merge_catalogue_job",
    "merge_job",
    "rename_job",
    "split_job",
    "update_job",
]


def create_job(
    run: Path, out: Path, *, review: Path | None, named_only: bool, root: Path | None
) -> JobResult:
    """Write a catalogue of the clusters of a run.

    Raises:
        InputError: see `darksound.catalogue.changes.create`.
        RunError: the run cannot be read, or the folder holds something else.
    """
    with claiming(out):
        if (out / "catalogue.json").exists():
            raise RunError(
                f"{out} is a catalogue already; darksound catalogue update adds to it, or name "
                "another --out."
            )
        result = read_run(run, root)
        given = None if review is None else read_review(review)
        content = write_content(changes.create(result, given, named_only=named_only), out)
    return _result(content, out)


def update_job(
    folder: Path, run: Path, *, review: Path | None, named_only: bool, root: Path | None
) -> JobResult:
    """Add the new types of a run of `darksound assign`, and its calls of known ones.

    Raises:
        InputError: see `darksound.catalogue.changes.update`.
        RunError: the run or the catalogue cannot be read, or not be written.
    """
    result = read_run(run, root)
    given = None if review is None else read_review(review)
    return _changed(
        folder, lambda content: changes.update(content, result, given, named_only=named_only)
    )


def merge_job(folder: Path, names: Sequence[str]) -> JobResult:
    """Merge call types into the first.

    Raises:
        InputError: see `darksound.catalogue.changes.merge`.
        RunError: the catalogue cannot be read, or not be written.
    """
    return _changed(folder, lambda content: changes.merge(content, names))


def merge_catalogue_job(folder: Path, other: Path, *, same_names: bool) -> JobResult:
    """Add the types of another catalogue, and list those of one name.

    Raises:
        InputError: see `darksound.catalogue.joining.merge_catalogue`.
        RunError: a catalogue cannot be read, or the first one not be written.
    """
    if folder.samefile(other):
        raise InputError(f"{other} is the same catalogue as {folder}; name two different ones.")
    second = read_content(other)
    with changing(folder) as content:
        joined = merge_catalogue(content, second, same_names=same_names)
        named = same_named(content, joined)
        result = _result(write_content(joined, folder), folder)
    if not named:
        return result
    rows = tuple((name, ", ".join(ids)) for name, ids in named.items())
    table = Table("Different call types of one name", ("name", "types"), rows)
    message = (
        f"{result.message} Call types of one name with different ids: {len(named)}; merge those "
        "that are alike by darksound catalogue merge."
    )
    return replace(result, tables=(*result.tables, table), message=message)


def split_job(folder: Path, name: str, parts: int, roi_ids: Iterable[str]) -> JobResult:
    """Split a call type.

    Raises:
        InputError: see `darksound.catalogue.changes.split`.
        RunError: the catalogue cannot be read, or not be written.
    """
    return _changed(folder, lambda content: changes.split(content, name, parts, roi_ids))


def rename_job(folder: Path, name: str, new_name: str | None, notes: str | None) -> JobResult:
    """Give a call type another name or other notes.

    Raises:
        InputError: see `darksound.catalogue.changes.rename`.
        RunError: the catalogue cannot be read, or not be written.
    """
    return _changed(
        folder, lambda content: changes.rename(content, name, new_name=new_name, notes=notes)
    )


def history_job(folder: Path, version: int | None) -> JobResult:
    """Return the call types of a version of a catalogue, and the changes up to it.

    Raises:
        RunError: the catalogue cannot be read, or has no such version.
    """
    content = read_content(folder, version)
    rows = tuple(
        (str(event.version), event.time, event.action, event.text) for event in content.history
    )
    events = Table("History", ("version", "time", "action", "change"), rows)
    message = f"{folder} is in version {content.version}, with {len(content)} call types."
    return JobResult((_types_table(content), events), message)


def _changed(folder: Path, change: Callable[[Content], Content]) -> JobResult:
    with changing(folder) as content:
        return _result(write_content(change(content), folder), folder)


def _result(content: Content, folder: Path) -> JobResult:
    text = content.history[-1].text
    message = (
        f"Version {content.version} of {folder}, with {len(content)} call types: {text[:1].upper()}"
        f"{text[1:]}"
    )
    return JobResult((_types_table(content),), message, content.problems)


def _types_table(content: Content) -> Table:
    counts = content.core["type_id"].value_counts()
    recordings = content.core.groupby("type_id")["recording"].nunique()
    rows = tuple(
        (
            str(row["type_id"]),
            str(row["name"]),
            str(row["rois"]),
            str(counts[row["type_id"]]),
            str(recordings[row["type_id"]]),
            f"{row['threshold']:.2f}",
            str(row["since_version"]),
        )
        for _, row in content.active.iterrows()
    )
    columns = ("type", "name", "ROIs", "core ROIs", "recordings", "threshold", "since version")
    return Table("Call types", columns, rows)
