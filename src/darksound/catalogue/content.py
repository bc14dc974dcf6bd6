"""The content of a catalogue of call types: its tables, and what identifies a type."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from darksound.catalogue.scores import OpenSet, score_open_set
from darksound.errors import InputError
from darksound.meta.learners.base import Learner
from darksound.rois.roi_set import Problem, as_text
from darksound.run.manifest import now
from darksound.settings import Settings, adopt_checkpoint

__all__ = [
    "CORE_SCHEMA",
    "MAX_CORE",
    "TYPE_SCHEMA",
    "Content",
    "Event",
    "best_core",
    "core_order",
    "new_type_id",
    "text_columns",
    "type_table",
]

#: One row a call type. `merged_into` is the id of the type that it was merged into, null for a type
#: in use. `threshold` is the lowest score of an accepted call among the core ROIs alone; `rois` is
#: the number of ROIs in the runs that it was made and updated from, and a lower bound of it where a
#: type was in two catalogues that were merged.
TYPE_SCHEMA = pa.schema(
    [
        pa.field("type_id", pa.string(), nullable=False),
        pa.field("name", pa.string(), nullable=False),
        pa.field("notes", pa.string(), nullable=False),
        pa.field("merged_into", pa.string()),
        pa.field("threshold", pa.float64()),
        pa.field("rois", pa.int64(), nullable=False),
        pa.field("since_version", pa.int64(), nullable=False),
        pa.field("origin", pa.string(), nullable=False),
    ]
)
#: One row a core ROI, in the order of the embeddings. `run` is the name and fingerprint of the run
#: that it is from, `exemplar` the path of its sound in the folder, null without sound.
CORE_SCHEMA = pa.schema(
    [
        pa.field("type_id", pa.string(), nullable=False),
        pa.field("roi_id", pa.string(), nullable=False),
        pa.field("root", pa.string(), nullable=False),
        pa.field("recording", pa.string(), nullable=False),
        pa.field("start_s", pa.float64(), nullable=False),
        pa.field("end_s", pa.float64(), nullable=False),
        pa.field("low_hz", pa.float32()),
        pa.field("high_hz", pa.float32()),
        pa.field("site", pa.string()),
        pa.field("recorded_at", pa.string()),
        pa.field("probability", pa.float64(), nullable=False),
        pa.field("run", pa.string(), nullable=False),
        pa.field("exemplar", pa.string()),
    ]
)
#: Largest number of core ROIs of a type.
MAX_CORE = 50
_ID = "ct-"
# Sections of the settings that change no result.
_FREE_SECTIONS = {"compute", "download", "report"}
_ID_BYTES = 4
_MAX_REJECTED = 0.05


@dataclass(frozen=True)
class Event:
    """A change of a catalogue.

    Attributes:
        version: the version that has it.
        time: ISO 8601, UTC.
        action: `create`, `update`, `merge`, `merge catalogue`, `split` or `rename`.
        types: ids of the types that it concerns.
        text: one sentence.
        run: name and fingerprint of the run that was added; empty for other changes.
        runs: those of the runs of a catalogue that was merged.
    """

    version: int
    time: str
    action: str
    types: tuple[str, ...]
    text: str
    run: str = ""
    runs: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False, repr=False)
class Content:
    """The content of a catalogue; changes return another one.

    Attributes:
        types: columns of `TYPE_SCHEMA`, a row a type, those that were merged too.
        core: columns of `CORE_SCHEMA`, `n` rows.
        embeddings: float32 `(n, dim)` of the core ROIs.
        settings: of the run that it was made from; new recordings are segmented and embedded alike.
        learner: computes the embeddings.
        catalogue_id: identifies the catalogue, in all versions.
        version: 0 before it is saved.
        history: changes, the oldest first.
        problems: exemplars whose sound could not be read.
        folders: folders of catalogues that have the sound of exemplars.
    """

    types: pd.DataFrame
    core: pd.DataFrame
    embeddings: npt.NDArray[np.float32]
    settings: Settings
    learner: Learner
    catalogue_id: str
    version: int = 0
    history: tuple[Event, ...] = ()
    problems: tuple[Problem, ...] = field(default=())
    folders: tuple[Path, ...] = ()

    @property
    def active(self) -> pd.DataFrame:
        """Return the rows of the types in use."""
        return self.types[self.types["merged_into"].isna()].reset_index(drop=True)

    @property
    def runs(self) -> frozenset[str]:
        """Return name and fingerprint of the runs that it was made and updated from."""
        return frozenset(run for event in self.history for run in (event.run, *event.runs) if run)

    def __len__(self) -> int:
        return len(self.active)

    def named(self, name: str) -> list[str]:
        """Return the ids of the types in use with a name; none for an empty name."""
        active = self.active
        return active["type_id"][active["name"] == name].tolist() if name else []

    def find(self, name: str) -> str:
        """Return the id of a type in use, by its id, by its name, or by that of a merged type.

        Raises:
            InputError: there is no such type, or two have the name.
        """
        merged = self.types.set_index("type_id")["merged_into"]
        into = merged.where(merged.notna(), "").to_dict()
        current = name
        while current in into:
            if not into[current]:
                return current
            current = str(into[current])
        named = self.named(name)
        if len(named) > 1:
            raise InputError(
                f"The call types {' and '.join(named)} have the name {name!r}; name one by its id, "
                "or merge them."
            )
        if named:
            return named[0]
        raise InputError(
            f"The catalogue has no call type {name!r}; darksound catalogue history lists the ids."
        )

    def title(self, type_id: str) -> str:
        """Return the name of a type with its id, or its id."""
        name = self.types.loc[self.types["type_id"] == type_id, "name"].iloc[0]
        return f"{name} ({type_id})" if name else type_id

    def settings_with(self, requested: Settings | None) -> Settings:
        """Return the settings for new recordings: those of the catalogue, and those that were set.

        The sections that change no result are those of the request.

        Raises:
            SettingsError: front end, backbone or learner are not those of the catalogue.
        """
        wanted = Settings() if requested is None else requested
        free = {name: getattr(wanted, name).model_dump() for name in _FREE_SECTIONS}
        settings = self.settings.replace(**free).replace(
            **wanted.model_dump(exclude_unset=True, exclude=_FREE_SECTIONS)
        )
        return adopt_checkpoint(settings, self.learner.settings)

    def known(self, max_rejected: float) -> OpenSet:
        """Return the core ROIs of the types in use, numbered as the rows of `active`.

        Raises:
            InputError: no type is left.
        """
        if not len(self):
            raise InputError("The catalogue has no call type; make it of a run with clusters.")
        numbers = {name: number for number, name in enumerate(self.active["type_id"])}
        types = self.core["type_id"].map(numbers).to_numpy(np.int64)
        recordings = self.core["recording"].to_numpy(dtype=object)
        return OpenSet(self.embeddings, types, recordings, max_rejected)

    def calibrated(self) -> Self:
        """Return the content with the thresholds of its types, from their core ROIs alone."""
        none = np.zeros((0, self.embeddings.shape[1]), np.float32)
        scores = score_open_set(self.known(_MAX_REJECTED), none)
        by_id = dict(zip(self.active["type_id"], scores.threshold.tolist(), strict=True))
        threshold = self.types["type_id"].map(by_id)
        return replace(self, types=self.types.assign(threshold=threshold))

    def changed(
        self,
        action: str,
        ids: Sequence[str],
        text: str,
        /,
        *,
        run: str = "",
        runs: Iterable[str] = (),
        **values: Any,
    ) -> Self:
        """Return a copy with other tables, and the change in its history."""
        added = tuple(sorted(runs))
        event = Event(self.version + 1, now(), action, tuple(ids), text, run, added)
        return replace(self, history=(*self.history, event), **values)

    def replaced(self, **values: Any) -> Self:
        """Return a copy with other tables."""
        return replace(self, **values)

    def with_core(
        self, core: pd.DataFrame, embeddings: npt.NDArray[np.float32]
    ) -> Mapping[str, Any]:
        """Return `core` and `embeddings` sorted by type and ROI, for `changed`.

        Types have the order of `types`, so that the same content has the same files.
        """
        numbers = {name: number for number, name in enumerate(self.types["type_id"])}
        last = len(numbers)
        order = np.lexsort(
            (
                core["roi_id"].to_numpy(dtype=str),
                core["type_id"].map(lambda name: numbers.get(name, last)).to_numpy(),
            )
        )
        return {
            "core": core.iloc[order].reset_index(drop=True),
            "embeddings": np.ascontiguousarray(embeddings[order], dtype=np.float32),
        }


def new_type_id(roi_ids: Iterable[str], taken: Iterable[str]) -> str:
    """Return the id of a type: a hash of the ROIs that it was first made of, in any order.

    Args:
        roi_ids: ids of these ROIs.
        taken: ids that are used already.
    """
    used, text = set(taken), "\n".join(sorted(roi_ids))
    for number in range(len(used) + 1):
        digest = hashlib.blake2b(f"{number}\n{text}".encode(), digest_size=_ID_BYTES)
        if (name := f"{_ID}{digest.hexdigest()}") not in used:
            break
    return name


def core_order(core: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Return the rows of candidates for the core of one type, the first to take first.

    One ROI of each recording comes before the second of any, so that the core has as many
    recordings as possible. Within a recording the order is that of the ids, which are hashes: the
    core is a sample of all calls of a type, since thresholds from its most typical calls alone
    would reject too many. The order of the candidates has no effect.
    """
    candidates = core[["recording", "roi_id"]].reset_index(drop=True)
    by_id = candidates.sort_values("roi_id", kind="stable")
    rank = by_id.groupby("recording").cumcount()
    return by_id.index.to_numpy()[np.argsort(rank.to_numpy(), kind="stable")]


def best_core(core: pd.DataFrame, rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return at most `MAX_CORE` of the rows of one type, those that `core_order` prefers."""
    return rows[core_order(core.iloc[rows])][:MAX_CORE]


def type_table(rows: Sequence[Mapping[Any, object]]) -> pd.DataFrame:
    """Return a table of types with the columns of `TYPE_SCHEMA`."""
    table = text_columns(pd.DataFrame(rows, columns=TYPE_SCHEMA.names), TYPE_SCHEMA)
    numbers = {"threshold": "float64", "rois": "int64", "since_version": "int64"}
    return table.astype(numbers)


def text_columns(table: pd.DataFrame, schema: pa.Schema) -> pd.DataFrame:
    """Return a table with exactly the columns of a schema, those of text as text."""
    columns = {}
    for column in schema:
        values = table[column.name]
        columns[column.name] = as_text(values) if column.type == pa.string() else values
    return pd.DataFrame(columns)
