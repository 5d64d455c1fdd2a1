"""The summary's manifest, and the files that it vouches for: whoever reads them learns of a single flipped bit."""

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

from diffbench.conventions import DiffbenchError
from diffbench.files.faults import BrokenFileError
from diffbench.files.output import atomic
from diffbench.study.layout import MANIFEST

DAMAGED = "damaged: not what the summary wrote; run snakemake again to make it anew"


def write_manifest(results: Path, content: Mapping[str, object], vouched: Iterable[str]) -> None:
    """Write the manifest with the digests (SHA-256) of files inside `results`, and its own."""
    digests = {name: _digest_of(results / name) for name in vouched}
    with atomic(results / MANIFEST) as temporary:
        temporary.write_bytes(_sealed({**content, "digests": digests}))


def read_manifest(results: Path) -> dict[str, Any]:
    """The manifest. DiffbenchError if there is none, BrokenFileError if it is not as it was written."""
    path = results / MANIFEST
    written = _bytes(path)
    try:
        manifest = json.loads(written)
        manifest.pop("digest")
    except (ValueError, KeyError, AttributeError, TypeError):
        raise BrokenFileError(path, DAMAGED) from None
    if _sealed(manifest) != written:
        raise BrokenFileError(path, DAMAGED)
    return manifest


def read_vouched(results: Path, manifest: Mapping[str, Any], name: str) -> bytes:
    """A file inside `results` that the manifest vouches for. Errors as of `read_manifest`."""
    written = _bytes(results / name)
    if _digest(written) != manifest["digests"].get(name):
        raise BrokenFileError(results / name, DAMAGED)
    return written


@contextmanager
def opened_vouched(results: Path, manifest: Mapping[str, Any], name: str) -> Iterator[BufferedReader]:
    """The same, open for reading: however large it is. Errors as of `read_manifest`."""
    path = results / name
    with _readable(path) as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != manifest["digests"].get(name):
            raise BrokenFileError(path, DAMAGED)
        file.seek(0)
        yield file


def _sealed(content: Mapping[str, object]) -> bytes:
    """The manifest's bytes: JSON, with the digest of itself without that key."""
    return json.dumps({**content, "digest": _digest(json.dumps(content).encode())}, indent=2).encode()


def _digest_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _bytes(path: Path) -> bytes:
    with _readable(path) as file:
        return file.read()


def _readable(path: Path) -> BufferedReader:
    try:
        return path.open("rb")
    except IsADirectoryError:
        raise BrokenFileError(path, DAMAGED) from None
    except OSError as error:
        raise DiffbenchError(f"{path}: no readable summary ({error.strerror}); run snakemake to make it") from None
