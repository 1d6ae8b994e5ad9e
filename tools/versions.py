"""Versions: of what decides what a number will be; runs, datasets and tapes keep them."""

import importlib.metadata
import importlib.util
import platform

PACKAGES = ("gymnasium", "numpy", "pymunk", "torch", "pybullet")


def versions() -> dict[str, str]:
    """Of Python and of the packages that decide what a number will be."""
    there = [name for name in PACKAGES if importlib.util.find_spec(name) is not None]
    return {"python": platform.python_version(), **{name: importlib.metadata.version(name) for name in there}}
