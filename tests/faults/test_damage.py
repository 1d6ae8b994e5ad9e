"""Every changed bit of a checkpoint is found, or changes nothing that is read."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from sample_runs import start_run

from poise.toolkit import checkpoint
from poise.toolkit.checkpoint import DamagedCheckpointError


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkpoint of SAC: every kind of file, with a buffer."""
    run = start_run(tmp_path_factory.mktemp("runs"), steps=60).run
    return run.checkpoints()[-1]


def flatten(state: dict[str, dict[str, object]]) -> dict[str, object]:
    """Return a state as one dictionary of values that can be compared."""
    return {
        f"{group}.{name}": (value.dtype.str, value.shape, value.tobytes())
        if isinstance(value, np.ndarray)
        else value
        for group, values in state.items()
        for name, value in values.items()
    }


def count_found(folder: Path, changes: list[tuple[Path, int, int]]) -> int:
    """Change one bit at a time; return how often it was found.

    A change that is not found must leave the whole state as it was: it lay between the words of
    the manifest.
    """
    right = flatten(checkpoint.load(folder))
    num_found = 0
    for path, offset, bit in changes:
        content = path.read_bytes()
        changed = bytearray(content)
        changed[offset] ^= 1 << bit
        path.write_bytes(changed)
        try:
            state = flatten(checkpoint.load(folder))
        except DamagedCheckpointError as error:
            assert str(folder) in str(error) and "\n" not in str(error)
            num_found += 1
        else:
            assert path.name == checkpoint.MANIFEST and state == right, (path, offset, bit)
        path.write_bytes(content)
    return num_found


def test_bit_changed_in_any_region_of_any_file_is_found(saved, tmp_path):
    """The regions: start, length of a header, header, its end, data, last byte."""
    folder = Path(shutil.copytree(saved, tmp_path / saved.name))
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    changes = []
    for path in files:
        size = path.stat().st_size
        offsets = {0, 1, 6, 8, 9, 40, 127, 128, size // 4, size // 2, size - 2, size - 1}
        changes += [(path, offset, offset % 8) for offset in sorted(offsets) if offset < size]
    assert {path.suffix for path in files} == {".json", ".safetensors", ".npy"}
    assert count_found(folder, changes) > 0.95 * len(changes)


@pytest.mark.slow
def test_two_thousand_changed_bits_are_found(saved, tmp_path):
    """The files are chosen alike, the large ones no more often than the manifest."""
    folder = Path(shutil.copytree(saved, tmp_path / saved.name))
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    rng = np.random.default_rng(0)
    changes = []
    for _ in range(2_000):
        path = files[rng.integers(len(files))]
        changes.append((path, int(rng.integers(path.stat().st_size)), int(rng.integers(8))))
    assert count_found(folder, changes) > 0.95 * len(changes)


@pytest.mark.parametrize("length", [0, 1, 7, 64])
def test_file_that_is_cut_or_lengthened_anywhere_is_found(saved, tmp_path, length):
    folder = Path(shutil.copytree(saved, tmp_path / saved.name))
    for path in sorted(folder.rglob("*")):
        if not path.is_file():
            continue
        content = path.read_bytes()
        for changed in (content[:length], content[length + 1 :], content + b"0" * (length + 1)):
            if changed != content:
                path.write_bytes(changed)
                with pytest.raises(DamagedCheckpointError):
                    checkpoint.load(folder)
        path.write_bytes(content)
