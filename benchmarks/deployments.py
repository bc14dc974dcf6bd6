"""Measure a catalogue over three deployments of synthetic birds, with truth.

    python benchmarks/deployments.py [--seeds 3] [--other-individuals]

Recordings and species of the demo are divided among three deployments: the first has two thirds
of the species, each further one some of the earlier species, in other recordings, and some that are
new; with `--other-individuals` also of other individuals. The first is clustered and becomes a
catalogue; the others are assigned and update it, by a review that gives each cluster the name of
most of its ROIs, so that clusters of one species become one type. Ids are compared between
versions, and the assignment of each deployment with the truth; each is repeated with the ROIs in
another order.
"""

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import pandas as pd

import darksound as ds
from darksound.rois.review import Review
from darksound.rois.roi_set import RoiSet

Ints = npt.NDArray[np.int64]
N_DEPLOYMENTS = 3


def deployments(rois: RoiSet, seed: int, other_individuals: bool) -> list[Ints]:
    """Return the rows of each deployment: no recording, or no individual, is in two."""
    rng = np.random.default_rng(seed)
    assert rois.labels is not None
    labels = rois.labels.astype(str)
    unit = r"(.*bird-\d+)_" if other_individuals else "(.*)"
    units = rois.table["recording"].str.extract(unit)[0].to_numpy(dtype=str)
    names = rng.permutation(np.unique(labels))
    k = len(names)
    present = [names[: 2 * k // 3], names[k // 4 : 5 * k // 6], names]
    rows: list[list[int]] = [[] for _ in range(N_DEPLOYMENTS)]
    for name in names:
        inside = [number for number in range(N_DEPLOYMENTS) if name in present[number]]
        of_name = rng.permutation(np.unique(units[labels == name]))
        for number, part in zip(inside, np.array_split(of_name, len(inside)), strict=True):
            rows[number] += np.flatnonzero(np.isin(units, part)).tolist()
    return [np.array(sorted(each), dtype=np.int64) for each in rows]


def truthful_review(result: ds.MecResult) -> Review:
    """Return the review of somebody who names each cluster after most of its ROIs."""
    table = result.table[result.table["cluster"] >= 0]
    majority = table.groupby("cluster")["label"].agg(lambda labels: labels.mode().iloc[0])
    names = table["cluster"].map(majority)
    first = table.groupby(names)["cluster"].min()
    rows = pd.DataFrame(
        {
            "roi_id": table["roi_id"],
            "cluster": table["cluster"],
            "group": names.map(first),
            "rejected": False,
            "verdict": "",
        }
    )
    rows["written_group"] = rows["group"]
    return Review(Path("truth"), rows, {int(first[name]): str(name) for name in first.index})


def same(one: ds.MecResult, other: ds.MecResult) -> float:
    """Return the share of ROIs with the same type in two results."""
    both = []
    for result in (one, other):
        assert result.call_types is not None
        ids = result.call_types.set_index("cluster")["type_id"]
        types = result.clusters["cluster"].map(ids).fillna("")
        both.append(pd.Series(types.to_numpy(), index=result.clusters["roi_id"]).sort_index())
    return float((both[0] == both[1]).mean())


def score(result: ds.MecResult, catalogue: ds.Catalogue) -> dict[str, float]:
    assert result.call_types is not None
    types = result.call_types.set_index("cluster")
    table = result.table
    species = dict(zip(catalogue.types["type_id"], catalogue.types["name"], strict=True))
    status = table["cluster"].map(types["status"]).fillna("unknown")
    found = table["cluster"].map(types["type_id"]).map(species)
    familiar = table["label"].isin(species.values())
    is_known = status == "known"
    return {
        "ROIs": len(table),
        "species": table["label"].nunique(),
        "known species": table["label"][familiar].nunique(),
        "right type of known": float((found[familiar] == table["label"][familiar]).mean()),
        "known rejected": float((~is_known[familiar]).mean()),
        "new recognised": float((~is_known[~familiar]).mean()),
        "new in a new type": float((status[~familiar] == "new").mean()),
        "AMI": float(result.ami or np.nan),
    }


def names_by_id(catalogue: ds.Catalogue) -> dict[str, str]:
    types = catalogue.types
    return dict(zip(types["type_id"], types["name"], strict=True))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--other-individuals", action="store_true")
    arguments = parser.parse_args()
    whole = ds.load_rois("demo:train", "demo:test")
    settings = ds.Settings().replace(mec={"iterations": 0})
    for seed in range(arguments.seeds):
        first, *others = (
            whole.take(rows) for rows in deployments(whole, seed, arguments.other_individuals)
        )
        result = ds.mec(first, settings=settings)
        with TemporaryDirectory() as folder:
            catalogue = ds.Catalogue.create(result, truthful_review(result)).save(folder)
            print(f"seed {seed}: {len(first)} ROIs make {catalogue!r}; AMI {result.ami:.3f}")
            for number, rois in enumerate(others, start=2):
                assigned = catalogue.assign(rois)
                order = np.random.default_rng(seed).permutation(len(rois))
                shuffled = catalogue.assign(rois.take(order))
                before = names_by_id(catalogue)
                values = score(assigned, catalogue)
                catalogue = catalogue.update(assigned, truthful_review(assigned)).save(folder)
                after = names_by_id(catalogue)
                values["ids kept"] = float(
                    np.mean([after.get(each) == name for each, name in before.items()])
                )
                values["same in another order"] = same(assigned, shuffled)
                text = "  ".join(f"{name} {value:.3g}" for name, value in values.items())
                print(f"  deployment {number}: {text}", flush=True)


if __name__ == "__main__":
    main()
