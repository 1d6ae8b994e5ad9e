"""Frames for videos."""

import numpy as np


def frame(shade: int, height: int = 64, width: int = 96) -> np.ndarray:
    """Return a grey image with a bright square, whose position depends on the shade."""
    image = np.full((height, width, 3), shade % 200, np.uint8)
    left = shade % (width - 20)
    image[10:30, left : left + 16] = 250
    return image
