"""Variation of pictures: off, nothing changes; on, all chance comes from one generator; and a body is always to be seen."""

import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from poise.cli import main
from poise.envs2d import canvas
from poise.toolkit.appearance import (
    DEFAULT_APPEARANCE,
    MIN_CONTRAST,
    Appearance,
    AppearanceRandomization,
    Colours,
    Light,
    Occluder,
    add_pixel_noise,
    contrast,
    draw_occluder,
    mix_colours,
)
from poise.toolkit.dataset import CARD
from poise.toolkit.errors import UserError
from poise.tools.mimic.targets import fit_image
from poise.tools.translate import collect_dataset as collecting
from poise.tools.translate.collect_dataset import collect_dataset, collect_shard, plan_dataset
from poise.tools.translate.load import load_translator
from poise.tools.translate.train import create_translator_run, train_translator
from sample_envs import IN_SPACE, OUR_IDS, bare

KINDS = list(AppearanceRandomization.model_fields)
EVERY_ENV = pytest.mark.parametrize("env_id", OUR_IDS)


def rng(seed=0):
    return np.random.default_rng(seed)


def load(folder, shard, part="frames"):
    return np.load(folder / shard / f"{part}.npy")


def plan(env_id="poise/Reacher2D-v0", **changed):
    how = {
        "frames": 40,
        "size": 32,
        "sequence": 4,
        "policy": "random",
        "seed": 3,
        "runs_dir": Path("runs"),
        **changed,
    }
    return plan_dataset(env_id, {}, **how)


@pytest.fixture
def drawn(env_id):
    """An environment that was placed, 48 x 40 pixels."""
    env = bare(env_id, render_mode="rgb_array", width=48, height=40)
    env.reset(seed=0)
    yield env
    env.close()


# Looks.


def test_no_strength_no_change():
    for seed in range(20):
        assert AppearanceRandomization().sample_appearance(rng(seed)) == DEFAULT_APPEARANCE


@EVERY_ENV
def test_every_kind_changes_the_picture_and_a_plain_look_brings_the_old_one_back(env_id, drawn):
    plain = drawn.render()
    for kind in drawn.RANDOMIZABLE:
        pictures = []
        for seed in range(8):
            drawn.appearance = AppearanceRandomization(**{kind: 1.0}).sample_appearance(rng(seed))
            pictures.append(drawn.render())
            assert pictures[-1].shape == (40, 48, 3) and pictures[-1].dtype == np.uint8
        assert sum(not np.array_equal(picture, plain) for picture in pictures) >= 4, kind
        drawn.appearance = DEFAULT_APPEARANCE
        np.testing.assert_array_equal(drawn.render(), plain)


@EVERY_ENV
def test_one_look_one_picture_and_all_kinds_go_together(env_id, drawn):
    variation = AppearanceRandomization(**dict.fromkeys(drawn.RANDOMIZABLE, 1.0))
    looks = [variation.sample_appearance(rng(seed)) for seed in (0, 1, 0)]
    pictures = []
    for look in looks:
        drawn.appearance = look
        pictures.append(drawn.render())
    assert looks[0] == looks[2] != looks[1]
    np.testing.assert_array_equal(pictures[0], pictures[2])
    assert not np.array_equal(pictures[0], pictures[1])


def test_every_kind_is_varied_by_some_world():
    varied = {kind for env_id in OUR_IDS for kind in bare(env_id).RANDOMIZABLE}
    assert varied == set(KINDS) if IN_SPACE[0] in OUR_IDS else set(KINDS) - {"lighting"}


def test_a_body_stands_out_from_whatever_is_behind_it():
    own = ((33, 118, 174), (255, 255, 255), (38, 50, 56))
    for seed in range(300):
        colours = (
            AppearanceRandomization(colours=seed % 2, background=1.0)
            .sample_appearance(rng(seed))
            .colours
        )
        behind = mix_colours(*colours.blend_background((235, 242, 250), (253, 249, 240)), 0.5)
        assert (
            min(
                contrast(colours.blend_body_colour(colour, turn, behind), behind)
                for turn, colour in enumerate(own)
            )
            >= MIN_CONTRAST
        )


def test_what_is_pale_stays_pale_in_the_plane():
    picture = canvas.Canvas(40, 40)
    for seed in range(50):
        picture.begin_frame(
            (0.0, 0.0),
            1.0,
            Appearance(
                AppearanceRandomization(colours=1.0, background=1.0)
                .sample_appearance(rng(seed))
                .colours
            ),
        )
        behind = picture.get_frame()[20, 20].tolist()
        picture.draw_disc((0.0, 0.0), 0.3, (208, 216, 222))
        assert contrast(tuple(picture.get_frame()[20, 20].tolist()), tuple(behind)) < MIN_CONTRAST


def test_strength_says_how_far_to_go_from_a_worlds_own_colours():
    black, red, blue = (0, 0, 0), (255, 0, 0), (0, 0, 255)
    half = Colours(
        palette=(red, blue), palette_strength=0.5, background=(blue, black), background_strength=0.5
    )
    assert half.blend_background(black, black) == ((0, 0, 128), black)
    assert [half.blend_body_colour(black, turn, (255, 255, 255)) for turn in range(3)] == [
        (128, 0, 0),
        (0, 0, 128),
        (128, 0, 0),
    ]


def test_limbs_and_joints_become_wider_and_thinner():
    def ink(limbs, joints):
        env.appearance = Appearance(limb_width_scale=limbs, joint_width_scale=joints)
        return int((env.render().astype(int).sum(2) < 450).sum())

    env = bare(
        "poise/Reacher2D-v0", render_mode="rgb_array", width=200, height=200, show_markers=False
    )
    env.reset(seed=0)
    assert ink(0.3, 0.0) < ink(0.3, 1.0) < ink(1.0, 1.0) < ink(1.5, 1.0) < ink(1.5, 3.0)


def test_every_part_of_the_light_changes_the_picture():
    pytest.importorskip("pybullet")
    env = bare("poise/Reacher3D-v0", render_mode="rgb_array", width=64, height=64)
    env.reset(seed=0)
    lights = (
        Light(),
        Light(direction=(-4, 3, 3)),
        Light(colour=(1, 0.5, 0.5)),
        Light(ambient=0.3),
        Light(diffuse=0.9),
    )
    pictures = []
    for light in lights:
        env.appearance = Appearance(light=light)
        pictures.append(env.render().tobytes())
    assert len(set(pictures)) == len(lights)
    env.close()


# The camera.


def test_in_the_plane_a_camera_moved_to_the_right_sees_all_farther_left():
    env = bare("poise/Reacher2D-v0", render_mode="rgb_array", width=64, height=64)
    env.reset(seed=0)
    plain, before = env.render(), env.world_to_image(env.pose[1])
    env.appearance = Appearance(camera_shift=(4 / 64, 0.0))
    np.testing.assert_array_equal(env.render()[:, :-4], plain[:, 4:])
    assert env.world_to_image(env.pose[1]) == pytest.approx((before[0] - 4 / 64, before[1]))
    assert env.image_to_world(*env.world_to_image((0.1, 0.2))) == pytest.approx((0.1, 0.2))
    env.appearance = Appearance(camera_zoom=2.0)
    assert env.world_to_image(env.pose[1]) == pytest.approx(
        [0.5 + 2.0 * (place - 0.5) for place in before]
    )


def test_in_space_the_camera_is_moved_as_the_picture_says():
    pytest.importorskip("pybullet")
    env = bare("poise/Reacher3D-v0", render_mode="rgb_array")
    env.reset(seed=0)
    middle = env.camera_target()
    env.appearance = Appearance(camera_shift=(0.1, -0.05))
    assert env.world_to_image(middle) == pytest.approx((0.4, 0.45))
    env.appearance = Appearance(camera_zoom=1.25)
    assert env._aim_camera(env.camera).distance == pytest.approx(env.camera.distance / 1.25)
    env.appearance = Appearance(camera_rotation=(0.2, 0.1))
    eyes = env._aim_camera(env.camera).position() - middle, env.camera.position() - middle
    assert np.linalg.norm(eyes[0]) == pytest.approx(np.linalg.norm(eyes[1]))
    turned = [math.atan2(eye[1], eye[0]) for eye in eyes]
    assert turned[0] - turned[1] == pytest.approx(0.2)
    env.close()


# Over the finished picture.


def test_a_bar_hides_its_place_and_nothing_else():
    picture = np.zeros((20, 40, 3), np.uint8)
    draw_occluder(picture, Occluder(0.25, 0.5, (1, 2, 3)))
    assert (picture[:, 10:20] == (1, 2, 3)).all() and picture.sum() == 20 * 10 * 6
    draw_occluder(
        level := np.zeros((20, 40, 3), np.uint8), Occluder(0.25, 0.5, (1, 2, 3), is_horizontal=True)
    )
    assert (level[5:10] == (1, 2, 3)).all() and level.sum() == 5 * 40 * 6
    before = picture.copy()
    assert not np.array_equal(
        Appearance(occluders=(Occluder(0.0, 0.1, (9, 9, 9)),)).postprocess(picture), before
    )
    np.testing.assert_array_equal(picture, before)


def test_grain_is_as_strong_as_it_says_and_changes_no_mean():
    grey = np.full((100, 100, 3), 128, np.uint8)
    grainy = add_pixel_noise(grey, 10.0, rng()).astype(float)
    assert grainy.std() == pytest.approx(10.0, rel=0.02)
    assert grainy.mean() == pytest.approx(128.0, abs=0.6)  # Cut off, not rounded.
    np.testing.assert_array_equal(
        Appearance(pixel_noise=10.0, noise_seed=5).postprocess(grey),
        Appearance(pixel_noise=10.0, noise_seed=5).postprocess(grey),
    )


# Datasets.


def test_a_varied_dataset_is_the_same_whoever_makes_it_and_shows_the_same_states(
    monkeypatch, tmp_path
):
    monkeypatch.setattr(collecting, "SHARD_FRAMES", 16)
    varied = plan(randomize_appearance={"all": 1})
    many = collect_dataset(varied, tmp_path / "many", jobs=2)
    assert many.card["variation"] == {**dict.fromkeys(KINDS, 1.0), "lighting": 0.0}
    for name, how in (("varied", varied), ("plain", plan())):  # By itself, the second shard first.
        for episodes in (range(4, 8), range(4)):
            collect_shard(json.dumps(how), episodes, tmp_path / f"{name}{episodes.start}")
    collecting._load_env.cache_clear()
    rows = np.arange(32)
    np.testing.assert_array_equal(
        many.load_frames(rows),
        np.concatenate([load(tmp_path, f"varied{start}") for start in (0, 4)]),
    )
    assert (
        (
            many.load_frames(rows)
            != np.concatenate([load(tmp_path, f"plain{start}") for start in (0, 4)])
        )
        .any((1, 2, 3))
        .all()
    )
    plain = np.concatenate([load(tmp_path, f"plain{start}", "signals") for start in (0, 4)])
    np.testing.assert_array_equal(many.signal_values[:32], plain)
    with pytest.raises(UserError, match="holds another dataset"):
        collect_dataset(plan(randomize_appearance={"pixel_noise": 0.5}), tmp_path / "many", jobs=1)


def test_every_frame_of_an_episode_has_a_look_of_its_own(tmp_path):
    collect_shard(
        json.dumps(plan(randomize_appearance={"background": 1})), range(2), tmp_path / "shard"
    )
    collecting._load_env.cache_clear()
    assert len(np.unique(load(tmp_path, "shard")[:, 0, 0], axis=0)) == 8


def test_with_no_variation_a_plan_is_what_it_always_was():
    assert (
        plan(randomize_appearance={})
        == plan()
        == plan(randomize_appearance={"pixel_noise": 0, "colours": 0.0})
    )
    assert "variation" not in plan()


def test_all_is_what_a_world_can_vary_and_more_words_make_it_exact():
    variation = plan(randomize_appearance={"all": 0.5, "pixel_noise": 0})["variation"]
    assert variation == {**dict.fromkeys(KINDS, 0.5), "pixel_noise": 0.0, "lighting": 0.0}


@pytest.mark.parametrize(("word", "said"), [
    ("lighting=1", "poise/Reacher2D-v0 cannot vary lighting: it can vary colours, background, widths"),
    ("colour=1", "did you mean 'colours'"),
    ("pixel_noise=1.5", "variation pixel_noise=1.5: input should be less than or equal to 1"),
    ("occluders=-1", "variation occluders=-1: input should be greater than or equal to 0"),
    ("camera_jitter=much", "variation camera_jitter='much'"),
    ("all=2", "less than or equal to 1"),
    ("noise", "--randomize-appearance 'noise': write it as key=value"),
])  # fmt: skip
def test_wrong_words_are_said_in_one_line_and_leave_nothing(elsewhere, word, said):
    result = CliRunner().invoke(
        main, ["dataset", "reacher2d", "--out", "pictures", "--randomize-appearance", word]
    )
    assert result.exit_code == 2
    assert said in result.output and len(result.output.strip().splitlines()) == 1
    assert not Path("pictures").exists()


def test_the_command_varies_and_its_help_names_every_kind(elsewhere):
    words = [
        "--frames",
        "4",
        "--sequences",
        "2",
        "--size",
        "16",
        "--jobs",
        "1",
        "--randomize-appearance",
        "colours=1",
        "--randomize-appearance",
        "occluders=0.5",
    ]
    told = CliRunner().invoke(main, ["dataset", "reacher2d", "--out", "pictures", *words])
    assert told.exit_code == 0, told.output
    variation = json.loads(Path("pictures", CARD).read_text())["variation"]
    assert {kind: strength for kind, strength in variation.items() if strength} == {
        "colours": 1.0,
        "occluders": 0.5,
    }
    told = CliRunner().invoke(main, ["dataset", "--help"])
    assert all(kind in told.output for kind in [*KINDS, "all"])


# A real drawing.

PAGE = 320
STICKS = {
    "pencil": {"paper": (255, 255, 255), "limbs": [(60, 60, 60)] * 2, "width": 0.008},
    "ballpoint": {"paper": (250, 247, 235), "limbs": [(25, 50, 160)] * 2, "width": 0.012},
    "felt pen": {
        "paper": (255, 255, 255),
        "limbs": [(200, 20, 30)] * 2,
        "width": 0.03,
        "joints": ((0, 0, 0), 0.02),
    },
    "chalk": {"paper": (30, 60, 50), "limbs": [(240, 240, 230)] * 2, "width": 0.018},
    "crayons": {"paper": (205, 205, 210), "limbs": [(30, 140, 60), (235, 120, 20)], "width": 0.04},
    "white ink": {
        "paper": (150, 110, 80),
        "limbs": [(255, 255, 255)] * 2,
        "width": 0.015,
        "joints": ((255, 255, 255), 0.016),
    },
    "brush": {"paper": (255, 240, 170), "limbs": [(20, 20, 20)] * 2, "width": 0.055},
}
"""Ways to draw an arm as a stick figure; widths and radii in m, of which a page shows one."""


def stick_figure(points, paper, limbs, width, joints=None):
    """A drawing (320, 320, 3) of shoulder, elbow and hand (3, 2), made with nothing of Poise: ink covers what is near a line."""
    rows, columns = np.mgrid[:PAGE, :PAGE]
    here = np.stack(((columns + 0.5) / PAGE - 0.5, 0.5 - (rows + 0.5) / PAGE), axis=-1)
    page = np.full((PAGE, PAGE, 3), paper, float)

    def draw(tail, head, half, colour):
        along = head - tail
        part = np.clip((here - tail) @ along / max(along @ along, 1e-12), 0.0, 1.0)[..., None]
        away = np.linalg.norm(here - tail - part * along, axis=-1)
        ink = np.clip((half - away) * PAGE + 0.5, 0.0, 1.0)[..., None]
        page[:] = (1.0 - ink) * page + ink * np.array(colour)

    for (tail, head), colour in zip(pairwise(points), limbs, strict=True):
        draw(tail, head, width / 2.0, colour)
    for point in points if joints else ():
        draw(point, point, joints[1], joints[0])
    return page.round().astype(np.uint8)


@pytest.mark.slow
def test_a_stick_figure_is_understood_after_training_with_variation(tmp_path):
    vary = {
        "colours": 1,
        "background": 1,
        "widths": 1,
        "pixel_noise": 0.5,
        "occluders": 0.5,
        "camera_jitter": 0.2,
    }
    data = collect_dataset(
        plan(frames=50_000, sequence=10, size=64, seed=0, randomize_appearance=vary),
        tmp_path / "pictures",
        jobs=2,
    )
    train_translator(run := create_translator_run(tmp_path, None, data, {"steps": 10000}), data)
    translator = load_translator(run)
    angles = rng().uniform(-math.pi, math.pi, (50, 2)).cumsum(axis=1)
    places = np.cumsum(0.2 * np.stack((np.cos(angles), np.sin(angles)), axis=-1), axis=1)
    errors = {}
    for name, style in STICKS.items():
        pages = [stick_figure(np.concatenate(([[0.0, 0.0]], pose)), **style) for pose in places]
        seen = translator.translate(
            np.stack([fit_image(page, translator.image_size, name) for page in pages])
        )
        errors[name] = np.linalg.norm(seen.reshape(-1, 2, 2) - places, axis=-1).mean()
    print(", ".join(f"{name}: {1000 * error:.0f} mm" for name, error in errors.items()))
    assert max(errors.values()) < 0.03, errors
