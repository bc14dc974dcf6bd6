"""Published sets, where they are on disk."""

from pathlib import Path

import platformdirs

from darksound.data import registry
from darksound.data.folder import load_folder
from darksound.data.rois import RoiSet
from darksound.data.source import Request, Source
from darksound.errors import InputError
from darksound.settings import Settings

__all__ = ["PUBLISHED", "data_folder", "load_published"]


def data_folder(settings: Settings) -> Path:
    """The folder that published sets live in, each in a folder of its name."""
    chosen = settings.compute.data_dir
    return chosen if chosen is not None else platformdirs.user_data_path("darksound")


def load_published(spec: str, request: Request) -> RoiSet:
    """ROIs of `SET` (all splits that are there) or `SET:SPLIT`.

    Raises:
        InputError: there is no such split, or it is not on disk.
    """
    name, _, split = spec.partition(":")
    published = registry.REGISTRY[name]
    if split and split not in published.splits:
        has = ", ".join(each.spec for each in published.splits.values())
        raise InputError(f"There is no {spec}; there are {has}.")
    root = data_folder(request.settings) / name
    wanted = [split] if split else list(published.splits)
    if not any((root / each).is_dir() for each in wanted):
        raise InputError(
            f"{spec} is not on disk (looked in {root / split}). `darksound download {spec}` "
            f"fetches it from {published.home}; where it is elsewhere, say so with DARKSOUND_DATA. "
            f"`--data demo` needs nothing."
        )
    return load_folder(root, request, below=split)


def _written() -> str:
    return " or ".join(
        f"{name}[:{'|'.join(published.splits)}]" for name, published in registry.REGISTRY.items()
    )


PUBLISHED = Source(
    written=_written(),
    matches=lambda spec: spec.partition(":")[0] in registry.REGISTRY,
    identity=lambda spec: spec,
    load=load_published,
)
