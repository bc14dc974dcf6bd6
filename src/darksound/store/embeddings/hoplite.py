"""perch-hoplite's database, read through its own library (perch-hoplite 1.x)."""

import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from darksound.errors import InputError, SettingsError
from darksound.store.embeddings.layout import Embeddings, Layout

__all__ = ["HOPLITE"]

_FILE = "hoplite.sqlite"


def _folder(path: Path) -> Path:
    return path.parent if path.name == _FILE else path


def _read(path: Path) -> Embeddings:
    folder = _folder(path)
    _check_version(folder)
    database = _open(folder)
    try:
        names = {recording.id: recording.filename for recording in database.get_all_recordings()}
        windows = database.get_all_windows()
        if not windows:
            raise InputError(f"{folder}: the database holds no windows.")
        vectors = database.get_embeddings_batch([window.id for window in windows])
        metadata = database.get_metadata(None)
    except (KeyError, RuntimeError, sqlite3.Error) as error:
        raise InputError(f"{folder}: the database cannot be read ({error}).") from None
    finally:
        database.db.close()
    rows = pd.DataFrame(
        {
            "recording": [names[window.recording_id] for window in windows],
            "start_s": [float(window.offsets[0]) for window in windows],
            "end_s": [float(window.offsets[1]) for window in windows],
        }
    )
    audio_folder, model = _audio_folder_and_model(metadata)
    root = folder if audio_folder is None else Path(audio_folder)
    return Embeddings(np.asarray(vectors, dtype=np.float32), rows, root, model)


def _open(folder: Path) -> Any:
    try:
        from perch_hoplite.db.sqlite_usearch_impl import SQLiteUSearchDB
    except ModuleNotFoundError:
        raise SettingsError(
            "Databases of perch-hoplite need its library; install it with pip install "
            "'darksound[hoplite]'."
        ) from None
    try:
        return SQLiteUSearchDB.create(str(folder), readonly=True)
    except (OSError, ValueError, RuntimeError, sqlite3.Error) as error:
        raise InputError(f"{folder}: cannot be opened as a Hoplite database ({error}).") from None


def _check_version(folder: Path) -> None:
    """Check that the database was not written by perch-hoplite 0.x, which has other tables.

    Raises:
        InputError: it was, or the file is not a database.
    """
    path = folder / _FILE
    try:
        database = sqlite3.connect(f"file:{path.as_posix()}?mode=ro", uri=True)
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        database.close()
    except sqlite3.Error as error:
        raise InputError(f"{path}: cannot be read as a database ({error}).") from None
    if ("windows",) not in tables:
        raise InputError(
            f"{path} is a database of perch-hoplite 0.x; convert it with "
            "perch_hoplite.agile.migrations.convert_legacy, or make BirdNET-Analyzer write its "
            "embeddings to a CSV file and use that."
        )


def _audio_folder_and_model(metadata: Any) -> tuple[str | None, str | None]:
    """Return the folder of the recordings, if there is exactly one, and the model, if known."""
    globs = metadata.get("audio_sources", {}).get("audio_globs", ())
    folders = {str(entry["base_path"]) for entry in globs}
    model = metadata.get("model_config", {}).get("model_key")
    return (folders.pop() if len(folders) == 1 else None), model


HOPLITE = Layout(
    "a database of perch-hoplite",
    lambda path: (_folder(path) / _FILE).is_file(),
    _read,
)
