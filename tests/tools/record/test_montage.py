"""Montages: each row spans its own episode, and says how it ended."""

from pathlib import Path

import numpy as np
import pygame
import pytest
from sample_runs import start_run

from poise.toolkit.experience import EpisodeStep
from poise.toolkit.media.palette import LIGHT, to_rgb
from poise.toolkit.registry import make_env
from poise.tools.record.montage import (
    CELL_SIZE,
    GAP,
    LABEL_WIDTH,
    MARGIN,
    MAX_ROWS,
    NUM_MOMENTS,
    TITLE_HEIGHT,
    Ending,
    Strip,
    choose_equal_moments,
    describe_ending,
    draw_sheet,
    film_strip,
    make_montage,
)


@pytest.mark.parametrize("num_steps", [0, 1, 4, 5, 69, 400])
def test_moments_go_from_the_first_step_to_the_last(num_steps):
    moments = choose_equal_moments(num_steps)
    assert len(moments) == NUM_MOMENTS and moments == sorted(moments)
    assert (moments[0], moments[-1]) == (0, num_steps)


def run_steps(env, length: int):
    """Yield the start and `length` steps without action."""
    observation, info = env.reset(seed=0)
    yield EpisodeStep(observation, None, 0.0, False, False, info)
    for _ in range(length):
        action = np.zeros(env.action_space.shape, np.float32)
        observation, reward, terminated, _, info = env.step(action)
        yield EpisodeStep(observation, action, float(reward), terminated, False, info)


@pytest.mark.parametrize("length", [3, 20])
def test_strip_spans_its_own_episode(length):
    env = make_env("poise/Cartpole-v0", {"width": 32, "height": 32}, "rgb_array")
    strip = film_strip(env, lambda: run_steps(env, length), choose_equal_moments)
    assert len(strip.frames) == NUM_MOMENTS
    assert strip.times[0] == 0.0 and strip.times[-1] == pytest.approx(length / 50)
    assert strip.episode_return == pytest.approx(sum(s.reward for s in run_steps(env, length)))


@pytest.mark.parametrize(
    ("env_id", "terminated", "info", "sign"),
    [
        ("poise/Cartpole-v0", True, {"failure": "rail"}, "✕ "),
        ("poise/Cartpole-v0", False, {}, "✓ "),
        ("poise/Reacher2D-v0", False, {"success": True}, "✓ "),
        ("poise/Reacher2D-v0", False, {"success": False}, ""),
        ("Pendulum-v1", False, {}, ""),
        ("CartPole-v1", True, {}, ""),
    ],
)
def test_ending_has_a_sign_only_where_success_or_failure_is_known(env_id, terminated, info, sign):
    step = EpisodeStep(np.zeros(1), np.zeros(1), 0.0, terminated, not terminated, info)
    env = make_env(env_id)
    env.reset(seed=0)
    ending = describe_ending(env, [step])
    assert ending.sign == sign and ending.is_failure == (sign == "✕ ")
    assert "failure" not in info or "rail" in ending.words


FAILED = Ending("fails (rail)", is_failure=True)
PASSED = Ending("stays up", is_success=True)


def draw(ending: Ending, height: int = CELL_SIZE, width: int = CELL_SIZE) -> np.ndarray:
    """Return the sheet of one policy as an array (W, H, 3)."""
    frames = [np.full((height, width, 3), 200, np.uint8)] * NUM_MOMENTS
    times = [0.2 * index for index in range(NUM_MOMENTS)]
    strips = {step: Strip(frames, times, 12.0, ending) for step in (0, 1_000_000)}
    return pygame.surfarray.array3d(draw_sheet("Title", "note", strips, 8.0, height))


def last_cell_edge(sheet: np.ndarray) -> np.ndarray:
    """Return the top edge (pixels, 3) of the last picture of the first row."""
    left = MARGIN + LABEL_WIDTH + (NUM_MOMENTS - 1) * (CELL_SIZE + GAP)
    return sheet[left : left + CELL_SIZE, TITLE_HEIGHT]


def test_end_has_a_whole_frame_and_a_failure_a_dashed_one():
    green = (last_cell_edge(draw(PASSED)) == to_rgb(LIGHT.success)).all(-1)
    red = (last_cell_edge(draw(FAILED)) == to_rgb(LIGHT.failure)).all(-1)
    assert green.all() and 0.4 < red.mean() < 0.9
    plain = last_cell_edge(draw(Ending("time limit")))
    assert (plain == 200).all(), "neither a success nor a failure"


@pytest.mark.parametrize("size", [(96, 96), (96, 200), (240, 120)])
def test_no_text_of_a_sheet_touches_its_edge(size):
    for ending in (PASSED, FAILED):
        sheet = draw(ending, *size)
        edges = (sheet[0], sheet[-1], sheet[:, 0], sheet[:, -1])
        assert all((edge == to_rgb(LIGHT.paper)).all() for edge in edges)


def test_sheet_has_a_row_for_each_policy_up_to_its_limit(tmp_path):
    run = start_run(tmp_path, steps=220, evaluate_every=0, checkpoint_every=20).run
    assert len(run.policies()) > MAX_ROWS
    make_montage(run, tmp_path / "all.png", seed=3, size=32)
    image = pygame.image.load(Path(tmp_path, "all.png"))
    num_rows = (image.get_height() - TITLE_HEIGHT - GAP) / (32 + 30 + GAP)
    assert num_rows == MAX_ROWS
