"""A scripted player at the playground: mouse, sliders, shared control, score, films, tapes and windows of any size."""

from pathlib import Path

import numpy as np
import pygame
import pytest
from gymnasium.spaces import Box, Discrete
from playing import TICK, key, make, mouse, press
from poise.toolkit.errors import UserError
from poise.toolkit.media.video import read_video
from poise.toolkit.media.window import COLUMN, Window
from poise.toolkit.registry import make_world
from poise.toolkit.tape import Tape
from poise.tools.play.actors import Policy, shared
from poise.tools.play.command import play
from poise.tools.play.playground import Playground
from poise.tools.play.recorder import RATE, SECONDS, Keepsakes
from poise.tools.play.session import POLICY, YOU, LivePicture, LiveTape, LiveWorld, Score
from poise.tools.record.record_run import drawable_world
from sample_envs import OUR_IDS, needs_pybullet

CARTPOLE, STANDING = "poise/Cartpole-v0", "poise/Standing-v0"
"""Their pictures and columns are large enough for all sliders."""
LARGE = {"width": 300, "height": 300}


def player(tmp_path, world_id=STANDING, policy=None, **settings):
    """A playground in a window with a column, undisturbed and running."""
    live = LiveWorld(drawable_world(world_id, settings, LARGE), policy, tape=LiveTape(world_id, settings))
    playground = Playground(Window("test", column=True), live, tmp_path)
    live.paused = playground.help = False
    playground.frame(0.0)
    return playground


def slider(playground, name):
    return next(slider for slider in playground.column.sliders.sliders if slider.name == name)


def at_slider(playground, name, share, event_type=pygame.MOUSEBUTTONDOWN, button=pygame.BUTTON_LEFT):
    """Press or move the mouse at a share of a slider's track; below 0 it is at its name."""
    sliders = playground.column.sliders
    track = sliders.track(slider(playground, name))
    pos = (round(track.left + share * track.width), track.centery)
    more = {"rel": (0, 0), "buttons": (1, 0, 0)} if event_type == pygame.MOUSEMOTION else {"button": button}
    pygame.event.post(pygame.event.Event(event_type, pos=pos, **more))
    playground.frame(0.0)


def story(live, steps=30):
    seen = [live.observation]
    for _ in range(steps):
        live.step()
        seen.append(live.observation)
    return np.array(seen)


# Whoever touches nothing changes nothing.


@pytest.mark.parametrize("world_id", OUR_IDS)
def test_an_episode_that_is_watched_and_not_touched_is_the_one_that_was_always_told(world_id, tmp_path):
    needs_pybullet(world_id)
    playground = player(tmp_path, world_id)
    world = make_world(world_id)
    np.testing.assert_array_equal(world.reset(seed=0)[0], playground.live.observation)
    for _ in range(10):
        playground.frame(TICK)
        seen = world.step(np.zeros(world.action_space.shape, np.float32))[0]
        np.testing.assert_array_equal(playground.live.observation, seen)
    assert playground.live.steps == 10 and playground.live.disturbance.by == ""
    playground.keepsakes.close(), playground.live.world.close(), world.close()


def test_what_was_disturbed_is_gone_in_the_next_episode(tmp_path):
    playground = player(tmp_path)
    live = playground.live
    before = story(live)
    live.begin(0)
    mouse(playground, pygame.MOUSEMOTION, 0.45, 0.4)
    press(playground, "b")
    mouse(playground, pygame.MOUSEBUTTONDOWN, 0.5, 0.5)
    press(playground, "1")
    assert not np.array_equal(story(live), before)
    press(playground, "1")
    live.begin(0)
    np.testing.assert_array_equal(story(live), before)
    assert live.disturbance.by == "" and live.disturbance.band is None


# Mouse.


def test_a_body_is_dragged_and_dropped(tmp_path):
    playground = player(tmp_path, gravity=0.0)
    torso = playground.live.ours.figure.torso
    x, y = playground.live.ours.seen_at(torso.position)
    mouse(playground, pygame.MOUSEBUTTONDOWN, x, y)
    mouse(playground, pygame.MOUSEMOTION, x, y - 0.2)
    high = torso.position.y
    for _ in range(20):
        playground.frame(TICK)
    assert torso.position.y > high + 0.2
    mouse(playground, pygame.MOUSEBUTTONUP, x, y - 0.2)
    playground.frame(0.0)
    assert playground.live.disturbance.band is None
    assert not [joint for joint in playground.live.ours.space.constraints if len({joint.a.body_type, joint.b.body_type}) > 1]


@pytest.mark.parametrize("how", ["b", "right button"])
def test_a_ball_is_thrown_at_the_mouse(tmp_path, how):
    playground = player(tmp_path, CARTPOLE)
    live = playground.live
    if how == "b":
        mouse(playground, pygame.MOUSEMOTION, 0.2, 0.3)
        press(playground, "b")
    else:
        mouse(playground, pygame.MOUSEBUTTONDOWN, 0.2, 0.3, pygame.BUTTON_RIGHT)
        playground.frame(0.0)
    (ball,) = live.ours.hands().balls
    assert ball.velocity.x > 0.0  # From the left, where the mouse is.
    assert live.disturbance.by == "a ball"
    press(playground, "r")
    assert not live.ours.hands().balls


# Sliders.


@pytest.mark.parametrize("world_id", OUR_IDS)
def test_every_setting_that_can_be_turned_has_a_slider_that_turns_it_at_once(world_id, tmp_path):
    needs_pybullet(world_id)
    playground = player(tmp_path, world_id)
    ours = playground.live.ours
    for name in ours.TURNS:
        low, high = ours.SETTINGS.bounds(name)
        at_slider(playground, name.replace("_", " "), 0.5)
        assert getattr(ours.settings, name) == pytest.approx((low + high) / 2, rel=0.05)
        at_slider(playground, name.replace("_", " "), 2.0, pygame.MOUSEMOTION)
        assert getattr(ours.settings, name) == high
        mouse(playground, pygame.MOUSEBUTTONUP, 0.5, 0.5)
        playground.frame(0.0)
        at_slider(playground, name.replace("_", " "), 0.3, pygame.MOUSEMOTION)
        assert getattr(ours.settings, name) == high, "it was let go"
        at_slider(playground, name.replace("_", " "), 0.5, button=pygame.BUTTON_RIGHT)
        assert getattr(ours.settings, name) == getattr(ours.SETTINGS(), name)
    playground.frame(TICK)
    playground.live.world.close()


def test_a_press_on_a_slider_touches_no_body_and_one_behind_the_help_touches_no_slider(tmp_path):
    playground = player(tmp_path)
    at_slider(playground, "gravity", 0.5)
    assert playground.live.disturbance.band is None
    turned = playground.live.ours.settings.gravity
    press(playground, "h")
    playground.frame(0.0)
    at_slider(playground, "gravity", 0.9)
    assert playground.live.ours.settings.gravity == turned


@pytest.mark.parametrize(("name", "number"), [("wind", "1"), ("pushes", "2")])
def test_wind_and_pushes_are_switched_by_their_key_and_by_their_name(tmp_path, name, number):
    playground = player(tmp_path)
    is_on = slider(playground, name).is_on
    press(playground, number)
    assert is_on()
    playground.frame(0.0)
    at_slider(playground, name, -0.5)
    assert not is_on()


def test_wind_blows_as_its_slider_says(tmp_path):
    playground = player(tmp_path, gravity=0.0)
    live = playground.live
    live.ours.figure.torso.position += (0.0, 100.0)
    playground.live.begin(0)
    press(playground, "1")
    slider(playground, "wind").set(0.5)
    calm = player(tmp_path, gravity=0.0).live
    for _ in range(10):
        live.step(), calm.step()
    speeds = [np.mean([body.velocity.x for body in world.ours.space.bodies]) for world in (live, calm)]
    assert speeds[0] - speeds[1] == pytest.approx(10 * 0.02 * 0.5, rel=0.2)
    assert live.disturbance.by == "the wind"


def test_pushes_come_by_chance_and_the_same_in_the_same_episode(tmp_path):
    stories = []
    for seed in (0, 0, 1):
        live = player(tmp_path).live
        live.disturbance.weather.pushy = True
        live.begin(0)
        live.disturbance.weather.begin(seed)
        stories.append(story(live, 60))
    assert np.array_equal(stories[0], stories[1]) and not np.array_equal(stories[0], stories[2])


# Person and policy.


def test_tab_takes_over_and_gives_back(run, tmp_path):
    playground = player(tmp_path, CARTPOLE, Policy(run))
    live = playground.live
    press(playground, "tab")
    key("right")
    for _ in range(5):
        playground.frame(TICK)
    assert live.share == 1.0 and live.action[0] == live.controls.effort[0] > 0.0
    press(playground, "tab")
    seen = live.observation
    playground.frame(TICK)
    np.testing.assert_array_equal(live.action, Policy(run).act(seen))


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_a_shared_action_lies_between_the_two(run, tmp_path, share):
    playground = player(tmp_path, CARTPOLE, Policy(run))
    live = playground.live
    at_slider(playground, "your share", share)
    assert live.share == pytest.approx(share, abs=0.02)
    live.controls.effort[:] = 1.0
    own = live.policy.act(live.observation)
    live.step()
    np.testing.assert_allclose(live.action, own + live.share * (1.0 - own), rtol=1e-6)


def test_of_choices_one_is_taken_whole():
    space = Discrete(3)
    assert [shared(0, 2, share, space) for share in (0.0, 0.5, 0.51, 1.0)] == [0, 0, 2, 2]
    assert shared(np.zeros(2), np.ones(2), 0.5, Box(-1.0, 1.0, (2,), np.float32)).dtype == np.float32


def test_who_acts_alone_has_no_share_to_set(tmp_path):
    names = [slider.name for slider in player(tmp_path).column.sliders.sliders]
    assert "your share" not in names and names == ["gravity", "friction", "wind", "pushes"]


def test_the_score_is_theirs_who_acted():
    score = Score()
    for who, fell in ((POLICY, False), (POLICY, False), (YOU, False), (YOU, True), (YOU, False), (POLICY, False)):
        score.step(who, 0.5, 2.0 if who == YOU else 1.0, fell=fell)
    policy, you = score.tallies[POLICY], score.tallies[YOU]
    assert (policy.seconds, policy.longest, policy.falls, policy.total / policy.steps) == (1.5, 1.0, 0, 1.0)
    assert (you.seconds, you.longest, you.falls, you.total / you.steps) == (1.5, 1.0, 1, 2.0)
    score.begin()
    score.step(POLICY, 0.5, 1.0, fell=False)
    assert score.tallies[POLICY].longest == 1.0, "a new episode is a new stretch"


def test_the_one_at_the_controls_is_scored(run, tmp_path):
    playground = player(tmp_path, CARTPOLE, Policy(run))
    playground.frame(TICK)
    press(playground, "tab")
    playground.frame(TICK), playground.frame(TICK)
    tallies = playground.live.score.tallies
    assert (tallies[POLICY].steps, tallies[YOU].steps) == (1, 2)


def test_the_same_episode_again_begins_where_it_began(tmp_path):
    playground = player(tmp_path)
    start = playground.live.observation
    playground.frame(TICK)
    press(playground, "backspace")
    assert (playground.live.seed, playground.live.steps) == (0, 0)
    np.testing.assert_array_equal(playground.live.observation, start)


# Checkpoints.


def test_brackets_go_through_the_checkpoints_both_ways_and_the_caption_tells_which(run, tmp_path):
    playground = player(tmp_path, CARTPOLE, Policy(run, "latest"))
    steps = []
    for name in ("[", "[", "[", "]", "]", "]"):
        press(playground, name)
        steps.append(playground.live.policy.step)
        assert f"{steps[-1]} acts" in playground.notice
    assert steps == [20, 0, 40, 0, 20, 40]


# Films and tapes.


def outcome(playground):
    """What is told last, once all is written; it may have been told already."""
    return [playground.notice, *playground.keepsakes.close()][-1]


def test_m_keeps_the_last_seconds_as_they_were_seen(tmp_path):
    playground = player(tmp_path / "new")
    for _ in range(5):
        playground.frame(TICK)
        mine = playground.live.picture()
    press(playground, "m")
    assert outcome(playground) == f"film: {tmp_path / 'new' / 'play-1.mp4'}"
    frames = list(read_video(tmp_path / "new" / "play-1.mp4"))
    assert len(frames) == 6
    assert np.abs(frames[-1].astype(int) - mine).mean() < 3.0


def test_a_film_shows_no_more_than_its_time_and_each_frame_as_long_as_it_was_seen(tmp_path):
    keepsakes = Keepsakes(tmp_path)
    for number in range(30):
        keepsakes.see(np.full((32, 32, 3), 8 * number, np.uint8), SECONDS / 10)
        keepsakes._past[-1].result()
    keepsakes.film()
    keepsakes.close()
    shades = [int(frame.mean()) for frame in read_video(tmp_path / "play-1.mp4")]
    assert len(shades) == pytest.approx(SECONDS * RATE, abs=2)
    assert shades[0] == pytest.approx(8 * 19, abs=3) and shades[-1] == pytest.approx(8 * 29, abs=3)
    assert all(shades[place] <= shades[place + 1] + 2 for place in range(len(shades) - 1))


def test_what_is_not_seen_to_pass_is_not_remembered(tmp_path):
    playground = player(tmp_path, CARTPOLE)
    mouse(playground, pygame.MOUSEBUTTONDOWN, 0.5, 0.5)
    playground.frame(TICK)
    press(playground, "space")
    before = len(playground.keepsakes._past)
    for _ in range(5):
        playground.frame(TICK)  # The band is drawn anew, and time stands still.
    assert len(playground.keepsakes._past) == before


def test_what_is_kept_has_a_name_of_its_own_and_one_that_its_replay_does_not_take(tmp_path):
    playground = player(tmp_path, CARTPOLE)
    playground.frame(TICK)
    for name in ("m", "p", "m"):
        press(playground, name)
    playground.keepsakes.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["play-1.mp4", "play-2.tape", "play-3.mp4"]


@pytest.mark.parametrize("world_id", [CARTPOLE, "poise/BollaRolla-v0", "Pendulum-v1", "CartPole-v1"])
def test_a_tape_replays_what_was_seen(tmp_path, world_id):
    live = LiveWorld(drawable_world(world_id, {}, LARGE), seed=3, tape=LiveTape(world_id))
    live.controls.press("right")
    for _ in range(6):
        live.controls.advance(0.02)
        live.step()
    keepsakes = Keepsakes(tmp_path)
    keepsakes.tape(live.tape.cut(live.disturbance.by))
    assert keepsakes.close() == [f"tape: {tmp_path / 'play-1.tape'}"]
    tape = Tape.load(tmp_path / "play-1.tape")
    moments = list(tape.replay(tape.make_world()))
    assert tape.seed == 3 and len(moments) == 7
    np.testing.assert_array_equal(moments[-1].observation, live.observation)


def test_a_tape_of_an_episode_that_began_with_a_turned_setting_knows_it(tmp_path):
    playground = player(tmp_path, "poise/BollaRolla-v0")
    at_slider(playground, "ball radius", 0.2)
    mouse(playground, pygame.MOUSEBUTTONUP, 0.5, 0.5)
    press(playground, "p")
    assert "another ball radius" in playground.notice
    press(playground, "r")
    for _ in range(5):
        playground.frame(TICK)
    press(playground, "p")
    playground.keepsakes.close()
    tape = Tape.load(tmp_path / "play-1.tape")
    assert tape.settings["ball_radius"] == playground.live.ours.settings.ball_radius != 0.25
    *_, last = tape.replay(tape.make_world())
    np.testing.assert_array_equal(last.observation, playground.live.observation)


@pytest.mark.parametrize("by", ["the mouse", "a ball", "the wind", "another gravity", "a push"])
def test_of_a_disturbed_episode_no_tape_is_kept_and_one_line_says_why(tmp_path, by):
    playground = player(tmp_path)
    match by:
        case "the mouse":
            mouse(playground, pygame.MOUSEBUTTONDOWN, 0.5, 0.5)
            playground.frame(0.0)
        case "a ball":
            press(playground, "b")
        case "the wind":
            press(playground, "1")
        case "another gravity":
            at_slider(playground, "gravity", 0.6)
        case "a push":
            press(playground, "2")
    for _ in range(300 if by == "a push" else 3):
        playground.live.step()
        if playground.live.disturbance.by:
            break
    press(playground, "p")
    assert playground.notice == f"no tape: {by} disturbed this episode, and a tape knows only seed and actions"
    assert playground.keepsakes.close() == [] and list(tmp_path.iterdir()) == []


def test_no_tape_is_kept_that_tells_another_story(tmp_path, monkeypatch):
    playground = player(tmp_path)
    for _ in range(3):
        playground.frame(TICK)
    tape = playground.live.tape.cut("")
    tape.actions[1] = 0.5
    playground.keepsakes.tape(tape)
    (told,) = playground.keepsakes.close()
    assert told.startswith("not kept:") and "another story" in told
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told_and_play_goes_on(tmp_path):
    (tmp_path / "file").write_text("mine")
    playground = player(tmp_path / "file")
    playground.frame(TICK)
    press(playground, "m")
    told = outcome(playground)
    assert told.startswith("not kept:") and str(tmp_path / "file") in told


def test_where_the_world_is_not_known_there_is_no_tape():
    with pytest.raises(UserError, match="no tape"):
        LiveWorld(drawable_world(CARTPOLE, {}, LARGE)).tape.cut("")


# The window.


@pytest.mark.parametrize("size", [(240, 200), (640, 300), (980, 600), (600, 900), (1960, 1200)])
@pytest.mark.parametrize("world_id", [CARTPOLE, "Pendulum-v1"])
def test_a_window_of_any_size_shows_the_picture_whole_and_finds_the_mouse_in_it(tmp_path, size, world_id):
    live = LiveWorld(drawable_world(world_id, {}, LARGE))
    playground = Playground(Window("test", column=True), live, tmp_path)
    playground.frame(0.0)
    pygame.display.set_mode(size, pygame.RESIZABLE)
    for _ in range(2):
        press(playground, "h")
        window = playground.window
        assert window.surface.get_size() == size and window.surface.get_rect().contains(window.picture)
        assert window.picture.width == pytest.approx(window.picture.height, abs=1)
        assert not window.column.width or window.column.width == COLUMN * window.letters
        assert not window.picture.colliderect(window.column)
    assert window.fraction(window.picture.topleft) == (0.0, 0.0)
    assert window.fraction(window.picture.bottomright) == (1.0, 1.0)


def test_a_window_is_no_larger_than_the_screen():
    window = Window("test", column=True)
    window.screen = (800, 500)
    window.begin(np.zeros((2000, 2000, 3), np.uint8))
    assert window.surface.get_width() <= 800 and window.surface.get_height() <= 500
    assert window.picture.width > 200


def test_letters_grow_with_the_window():
    window = Window("test", column=True)
    window.screen = (4000, 3000)
    heights = []
    for size in (600, 1200):
        window.surface = None
        window.begin(np.zeros((size, size, 3), np.uint8))
        heights.append(window.letters)
    assert heights[1] == 2 * heights[0]


def test_the_help_lists_every_key_and_hides_the_column(tmp_path, monkeypatch):
    playground = make()
    shown = []
    monkeypatch.setattr(playground.window, "over", shown.extend)
    press(playground, "h") if not playground.help else playground.frame(0.0)
    words = " ".join(keys for keys, _ in shown)
    assert all(name in words for binding in playground.bindings for name in binding.keys)


def test_space_begins_and_puts_the_help_away():
    playground = make(running=False)
    assert playground.help and playground.live.paused
    press(playground, "space")
    assert not playground.help and not playground.live.paused


def test_pictures_of_space_are_drawn_in_time_and_sharply_once_paused(monkeypatch):
    pytest.importorskip("pybullet")
    drawing = LivePicture(drawable_world("poise/Reacher3D-v0", {}, {"width": 200, "height": 200}))
    drawing.world.reset(seed=0)
    drawing.part = 0.5
    sizes, render = [], drawing.world.render
    drawing.world.render = lambda: sizes.append(drawing.ours.camera.height) or render()
    monkeypatch.setattr("poise.tools.play.session.DUE", 1e-9)  # There is never time.
    assert drawing.draw(sharp=False).shape == drawing.draw(sharp=True).shape == (200, 200, 3)
    assert sizes == [100, 200] and not drawing.coarse
    live = LiveWorld(drawing.world, drawing=drawing)
    drawing.part, sizes[:] = 0.5, []
    for _ in range(3):
        live.picture()
    assert sizes == [100, 200], "nobody moves it"
    for _ in range(3):
        live.look(0.1)
        live.picture()
    assert max(sizes[2:]) < 200, "whoever turns it wants to see it turn"
    drawing.world.close()


def test_somebody_elses_picture_comes_as_large_as_it_is_asked_for():
    world = drawable_world("Pendulum-v1", {}, {})
    world.reset(seed=0)
    assert LivePicture(world, 250).draw(sharp=True).shape == (250, 250, 3)


def test_play_closes_after_its_seconds_and_tells_how_fast_it_was(run, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    play("tiny", run.path.parent, None, {}, size=64, seconds=0.2)
    told = capsys.readouterr().out
    assert "frames a second in 0.2 s" in told and len(told.splitlines()) == 1
    assert list(Path().iterdir()) == []
