"""An arm of two links seen from above: where its points are, and how it is drawn."""

import math
from collections.abc import Sequence

from envs2d.canvas import BODY, INK, NEAR, Canvas, Point
from toolkit.look import Colour

LINK, LINK_WIDTH = 0.2, 0.04
SHOULDER = (0.0, 0.0)
PALE = (208, 216, 222)


def pose_of(shoulder: float, elbow: float) -> tuple[Point, Point]:
    """Where elbow and hand are (m) for the angles of shoulder and elbow (rad)."""
    bend = (LINK * math.cos(shoulder), LINK * math.sin(shoulder))
    return bend, (bend[0] + LINK * math.cos(shoulder + elbow), bend[1] + LINK * math.sin(shoulder + elbow))


def paint_arm(canvas: Canvas, pose: Sequence[Point]) -> None:
    """An arm in a pose, and how far it reaches."""
    canvas.ring(SHOULDER, 2 * LINK + 0.02, PALE, 0.003)
    paint_links(canvas, pose, (BODY, NEAR))
    for point, radius in zip((SHOULDER, *pose), (0.03, 0.012, 0.012), strict=True):
        canvas.joint(point, radius, INK)


def paint_links(canvas: Canvas, pose: Sequence[Point], colours: Sequence[Colour]) -> None:
    """The links of an arm in a pose."""
    for start, end, colour in zip((SHOULDER, pose[0]), pose, colours, strict=True):
        canvas.capsule(start, end, LINK_WIDTH, colour)
