"""Find the recordings that tables name, by names that are not quite those of the files.

Tables come from other computers: names have other capitals, the other form of accents, backslashes,
or folders of a disk that is not here.
"""

import os
import re
import unicodedata
from functools import cached_property
from pathlib import Path, PurePosixPath
from posixpath import normpath

from darksound.audio.files import SUFFIXES
from darksound.audio.names import recording_path, recording_text
from darksound.errors import InputError
from darksound.rois.listing import list_files
from darksound.text import path_text

__all__ = ["RecordingFinder"]

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
# `C:\\x`, `\\\\server\\x`, `/x`.
_ABSOLUTE = re.compile(r"([a-z]:)?/", re.IGNORECASE)
_SHOWN = 3


class RecordingFinder:
    """Finds recordings in a folder and below; each folder is listed once.

    Attributes:
        root: the folder.
    """

    def __init__(self, root: Path) -> None:
        """Create a finder of recordings below a folder."""
        self.root = root
        self._listings: dict[str, list[tuple[str, bool]]] = {}

    def find(self, name: str) -> str:
        """Return the recording that a table calls `name`, as text relative to the root.

        If there is no such file, it is the one whose path differs only in the form of accents, or
        else only in capitals and blanks at the ends of names. A path of another computer may begin
        with folders that are not here.

        Args:
            name: relative or absolute path, written on any operating system.

        Returns:
            The relative path; `name` itself where nothing is found, or if it is an absolute path.

        Raises:
            InputError: the name is an address or leads out of the root, or several files match.
        """
        if _ADDRESS.match(name):
            raise InputError(f"{name}: is an address; download the recording and name its file.")
        for text in dict.fromkeys((name, name.replace("\\", "/"))):
            if os.path.isfile(recording_path(self.root, text)):
                return text if _ABSOLUTE.match(text) else self._relative(text)
        text = name.replace("\\", "/")
        if absolute := _ABSOLUTE.match(text):
            tails = _tails(text[absolute.end() :])
        else:
            tails = [self._relative(text)]
        return next((found for tail in tails if (found := self._similar(tail))), name)

    def find_anywhere(self, name: str) -> Path:
        """Return the recording with a path or file name, which may be in any folder below the root.

        Args:
            name: path or file name, written on any operating system.

        Raises:
            InputError: there is no such recording, or there are several.
        """
        text = name.replace("\\", "/")
        for exact in (name, text):
            if os.path.isfile(path := recording_path(self.root, exact)):
                return path
        parts = PurePosixPath(text).parts
        if ".." not in parts:
            for tail in _tails(text):
                if found := self._similar(tail):
                    return recording_path(self.root, found)
        wanted = _key(PurePosixPath(text).name)
        matches = _same_tails(self._recordings.get(wanted, []), text)
        if len(matches) == 1:
            return recording_path(self.root, matches[0])
        several = f"; there are {len(matches)} with that name below it" if matches else ""
        raise InputError(f"there is no recording {name} in {path_text(self.root)}{several}.")

    def find_by_stem(self, stem: str) -> list[Path]:
        """Return the recordings in the root itself whose name without its suffix is `stem`.

        If none has this name, they are those that differ in the form of accents, capitals or blanks
        at the ends only.
        """
        names = [name for name, is_folder in self._listing("") if not is_folder]
        stems = {
            recording_text(name): recording_text(PurePosixPath(name).stem)
            for name in names
            if PurePosixPath(name).suffix.lower() in SUFFIXES
        }
        return [recording_path(self.root, name) for name in sorted(_closest(stem, stems))]

    def _relative(self, text: str) -> str:
        """Return a relative path without `.` and `..`.

        Raises:
            InputError: it leads out of the root.
        """
        relative = normpath(text)
        if relative == ".." or relative.startswith("../"):
            raise InputError(
                f"{text}: leads out of {path_text(self.root)}; give a folder above with --root."
            )
        return relative

    def _similar(self, text: str) -> str | None:
        """Return the file whose path is closest to a relative path; None without one.

        Raises:
            InputError: several are equally close.
        """
        *folders, file = text.split("/")
        found = [""]
        for depth, part in enumerate([*folders, file]):
            wants_folder = depth < len(folders)
            found = [
                f"{above}{name}" + ("/" if wants_folder else "")
                for above in found
                for name, is_folder in self._listing(above)
                if is_folder == wants_folder and _key(recording_text(name)) == _key(part)
            ]
        likeness = {path: _likeness(path, text) for path in found}
        closest = [path for path in found if likeness[path] == max(likeness.values())]
        if len(closest) > 1:
            names = ", ".join(sorted(closest)[:_SHOWN])
            raise InputError(f"{text}: may be any of {names}; write the name as it is on the disk.")
        return closest[0] if closest else None

    def _listing(self, folder: str) -> list[tuple[str, bool]]:
        """Return the text of each name in a folder, and whether it is a folder."""
        if folder not in self._listings:
            try:
                with os.scandir(recording_path(self.root, folder)) as entries:
                    names = [(recording_text(entry.name), entry.is_dir()) for entry in entries]
            except OSError:
                names = []
            self._listings[folder] = names
        return self._listings[folder]

    @cached_property
    def _recordings(self) -> dict[str, list[str]]:
        """Return all recordings below the root by the key of their file name."""
        recordings: dict[str, list[str]] = {}
        for text, _ in list_files(self.root).with_suffix(SUFFIXES).files:
            recordings.setdefault(_key(PurePosixPath(text).name), []).append(text)
        return recordings


def _same_tails(found: list[str], text: str) -> list[str]:
    """Return those of the paths whose last folders agree longest with a path."""
    for tail in _tails(text):
        parts = len(PurePosixPath(tail).parts)
        ends = {path: "/".join(PurePosixPath(path).parts[-parts:]) for path in found}
        if closest := _closest(tail, ends):
            return closest
    return []


def _tails(text: str) -> list[str]:
    """Return the ends of a path, the longest first."""
    parts = [part for part in text.split("/") if part not in ("", ".")]
    return ["/".join(parts[start:]) for start in range(len(parts))]


def _closest(name: str, candidates: dict[str, str]) -> list[str]:
    """Return the keys whose name is the same; else the same but for accents; else similar."""
    for form in (str, _composed, _key):
        if found := [key for key, other in candidates.items() if form(other) == form(name)]:
            return found
    return []


def _likeness(path: str, text: str) -> tuple[int, int]:
    """Return how many parts of two similar paths are the same, and the same but for accents."""
    parts = list(zip(path.split("/"), text.split("/"), strict=True))
    return (
        sum(part == other for part, other in parts),
        sum(_composed(part) == _composed(other) for part, other in parts),
    )


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _key(name: str) -> str:
    """Return the same text for names that differ in accents' form, capitals and outer blanks."""
    folded = _composed(_composed(name).casefold())
    return "/".join(" ".join(part.split()) for part in folded.split("/"))
