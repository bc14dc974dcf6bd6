"""Where what was computed once is kept."""

from pathlib import Path

import platformdirs

from darksound.settings import Settings

__all__ = ["cache_folder"]


def cache_folder(settings: Settings) -> Path:
    """`compute.cache_dir`, or the user's cache folder; each kind of thing has a folder in it."""
    return settings.compute.cache_dir or platformdirs.user_cache_path("darksound")
