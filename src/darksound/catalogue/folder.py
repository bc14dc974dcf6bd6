"""The folder of a catalogue: the only place where its files are written and read.

    catalogue.json                   id, current version, format, embedding model
    settings.toml                    the settings of the first run
    checkpoints/best.safetensors     the learner, with best.json, which describes it
    versions/0001/types.parquet      call types, see `TYPE_SCHEMA`
    versions/0001/core.parquet       core ROIs, see `CORE_SCHEMA`
    versions/0001/embeddings.npy     float32 (n, dim), a row a core ROI
    versions/0001/history.json       changes up to this version
    exemplars/ct-0a1b2c3d/ROI.flac   sound of exemplars, mono, 16 bits

A version is written whole before `catalogue.json` names it, and is never changed afterwards.
"""

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import soundfile as sf

from darksound.atomic import replacing, replacing_folder, write_text
from darksound.audio.names import recording_path
from darksound.catalogue.content import CORE_SCHEMA, TYPE_SCHEMA, Content, Event, text_columns
from darksound.errors import DarksoundError, RunError, failure_cause
from darksound.meta.checkpoints import load_checkpoint, save_checkpoint
from darksound.rois.roi_set import Problem, as_text
from darksound.run.creation import LOCK, lock_folder
from darksound.run.files import write_array, write_json, write_parquet
from darksound.run.manifest import versions
from darksound.run.resuming import SETTINGS_FILE
from darksound.settings import load_settings, to_toml
from darksound.store.readers import DispatchReader
from darksound.system_errors import check_readable
from darksound.text import library_path

__all__ = ["changing", "check_catalogue", "read_content", "write_content"]

_FORMAT = 1
_MAIN, _VERSIONS, _EXEMPLARS, _CHECKPOINTS = (
    "catalogue.json",
    "versions",
    "exemplars",
    "checkpoints",
)
_TYPES, _CORE, _EMBEDDINGS, _HISTORY = (
    "types.parquet",
    "core.parquet",
    "embeddings.npy",
    "history.json",
)
_EXEMPLAR_PATH = r"exemplars/[^./\\][^/\\]*/[^./\\][^/\\]*\.flac"
# What a creation that was killed may have left.
_OWN = {SETTINGS_FILE, _CHECKPOINTS, _VERSIONS, _EXEMPLARS, LOCK}
_KEYS = {"format": int, "catalogue_id": str, "version": int}


def check_catalogue(folder: Path) -> Mapping[str, Any]:
    """Return the content of `catalogue.json` in a folder.

    Raises:
        RunError: the folder is no catalogue, or one of a later version of darksound.
    """
    path = folder / _MAIN
    try:
        main = json.loads(path.read_text(encoding="utf-8"))
        for key, kind in _KEYS.items():
            if not isinstance(main[key], kind):
                raise TypeError(f"{key} cannot be {main[key]!r:.60}")
    except FileNotFoundError:
        raise RunError(
            f"{path} is missing: {folder} is no catalogue; name a folder that darksound catalogue "
            "create wrote."
        ) from None
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        check_readable(path, error, RunError)
        raise RunError(f"{path} is damaged ({error}); restore it from a copy.") from None
    if main["format"] > _FORMAT:
        raise RunError(
            f"{folder} is a catalogue of a later version of darksound ({main.get('darksound')}); "
            "update darksound."
        )
    return dict(main)


def read_content(folder: Path, version: int | None = None) -> Content:
    """Return a version of a catalogue, by default the current one.

    Raises:
        RunError: the folder is no catalogue, has no such version, or a file is damaged.
        CheckpointError: its learner cannot be loaded.
    """
    main = check_catalogue(folder)
    number = main["version"] if version is None else version
    part = folder / _VERSIONS / _version_name(number)
    if not part.is_dir() or number > main["version"]:
        raise RunError(
            f"{folder} has no version {number}; it has the versions 1 to {main['version']}."
        )
    types = _read_table(part / _TYPES, TYPE_SCHEMA)
    core = _read_table(part / _CORE, CORE_SCHEMA)
    with _damage_of(part / _CORE):
        # Sound is written to these paths, and catalogues are exchanged.
        paths = core["exemplar"].dropna()
        if not paths.str.fullmatch(_EXEMPLAR_PATH).all():
            raise ValueError("a path of an exemplar is not in the folder")
    with _damage_of(part / _EMBEDDINGS):
        embeddings = np.load(part / _EMBEDDINGS, allow_pickle=False)
        if embeddings.ndim != 2 or len(embeddings) != len(core):
            raise ValueError(f"{len(embeddings)} embeddings of {len(core)} core ROIs")
        if not np.isfinite(embeddings).all():
            raise ValueError("embeddings are not finite")
        in_use = set(types["type_id"][types["merged_into"].isna()])
        if set(core["type_id"]) != in_use or types["type_id"].duplicated().any():
            raise ValueError(f"{_TYPES} and {_CORE} are not of the same types")
    with _damage_of(part / _HISTORY):
        rows = json.loads((part / _HISTORY).read_text(encoding="utf-8"))
        history = tuple(
            Event(**{**row, "types": tuple(row["types"]), "runs": tuple(row.get("runs", ()))})
            for row in rows
        )
    return Content(
        types=types,
        core=core,
        embeddings=np.asarray(embeddings, dtype=np.float32),
        settings=load_settings(config=folder / SETTINGS_FILE),
        learner=load_checkpoint(folder / _CHECKPOINTS),
        catalogue_id=main["catalogue_id"],
        version=number,
        history=history,
        folders=(folder,),
    )


@contextmanager
def changing(folder: Path) -> Iterator[Content]:
    """Yield the current content of a catalogue, which no other process changes in the block.

    Raises:
        RunError: another process is changing it, or see `read_content`.
    """
    check_catalogue(folder)
    with lock_folder(folder, "try again"):
        yield read_content(folder)


def write_content(content: Content, folder: Path) -> Content:
    """Write the next version of a catalogue, and return it.

    For exemplars that have no file yet, that of a catalogue which the content is from is copied, or
    their sound is read from the recordings; where it cannot be, the exemplar has none, and it is
    among the problems.

    Raises:
        RunError: the folder holds something else or another version, or cannot be written to.
    """
    exists = (folder / _MAIN).exists()
    if exists:
        main = check_catalogue(folder)
        if (main["catalogue_id"], main["version"]) != (content.catalogue_id, content.version):
            raise RunError(
                f"{folder} is version {main['version']} of a catalogue, and what is written was "
                "made from another one; read it again, or name another folder."
            )
    elif folder.exists() and {each.name for each in folder.iterdir()} - _OWN:
        raise RunError(f"{folder} is not empty and is no catalogue; name another folder.")
    version = content.version + 1
    core, problems = _write_exemplars(content, folder)
    content = replace(content, core=core, version=version, problems=problems, folders=(folder,))
    if not exists:
        write_text(folder / SETTINGS_FILE, to_toml(content.settings))
        save_checkpoint(content.learner, folder / _CHECKPOINTS)
    with replacing_folder(folder / _VERSIONS / _version_name(version)) as part:
        write_parquet(part / _TYPES, content.types, TYPE_SCHEMA)
        write_parquet(part / _CORE, content.core, CORE_SCHEMA)
        write_array(part / _EMBEDDINGS, content.embeddings)
        write_json(part / _HISTORY, [asdict(event) for event in content.history])
    write_json(
        folder / _MAIN,
        {
            "format": _FORMAT,
            "catalogue_id": content.catalogue_id,
            "version": version,
            "types": len(content),
            "core_rois": len(content.core),
            "embedding_dim": content.embeddings.shape[1],
            "backbone": content.settings.backbone.name,
            "darksound": versions()["darksound"],
        },
    )
    return content


def _version_name(number: int) -> str:
    return f"{number:04d}"


def _read_table(path: Path, schema: pa.Schema) -> pd.DataFrame:
    with _damage_of(path), library_path(path) as file:
        table = pq.read_table(file, schema=schema).to_pandas()
        required = [column.name for column in schema if not column.nullable]
        if table[required].isna().any(axis=None):
            raise ValueError("a required cell is empty")
        return text_columns(table, schema)


@contextmanager
def _damage_of(path: Path) -> Iterator[None]:
    """Turn errors in reading a file into a `RunError`."""
    try:
        yield
    except (OSError, ValueError, LookupError, TypeError, EOFError, pa.ArrowException) as error:
        check_readable(path, error, RunError)
        raise RunError(f"{path} is damaged ({error}); restore it from a copy.") from None


def _write_exemplars(content: Content, folder: Path) -> tuple[pd.DataFrame, tuple[Problem, ...]]:
    """Write the sound of exemplars without a file; return the core, and those that cannot be."""
    reader, core = DispatchReader(), content.core.copy()
    problems: list[Problem] = []
    paths = core["exemplar"].to_numpy(dtype=object, copy=True)
    for row in np.flatnonzero(core["exemplar"].notna().to_numpy()):
        roi = core.iloc[row]
        target = folder / str(roi["exemplar"])
        if target.exists():
            continue
        sources = (each / str(roi["exemplar"]) for each in content.folders)
        if source := next((each for each in sources if each.is_file()), None):
            with replacing(target) as temporary:
                shutil.copyfile(source, temporary)
            continue
        root, recording = str(roi["root"]), str(roi["recording"])
        start, end = float(roi["start_s"]), float(roi["end_s"])
        try:
            samples, rate = reader.read(root, recording, start, end, None)
            with replacing(target) as temporary, library_path(temporary, "wb") as file:
                sf.write(file, np.clip(samples, -1, 1), rate, format="FLAC", subtype="PCM_16")
        except RunError:
            raise
        except (DarksoundError, OSError, RuntimeError, ValueError) as error:
            name = recording_path(root, recording)
            problems.append(Problem(recording, failure_cause(f"{name} from {start:.3f} s", error)))
            paths[row] = None
    return core.assign(exemplar=as_text(pd.Series(paths, index=core.index))), tuple(problems)
