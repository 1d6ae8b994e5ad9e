"""Tests of the playground: mouse, sliders, shared control, scores, videos, tapes, window sizes."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pygame
import pytest
from gymnasium.spaces import Box, Discrete
from playing import TICK, key, make, mouse, post_mouse_event, press
from sample_envs import OUR_IDS, needs_pybullet

from poise.toolkit.errors import UserError
from poise.toolkit.media.hud import LARGEST_ACTION_ROWS, MAX_ACTION_ROWS
from poise.toolkit.media.video import read_video
from poise.toolkit.media.window import SIDEBAR_WIDTH, Window
from poise.toolkit.registry import make_env
from poise.toolkit.tape import Tape
from poise.tools.play.actors import PolicyActor, blend_actions
from poise.tools.play.command import DEFAULT_SIZE, play
from poise.tools.play.playground import Playground
from poise.tools.play.recorder import BUFFER_SECONDS, VIDEO_FRAME_RATE, PlayRecorder
from poise.tools.play.session import (
    HUMAN,
    POLICY,
    LiveRenderer,
    PlaySession,
    Scoreboard,
    TapeRecorder,
)
from poise.tools.record.record_run import make_render_env

CARTPOLE = "poise/Cartpole-v0"
STANDING = "poise/Standing-v0"


LARGE = {"width": 300, "height": 300}
"""An image size for which the sidebar has room for all sliders."""


def make_playground(tmp_path, env_id=STANDING, policy=None, **settings):
    """Return a running playground in a window with a sidebar."""
    live = PlaySession(
        make_render_env(env_id, settings, LARGE), policy, tape=TapeRecorder(env_id, settings)
    )
    playground = Playground(Window("test", has_sidebar=True), live, tmp_path)
    live.is_paused = playground.is_help_shown = False
    playground.run_frame(0.0)
    return playground


def find_slider(playground, name):
    """Return the slider of that name."""
    sliders = playground.side_panel.sliders.sliders
    return next(slider for slider in sliders if slider.name == name)


def use_slider(
    playground, name, fraction, event_type=pygame.MOUSEBUTTONDOWN, button=pygame.BUTTON_LEFT
):
    """Press or move the mouse at a fraction of a slider's track; below 0 it is on the name."""
    track = playground.side_panel.sliders.get_track_rect(find_slider(playground, name))
    pixel = (round(track.left + fraction * track.width), track.centery)
    post_mouse_event(event_type, pixel, button)
    playground.run_frame(0.0)


def run_steps(live, steps=30):
    """Make steps and return the observations (steps + 1, O)."""
    observations = [live.observation]
    for _ in range(steps):
        live.step()
        observations.append(live.observation)
    return np.array(observations)


# Perturbations.


@pytest.mark.parametrize("env_id", OUR_IDS)
def test_unperturbed_session_equals_plain_episode(env_id, tmp_path):
    needs_pybullet(env_id)
    playground = make_playground(tmp_path, env_id)
    env = make_env(env_id)
    np.testing.assert_array_equal(env.reset(seed=0)[0], playground.session.observation)
    for _ in range(10):
        playground.run_frame(TICK)
        observation = env.step(np.zeros(env.action_space.shape, np.float32))[0]
        np.testing.assert_array_equal(playground.session.observation, observation)
    assert playground.session.steps == 10 and playground.session.perturbations.perturbed_by == ""
    playground.recorder.close(), playground.session.env.close(), env.close()


def test_reset_removes_all_perturbations(tmp_path):
    playground = make_playground(tmp_path)
    live = playground.session
    before = run_steps(live)
    live.start_episode(0)
    mouse(playground, pygame.MOUSEMOTION, 0.45, 0.4)
    press(playground, "b")
    mouse(playground, pygame.MOUSEBUTTONDOWN, 0.5, 0.5)
    press(playground, "1")
    assert not np.array_equal(run_steps(live), before)
    press(playground, "1")
    live.start_episode(0)
    np.testing.assert_array_equal(run_steps(live), before)
    assert live.perturbations.perturbed_by == "" and live.perturbations.drag is None


# Mouse.


def test_dragged_body_follows_mouse_until_release(tmp_path):
    playground = make_playground(tmp_path, gravity=0.0)
    torso = playground.session.poise_env.figure.torso
    x, y = playground.session.poise_env.world_to_image(torso.position)
    mouse(playground, pygame.MOUSEBUTTONDOWN, x, y)
    mouse(playground, pygame.MOUSEMOTION, x, y - 0.2)
    high = torso.position.y
    for _ in range(20):
        playground.run_frame(TICK)
    assert torso.position.y > high + 0.2
    mouse(playground, pygame.MOUSEBUTTONUP, x, y - 0.2)
    playground.run_frame(0.0)
    assert playground.session.perturbations.drag is None
    assert not [
        joint
        for joint in playground.session.poise_env.space.constraints
        if len({joint.a.body_type, joint.b.body_type}) > 1
    ]


@pytest.mark.parametrize("trigger", ["b", "right button"])
def test_ball_key_and_right_button_throw_at_mouse(tmp_path, trigger):
    playground = make_playground(tmp_path, CARTPOLE)
    live = playground.session
    if trigger == "b":
        mouse(playground, pygame.MOUSEMOTION, 0.2, 0.3)
        press(playground, "b")
    else:
        mouse(playground, pygame.MOUSEBUTTONDOWN, 0.2, 0.3, pygame.BUTTON_RIGHT)
        playground.run_frame(0.0)
    (ball,) = live.poise_env.interaction().balls
    assert ball.velocity.x > 0.0  # It comes from the left, where the mouse is.
    assert live.perturbations.perturbed_by == "ball"
    press(playground, "r")
    assert not live.poise_env.interaction().balls


# Sliders.


@pytest.mark.parametrize("env_id", OUR_IDS)
def test_slider_changes_live_setting_until_release(env_id, tmp_path):
    needs_pybullet(env_id)
    playground = make_playground(tmp_path, env_id)
    poise_env = playground.session.poise_env
    for name in poise_env.LIVE_SETTINGS:
        low, high = poise_env.SETTINGS.bounds(name)
        use_slider(playground, name.replace("_", " "), 0.5)
        assert getattr(poise_env.settings, name) == pytest.approx((low + high) / 2, rel=0.05)
        use_slider(playground, name.replace("_", " "), 2.0, pygame.MOUSEMOTION)
        assert getattr(poise_env.settings, name) == high
        mouse(playground, pygame.MOUSEBUTTONUP, 0.5, 0.5)
        playground.run_frame(0.0)
        use_slider(playground, name.replace("_", " "), 0.3, pygame.MOUSEMOTION)
        assert getattr(poise_env.settings, name) == high, "the slider was released"
        use_slider(playground, name.replace("_", " "), 0.5, button=pygame.BUTTON_RIGHT)
        assert getattr(poise_env.settings, name) == getattr(poise_env.SETTINGS(), name)
    playground.run_frame(TICK)
    playground.session.env.close()


def test_press_on_slider_grabs_no_body_and_hidden_slider_is_disabled(tmp_path):
    playground = make_playground(tmp_path)
    use_slider(playground, "gravity", 0.5)
    assert playground.session.perturbations.drag is None
    gravity = playground.session.poise_env.settings.gravity
    press(playground, "h")
    playground.run_frame(0.0)
    use_slider(playground, "gravity", 0.9)
    assert playground.session.poise_env.settings.gravity == gravity


@pytest.mark.parametrize(("name", "number"), [("wind", "1"), ("pushes", "2")])
def test_wind_and_pushes_toggle_by_key_and_by_name(tmp_path, name, number):
    playground = make_playground(tmp_path)
    is_on = find_slider(playground, name).is_on
    press(playground, number)
    assert is_on()
    playground.run_frame(0.0)
    use_slider(playground, name, -0.5)
    assert not is_on()


def test_wind_slider_sets_acceleration(tmp_path):
    playground = make_playground(tmp_path, gravity=0.0)
    live = playground.session
    live.poise_env.figure.torso.position += (0.0, 100.0)
    playground.session.start_episode(0)
    press(playground, "1")
    find_slider(playground, "wind").set(0.5)
    calm = make_playground(tmp_path, gravity=0.0).session
    for _ in range(10):
        live.step(), calm.step()
    speeds = [
        np.mean([body.velocity.x for body in env.poise_env.space.bodies]) for env in (live, calm)
    ]
    assert speeds[0] - speeds[1] == pytest.approx(10 * 0.02 * 0.5, rel=0.2)
    assert live.perturbations.perturbed_by == "wind"


def test_pushes_are_random_and_reproducible_by_seed(tmp_path):
    episodes = []
    for seed in (0, 0, 1):
        live = make_playground(tmp_path).session
        live.perturbations.external_forces.has_pushes = True
        live.start_episode(0)
        live.perturbations.external_forces.start_episode(seed)
        episodes.append(run_steps(live, 60))
    assert np.array_equal(episodes[0], episodes[1])
    assert not np.array_equal(episodes[0], episodes[2])


# Human and policy.


def test_tab_takes_and_returns_control(run, tmp_path):
    playground = make_playground(tmp_path, CARTPOLE, PolicyActor(run))
    live = playground.session
    press(playground, "tab")
    key("right")
    for _ in range(5):
        playground.run_frame(TICK)
    assert live.human_share == 1.0 and live.action[0] == live.keyboard.action[0] > 0.0
    press(playground, "tab")
    observation = live.observation
    playground.run_frame(TICK)
    np.testing.assert_array_equal(live.action, PolicyActor(run).act(observation))


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_shared_action_is_weighted_mean(run, tmp_path, share):
    playground = make_playground(tmp_path, CARTPOLE, PolicyActor(run))
    live = playground.session
    use_slider(playground, "your share", share)
    assert live.human_share == pytest.approx(share, abs=0.02)
    live.keyboard.action[:] = 1.0
    policy_action = live.policy.act(live.observation)
    live.step()
    blended = policy_action + live.human_share * (1.0 - policy_action)
    np.testing.assert_allclose(live.action, blended, rtol=1e-6, atol=1e-6)


def test_blended_choice_is_the_one_with_larger_share():
    shares = (0.0, 0.5, 0.51, 1.0)
    assert [blend_actions(0, 2, share, Discrete(3)) for share in shares] == [0, 0, 2, 2]
    box = Box(-1.0, 1.0, (2,), np.float32)
    assert blend_actions(np.zeros(2), np.ones(2), 0.5, box).dtype == np.float32


def test_session_without_policy_has_no_share_slider(tmp_path):
    sliders = make_playground(tmp_path).side_panel.sliders.sliders
    names = [slider.name for slider in sliders]
    assert "your share" not in names and names == ["gravity", "friction", "wind", "pushes"]


def test_scoreboard_counts_by_player():
    scoreboard = Scoreboard()
    for player, has_fallen in (
        (POLICY, False),
        (POLICY, False),
        (HUMAN, False),
        (HUMAN, True),
        (HUMAN, False),
        (POLICY, False),
    ):
        reward = 2.0 if player == HUMAN else 1.0
        scoreboard.add_step(player, 0.5, reward, has_fallen=has_fallen)
    policy = scoreboard.players[POLICY]
    assert (policy.seconds, policy.longest_streak, policy.falls) == (1.5, 1.0, 0)
    assert policy.total_reward / policy.steps == 1.0
    human = scoreboard.players[HUMAN]
    assert (human.seconds, human.longest_streak, human.falls) == (1.5, 1.0, 1)
    assert human.total_reward / human.steps == 2.0
    scoreboard.start_episode()
    scoreboard.add_step(POLICY, 0.5, 1.0, has_fallen=False)
    assert scoreboard.players[POLICY].longest_streak == 1.0, "streaks end with the episode"


def test_step_is_scored_for_player_in_control(run, tmp_path):
    playground = make_playground(tmp_path, CARTPOLE, PolicyActor(run))
    playground.run_frame(TICK)
    press(playground, "tab")
    playground.run_frame(TICK), playground.run_frame(TICK)
    scores = playground.session.scoreboard.players
    assert (scores[POLICY].steps, scores[HUMAN].steps) == (1, 2)


def test_backspace_restarts_the_same_episode(tmp_path):
    playground = make_playground(tmp_path)
    start = playground.session.observation
    playground.run_frame(TICK)
    press(playground, "backspace")
    assert (playground.session.seed, playground.session.steps) == (0, 0)
    np.testing.assert_array_equal(playground.session.observation, start)


# Checkpoints.


def test_brackets_cycle_checkpoints_and_notice_names_the_step(run, tmp_path):
    playground = make_playground(tmp_path, CARTPOLE, PolicyActor(run, "latest"))
    steps = []
    for name in ("[", "[", "[", "]", "]", "]"):
        press(playground, name)
        steps.append(playground.session.policy.training_steps)
        assert playground.notice == f"checkpoint: step {steps[-1]}"
    assert steps == [20, 0, 40, 0, 20, 40]


# Videos and tapes.


def wait_for_message(playground):
    """Wait until all files are written and return the last message, shown or not."""
    return [playground.notice, *playground.recorder.close()][-1]


def test_video_key_saves_the_shown_frames(tmp_path):
    playground = make_playground(tmp_path / "new")
    for _ in range(5):
        playground.run_frame(TICK)
        last_frame = playground.session.get_frame()
    press(playground, "m")
    assert wait_for_message(playground) == f"video: {tmp_path / 'new' / 'play-1.mp4'}"
    frames = list(read_video(tmp_path / "new" / "play-1.mp4"))
    assert len(frames) == 6
    assert np.abs(frames[-1].astype(int) - last_frame).mean() < 3.0


def test_saved_video_holds_last_seconds_at_the_shown_pace(tmp_path):
    recorder = PlayRecorder(tmp_path)
    for number in range(30):
        recorder.add_frame(np.full((32, 32, 3), 8 * number, np.uint8), BUFFER_SECONDS / 10)
        recorder._frames[-1].result()
    recorder.save_video()
    recorder.close()
    shades = [int(frame.mean()) for frame in read_video(tmp_path / "play-1.mp4")]
    assert len(shades) == pytest.approx(BUFFER_SECONDS * VIDEO_FRAME_RATE, abs=2)
    assert shades[0] == pytest.approx(8 * 19, abs=3) and shades[-1] == pytest.approx(8 * 29, abs=3)
    assert all(shade <= next_shade + 2 for shade, next_shade in pairwise(shades))


def test_paused_session_records_no_frames(tmp_path):
    playground = make_playground(tmp_path, CARTPOLE)
    mouse(playground, pygame.MOUSEBUTTONDOWN, 0.5, 0.5)
    playground.run_frame(TICK)
    press(playground, "space")
    before = len(playground.recorder._frames)
    for _ in range(5):
        playground.run_frame(TICK)  # The drag line is drawn again, and no time passes.
    assert len(playground.recorder._frames) == before


def test_saved_files_never_share_a_stem(tmp_path):
    playground = make_playground(tmp_path, CARTPOLE)
    playground.run_frame(TICK)
    for name in ("m", "p", "m"):
        press(playground, name)
    playground.recorder.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "play-1.mp4",
        "play-2.tape",
        "play-3.mp4",
    ]


@pytest.mark.parametrize("env_id", [CARTPOLE, "poise/BollaRolla-v0", "Pendulum-v1", "CartPole-v1"])
def test_tape_replays_the_episode(tmp_path, env_id):
    live = PlaySession(make_render_env(env_id, {}, LARGE), seed=3, tape=TapeRecorder(env_id))
    live.keyboard.press("right")
    for _ in range(6):
        live.keyboard.update(0.02)
        live.step()
    recorder = PlayRecorder(tmp_path)
    recorder.save_tape(live.tape.make_tape(live.perturbations.perturbed_by))
    assert recorder.close() == [f"tape: {tmp_path / 'play-1.tape'}"]
    tape = Tape.load(tmp_path / "play-1.tape")
    steps = list(tape.replay(tape.make_env()))
    assert tape.seed == 3 and len(steps) == 7
    np.testing.assert_array_equal(steps[-1].observation, live.observation)


def test_tape_holds_settings_changed_before_the_episode(tmp_path):
    playground = make_playground(tmp_path, "poise/BollaRolla-v0")
    use_slider(playground, "ball radius", 0.2)
    mouse(playground, pygame.MOUSEBUTTONUP, 0.5, 0.5)
    press(playground, "p")
    assert "changed ball radius" in playground.notice
    press(playground, "r")
    for _ in range(5):
        playground.run_frame(TICK)
    press(playground, "p")
    playground.recorder.close()
    tape = Tape.load(tmp_path / "play-1.tape")
    assert tape.settings["ball_radius"] == playground.session.poise_env.settings.ball_radius != 0.25
    *_, last = tape.replay(tape.make_env())
    np.testing.assert_array_equal(last.observation, playground.session.observation)


@pytest.mark.parametrize("cause", ["mouse", "ball", "wind", "changed gravity", "push"])
def test_perturbed_episode_gives_no_tape_and_notice_names_the_cause(tmp_path, cause):
    playground = make_playground(tmp_path)
    match cause:
        case "mouse":
            mouse(playground, pygame.MOUSEBUTTONDOWN, 0.5, 0.5)
            playground.run_frame(0.0)
        case "ball":
            press(playground, "b")
        case "wind":
            press(playground, "1")
        case "changed gravity":
            use_slider(playground, "gravity", 0.6)
        case "push":
            press(playground, "2")
    for _ in range(300 if cause == "push" else 3):
        playground.session.step()
        if playground.session.perturbations.perturbed_by:
            break
    press(playground, "p")
    assert playground.notice == (
        f"no tape: this episode was perturbed ({cause}), and a tape holds only seed and actions"
    )
    assert playground.recorder.close() == [] and list(tmp_path.iterdir()) == []


def test_tape_with_deviating_replay_is_not_saved(tmp_path, monkeypatch):
    playground = make_playground(tmp_path)
    for _ in range(3):
        playground.run_frame(TICK)
    tape = playground.session.tape.make_tape("")
    tape.actions[1] = 0.5
    playground.recorder.save_tape(tape)
    (message,) = playground.recorder.close()
    assert message.startswith("not saved: the replay differs from the tape from step 2 on;")
    assert list(tmp_path.iterdir()) == []


def test_unwritable_folder_is_reported_and_play_continues(tmp_path):
    (tmp_path / "file").write_text("mine", encoding="utf-8")
    playground = make_playground(tmp_path / "file")
    playground.run_frame(TICK)
    press(playground, "m")
    message = wait_for_message(playground)
    assert message.startswith("not saved:") and str(tmp_path / "file") in message


def test_unknown_env_id_gives_no_tape():
    with pytest.raises(UserError, match="no tape"):
        PlaySession(make_render_env(CARTPOLE, {}, LARGE)).tape.make_tape("")


# The window.


@pytest.mark.parametrize("size", [(240, 200), (640, 300), (980, 600), (600, 900), (1960, 1200)])
@pytest.mark.parametrize("env_id", [CARTPOLE, "Pendulum-v1"])
def test_window_of_any_size_shows_whole_image_and_maps_the_mouse(tmp_path, size, env_id):
    live = PlaySession(make_render_env(env_id, {}, LARGE))
    playground = Playground(Window("test", has_sidebar=True), live, tmp_path)
    playground.run_frame(0.0)
    pygame.display.set_mode(size, pygame.RESIZABLE)
    for _ in range(2):
        press(playground, "h")
        window = playground.window
        assert window.surface.get_size() == size and window.surface.get_rect().contains(
            window.image_rect
        )
        assert window.image_rect.width == pytest.approx(window.image_rect.height, abs=1)
        assert (
            not window.sidebar_rect.width
            or window.sidebar_rect.width == SIDEBAR_WIDTH * window.font_size
        )
        assert not window.image_rect.colliderect(window.sidebar_rect)
    assert window.pixel_to_image(window.image_rect.topleft) == (0.0, 0.0)
    assert window.pixel_to_image(window.image_rect.bottomright) == (1.0, 1.0)


def test_window_fits_on_the_screen():
    window = Window("test", has_sidebar=True)
    window.screen_size = (800, 500)
    window.begin_frame(np.zeros((2000, 2000, 3), np.uint8))
    assert window.surface.get_width() <= 800 and window.surface.get_height() <= 500
    assert window.image_rect.width > 200


def test_font_grows_with_the_window():
    window = Window("test", has_sidebar=True)
    window.screen_size = (4000, 3000)
    heights = []
    for size in (600, 1200):
        window = Window("test", has_sidebar=True)
        window.screen_size = (4000, 3000)
        window.begin_frame(np.zeros((size, size, 3), np.uint8))
        heights.append(window.font_size)
    assert heights[1] == 2 * heights[0]


@pytest.mark.parametrize("env_id", OUR_IDS)
def test_window_of_default_size_shows_all_there_is_room_for(tmp_path, env_id):
    env = make_render_env(env_id, {}, {"width": 16, "height": 16})
    playground = Playground(Window("test", has_sidebar=True), PlaySession(env), tmp_path)
    playground.session.is_paused = playground.is_help_shown = False
    playground.window.begin_frame(np.zeros((DEFAULT_SIZE, DEFAULT_SIZE, 3), np.uint8))
    playground.side_panel.plots.update()
    drawn = []
    charts = playground.side_panel.plots.charts.by_channel
    for chart in charts.values():
        chart.draw = lambda surface, rect, size, chart=chart: drawn.append(chart.group)
    playground.side_panel.draw(playground.window, 50.0, "h: help")
    groups = [group for group, _ in charts]
    for group in set(groups):
        number = groups.count(group)
        is_cut = group == "action" and number > MAX_ACTION_ROWS
        assert drawn.count(group) == (LARGEST_ACTION_ROWS if is_cut else number), group
    assert playground.side_panel.sliders.get_row_rect(
        playground.side_panel.sliders.sliders[0]
    ).width


def test_words_over_the_image_cover_no_body(tmp_path):
    playground = make_playground(tmp_path, CARTPOLE)
    playground.window.surface.fill(0)
    rect = playground.window.image_rect
    body = rect.inflate(0, -5 * playground.window.line_height)
    playground.show_notice("saved: a film")
    playground.session.outcome = "failed: pole"
    playground.draw(0.0)
    with_words = pygame.surfarray.array3d(playground.window.surface)
    playground.session.outcome = playground.notice = ""
    playground.draw(0.0)
    plain = pygame.surfarray.array3d(playground.window.surface)
    changed = (with_words != plain).any(-1)
    assert changed[rect.left : rect.right].any()
    assert not changed[body.left : body.right, body.top : body.bottom].any()


def test_sliders_have_the_units_of_their_settings(tmp_path):
    playground = make_playground(tmp_path, CARTPOLE)
    units = {slider.name: slider.unit for slider in playground.side_panel.sliders.sliders}
    assert units == {"gravity": "m/s2", "force": "N", "wind": "m/s2", "pushes": "m/s"}


def test_live_plots_hold_one_sample_a_step(tmp_path):
    playground = make_playground(tmp_path, CARTPOLE)
    for _ in range(3):
        playground.run_frame(2 * TICK)  # two steps a frame
    charts = playground.side_panel.plots.charts.by_channel
    assert set(charts) == {
        ("reward", "reward"),
        ("margin", "pole"),
        ("margin", "rail"),
        ("action", "force"),
    }
    assert {len(chart.history) for chart in charts.values()} == {1 + 6}, "the start and six steps"
    live = playground.session
    assert charts["reward", "reward"].history[-1].value == live.reward
    assert charts["action", "force"].history[-1].value == live.action[0]


def test_help_lists_every_key(tmp_path, monkeypatch):
    playground = make()
    rows = []
    monkeypatch.setattr(playground.window, "draw_overlay", rows.extend)
    press(playground, "h") if not playground.is_help_shown else playground.run_frame(0.0)
    listed = " ".join(keys for keys, _ in rows)
    assert all(name in listed for binding in playground.bindings for name in binding.keys)


def test_space_starts_play_and_hides_the_help():
    playground = make(running=False)
    assert playground.is_help_shown and playground.session.is_paused
    press(playground, "space")
    assert not playground.is_help_shown and not playground.session.is_paused


def test_scene_in_space_renders_downscaled_in_motion_and_at_full_size_when_paused(monkeypatch):
    pytest.importorskip("pybullet")
    renderer = LiveRenderer(
        make_render_env("poise/Reacher3D-v0", {}, {"width": 200, "height": 200})
    )
    renderer.env.reset(seed=0)
    renderer.resolution_scale = 0.5
    sizes, render = [], renderer.env.render
    renderer.env.render = lambda: sizes.append(renderer.poise_env.camera.height) or render()
    monkeypatch.setattr("poise.tools.play.session.FRAME_BUDGET", 1e-9)  # No render fits into it.
    assert (
        renderer.render(full_resolution=False).shape
        == renderer.render(full_resolution=True).shape
        == (200, 200, 3)
    )
    assert sizes == [100, 200] and not renderer.is_downscaled
    live = PlaySession(renderer.env, renderer=renderer)
    renderer.resolution_scale, sizes[:] = 0.5, []
    for _ in range(3):
        live.get_frame()
    assert sizes == [100, 200], "a scene at rest is rendered once, at full size"
    for _ in range(3):
        live.move_camera(0.1)
        live.get_frame()
    assert max(sizes[2:]) < 200, "a moving camera is rendered downscaled"
    renderer.env.close()


def test_foreign_image_is_resized_to_the_requested_height():
    env = make_render_env("Pendulum-v1", {}, {})
    env.reset(seed=0)
    assert LiveRenderer(env, 250).render(full_resolution=True).shape == (250, 250, 3)


def test_play_with_seconds_closes_and_prints_the_frame_rate(run, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    play("tiny", run.path.parent, None, {}, size=64, seconds=0.2)
    printed = capsys.readouterr().out
    assert "frames per second over 0.2 s" in printed and len(printed.splitlines()) == 1
    assert list(Path().iterdir()) == []
