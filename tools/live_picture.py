"""The picture of a live world: as large as it is to be seen, and as sharp as can be drawn in time."""

import time

import numpy as np

from toolkit.frames import resized
from toolkit.hud import draw_hud
from toolkit.registry import World, as_ours
from toolkit.signals import Array

DUE = 0.012
"""How long a picture in motion may take (s): what is left of a frame is for the policy and the window."""
COARSEST = 0.3
"""The least part of its size in which a world in space is drawn before it is enlarged."""


class LivePicture:
    """Draws a world `size` pixels high, or as high as it draws itself; with a `hud` where the world is ours.

    Pictures of space take long without a graphics card. In motion they are drawn as large as there is time for, and enlarged.
    """

    def __init__(self, world: World, size: int | None = None, *, hud: bool = False) -> None:
        self.world, self.ours, self.size, self.hud = world, as_ours(world), size, hud
        self.part, self.coarse = 1.0, False
        """The part of its size in which there is time to draw it, and whether the last picture was."""

    def draw(self, *, sharp: bool) -> Array:
        """The picture now (H, W, 3) uint8; a sharp one may take its time."""
        frame = self._drawn(sharp)
        wide, high = self._seen(frame)
        if frame.shape[:2] != (high, wide):
            frame = resized(frame, wide, high)
        return draw_hud(frame, self.ours) if self.hud and self.ours is not None else frame

    def _drawn(self, sharp: bool) -> Array:
        camera = getattr(self.ours, "camera", None)
        if camera is None or self.ours is None:
            return np.asarray(self.world.render())
        part = 1.0 if sharp else self.part
        self.coarse = part < 1.0
        camera.width, camera.height = (max(16, round(part * side)) for side in self._full())
        began = time.perf_counter()
        frame = np.asarray(self.world.render())
        took = time.perf_counter() - began
        if not sharp and not 0.5 * DUE < took < 1.5 * DUE:
            self.part = min(1.0, max(COARSEST, part * (DUE / took) ** 0.5))
        return frame

    def _full(self) -> tuple[int, int]:
        assert self.ours is not None
        return self.ours.settings.width, self.ours.settings.height

    def _seen(self, frame: Array) -> tuple[int, int]:
        """Width and height in which the picture is seen."""
        if self.ours is not None:
            return self._full()
        share = self.size / frame.shape[0] if self.size else 1.0
        return round(share * frame.shape[1]), round(share * frame.shape[0])
