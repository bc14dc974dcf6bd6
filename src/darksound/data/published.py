"""Published sets, where they are on disk."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import platformdirs

from darksound.data.folder import load_folder
from darksound.data.rois import RoiSet
from darksound.data.source import Request, Source
from darksound.errors import InputError
from darksound.settings import Settings

__all__ = ["ORIGINS", "PUBLISHED", "SETS", "data_folder", "load_published"]

#: Sets by name and their splits. 2023: Poutaraud's thesis, `split/family/species/clip.wav`;
#: 2024: Poutaraud et al., doi 10.1016/j.ecoinf.2024.102687, `split/species/clip.wav`.
SETS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"darksound-2023": ("train", "val", "test"), "darksound-2024": ("train", "test")}
)

#: Where the sets were published.
ORIGINS: Mapping[str, str] = MappingProxyType(
    {
        "darksound-2023": "https://www.kaggle.com/datasets/joachipo/darksound",
        "darksound-2024": "https://zenodo.org/records/10512103",
    }
)


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
    if split and split not in SETS[name]:
        has = ", ".join(f"{name}:{each}" for each in SETS[name])
        raise InputError(f"There is no {spec}; there are {has}.")
    root = data_folder(request.settings) / name
    if not (root / split).is_dir():
        raise InputError(
            f"{spec} is not on disk (looked in {root / split}). Fetch it from {ORIGINS[name]} "
            f"and unpack it into {root}, or say with DARKSOUND_DATA where it is; "
            f"`--data demo` needs nothing."
        )
    return load_folder(root, request, below=split)


PUBLISHED = Source(
    written=" or ".join(f"{name}[:{'|'.join(splits)}]" for name, splits in SETS.items()),
    matches=lambda spec: spec.partition(":")[0] in SETS,
    identity=lambda spec: spec,
    load=load_published,
)
