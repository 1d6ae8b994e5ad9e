"""Images of space for people: floor and sky without an edge, shadows, targets; the agent's bare."""

from typing import ClassVar

import numpy as np
import pytest
from sample_envs import IN_SPACE, bare, random_actions

pytest.importorskip("pybullet")

from poise.envs3d.camera import Marker
from poise.envs3d.spatial import SpatialEnvironment, side_colours
from poise.toolkit.appearance import (
    BODY,
    DEFAULT_APPEARANCE,
    LEFT_LIMB,
    RIGHT_LIMB,
    SKY_TOP,
    Colours,
)
from poise.toolkit.spaces import Signal

EVERY = pytest.mark.parametrize("env_id", IN_SPACE)
SIZE = 160


class Ball(SpatialEnvironment):
    """A ball of 0.2 m radius that rests at any height, for pictures."""

    OBSERVATION = (Signal("height", 1, 0.0, 1.0, "m", "height of the ball"),)
    ACTION = (Signal("nothing", 1, -1.0, 1.0, "1", "no effect"),)
    REWARD: ClassVar = {"posture": {}}
    height = 0.5

    def load_bodies(self):
        self.ball = self.load_target(0.2, (90, 90, 90))
        self.show_ball(True)

    def show_ball(self, is_shown):
        opacity = 1.0 if is_shown else 0.0
        self._film_colours[self.ball.body_id, -1] = (0.2, 0.4, 0.7, opacity)
        self._renderer = None

    def initialize_episode(self, rng):
        self.ball.set_base_pose((0.0, 0.0, self.height), (0.0, 0.0, 0.0, 1.0))

    def apply_action(self, action):
        pass

    def reward_terms(self, action):
        return {}

    def get_observation(self):
        return np.zeros(1)


def show(env_id, **settings):
    env = bare(env_id, render_mode="rgb_array", width=SIZE, height=SIZE, **settings)
    env.reset(seed=0)
    return env


@pytest.fixture
def ball():
    env = Ball("rgb_array", width=SIZE, height=SIZE)
    env.reset(seed=0)
    yield env
    env.close()


def grey(image):
    return image.astype(float).mean(2)


@EVERY
def test_image_for_people_has_sky_above_and_no_white_void(env_id):
    env = show(env_id)
    image = env.render()
    assert tuple(image[0, 0]) == SKY_TOP
    assert not (image == 255).all(2).any()
    env.close()


def test_floor_fades_into_the_sky_without_an_edge(ball):
    ball.show_ball(False)
    column = grey(ball.render())[:, SIZE // 2 - 3]
    without_lines = np.median(grey(ball.render()), axis=1)
    assert np.abs(np.diff(without_lines)).max() < 3.0
    assert without_lines[-1] < without_lines[0] - 10.0  # The floor is darker than the sky.
    assert len(np.unique(column)) > 10


def test_floor_reaches_the_border_of_the_image_at_every_zoom(ball):
    ball.show_ball(False)
    for notches in (-20, -5, 0, 5):
        ball.camera.zoom(notches)
        image = grey(ball.render())
        assert (image[-1] < 232.0).all()


def test_shadow_lies_on_the_floor_and_goes_with_the_setting(ball):
    ball.show_ball(True)
    with_shadow = grey(ball.render())
    ball.settings = ball.settings.model_copy(update={"shadows": False})
    ball._renderer = None
    without = grey(ball.render())
    darkening = without - with_shadow
    assert darkening.max() > 20.0 and darkening.min() > -1.0
    # It is soft: neighbouring pixels differ by a fraction of its depth.
    assert np.abs(np.diff(darkening, axis=1)).max() < 0.5 * darkening.max()


def test_body_below_the_floor_shines_through_it(ball):
    ball.ball.set_base_pose((0.0, 0.0, -0.6), (0.0, 0.0, 0.0, 1.0))
    ball.show_ball(True)
    below = ball.render().astype(int)
    ball.show_ball(False)
    bare_floor = ball.render().astype(int)
    change = np.abs(below - bare_floor).max(2)
    assert 20 < change.max() < 120


def test_target_is_drawn_where_the_camera_projects_it_and_fainter_behind_a_body(ball):
    def change(centre):
        ball.markers = lambda: ()
        before = ball.render().astype(int)
        ball.markers = lambda: [Marker(centre, 0.05)]
        return np.abs(ball.render().astype(int) - before).sum(2)

    free = (0.0, 0.5, 0.5)
    x, y, _ = ball.camera.project(free)
    changed = change(free)[: round(y * SIZE) + 2]
    rows, columns = np.nonzero(changed > 60)
    assert (columns.mean() + 0.5, rows.mean() + 0.5) == pytest.approx((x * SIZE, y * SIZE), abs=2.0)
    hidden = ball.camera.position()
    behind = np.array([0.0, 0.0, 0.5]) - 0.15 * hidden / np.linalg.norm(hidden)
    x, y, _ = ball.camera.project(behind)
    faint = change(behind)[round(y * SIZE), round(x * SIZE)]
    assert 20 < faint < changed.max()


@EVERY
def test_markers_change_the_image_for_people_only(env_id):
    images = {}
    for view in ("people", "agent"):
        for markers in (True, False):
            env = show(env_id, view=view, show_markers=markers)
            images[view, markers] = env.render().tobytes()
            has_targets = bool(list(env.markers()))
            env.close()
    assert images["agent", True] == images["agent", False]
    assert (images["people", True] != images["people", False]) == has_targets


@EVERY
def test_image_for_people_leaves_the_agents_image_and_the_physics_as_they_are(env_id):
    filmed = show(env_id, observation="pixels", image_size=32)
    plain = show(env_id, observation="pixels", image_size=32)
    for action in random_actions(filmed, 4):
        filmed.render()
        results = [env.step(action)[0] for env in (filmed, plain)]
        first, second = (
            result["pixels"] if isinstance(result, dict) else result for result in results
        )
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(filmed.get_physics_state(), plain.get_physics_state())
    filmed.close()
    plain.close()


@pytest.mark.parametrize("env_id", ["poise/Humanoid3D-v0", "poise/PoseHumanoid3D-v0"])
def test_left_limbs_are_dark_and_right_limbs_light_for_people(env_id):
    env = show(env_id)
    colours = side_colours(env.body.links)
    for link, colour in colours.items():
        expected = LEFT_LIMB if "left" in link else RIGHT_LIMB if "right" in link else BODY
        assert colour == expected
    image = env.render().astype(float)
    is_blue = image[..., 2] - image[..., 0] > 60
    assert np.ptp(grey(image)[is_blue]) > 80
    env.close()


def test_appearance_recolours_sky_floor_and_bodies_for_people_too(ball):
    ball.show_ball(True)
    plain = ball.render()
    dark = Colours(background=((0, 0, 0), (10, 10, 10)), background_strength=1.0)
    ball.appearance = DEFAULT_APPEARANCE._replace(colours=dark)
    image = ball.render()
    assert grey(image).mean() < 0.2 * grey(plain).mean()
    ball.appearance = DEFAULT_APPEARANCE
    np.testing.assert_array_equal(ball.render(), plain)
