"""Two catalogues merged into one: types of both, and those with an id in both joined."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from darksound.catalogue.changes import merge
from darksound.catalogue.content import Content, best_core, type_table
from darksound.errors import InputError

__all__ = ["merge_catalogue", "same_named"]

# Settings that ROIs and their embeddings depend on.
_SECTIONS = ("audio", "segmentation", "front_end", "backbone", "embedding_model", "head", "learner")
_FIRST, _OTHER = "the first catalogue", "the other"


def merge_catalogue(content: Content, other: Content, *, same_names: bool = False) -> Content:
    """Return a catalogue with the types of another one too; all ids stay.

    A type with an id in both is one, with the core ROIs of both, each once, up to `MAX_CORE`. Its
    name is that of the first catalogue, and another name a note. Types that one of them merged are
    merged; core ROIs that one of them split off are in the new type alone.

    Args:
        content: the first catalogue.
        other: the other one, which is not changed.
        same_names: merge types that have one name but different ids, into those of the first.

    Raises:
        InputError: embedding model, front end or other settings that ROIs depend on differ.
    """
    _check_alike(content, other)
    resolved = _resolved(content, other)
    core, vectors = _joined_core(content, other, resolved)
    types = _joined_types(content, other, resolved, core)
    joined = content.replaced(types=types)
    joined = joined.replaced(
        **joined.with_core(core, vectors),
        folders=tuple(dict.fromkeys([*content.folders, *other.folders])),
    )
    before = set(content.types["type_id"])
    added = [name for name in joined.active["type_id"] if name not in before]
    both = [name for name in other.active["type_id"] if name in before]
    source, ids = _title(other, "another catalogue"), [*added, *both]
    text = f"{len(added)} call types of {source} added, {len(both)} of both joined."
    joined = joined.changed("merge catalogue", ids, text, runs=other.runs).calibrated()
    for ids in same_named(content, joined).values() if same_names else ():
        joined = merge(joined, ids)
    return joined


def same_named(content: Content, joined: Content) -> Mapping[str, list[str]]:
    """Return the ids of different types with one name, those of the first catalogue first.

    Args:
        content: the first catalogue.
        joined: the result of `merge_catalogue`.
    """
    own = set(content.types["type_id"])
    active = joined.active[joined.active["name"] != ""]
    groups = active.groupby("name", sort=True)["type_id"]
    return {
        str(name): sorted(ids, key=lambda each: (each not in own, each))
        for name, ids in groups
        if len(ids) > 1
    }


def _title(content: Content, default: str) -> str:
    return str(content.folders[0]) if content.folders else default


def _check_alike(content: Content, other: Content) -> None:
    """Check that ROIs of both catalogues have comparable embeddings.

    Raises:
        InputError: they have not.
    """
    first, second = _title(content, _FIRST), _title(other, _OTHER)
    remedy = (
        f"make a catalogue of a run of darksound mec with --checkpoint {first} --iterations 0 and "
        "the same settings."
    )
    for name in _SECTIONS:
        one, two = (_values(each, name) for each in (content, other))
        for key, value in one.items():
            if value != two[key]:
                raise InputError(
                    f"{second} cannot be merged into {first}, because {name}.{key} is "
                    f"{two[key]!r} in {second} and {value!r} in {first}; {remedy}"
                )
    weights, others = content.learner.state_dict(), other.learner.state_dict()
    if weights.keys() != others.keys() or not all(
        torch.equal(value, others[key]) for key, value in weights.items()
    ):
        raise InputError(
            f"{second} cannot be merged into {first}, because the weights of the learner of "
            f"{second} are not those of {first}; {remedy}"
        )


def _values(content: Content, section: str) -> Mapping[str, Any]:
    """Return a section, without what may differ for one model: files and where weights are from."""
    values: dict[str, Any] = getattr(content.settings, section).model_dump()
    if section == "backbone":
        values["name"] = str(values["name"]).partition(":")[0]
        del values["weights"]
    return values


def _resolved(content: Content, other: Content) -> dict[str, str | None]:
    """Return `merged_into` of the types of both; where they contradict, that of the first."""
    into: dict[str, str | None] = {}
    for part in (content, other):
        targets = part.types["merged_into"].fillna("")
        for name, target in sorted(zip(part.types["type_id"], targets, strict=True)):
            into.setdefault(name, None)
            # Each may have merged one of two types into the other one.
            if target and into[name] is None and _end(target, into) != name:
                into[name] = target
    return into


def _end(name: str, into: Mapping[str, str | None]) -> str:
    """Return the type in use that has the calls of a type."""
    while target := into.get(name):
        name = target
    return name


def _joined_core(
    content: Content, other: Content, into: Mapping[str, str | None]
) -> tuple[pd.DataFrame, npt.NDArray[np.float32]]:
    """Return the core ROIs of both and their embeddings, each once in a type."""
    parts, vectors = [], []
    for part, against in ((content, other), (other, content)):
        elsewhere = dict(zip(against.core["roi_id"], against.core["type_id"], strict=True))
        used = set(against.types["type_id"])
        known = set(part.types["type_id"])
        moved = [
            type_id in used and elsewhere.get(roi_id, type_id) not in known
            for roi_id, type_id in zip(part.core["roi_id"], part.core["type_id"], strict=True)
        ]
        parts.append(part.core.assign(moved=moved))
        vectors.append(part.embeddings)
    core, x = pd.concat(parts, ignore_index=True), np.concatenate(vectors)
    core["type_id"] = [_end(name, into) for name in core["type_id"]]
    # A ROI of both has the row with sound; else the order of the rows is that of their content.
    keys = [
        (type_id, roi_id, moved, pd.isna(sound), str(sound), *rest, vector.tobytes())
        for type_id, roi_id, moved, sound, *rest, vector in zip(
            *(core[name] for name in ("type_id", "roi_id", "moved", "exemplar", "root", "run")),
            core["probability"],
            x,
            strict=True,
        )
    ]
    order = np.array(sorted(range(len(keys)), key=keys.__getitem__), dtype=np.int64)
    core, x = core.iloc[order].reset_index(drop=True), x[order]
    left = core.groupby("type_id")["moved"].transform("all")
    wanted = (~core["moved"] | left) & ~core.duplicated(["type_id", "roi_id"])
    rows = [
        best_core(core, group.to_numpy())
        for _, group in pd.Series(np.flatnonzero(wanted)).groupby(
            core["type_id"][wanted].to_numpy()
        )
    ]
    kept = np.concatenate(rows)
    return core.drop(columns="moved").iloc[kept].reset_index(drop=True), x[kept]


def _joined_types(
    content: Content, other: Content, into: Mapping[str, str | None], core: pd.DataFrame
) -> pd.DataFrame:
    """Return the rows of the types of both, those of the first catalogue first."""
    rows = {str(row["type_id"]): dict(row) for row in content.types.to_dict("records")}
    for row in other.types.to_dict("records"):
        type_id = str(row["type_id"])
        if type_id in rows:
            _join_texts(rows[type_id], row)
        else:
            rows[type_id] = {**row, "since_version": content.version + 1}
    counts = [core["type_id"].value_counts()]
    for part in (content, other):
        ends = part.active["type_id"].map(lambda name: _end(name, into))
        counts.append(part.active["rois"].groupby(ends).sum())
    for type_id, joined in rows.items():
        joined["merged_into"] = into[type_id]
        if into[type_id] is None:
            # Both may have the same runs, so that the sum may be too high.
            joined["rois"] = max(int(count.get(type_id, 0)) for count in counts)
    return type_table(list(rows.values()))


def _join_texts(row: dict[Any, Any], other: Mapping[Any, Any]) -> None:
    """Add the name and the notes of a type of the other catalogue to its row."""
    notes = [str(other["notes"])]
    if not row["name"]:
        row["name"] = other["name"]
    elif other["name"] and other["name"] != row["name"]:
        notes.append(f"Also named {other['name']!r}.")
    for text in notes:
        if text and text not in row["notes"]:
            row["notes"] = f"{row['notes']} {text}".strip()
