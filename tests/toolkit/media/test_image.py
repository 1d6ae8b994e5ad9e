"""Drawing on frames: frames are fitted whole, and pygame without pygame-ce's additions suffices."""

import numpy as np
import pygame
import pytest

from poise.toolkit.media.hud import BAD, draw_drag_line
from poise.toolkit.media.image import CARD_COLOUR, fit_frame


@pytest.mark.parametrize("size", [(64, 48), (128, 48), (64, 200), (31, 17)])
def test_frame_is_fitted_whole_and_in_its_aspect_ratio(size):
    fitted = fit_frame(np.full((48, 64, 3), 90, np.uint8), *size)
    assert fitted.shape == (size[1], size[0], 3)
    is_inside = np.abs(fitted.astype(int) - 90).max(axis=2) < 3
    rows = is_inside.any(axis=1).sum()
    columns = is_inside.any(axis=0).sum()
    assert rows == size[1] or columns == size[0]
    assert abs(columns / rows - 64 / 48) < 0.12 and is_inside.sum() == rows * columns
    assert (fitted[~is_inside] == CARD_COLOUR).all()


def test_frame_of_the_right_size_is_returned_unchanged():
    frame = np.zeros((48, 64, 3), np.uint8)
    assert fit_frame(frame, 64, 48) is frame


def test_drag_line_is_drawn_by_pygame_without_anti_aliased_circles(monkeypatch):
    monkeypatch.delattr(pygame.draw, "aacircle", raising=False)
    drawn = draw_drag_line(np.zeros((90, 90, 3), np.uint8), (0.2, 0.2), (0.8, 0.8))
    assert tuple(drawn[18, 18]) == tuple(drawn[72, 72]) == BAD
