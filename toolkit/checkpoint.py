"""Checkpoints: written atomically, verified when read, and made of plain data.

A checkpoint is a folder with one folder per group of the state. Arrays are in `arrays.safetensors`,
plain values in `values.json`; the group `buffer` has a .npy file per array, since these are large.
`manifest.json`, written last, holds the size and the sha256 of every file.
"""

import json
import shutil
import stat
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from poise.toolkit.errors import WorkError
from poise.toolkit.files import (
    PARTIAL_SUFFIX,
    check_regular_file,
    fsync,
    read_array,
    read_json_mapping,
    sha256,
    write_array,
)
from poise.toolkit.process import temporary_path

MANIFEST = "manifest.json"
BUFFER_GROUP = "buffer"

REMOVED_SUFFIX = ".removed"
"""Ending of the name of a checkpoint that is being removed."""

State = Mapping[str, Mapping[str, Any]]
"""Group -> name -> array or plain value."""


class DamagedCheckpointError(WorkError):
    """A checkpoint whose files are missing or differ from what was written."""


def save(folder: Path, state: State) -> None:
    """Write `state` to a temporary folder, flush it to the disk, and rename it to `folder`.

    An error, a full disk included, leaves nothing under the final name.

    Raises:
        OSError: a file cannot be written; it names `folder`.
    """
    partial = folder.with_name(f".{folder.name}{PARTIAL_SUFFIX}")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with temporary_path(partial):
            _write_files(partial, state)
            remove(folder)
            partial.replace(folder)
            fsync(folder.parent)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from None


def remove(folder: Path) -> None:
    """Remove a checkpoint, or the folder of a run, if it exists.

    Rename it first, so that a half-removed folder is not taken for a whole one. Of a symbolic
    link, the link alone is removed.
    """
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        removed = folder.with_name(f".{folder.name}{REMOVED_SUFFIX}")
        shutil.rmtree(removed, ignore_errors=True)
        shutil.rmtree(folder.replace(removed))


def load(folder: Path, groups: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
    """Read the state, or only `groups` of it.

    The files there must be those that the manifest names, and those that are read must have the
    size and the sha256 that it gives. Only regular files inside `folder` are read: no links, no
    devices.

    Raises:
        DamagedCheckpointError: a group or a file is missing, altered, or not in the manifest.
    """
    try:
        sizes = _list_files(folder)
        manifest = _read_manifest(folder, sizes)
        all_groups = {_group_of(name) for name in manifest}
        selected = all_groups if groups is None else set(groups)
        for name in sorted(selected - all_groups):
            raise ValueError(f"it has no group {name}")
        for name in sorted(sizes.keys() - manifest.keys()):
            raise ValueError(f"{name} is not in its manifest")
        for name, entry in manifest.items():
            if _group_of(name) not in selected:
                continue
            if name not in sizes:
                raise ValueError(f"{name} is missing")
            if sizes[name] != entry["size"] or sha256(folder / name) != entry["sha256"]:
                raise ValueError(f"{name} has changed since it was written")
        return {group: _read_group(folder / group) for group in sorted(selected)}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, SafetensorError) as error:
        raise DamagedCheckpointError(f"checkpoint {folder} is damaged: {error}") from None


def _list_files(folder: Path) -> dict[str, int]:
    """Return name and size (bytes) of every file in a checkpoint, its manifest aside.

    Anything but files and folders is a ValueError.
    """
    if folder.is_symlink():
        raise ValueError("it is a symbolic link")
    sizes = {}
    folders = [folder]
    while folders:
        for path in folders.pop().iterdir():
            name = path.relative_to(folder).as_posix()
            status = path.lstat()
            if stat.S_ISDIR(status.st_mode):
                folders.append(path)
            elif not stat.S_ISREG(status.st_mode):
                raise ValueError(f"{name} is a link or a device, not a file")
            elif name != MANIFEST:
                sizes[name] = status.st_size
    return sizes


def _read_manifest(folder: Path, sizes: Mapping[str, int]) -> dict[str, dict[str, Any]]:
    """Return size and sha256 of every file that a checkpoint should hold, by name."""
    path = folder / MANIFEST
    manifest: dict[str, dict[str, Any]] = read_json_mapping(path)
    if not manifest:
        raise ValueError(f"{MANIFEST} names no files, but there are {len(sizes)}")
    return manifest


def _group_of(name: str) -> str:
    return name.partition("/")[0]


def _write_files(folder: Path, state: State) -> None:
    """Write the groups of `state` and their manifest, and flush all of it to the disk."""
    for group, values in state.items():
        _write_group(folder / group, group, values)
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    manifest = {
        path.relative_to(folder).as_posix(): {"size": path.stat().st_size, "sha256": sha256(path)}
        for path in files
    }
    _write_json(folder / MANIFEST, manifest)
    for path in (*files, folder / MANIFEST, *(folder / group for group in state), folder):
        fsync(path)


def _write_group(folder: Path, group: str, values: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True)
    arrays = {
        name: np.asarray(value, order="C")
        for name, value in values.items()
        if isinstance(value, np.ndarray)
    }
    plain_values = {name: value for name, value in values.items() if name not in arrays}
    _write_json(folder / "values.json", plain_values)
    if group == BUFFER_GROUP:
        for name, array in arrays.items():
            write_array(folder / f"{name}.npy", array)
    elif arrays:
        (folder / "arrays.safetensors").write_bytes(safetensors.numpy.save(arrays))


def _read_group(folder: Path) -> dict[str, Any]:
    values = read_json_mapping(folder / "values.json")
    if (folder / "arrays.safetensors").exists():
        check_regular_file(folder / "arrays.safetensors")
        values.update(safetensors.numpy.load_file(folder / "arrays.safetensors"))
    for path in folder.glob("*.npy"):
        values[path.stem] = read_array(path)
    return values


def _write_json(path: Path, value: Any) -> None:
    # Unsorted: a resumed training logs its metrics in the same order as before.
    try:
        text = json.dumps(value, indent=1, allow_nan=False)
    except ValueError:  # A checkpoint that holds such a number could not be read.
        raise WorkError(f"a number in {path.parent.name} is not finite: it is not saved") from None
    path.write_text(text, encoding="utf-8")
