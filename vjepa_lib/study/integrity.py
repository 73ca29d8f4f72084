"""Whether a stored folder is as it was written: sizes and checksums of files, in a manifest."""

from __future__ import annotations

import functools
import hashlib
import json
from pathlib import Path

from vjepa_lib.errors import RunStoreError

MANIFEST = "manifest.json"
# Larger files (encoders of the paper's size) are only measured here; whoever opens one checks it.
ALWAYS_READ = 64 * 2**20  # bytes


def write_manifest(folder: Path) -> None:
    """Write down what a folder holds; its last file."""
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": _sha256_of(path)}
        for path in sorted(folder.iterdir())
        if path.name != MANIFEST
    }
    text = json.dumps(files, sort_keys=True)
    whole = {"files": files, "sha256": hashlib.sha256(text.encode()).hexdigest()}
    (folder / MANIFEST).write_text(json.dumps(whole, indent=1, sort_keys=True), encoding="utf-8")


def damage(folder: Path, needed: tuple[str, ...]) -> str:
    """What is wrong with a folder, in words; empty if it is whole.

    Parameters
    ----------
    needed : files without which the folder is not finished.
    """
    try:
        files = _listed(folder)
        for name in {*needed, *files} - {MANIFEST}:
            if name not in files:
                return f"{MANIFEST} does not list {name}"
            check_file(folder, name, files, least=ALWAYS_READ)
    except RunStoreError as error:
        return str(error)
    return ""


def check_file(
    folder: Path, name: str, files: dict | None = None, least: int | None = None
) -> Path:
    """The path of a file that is as it was written.

    Parameters
    ----------
    files : of the manifest; None to read it.
    least : do not read files above so many bytes; None to read every one.

    Raises
    ------
    RunStoreError : in a few words what is wrong with it.
    """
    files = _listed(folder) if files is None else files
    path, want = folder / name, files.get(name)
    if want is None:
        raise RunStoreError(f"{MANIFEST} does not list {name}")
    try:
        found = path.stat()
        if found.st_size != want["bytes"]:
            raise RunStoreError(f"{name} has {found.st_size} bytes instead of {want['bytes']}")
        if least is not None and found.st_size > least:
            return path
        if _sha256(path, found.st_size, found.st_mtime_ns, found.st_ino) != want["sha256"]:
            raise RunStoreError(f"{name} was changed after it had been written")
    except FileNotFoundError:
        raise RunStoreError(f"lacks {name}") from None
    except OSError as error:
        raise RunStoreError(f"{name} cannot be read: {error.strerror or error}") from None
    return path


def _listed(folder: Path) -> dict[str, dict]:
    """Files of a manifest with their sizes and checksums."""
    try:
        whole = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        files = whole["files"]
        text = json.dumps(files, sort_keys=True)
        if hashlib.sha256(text.encode()).hexdigest() != whole["sha256"]:
            raise ValueError
    except FileNotFoundError:
        raise RunStoreError(f"lacks {MANIFEST}") from None
    except OSError as error:
        raise RunStoreError(f"{MANIFEST} cannot be read: {error.strerror or error}") from None
    except (ValueError, TypeError, KeyError, RecursionError):
        raise RunStoreError(f"{MANIFEST} was changed after it had been written") from None
    return files


def _sha256_of(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@functools.lru_cache(maxsize=4096)
def _sha256(path: Path, size: int, changed: int, inode: int) -> str:
    """Checksum of a file; read again when its size or time has changed."""
    return _sha256_of(path)
