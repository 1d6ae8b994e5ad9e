"""Tests of the playground: time, keys, mouse, checkpoints, names and the window."""

import sys

import numpy as np
import pygame
import pymunk
import pytest
from gymnasium.spaces import MultiDiscrete, Text
from playing import SMALL, TICK, key, make, mouse, press

from poise.envs2d.cartpole import CART_HEIGHT, CART_WIDTH
from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.media.window import Window
from poise.toolkit.registry import make_env
from poise.toolkit.run import Run
from poise.tools.play.actors import (
    KEY_PAIRS,
    KeyboardActor,
    PolicyActor,
    convert_action,
    get_action_dim,
)
from poise.tools.play.command import find_env, find_run, play
from poise.tools.play.session import MAX_CATCH_UP, OUTCOME_SECONDS, SLOW_MOTION_FACTOR, PlaySession
from poise.tools.record.record_run import make_render_env


@pytest.fixture
def cartpole():
    return make()


# Time.


def test_real_time_second_is_one_second_of_the_env(cartpole):
    for _ in range(7):
        cartpole.run_frame(TICK)
    assert cartpole.session.steps == 7


@pytest.mark.parametrize(("speed", "frames", "steps"), [(0.5, 8, 4), (2.0, 4, 8), (4.0, 3, 12)])
def test_speed_scales_time(speed, frames, steps):
    playground = make(speed=speed)
    for _ in range(frames):
        playground.run_frame(TICK)
    assert playground.session.steps == steps


@pytest.mark.parametrize("env_rate", [0.5, 12.5, 50, 1000])
def test_window_is_responsive_at_any_frame_rate_of_the_env(cartpole, monkeypatch, env_rate):
    rates = []
    cartpole.session.rate = env_rate
    monkeypatch.setattr(cartpole.window, "tick", lambda rate: rates.append(rate) or TICK)
    cartpole.run(seconds=5 * TICK)
    assert rates and min(rates) >= 1.0 / MAX_CATCH_UP and max(rates) <= 60


def test_pause_stops_time_and_second_pause_resumes(cartpole):
    press(cartpole, "space")
    before = cartpole.session.poise_env.state
    for _ in range(5):
        cartpole.run_frame(TICK)
    assert cartpole.session.steps == 0
    assert cartpole.session.poise_env.state == before
    press(cartpole, "space")
    cartpole.run_frame(TICK)
    assert cartpole.session.steps == 1


@pytest.mark.parametrize("name", [".", "n"])
def test_single_step_key_makes_one_step_only_while_paused(cartpole, name):
    press(cartpole, name)
    assert cartpole.session.steps == 0
    press(cartpole, "space")
    press(cartpole, name)
    cartpole.run_frame(TICK)
    assert cartpole.session.steps == 1


def test_slow_motion_key_toggles_the_speed(cartpole):
    press(cartpole, "s")
    for _ in range(round(2 / SLOW_MOTION_FACTOR)):
        cartpole.run_frame(TICK)
    assert cartpole.session.steps == 2
    press(cartpole, "s")
    cartpole.run_frame(TICK)
    assert cartpole.session.steps == 3


def test_long_frame_does_not_make_the_env_jump(cartpole):
    cartpole.run_frame(60.0)
    assert cartpole.session.steps <= MAX_CATCH_UP * cartpole.session.rate


def test_reset_key_starts_the_next_seed(cartpole):
    cartpole.run_frame(TICK)
    start = cartpole.session.env.reset(seed=1)[0]
    press(cartpole, "r")
    assert (cartpole.session.seed, cartpole.session.steps) == (1, 0)
    np.testing.assert_array_equal(cartpole.session.observation, start)


def test_ended_episode_shows_outcome_before_the_next_one(cartpole):
    live = cartpole.session
    key("right")
    while not live.outcome:
        cartpole.run_frame(TICK)
    steps = live.steps
    assert live.outcome == "failed: pole"
    cartpole.run_frame(TICK)
    assert live.steps == steps
    for _ in range(round(OUTCOME_SECONDS / MAX_CATCH_UP)):
        cartpole.run_frame(MAX_CATCH_UP)
    assert live.outcome == ""
    assert live.seed == 1


def test_single_step_after_the_end_starts_the_next_episode(cartpole):
    cartpole.session.outcome = "time is up"
    press(cartpole, "space")
    press(cartpole, "n")
    assert (cartpole.session.seed, cartpole.session.steps) == (1, 0)


def test_frame_is_rendered_again_only_after_a_step(cartpole):
    first = cartpole.session.get_frame()
    cartpole.run_frame(0.0)
    assert cartpole.session.get_frame() is first
    cartpole.run_frame(TICK)
    assert cartpole.session.get_frame() is not first


# Keys.


@pytest.mark.parametrize(("name", "sign"), [("right", 1.0), ("left", -1.0)])
def test_held_key_ramps_its_action_component_and_back(cartpole, name, sign):
    key(name)
    cartpole.run_frame(TICK)
    assert 0.0 < sign * cartpole.session.action[0] < 1.0
    for _ in range(12):
        cartpole.run_frame(TICK)
    assert cartpole.session.keyboard.action[0] == sign
    key(name, pygame.KEYUP)
    for _ in range(12):
        cartpole.run_frame(TICK)
    assert cartpole.session.keyboard.action[0] == 0.0


def test_two_keys_move_two_joints():
    playground = make("poise/Standing-v0")
    key("left")
    key("w")
    playground.run_frame(TICK)
    action = playground.session.action
    assert action[0] < 0.0 < action[3]
    assert action[1] == action[2] == 0.0
    assert tuple(playground.session.poise_env.last_action) == pytest.approx(tuple(action))


def test_both_keys_of_a_pair_cancel_and_action_stays_in_bounds():
    keyboard = KeyboardActor(1)
    for name in ("left", "right"):
        keyboard.press(name)
    keyboard.update(10.0)
    assert keyboard.action[0] == 0.0
    keyboard.release("left")
    keyboard.update(10.0)
    assert keyboard.action[0] == 1.0


def test_action_components_without_keys_stay_zero():
    keyboard = KeyboardActor(len(KEY_PAIRS) + 3)
    keyboard.press(KEY_PAIRS[-1][1])
    keyboard.update(1.0)
    assert keyboard.action.sum() == keyboard.action[len(KEY_PAIRS) - 1] == 1.0


def test_no_key_has_two_meanings(cartpole, run):
    playground = make(policy=PolicyActor(run))
    keys = [name for binding in playground.bindings for name in binding.keys]
    keys += [name for pair in KEY_PAIRS for name in pair]
    assert len(keys) == len(set(keys))
    assert [pygame.key.name(pygame.key.key_code(name)) for name in keys] == keys
    assert not any("c" in binding.keys for binding in cartpole.bindings)


def test_lost_focus_releases_keys_and_body(cartpole):
    key("right")
    mouse(cartpole, pygame.MOUSEBUTTONDOWN, 0.5, 0.7)
    cartpole.run_frame(TICK)
    assert cartpole.session.perturbations.drag is not None
    pygame.event.post(pygame.event.Event(pygame.WINDOWFOCUSLOST))
    cartpole.run_frame(1.0)
    assert cartpole.session.perturbations.drag is None
    assert cartpole.session.keyboard.action[0] == 0.0


# Mouse.


@pytest.mark.parametrize("side", [1, -1])
def test_drag_pulls_the_nearest_body_towards_the_mouse(side):
    pulled = make("poise/Standing-v0")
    free = make("poise/Standing-v0")
    mouse(pulled, pygame.MOUSEBUTTONDOWN, 0.5, 0.5)
    mouse(pulled, pygame.MOUSEMOTION, 0.5 + 0.4 * side, 0.5)
    pulled.run_frame(TICK)
    free.run_frame(TICK)
    torso = pulled.session.poise_env.figure.torso
    assert pulled.session.perturbations.drag.grab.body is torso
    assert side * (torso.velocity.x - free.session.poise_env.figure.torso.velocity.x) > 0.02
    mouse(pulled, pygame.MOUSEBUTTONUP, 0.9, 0.5)
    pulled.run_frame(0.0)
    assert pulled.session.perturbations.drag is None


def test_drag_line_joins_body_and_mouse(cartpole):
    mouse(cartpole, pygame.MOUSEBUTTONDOWN, 0.75, 0.75)
    cartpole.run_frame(0.0)
    body, cursor = cartpole.session.perturbations.drag.get_endpoints()
    assert cursor == pytest.approx((0.75, 0.75), abs=0.01)
    half_cart = pymunk.Vec2d(CART_WIDTH / 2, -CART_HEIGHT / 2)
    corner = cartpole.session.poise_env.cart.position + half_cart
    assert cartpole.session.poise_env.image_to_world(*body) == pytest.approx(corner, abs=0.01)


def test_press_beside_the_image_grabs_nothing(cartpole):
    mouse(cartpole, pygame.MOUSEBUTTONDOWN, 1.5, 0.5)
    cartpole.run_frame(TICK)
    assert cartpole.session.perturbations.drag is None


# Environments and runs.


def test_foreign_env_is_controlled_by_keys_but_not_dragged():
    playground = make("Pendulum-v1")
    key("left")
    mouse(playground, pygame.MOUSEBUTTONDOWN, 0.5, 0.5)
    playground.run_frame(0.1)
    assert playground.session.perturbations.drag is None
    assert playground.session.steps == 3
    assert playground.session.action[0] < 0.0


def test_keys_control_discrete_actions():
    live = make("CartPole-v1").session
    space = live.env.action_space
    assert [convert_action(np.array([value]), space) for value in (-1.0, 1.0)] == [0, 1]
    live.keyboard.action[:] = 1.0
    live.step()
    assert live.action.tolist() == [1] and live.steps == 1
    choices = MultiDiscrete([3, 5], start=[0, 2])
    assert convert_action(np.array([0.0, 1.0]), choices).tolist() == [1, 6]
    assert convert_action(np.array([-1.0, -1.0]), choices).tolist() == [0, 2]


def test_unsupported_action_space_is_refused():
    with pytest.raises(UserError, match="keys control"):
        get_action_dim(Text(5))


def test_keyboard_session_starts_paused_and_policy_session_at_once(run):
    env = make_render_env("poise/Cartpole-v0", {}, SMALL)
    assert PlaySession(env).is_paused
    assert not PlaySession(env, PolicyActor(run)).is_paused


def test_policy_acts_and_c_loads_the_next_checkpoint(run):
    playground = make(policy=PolicyActor(run, "latest"))
    live = playground.session
    observation = live.observation
    playground.run_frame(TICK)
    np.testing.assert_array_equal(live.action, PolicyActor(run, "40").act(observation))
    press(playground, "c")
    assert live.policy.training_steps == 0, "the untrained policy"
    press(playground, "c")
    assert live.policy.training_steps == 20
    action = live.policy.act(observation)
    np.testing.assert_array_equal(action, PolicyActor(run, "20").act(observation))
    assert not np.array_equal(action, PolicyActor(run, "40").act(observation))
    press(playground, "c")
    assert live.policy.training_steps == 40


def test_damaged_checkpoint_leaves_the_present_one_acting(run, monkeypatch):
    playground = make(policy=PolicyActor(run, "latest"))

    def damaged(*_: object, **__: object) -> None:
        raise WorkError("checkpoint 0 is damaged")

    monkeypatch.setattr(Run, "load_checkpoint", damaged)
    press(playground, "c")
    assert "damaged" in playground.notice
    assert playground.session.policy.training_steps == 40


def test_run_takes_precedence_over_env_of_the_same_name(run, tmp_path):
    assert find_run("cartpole", tmp_path) is None
    (tmp_path / "cartpole").mkdir()
    (tmp_path / "cartpole" / "config.json").write_text("{}", encoding="utf-8")
    assert find_run("cartpole", tmp_path).path == tmp_path / "cartpole"
    assert find_run(str(run.path), tmp_path).path == run.path


def test_mistyped_name_is_answered_with_the_nearest_env_or_run(run):
    assert find_env("bolla-rolla", run.path.parent) == "poise/BollaRolla-v0"
    suggestions = {"cartpol": "cartpole", "tinny": "tiny", "Pendulum-v7": "Pendulum-v1"}
    for name, suggestion in suggestions.items():
        with pytest.raises(UserError, match=suggestion):
            find_env(name, run.path.parent)


def test_checkpoint_option_needs_a_run(tmp_path):
    with pytest.raises(UserError, match="--checkpoint"):
        play("cartpole", tmp_path, "best", {})


# The window.


@pytest.mark.parametrize("name", ["q", "escape", None])
def test_quit_ends_the_loop_and_closes_the_window(run, name):
    pygame.display.init()
    if name is None:
        pygame.event.post(pygame.event.Event(pygame.QUIT))
    else:
        key(name)
    play("tiny", run.path.parent, None, {}, size=64)
    assert not pygame.display.get_init()


def test_help_key_toggles_the_help(cartpole):
    assert cartpole.is_help_shown
    press(cartpole, "h")
    assert not cartpole.is_help_shown
    press(cartpole, "h")
    assert cartpole.is_help_shown


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a display")
def test_missing_display_is_a_user_error(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match=r"no display.*record a video"):
        Window("test")
    assert not pygame.display.get_init()


def test_headless_driver_that_was_not_requested_is_a_user_error(monkeypatch):
    monkeypatch.setattr(pygame.display, "get_driver", lambda: "offscreen")
    with pytest.raises(UserError, match="display does not respond"):
        Window("test")
    assert not pygame.display.get_init()


def test_human_mode_opens_a_window_of_the_image_size():
    env = make_env("poise/Cartpole-v0", SMALL, render_mode="human")
    env.reset(seed=0)
    assert pygame.display.get_surface().get_size() == (SMALL["width"], SMALL["height"])
    env.close()
    env.close()


def test_right_drag_orbits_and_wheel_zooms_in_space():
    pytest.importorskip("pybullet")
    playground = make("poise/Reacher3D-v0", running=False)
    camera = playground.session.poise_env.camera
    yaw = camera.yaw
    pitch = camera.pitch
    distance = camera.distance
    before = playground.session.get_frame()
    pygame.event.post(
        pygame.event.Event(pygame.MOUSEMOTION, pos=(40, 40), rel=(16, 8), buttons=(0, 0, 1))
    )
    pygame.event.post(pygame.event.Event(pygame.MOUSEWHEEL, x=0, y=2))
    playground.run_frame(0.0)
    assert camera.yaw < yaw
    assert camera.pitch > pitch
    assert camera.distance == pytest.approx(distance * 0.81)
    assert not np.array_equal(playground.session.get_frame(), before)
    mouse(playground, pygame.MOUSEBUTTONDOWN, 0.5, 0.5)
    playground.run_frame(0.0)
    # The arm's base is in the middle of the image.
    assert playground.session.perturbations.drag is not None
