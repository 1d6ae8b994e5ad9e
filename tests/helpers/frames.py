"""Frames for films."""

import numpy as np


def frame(shade: int, height: int = 64, width: int = 96) -> np.ndarray:
    """A grey picture with a bright square that moves along with its shade."""
    picture = np.full((height, width, 3), shade % 200, np.uint8)
    place = shade % (width - 20)
    picture[10:30, place : place + 16] = 250
    return picture
