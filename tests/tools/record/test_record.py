"""Tests of recording: videos show each frame at its time, and failures leave nothing behind."""

import json
import tracemalloc
from dataclasses import replace
from functools import partial
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pygame
import pytest
from commands import assert_one_line, invoke, said, snapshot
from processes import python
from sample_envs import OUR_IDS, make, needs_pybullet
from sample_runs import start_run

from poise import algos
from poise.envs2d.cartpole import MAX_FORCE
from poise.toolkit.evaluation import EVALUATION_SEED
from poise.toolkit.experience import run_episode
from poise.toolkit.media.image import (
    CARD_COLOUR,
    add_caption,
    get_font,
    render_text,
    render_title_card,
)
from poise.toolkit.media.video import VideoRecorder, read_frame_rate, read_video
from poise.toolkit.registry import make_env, make_random_policy
from poise.toolkit.tape import Tape
from poise.tools.record.clips import Clip
from poise.tools.record.combine_recordings import (
    GRID_GAP,
    TITLE_SECONDS,
    combine,
    make_caption,
    make_captions,
)
from poise.tools.record.images_to_video import images_to_video
from poise.tools.record.overlays import GhostOverlay, HasCameraTarget, StripChartOverlay
from poise.tools.record.record_run import make_render_env, make_render_settings, record_episode

RED = (200, 40, 40)
GREEN = (40, 200, 40)
BLUE = (40, 40, 200)


def write_video(path: Path, frames: int, colour=RED, size=(64, 48), rate=25) -> Path:
    """Write a video of one colour that fades to half its brightness; size is (width, height)."""
    with VideoRecorder(path, rate) as recording:
        for index in range(frames):
            shade = 1.0 - 0.5 * index / max(1, frames - 1)
            recording.add(np.full((size[1], size[0], 3), np.array(colour) * shade, np.uint8))
    return path


def near(pixel: np.ndarray, colour: tuple[float, ...]) -> bool:
    """Return whether a pixel has this colour, up to what H.264 alters."""
    return bool(np.abs(np.asarray(pixel, float) - colour).max() < 16)


@pytest.fixture
def videos(elsewhere):
    """Return three videos of different sizes, frame rates and durations (2 s, 1 s, 0.5 s)."""
    write_video(Path("a.mp4"), 50, RED)
    write_video(Path("b.mp4"), 50, GREEN, (32, 64), 50)
    write_video(Path("c.mp4"), 5, BLUE, (100, 31), 10)
    return [Path("a.mp4"), Path("b.mp4"), Path("c.mp4")]


# Clips.


@pytest.mark.parametrize("frames", [1, 2, 30])
@pytest.mark.parametrize(
    ("stored_rate", "rate"), [(25, 25), (10, 50), (50, 25), (50, 20), (30, 50), (10, 7)]
)
def test_clip_keeps_duration_and_frame_times_at_any_frame_rate(
    elsewhere, frames, stored_rate, rate
):
    clip = Clip(write_video(Path("a.mp4"), frames, (200, 200, 200), rate=stored_rate))
    shades = [image[24, 32, 0] for image in clip.iter_frames(rate, (64, 48))]
    assert len(shades) == -(-frames * rate // stored_rate), "one frame for each tick it lasts"
    stored = [image[24, 32, 0] for image in read_video(clip.path)]
    assert shades == [stored[tick * stored_rate // rate] for tick in range(len(shades))]


@pytest.mark.parametrize("size", [(64, 48), (128, 48), (64, 200), (30, 20), (31, 17)])
def test_clip_is_letterboxed_whole_and_in_its_aspect_ratio(elsewhere, size):
    image = next(Clip(write_video(Path("a.mp4"), 1)).iter_frames(25, size))
    assert image.shape == (size[1], size[0], 3)
    inside = np.abs(image.astype(int) - RED).max(-1) < 16
    rows = inside.any(1).sum()
    columns = inside.any(0).sum()
    assert (rows == size[1] or columns == size[0]) and abs(columns / rows - 64 / 48) < 0.12
    assert inside.sum() == rows * columns
    assert inside.all() or near(image[~inside].mean(0), CARD_COLOUR)


# Combined videos.


def test_grid_shows_each_video_in_its_cell_and_holds_last_frame_of_shorter_ones(videos):
    frames = list(read_video(combine(videos, Path("all.mp4"), captions=[""], columns=2)))
    assert len(frames) == 100 and read_frame_rate(Path("all.mp4")) == 50
    height = 64 + GRID_GAP
    width = 100 + GRID_GAP
    assert frames[0].shape == (2 * height + GRID_GAP, 2 * width + GRID_GAP, 3)
    middles = [
        (GRID_GAP + row * height + 32, GRID_GAP + column * width + 50)
        for row in (0, 1)
        for column in (0, 1)
    ]
    for middle, colour in zip(middles[:3], (RED, GREEN, BLUE), strict=True):
        assert near(frames[0][middle], colour)
        assert near(frames[-1][middle], np.array(colour) / 2)
    assert near(frames[0][middles[3]], CARD_COLOUR) and near(frames[-1][middles[3]], CARD_COLOUR)
    assert near(frames[60][middles[1]], np.array(GREEN) / 2), "this video ended after 50 frames"


def test_sequence_shows_each_video_after_its_title(videos):
    titles = ["one", "two", "three"]
    out = combine(videos, Path("all.mp4"), layout="sequence", captions=titles)
    frames = list(read_video(out))
    title = round(TITLE_SECONDS * 50)
    assert len(frames) == 3 * title + 100 + 50 + 25
    assert {frame.shape for frame in frames} == {(64, 100, 3)}
    starts = [title, 2 * title + 100, 3 * title + 150]
    for start, colour in zip(starts, (RED, GREEN, BLUE), strict=True):
        assert near(frames[start][32, 50], colour)
    assert near(frames[0][4, 4], CARD_COLOUR) and frames[0].min() < 100, "a text on a card"


@pytest.mark.parametrize("layout", ["grid", "sequence"])
@pytest.mark.parametrize("max_size", [80, 131, 300])
def test_combined_video_respects_max_size_and_has_even_sides(videos, layout, max_size):
    out = combine(videos, Path("all.mp4"), layout=layout, max_size=max_size)
    height, width, _ = next(read_video(out)).shape
    assert max(height, width) <= max_size and height % 2 == width % 2 == 0


@pytest.mark.parametrize("columns", [None, 1, 2, 3, 9])
def test_grid_has_the_requested_columns(videos, columns):
    out = combine(videos, Path("all.mp4"), columns=columns, captions=[""])
    height, width, _ = next(read_video(out)).shape
    num_columns = {None: 2, 9: 3}.get(columns, columns)
    assert (width - GRID_GAP) // (100 + GRID_GAP) == num_columns
    assert (height - GRID_GAP) // (64 + GRID_GAP) == -(-3 // num_columns)


def test_captions_stand_above_the_videos(videos):
    plain = next(read_video(combine(videos[:1], Path("plain.mp4"), captions=[""])))
    captioned = next(read_video(combine(videos[:1], Path("b.mp4"), captions=["episode 500"])))
    strip = captioned.shape[0] - plain.shape[0]
    assert strip >= 14 and captioned[GRID_GAP : GRID_GAP + strip].min() < 100, "dark text"
    assert np.abs(captioned[strip + 10 :].astype(int) - plain[10:]).mean() < 6.0


@pytest.mark.parametrize(
    ("name", "caption"),
    [
        ("episode_000500.mp4", "episode 500"),
        ("step_000010000-seed7.mp4", "step 10,000, seed 7"),
        ("2026-01-05.mp4", "2026-01-05"),
    ],
)
def test_caption_is_the_file_name_in_words(name, caption):
    assert make_caption(Path(name)) == caption


def test_captions_of_the_videos_of_runs_name_run_and_step(elsewhere):
    paths = [
        Path("runs") / run / "videos" / f"step_{step:09d}-seed7.mp4"
        for run, step in (("cart-0", 10_000), ("cart-1", 20_480))
    ]
    for path in paths:
        path.parent.mkdir(parents=True)
        (path.parents[1] / "config.json").write_text("{}", encoding="utf-8")
    assert make_caption(paths[1]) == "cart-1, step 20,480, seed 7"
    assert make_captions(paths) == ["cart-0, step 10,000", "cart-1, step 20,480"]


@pytest.mark.parametrize(
    "text", ["", "a", "episode 500", "a caption that has far more words than there is room for"]
)
@pytest.mark.parametrize("width", [8, 40, 400])
def test_title_fits_on_its_card(text, width):
    drawn = render_title_card(text, width, 20, 20)
    assert drawn.shape == (20, width, 3)
    assert width == 8 or (drawn[:, [0, -1]] == CARD_COLOUR).all()
    assert add_caption(np.zeros((48, width, 3), np.uint8), text).shape[1] == width


def test_gif_has_the_duration_of_the_videos(videos):
    combine(videos, Path("all.gif"), fps=20)
    assert len(list(read_video(Path("all.gif")))) == 40 and read_frame_rate(Path("all.gif")) == 20


def test_combine_command_and_module_write_the_same_file(videos):
    options = ("--caption", "a", "--caption", "b", "--caption", "", "--columns", "3")
    assert said(invoke("combine", *videos, "--out", "one.mp4", *options)) == "video: one.mp4\n"
    inputs = [path.resolve() for path in videos]
    out = Path("two.mp4").resolve()
    module = "poise.tools.record.combine_recordings"
    process = python("-m", module, *inputs, "--out", out, *options)
    assert process.returncode == 0, process.stderr
    assert Path("one.mp4").read_bytes() == Path("two.mp4").read_bytes()


def memory_of(make) -> int:
    """Return the peak memory of a call (bytes)."""
    tracemalloc.start()
    make()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("layout", ["grid", "sequence"])
def test_memory_is_independent_of_video_length(elsewhere, layout):
    """All frames of the longer video would take 3.7 MB."""
    short = write_video(Path("20.mp4"), 20)
    long = write_video(Path("400.mp4"), 400)
    combine([short], Path("warm.mp4"))
    small, large = (
        memory_of(lambda path=path: combine([path] * 3, Path("all.mp4"), layout=layout))
        for path in (short, long)
    )
    assert large < small + 500_000


LONG_GIF = """
import pathlib, resource, sys
import numpy as np
from poise.toolkit.media.gif import GifRecorder
with GifRecorder(pathlib.Path(sys.argv[1]), 25) as film:
    for index in range(int(sys.argv[2])):
        film.add(np.full((240, 320, 3), index % 250, np.uint8))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_memory_is_independent_of_gif_length(tmp_path):
    """All frames of the longer GIF would take 115 MB."""
    runs = [python("-c", LONG_GIF, tmp_path / "film.gif", str(number)) for number in (20, 500)]
    assert [run.stderr for run in runs] == ["", ""]
    small, large = (int(run.stdout.split()[-1]) for run in runs)  # MiB
    assert large < small + 30
    assert [path.name for path in tmp_path.iterdir()] == ["film.gif"]


# Images.


def write_image(path: Path, colour, size=(64, 48)) -> Path:
    """Write an image of one colour, RGB or RGBA; size is (width, height)."""
    path.parent.mkdir(exist_ok=True)
    surface = pygame.Surface(size, pygame.SRCALPHA if len(colour) == 4 else 0)
    surface.fill(colour)
    pygame.image.save(surface, path)
    return path


@pytest.mark.parametrize(
    "names",
    [
        ["frame_1.png", "frame_2.png", "frame_10.png"],
        ["frame_001.png", "frame_002.jpg", "frame_0010.bmp"],
        ["2025-12-31.png", "2026-01-02 09.59.png", "2026-01-02 10.00.png"],
        ["1.png", "2:3 100%d.png", "10.PNG"],
        ["a9b2.png", "a9b10.png", "a10b1.png"],
    ],
)
def test_images_are_sorted_in_natural_order(elsewhere, names):
    for name, colour in zip(names, (RED, GREEN, BLUE), strict=True):
        write_image(Path("shots", name), colour)
    Path("shots", "notes.txt").write_text("no picture", encoding="utf-8")
    Path("shots", ".hidden.png").write_text("no picture", encoding="utf-8")
    frames = list(read_video(images_to_video(Path("shots"), Path("all.mp4"), fps=10)))
    for frame, colour in zip(frames, (RED, GREEN, BLUE), strict=True):
        assert near(frame[24, 32], colour)
    assert read_frame_rate(Path("all.mp4")) == 10


def test_images_of_any_size_are_fitted_to_the_largest(elsewhere):
    for number, (colour, size) in enumerate([(RED, (31, 63)), (GREEN, (101, 37)), (BLUE, (1, 1))]):
        write_image(Path("shots", f"{number}.png"), colour, size)
    frames = list(read_video(images_to_video(Path("shots"), Path("all.mp4"))))
    assert {frame.shape for frame in frames} == {(62, 100, 3)}
    for frame, colour in zip(frames, (RED, GREEN, BLUE), strict=True):
        assert near(frame[31, 50], colour)
    assert near(frames[0][31, 2], CARD_COLOUR) and near(frames[1][2, 50], CARD_COLOUR)
    small = next(read_video(images_to_video(Path("shots"), Path("small.mp4"), max_size=50)))
    assert small.shape == (30, 50, 3)


def test_transparent_pixels_show_the_background(elsewhere):
    write_image(Path("shots", "1.png"), (*RED, 0))
    write_image(Path("shots", "2.png"), (*RED, 128))
    clear, half = read_video(images_to_video(Path("shots"), Path("all.mp4")))
    assert near(clear[24, 32], CARD_COLOUR) and near(half[24, 32], np.add(RED, CARD_COLOUR) / 2)


def test_images_to_video_module_runs_the_command(elsewhere):
    write_image(Path("shots", "1.png"), RED)
    folder = Path("shots").resolve()
    out = Path("all.gif").resolve()
    process = python("-m", "poise.tools.record.images_to_video", folder, "--out", out)
    assert process.returncode == 0 and process.stdout.startswith("video: "), process.stderr
    assert len(list(read_video(Path("all.gif")))) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("none",), "none is not a folder"),
        (("shots/1.png",), "1.png is not a folder"),
        (("empty",), "empty holds no images"),
        (("broken",), "2.png cannot be read as a video or an image: it is text"),
        (("shots", "--out", "all.png"), "not 'all.png'"),
    ],
)
def test_unusable_folder_fails_in_one_line_and_leaves_nothing(elsewhere, words, message):
    write_image(Path("shots", "1.png"), RED)
    write_image(Path("broken", "1.png"), RED)
    Path("broken", "2.png").write_text("no picture", encoding="utf-8")
    Path("empty").mkdir()
    before = snapshot(Path())
    assert_one_line(invoke("images-to-video", "--out", "all.mp4", *words), 2, message)
    assert snapshot(Path()) == before


# Tapes.


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Return an untrained run."""
    return start_run(tmp_path_factory.mktemp("runs"), steps=60, evaluate_every=0).run


@pytest.fixture
def tape(run, elsewhere):
    """Return the tape of the video `first.mp4`, 64 pixels wide and high."""
    record_episode(run, Path("first.mp4"), size=64, tape=Path("one.tape"))
    return Path("one.tape")


def frames_of(path: Path) -> list[bytes]:
    """Return the frames of a video as bytes."""
    return [frame.tobytes() for frame in read_video(path)]


def test_replayed_tape_gives_the_recorded_frames(tape):
    assert said(invoke("replay", tape, "--size", "64")) == "video: one.mp4\n"
    assert frames_of(Path("one.mp4")) == frames_of(Path("first.mp4"))


def test_tape_replays_at_other_size_and_speed_with_hud(tape):
    steps = len(Tape.load(tape).actions)
    said(invoke("replay", tape, "--size", "96", "--hud", "--slow", "0.25", "--out", "slow.mp4"))
    assert len(frames_of(Path("slow.mp4"))) == steps + 1
    with av.open("slow.mp4") as container:
        assert (
            container.streams.video[0].average_rate == 12.5
            and container.streams.video[0].width == 96
        )


def test_tape_with_deviating_replay_fails_in_one_line_without_video(tape):
    replace(Tape.load(tape), seed=7).save(tape)
    before = snapshot(Path())
    assert_one_line(
        invoke("replay", tape),
        1,
        "the replay differs from the tape from step 0 on; the tape was recorded with python",
    )
    assert snapshot(Path()) == before


@pytest.mark.parametrize(
    ("harm", "message"),
    [
        (lambda tape: tape.write_text("words", encoding="utf-8"), "is not a tape"),
        (lambda tape: tape.unlink(), "is not a tape"),
        (
            lambda tape: tape.write_bytes(
                tape.read_bytes().replace(b'format\\": 1', b'format\\": 7')
            ),
            "is a tape of format 7",
        ),
        (
            lambda tape: tape.write_bytes(
                tape.read_bytes().replace(b"Cartpole-v0", b"Cartpole-v9")
            ),
            "Cartpole-v9",
        ),
    ],
)
def test_unusable_tape_fails_in_one_line_without_video(tape, harm, message):
    harm(tape)
    before = snapshot(Path())
    assert_one_line(invoke("replay", tape), 2, message)
    assert snapshot(Path()) == before


# Overlays.


@pytest.fixture
def history(elsewhere):
    """Return a run with checkpoints of steps 100, 150 and 200 and policies from step 0 on."""
    return start_run(Path("runs"), "mine", evaluate_every=0).run


def last_samples(overlay: StripChartOverlay) -> dict[str, list[float]]:
    """Return the last value of every chart and its standard deviation, by name."""
    return {
        name: [chart.history[-1].value, chart.history[-1].std]
        for (_, name), chart in overlay.charts.by_channel.items()
    }


def test_strip_charts_show_reward_terms_value_action_and_margins(run):
    env = make("poise/Cartpole-v0")
    learner = algos.restore_learner(run, "latest", with_critic=True)
    overlay = StripChartOverlay(env, 50, learner)
    blank = np.zeros((48, 64, 3), np.uint8)
    for step in islice(run_episode(env, partial(learner.act, explore=False), 3), 5):
        frame = overlay(blank, step)
        assert frame.shape[0] == 48 and frame.shape[1] % 2 == 0 and (frame[:, :64] == blank).all()
        samples = last_samples(overlay)
        if step.action is not None:
            terms = [samples[name][0] for name in env.unwrapped.REWARD["posture"]]
            assert sum(terms) == pytest.approx(step.reward), "the terms add up to the reward"
        value, std = learner.value_and_std(step.observation[None])
        action = learner.act(step.observation[None], explore=False)
        assert samples["value"][0] == pytest.approx(float(value[0]))
        newtons = [MAX_FORCE * float(action[0, 0]), MAX_FORCE * float(std[0, 0])]
        assert samples["force"] == pytest.approx(newtons), "in the unit of the action"
        for name, margin in env.unwrapped.failure_margins().items():
            assert samples[name][0] == pytest.approx(margin)


@pytest.mark.parametrize("env_id", ["Pendulum-v1", "CartPole-v1"])
def test_strip_charts_of_foreign_env_show_reward_and_action(env_id):
    env = make_env(env_id)
    overlay = StripChartOverlay(env, 30)
    for step in islice(run_episode(env, make_random_policy(env, 0), 0), 3):
        overlay(np.zeros((40, 40, 3), np.uint8), step)
    assert last_samples(overlay) == {
        "reward": [step.reward, 0.0],
        "action 1": [float(np.ravel(step.action)[0]), 0.0],
    }


def test_annotation_leaves_the_image_unchanged_for_run_and_tape(run, tape):
    record_episode(run, Path("annotated.mp4"), size=64, annotate=True)
    said(invoke("replay", tape, "--size", "64", "--annotate", "--out", "again.mp4"))
    for name in ("annotated.mp4", "again.mp4"):
        pairs = list(zip(read_video(Path("first.mp4")), read_video(Path(name)), strict=True))
        assert all(
            two.shape[1] > 200 and np.abs(one.astype(int) - two[:, :64]).mean() < 6.0
            for one, two in pairs
        )


def test_critic_is_restored_where_the_checkpoint_holds_it(history):
    with_critic = algos.restore_learner(history, "200", with_critic=True)
    without_critic = algos.restore_learner(history, "200")
    assert with_critic.has_critic and not without_critic.has_critic
    policy_only = algos.restore_learner(history, "50", with_critic=True)
    assert not policy_only.has_critic, "only the policy of this step is left"
    live = algos.make_learner(
        **{key: history.config[key] for key in ("algorithm", "env_settings", "settings")},
        env_id="poise/Cartpole-v0",
    )
    live.load_state_dict(history.load_checkpoint("200")[1])
    shape = (5, live.observation_space.shape[0])
    observations = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    expected = live.value_and_std(observations)
    restored = with_critic.value_and_std(observations)
    assert all((one == two).all() for one, two in zip(expected, restored, strict=True))
    options = ("--checkpoint", "50", "--annotate", "--size", "64", "--out", "film.mp4")
    said(invoke("record", "mine", *options))


def test_ghost_of_same_policy_is_invisible_and_of_another_is_visible(run, history):
    for name, ghost in (("alone", None), ("self", run), ("other", history)):
        record_episode(run, Path(f"{name}.mp4"), size=96, ghost=ghost)
    alone, oneself, other = (
        list(read_video(Path(f"{name}.mp4"))) for name in ("alone", "self", "other")
    )
    assert len(alone) == len(oneself) == len(other), "a ghost does not change the episode"
    assert [frame.tobytes() for frame in alone] == [frame.tobytes() for frame in oneself]
    assert other[0].tobytes() == alone[0].tobytes(), "the same start"
    assert any((one != two).any() for one, two in zip(alone, other, strict=True))


def test_ghost_is_rendered_by_the_camera_of_the_recorded_env(run):
    env, ghost_env = (
        make_render_env("poise/Cartpole-v0", {}, make_render_settings(64, False)) for _ in range(2)
    )
    ghost = GhostOverlay(run, "poise/Cartpole-v0", env, ghost_env, seed=3)
    for step in islice(run_episode(env, make_random_policy(env, 0), 3), 10):
        ghost(env.render(), step)
    target = env.unwrapped.camera_target()
    assert ghost_env.unwrapped.camera_target() != target, "the two carts have parted"
    assert ghost_env.unwrapped.image_to_world(0.5, 0.5) == pytest.approx(target)


@pytest.mark.parametrize("env_id", OUR_IDS)
def test_camera_target_override_moves_the_image_centre(env_id):
    needs_pybullet(env_id)
    env = make_render_env(env_id, {}, {})
    env.reset(seed=0)
    poise_env = env.unwrapped
    assert isinstance(poise_env, HasCameraTarget)
    target = np.add(poise_env.camera_target(), 0.1)
    assert poise_env.world_to_image(target) != pytest.approx((0.5, 0.5))
    poise_env.camera_target_override = lambda: tuple(target)
    assert poise_env.world_to_image(target) == pytest.approx((0.5, 0.5))
    env.close()


def test_ghost_of_another_env_fails_in_one_line(history):
    start_run(Path("runs"), "stander", env="standing", steps=50, evaluate_every=0)
    before = snapshot(Path())
    assert_one_line(
        invoke("record", "mine", "--ghost", "stander", "--out", "film.mp4"),
        2,
        "cannot be a ghost in poise/Cartpole-v0: it was trained on poise/Standing-v0",
    )
    assert_one_line(
        invoke("record", "mine", "--ghost", "mien", "--out", "film.mp4"), 2, "did you mean 'mine'"
    )
    assert snapshot(Path()) == before


# All policies of a run.


def test_all_policies_are_recorded_from_one_start_and_combined(history):
    options = ("--checkpoint", "all", "--size", "96", "--out", "films", "--montage", "all.mp4")
    printed = said(invoke("record", "mine", *options))
    names = [f"step_{step:09d}-seed{EVALUATION_SEED}.mp4" for step in (0, 50, 100, 150, 200)]
    paths = [*(f"films/{name}" for name in names), "all.mp4"]
    assert printed.splitlines() == [f"video: {path}" for path in paths]
    videos = [list(read_video(Path("films", name))) for name in names]
    first = videos[0][0]
    strip = first.shape[0] - 96
    for frames in videos:
        difference = np.abs(frames[0][strip + 4 :].astype(int) - first[strip + 4 :])
        assert difference.mean() < 2.0, "one start"
    assert first[:strip].min() < 100, "a caption"
    assert len({frames[-1][strip:].tobytes() for frames in videos}) > 1, "several policies"
    assert len(list(read_video(Path("all.mp4")))) == max(map(len, videos))


@pytest.mark.parametrize("name", ["all.png", "all.mp4"])
def test_montage_alone_leaves_no_other_file(history, name):
    options = ("--checkpoint", "all", "--size", "96", "--montage", name)
    before = snapshot(Path())
    assert said(invoke("record", "mine", *options)) == f"video: {name}\n"
    assert snapshot(Path()).keys() - before.keys() == {name}


def test_policy_without_checkpoint_can_be_recorded_and_evaluated(history):
    said(invoke("record", "mine", "--checkpoint", "50", "--size", "64", "--out", "film.mp4"))
    assert json.loads(
        said(invoke("evaluate", "mine", "--checkpoint", "0", "--episodes", "1", "--json"))
    )["checkpoint"].endswith("_000000000")
    assert not (history.path / "checkpoints" / "step_000000050").exists()


def test_damaged_policy_is_named_and_skipped(history):
    (history.path / "policies" / "step_000000050" / "manifest.json").unlink()
    result = invoke("record", "mine", "--checkpoint", "all", "--size", "64", "--out", "films")
    assert result.exit_code == 0 and "step_000000050 is damaged" in result.stderr
    assert len(list(Path("films").iterdir())) == 4


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--montage", "all.mp4"), "--montage goes with --checkpoint all"),
        (("--checkpoint", "all", "--tape", "one.tape"), "--tape saves one episode"),
        (("--checkpoint", "all", "--out", "all.mp4"), "--out is a folder"),
        (("--checkpoint", "all", "--montage", "all.jpg"), "not 'all.jpg'"),
    ],
)
def test_conflicting_options_fail_in_one_line_and_leave_nothing(history, words, message):
    before = snapshot(Path())
    assert_one_line(invoke("record", "mine", *words), 2, message)
    assert snapshot(Path()) == before


# Failures.


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("a.mp4", "none.mp4"), "none.mp4 cannot be read as a video"),
        (("a.mp4", "words.mp4"), "words.mp4 cannot be read as a video"),
        (("a.mp4", "nothing.mp4"), "nothing.mp4 cannot be read as a video"),
        (("a.mp4", "."), "cannot be read as a video"),
        (("a.mp4", "--out", "all.avi"), "not 'all.avi'"),
        (("a.mp4", "--out", "./a.mp4"), "choose another --out"),
        (("a.mp4", "b.mp4", "--caption", "one"), "1 captions for 2 videos"),
        (("a.mp4", "b.mp4", "c.mp4", "--columns", "3", "--max-size", "50"), "a larger --max-size"),
        (("a.mp4", "--layout", "sequence", "--columns", "3"), "--columns goes with"),
    ],
)
def test_wrong_argument_fails_in_one_line_and_leaves_nothing(videos, words, message):
    Path("words.mp4").write_text("words " * 100, encoding="utf-8")
    VideoRecorder(Path("nothing.mp4"), 25).close()
    before = snapshot(Path())
    assert_one_line(invoke("combine", "--out", "all.mp4", *words), 2, message)
    assert snapshot(Path()) == before


def test_font_is_reloaded_after_foreign_env_quit_pygame():
    high = get_font(20).get_linesize()
    pygame.quit()
    pygame.font.init()
    assert get_font(20).get_linesize() == high


def test_missing_font_fails_in_one_line_and_leaves_nothing(videos, monkeypatch):
    def missing(*_: object) -> None:
        raise FileNotFoundError("No file 'DejaVuSans.ttf' found")

    monkeypatch.setattr("pygame.font.Font", missing)
    pygame.quit(), render_text.cache_clear()
    before = snapshot(Path())
    assert_one_line(
        invoke("combine", *videos, "--out", "all.mp4"), 1, "a font of matplotlib is missing"
    )
    assert snapshot(Path()) == before


@pytest.mark.parametrize("name", ["all.mp4", "all.gif"])
def test_failed_video_leaves_the_previous_file(videos, monkeypatch, name):
    Path(name).write_text("mine", encoding="utf-8")
    monkeypatch.setattr(
        Clip,
        "iter_frames",
        lambda *_: iter([np.zeros((64, 100, 3), np.uint8), np.zeros((64, 64, 3), np.uint8)]),
    )
    before = snapshot(Path())
    with pytest.raises(ValueError, match="in a video of"):
        combine(videos, Path(name), layout="sequence", captions=[""])
    assert snapshot(Path()) == before
