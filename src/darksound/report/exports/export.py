"""`darksound export`: a run, in a format, to a place."""

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from darksound.errors import InputError
from darksound.progress import Progress, silent
from darksound.report.exports import EXPORTERS
from darksound.report.exports.base import AudioFormat, Exporter, Found, provenance
from darksound.report.exports.targets import ERRORS, new_file, new_folder
from darksound.rois.review import read_review
from darksound.rois.roi_set import Problem
from darksound.run.reading import read_result

__all__ = ["Exported", "export"]

# Within the run, where no other place was named.
_PLACE = "exports"
_STEM = "clusters"


@dataclass(frozen=True)
class Exported:
    """What was exported.

    Attributes:
        path: the file or folder.
        files: how many files there are.
        rois: how many ROIs they tell of.
        hint: what opens them.
        problems: what was left out; a folder lists it in `errors.csv`.
    """

    path: Path
    files: int
    rois: int
    hint: str
    problems: tuple[Problem, ...]


def export(
    run: str | Path,
    form: str,
    *,
    out: str | Path | None = None,
    review: str | Path | None = None,
    root: str | Path | None = None,
    audio: AudioFormat = "wav",
    overwrite: bool = False,
    progress: Progress = silent,
) -> Exported:
    """Write what a run of MEC found in the format of another tool.

    Args:
        run: the run's directory.
        form: a name in `EXPORTERS`.
        out: where to; `RUN/exports/FORMAT` or `RUN/exports/clusters.SUFFIX` where None.
        review: a `review.csv` of the run.
        root: where the recordings lie now, if they were moved.
        audio: format of clips, `wav` or `flac`.
        overwrite: replace an export that is there.
        progress: told of what was written.

    Raises:
        InputError: there is no such format, the review is of another run, or there is nothing to
            export.
        RunError: `run` is no finished run of MEC, or the place is taken.
    """
    exporter = EXPORTERS.get(form)
    if exporter is None:
        raise InputError(f"There is no format {form!r}; there are {', '.join(EXPORTERS)}.")
    result = read_result(run, root)
    said = None if review is None else read_review(review)
    found = Found.of(result, said, audio, progress)
    target = _target(exporter, form, result.path / _PLACE, None if out is None else Path(out))
    about = {"format": form, **provenance(result), "review": "" if said is None else said.path.name}
    with _opened(exporter, target, overwrite, about) as place:
        written = exporter.write(found, place)
        if written.problems and exporter.suffix is None:
            rows = pd.DataFrame([(p.recording, p.cause) for p in written.problems])
            rows.to_csv(place / ERRORS, index=False, header=["recording", "cause"])
    return Exported(target, written.files, written.rois, exporter.hint, written.problems)


def _target(exporter: Exporter, form: str, home: Path, out: Path | None) -> Path:
    if exporter.suffix is None:
        return home / form if out is None else out
    if out is not None and out.suffix.lower() == exporter.suffix:
        return out
    return (home if out is None else out) / f"{_STEM}{exporter.suffix}"


def _opened(
    exporter: Exporter, target: Path, overwrite: bool, about: dict[str, str]
) -> AbstractContextManager[Path]:
    if exporter.suffix is None:
        return new_folder(target, overwrite, about)
    return new_file(target, overwrite)
