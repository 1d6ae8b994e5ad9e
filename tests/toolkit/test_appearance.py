"""Appearance and its randomization: off, it changes nothing; on, it is reproducible."""

import json
import math
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from sample_envs import IN_SPACE, OUR_IDS, bare

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
    """An environment after its reset, 48 x 40 pixels."""
    env = bare(env_id, render_mode="rgb_array", width=48, height=40)
    env.reset(seed=0)
    yield env
    env.close()


# Appearance.


def test_appearance_at_zero_strength_is_default():
    for seed in range(20):
        assert AppearanceRandomization().sample_appearance(rng(seed)) == DEFAULT_APPEARANCE


@EVERY_ENV
def test_each_randomization_changes_image_and_default_restores_it(env_id, drawn):
    plain = drawn.render()
    for name in drawn.RANDOMIZABLE:
        images = []
        for seed in range(8):
            drawn.appearance = AppearanceRandomization(**{name: 1.0}).sample_appearance(rng(seed))
            images.append(drawn.render())
            assert images[-1].shape == (40, 48, 3) and images[-1].dtype == np.uint8
        assert sum(not np.array_equal(image, plain) for image in images) >= 4, name
        drawn.appearance = DEFAULT_APPEARANCE
        np.testing.assert_array_equal(drawn.render(), plain)


@EVERY_ENV
def test_equal_appearances_give_equal_images(env_id, drawn):
    randomization = AppearanceRandomization(**dict.fromkeys(drawn.RANDOMIZABLE, 1.0))
    appearances = [randomization.sample_appearance(rng(seed)) for seed in (0, 1, 0)]
    images = []
    for appearance in appearances:
        drawn.appearance = appearance
        images.append(drawn.render())
    assert appearances[0] == appearances[2] != appearances[1]
    np.testing.assert_array_equal(images[0], images[2])
    assert not np.array_equal(images[0], images[1])


def test_each_randomization_is_supported_by_some_env():
    varied = {kind for env_id in OUR_IDS for kind in bare(env_id).RANDOMIZABLE}
    assert varied == set(KINDS) if IN_SPACE[0] in OUR_IDS else set(KINDS) - {"lighting"}


def test_body_colour_has_least_contrast_to_any_background():
    originals = ((33, 118, 174), (255, 255, 255), (38, 50, 56))
    for seed in range(300):
        colours = (
            AppearanceRandomization(colours=seed % 2, background=1.0)
            .sample_appearance(rng(seed))
            .colours
        )
        background = mix_colours(*colours.blend_background((235, 242, 250), (253, 249, 240)), 0.5)
        assert (
            min(
                contrast(colours.blend_body_colour(colour, index, background), background)
                for index, colour in enumerate(originals)
            )
            >= MIN_CONTRAST
        )


def test_pale_colour_stays_pale_in_the_plane():
    page = canvas.Canvas(40, 40)
    for seed in range(50):
        page.begin_frame(
            (0.0, 0.0),
            1.0,
            Appearance(
                AppearanceRandomization(colours=1.0, background=1.0)
                .sample_appearance(rng(seed))
                .colours
            ),
        )
        background_colour = page.get_frame()[20, 20].tolist()
        page.draw_disc((0.0, 0.0), 0.3, (208, 216, 222))
        assert (
            contrast(tuple(page.get_frame()[20, 20].tolist()), tuple(background_colour))
            < MIN_CONTRAST
        )


def test_colour_strength_mixes_original_and_new_colours():
    black, red, blue = (0, 0, 0), (255, 0, 0), (0, 0, 255)
    half = Colours(
        palette=(red, blue), palette_strength=0.5, background=(blue, black), background_strength=0.5
    )
    assert half.blend_background(black, black) == ((0, 0, 128), black)
    assert [half.blend_body_colour(black, index, (255, 255, 255)) for index in range(3)] == [
        (128, 0, 0),
        (0, 0, 128),
        (128, 0, 0),
    ]


def test_width_scales_change_drawn_area():
    def dark_area(limbs, joints):
        env.appearance = Appearance(limb_width_scale=limbs, joint_width_scale=joints)
        return int((env.render().astype(int).sum(2) < 450).sum())

    env = bare(
        "poise/Reacher2D-v0", render_mode="rgb_array", width=200, height=200, show_markers=False
    )
    env.reset(seed=0)
    assert (
        dark_area(0.3, 0.0)
        < dark_area(0.3, 1.0)
        < dark_area(1.0, 1.0)
        < dark_area(1.5, 1.0)
        < dark_area(1.5, 3.0)
    )


def test_each_parameter_of_the_light_changes_image():
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
    images = []
    for light in lights:
        env.appearance = Appearance(light=light)
        images.append(env.render().tobytes())
    assert len(set(images)) == len(lights)
    env.close()


# The camera.


def test_planar_camera_shift_and_zoom_move_image():
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


def test_spatial_camera_follows_shift_zoom_and_rotation():
    pytest.importorskip("pybullet")
    env = bare("poise/Reacher3D-v0", render_mode="rgb_array")
    env.reset(seed=0)
    middle = env.camera_target()
    env.appearance = Appearance(camera_shift=(0.1, -0.05))
    assert env.world_to_image(middle) == pytest.approx((0.4, 0.45))
    env.appearance = Appearance(camera_zoom=1.25)
    assert env._aim_camera(env.camera).distance == pytest.approx(env.camera.distance / 1.25)
    env.appearance = Appearance(camera_rotation=(0.2, 0.1))
    camera_offsets = env._aim_camera(env.camera).position() - middle, env.camera.position() - middle
    assert np.linalg.norm(camera_offsets[0]) == pytest.approx(np.linalg.norm(camera_offsets[1]))
    yaws = [math.atan2(offset[1], offset[0]) for offset in camera_offsets]
    assert yaws[0] - yaws[1] == pytest.approx(0.2)
    env.close()


# Postprocessing.


def test_occluder_covers_its_bar_only():
    image = np.zeros((20, 40, 3), np.uint8)
    draw_occluder(image, Occluder(0.25, 0.5, (1, 2, 3)))
    assert (image[:, 10:20] == (1, 2, 3)).all() and image.sum() == 20 * 10 * 6
    draw_occluder(
        level := np.zeros((20, 40, 3), np.uint8), Occluder(0.25, 0.5, (1, 2, 3), is_horizontal=True)
    )
    assert (level[5:10] == (1, 2, 3)).all() and level.sum() == 5 * 40 * 6
    before = image.copy()
    assert not np.array_equal(
        Appearance(occluders=(Occluder(0.0, 0.1, (9, 9, 9)),)).postprocess(image), before
    )
    np.testing.assert_array_equal(image, before)


def test_pixel_noise_has_given_std_and_zero_mean():
    grey = np.full((100, 100, 3), 128, np.uint8)
    grainy = add_pixel_noise(grey, 10.0, rng()).astype(float)
    assert grainy.std() == pytest.approx(10.0, rel=0.02)
    assert grainy.mean() == pytest.approx(128.0, abs=0.6)  # Truncated, not rounded.
    np.testing.assert_array_equal(
        Appearance(pixel_noise=10.0, noise_seed=5).postprocess(grey),
        Appearance(pixel_noise=10.0, noise_seed=5).postprocess(grey),
    )


# Datasets.


def test_randomized_dataset_is_reproducible_and_keeps_states(monkeypatch, tmp_path):
    monkeypatch.setattr(collecting, "SHARD_FRAMES", 16)
    varied = plan(randomize_appearance={"all": 1})
    many = collect_dataset(varied, tmp_path / "many", jobs=2)
    assert many.card["randomize_appearance"] == {**dict.fromkeys(KINDS, 1.0), "lighting": 0.0}
    for name, how in (
        ("varied", varied),
        ("plain", plan()),
    ):  # In this process, the second shard first.
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


def test_every_frame_of_an_episode_has_its_own_appearance(tmp_path):
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
    assert "randomize_appearance" not in plan()


def test_strength_of_all_is_default_of_the_others():
    randomization = plan(randomize_appearance={"all": 0.5, "pixel_noise": 0})[
        "randomize_appearance"
    ]
    assert randomization == {**dict.fromkeys(KINDS, 0.5), "pixel_noise": 0.0, "lighting": 0.0}


@pytest.mark.parametrize(("assignment", "message"), [
    ("lighting=1", "poise/Reacher2D-v0 cannot randomize lighting: it can randomize colours, b"),
    ("colour=1", "did you mean 'colours'"),
    ("pixel_noise=1.5", "appearance randomization pixel_noise=1.5: input should be less than or"),
    ("occluders=-1", "appearance randomization occluders=-1: input should be greater than or"),
    ("camera_jitter=much", "appearance randomization camera_jitter='much'"),
    ("all=2", "less than or equal to 1"),
    ("noise", "--randomize-appearance 'noise': write it as key=value"),
])  # fmt: skip
def test_invalid_strength_is_refused_in_one_line(elsewhere, assignment, message):
    result = CliRunner().invoke(
        main, ["dataset", "reacher2d", "--out", "pictures", "--randomize-appearance", assignment]
    )
    assert result.exit_code == 2
    assert message in result.output and len(result.output.strip().splitlines()) == 1
    assert not Path("pictures").exists()


def test_dataset_command_randomizes_and_help_lists_all_names(elsewhere):
    options = [
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
    result = CliRunner().invoke(main, ["dataset", "reacher2d", "--out", "pictures", *options])
    assert result.exit_code == 0, result.output
    randomization = json.loads(Path("pictures", CARD).read_text(encoding="utf-8"))[
        "randomize_appearance"
    ]
    assert {name: strength for name, strength in randomization.items() if strength} == {
        "colours": 1.0,
        "occluders": 0.5,
    }
    result = CliRunner().invoke(main, ["dataset", "--help"])
    assert all(name in result.output for name in [*KINDS, "all"])


# Drawings.

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
"""Styles of stick figures; widths and radii in m, of which a page shows one."""


def stick_figure(points, paper, limbs, width, joints=None):
    """Return a drawing (320, 320, 3) of shoulder, elbow and hand (3, 2), without code of Poise."""
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
def test_translator_trained_with_randomization_reads_stick_figures(tmp_path):
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
    positions = np.cumsum(0.2 * np.stack((np.cos(angles), np.sin(angles)), axis=-1), axis=1)
    errors = {}
    for name, style in STICKS.items():
        pages = [stick_figure(np.concatenate(([[0.0, 0.0]], pose)), **style) for pose in positions]
        estimates = translator.translate(
            np.stack([fit_image(page, translator.image_size, name) for page in pages])
        )
        errors[name] = np.linalg.norm(estimates.reshape(-1, 2, 2) - positions, axis=-1).mean()
    print(", ".join(f"{name}: {1000 * error:.0f} mm" for name, error in errors.items()))
    assert max(errors.values()) < 0.03, errors
