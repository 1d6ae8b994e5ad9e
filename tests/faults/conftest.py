"""Folders for the tests of faults."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from writing_commands import prepare


@pytest.fixture(scope="session")
def quick_origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what the quick commands need."""
    folder = tmp_path_factory.mktemp("origin")
    prepare(folder, with_images=False)
    return folder


@pytest.fixture(scope="session")
def whole_origin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what all commands need."""
    folder = tmp_path_factory.mktemp("whole-origin")
    prepare(folder, with_images=True)
    return folder


@pytest.fixture
def enter_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path, str], Path]:
    """Return the function that copies a folder, and makes the copy the working folder."""

    def copy(origin: Path, name: str) -> Path:
        folder = tmp_path / name
        shutil.copytree(origin, folder)
        monkeypatch.chdir(folder)
        return folder

    return copy
