"""Figures written as pictures: whole or not at all, and under a name that says which kind."""

from pathlib import Path

from matplotlib.backend_bases import FigureCanvasBase
from matplotlib.figure import Figure

from poise.toolkit.errors import UserError
from poise.toolkit.files import atomic_write

DPI = 120
"""In an inch."""


def check_figure_path(path: Path) -> None:
    """Refuse a name that is no picture's, before the work that it should show."""
    if path.suffix[1:] not in FigureCanvasBase.filetypes:
        raise UserError(f"a plot is a .png, .svg or .pdf, not {path.name!r}")


def save_figure(figure: Figure, path: Path) -> Path:
    """Write a figure, whole or not at all."""
    check_figure_path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as aside:
        figure.savefig(aside, dpi=DPI, format=path.suffix[1:])
    return path
