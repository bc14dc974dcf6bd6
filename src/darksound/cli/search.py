"""`darksound search`."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from darksound.cli.checks import check_runs
from darksound.cli.options import CommonOptions
from darksound.cli.runner import handle_errors, load_cli_settings, show_result

__all__ = ["search"]

_FOLDER = "Directory of a run of mec or assign, or a catalogue."


@dataclass(frozen=True)
class SearchOptions:
    """What to search for, and where the hits are written."""

    panel: ClassVar[str] = "Search"

    clip: Annotated[
        Path, typer.Option(metavar="FILE", help="Sound file with the call to search for.")
    ]
    start: Annotated[
        float | None,
        typer.Option(metavar="S", min=0, help="Where the call starts in the file, in seconds."),
    ] = None
    end: Annotated[
        float | None,
        typer.Option(metavar="S", min=0, help="Where the call ends in the file, in seconds."),
    ] = None
    k: Annotated[
        int, typer.Option("--k", metavar="N", min=1, help="Number of ROIs.", show_default=True)
    ] = 10
    max_distance: Annotated[
        float | None,
        typer.Option(
            metavar="D", min=0, max=2, help="Largest distance: 0 is the same, 1 unrelated."
        ),
    ] = None
    name: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Write review.csv with the hits as a group of this name."
        ),
    ] = None
    review: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="review.csv of the run: show its names, leave out rejected ROIs, and add the "
            "group to it; the file itself is not changed.",
        ),
    ] = None
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder to write; default: in RUN/searches."),
    ] = None
    root: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Current folder of the recordings, if they were moved."),
    ] = None
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an earlier search in --out.")
    ] = False


def search(
    options: SearchOptions,
    common: CommonOptions,
    where: Annotated[Path, typer.Argument(metavar="RUN|CATALOGUE", help=_FOLDER)],
) -> None:
    """Find the ROIs of a run or catalogue that sound like a clip.

    The clip is embedded like the ROIs, and all of them are compared with it. The nearest are
    printed, and written as a table and as sound files.
    """
    is_catalogue = (where / "catalogue.json").is_file()
    if is_catalogue and (options.name is not None or options.review is not None):
        raise typer.BadParameter("--name and --review are for runs, not for catalogues.")
    with handle_errors(common) as state:
        if not is_catalogue:
            check_runs([where])
        settings = load_cli_settings(common)
        # Imported after the checks, because this import takes seconds.
        from darksound.jobs.search import search_job

        with state.screen.progress_with_log(Path(os.devnull)) as progress:
            result = search_job(
                where,
                options.clip,
                settings,
                start_s=options.start,
                end_s=options.end,
                k=options.k,
                max_distance=options.max_distance,
                name=options.name,
                review=options.review,
                out=options.out,
                root=options.root,
                overwrite=options.overwrite,
                progress=progress,
            )
        show_result(result, state.screen)
