"""What reads the target's picture in a world with goal=translated; toolkit/sight.py finds it by its name."""

import functools
from collections.abc import Callable
from pathlib import Path

from toolkit.errors import UserError
from toolkit.run import Run
from toolkit.signals import Array
from tools.open_translator import open_translator


@functools.cache
def reader(folder: str) -> Callable[[Array], Array]:
    """What gives the pose in a picture (H, W, 3) uint8, by the translator whose run lies in a folder."""
    if not (path := Path(folder)).is_dir():
        raise UserError(f"translator={folder}: there is no such folder; name that of a run, runs/NAME")
    translator = open_translator(Run(path))
    if translator.settings.signals[0] != "pose":
        raise UserError(f"translator={folder} does not read the signal pose first: train one that does")

    def read(picture: Array) -> Array:
        if picture.shape[:2] != translator.size:
            height, width = translator.size
            raise UserError(f"translator={folder} sees {width} x {height} pixels: --env-set pixels={height}")
        values: Array = translator.translate(picture[None])[0]
        return values

    return read
