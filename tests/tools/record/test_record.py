"""Film tools: what goes into a film is what is seen in it, at its own pace, and nothing is left where that fails."""

import json
import tracemalloc
from dataclasses import replace
from itertools import islice
from pathlib import Path

import av
import numpy as np
import pygame
import pytest
from commands import assert_one_line, invoke, said, snapshot
from poise import algos
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
from poise.tools.record.combine_recordings import GRID_GAP, TITLE_SECONDS, combine, make_caption
from poise.tools.record.images_to_video import images_to_video
from poise.tools.record.overlays import StripChartOverlay
from poise.tools.record.record_run import record_episode
from processes import python
from sample_envs import make
from sample_runs import start_run

RED, GREEN, BLUE = (200, 40, 40), (40, 200, 40), (40, 40, 200)


def film(path: Path, frames: int, colour=RED, size=(64, 48), rate=25) -> Path:
    """A film of one colour that darkens to half of it from the first frame to the last; size is width and height."""
    with VideoRecorder(path, rate) as recording:
        for index in range(frames):
            shade = 1.0 - 0.5 * index / max(1, frames - 1)
            recording.add(np.full((size[1], size[0], 3), np.array(colour) * shade, np.uint8))
    return path


def near(pixel: np.ndarray, colour: tuple[float, ...]) -> bool:
    """Whether a pixel of a film has this colour, which H.264 alters a little."""
    return bool(np.abs(np.asarray(pixel, float) - colour).max() < 16)


@pytest.fixture
def films(elsewhere):
    """Three films: of other sizes, rates and lengths (2 s, 1 s, 0.5 s)."""
    film(Path("a.mp4"), 50, RED)
    film(Path("b.mp4"), 50, GREEN, (32, 64), 50)
    film(Path("c.mp4"), 5, BLUE, (100, 31), 10)
    return [Path("a.mp4"), Path("b.mp4"), Path("c.mp4")]


# Clips.


@pytest.mark.parametrize("frames", [1, 2, 30])
@pytest.mark.parametrize(
    ("own", "wanted"), [(25, 25), (10, 50), (50, 25), (50, 20), (30, 50), (10, 7)]
)
def test_a_clip_takes_as_long_at_any_pace_and_shows_what_it_shows_then(
    elsewhere, frames, own, wanted
):
    clip = Clip(film(Path("a.mp4"), frames, (200, 200, 200), rate=own))
    seen = [picture[24, 32, 0] for picture in clip.iter_frames(wanted, (64, 48))]
    assert len(seen) == -(-frames * wanted // own), (
        "no tick that falls into its time is left out, and none is added"
    )
    stored = [picture[24, 32, 0] for picture in read_video(clip.path)]
    assert seen == [stored[tick * own // wanted] for tick in range(len(seen))]


@pytest.mark.parametrize("size", [(64, 48), (128, 48), (64, 200), (30, 20), (31, 17)])
def test_a_clip_is_fitted_whole_and_in_its_shape(elsewhere, size):
    picture = next(Clip(film(Path("a.mp4"), 1)).iter_frames(25, size))
    assert picture.shape == (size[1], size[0], 3)
    inside = np.abs(picture.astype(int) - RED).max(-1) < 16
    rows, columns = inside.any(1).sum(), inside.any(0).sum()
    assert (rows == size[1] or columns == size[0]) and abs(columns / rows - 64 / 48) < 0.12
    assert inside.sum() == rows * columns and near(
        picture[~inside].mean(0) if (~inside).any() else CARD_COLOUR, CARD_COLOUR
    )


# Combining.


def test_a_grid_shows_every_film_in_its_place_and_holds_the_last_frame_of_a_shorter_one(films):
    seen = list(read_video(combine(films, Path("all.mp4"), captions=[""], columns=2)))
    assert len(seen) == 100 and read_frame_rate(Path("all.mp4")) == 50
    height, width = 64 + GRID_GAP, 100 + GRID_GAP
    assert seen[0].shape == (2 * height + GRID_GAP, 2 * width + GRID_GAP, 3)
    middles = [
        (GRID_GAP + row * height + 32, GRID_GAP + column * width + 50)
        for row in (0, 1)
        for column in (0, 1)
    ]
    for place, colour in zip(middles, (RED, GREEN, BLUE, CARD_COLOUR), strict=True):
        assert near(seen[0][place], colour)
        assert near(seen[-1][place], CARD_COLOUR if colour is CARD_COLOUR else np.array(colour) / 2)
    assert near(seen[60][middles[1]], np.array(GREEN) / 2), "the second film ended after 50 frames"


def test_a_sequence_shows_one_after_the_other_each_after_its_title(films):
    seen = list(
        read_video(
            combine(films, Path("all.mp4"), layout="sequence", captions=["one", "two", "three"])
        )
    )
    title = round(TITLE_SECONDS * 50)
    assert len(seen) == 3 * title + 100 + 50 + 25
    assert {frame.shape for frame in seen} == {(64, 100, 3)}
    starts = [title, 2 * title + 100, 3 * title + 150]
    assert all(
        near(seen[start][32, 50], colour)
        for start, colour in zip(starts, (RED, GREEN, BLUE), strict=True)
    )
    assert near(seen[0][4, 4], CARD_COLOUR) and seen[0].min() < 100, "words on paper"


@pytest.mark.parametrize("layout", ["grid", "sequence"])
@pytest.mark.parametrize("most", [80, 131, 300])
def test_no_film_is_larger_than_it_may_be_and_all_have_even_sides(films, layout, most):
    height, width, _ = next(
        read_video(combine(films, Path("all.mp4"), layout=layout, max_size=most))
    ).shape
    assert max(height, width) <= most and height % 2 == width % 2 == 0


@pytest.mark.parametrize("columns", [None, 1, 2, 3, 9])
def test_any_number_of_columns(films, columns):
    height, width, _ = next(
        read_video(combine(films, Path("all.mp4"), columns=columns, captions=[""]))
    ).shape
    across = {None: 2, 9: 3}.get(columns, columns)
    assert (width - GRID_GAP) // (100 + GRID_GAP) == across and (height - GRID_GAP) // (
        64 + GRID_GAP
    ) == -(-3 // across)


def test_captions_stand_above_the_films(films):
    plain = next(read_video(combine(films[:1], Path("plain.mp4"), captions=[""])))
    told = next(read_video(combine(films[:1], Path("told.mp4"), captions=["episode 500"])))
    strip = told.shape[0] - plain.shape[0]
    assert strip >= 14 and told[GRID_GAP : GRID_GAP + strip].min() < 100, "letters"
    assert np.abs(told[strip + 10 :].astype(int) - plain[10:]).mean() < 6.0


@pytest.mark.parametrize(
    ("name", "caption"),
    [
        ("episode_000500.mp4", "episode 500"),
        ("step_000010000-seed7.mp4", "step 10000-seed7"),
        ("2026-01-05.mp4", "2026-01-05"),
    ],
)
def test_a_file_name_in_words(name, caption):
    assert make_caption(Path(name)) == caption


@pytest.mark.parametrize(
    "text", ["", "a", "episode 500", "a caption that has far more words than there is room for"]
)
@pytest.mark.parametrize("width", [8, 40, 400])
def test_words_stay_on_their_card(text, width):
    drawn = render_title_card(text, width, 20, 20)
    assert drawn.shape == (20, width, 3)
    assert width == 8 or (drawn[:, [0, -1]] == CARD_COLOUR).all()
    assert add_caption(np.zeros((48, width, 3), np.uint8), text).shape[1] == width


def test_a_gif_plays_as_long_as_the_film(films):
    combine(films, Path("all.gif"), fps=20)
    assert len(list(read_video(Path("all.gif")))) == 40 and read_frame_rate(Path("all.gif")) == 20


def test_the_command_and_the_tool_alone_are_one(films):
    words = ("--caption", "a", "--caption", "b", "--caption", "", "--columns", "3")
    assert said(invoke("combine", *films, "--out", "one.mp4", *words)) == "film: one.mp4\n"
    places = [path.resolve() for path in (*films, Path("two.mp4"))]
    told = python(
        "-m", "poise.tools.record.combine_recordings", *places[:-1], "--out", places[-1], *words
    )
    assert told.returncode == 0, told.stderr
    assert Path("one.mp4").read_bytes() == Path("two.mp4").read_bytes()


def memory_of(make) -> int:
    """The most memory that arrays took meanwhile (bytes)."""
    tracemalloc.start()
    make()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


@pytest.mark.parametrize("layout", ["grid", "sequence"])
def test_longer_films_take_no_more_memory(elsewhere, layout):
    """A whole film of 400 frames would take 3.7 MB."""
    short, long = (film(Path(f"{number}.mp4"), number) for number in (20, 400))
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


def test_longer_gifs_take_no_more_memory(tmp_path):
    """All frames of the longer one would take 115 MB."""
    told = [python("-c", LONG_GIF, tmp_path / "film.gif", str(number)) for number in (20, 500)]
    assert [one.stderr for one in told] == ["", ""]
    small, large = (int(one.stdout.split()[-1]) for one in told)
    assert large < small + 30
    assert [path.name for path in tmp_path.iterdir()] == ["film.gif"]


# Pictures.


def picture(path: Path, colour, size=(64, 48)) -> Path:
    """A picture of one colour; one with four numbers is transparent."""
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
def test_pictures_are_shown_in_the_order_in_which_people_count(elsewhere, names):
    for name, colour in zip(names, (RED, GREEN, BLUE), strict=True):
        picture(Path("shots", name), colour)
    Path("shots", "notes.txt").write_text("no picture")
    Path("shots", ".hidden.png").write_text("no picture")
    seen = list(read_video(images_to_video(Path("shots"), Path("all.mp4"), fps=10)))
    assert [
        near(frame[24, 32], colour) for frame, colour in zip(seen, (RED, GREEN, BLUE), strict=True)
    ] == [True] * 3
    assert read_frame_rate(Path("all.mp4")) == 10


def test_pictures_of_any_size_are_fitted_to_the_largest(elsewhere):
    for number, (colour, size) in enumerate([(RED, (31, 63)), (GREEN, (101, 37)), (BLUE, (1, 1))]):
        picture(Path("shots", f"{number}.png"), colour, size)
    seen = list(read_video(images_to_video(Path("shots"), Path("all.mp4"))))
    assert {frame.shape for frame in seen} == {(62, 100, 3)}
    assert all(
        near(frame[31, 50], colour) for frame, colour in zip(seen, (RED, GREEN, BLUE), strict=True)
    )
    assert near(seen[0][31, 2], CARD_COLOUR) and near(seen[1][2, 50], CARD_COLOUR)
    small = next(read_video(images_to_video(Path("shots"), Path("small.mp4"), max_size=50)))
    assert small.shape == (30, 50, 3)


def test_paper_is_seen_through_what_is_transparent(elsewhere):
    picture(Path("shots", "1.png"), (*RED, 0))
    picture(Path("shots", "2.png"), (*RED, 128))
    clear, half = read_video(images_to_video(Path("shots"), Path("all.mp4")))
    assert near(clear[24, 32], CARD_COLOUR) and near(half[24, 32], np.add(RED, CARD_COLOUR) / 2)


def test_a_tool_alone_makes_a_film_of_pictures_too(elsewhere):
    picture(Path("shots", "1.png"), RED)
    told = python(
        "-m",
        "poise.tools.record.images_to_video",
        Path("shots").resolve(),
        "--out",
        Path("all.gif").resolve(),
    )
    assert told.returncode == 0 and told.stdout.startswith("film: "), told.stderr
    assert len(list(read_video(Path("all.gif")))) == 1


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("none",), "none is no folder"),
        (("shots/1.png",), "1.png is no folder"),
        (("empty",), "empty holds no pictures"),
        (("broken",), "2.png holds no picture that can be read"),
        (("shots", "--out", "all.png"), "not 'all.png'"),
    ],
)
def test_a_folder_that_will_not_do_is_one_line_and_leaves_nothing(elsewhere, words, told):
    picture(Path("shots", "1.png"), RED)
    picture(Path("broken", "1.png"), RED)
    Path("broken", "2.png").write_text("no picture")
    Path("empty").mkdir()
    before = snapshot(Path())
    assert_one_line(invoke("images-to-video", "--out", "all.mp4", *words), 2, told)
    assert snapshot(Path()) == before


# Tapes.


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run too short to have learned anything."""
    return start_run(tmp_path_factory.mktemp("runs"), steps=60, evaluate_every=0).run


@pytest.fixture
def tape(run, elsewhere):
    """The tape of a film `first.mp4`, 64 pixels wide and high."""
    record_episode(run, Path("first.mp4"), size=64, tape=Path("one.tape"))
    return Path("one.tape")


def frames_of(path: Path) -> list[bytes]:
    """The frames of a film, to be compared."""
    return [frame.tobytes() for frame in read_video(path)]


def test_a_tape_is_filmed_again_bit_for_bit(tape):
    assert said(invoke("replay", tape, "--size", "64")) == "film: one.mp4\n"
    assert frames_of(Path("one.mp4")) == frames_of(Path("first.mp4"))


def test_a_tape_is_filmed_at_any_size_and_pace_with_any_overlay(tape):
    steps = len(Tape.load(tape).actions)
    said(invoke("replay", tape, "--size", "96", "--hud", "--slow", "0.25", "--out", "slow.mp4"))
    assert len(frames_of(Path("slow.mp4"))) == steps + 1
    with av.open("slow.mp4") as container:
        assert (
            container.streams.video[0].average_rate == 12.5
            and container.streams.video[0].width == 96
        )


def test_a_tape_that_tells_another_story_here_is_one_line_and_no_film(tape):
    replace(Tape.load(tape), seed=7).save(tape)
    before = snapshot(Path())
    assert_one_line(
        invoke("replay", tape),
        1,
        "the replay differs from the tape from step 0 on; the tape was recorded with python",
    )
    assert snapshot(Path()) == before


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda tape: tape.write_text("words"), "is not a tape"),
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
def test_a_tape_that_will_not_do_is_one_line_and_no_film(tape, harm, told):
    harm(tape)
    before = snapshot(Path())
    assert_one_line(invoke("replay", tape), 2, told)
    assert snapshot(Path()) == before


# Overlays.


@pytest.fixture
def history(elsewhere):
    """A run with checkpoints of steps 100, 150 and 200 and policies from step 0 on."""
    return start_run(Path("runs"), "mine", evaluate_every=0).run


def told(strips: StripChartOverlay) -> dict[str, list[float]]:
    """The last number of every strip, and how far it strays, by name."""
    return {
        name: [strip.history[-1].value, strip.history[-1].std]
        for (_, name), strip in strips.charts.items()
    }


def test_strips_tell_what_is_paid_thought_done_and_left(run):
    env, learner = make("poise/Cartpole-v0"), algos.restore_learner(run, "latest", with_critic=True)
    strips = StripChartOverlay(env, 50, learner)
    blank = np.zeros((48, 64, 3), np.uint8)
    for moment in islice(run_episode(env, lambda seen: learner.act(seen, explore=False), 3), 5):
        frame = strips(blank, moment)
        assert frame.shape[0] == 48 and frame.shape[1] % 2 == 0 and (frame[:, :64] == blank).all()
        now = told(strips)
        if moment.action is not None:
            paid = [now[name][0] for name in env.unwrapped.REWARD["posture"]]
            assert sum(paid) == pytest.approx(moment.reward), "the terms add up to the reward"
        worth, strays = learner.value_and_std(moment.observation[None])
        assert now["value"][0] == pytest.approx(float(worth[0]))
        assert now["force"] == pytest.approx(
            [float(learner.act(moment.observation[None], explore=False)[0, 0]), float(strays[0, 0])]
        )
        for name, margin in env.unwrapped.failure_margins().items():
            assert now[f"margin: {name}"][0] == pytest.approx(margin)


@pytest.mark.parametrize("env_id", ["Pendulum-v1", "CartPole-v1"])
def test_strips_of_somebody_elses_world_tell_reward_and_action(env_id):
    env = make_env(env_id)
    strips = StripChartOverlay(env, 30)
    for moment in islice(run_episode(env, make_random_policy(env, 0), 0), 3):
        strips(np.zeros((40, 40, 3), np.uint8), moment)
    assert told(strips) == {
        "reward": [moment.reward, 0.0],
        "action 1": [float(np.ravel(moment.action)[0]), 0.0],
    }


def test_annotating_changes_no_pixel_of_the_picture_and_a_tape_can_be_annotated_too(run, tape):
    record_episode(run, Path("told.mp4"), size=64, annotate=True)
    said(invoke("replay", tape, "--size", "64", "--annotate", "--out", "again.mp4"))
    for name in ("told.mp4", "again.mp4"):
        pairs = list(zip(read_video(Path("first.mp4")), read_video(Path(name)), strict=True))
        assert all(
            two.shape[1] > 200 and np.abs(one.astype(int) - two[:, :64]).mean() < 6.0
            for one, two in pairs
        )


def test_the_critic_is_there_to_judge_where_it_was_kept(history):
    judge, actor = (
        algos.restore_learner(history, "200", with_critic=True),
        algos.restore_learner(history, "200"),
    )
    assert judge.has_critic and not actor.has_critic
    assert not algos.restore_learner(history, "50", with_critic=True).has_critic, (
        "its policy alone is left"
    )
    live = algos.make_learner(
        **{key: history.config[key] for key in ("algorithm", "env_settings", "settings")},
        env_id="poise/Cartpole-v0",
    )
    live.load_state_dict(history.load_checkpoint("200")[1])
    seen = (
        np.random.default_rng(0)
        .normal(size=(5, live.observation_space.shape[0]))
        .astype(np.float32)
    )
    assert all(
        (one == two).all()
        for one, two in zip(live.value_and_std(seen), judge.value_and_std(seen), strict=True)
    )
    said(
        invoke(
            "record",
            "mine",
            "--checkpoint",
            "50",
            "--annotate",
            "--size",
            "64",
            "--out",
            "film.mp4",
        )
    )


def test_a_ghost_of_oneself_is_not_seen_and_another_is(run, history):
    for name, ghost in (("alone", None), ("self", run), ("other", history)):
        record_episode(run, Path(f"{name}.mp4"), size=96, ghost=ghost)
    alone, oneself, other = (
        list(read_video(Path(f"{name}.mp4"))) for name in ("alone", "self", "other")
    )
    assert len(alone) == len(oneself) == len(other), "a ghost changes nothing of the episode"
    assert [frame.tobytes() for frame in alone] == [frame.tobytes() for frame in oneself]
    assert other[0].tobytes() == alone[0].tobytes(), "the same start"
    assert any((one != two).any() for one, two in zip(alone, other, strict=True))


def test_a_ghost_from_another_world_is_one_line(history):
    start_run(Path("runs"), "stander", env="standing", steps=50, evaluate_every=0)
    before = snapshot(Path())
    assert_one_line(
        invoke("record", "mine", "--ghost", "stander", "--out", "film.mp4"),
        2,
        "can be no ghost in poise/Cartpole-v0",
    )
    assert_one_line(
        invoke("record", "mine", "--ghost", "mien", "--out", "film.mp4"), 2, "did you mean 'mine'"
    )
    assert snapshot(Path()) == before


# How a run learned.


def test_all_policies_are_filmed_from_the_same_start_and_shown_together(history):
    told = said(
        invoke(
            "record",
            "mine",
            "--checkpoint",
            "all",
            "--size",
            "96",
            "--out",
            "films",
            "--montage",
            "all.mp4",
        )
    )
    names = [f"step_{step:09d}-seed{EVALUATION_SEED}.mp4" for step in (0, 50, 100, 150, 200)]
    assert told.split() == [word for name in names for word in ("film:", f"films/{name}")] + [
        "film:",
        "all.mp4",
    ]
    films = [list(read_video(Path("films", name))) for name in names]
    strip = films[0][0].shape[0] - 96
    assert all(
        np.abs(film[0][strip + 4 :].astype(int) - films[0][0][strip + 4 :]).mean() < 2.0
        for film in films
    ), "one start"
    assert films[0][0][:strip].min() < 100, "a caption"
    assert len({film[-1][strip:].tobytes() for film in films}) > 1, "several policies"
    assert len(list(read_video(Path("all.mp4")))) == max(map(len, films))


def test_how_it_learned_can_be_printed(history):
    said(
        invoke(
            "record",
            "mine",
            "--checkpoint",
            "all",
            "--size",
            "96",
            "--out",
            "films",
            "--montage",
            "all.png",
        )
    )
    sheet = Clip(Path("all.png"))
    films = [list(read_video(path)) for path in sorted(Path("films").iterdir())]
    width, height = sheet.width // 6, sheet.height // len(films)
    picture = next(sheet.iter_frames(1, (sheet.width, sheet.height)))
    for row, film in enumerate(films):
        first = picture[row * height : (row + 1) * height, :width]
        assert np.abs(first.mean((0, 1)) - film[0].mean((0, 1))).max() < 12.0, "each begins a row"
        ended = picture[row * height : (row + 1) * height, 5 * width + 8 :]
        assert (ended.std((0, 1)).max() < 1.0) == (len(film) <= 5 / 6 * max(map(len, films))), (
            "nothing is shown of what is over"
        )
    assert not list(Path().glob(".*partial*"))


def test_a_policy_that_is_left_alone_can_be_filmed_and_judged(history):
    said(invoke("record", "mine", "--checkpoint", "50", "--size", "64", "--out", "film.mp4"))
    assert json.loads(
        said(invoke("evaluate", "mine", "--checkpoint", "0", "--episodes", "1", "--json"))
    )["checkpoint"].endswith("_000000000")
    assert not (history.path / "checkpoints" / "step_000000050").exists()


def test_a_damaged_policy_is_named_and_left_out(history):
    (history.path / "policies" / "step_000000050" / "manifest.json").unlink()
    result = invoke("record", "mine", "--checkpoint", "all", "--size", "64", "--out", "films")
    assert result.exit_code == 0 and "step_000000050 is damaged" in result.stderr
    assert len(list(Path("films").iterdir())) == 4


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--montage", "all.mp4"), "--montage goes with --checkpoint all"),
        (("--checkpoint", "all", "--tape", "one.tape"), "--tape keeps one episode"),
        (("--checkpoint", "all", "--out", "all.mp4"), "--out is a folder"),
        (("--checkpoint", "all", "--montage", "all.jpg"), "not 'all.jpg'"),
    ],
)
def test_words_that_do_not_go_together_are_one_line_and_leave_nothing(history, words, told):
    before = snapshot(Path())
    assert_one_line(invoke("record", "mine", *words), 2, told)
    assert snapshot(Path()) == before


# Where it fails.


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("a.mp4", "none.mp4"), "none.mp4 cannot be read as a video"),
        (("a.mp4", "words.mp4"), "words.mp4 cannot be read as a video"),
        (("a.mp4", "nothing.mp4"), "nothing.mp4 cannot be read as a video"),
        (("a.mp4", "."), "cannot be read as a video"),
        (("a.mp4", "--out", "all.avi"), "not 'all.avi'"),
        (("a.mp4", "--out", "./a.mp4"), "choose another --out"),
        (("a.mp4", "b.mp4", "--caption", "one"), "1 captions for 2 films"),
        (("a.mp4", "b.mp4", "c.mp4", "--columns", "3", "--max-size", "50"), "a larger --max-size"),
        (("a.mp4", "--layout", "sequence", "--columns", "3"), "--columns goes with"),
    ],
)
def test_a_mistake_is_one_line_and_leaves_nothing(films, words, told):
    Path("words.mp4").write_text("words " * 100)
    VideoRecorder(Path("nothing.mp4"), 25).close()
    before = snapshot(Path())
    assert_one_line(invoke("combine", "--out", "all.mp4", *words), 2, told)
    assert snapshot(Path()) == before


def test_words_are_written_on_after_another_world_has_quit_pygame():
    high = get_font(20).get_linesize()
    pygame.quit()
    pygame.font.init()
    assert get_font(20).get_linesize() == high


def test_a_font_that_is_missing_is_one_line_and_leaves_nothing(films, monkeypatch):
    def missing(*_: object) -> None:
        raise FileNotFoundError("No file 'freesansbold.ttf' found")

    monkeypatch.setattr("pygame.font.Font", missing)
    pygame.quit(), render_text.cache_clear()
    before = snapshot(Path())
    assert_one_line(invoke("combine", *films, "--out", "all.mp4"), 1, "font is missing")
    assert snapshot(Path()) == before


@pytest.mark.parametrize("name", ["all.mp4", "all.gif"])
def test_a_film_that_fails_half_way_is_not_there_and_the_one_before_it_stays(
    films, monkeypatch, name
):
    Path(name).write_text("mine")
    monkeypatch.setattr(
        Clip,
        "iter_frames",
        lambda *_: iter([np.zeros((64, 100, 3), np.uint8), np.zeros((64, 64, 3), np.uint8)]),
    )
    before = snapshot(Path())
    with pytest.raises(ValueError, match="in a video of"):
        combine(films, Path(name), layout="sequence", captions=[""])
    assert snapshot(Path()) == before
