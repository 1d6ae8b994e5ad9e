"""Checkpoints: written whole or not at all, verified when they are read, and made of plain data alone.

A checkpoint is a folder with a folder for each group of the state: arrays in `arrays.safetensors` (those of the
group `buffer`, which are large, each in a .npy of its own), plain values in `values.json`. `manifest.json`, written
last, holds the sha256 of every file.
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
from poise.toolkit.files import fsync, sha256

MANIFEST = "manifest.json"


BUFFER_GROUP = "buffer"


State = Mapping[str, Mapping[str, Any]]


class DamagedCheckpointError(WorkError):
    """A checkpoint that is not what was written."""


def save(folder: Path, state: State) -> None:
    """Write `state` to `folder`: aside first, flushed to the disk, then renamed into place.

    Whatever goes wrong, a full disk too, leaves nothing under the final name.
    """
    aside = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(aside, ignore_errors=True)
    try:
        for group, values in state.items():
            _write_group(aside / group, group, values)
        files = sorted(path for path in aside.rglob("*") if path.is_file())
        manifest = {path.relative_to(aside).as_posix(): sha256(path) for path in files}
        _write_json(aside / MANIFEST, manifest)
        for path in (*files, aside / MANIFEST, *(aside / group for group in state), aside):
            fsync(path)
        remove(folder)
        aside.replace(folder)
        fsync(folder.parent)
    except OSError:
        shutil.rmtree(aside, ignore_errors=True)
        raise


def remove(folder: Path) -> None:
    """Remove a checkpoint, if it is there: its name first, so that what is half removed is not taken for one."""
    removed = folder.with_name(f".{folder.name}.removed")
    shutil.rmtree(removed, ignore_errors=True)
    if folder.exists():
        shutil.rmtree(folder.replace(removed))


def load(folder: Path, groups: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
    """Read the state, or only some groups of it; anything missing or altered raises DamagedCheckpointError."""
    try:
        manifest = json.loads((folder / MANIFEST).read_text())
        wanted = set(groups) if groups is not None else {name.split("/")[0] for name in manifest}
        for name, digest in manifest.items():
            if name.split("/")[0] in wanted and sha256(folder / name) != digest:
                raise DamagedCheckpointError(
                    f"checkpoint {folder} is damaged: {name} has changed since it was written"
                )
        return {group: _read_group(folder / group) for group in sorted(wanted)}
    except (OSError, ValueError, TypeError, AttributeError, SafetensorError) as error:
        raise DamagedCheckpointError(f"checkpoint {folder} is damaged: {error}") from None


def _write_group(folder: Path, group: str, values: Mapping[str, Any]) -> None:
    folder.mkdir(parents=True)
    arrays = {
        name: np.asarray(value, order="C")
        for name, value in values.items()
        if isinstance(value, np.ndarray)
    }
    _write_json(
        folder / "values.json",
        {name: value for name, value in values.items() if name not in arrays},
    )
    if group == BUFFER_GROUP:
        for name, array in arrays.items():
            np.save(folder / f"{name}.npy", array, allow_pickle=False)
    elif arrays:
        (folder / "arrays.safetensors").write_bytes(safetensors.numpy.save(arrays))


def _read_group(folder: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads((folder / "values.json").read_text())
    if (folder / "arrays.safetensors").exists():
        values.update(safetensors.numpy.load_file(folder / "arrays.safetensors"))
    for path in folder.glob("*.npy"):
        values[path.stem] = np.load(path, allow_pickle=False)
    return values


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1, sort_keys=True))
