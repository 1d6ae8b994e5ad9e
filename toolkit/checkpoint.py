"""Checkpoints: written atomically, verified when read, and made of plain data.

A checkpoint is a folder with one folder per group of the state. Arrays are in `arrays.safetensors`,
plain values in `values.json`; the group `buffer` has a .npy file per array, since these are large.
`manifest.json`, written last, holds the sha256 of every file.
"""

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from poise.toolkit.errors import WorkError
from poise.toolkit.files import check_regular_file, fsync, read_array, read_json_mapping, sha256
from poise.toolkit.process import temporary_path

MANIFEST = "manifest.json"
BUFFER_GROUP = "buffer"

State = Mapping[str, Mapping[str, Any]]
"""Group -> name -> array or plain value."""


class DamagedCheckpointError(WorkError):
    """A checkpoint whose files are missing or differ from what was written."""


def save(folder: Path, state: State) -> None:
    """Write `state` to a temporary folder, flush it to the disk, and rename it to `folder`.

    An error, a full disk included, leaves nothing under the final name.
    """
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    with temporary_path(partial):
        for group, values in state.items():
            _write_group(partial / group, group, values)
        files = sorted(path for path in partial.rglob("*") if path.is_file())
        manifest = {path.relative_to(partial).as_posix(): sha256(path) for path in files}
        _write_json(partial / MANIFEST, manifest)
        for path in (*files, partial / MANIFEST, *(partial / group for group in state), partial):
            fsync(path)
        remove(folder)
        partial.replace(folder)
        fsync(folder.parent)


def remove(folder: Path) -> None:
    """Remove a checkpoint if it exists.

    Rename it first, so that a half-removed folder is not taken for a checkpoint.
    """
    removed = folder.with_name(f".{folder.name}.removed")
    shutil.rmtree(removed, ignore_errors=True)
    if folder.exists():
        shutil.rmtree(folder.replace(removed))


def load(folder: Path, groups: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
    """Read the state, or only `groups` of it.

    A file that is missing or altered is a DamagedCheckpointError.
    """
    try:
        manifest = read_json_mapping(folder / MANIFEST)
        all_groups = {name.split("/")[0] for name in manifest}
        selected = all_groups if groups is None else set(groups)
        for name, digest in manifest.items():
            if name.split("/")[0] in selected and sha256(folder / name) != digest:
                raise DamagedCheckpointError(
                    f"checkpoint {folder} is damaged: {name} has changed since it was written"
                )
        return {group: _read_group(folder / group) for group in sorted(selected)}
    except (OSError, ValueError, TypeError, AttributeError, SafetensorError) as error:
        raise DamagedCheckpointError(f"checkpoint {folder} is damaged: {error}") from None


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
            np.save(folder / f"{name}.npy", array, allow_pickle=False)
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
    path.write_text(json.dumps(value, indent=1, sort_keys=True))
