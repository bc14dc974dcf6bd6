"""Published sets: what there is, where it was published, and what vouches for it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import platformdirs

from darksound.settings import ComputeSettings

__all__ = ["REGISTRY", "Mirror", "PublishedSet", "PublishedSplit", "data_folder", "splits_of"]


@dataclass(frozen=True)
class Mirror:
    """One place that a split can be had from.

    Attributes:
        kind: how it is asked, a name in `darksound.datasets.mirrors.KINDS`.
        address: the address that is asked.
        page: what a person opens to fetch the archive by hand.
        whole: whether its archive holds all splits of the set, in a layout that nobody promised;
            such an archive has no published md5 of its own.
        fallback: the address that is asked where a page came back that asks for nothing.
    """

    kind: str
    address: str
    page: str
    whole: bool = False
    fallback: str | None = None


@dataclass(frozen=True)
class PublishedSplit:
    """One split of a published set.

    Attributes:
        set_name: the set, such as `darksound-2024`.
        name: the split, such as `test`.
        md5: of its archive as published, in hexadecimal.
        mirrors: where it can be had, the best first.
        layout: names of the folders between the split's folder and a clip.
        species: number of species as published; None where that was not told.
        clips: number of clips as published; None where that was not told.
    """

    set_name: str
    name: str
    md5: str
    mirrors: tuple[Mirror, ...]
    layout: tuple[str, ...]
    species: int | None = None
    clips: int | None = None

    @property
    def spec(self) -> str:
        """How a person names it."""
        return f"{self.set_name}:{self.name}"


@dataclass(frozen=True)
class PublishedSet:
    """One published set.

    Attributes:
        name: how a person names it.
        home: where it was published.
        licence: the terms that it may be used on.
        citation: the work to cite.
        splits: by name.
    """

    name: str
    home: str
    licence: str
    citation: str
    splits: Mapping[str, PublishedSplit]


def _drive(file_id: str) -> Mirror:
    return Mirror(
        kind="drive",
        address=f"https://drive.google.com/uc?export=download&id={file_id}",
        page=f"https://drive.google.com/file/d/{file_id}/view",
        fallback=f"https://drive.usercontent.google.com/download?id={file_id}"
        "&export=download&confirm=t",
    )


_KAGGLE_PAGE = "https://www.kaggle.com/datasets/joachipo/darksound"
_ZENODO_PAGE = "https://zenodo.org/records/10512103"

_KAGGLE = Mirror(
    kind="kaggle",
    address="https://www.kaggle.com/api/v1/datasets/download/joachipo/darksound",
    page=_KAGGLE_PAGE,
    whole=True,
)


def _zenodo(split: str) -> Mirror:
    return Mirror("zenodo", f"{_ZENODO_PAGE}/files/{split}.zip?download=1", _ZENODO_PAGE)


def _thesis(name: str, md5: str, file_id: str, **counts: int) -> PublishedSplit:
    mirrors = (_KAGGLE, _drive(file_id))
    return PublishedSplit("darksound-2023", name, md5, mirrors, ("family", "species"), **counts)


def _paper(name: str, md5: str, **counts: int) -> PublishedSplit:
    return PublishedSplit("darksound-2024", name, md5, (_zenodo(name),), ("species",), **counts)


def _published(
    name: str, home: str, licence: str, citation: str, *splits: PublishedSplit
) -> PublishedSet:
    by_name = MappingProxyType({split.name: split for split in splits})
    return PublishedSet(name, home, licence, citation, by_name)


_SETS = (
    _published(
        "darksound-2023",
        _KAGGLE_PAGE,
        f"as stated at {_KAGGLE_PAGE}",
        "Poutaraud, J. (2023). Unsupervised Meta-Embedding for Bird Songs Clustering in "
        "Soundscape Recordings. Master's thesis, University of Oslo.",
        _thesis("train", "b95ebadd31bdc149adc8d07fe779eeeb", "1GUgpDaf7AqzqIKwD9_Rb8sH643l1CrqQ"),
        _thesis("val", "846f5d7457525012b94e7e9b5c215705", "1JPKfPUrPsXVS8mKFoGVGcDjYUuQ804B3"),
        _thesis(
            "test",
            "6dbd0cc8950fed84ff91d17da6d8c994",
            "1DKXRf-Y2KbmkQ8Civ-mdiNa9mhykqqoS",
            species=21,
            clips=632,
        ),
    ),
    _published(
        "darksound-2024",
        _ZENODO_PAGE,
        f"as stated at {_ZENODO_PAGE}",
        "Poutaraud, J., Sueur, J., Thébaud, C. & Haupert, S. (2024). Meta-Embedded Clustering "
        "(MEC): A new method for improving clustering quality in unlabeled bird sound datasets. "
        "Ecological Informatics, doi 10.1016/j.ecoinf.2024.102687.",
        _paper("train", "800286a48fffcd0d812999be1405c22b"),
        _paper("test", "00676bede612d3d7b8933ac03bc07a85", species=30, clips=8163),
    ),
)

#: All published sets by name; a set is added here and nowhere else.
REGISTRY: Mapping[str, PublishedSet] = MappingProxyType({each.name: each for each in _SETS})


def splits_of(registry: Mapping[str, PublishedSet]) -> Iterator[PublishedSplit]:
    """All splits of all sets, in the order of the registry."""
    for published in registry.values():
        yield from published.splits.values()


def data_folder(settings: ComputeSettings) -> Path:
    """Return the folder of published sets, each set in a folder of its name."""
    chosen = settings.data_dir
    return chosen if chosen is not None else platformdirs.user_data_path("darksound")
