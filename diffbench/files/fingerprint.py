"""What the user's own files are, by their content: what was only touched or copied is the same, all else is not."""

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from diffbench.files.hash_cache import HashCache, sha256_of
from diffbench.files.surroundings import path_of
from diffbench.files.tree import files_in

DIGITS = 16


def contents_of(paths: Iterable[str | Path], cache: Path | None = None) -> dict[str, str]:
    """Fingerprint of each file or folder, by its path as it was given; "" of what cannot be read.

    cache: file that keeps hashes, so that files that have not changed since are not read again.
    """
    known = HashCache(cache)
    found = {str(path): fingerprint_of(hashes_of(path, known.sha256)) for path in paths}
    known.write()
    return found


def hashes_of(path: str | Path, hashed: Callable[[str], str] = sha256_of) -> dict[str, str]:
    """SHA-256 of each file in a folder, by its relative name, sorted; of a file, by "". "" of what cannot be read."""
    place = os.fspath(path_of(path) if isinstance(path, str) else path)
    return {name: hashed(file) for name, file in sorted(files_in(place), key=lambda each: os.fsencode(each[0]))}


def fingerprint_of(hashes: Mapping[str, str]) -> str:
    """16 hexadecimal digits that tell names and contents of files from others; "" where nothing can be read."""
    if hashes == {"": ""}:
        return ""
    digest = hashlib.sha256()
    for name, content in hashes.items():
        digest.update(os.fsencode(name) + f"\0{content}\0".encode())
    return digest.hexdigest()[:DIGITS]
