"""`darksound catalogue` and its commands."""

from pathlib import Path
from typing import Annotated

import typer

from darksound.cli.checks import check_catalogue_folder, check_files, check_runs
from darksound.cli.options import CommonOptions
from darksound.cli.runner import handle_errors, show_result

__all__ = ["create", "history", "merge", "rename", "split", "update"]

_Folder = Annotated[Path, typer.Argument(metavar="CATALOGUE", help="Folder of a catalogue.")]
_Review = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="review.csv of the run: apply its names, groups and rejections."
    ),
]
_NamedOnly = Annotated[
    bool, typer.Option("--named-only", help="Leave out new types without a name.")
]
_Root = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Current folder of the recordings, if they were moved."),
]
_TYPE_HELP = "Id or name of a call type."


def create(
    common: CommonOptions,
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a MEC run.")],
    out: Annotated[Path, typer.Option(metavar="DIR", help="Folder of the new catalogue.")],
    review: _Review = None,
    named_only: _NamedOnly = False,
    root: _Root = None,
) -> None:
    """Make a catalogue of the clusters of a run of darksound mec."""
    with handle_errors(common) as state:
        check_runs([run])
        check_files(None, review)
        # Imported after the checks, because this import takes seconds.
        from darksound.jobs.catalogue import create_job

        result = create_job(run, out, review=review, named_only=named_only, root=root)
        show_result(result, state.screen)


def update(
    common: CommonOptions,
    catalogue: _Folder,
    run: Annotated[
        Path, typer.Argument(metavar="RUN", help="Directory of a run of darksound assign.")
    ],
    review: _Review = None,
    named_only: _NamedOnly = False,
    root: _Root = None,
) -> None:
    """Add the new types of a run of darksound assign, and its calls of known ones."""
    with handle_errors(common) as state:
        check_catalogue_folder(catalogue)
        check_runs([run])
        check_files(None, review)
        from darksound.jobs.catalogue import update_job

        result = update_job(catalogue, run, review=review, named_only=named_only, root=root)
        show_result(result, state.screen)


def merge(
    common: CommonOptions,
    catalogue: _Folder,
    types: Annotated[
        list[str] | None, typer.Argument(metavar="TYPE...", help=_TYPE_HELP, show_default=False)
    ] = None,
    other: Annotated[
        Path | None,
        typer.Option(
            "--with",
            metavar="OTHER",
            help="Folder of another catalogue, whose types are added; it is not changed.",
        ),
    ] = None,
    same_names: Annotated[
        bool,
        typer.Option("--same-names", help="With --with: merge types that have one name."),
    ] = False,
) -> None:
    """Merge call types into the first one, or another catalogue into this one; ids stay."""
    if bool(types) == (other is not None):
        raise typer.BadParameter("Give at least two TYPEs, or --with OTHER.")
    if same_names and other is None:
        raise typer.BadParameter("--same-names needs --with OTHER.")
    with handle_errors(common) as state:
        check_catalogue_folder(catalogue)
        if other is None:
            from darksound.jobs.catalogue import merge_job

            result = merge_job(catalogue, types or ())
        else:
            check_catalogue_folder(other)
            from darksound.jobs.catalogue import merge_catalogue_job

            result = merge_catalogue_job(catalogue, other, same_names=same_names)
        show_result(result, state.screen)


def split(
    common: CommonOptions,
    catalogue: _Folder,
    type_id: Annotated[str, typer.Argument(metavar="TYPE", help=_TYPE_HELP)],
    parts: Annotated[int, typer.Option(metavar="N", help="Number of parts.")] = 2,
    roi: Annotated[
        list[str] | None,
        typer.Option(
            metavar="ROI",
            help="Id of a core ROI that is part of the new type, in place of parts by similarity; "
            "repeatable.",
        ),
    ] = None,
) -> None:
    """Split a call type; the part with most core ROIs keeps the id and the name."""
    with handle_errors(common) as state:
        check_catalogue_folder(catalogue)
        from darksound.jobs.catalogue import split_job

        show_result(split_job(catalogue, type_id, parts, roi or ()), state.screen)


def rename(
    common: CommonOptions,
    catalogue: _Folder,
    type_id: Annotated[str, typer.Argument(metavar="TYPE", help=_TYPE_HELP)],
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="New name; empty for none.")
    ] = None,
    notes: Annotated[str | None, typer.Option(metavar="TEXT", help="New notes.")] = None,
) -> None:
    """Give a call type another name or other notes; its id stays."""
    if name is None and notes is None:
        raise typer.BadParameter("Give a NAME, or --notes.")
    with handle_errors(common) as state:
        check_catalogue_folder(catalogue)
        from darksound.jobs.catalogue import rename_job

        show_result(rename_job(catalogue, type_id, name, notes), state.screen)


def history(
    common: CommonOptions,
    catalogue: _Folder,
    version: Annotated[
        int | None, typer.Option(metavar="N", help="Version to show; default: the current one.")
    ] = None,
) -> None:
    """List the call types of a catalogue and all its changes."""
    with handle_errors(common) as state:
        check_catalogue_folder(catalogue)
        from darksound.jobs.catalogue import history_job

        show_result(history_job(catalogue, version), state.screen)
