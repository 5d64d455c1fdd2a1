"""Files of results that were damaged on the disk, or changed by hand and sealed again."""

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py

from diffbench.files.sealed import fingerprint_at, opened, seal
from diffbench.summary.manifest import read_manifest, write_manifest


def seal_anew(path: Path, fingerprint: str) -> None:
    """Let a sealed file be one that the spec with this fingerprint made."""
    with opened(path) as sealed:
        content = sealed.read()
    _write_sealed(path, content, fingerprint)


def _write_sealed(path: Path, content: bytes, fingerprint: str) -> None:
    with path.open("w+b") as file:
        file.write(content)
        seal(file, fingerprint)


def vouch_anew(results: Path) -> None:
    """Let the manifest vouch for the files of the summary as they are now."""
    manifest = read_manifest(results)
    digests = manifest.pop("digests")
    write_manifest(results, manifest, digests)


def edit_sealed(path: Path, edit: Callable[[h5py.File], None]) -> None:
    """Change an HDF5 file of the results, and seal it as if it had been written so."""
    with opened(path) as sealed:
        content = io.BytesIO(sealed.read())
    with h5py.File(content, "r+") as file:
        edit(file)
    _write_sealed(path, content.getvalue(), fingerprint_at(path) or "")


def without_array(name: str) -> Callable[[Path], None]:
    """Takes an array out of a file, whole otherwise."""

    def remove(file: h5py.File) -> None:
        del file[name]

    return lambda path: edit_sealed(path, remove)


def flip(path: Path, position: int, bit: int = 0) -> None:
    """Flip one bit of a file, as a disk does: its times do not tell."""
    status = path.stat()
    content = bytearray(path.read_bytes())
    content[position] ^= 1 << bit
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def _without_attributes(path: Path) -> None:
    edit_sealed(path, lambda file: file.attrs.clear())


def _unsealed_without_attributes(path: Path) -> None:
    with h5py.File(path, "w") as file:
        file["measure"] = [1.0]


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "something").write_text("else")


def _dangling_link(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere.h5")


def _junk(path: Path) -> None:
    path.write_bytes(bytes(range(256)) * 20)


def _middle_inverted(path: Path) -> None:
    content = path.read_bytes()
    third = len(content) // 3
    path.write_bytes(content[:third] + bytes(255 - each for each in content[third : 2 * third]) + content[2 * third :])


DAMAGES: dict[str, tuple[Callable[[Path], None], str]] = {
    "empty": (lambda path: os.truncate(path, 0), "broken"),
    "one byte left": (lambda path: os.truncate(path, 1), "broken"),
    "half left": (lambda path: os.truncate(path, path.stat().st_size // 2), "broken"),
    "last byte lost": (lambda path: os.truncate(path, path.stat().st_size - 1), "broken"),
    "junk": (_junk, "broken"),
    "junk in the middle": (_middle_inverted, "broken"),
    "a flipped bit": (lambda path: flip(path, path.stat().st_size // 3), "broken"),
    "without attributes": (_without_attributes, "stale"),
    "another HDF5": (_unsealed_without_attributes, "broken"),
    "of another spec": (lambda path: seal_anew(path, "0123456789abcdef"), "stale"),
    "a directory": (_directory, "unreadable"),
    "a dangling link": (_dangling_link, "missing"),
}
"""What can become of a file, and the state that it is in then."""


def copied(folder: Path, target: Path) -> Path:
    """Results in a folder of their own."""
    shutil.copytree(folder, target)
    return target
