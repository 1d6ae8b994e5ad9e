"""Strips: beside the picture of an environment, what its last seconds paid, promised and did, line by line."""

import math
from collections import deque

import numpy as np
import pygame

from poise import algos
from poise.algos.base import Learner
from poise.toolkit.appearance import Colour
from poise.toolkit.errors import UserError
from poise.toolkit.experience import EpisodeStep, run_episode
from poise.toolkit.media.hud import ACTION_COLOUR, BAD, GOOD, LOW_MARGIN, TRACK_COLOUR
from poise.toolkit.media.image import CARD_COLOUR, TEXT_COLOUR, render_text, surface_to_frame
from poise.toolkit.registry import Env, unwrap_poise_env
from poise.toolkit.run import Run
from poise.toolkit.spaces import Array
from poise.tools.record.episode_trace import (
    TraceSample,
    get_action_names,
    read_failure_margins,
    read_reward_terms,
)

HISTORY_SECONDS = 4.0
"""How far back a line goes (s)."""


MIN_CHART_HEIGHT = 16
"""The height of the lowest strip that can be read (pixels); where there are more, they stand in several columns."""


MAX_FONT_SIZE = 14
"""The height of its letters at most (pixels)."""


VALUE_RANGES = {"action": (-1.0, 1.0), "margin": (0.0, 1.0)}
"""What a line of this group reaches from and to; others reach as far as their numbers."""


Point = tuple[float, float]


class StripChart:
    """The last seconds of a number, `low` and `high` hold all that was ever seen of it."""

    def __init__(self, sample: TraceSample, length: int) -> None:
        self.history: deque[TraceSample] = deque(maxlen=length)
        self.low, self.high = VALUE_RANGES.get(sample.group, (0.0, 0.0))

    def add(self, sample: TraceSample) -> None:
        """The number now; one that is not finite leaves a gap."""
        self.history.append(sample)
        if math.isfinite(sample.value):
            self.low, self.high = min(self.low, sample.value), max(self.high, sample.value)

    @property
    def colour(self) -> Colour:
        """Red where it is bad: a cost, or a margin that is nearly used up."""
        group, _, value, *_ = self.history[-1]
        limits = {"reward": 0.0, "margin": LOW_MARGIN}
        return (
            ACTION_COLOUR
            if group == "action"
            else TEXT_COLOUR
            if group not in limits
            else BAD
            if value < limits[group]
            else GOOD
        )

    def draw(
        self, surface: pygame.Surface, rect: pygame.Rect, font_size: int = MAX_FONT_SIZE
    ) -> None:
        """Name, line and number side by side in a box, in letters of this height at most."""
        size = min(font_size, max(9, round(rect.height * 0.8)))
        now = self.history[-1]
        number = render_text(f"{now.value:z.2f}" if math.isfinite(now.value) else "", size)
        name = render_text(now.name, size)
        label = rect.width * 9 // 20
        digits = render_text("-000.00", size).get_width()
        gap = 4
        surface.blit(
            name,
            name.get_rect(midleft=(rect.left + gap, rect.centery)),
            (0, 0, label - 2 * gap, rect.height),
        )
        surface.blit(number, number.get_rect(midright=(rect.right - gap, rect.centery)))
        area = pygame.Rect(
            rect.left + label, rect.top + 2, rect.width - label - digits - 2 * gap, rect.height - 4
        )
        pygame.draw.line(
            surface,
            TRACK_COLOUR,
            self._to_pixel(area, 0, 0.0),
            self._to_pixel(area, self.history.maxlen or 1, 0.0),
        )
        past = [
            (place, told) for place, told in enumerate(self.history) if math.isfinite(told.value)
        ]
        if any(told.std for _, told in past) and len(past) > 1:
            ends = [
                [self._to_pixel(area, place, told.value + side * told.std) for place, told in past]
                for side in (1, -1)
            ]
            pygame.draw.polygon(surface, TRACK_COLOUR, [*ends[0], *reversed(ends[1])])
        if len(past) > 1:
            pygame.draw.aalines(
                surface,
                self.colour,
                False,
                [self._to_pixel(area, place, told.value) for place, told in past],
            )

    def _to_pixel(self, area: pygame.Rect, index: int, value: float) -> Point:
        share = (min(max(value, self.low), self.high) - self.low) / ((self.high - self.low) or 1.0)
        return area.left + area.width * index / (
            self.history.maxlen or 1
        ), area.bottom - area.height * share


class StripChartOverlay:
    """An overlay: the strips of an episode stand to the right of its frames. What a learner thinks is left out without one."""

    def __init__(self, env: Env, rate: float, learner: Learner | None = None) -> None:
        self.env = env
        self.learner = learner
        self.history_length = max(2, round(HISTORY_SECONDS * rate))
        self.charts: dict[tuple[str, str], StripChart] = {}

    def __call__(self, frame: Array, step: EpisodeStep) -> Array:
        """The frame (H, W, 3) with all strips beside it."""
        margins = (
            told._replace(name=f"margin: {told.name}") for told in read_failure_margins(self.env)
        )
        for told in (*read_reward_terms(self.env, step), *self._read_policy(step), *margins):
            self.charts.setdefault(told[:2], StripChart(told, self.history_length)).add(told)
        return np.concatenate([frame, self._draw_panel(frame.shape[0])], axis=1)

    def _read_policy(self, step: EpisodeStep) -> list[TraceSample]:
        """The value of what is seen, and the action with its spread."""
        action = np.zeros(self.env.action_space.shape or ()) if step.action is None else step.action
        value = []
        spread = np.zeros(1)
        if self.learner is not None:
            worth, strays = self.learner.value_and_std(step.observation[None])
            action = self.learner.act(step.observation[None], explore=False)[0]
            spread = np.atleast_1d(strays[0])
            value = (
                [TraceSample("value", "value", float(worth[0]))] if self.learner.has_critic else []
            )
        numbers = np.atleast_1d(action)
        rows = zip(
            get_action_names(self.env), numbers, np.broadcast_to(spread, numbers.shape), strict=True
        )
        return value + [
            TraceSample("action", name, float(number), float(stray)) for name, number, stray in rows
        ]

    def _draw_panel(self, height: int) -> Array:
        """All strips, one below the other, in as many columns as it takes."""
        columns = math.ceil(len(self.charts) * MIN_CHART_HEIGHT / height)
        rows = math.ceil(len(self.charts) / columns)
        width = max(260, height * 3 // 5) // 2 * 2
        tall = min(height // rows, 3 * MIN_CHART_HEIGHT)
        surface = pygame.Surface((width * columns, height))
        surface.fill(CARD_COLOUR)
        for index, strip in enumerate(self.charts.values()):
            strip.draw(
                surface, pygame.Rect(index // rows * width, index % rows * tall, width, tall)
            )
        return surface_to_frame(surface)


GHOST_OPACITY = 0.4
"""How much of a ghost is seen."""


class GhostOverlay:
    """An overlay: the run's policy lives the same episode in a `twin` of the environment, under its camera, and stays where it ends."""

    def __init__(self, run: Run, env_id: str, env: Env, ghost_env: Env, seed: int) -> None:
        learner = algos.restore_learner(run)
        if (
            lives_in := run.config["env"]
        ) != env_id or learner.observation_space != ghost_env.observation_space:
            raise UserError(
                f"run {run.path.name!r} can be no ghost in {env_id}: it lives in {lives_in}, or sees other things there"
            )
        if focus := getattr(unwrap_poise_env(env), "camera_target", None):
            # One camera for both: it follows the one that is no ghost.
            vars(unwrap_poise_env(ghost_env))["camera_target"] = focus
        self.ghost_env = ghost_env
        self._steps = run_episode(
            ghost_env, lambda observation: learner.act(observation, explore=False), seed
        )

    def __call__(self, frame: Array, step: EpisodeStep) -> Array:
        """The frame (H, W, 3) with the ghost in it: paler than the body on a light ground, darker on a dark one."""
        next(self._steps, None)
        picture = np.asarray(self.ghost_env.render()).astype(float)
        if frame.mean() < 128.0:
            return np.maximum(frame, (GHOST_OPACITY * picture).astype(np.uint8))
        return np.minimum(frame, (255.0 - GHOST_OPACITY * (255.0 - picture)).astype(np.uint8))
