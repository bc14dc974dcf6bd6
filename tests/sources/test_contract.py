"""The contract of every source: table, ids, order, reader, identity and errors."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from darksound.errors import InputError
from darksound.rois.roi_set import SCHEMA, TEXT_DTYPE, RoiSet
from darksound.settings import Settings
from darksound.sources import SOURCES, load_rois
from darksound.store.readers import DispatchReader

AUDACITY = "0.5\t0.9\tWren\n1.5\t1.9\tOwl\n"
RAVEN = "Selection\tBegin Time (s)\tEnd Time (s)\tSpecies\n1\t0.5\t0.9\tWren\n2\t1.5\t1.9\tOwl\n"


@dataclass(frozen=True)
class Example:
    """Data of one source.

    Attributes:
        spec: the data.
        again: another spelling of the same data.
        other: different data of the same source.
        missing: data of this source that do not exist.
        order: expected `(recording, start_s)` of the rows; None for sorted rows.
        options: further arguments of `load_rois`.
    """

    spec: str
    again: str
    other: str
    missing: str
    order: list[tuple[str, float]] | None = None
    options: dict[str, Any] = field(default_factory=dict)

    def load(self, spec: str | None = None) -> RoiSet:
        return load_rois(self.spec if spec is None else spec, **self.options)


def _two_spellings(path: Path) -> tuple[str, str]:
    return str(path), f"{path.parent}/../{path.parent.name}/{path.name}"


def _demo(folder: Path, tone) -> Example:
    return Example("demo:val", "demo:val:2023", "demo:test", "demo:nowhere")


def _published(folder: Path, tone) -> Example:
    for number, genus in enumerate(("Megascops", "Athene")):
        tone(folder / f"darksound-2023/test/Strigidae/{genus}/{number}.wav", seconds=2.0)
    tone(folder / "darksound-2023/train/Strigidae/Strix/0.wav", seconds=2.0)
    settings = Settings().replace(compute={"data_dir": folder})
    return Example(
        "darksound-2023",
        "darksound-2023:",
        "darksound-2023:test",
        "darksound-2024:test",
        options={"settings": settings},
    )


def _folder(folder: Path, tone) -> Example:
    for name in ("b/2.wav", "a/1.wav", "c.wav"):
        tone(folder / "clips" / name, seconds=10.0)
    return Example(*_two_spellings(folder / "clips"), str(folder / "clips" / "a"), "nowhere/")


def _sound_file(folder: Path, tone) -> Example:
    tone(folder / "clips" / "1.wav", seconds=10.0)
    other = tone(folder / "clips" / "2.wav", seconds=10.0)
    return Example(*_two_spellings(folder / "clips" / "1.wav"), str(other), "nowhere.wav")


def _table(write: Callable[[pd.DataFrame, Path], None], suffix: str):
    def make(folder: Path, tone) -> Example:
        tone(folder / "tables" / "a.wav", seconds=3.0)
        tone(folder / "tables" / "b.wav", seconds=3.0)
        order = [("b.wav", 1.0), ("a.wav", 2.0), ("a.wav", 0.0)]
        rows = pd.DataFrame(order, columns=["recording", "start_s"])
        rows["end_s"] = rows["start_s"] + 0.5
        path = folder / "tables" / f"rois.{suffix}"
        other = folder / "tables" / f"other.{suffix}"
        write(rows, path)
        write(rows[:1], other)
        return Example(*_two_spellings(path), str(other), f"nowhere.{suffix}", order)

    return make


def _annotations(text: str):
    def make(folder: Path, tone) -> Example:
        for name in ("a", "b"):
            tone(folder / "notes" / f"{name}.wav", seconds=3.0)
            (folder / "notes" / f"{name}.txt").write_text(text)
        path, other = folder / "notes" / "a.txt", folder / "notes" / "b.txt"
        order = [("a.wav", 0.5), ("a.wav", 1.5)]
        return Example(*_two_spellings(path), str(other), "nowhere.txt", order)

    return make


EXAMPLES: dict[str, dict[str, Callable[..., Example]]] = {
    "demo": {"": _demo},
    "published": {"": _published},
    "folder": {"": _folder, "one file": _sound_file},
    "table": {
        "csv": _table(lambda rows, path: rows.to_csv(path, index=False), "csv"),
        "parquet": _table(lambda rows, path: rows.to_parquet(path), "parquet"),
    },
    "annotations": {"raven": _annotations(RAVEN), "audacity": _annotations(AUDACITY)},
}
CASES = [
    pytest.param(source, make, id=f"{source} {variant}".strip())
    for source, variants in EXAMPLES.items()
    for variant, make in variants.items()
]


@pytest.fixture
def example(make, tmp_path: Path, tone, monkeypatch: pytest.MonkeyPatch) -> Example:
    monkeypatch.chdir(tmp_path)
    return make(tmp_path, tone)


def test_every_source_has_an_example() -> None:
    assert set(EXAMPLES) == set(SOURCES)


@pytest.mark.parametrize(("source", "make"), CASES)
class TestContract:
    def test_only_this_source_is_used_and_it_has_a_syntax(self, source, example) -> None:
        first = next(name for name, each in SOURCES.items() if each.matches(example.spec))
        assert first == source
        assert SOURCES[source].syntax

    def test_table_has_columns_and_types_of_the_schema(self, source, example) -> None:
        table = example.load().table
        assert list(table.columns) == SCHEMA.names
        for column in SCHEMA:
            kinds = {"string": TEXT_DTYPE, "double": "float64", "float": "float32"}
            kind = (kinds | {"bool": "boolean"})[str(column.type)]
            assert table[column.name].dtype == kind, column.name
            assert column.nullable or table[column.name].notna().all(), column.name
        assert table.index.equals(pd.RangeIndex(len(table)))
        assert (table["end_s"] > table["start_s"]).all()

    def test_rows_and_ids_are_the_same_on_every_load(self, source, example) -> None:
        first, second = example.load(), example.load()
        assert len(first)
        assert first.table["roi_id"].is_unique
        pd.testing.assert_frame_equal(first.table, second.table)
        assert first.problems == second.problems == ()

    def test_rows_are_sorted_or_in_the_order_of_the_table(self, source, example) -> None:
        table = example.load().table
        rows = list(zip(table["recording"], table["start_s"], strict=True))
        assert rows == (sorted(rows) if example.order is None else example.order)

    def test_first_roi_is_readable(self, source, example) -> None:
        rois = example.load()
        row = rois.table.iloc[0]
        for reader in (rois.reader, DispatchReader()):
            wave, rate = reader.read(
                row["root"], row["recording"], row["start_s"], row["end_s"], None
            )
            assert wave.dtype == np.float32
            assert len(wave) / rate == pytest.approx(row["end_s"] - row["start_s"], abs=1e-3)
            assert np.abs(wave).max() > 0
            assert reader.info(row["root"], row["recording"]).rate == rate
            assert reader.stamp(row["root"], row["recording"])

    def test_identity_is_equal_for_the_same_data_only(self, source, example) -> None:
        identity = SOURCES[source].identity
        assert SOURCES[source].matches(example.again)
        assert identity(example.again) == identity(example.spec)
        assert identity(example.other) != identity(example.spec)
        assert identity(identity(example.spec)) == identity(example.spec)
        again = example.load(example.again).table
        pd.testing.assert_frame_equal(again, example.load().table)
        assert not example.load(example.other).table.equals(again)

    def test_same_data_twice_is_an_error(self, source, example) -> None:
        with pytest.raises(InputError, match=r"is given twice \(as "):
            load_rois(example.spec, example.again, **example.options)

    def test_missing_data_is_an_error_that_names_it(self, source, example) -> None:
        with pytest.raises(InputError) as caught:
            example.load(example.missing)
        assert example.missing in str(caught.value)
