"""The playground keeps its laws: time, keys, mouse and checkpoints do what the help says."""

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
from poise.toolkit.registry import make_world
from poise.toolkit.run import Run
from poise.tools.play.actors import PAIRS, Controls, Policy, action_of, action_size
from poise.tools.play.command import find_run, find_world, play
from poise.tools.play.session import HICCUP, SLOW, VERDICT, LiveWorld
from poise.tools.record.record_run import drawable_world


@pytest.fixture
def cartpole():
    return make()


# Time.


def test_a_second_of_real_time_is_a_second_of_the_worlds(cartpole):
    for _ in range(7):
        cartpole.frame(TICK)
    assert cartpole.live.steps == 7


@pytest.mark.parametrize(("speed", "frames", "steps"), [(0.5, 8, 4), (2.0, 4, 8), (4.0, 3, 12)])
def test_speed_scales_time(speed, frames, steps):
    playground = make(speed=speed)
    for _ in range(frames):
        playground.frame(TICK)
    assert playground.live.steps == steps


def test_pausing_stops_time_and_pausing_again_lets_it_go_on(cartpole):
    press(cartpole, "space")
    before = cartpole.live.ours.state
    for _ in range(5):
        cartpole.frame(TICK)
    assert cartpole.live.steps == 0
    assert cartpole.live.ours.state == before
    press(cartpole, "space")
    cartpole.frame(TICK)
    assert cartpole.live.steps == 1


@pytest.mark.parametrize("name", [".", "n"])
def test_a_single_step_is_one_step_and_only_while_paused(cartpole, name):
    press(cartpole, name)
    assert cartpole.live.steps == 0
    press(cartpole, "space")
    press(cartpole, name)
    cartpole.frame(TICK)
    assert cartpole.live.steps == 1


def test_slow_motion_slows_and_stops_slowing(cartpole):
    press(cartpole, "s")
    for _ in range(round(2 / SLOW)):
        cartpole.frame(TICK)
    assert cartpole.live.steps == 2
    press(cartpole, "s")
    cartpole.frame(TICK)
    assert cartpole.live.steps == 3


def test_a_hiccup_does_not_make_the_world_jump(cartpole):
    cartpole.frame(60.0)
    assert cartpole.live.steps <= HICCUP * cartpole.live.rate


def test_reset_begins_the_next_seed(cartpole):
    cartpole.frame(TICK)
    start = cartpole.live.world.reset(seed=1)[0]
    press(cartpole, "r")
    assert (cartpole.live.seed, cartpole.live.steps) == (1, 0)
    np.testing.assert_array_equal(cartpole.live.observation, start)


def test_an_episode_that_ends_says_why_and_a_new_one_begins(cartpole):
    live = cartpole.live
    key("right")
    while not live.verdict:
        cartpole.frame(TICK)
    steps = live.steps
    assert live.verdict == "failed: pole"
    cartpole.frame(TICK)
    assert live.steps == steps
    for _ in range(round(VERDICT / HICCUP)):
        cartpole.frame(HICCUP)
    assert live.verdict == ""
    assert live.seed == 1


def test_a_single_step_after_the_end_begins_the_next_episode(cartpole):
    cartpole.live.verdict = "time is up"
    press(cartpole, "space")
    press(cartpole, "n")
    assert (cartpole.live.seed, cartpole.live.steps) == (1, 0)


def test_the_picture_is_drawn_anew_exactly_when_the_world_moves(cartpole):
    first = cartpole.live.picture()
    cartpole.frame(0.0)
    assert cartpole.live.picture() is first
    cartpole.frame(TICK)
    assert cartpole.live.picture() is not first


# Keys.


@pytest.mark.parametrize(("name", "sign"), [("right", 1.0), ("left", -1.0)])
def test_a_held_key_is_effort_that_ramps_up_and_back(cartpole, name, sign):
    key(name)
    cartpole.frame(TICK)
    assert 0.0 < sign * cartpole.live.action[0] < 1.0
    for _ in range(12):
        cartpole.frame(TICK)
    assert cartpole.live.controls.effort[0] == sign
    key(name, pygame.KEYUP)
    for _ in range(12):
        cartpole.frame(TICK)
    assert cartpole.live.controls.effort[0] == 0.0


def test_two_joints_move_at_once():
    playground = make("poise/Standing-v0")
    key("left")
    key("w")
    playground.frame(TICK)
    action = playground.live.action
    assert action[0] < 0.0 < action[3]
    assert action[1] == action[2] == 0.0
    assert tuple(playground.live.ours.effort) == pytest.approx(tuple(action))


def test_both_keys_of_a_pair_cancel_and_effort_stays_in_bounds():
    controls = Controls(1)
    for name in ("left", "right"):
        controls.press(name)
    controls.advance(10.0)
    assert controls.effort[0] == 0.0
    controls.release("left")
    controls.advance(10.0)
    assert controls.effort[0] == 1.0


def test_an_action_with_more_numbers_than_keys_has_the_rest_at_zero():
    controls = Controls(len(PAIRS) + 3)
    controls.press(PAIRS[-1][1])
    controls.advance(1.0)
    assert controls.effort.sum() == controls.effort[len(PAIRS) - 1] == 1.0


def test_no_key_means_two_things(cartpole, run):
    watched = make(policy=Policy(run))
    taken = [name for binding in watched.bindings for name in binding.keys] + [name for pair in PAIRS for name in pair]
    assert len(taken) == len(set(taken))
    assert [pygame.key.name(pygame.key.key_code(name)) for name in taken] == taken
    assert not any("c" in binding.keys for binding in cartpole.bindings)


def test_leaving_for_another_window_lets_go_of_everything(cartpole):
    key("right")
    mouse(cartpole, pygame.MOUSEBUTTONDOWN, 0.5, 0.7)
    cartpole.frame(TICK)
    assert cartpole.live.disturbance.band is not None
    pygame.event.post(pygame.event.Event(pygame.WINDOWFOCUSLOST))
    cartpole.frame(1.0)
    assert cartpole.live.disturbance.band is None
    assert cartpole.live.controls.effort[0] == 0.0


# Mouse.


@pytest.mark.parametrize("side", [1, -1])
def test_dragging_pulls_the_nearest_body_towards_the_mouse(side):
    pulled, free = make("poise/Standing-v0"), make("poise/Standing-v0")
    mouse(pulled, pygame.MOUSEBUTTONDOWN, 0.5, 0.5)
    mouse(pulled, pygame.MOUSEMOTION, 0.5 + 0.4 * side, 0.5)
    pulled.frame(TICK)
    free.frame(TICK)
    torso = pulled.live.ours.figure.torso
    assert pulled.live.disturbance.band.hold.body is torso
    assert side * (torso.velocity.x - free.live.ours.figure.torso.velocity.x) > 0.02
    mouse(pulled, pygame.MOUSEBUTTONUP, 0.9, 0.5)
    pulled.frame(0.0)
    assert pulled.live.disturbance.band is None


def test_the_band_starts_at_the_body_and_ends_at_the_mouse(cartpole):
    mouse(cartpole, pygame.MOUSEBUTTONDOWN, 0.75, 0.75)
    cartpole.frame(0.0)
    body, cursor = cartpole.live.disturbance.band.ends()
    assert cursor == pytest.approx((0.75, 0.75), abs=0.01)
    corner = cartpole.live.ours.cart.position + pymunk.Vec2d(CART_WIDTH / 2, -CART_HEIGHT / 2)
    assert cartpole.live.ours.to_world(*body) == pytest.approx(corner, abs=0.01)


def test_a_press_beside_the_picture_grabs_nothing(cartpole):
    mouse(cartpole, pygame.MOUSEBUTTONDOWN, 1.5, 0.5)
    cartpole.frame(TICK)
    assert cartpole.live.disturbance.band is None


# Worlds and runs.


def test_somebody_elses_world_can_be_steered_but_not_pulled():
    playground = make("Pendulum-v1")
    key("left")
    mouse(playground, pygame.MOUSEBUTTONDOWN, 0.5, 0.5)
    playground.frame(0.1)
    assert playground.live.disturbance.band is None
    assert playground.live.steps == 3
    assert playground.live.action[0] < 0.0


def test_choices_are_steered_by_the_same_keys():
    live = make("CartPole-v1").live
    assert [action_of(np.array([effort]), live.world.action_space) for effort in (-1.0, 1.0)] == [0, 1]
    live.controls.effort[:] = 1.0
    live.step()
    assert live.action.tolist() == [1] and live.steps == 1
    several = MultiDiscrete([3, 5], start=[0, 2])
    assert action_of(np.array([0.0, 1.0]), several).tolist() == [1, 6] and action_of(
        np.array([-1.0, -1.0]), several
    ).tolist() == [0, 2]


def test_a_world_that_keys_cannot_steer_is_refused():
    with pytest.raises(UserError, match="keys steer"):
        action_size(Text(5))


def test_whoever_steers_begins_when_ready_and_a_policy_begins_at_once(run):
    world = drawable_world("poise/Cartpole-v0", {}, SMALL)
    assert LiveWorld(world).paused
    assert not LiveWorld(world, Policy(run)).paused


def test_the_policy_acts_and_c_takes_the_next_checkpoint(run):
    playground = make(policy=Policy(run, "latest"))
    live = playground.live
    seen = live.observation
    playground.frame(TICK)
    np.testing.assert_array_equal(live.action, Policy(run, "40").act(seen))
    press(playground, "c")
    assert live.policy.step == 0, "what it was before it learned"
    press(playground, "c")
    assert live.policy.step == 20
    np.testing.assert_array_equal(live.policy.act(seen), Policy(run, "20").act(seen))
    assert not np.array_equal(live.policy.act(seen), Policy(run, "40").act(seen))
    press(playground, "c")
    assert live.policy.step == 40


def test_a_checkpoint_that_cannot_be_read_leaves_the_present_one_acting(run, monkeypatch):
    playground = make(policy=Policy(run, "latest"))

    def damaged(*_: object, **__: object) -> None:
        raise WorkError("checkpoint 0 is damaged")

    monkeypatch.setattr(Run, "load", damaged)
    press(playground, "c")
    assert "damaged" in playground.notice
    assert playground.live.policy.step == 40


def test_a_run_comes_before_a_world_of_the_same_name(run, tmp_path):
    assert find_run("cartpole", tmp_path) is None
    (tmp_path / "cartpole").mkdir()
    (tmp_path / "cartpole" / "config.json").write_text("{}")
    assert find_run("cartpole", tmp_path).path == tmp_path / "cartpole"
    assert find_run(str(run.path), tmp_path).path == run.path


def test_a_mistyped_name_is_answered_with_the_nearest_world_or_run(run):
    assert find_world("bolla-rolla", run.path.parent) == "poise/BollaRolla-v0"
    for word, near in (("cartpol", "cartpole"), ("tinny", "tiny"), ("Pendulum-v7", "Pendulum-v1")):
        with pytest.raises(UserError, match=near):
            find_world(word, run.path.parent)


def test_a_checkpoint_is_asked_only_of_a_run(tmp_path):
    with pytest.raises(UserError, match="--checkpoint"):
        play("cartpole", tmp_path, "best", {})


# The window.


@pytest.mark.parametrize("name", ["q", "escape", None])
def test_leaving_ends_the_loop_and_closes_the_window(run, name):
    pygame.display.init()
    if name is None:
        pygame.event.post(pygame.event.Event(pygame.QUIT))
    else:
        key(name)
    play("tiny", run.path.parent, None, {}, size=64)
    assert not pygame.display.get_init()


def test_h_hides_the_help_and_shows_it_again(cartpole):
    assert cartpole.help
    press(cartpole, "h")
    assert not cartpole.help
    press(cartpole, "h")
    assert cartpole.help


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a display")
def test_no_display_is_told_in_one_line(monkeypatch):
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "SDL_VIDEODRIVER"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(UserError, match=r"no display.*record a film"):
        Window("test")
    assert not pygame.display.get_init()


def test_a_driver_that_nobody_asked_for_and_that_shows_nothing_is_no_display(monkeypatch):
    monkeypatch.setattr(pygame.display, "get_driver", lambda: "offscreen")
    with pytest.raises(UserError, match="display does not answer"):
        Window("test")
    assert not pygame.display.get_init()


def test_a_world_in_human_mode_opens_a_window_of_its_pictures_size():
    world = make_world("poise/Cartpole-v0", SMALL, render_mode="human")
    world.reset(seed=0)
    assert pygame.display.get_surface().get_size() == (SMALL["width"], SMALL["height"])
    world.close()
    world.close()


def test_the_right_button_and_the_wheel_turn_and_near_a_scene_in_space():
    pytest.importorskip("pybullet")
    playground = make("poise/Reacher3D-v0", running=False)
    camera = playground.live.ours.camera
    yaw, pitch, distance, before = camera.yaw, camera.pitch, camera.distance, playground.live.picture()
    pygame.event.post(pygame.event.Event(pygame.MOUSEMOTION, pos=(40, 40), rel=(16, 8), buttons=(0, 0, 1)))
    pygame.event.post(pygame.event.Event(pygame.MOUSEWHEEL, x=0, y=2))
    playground.frame(0.0)
    assert camera.yaw < yaw
    assert camera.pitch > pitch
    assert camera.distance == pytest.approx(distance * 0.81)
    assert not np.array_equal(playground.live.picture(), before)
    mouse(playground, pygame.MOUSEBUTTONDOWN, 0.5, 0.5)
    playground.frame(0.0)
    assert playground.live.disturbance.band is not None  # The arm's base is in the middle of the picture.
