"""The published sets: splits, mirrors, checksums, and where they are on disk."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from darksound.errors import InputError
from darksound.settings import ComputeSettings
from darksound.settings.compute import data_folder

__all__ = [
    "DEFAULT_SET",
    "REGISTRY",
    "Mirror",
    "PublishedSet",
    "PublishedSplit",
    "archive_folder",
    "archive_name",
    "data_folder",
    "select_splits",
    "splits_of",
]


@dataclass(frozen=True)
class Mirror:
    """A server that offers the archive of a split or of a whole set.

    Attributes:
        kind: the protocol, a name in `darksound.datasets.client.PROTOCOLS`.
        address: the address to request.
        page: the web page where a person can download the archive.
        whole_set: whether the archive holds all splits, in an undocumented folder structure. Such
            an archive has no published md5.
        fallback: the address to request where the first one returns a page without a form.
    """

    kind: str
    address: str
    page: str
    whole_set: bool = False
    fallback: str | None = None


@dataclass(frozen=True)
class PublishedSplit:
    """One split of a published set.

    Attributes:
        set_name: the set, such as `darksound-2024`.
        name: the split, such as `test`.
        md5: published md5 of its archive, in hexadecimal.
        mirrors: in the order in which they are tried.
        levels: names of the folder levels between the split's folder and a clip.
        n_species: published number of species; None where not published.
        n_clips: published number of clips; None where not published.
    """

    set_name: str
    name: str
    md5: str
    mirrors: tuple[Mirror, ...]
    levels: tuple[str, ...]
    n_species: int | None = None
    n_clips: int | None = None

    @property
    def spec(self) -> str:
        """Return its name for users, `SET:SPLIT`."""
        return f"{self.set_name}:{self.name}"


@dataclass(frozen=True)
class PublishedSet:
    """One published set.

    Attributes:
        name: its name for users.
        home: the web page of the publication.
        licence: the terms of use.
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
    whole_set=True,
)


def _zenodo(split: str) -> Mirror:
    return Mirror("zenodo", f"{_ZENODO_PAGE}/files/{split}.zip?download=1", _ZENODO_PAGE)


def _thesis(name: str, md5: str, file_id: str, **counts: int) -> PublishedSplit:
    mirrors = (_KAGGLE, _drive(file_id))
    return PublishedSplit("darksound-2023", name, md5, mirrors, ("family", "species"), **counts)


def _paper(name: str, md5: str, **counts: int) -> PublishedSplit:
    return PublishedSplit("darksound-2024", name, md5, (_zenodo(name),), ("species",), **counts)


def _set(home: str, citation: str, *splits: PublishedSplit) -> PublishedSet:
    by_name = {split.name: split for split in splits}
    return PublishedSet(splits[0].set_name, home, f"as stated at {home}", citation, by_name)


#: The set that commands use where none is named.
DEFAULT_SET = "darksound-2023"

#: All published sets by name.
REGISTRY: Mapping[str, PublishedSet] = {
    "darksound-2023": _set(
        _KAGGLE_PAGE,
        "Poutaraud, J. (2023). Unsupervised Meta-Embedding for Bird Songs Clustering in "
        "Soundscape Recordings. Master's thesis, University of Oslo.",
        _thesis("train", "b95ebadd31bdc149adc8d07fe779eeeb", "1GUgpDaf7AqzqIKwD9_Rb8sH643l1CrqQ"),
        _thesis("val", "846f5d7457525012b94e7e9b5c215705", "1JPKfPUrPsXVS8mKFoGVGcDjYUuQ804B3"),
        _thesis(
            "test",
            "6dbd0cc8950fed84ff91d17da6d8c994",
            "1DKXRf-Y2KbmkQ8Civ-mdiNa9mhykqqoS",
            n_species=21,
            n_clips=632,
        ),
    ),
    "darksound-2024": _set(
        _ZENODO_PAGE,
        "Poutaraud, J., Sueur, J., Thébaud, C. & Haupert, S. (2024). Meta-Embedded Clustering "
        "(MEC): A new method for improving clustering quality in unlabeled bird sound datasets. "
        "Ecological Informatics, doi 10.1016/j.ecoinf.2024.102687.",
        _paper("train", "800286a48fffcd0d812999be1405c22b"),
        _paper("test", "00676bede612d3d7b8933ac03bc07a85", n_species=30, n_clips=8163),
    ),
}


def splits_of(registry: Mapping[str, PublishedSet]) -> Iterator[PublishedSplit]:
    """Yield all splits of all sets, in the order of the registry."""
    for published in registry.values():
        yield from published.splits.values()


def select_splits(*specs: str) -> list[PublishedSplit]:
    """Return the splits named by `SET` or `SET:SPLIT`, without duplicates.

    Raises:
        InputError: there is no such set or split; the message lists all splits.
    """
    selected: dict[PublishedSplit, None] = {}
    for spec in specs:
        matching = [s for s in splits_of(REGISTRY) if spec in {s.set_name, s.spec}]
        if not matching:
            known = ", ".join(split.spec for split in splits_of(REGISTRY))
            raise InputError(f"There is no published set {spec!r}; choose one of {known}.")
        selected |= dict.fromkeys(matching)
    return list(selected)


def archive_folder(settings: ComputeSettings, set_name: str) -> Path:
    """Return the hidden folder of incomplete downloads and lock files of a set."""
    return data_folder(settings) / set_name / ".download"


def archive_name(set_name: str, split: str | None) -> str:
    """Return the file name of the archive of a split, or of a whole set if `split` is None."""
    return f"{set_name}.archive" if split is None else f"{set_name}-{split}.archive"
