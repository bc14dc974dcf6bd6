"""perch-hoplite's database, read through its own library (perch-hoplite 1.x)."""

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from darksound.errors import InputError, SettingsError
from darksound.store.embeddings.content import Embeddings, Layout

__all__ = ["HOPLITE"]

_FILE = "hoplite.sqlite"


def _folder(path: Path) -> Path:
    return path.parent if path.name == _FILE else path


def _read(path: Path) -> Embeddings:
    folder = _folder(path)
    _refuse_old(folder)
    database = _opened(folder)
    try:
        names = {one.id: one.filename for one in database.get_all_recordings()}
        windows = database.get_all_windows()
        if not windows:
            raise InputError(f"{folder}: the database holds no windows.")
        vectors = database.get_embeddings_batch([one.id for one in windows])
        metadata = database.get_metadata(None)
    except (KeyError, RuntimeError, sqlite3.Error) as error:
        raise InputError(f"{folder}: the database cannot be read ({error}).") from None
    finally:
        database.db.close()
    rows = pd.DataFrame(
        {
            "recording": [names[one.recording_id] for one in windows],
            "start_s": [float(one.offsets[0]) for one in windows],
            "end_s": [float(one.offsets[1]) for one in windows],
        }
    )
    root, model = _sources(metadata)
    place = folder if root is None else Path(root)
    return Embeddings(np.asarray(vectors, dtype=np.float32), rows, place, model)


def _opened(folder: Path) -> Any:
    try:
        from perch_hoplite.db.sqlite_usearch_impl import SQLiteUSearchDB
    except ModuleNotFoundError:
        raise SettingsError(
            "perch-hoplite's databases need its library, which is not installed; install it with "
            "pip install 'darksound[hoplite]' and pip install --no-deps 'perch-hoplite>=1'."
        ) from None
    try:
        return SQLiteUSearchDB.create(str(folder), readonly=True)
    except (OSError, ValueError, RuntimeError, sqlite3.Error) as error:
        raise InputError(f"{folder}: cannot be opened as a Hoplite database ({error}).") from None


def _refuse_old(folder: Path) -> None:
    """See that the database is not of perch-hoplite 0.x, whose tables are others.

    Raises:
        InputError: it is, or it is no database.
    """
    try:
        database = sqlite3.connect(f"file:{(folder / _FILE).as_posix()}?mode=ro", uri=True)
        found = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        database.close()
    except sqlite3.Error as error:
        raise InputError(f"{folder / _FILE}: no database that can be read ({error}).") from None
    if ("windows",) not in found:
        raise InputError(
            f"{folder / _FILE} is a database of perch-hoplite 0.x; convert it with "
            "perch_hoplite.agile.migrations.convert_legacy, or have BirdNET-Analyzer write its "
            "embeddings to a CSV file and give that."
        )


def _sources(metadata: Any) -> tuple[str | None, str | None]:
    """The folder of the recordings, where there is one, and the model, where they are told."""
    globs = metadata.get("audio_sources", {}).get("audio_globs", ())
    roots = {str(one["base_path"]) for one in globs}
    model = metadata.get("model_config", {}).get("model_key")
    return (roots.pop() if len(roots) == 1 else None), model


HOPLITE = Layout(
    "a database of perch-hoplite",
    lambda path: (_folder(path) / _FILE).is_file(),
    _read,
)
