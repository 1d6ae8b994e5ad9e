"""The command `poise doctor`: check whether what Poise needs works on this machine."""

import getpass
import importlib.metadata
import importlib.util
import os
import platform
import re
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from poise.envs3d import advise_installation
from poise.toolkit.console import Console, make_table
from poise.toolkit.errors import UserError, WorkError, printable
from poise.toolkit.media.video import VideoRecorder, read_video
from poise.toolkit.process import count_cores
from poise.toolkit.registry import make_env
from poise.toolkit.run import Run, parse_step

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


REPORTED_PACKAGES = (
    *("poise", "torch", "numpy", "gymnasium", "pymunk", "pygame-ce", "pygame", "pybullet"),
    *("safetensors", "pydantic", "av", "pillow", "matplotlib", "tensorboard"),
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


def show_report(runs_dir: Path) -> int:
    """Print one block of text for a bug report; return what `show_doctor` returns.

    It names no user, no computer and no folder.
    """
    required = [*_check_required()]
    failures = [check for check in required if not check.passed]
    lines = [
        f"python: {platform.python_version()}",
        *(f"{name}: {_get_version(name)}" for name in REPORTED_PACKAGES),
        f"platform: {platform.platform()}",
        f"cores: {count_cores()}",
        f"display: {_find_display()}",
        *(f"fails: {check.name}: {check.detail}" for check in failures),
        *(f"last run: {line}" for line in _describe_last_run(runs_dir)),
    ]
    print("\n".join(_remove_personal_names(printable(line, 1000)) for line in lines))
    return 1 if failures else 0


def _get_version(package: str) -> str:
    """Return the version of a package, or that it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _find_display() -> str:
    """Return by what a window would be shown; the name of a display may hold a computer's."""
    driver = os.environ.get("SDL_VIDEODRIVER")
    if driver is not None:
        return f"SDL_VIDEODRIVER={driver}"
    if platform.system() != "Linux":
        return "of the system"
    displays = {"WAYLAND_DISPLAY": "Wayland", "DISPLAY": "X11"}
    return next((name for key, name in displays.items() if os.environ.get(key)), "none")


def _describe_last_run(runs_dir: Path) -> Iterator[str]:
    """Describe the run that was written last, but for its name, which the user chose."""
    configs = sorted(runs_dir.glob("*/config.json"), key=lambda path: path.stat().st_mtime)
    if not configs:
        yield "none"
        return
    run = Run(configs[-1].parent)
    try:
        config = run.config
        yield f"{config['algorithm']} in {config['env']} on {config['device']}"
        summary = run.summary()
    except (UserError, WorkError) as error:
        yield f"cannot be read: {str(error).replace(str(run.path), 'RUN')}"
        return
    training = config["training"]
    shown = ("steps", "seed", "num_envs", "num_workers")
    yield ", ".join(f"{key} {training[key]}" for key in shown if key in training)
    yield ", ".join(f"{key} {value}" for key, value in config.get("versions", {}).items())
    steps = [str(parse_step(folder)) for folder in run.checkpoints()]
    yield f"checkpoints at steps {', '.join(steps)}" if steps else "no checkpoint"
    results = ("steps", "episodes", "solved", "interrupted", "eval/return")
    found = [f"{key} {summary[key]}" for key in results if key in summary]
    yield f"ended with {', '.join(found)}" if summary else "has not ended: no summary.json"


def _remove_personal_names(text: str) -> str:
    """Return a text in which the home folder, the user and this computer are not named."""
    names = {"folder": str(Path.cwd()), "home": str(Path.home()), "host": socket.gethostname()}
    try:
        names["user"] = getpass.getuser()
    except (OSError, KeyError):
        names["user"] = ""  # Some containers run without one.
    for kind, name in names.items():
        if len(name) > 1:
            whole_name = rf"(?<![A-Za-z0-9]){re.escape(name)}(?![A-Za-z0-9])"
            text = re.sub(whole_name, f"<{kind}>", text, flags=re.IGNORECASE)
    return text


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
