"""Hashes of files: the md5 that archives were published with, and our own of each clip."""

import hashlib
from collections.abc import Callable
from pathlib import Path

__all__ = ["clip_hash", "clip_hash_of", "md5_of"]

_BLOCK = 1 << 20


def md5_of(path: Path, tell: Callable[[int], None] = lambda size: None) -> str:
    """The md5 of a file, in hexadecimal; `tell` is called with the bytes read so far."""
    digest, size = hashlib.md5(usedforsecurity=False), 0
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            size += len(block)
            tell(size)
    return digest.hexdigest()


def clip_hash() -> "hashlib.blake2b":
    """A new hash of the kind that markers keep of each file."""
    return hashlib.blake2b(digest_size=16)


def clip_hash_of(path: Path) -> str:
    """That hash of a file, in hexadecimal."""
    digest = clip_hash()
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
