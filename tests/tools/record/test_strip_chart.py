"""Strip charts: readable rows over the whole height, fixed ranges, units and one axis of time."""

from itertools import islice

import numpy as np
import pygame
import pytest

from poise.toolkit.experience import run_episode
from poise.toolkit.media.gif import MAX_SIDE
from poise.toolkit.media.hud import LARGEST_ACTION_ROWS
from poise.toolkit.media.image import CARD_COLOUR, MIN_FONT_SIZE
from poise.toolkit.registry import make_env, make_random_policy
from poise.tools.record.episode_trace import TraceSample
from poise.tools.record.overlays import StripChartOverlay
from poise.tools.record.strip_chart import (
    HEADER_HEIGHT,
    MAX_ROWS,
    MIN_ROW_HEIGHT,
    StripCharts,
    get_curve_rect,
)

ENVS = ["poise/Cartpole-v0", "poise/Standing-v0", "poise/BollaRolla-v0", "Pendulum-v1"]


def film(env_id: str, height: int, num_steps: int = 12) -> tuple[StripChartOverlay, np.ndarray]:
    """Return an overlay after some steps of a random policy, and its last panel (H, W, 3)."""
    env = make_env(env_id)
    overlay = StripChartOverlay(env, 50)
    for step in islice(run_episode(env, make_random_policy(env, 0), 0), num_steps):
        frame = overlay(np.zeros((height, 8, 3), np.uint8), step)
    return overlay, frame[:, 8:]


@pytest.mark.parametrize("env_id", ENVS)
@pytest.mark.parametrize("height", [64, 240, 480, 720])
def test_rows_fill_the_height_and_no_text_is_cut(env_id, height):
    _, panel = film(env_id, height)
    background = (panel == CARD_COLOUR).all(-1)
    assert background[:, 0].all() and background[:, -1].all(), "a text touches the edge"
    assert not background[-height // 5 :].all(), "the lowest fifth is used"
    assert not background[: height // 5].all()


@pytest.mark.parametrize("env_id", ENVS)
@pytest.mark.parametrize("height", [120, 480, 1080])
def test_every_channel_has_a_row_of_a_readable_height(env_id, height):
    overlay, _ = film(env_id, height, 3)
    font_size = max(MIN_FONT_SIZE, height // 42)
    columns = overlay.charts.arrange(height, font_size)
    assert sum(map(len, columns)) == len(overlay.charts)
    for charts in columns:
        assert len(charts) <= MAX_ROWS
        assert len(charts) == 1 or len(charts) * MIN_ROW_HEIGHT * font_size <= height


def test_panel_of_a_thousand_actions_is_no_wider_than_a_film_can_be():
    charts = StripCharts(20)
    charts.add(TraceSample("action", f"action {index}", 0.5) for index in range(1000))
    overlay = StripChartOverlay(make_env("Pendulum-v1"), 20)
    overlay.charts = charts
    step = next(run_episode(overlay.env, make_random_policy(overlay.env, 0), 0))
    frame = overlay(np.zeros((480, 480, 3), np.uint8), step)
    assert 480 < frame.shape[1] <= MAX_SIDE // 4


def test_titles_give_way_to_charts_where_one_column_has_no_room_for_both():
    overlay, _ = film("poise/Standing-v0", 480)
    drawn = []
    for chart in overlay.charts.by_channel.values():
        chart.draw = lambda surface, rect, font_size, chart=chart: drawn.append((chart, rect))
    num_charts = len(overlay.charts)
    surface = pygame.Surface((320, round(num_charts * MIN_ROW_HEIGHT * 12)))
    overlay.charts.draw_column(surface, surface.get_rect(), 12)
    assert len(drawn) == num_charts
    assert all(surface.get_rect().contains(rect) for _, rect in drawn)


@pytest.mark.parametrize("num_rows", [4, 8, 20])
def test_a_column_leaves_out_the_smallest_actions_and_nothing_else(num_rows):
    charts = StripCharts(50)
    sizes = [0.1 * (7 * number % 17) for number in range(17)]
    charts.add(
        [
            TraceSample("reward", "reward", 1.0),
            TraceSample("margin", "torso", 1.0, bounds=(0.0, 1.0)),
            *(
                TraceSample("action", str(number), size, bounds=(-2.0, 2.0))
                for number, size in enumerate(sizes)
            ),
        ]
    )
    drawn = []
    for chart in charts.by_channel.values():
        chart.draw = lambda surface, rect, size, chart=chart: drawn.append((chart, rect))
    surface = pygame.Surface((320, round(num_rows * MIN_ROW_HEIGHT * 12)))
    charts.draw_column(surface, surface.get_rect(), 12)
    rects = [rect for _, rect in drawn]
    assert all(surface.get_rect().contains(rect) for rect in rects)
    assert all(rect.height >= int(MIN_ROW_HEIGHT * 12) for rect in rects)
    assert [chart.group for chart, _ in drawn][:2] == ["reward", "margin"]
    shown = sorted((chart.history[-1].value for chart, _ in drawn[2:]), reverse=True)
    assert shown == sorted(sizes, reverse=True)[: len(shown)]
    assert len(shown) == min(LARGEST_ACTION_ROWS, num_rows - 2)


@pytest.mark.parametrize("env_id", ENVS)
def test_ranges_do_not_change_within_a_film(env_id):
    env, other_env = make_env(env_id), make_env(env_id)
    overlay = StripChartOverlay(env, 50)

    def run_steps(own_env):
        return islice(run_episode(own_env, make_random_policy(own_env, 0), 0), 40)

    def get_ranges():
        return [(chart.low, chart.high) for chart in overlay.charts.by_channel.values()]

    overlay.cover_episode(other_env, run_steps(other_env))
    expected = get_ranges()
    for step in run_steps(env):
        overlay(np.zeros((240, 8, 3), np.uint8), step)
        assert get_ranges() == expected


def test_actions_are_in_their_unit_and_named_after_joints():
    overlay, _ = film("poise/Standing-v0", 240)
    assert overlay.charts.notes["action"] == "torque, N m"
    actions = {
        name: chart
        for (group, name), chart in overlay.charts.by_channel.items()
        if group == "action"
    }
    assert [*actions] == ["left thigh", "left shin", "right thigh", "right shin"]
    assert {(chart.low, chart.high) for chart in actions.values()} == {(-50.0, 50.0)}
    assert max(abs(chart.history[-1].value) for chart in actions.values()) > 1.0


def test_now_is_at_the_right_and_whole_seconds_lie_before_it():
    charts = StripCharts(steps_per_second=10)
    rect = get_curve_rect(pygame.Rect(0, 0, 400, 40), 14)
    for step in range(95):
        charts.add([TraceSample("reward", "alive", 1.0)])
        assert charts._get_x(rect, step) == rect.right
        seconds = charts._get_visible_seconds()
        assert all(0 <= second <= step / 10 for second in seconds)
        positions = [charts._get_x(rect, 10 * second) for second in seconds]
        assert all(rect.left <= x <= rect.right for x in positions)
        assert len(seconds) in (min(4, step // 10 + 1), min(5, step // 10 + 1))


def test_low_margin_has_a_cross_and_event_a_line_through_all_rows():
    charts = StripCharts(steps_per_second=10)
    for step in range(10):
        margin = 1.0 - 0.1 * step
        samples = [
            TraceSample("reward", "alive", 1.0, bounds=(0.0, 1.0)),
            TraceSample("margin", "height", margin, bounds=(0.0, 1.0)),
        ]
        charts.add(samples, "push" if step == 5 else "")
    margin_chart = charts.by_channel["margin", "height"]
    assert margin_chart.is_warning and not charts.by_channel["reward", "alive"].is_warning
    assert list(charts.events) == [(5, "push")]
    surface = pygame.Surface((400, 300))
    surface.fill(CARD_COLOUR)
    charts.draw(surface, surface.get_rect(), 14)
    curve = get_curve_rect(pygame.Rect(0, 0, 400, 100), 14)
    column = pygame.surfarray.array3d(surface)[round(charts._get_x(curve, 5))]
    is_red = (column[:, 0] > 150) & (column[:, 1] < 80)
    assert is_red[:150].any() and is_red[150:].any()


@pytest.mark.parametrize("since", [0, 1, 10, 25, 39])
def test_newest_event_has_its_name_wherever_its_line_is(since):
    def draw(name):
        charts = StripCharts(steps_per_second=10)
        for step in range(60):
            event = name if step == 59 - since else ""
            charts.add([TraceSample("reward", "alive", 1.0, bounds=(0.0, 1.0))], event)
        surface = pygame.Surface((420, 300))
        surface.fill(CARD_COLOUR)
        charts.draw(surface, surface.get_rect(), 12)
        return pygame.surfarray.array3d(surface)

    header = slice(0, round(HEADER_HEIGHT * 12))
    named, nameless = draw("new target"), draw(" ")
    assert (named != nameless)[:, header].any()
    assert not (named != nameless)[:, header.stop + 2 :].any()
    assert (named[-2:, header] == CARD_COLOUR).all(), "the name is cut at the edge"
