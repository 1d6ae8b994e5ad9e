"""The command `poise doctor`: check whether what Poise needs works on this machine."""

import importlib.metadata
import importlib.util
import os
import platform
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from poise.envs3d import advise_installation
from poise.toolkit.console import Console, make_table
from poise.toolkit.media.video import VideoRecorder, read_video
from poise.toolkit.process import count_cores
from poise.toolkit.registry import make_env

REQUIRED_PACKAGES = (
    "numpy",
    "gymnasium",
    "pymunk",
    "torch",
    "safetensors",
    "pydantic",
    "av",
    "pillow",
    "matplotlib",
    "tensorboard",
)


MIN_PYTHON = (3, 11)


class Check(NamedTuple):
    """One line of the report."""

    name: str
    passed: bool
    detail: str


def show_doctor() -> int:
    """Print all checks; return 0 if everything that is required works, else 1."""
    required = [*_check_required()]
    optional = [*_check_optional()]
    rows = [(check.name, "ok" if check.passed else "FAILS", check.detail) for check in required]
    rows += [(check.name, "ok" if check.passed else "no", check.detail) for check in optional]
    Console().print(make_table("Poise on this machine", ("check", "", ""), rows))
    return 0 if all(check.passed for check in required) else 1


def _check_required() -> Iterator[Check]:
    version = platform.python_version_tuple()
    is_new_enough = (int(version[0]), int(version[1])) >= MIN_PYTHON
    yield Check("python", is_new_enough, platform.python_version())
    for package in REQUIRED_PACKAGES:
        try:
            yield Check(package, True, importlib.metadata.version(package))
        except importlib.metadata.PackageNotFoundError:
            yield Check(package, False, "missing: install Poise again (pip install -e .)")
    yield _run_check("rendering", _render_frame)
    yield _run_check("videos", _write_and_read_video)


def _check_optional() -> Iterator[Check]:
    yield _check_pygame()
    has_pybullet = importlib.util.find_spec("pybullet") is not None
    yield Check(
        "3D environments",
        has_pybullet,
        "pybullet is installed" if has_pybullet else f"need pybullet: {advise_installation()}",
    )
    has_display_variable = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
    has_display = has_display_variable or platform.system() != "Linux"
    yield Check(
        "window",
        has_display,
        "a display is available"
        if has_display
        else "no display: `poise play` needs one, videos do not",
    )
    yield Check("cores", True, str(count_cores()))


def _check_pygame() -> Check:
    """Check that no other package's `pygame` lies over that of pygame-ce. Poise draws with both."""
    try:
        import pygame
    except ImportError:
        return Check("pygame-ce", False, "missing: pip install pygame-ce")
    version = pygame.version.ver
    if getattr(pygame, "IS_CE", False):
        return Check("pygame-ce", True, version)
    return Check(
        "pygame-ce",
        False,
        f"the package pygame {version} lies over it: "
        "pip uninstall pygame, then pip install --force-reinstall pygame-ce",
    )


def _run_check(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, True, check())
    except Exception as error:  # Report whatever fails: that is the purpose of the command.
        return Check(name, False, f"{type(error).__name__}: {error}")


def _render_frame() -> str:
    env = make_env("poise/Cartpole-v0", {"width": 64, "height": 64}, render_mode="rgb_array")
    env.reset(seed=0)
    height, width, _ = np.asarray(env.render()).shape
    env.close()
    return f"an image of {width} x {height} pixels without a display"


def _write_and_read_video() -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "video.mp4"
        with VideoRecorder(path, 25) as recorder:
            for index in range(5):
                recorder.add(np.full((64, 64, 3), index * 40, np.uint8))
        frames = sum(1 for _ in read_video(path))
        return f"H.264, {frames} of 5 frames read back"
