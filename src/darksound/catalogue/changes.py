"""Changes of a catalogue: types from a reviewed run, merges, splits and names.

Each returns another content, in which all ids of before are as they were: a type that was merged
keeps its row, with the id of the type that has its calls now.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.cluster.hierarchy import fcluster, linkage

from darksound.audio.geometry import with_roi_length
from darksound.catalogue.content import (
    CORE_SCHEMA,
    MAX_CORE,
    Content,
    best_core,
    core_order,
    new_type_id,
    text_columns,
    type_table,
)
from darksound.errors import InputError
from darksound.report.result import MecResult
from darksound.rois.review import Review, apply_review, read_review
from darksound.rois.roi_set import clean_labels
from darksound.run.manifest import fingerprint
from darksound.run.type_files import KNOWN

__all__ = ["create", "merge", "rename", "split", "update"]

Vectors = npt.NDArray[np.float32]

#: Number of exemplars with sound that a type has, and how many more an update adds.
_N_EXEMPLARS, _N_MORE_EXEMPLARS = 6, 2
# Members of a known type that an update without a review adds to its core have this probability.
_MIN_PROBABILITY = 0.9


def create(
    result: MecResult, review: Review | str | Path | None = None, *, named_only: bool = False
) -> Content:
    """Return the catalogue of the clusters of a run.

    Args:
        result: of `darksound mec`.
        review: its review: rejected ROIs are left out, groups are types, with their names.
        named_only: leave out groups without a name.

    Raises:
        InputError: the review is of another run, no cluster is left, or the run is one of
            `darksound assign`.
    """
    if result.call_types is not None:
        raise InputError(
            f"{result.name} is a run of darksound assign, whose types are those of a catalogue; "
            "use darksound catalogue update."
        )
    members = _members(result, review, named_only)
    if members.empty:
        raise InputError(f"{result.name} has no cluster{' with a name' if named_only else ''}.")
    content = Content(
        types=type_table([]),
        core=text_columns(pd.DataFrame(columns=CORE_SCHEMA.names), CORE_SCHEMA),
        embeddings=np.zeros((0, result.embeddings.shape[1]), np.float32),
        settings=with_roi_length(result.settings, result.rois.durations),
        learner=result.learner,
        catalogue_id=uuid4().hex,
    )
    groups = [_Group(rows, result) for _, rows in members.groupby("group", sort=True)]
    content = _with_new_types(content, groups)
    ids = content.types["type_id"].tolist()
    text = f"{len(ids)} call types of the run {result.name}."
    return content.changed("create", ids, text, run=_origin(result)).calibrated()


def update(
    content: Content,
    result: MecResult,
    review: Review | str | Path | None = None,
    *,
    named_only: bool = False,
) -> Content:
    """Return a catalogue with what a run of `darksound assign` adds to it.

    New types are added with the ids that the run gave them. Calls of known types join their core,
    up to `MAX_CORE` ROIs a type; without a review, those with a probability of at least 0.9. By the
    review, ROIs are left out, types are renamed and merged, and new types become part of known
    ones: where their groups are merged, or where they have the same name.

    Args:
        content: the catalogue, in the version of the run or a later one.
        result: the run.
        review: its review.
        named_only: leave out new types without a name.

    Raises:
        InputError: the run is of another catalogue, or was added already.
    """
    types = result.call_types
    if types is None or set(types["catalogue"]) - {content.catalogue_id}:
        raise InputError(
            f"{result.name} is no run of darksound assign with this catalogue; only such a run "
            "updates it."
        )
    origin = _origin(result)
    if origin in content.runs:
        raise InputError(f"{result.name} is part of the catalogue already.")
    members = _members(result, review, named_only=False)
    type_ids = dict(zip(types["cluster"].tolist(), types["type_id"].tolist(), strict=True))
    is_known = dict(zip(types["cluster"].tolist(), types["status"] == KNOWN, strict=True))
    new_groups: list[_Group] = []
    changed: list[str] = []
    for number, rows in members.groupby("group", sort=True):
        group, own = _Group(rows, result), int(str(number))
        clusters = [own, *_whole(rows, members)]
        known = [content.find(type_ids[each]) for each in clusters if is_known.get(each)]
        # Types of one name, after catalogues were merged, are not merged by their name alone.
        named = content.named(group.name)
        if not set(known) & set(named):
            known += [content.find(group.name)] if named else []
        targets = list(dict.fromkeys(known))
        if not targets:
            if group.name or not named_only:
                group.type_id = type_ids.get(own)
                new_groups.append(group)
            continue
        if len(targets) > 1:
            content = merge(content, targets)
        if group.name and group.name != _name(content, targets[0]):
            content = rename(content, targets[0], new_name=group.name)
        sure = _MIN_PROBABILITY if review is None else 0.0
        content = _with_members(content, targets[0], group, sure)
        changed.append(targets[0])
    before = set(content.types["type_id"])
    content = _with_new_types(content, new_groups)
    added = [each for each in content.types["type_id"] if each not in before]
    text = f"{len(added)} new and {len(changed)} known call types of the run {result.name}."
    return content.changed("update", [*added, *changed], text, run=origin).calibrated()


def merge(content: Content, names: Sequence[str]) -> Content:
    """Return a catalogue with types merged into the first of them, which keeps its id and name.

    Args:
        content: the catalogue.
        names: ids or names of at least two types.

    Raises:
        InputError: a type does not exist, or they are the same.
    """
    ids = list(dict.fromkeys(map(content.find, names)))
    if len(ids) < 2:
        raise InputError("Name at least two different call types to merge.")
    first, others = ids[0], ids[1:]
    types = content.types.copy()
    for other in others:
        for row in np.flatnonzero(types["type_id"] == other):
            types.loc[row, "merged_into"] = first
    target = types["type_id"] == first
    inside = content.core["type_id"].isin(ids).to_numpy()
    # Catalogues that were merged may have a ROI in the core of two types; it is one all the same.
    again = inside & content.core["roi_id"].where(inside).duplicated().to_numpy()
    rois = int(types.loc[types["type_id"].isin(ids), "rois"].sum())
    types.loc[target, "rois"] = rois - int(again.sum())
    if not types.loc[target, "name"].iloc[0]:
        names_left = [name for name in types.loc[types["type_id"].isin(others), "name"] if name]
        types.loc[target, "name"] = (names_left or [""])[0]
    core = content.core.copy()
    core.loc[inside, "type_id"] = first
    kept = best_core(core, np.flatnonzero(inside & ~again))
    rows = np.sort(np.concatenate([np.flatnonzero(~inside), kept]))
    text = f"{', '.join(others)} merged into {content.title(first)}."
    parts = content.with_core(core.iloc[rows], content.embeddings[rows])
    return content.changed("merge", ids, text, types=types, **parts).calibrated()


def split(content: Content, name: str, parts: int = 2, roi_ids: Iterable[str] = ()) -> Content:
    """Return a catalogue with a type split; the part with most core ROIs keeps the id and name.

    Args:
        content: the catalogue.
        name: id or name of the type.
        parts: number of parts; core ROIs are divided by average linkage of their cosines.
        roi_ids: core ROIs that are one part, and the others the other, instead.

    Raises:
        InputError: there is no such type, or it cannot be split so.
    """
    type_id = content.find(name)
    rows = np.flatnonzero(content.core["type_id"] == type_id)
    ids = content.core["roi_id"].to_numpy(dtype=str)[rows]
    wanted = set(roi_ids)
    if missing := wanted - set(ids):
        raise InputError(f"{sorted(missing)[0]} is no core ROI of {content.title(type_id)}.")
    if wanted:
        part = np.isin(ids, list(wanted)).astype(np.int64)
    elif 2 <= parts <= len(rows):
        vectors = content.embeddings[rows].astype(np.float64)
        tree = linkage(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), "average")
        part = fcluster(tree, parts, "maxclust") - 1
    else:
        raise InputError(
            f"{content.title(type_id)} has {len(rows)} core ROIs, which cannot be {parts} parts."
        )
    sizes = np.bincount(part)
    if (sizes > 0).sum() < 2:
        raise InputError(f"All core ROIs of {content.title(type_id)} would be in one part.")
    core, types, new = content.core.copy(), content.types.copy(), list[str]()
    row = types[types["type_id"] == type_id].iloc[0]
    for number in np.argsort(-sizes, kind="stable")[1:].tolist():
        if not sizes[number]:
            continue
        inside = rows[part == number]
        new_id = new_type_id([f"split {type_id}", *ids[part == number]], types["type_id"])
        core.loc[core.index[inside], "type_id"] = new_id
        added: dict[Any, object] = dict(row)
        added.update(type_id=new_id, name="", rois=len(inside))
        added.update(since_version=content.version + 1, origin=f"split from {type_id}")
        types = type_table([*types.to_dict("records"), added])
        types.loc[types["type_id"] == type_id, "rois"] -= len(inside)
        new.append(new_id)
    text = f"{content.title(type_id)} split; new: {', '.join(new)}."
    content = content.changed("split", [type_id, *new], text, types=types)
    ordered = content.with_core(core, content.embeddings)
    return content.replaced(**ordered).calibrated()


def rename(
    content: Content, name: str, *, new_name: str | None = None, notes: str | None = None
) -> Content:
    """Return a catalogue in which a type has another name or other notes; its id stays.

    Args:
        content: the catalogue.
        name: id or name of the type.
        new_name: its new name; empty for none, None to keep it.
        notes: its new notes; None to keep them.

    Raises:
        InputError: there is no such type, or another one has the name.
    """
    type_id = content.find(name)
    types, changes = content.types.copy(), []
    row = types["type_id"] == type_id
    if new_name is not None:
        cleaned = str(clean_labels(pd.Series([new_name], dtype=object)).fillna("").iloc[0])
        same = content.active[content.active["name"] == cleaned]["type_id"]
        if cleaned and len(same) and same.iloc[0] != type_id:
            raise InputError(
                f"{same.iloc[0]} has the name {cleaned!r} already; merge the two, or choose "
                "another name."
            )
        types.loc[row, "name"] = cleaned
        changes.append(f"named {cleaned!r}" if cleaned else "without a name now")
    if notes is not None:
        types.loc[row, "notes"] = notes
        changes.append("other notes")
    text = f"{content.title(type_id)}: {', '.join(changes) or 'nothing changed'}."
    return content.changed("rename", [type_id], text, types=types)


class _Group:
    """ROIs of a run that are one type; `type_id` is the id that the run gave it, if it did."""

    def __init__(self, rows: pd.DataFrame, result: MecResult) -> None:
        self.rows = rows.reset_index(drop=True)
        self.embeddings = np.asarray(result.embeddings[rows["row"].to_numpy()], np.float32)
        self.name = str(rows["given_name"].iloc[0])
        self.type_id: str | None = None
        self.origin = _origin(result)


def _members(
    result: MecResult, review: Review | str | Path | None, named_only: bool
) -> pd.DataFrame:
    """Return the ROIs in a group that were not rejected, with `row`, `group` and `given_name`."""
    if review is not None and not isinstance(review, Review):
        review = read_review(review)
    table = apply_review(result.table, review)
    names: Mapping[int, str] = {} if review is None else review.names
    denied = set[str]()
    if review is not None and "verdict" in review.table:
        denied = set(review.table["roi_id"][review.table["verdict"] == "no"])
    table = table.assign(row=table.index.to_numpy())
    table = table[(table["group"] >= 0) & ~table["roi_id"].isin(denied)]
    table = table.assign(given_name=[names.get(int(group), "") for group in table["group"]])
    return table[table["given_name"] != ""] if named_only else table


def _whole(rows: pd.DataFrame, members: pd.DataFrame) -> list[int]:
    """Return the clusters all of whose remaining ROIs are in a group, the largest first."""
    sizes = rows["cluster"].value_counts()
    all_sizes = members["cluster"].value_counts()
    return [int(cluster) for cluster in sizes.index if sizes[cluster] == all_sizes[cluster]]


def _name(content: Content, type_id: str) -> str:
    return str(content.types.loc[content.types["type_id"] == type_id, "name"].iloc[0])


def _origin(result: MecResult) -> str:
    """Return the name of a run and the fingerprint of its ROIs, which identify it."""
    known = None if result.manifest is None else result.manifest.fingerprint
    return f"{result.name} {known or fingerprint(result.rois)}"


def _with_new_types(content: Content, groups: Sequence[_Group]) -> Content:
    rows, cores, vectors = content.types.to_dict("records"), [content.core], [content.embeddings]
    for group in groups:
        taken = [str(row["type_id"]) for row in rows]
        roi_ids = group.rows["roi_id"]
        type_id = group.type_id if group.type_id not in (None, *taken) else None
        type_id = type_id or new_type_id(roi_ids, taken)
        rows.append(
            {
                "type_id": type_id,
                "name": group.name,
                "notes": "",
                "merged_into": None,
                "threshold": np.nan,
                "rois": len(group.rows),
                "since_version": content.version + 1,
                "origin": group.origin,
            }
        )
        chosen = core_order(group.rows)[:MAX_CORE]
        cores.append(_core_rows(group, chosen, type_id, _N_EXEMPLARS))
        vectors.append(group.embeddings[chosen])
    content = content.replaced(types=type_table(rows))
    filled = [core for core in cores if len(core)]
    core = pd.concat(filled, ignore_index=True) if filled else content.core
    return content.replaced(**content.with_core(core, np.concatenate(vectors)))


def _with_members(content: Content, type_id: str, group: _Group, min_probability: float) -> Content:
    """Return the content with members of a run added to the core of a type."""
    types = content.types.copy()
    types.loc[types["type_id"] == type_id, "rois"] += len(group.rows)
    sure = group.rows["probability"].to_numpy() >= min_probability
    fresh = ~group.rows["roi_id"].isin(content.core["roi_id"]).to_numpy()
    candidates = np.flatnonzero(sure & fresh)
    order = candidates[core_order(group.rows.iloc[candidates])][:MAX_CORE]
    added = _core_rows(group, order, type_id, _N_MORE_EXEMPLARS)
    content = content.replaced(types=types)
    if added.empty:
        return content
    core = pd.concat([content.core, added], ignore_index=True)
    vectors = np.concatenate([content.embeddings, group.embeddings[order]])
    inside = (core["type_id"] == type_id).to_numpy()
    rows = np.concatenate([np.flatnonzero(~inside), best_core(core, np.flatnonzero(inside))])
    return content.replaced(**content.with_core(core.iloc[rows], vectors[rows]))


def _core_rows(
    group: _Group, chosen: npt.NDArray[np.int64], type_id: str, n_exemplars: int
) -> pd.DataFrame:
    """Return rows of the core; the most probable ROIs, of different recordings, are exemplars."""
    rows = group.rows.iloc[chosen].reset_index(drop=True)
    by_probability = rows.sort_values(["probability", "roi_id"], ascending=[False, True])
    again = by_probability["recording"].duplicated()
    shown = pd.concat([by_probability[~again], by_probability[again]]).index[:n_exemplars]
    paths = pd.Series(None, index=rows.index, dtype=object)
    paths[shown] = [f"exemplars/{type_id}/{roi_id}.flac" for roi_id in rows["roi_id"][shown]]
    filled = rows.assign(type_id=type_id, run=group.origin, exemplar=paths)
    return text_columns(filled, CORE_SCHEMA)
