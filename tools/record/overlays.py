"""Strips: beside the picture of a world, what its last seconds paid, promised and did, line by line."""

import math
from collections import deque

import numpy as np
import pygame
from poise import algos
from poise.algos.base import Learner
from poise.toolkit.appearance import Colour
from poise.toolkit.errors import UserError
from poise.toolkit.experience import Moment, episode
from poise.toolkit.media.hud import BAD, GOOD, NARROW, PALE, PUSH
from poise.toolkit.media.image import INK, PAPER, frame_of, words
from poise.toolkit.registry import World, as_ours
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array
from poise.tools.record.episode_trace import Told, action_names, left, paid

SECONDS = 4.0
"""How far back a line goes (s)."""


LOWEST = 16
"""The height of the lowest strip that can be read (pixels); where there are more, they stand in several columns."""


LETTERS = 14
"""The height of its letters at most (pixels)."""


BOUNDS = {"action": (-1.0, 1.0), "margin": (0.0, 1.0)}
"""What a line of this group reaches from and to; others reach as far as their numbers."""


Point = tuple[float, float]


class Strip:
    """The last seconds of a number, `low` and `high` hold all that was ever seen of it."""

    def __init__(self, told: Told, length: int) -> None:
        self.past: deque[Told] = deque(maxlen=length)
        self.low, self.high = BOUNDS.get(told.group, (0.0, 0.0))

    def add(self, told: Told) -> None:
        """The number now; one that is not finite leaves a gap."""
        self.past.append(told)
        if math.isfinite(told.value):
            self.low, self.high = min(self.low, told.value), max(self.high, told.value)

    @property
    def colour(self) -> Colour:
        """Red where it is bad: a cost, or a margin that is nearly used up."""
        group, _, value, *_ = self.past[-1]
        limits = {"reward": 0.0, "margin": NARROW}
        return PUSH if group == "action" else INK if group not in limits else BAD if value < limits[group] else GOOD

    def draw(self, surface: pygame.Surface, box: pygame.Rect, letters: int = LETTERS) -> None:
        """Name, line and number side by side in a box, in letters of this height at most."""
        size = min(letters, max(9, round(box.height * 0.8)))
        now = self.past[-1]
        number = words(f"{now.value:z.2f}" if math.isfinite(now.value) else "", size)
        name = words(now.name, size)
        label, digits, gap = box.width * 9 // 20, words("-000.00", size).get_width(), 4
        surface.blit(name, name.get_rect(midleft=(box.left + gap, box.centery)), (0, 0, label - 2 * gap, box.height))
        surface.blit(number, number.get_rect(midright=(box.right - gap, box.centery)))
        area = pygame.Rect(box.left + label, box.top + 2, box.width - label - digits - 2 * gap, box.height - 4)
        pygame.draw.line(surface, PALE, self._point(area, 0, 0.0), self._point(area, self.past.maxlen or 1, 0.0))
        past = [(place, told) for place, told in enumerate(self.past) if math.isfinite(told.value)]
        if any(told.spread for _, told in past) and len(past) > 1:
            ends = [[self._point(area, place, told.value + side * told.spread) for place, told in past] for side in (1, -1)]
            pygame.draw.polygon(surface, PALE, [*ends[0], *reversed(ends[1])])
        if len(past) > 1:
            pygame.draw.aalines(surface, self.colour, False, [self._point(area, place, told.value) for place, told in past])

    def _point(self, area: pygame.Rect, place: int, value: float) -> Point:
        share = (min(max(value, self.low), self.high) - self.low) / ((self.high - self.low) or 1.0)
        return area.left + area.width * place / (self.past.maxlen or 1), area.bottom - area.height * share


class Strips:
    """An overlay: the strips of an episode stand to the right of its frames. What a learner thinks is left out without one."""

    def __init__(self, world: World, rate: float, learner: Learner | None = None) -> None:
        self.world, self.learner = world, learner
        self.length = max(2, round(SECONDS * rate))
        self.strips: dict[tuple[str, str], Strip] = {}

    def __call__(self, frame: Array, moment: Moment) -> Array:
        """The frame (H, W, 3) with all strips beside it."""
        margins = (told._replace(name=f"margin: {told.name}") for told in left(self.world))
        for told in (*paid(self.world, moment), *self._thought(moment), *margins):
            self.strips.setdefault(told[:2], Strip(told, self.length)).add(told)
        return np.concatenate([frame, self._panel(frame.shape[0])], axis=1)

    def _thought(self, moment: Moment) -> list[Told]:
        """The value of what is seen, and the action with its spread."""
        action = np.zeros(self.world.action_space.shape or ()) if moment.action is None else moment.action
        value, spread = [], np.zeros(1)
        if self.learner is not None:
            worth, strays = self.learner.outlook(moment.observation[None])
            action, spread = self.learner.act(moment.observation[None], explore=False)[0], np.atleast_1d(strays[0])
            value = [Told("value", "value", float(worth[0]))] if self.learner.can_judge else []
        numbers = np.atleast_1d(action)
        rows = zip(action_names(self.world), numbers, np.broadcast_to(spread, numbers.shape), strict=True)
        return value + [Told("action", name, float(number), float(stray)) for name, number, stray in rows]

    def _panel(self, height: int) -> Array:
        """All strips, one below the other, in as many columns as it takes."""
        columns = math.ceil(len(self.strips) * LOWEST / height)
        rows = math.ceil(len(self.strips) / columns)
        width, tall = max(260, height * 3 // 5) // 2 * 2, min(height // rows, 3 * LOWEST)
        surface = pygame.Surface((width * columns, height))
        surface.fill(PAPER)
        for index, strip in enumerate(self.strips.values()):
            strip.draw(surface, pygame.Rect(index // rows * width, index % rows * tall, width, tall))
        return frame_of(surface)


FAINT = 0.4
"""How much of a ghost is seen."""


class Ghost:
    """An overlay: the run's policy lives the same episode in a `twin` of the world, under its camera, and stays where it ends."""

    def __init__(self, run: Run, world_id: str, world: World, twin: World, seed: int) -> None:
        learner = algos.restore(run)
        if (lives_in := run.config["world"]) != world_id or learner.observation_space != twin.observation_space:
            raise UserError(
                f"run {run.path.name!r} can be no ghost in {world_id}: it lives in {lives_in}, or sees other things there"
            )
        if focus := getattr(as_ours(world), "focus", None):
            vars(as_ours(twin))["focus"] = focus  # One camera for both: it follows the one that is no ghost.
        self.twin = twin
        self._moments = episode(twin, lambda observation: learner.act(observation, explore=False), seed)

    def __call__(self, frame: Array, moment: Moment) -> Array:
        """The frame (H, W, 3) with the ghost in it: paler than the body on a light ground, darker on a dark one."""
        next(self._moments, None)
        picture = np.asarray(self.twin.render()).astype(float)
        if frame.mean() < 128.0:
            return np.maximum(frame, (FAINT * picture).astype(np.uint8))
        return np.minimum(frame, (255.0 - FAINT * (255.0 - picture)).astype(np.uint8))
