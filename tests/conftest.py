"""Shared by all tests: no display, and slow tests only on request."""

import os

os.environ["SDL_VIDEODRIVER"] = "dummy"
os.environ["SDL_AUDIODRIVER"] = "dummy"
os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
# Threads of several test processes would wait for one another.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ["NO_COLOR"] = "1"
os.environ["COLUMNS"] = "200"

import importlib.util
import signal
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import probes  # noqa: F401  (registers the probe environments)
import pytest
from sample_envs import IN_SPACE

import poise  # noqa: F401  (registers the environments)

# Ctrl-C and SIGHUP are tested even where they are ignored: in background jobs, under nohup.
signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

hypothesis.settings.register_profile(
    "poise", deadline=None, max_examples=40, derandomize=True, database=None
)
hypothesis.settings.load_profile("poise")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run tests marked slow only when asked for: `-m slow`, or by their name."""
    if config.getoption("markexpr") or any("::" in word for word in config.args):
        return
    slow = [item for item in items if "slow" in item.keywords]
    if slow:
        config.hook.pytest_deselected(items=slow)
        items[:] = [item for item in items if "slow" not in item.keywords]


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip a test whose parameter is an environment in space where PyBullet is missing."""
    callspec = getattr(item, "callspec", None)
    if callspec is not None and importlib.util.find_spec("pybullet") is None:
        ids = {value for value in callspec.params.values() if isinstance(value, str)}
        if ids & set(IN_SPACE):
            pytest.skip("needs PyBullet")


@pytest.fixture(autouse=True, scope="session")
def quick_disk() -> Iterator[None]:
    """Skip waiting for the disk; that checkpoints do wait is tested in test_checkpoint.py."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda descriptor: None)
        yield


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the working folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path
