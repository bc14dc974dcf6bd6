"""Load folders of sound files, single files, and published sets, which are such folders."""

from pathlib import Path

import pandas as pd

from darksound.audio.files import SUFFIXES
from darksound.audio.names import recording_text
from darksound.datasets import registry
from darksound.datasets.registry import data_folder
from darksound.errors import InputError
from darksound.rois.listing import find_recordings
from darksound.rois.roi_set import Problem, RoiSet, as_roi_table
from darksound.settings.audio import FolderMeaning
from darksound.sources.annotations.loading import load_annotations
from darksound.sources.contract import LoadOptions, Source, path_identity
from darksound.sources.folder_meaning import SPLITS, Evidence, folder_columns, log_folders
from darksound.sources.looked_at import probe_files
from darksound.sources.recordings import origin_columns
from darksound.sources.site_matching import find_sites
from darksound.sources.untimed import divide_files, is_short, no_usable_input
from darksound.store.readers import DispatchReader
from darksound.text import path_text, text_path

__all__ = ["FOLDER", "PUBLISHED", "SPLITS", "load_folder", "load_published"]


def load_folder(
    root: Path, options: LoadOptions, below: str = "", folders: FolderMeaning | None = None
) -> RoiSet:
    """Return the ROIs of all sound files below a folder, or of one file.

    Args:
        root: folder that recordings are relative to, or one sound file.
        options: how a file is divided into ROIs.
        below: load only the part of `root` below this relative path.
        folders: what the names of folders are; None for `rois.folders` of the settings.

    Raises:
        InputError: there are no sound files below the folder, or none can be used.
    """
    root = root.resolve()
    if options.mode == "annotations" and root.is_dir():
        return load_annotations(root / below, options)
    problems: list[Problem] = []
    if root.is_file():
        root, recordings = root.parent, [recording_text(root.name)]
    else:
        recordings, problems = find_recordings(root, below)
    if not recordings and problems:
        raise no_usable_input(path_text(root / below), problems)
    if not recordings:
        raise InputError(
            f"{path_text(root / below)}: no sound files there or in the folders below; "
            f"sound files end in {', '.join(sorted(SUFFIXES))}."
        )
    probed = probe_files(root, recordings, options.settings.compute)
    clips = {n for n, info in probed.infos.items() if is_short(info, options.window_s)}
    evidence = Evidence(probed.origins, frozenset(clips), options.sites)
    meaning = options.settings.rois.folders if folders is None else folders
    files, reason = folder_columns(recordings, evidence, meaning, root)
    log_folders(root, files, reason)
    if options.sites is not None:
        # A contradiction is an error before recordings are segmented, which may take hours.
        origins = [origin_columns(probed.origins[name]) for name in recordings]
        where = files.assign(root=path_text(root)).join(pd.DataFrame(origins, files.index))
        find_sites(where, options.sites, log=False)
    untimed = divide_files(root, files, options, probed)
    problems += untimed.problems
    if not untimed.usable:
        raise no_usable_input(path_text(root), problems)
    return RoiSet(
        as_roi_table(untimed.rows), DispatchReader(), tuple(problems), effort=untimed.effort
    )


def _matches(spec: str) -> bool:
    path = text_path(spec)
    return path.is_dir() or (path.is_file() and path.suffix.lower() in SUFFIXES)


FOLDER = Source(
    syntax="a folder of sound files (or one sound file)",
    matches=_matches,
    identity=path_identity,
    load=lambda spec, options: load_folder(text_path(spec), options),
)


def load_published(spec: str, options: LoadOptions) -> RoiSet:
    """Return the ROIs of `SET` (all splits on disk) or `SET:SPLIT`.

    Raises:
        InputError: there is no such split, or it is not on disk.
    """
    name, _, split = spec.partition(":")
    published = registry.REGISTRY[name]
    if split and split not in published.splits:
        choices = ", ".join(each.spec for each in published.splits.values())
        raise InputError(f"There is no {spec}; there are {choices}.")
    root = data_folder(options.settings.compute) / name
    splits = [split] if split else list(published.splits)
    if not any((root / each).is_dir() for each in splits):
        raise InputError(
            f"{spec} is not on disk (searched in {root / split}). `darksound download {spec}` "
            f"fetches it from {published.home}; if it is in another folder, set DARKSOUND_DATA to "
            f"that folder. `--data demo` needs no download."
        )
    return load_folder(root, options, below=split, folders="label")


def _published_syntax() -> str:
    return " or ".join(
        f"{name}[:{'|'.join(published.splits)}]" for name, published in registry.REGISTRY.items()
    )


PUBLISHED = Source(
    syntax=_published_syntax(),
    matches=lambda spec: spec.partition(":")[0] in registry.REGISTRY,
    identity=lambda spec: spec.removesuffix(":"),
    load=load_published,
)
