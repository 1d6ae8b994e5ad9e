"""The doctor: what Poise needs, and whether it works on this machine."""

import importlib.metadata
import importlib.util
import os
import platform
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console

from poise.toolkit.console import make_table
from poise.toolkit.media.video import VideoRecorder, read_video
from poise.toolkit.registry import make_env

REQUIRED_PACKAGES = (
    "numpy",
    "gymnasium",
    "pymunk",
    "pygame-ce",
    "torch",
    "safetensors",
    "pydantic",
    "av",
    "matplotlib",
    "tensorboard",
)


def show_doctor() -> int:
    """Check what Poise needs; 0 when everything that is needed works, else 1."""
    checks = [("python", platform.python_version() >= "3.11", platform.python_version())]
    for package in REQUIRED_PACKAGES:
        try:
            checks.append((package, True, importlib.metadata.version(package)))
        except importlib.metadata.PackageNotFoundError:
            checks.append((package, False, "missing: install Poise again (pip install -e .)"))
    checks += [("drawing", *_run_check(_check_rendering)), ("films", *_run_check(_check_video))]
    extras = []
    there = importlib.util.find_spec("pybullet") is not None
    extras.append(
        (
            "environments in space",
            there,
            "pybullet is here" if there else "pybullet is missing: pip install -e '.[3d]'",
        )
    )
    shown = (
        bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
        or platform.system() != "Linux"
    )
    extras.append(
        (
            "window",
            shown,
            "a display is here" if shown else "no display: `poise play` needs one, films do not",
        )
    )
    extras.append(("cores", True, str(os.cpu_count())))
    rows = [(name, "ok" if good else "FAILS", told) for name, good, told in checks]
    rows += [(name, "ok" if good else "no", told) for name, good, told in extras]
    Console().print(make_table("Poise on this machine", ["what", "", ""], rows))
    return 0 if all(good for _, good, _ in checks) else 1


def _run_check(check: Callable[[], str]) -> tuple[bool, str]:
    try:
        return True, check()
    except Exception as error:  # Whatever fails here is what the user wants to know.
        return False, f"{type(error).__name__}: {error}"


def _check_rendering() -> str:
    env = make_env("poise/Cartpole-v0", {"width": 64, "height": 64}, render_mode="rgb_array")
    env.reset(seed=0)
    shape = env.render().shape  # type: ignore[union-attr]
    env.close()
    return f"a picture of {shape[1]} x {shape[0]} without a display"


def _check_video() -> str:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "film.mp4"
        with VideoRecorder(path, 25) as film:
            for shade in range(5):
                film.add(np.full((64, 64, 3), shade * 40, np.uint8))
        return f"H.264, {sum(1 for _ in read_video(path))} of 5 frames read back"
