"""Montage: a printed sheet that shows how a run learned, one row for each saved policy.

A row shows moments of one episode over its own length, each with its time below. The last one is
the end: a dashed frame and a cross for a failure, a check mark for an episode that went well.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pygame

from poise import algos
from poise.toolkit.console import count_progress
from poise.toolkit.experience import ActorPolicy, EpisodeStep, run_episode
from poise.toolkit.files import atomic_write, make_folder
from poise.toolkit.media.hud import format_value
from poise.toolkit.media.image import (
    MUTED_COLOUR,
    TEXT_COLOUR,
    frame_to_surface,
    render_text,
    resize_frame,
    shorten,
)
from poise.toolkit.media.palette import LIGHT, to_rgb
from poise.toolkit.registry import Env, short_name, unwrap_poise_env
from poise.toolkit.run import Run, parse_step
from poise.toolkit.spaces import Array
from poise.tools.record.record_run import get_frame_rate, make_render_env, make_render_settings

NUM_MOMENTS = 6
"""Pictures in a row."""


MAX_ROWS = 8
"""Rows of a sheet; of more policies, some are left out at equal intervals."""


CELL_SIZE = 160
"""Default height of a picture (pixels)."""


MARGIN = 24
GAP = 8
LABEL_WIDTH = 140
RESULT_WIDTH = 150
TITLE_HEIGHT = 72
FOOT_HEIGHT = 30
"""Sizes of the sheet's parts (pixels)."""


TITLE_SIZE = 20
LABEL_SIZE = 14
NOTE_SIZE = 13
"""Font sizes (pixels per em)."""


SUCCESS_COLOUR = to_rgb(LIGHT.success)
FAILURE_COLOUR = to_rgb(LIGHT.failure)
PAPER_COLOUR = to_rgb(LIGHT.paper)
RULE_COLOUR = to_rgb(LIGHT.rule)


class Ending(NamedTuple):
    """How an episode ended: in words, and whether it is a success, a failure or neither."""

    words: str
    is_success: bool = False
    is_failure: bool = False

    @property
    def sign(self) -> str:
        """The sign that goes with the colour."""
        return "✓ " if self.is_success else "✕ " if self.is_failure else ""

    @property
    def colour(self) -> tuple[int, int, int]:
        """The colour of the words and of the frame."""
        if self.is_success:
            return SUCCESS_COLOUR
        return FAILURE_COLOUR if self.is_failure else TEXT_COLOUR


class Strip(NamedTuple):
    """Moments of one episode."""

    frames: Sequence[Array]
    """Images (H, W, 3) uint8."""
    times: Sequence[float]
    """Time of each image since the start (s)."""
    episode_return: float
    ending: Ending


def describe_ending(env: Env, steps: Sequence[EpisodeStep]) -> Ending:
    """Return how an episode of an environment ended.

    A body that can be pushed over fails or stays up. The end of another package's episode is
    neither a success nor a failure, unless the environment reports one.
    """
    last = steps[-1]
    poise_env = unwrap_poise_env(env)
    if any(step.info.get("success", False) for step in steps):
        return Ending("succeeds", is_success=True)
    can_fall = poise_env is not None and poise_env.push_target() is not None
    if last.terminated and poise_env is not None:
        failure = last.info.get("failure")
        return Ending(f"fails ({failure})" if failure else "fails", is_failure=True)
    if can_fall:
        return Ending("stays up", is_success=True)
    return Ending("ends" if last.terminated else "time limit")


def film_strip(
    env: Env,
    make_steps: Callable[[], Iterator[EpisodeStep]],
    choose_moments: Callable[[int], Sequence[int]],
) -> Strip:
    """Run an episode twice: for its length, then to render its moments.

    Args:
        env: environment that renders images.
        make_steps: starts the episode.
        choose_moments: returns the increasing steps to render, from the length of the episode.
    """
    steps = list(make_steps())
    moments = choose_moments(len(steps) - 1)
    frames: dict[int, Array] = {}
    for index, _ in enumerate(make_steps()):
        if index in moments:
            frames[index] = np.asarray(env.render())
    rate = get_frame_rate(env)
    return Strip(
        frames=[frames[moment] for moment in moments],
        times=[moment / rate for moment in moments],
        episode_return=sum(step.reward for step in steps),
        ending=describe_ending(env, steps),
    )


def choose_equal_moments(num_steps: int) -> list[int]:
    """Return NUM_MOMENTS steps at equal intervals, the first and the last one included."""
    return [round(num_steps * index / (NUM_MOMENTS - 1)) for index in range(NUM_MOMENTS)]


def make_montage(
    run: Run,
    path: Path,
    *,
    seed: int,
    size: int | None = None,
    env_settings: Mapping[str, Any] | None = None,
) -> Path:
    """Write the sheet of a run's policies as a PNG, atomically; return `path`.

    Args:
        run: run with saved policies.
        path: the sheet, `.png`.
        seed: seed of the episode, the same for each policy.
        size: height of a picture (pixels), CELL_SIZE by default.
        env_settings: settings of the environment that override those of the training.
    """
    policies = run.policies()
    chosen = np.linspace(0, len(policies) - 1, min(MAX_ROWS, len(policies))).round().astype(int)
    cell_size = size or CELL_SIZE
    overrides = env_settings or {}
    settings = {**run.config["env_settings"], **overrides}
    render_settings = {**make_render_settings(cell_size, hud=False), **overrides}
    strips: dict[int, Strip] = {}
    with closing(make_render_env(run.config["env"], settings, render_settings)) as env:
        time_limit = env.spec.max_episode_steps if env.spec else None
        for index in count_progress(chosen, len(chosen), "policies"):
            policy = policies[index]
            learner = algos.restore_learner(run, str(parse_step(policy)))
            if learner.checkpoint != policy.name:
                # The policy is damaged, which has been reported; an earlier one was loaded instead.
                continue
            make_steps = partial(run_episode, env, ActorPolicy(learner), seed)
            strips[parse_step(policy)] = film_strip(env, make_steps, choose_equal_moments)
        longest = max(strip.times[-1] for strip in strips.values())
        limit = time_limit / get_frame_rate(env) if time_limit else longest
    note = f"{run.config['algorithm'].upper()}, run {run.path.name}, the same start for each row."
    note += " A row is one policy over its own episode, from its start to its end."
    if len(policies) > len(strips):
        note += f" {len(strips)} of {len(policies)} saved policies."
    title = f"How {short_name(run.config['env'])} was learned"
    sheet = draw_sheet(title, note, strips, limit, cell_size)
    make_folder(path.parent)
    with atomic_write(path) as temporary_path, temporary_path.open("wb") as file:
        pygame.image.save(sheet, file, path.name)
    return path


def draw_sheet(
    title: str, note: str, strips: dict[int, Strip], limit: float, cell_height: int
) -> pygame.Surface:
    """Draw a row for each policy.

    Args:
        title: first line.
        note: second line.
        strips: moments by training step.
        limit: time limit of an episode (s).
        cell_height: height of a picture (pixels).
    """
    first_frame = next(iter(strips.values())).frames[0]
    height, width = first_frame.shape[:2]
    cell_width = max(1, round(cell_height * width / height))
    cells_width = NUM_MOMENTS * (cell_width + GAP)
    sheet_width = 2 * MARGIN + LABEL_WIDTH + cells_width + RESULT_WIDTH
    row_height = cell_height + FOOT_HEIGHT + GAP
    sheet = pygame.Surface((sheet_width, TITLE_HEIGHT + len(strips) * row_height + GAP))
    sheet.fill(PAPER_COLOUR)
    text_width = sheet_width - 2 * MARGIN
    draw_text(sheet, title, MARGIN, 28, TITLE_SIZE, bold=True, max_width=text_width)
    draw_text(sheet, note, MARGIN, 54, NOTE_SIZE, MUTED_COLOUR, max_width=text_width)
    for row, (step, strip) in enumerate(strips.items()):
        top = TITLE_HEIGHT + row * row_height
        if row:
            line_y = top - GAP // 2
            pygame.draw.line(sheet, RULE_COLOUR, (MARGIN, line_y), (sheet_width - MARGIN, line_y))
        middle = top + cell_height // 2
        draw_text(sheet, f"{step:,}", MARGIN, middle - 12, TITLE_SIZE, bold=True)
        label = "steps trained" if step else "steps: untrained"
        draw_text(sheet, label, MARGIN, middle + 12, NOTE_SIZE, MUTED_COLOUR)
        left = MARGIN + LABEL_WIDTH
        for index, (frame, time) in enumerate(zip(strip.frames, strip.times, strict=True)):
            cell = pygame.Rect(left + index * (cell_width + GAP), top, cell_width, cell_height)
            is_last = index == len(strip.frames) - 1
            draw_moment(sheet, cell, frame, time, strip.ending if is_last else None)
        result_left = left + cells_width + GAP
        result_rect = pygame.Rect(result_left, top, RESULT_WIDTH - GAP, cell_height)
        _draw_result(sheet, result_rect, strip, limit)
    return sheet


def draw_moment(
    sheet: pygame.Surface, cell: pygame.Rect, frame: Array, time: float, ending: Ending | None
) -> None:
    """Draw a picture with its time below; the last one of an episode with its ending."""
    sheet.blit(frame_to_surface(resize_frame(frame, cell.width, cell.height)), cell)
    text = f"{time:.2f} s"
    colour = MUTED_COLOUR
    if ending is not None:
        colour = ending.colour
        if ending.is_failure:
            draw_dashed_frame(sheet, cell, colour)
        elif ending.is_success:
            pygame.draw.rect(sheet, colour, cell, 3)
        full_text = f"{text} {ending.sign}{ending.words}"
        short_text = f"{ending.sign}{ending.words}"
        fits = render_text(full_text, NOTE_SIZE, colour, True).get_width() <= cell.width + GAP
        text = full_text if fits else short_text
    line = render_text(text, NOTE_SIZE, colour, ending is not None)
    sheet.blit(line, line.get_rect(midtop=(cell.centerx, cell.bottom + 6)))


def draw_dashed_frame(
    surface: pygame.Surface, rect: pygame.Rect, colour: tuple[int, int, int]
) -> None:
    """Draw a dashed frame inside the edge of a picture."""
    dash = 10
    pattern = pygame.Surface(rect.size, pygame.SRCALPHA)
    pygame.draw.rect(pattern, colour, pattern.get_rect(), 3)
    for start in range(dash - 4, max(rect.size), dash):
        pygame.draw.rect(pattern, (0, 0, 0, 0), (start, 0, 4, 3))
        pygame.draw.rect(pattern, (0, 0, 0, 0), (start, rect.height - 3, 4, 3))
        pygame.draw.rect(pattern, (0, 0, 0, 0), (0, start, 3, 4))
        pygame.draw.rect(pattern, (0, 0, 0, 0), (rect.width - 3, start, 3, 4))
    surface.blit(pattern, rect)


def draw_text(
    surface: pygame.Surface,
    text: str,
    left: float,
    middle: float,
    size: int,
    colour: tuple[int, int, int] = TEXT_COLOUR,
    *,
    bold: bool = False,
    max_width: float | None = None,
) -> None:
    """Draw a line of text from `left` on, at most `max_width` pixels wide."""
    if max_width is not None:
        text = shorten(text, size, max_width, bold)
    line = render_text(text, size, colour, bold)
    surface.blit(line, line.get_rect(midleft=(left, middle)))


def _draw_result(sheet: pygame.Surface, rect: pygame.Rect, strip: Strip, limit: float) -> None:
    """Draw the return, and a bar for the part of the time limit that the episode lasted."""
    colour = strip.ending.colour
    seconds = strip.times[-1]
    value = render_text(format_value(strip.episode_return, 100.0), TITLE_SIZE, colour, True)
    sheet.blit(value, value.get_rect(midleft=(rect.left, rect.centery - 24)))
    note_left = rect.left + value.get_width() + GAP
    draw_text(sheet, "return", note_left, rect.centery - 22, NOTE_SIZE, MUTED_COLOUR)
    bar = pygame.Rect(rect.left, rect.centery - 4, rect.width, 8)
    pygame.draw.rect(sheet, RULE_COLOUR, bar)
    filled = bar.copy()
    filled.width = round(bar.width * min(1.0, seconds / limit)) if limit else 0
    pygame.draw.rect(sheet, colour, filled)
    text = f"lasts {seconds:.1f} of {limit:g} s"
    draw_text(sheet, text, rect.left, rect.centery + 20, NOTE_SIZE, MUTED_COLOUR)
