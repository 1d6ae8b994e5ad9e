"""The head-up display: values in their units, beside the image, without cut texts."""

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest

from poise.toolkit.media.hud import (
    LARGEST_ACTION_ROWS,
    LOW_MARGIN,
    MIN_COLUMN_HEIGHT,
    _make_groups,
    describe_action,
    draw_hud,
    format_value,
    get_limb_colour,
)
from poise.toolkit.media.image import CARD_COLOUR
from poise.toolkit.settings import EnvSettings
from poise.toolkit.spaces import Signal, component_names


class SampleEnv:
    """An environment with many terms, margins and actions."""

    REWARD: ClassVar = {"posture": {f"term_{index}": 0.1 for index in range(8)} | {"cost": -0.5}}
    CONTROL_HZ = 50
    settings = EnvSettings(reward="posture")
    steps = 118
    total_reward = -110.1
    margins: ClassVar[dict[str, float]] = {"the torso leaves the plank far behind": 0.1, "b": 0.9}
    ACTION: tuple[Signal, ...] = (Signal("torque", 4, -50.0, 50.0, "N m", "torque"),)
    last_action: tuple[float, ...] = (0.5, -1.0, 0.0, 1.0)
    last_reward_terms: Mapping[str, float] = {f"term_{index}": 0.5 for index in range(8)} | {
        "cost": 0.2
    }

    def failure_margins(self) -> dict[str, float]:
        """Return two margins, one of which is low."""
        return self.margins

    def action_names(self) -> list[str]:
        """Return a name for each action component."""
        return [name for name, _ in component_names(self.ACTION)]


def get_rows(env: Any) -> dict[str, Any]:
    """Return the rows of all groups by name."""
    return {row.name: row for group in _make_groups(env) for row in group.rows}


def test_rows_have_weighted_terms_margins_and_actions_in_their_unit():
    rows = get_rows(SampleEnv())
    assert rows["term 0"].value == "0.05" and rows["cost"].value == "\N{MINUS SIGN}0.10"
    assert rows["torque 1"].value == "+25" and rows["torque 2"].value == "\N{MINUS SIGN}50"
    assert rows["torque 3"].value == "0" and rows["torque 3"].low == rows["torque 3"].high == 0.5
    low, high = (row for name, row in rows.items() if row.tick == LOW_MARGIN)
    assert low.is_warning and not high.is_warning, "a cross, not colour alone"


def test_of_many_actions_the_largest_are_shown():
    env = SampleEnv()
    env.ACTION = (Signal("torque", 17, -50.0, 50.0, "N m", "torque"),)
    env.last_action = tuple(index / 20 for index in range(17))
    names = [name for name in get_rows(env) if name.startswith("torque")]
    assert names == [f"torque {number}" for number in range(13, 18)]
    assert len(names) == LARGEST_ACTION_ROWS


@pytest.mark.parametrize("height", [16, 64, 200, MIN_COLUMN_HEIGHT, 600, 1080])
def test_hud_covers_nothing_and_cuts_no_text(height):
    image = np.full((height, height, 3), 77, np.uint8)
    drawn = draw_hud(image, SampleEnv())
    assert (drawn[:height, :height] == 77).all() and drawn.dtype == np.uint8
    beside = drawn[:, height:] if height >= MIN_COLUMN_HEIGHT else drawn[height:]
    assert beside.shape[height >= MIN_COLUMN_HEIGHT] % 2 == 0, "as H.264 requires"
    edges = (beside[0], beside[-1], beside[:, 0], beside[:, -1])
    assert all((edge == CARD_COLOUR).all() for edge in edges), "a text touches the edge"


@pytest.mark.parametrize(
    ("value", "scale", "signed", "text"),
    [
        (0.136, 1.0, False, "0.14"),
        (-0.001, 1.0, False, "0.00"),
        (-31.6, 50.0, True, "\N{MINUS SIGN}32"),
        (25.2, 50.0, True, "+25"),
        (0.2, 50.0, True, "0"),
        (8.56, 10.0, True, "+8.6"),
    ],
)
def test_values_have_a_true_minus_and_no_negative_zero(value, scale, signed, text):
    assert format_value(value, scale, signed) == text


def test_action_note_is_quantity_and_unit():
    one = Signal("force", 1, -10.0, 10.0, "N", "force")
    limbs = [Signal(f"{side} thigh torque", 1, -5, 5, "N m", "") for side in ("left", "right")]
    assert describe_action([one]) == "force, N"
    assert describe_action(limbs) == "torque, N m"


def test_dots_tie_actions_to_limbs():
    assert get_limb_colour("left thigh") != get_limb_colour("right thigh")
    assert get_limb_colour("force") is None
