"""Mimicry: images are loaded whole, errors are those of true poses, and robots reach poses."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pygame
import pytest
from click.testing import CliRunner
from sample_envs import TAKING, bare, make, needs_pybullet
from sample_policies import Hands
from sample_runs import seeing_runs

from poise.cli import main
from poise.toolkit.dataset import Dataset
from poise.toolkit.errors import UserError
from poise.toolkit.media.image import caption_height
from poise.toolkit.media.video import open_recorder, read_video
from poise.toolkit.pose_task import PoseEnvironment, PoseError
from poise.toolkit.run import Run
from poise.toolkit.spaces import slices
from poise.tools.mimic.comparison import (
    LINE_COLOUR,
    MIN_PLOT_WIDTH,
    TOLERANCE_COLOUR,
    ErrorPlot,
)
from poise.tools.mimic.mimic import LEAD_TIME, GoalImageRobot, Mimic
from poise.tools.mimic.targets import (
    KNOT_INTERVAL,
    Target,
    TrajectoryWrapper,
    fit_image,
    load_dataset_targets,
    load_image_targets,
    load_video_targets,
    make_trajectory_targets,
    sample_targets,
)
from poise.tools.train.plan import TrainRequest
from poise.tools.train.session import start_training
from poise.tools.translate.collect_dataset import collect_dataset, plan_dataset
from poise.tools.translate.train import create_translator_run, train_translator

REACHER = "poise/Reacher2D-v0"
SIZE = (32, 32)
IMAGE_SETTINGS = {"width": 32, "height": 32, "view": "agent"}
WHITE = (255, 255, 255)
FILM_SHAPE = (caption_height(48) + 48, 2 * 48 + MIN_PLOT_WIDTH, 3)
"""Shape of the frames of a film of --size 48."""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with a dataset, two translators and two policies, hardly trained.

    `eye` is a translator of single images, `film` one of sequences; `mover` can take poses,
    `stander` cannot.
    """
    folder = tmp_path_factory.mktemp("mimic")
    data = collect(folder / "data", folder, frames=60)
    cnn = {"steps": 3, "conv_channels": [4, 8], "hidden_size": 8, "evaluate_every": 3}
    train_translator(create_translator_run(folder, "eye", data, cnn), data)
    convlstm = {
        "kind": "convlstm",
        "steps": 2,
        "conv_channels": [4, 8],
        "lstm_channels": 2,
        "hidden_size": 8,
        "evaluate_every": 2,
        "batch_size": 2,
    }
    train_translator(create_translator_run(folder, "film", data, convlstm), data)
    train_policy(folder, "mover", "reacher2d", 64, {"rollout_steps": 64})
    train_policy(folder, "stander", "cartpole", 64, {"rollout_steps": 64})
    return folder


def collect(out, runs_dir, **changes):
    options = {"size": 32, "sequence": 2, "policy": "random", "seed": 0, **changes}
    return collect_dataset(plan_dataset(REACHER, {}, runs_dir=runs_dir, **options), out, jobs=1)


def train_policy(folder, name, env, steps, settings, env_settings=None):
    training = {
        "steps": steps,
        "evaluate_every": 0,
        "evaluate_episodes": 1,
        "num_envs": 1,
        "num_workers": 1,
    }
    request = TrainRequest(
        env=env,
        algorithm="ppo",
        training=training,
        settings=settings,
        env_settings=env_settings or {},
        runs_dir=folder,
        name=name,
    )
    start_training(request)


@pytest.fixture
def robot(runs):
    mimic = Mimic(Run.open(runs, "mover"), Run.open(runs, "eye"), 48)
    mimic.learner = Hands()
    yield mimic
    mimic.env.close()


def save_image(path, width, height, colour=(200, 30, 30)):
    """Write an image whose left half has a colour; the rest is white."""
    surface = pygame.Surface((width, height))
    surface.fill(WHITE)
    surface.fill(colour, (0, 0, width // 2, height))
    pygame.image.save(surface, path)
    return path


def uniform_image(shade, size=32):
    return np.full((size, size, 3), shade, np.uint8)


# Environments whose target pose can be set.


@pytest.mark.parametrize("env_id", TAKING)
def test_target_of_an_environment_is_set_to_the_pose_of_another_body(env_id):
    needs_pybullet(env_id)
    other = bare(env_id)
    env = bare(env_id)
    assert isinstance(env, PoseEnvironment)
    signals = slices(env.OBSERVATION)
    pose = other.reset(seed=5)[0][signals["pose"]]
    env.reset(seed=9)
    env.set_target(pose)
    observation = env.agent_observation()
    np.testing.assert_allclose(observation[signals["target"]], pose, atol=1e-6)
    difference = pose - observation[signals["pose"]]
    np.testing.assert_allclose(observation[signals["difference"]], difference, atol=1e-6)
    other.close()
    env.close()


# Target images.


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_image_file_of_any_size_is_scaled_to_the_translators(tmp_path, suffix):
    path = save_image(tmp_path / f"large.{suffix}", 210, 200)
    [target] = load_image_targets([path], SIZE)
    assert target.image.shape == (32, 32, 3)
    assert target.pose is None
    left = target.image[5:27, 3:12].mean((0, 1))
    right = target.image[5:27, 20:29].mean((0, 1))
    np.testing.assert_allclose(left, (200, 30, 30), atol=4)
    np.testing.assert_allclose(right, WHITE, atol=4)


def test_image_of_the_right_size_is_returned_unchanged():
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert fit_image(image, SIZE, "image") is image


@pytest.mark.parametrize(("create", "message"), [
    (lambda path: path.write_bytes(b"no image"), "is not an image that can be read"),
    (lambda path: save_image(path, 200, 100), "200 x 100 pixels"),
    (lambda path: pygame.image.save(pygame.Surface((50, 50)), path), "all black"),
    (lambda path: None, "no such file"),
])  # fmt: skip
def test_unusable_image_is_a_one_line_error(tmp_path, create, message):
    path = tmp_path / "image.png"
    create(path)
    with pytest.raises(UserError, match=message) as caught:
        load_image_targets([path], SIZE)
    assert len(str(caught.value).splitlines()) == 1


def test_video_is_loaded_frame_by_frame_and_an_empty_one_is_refused(tmp_path):
    with open_recorder(tmp_path / "film.mp4", 25) as recorder:
        for shade in (40, 120, 200):
            recorder.add(uniform_image(shade, 64))
    targets = load_video_targets(tmp_path / "film.mp4", SIZE)
    assert [round(target.image.mean(), -1) for target in targets] == [40, 120, 200]
    (tmp_path / "empty.mp4").write_bytes(b"")
    for name in ("empty.mp4", "missing.mp4"):
        with pytest.raises(UserError):
            load_video_targets(tmp_path / name, SIZE)


def test_sampled_targets_have_the_environments_image_and_pose():
    env = make(REACHER, "rgb_array", **IMAGE_SETTINGS)
    [target] = sample_targets(REACHER, IMAGE_SETTINGS, 1, 77)
    observation, _ = env.reset(seed=77)
    np.testing.assert_array_equal(target.image, env.render())
    np.testing.assert_array_equal(target.pose, observation[4:8])


def test_dataset_targets_are_distinct_held_out_frames(runs):
    data = Dataset(runs / "data")
    targets = load_dataset_targets(data, 4)
    rows = [int(target.name.split()[1]) for target in targets]
    _, held_out_rows = data.split()
    assert set(rows) <= set(held_out_rows.tolist())
    assert len(set(rows)) == 4
    np.testing.assert_array_equal(targets[2].image, data.load_frames(np.array(rows[2:3]))[0])


# Reaching poses.


class FakeTranslator:
    """Reads the true poses of given targets, and of the robot itself, changed by `distort`."""

    def __init__(self, robot, targets, distort):
        self.robot = robot
        self.image_size = SIZE
        self.distort = distort
        self.own_readings = 0
        self.poses = {target.image.tobytes(): target.pose for target in targets}

    def reset(self):
        """Do nothing: there is no state."""

    def translate_frame(self, image):
        return self.distort(self.poses[image.tobytes()])

    def translate(self, images):
        np.testing.assert_array_equal(images, self.robot.poise_env.render_observation(32, 32)[None])
        self.own_readings += 1
        return self.distort(self.robot.pose)[None]


def rotate(pose, degrees):
    """Rotate a pose around the shoulder."""
    sine = np.sin(np.radians(degrees))
    cosine = np.cos(np.radians(degrees))
    rotation = np.array([[cosine, sine], [-sine, cosine]])
    return (pose.reshape(-1, 2) @ rotation).ravel().astype(np.float32)


def sample_six_targets():
    return sample_targets(REACHER, IMAGE_SETTINGS, 6, 500)


def reach_all(robot, targets, **options):
    return [robot.reach_pose(target, seed, **options) for seed, target in enumerate(targets)]


def test_pose_read_correctly_is_reached_and_a_misread_one_has_a_reading_error(robot):
    targets = sample_six_targets()
    robot.translator = FakeTranslator(robot, targets, lambda pose: pose)
    attempts = reach_all(robot, targets)
    assert robot.translator.own_readings
    with_true_poses = reach_all(robot, targets, use_image=False)
    assert sum(attempt.steps is not None for attempt in attempts) >= 4
    steps = [attempt.steps for attempt in attempts]
    assert steps == [attempt.steps for attempt in with_true_poses]
    assert all(attempt.reading_error.metres < 1e-5 for attempt in attempts)
    assert robot.max_steps == 150, "half an episode"
    for attempt in attempts:
        if attempt.steps:
            assert 25 <= attempt.steps <= robot.max_steps
            assert attempt.final_error.metres < 0.02
    robot.translator = FakeTranslator(robot, targets, lambda pose: rotate(pose, 180))
    misread = reach_all(robot, targets)
    assert all(attempt.reading_error.metres > 0.1 for attempt in misread)


def test_correction_by_the_robots_own_image_removes_the_translators_error(robot, monkeypatch):
    targets = sample_six_targets()
    robot.translator = FakeTranslator(robot, targets, lambda pose: rotate(pose, 7))
    corrected = reach_all(robot, targets)
    monkeypatch.setattr("poise.tools.mimic.mimic.CORRECTION_INTERVAL", 10**6)
    uncorrected = reach_all(robot, targets)
    assert sum(attempt.steps is not None for attempt in corrected) >= 4
    assert not any(attempt.steps for attempt in uncorrected)
    reading_errors = [attempt.reading_error for attempt in corrected]
    assert reading_errors == [attempt.reading_error for attempt in uncorrected]
    corrected_error = np.mean([attempt.final_error.metres for attempt in corrected])
    uncorrected_error = np.mean([attempt.final_error.metres for attempt in uncorrected])
    assert corrected_error < 0.5 * uncorrected_error


def test_robot_follows_the_poses_of_a_video(robot):
    targets = sample_targets(REACHER, IMAGE_SETTINGS, 2, 900)
    frames = [
        Target(f"frame {index}", uniform_image(10 if index >= 60 else 0), None)
        for index in range(120)
    ]
    robot.translator.translate_frame = lambda image: targets[int(image.max() > 0)].pose
    frame_errors = robot.follow_video(frames, frame_rate=25)
    distances = [errors.tracking_error.metres for errors in frame_errors]
    assert len(distances) == 120
    assert distances[0] < 0.05
    assert distances[59] < 0.05 < distances[60]
    assert distances[119] < 0.05
    for errors in frame_errors:
        assert errors.true_error is None
        assert errors.reading_error is None


@pytest.mark.parametrize("frame_rate", [10, 25, 60])
def test_video_of_any_frame_rate_takes_its_duration(robot, frame_rate, monkeypatch):
    steps = []
    frames = [Target("frame", uniform_image(200), None)] * (2 * frame_rate)
    env_step = robot.env.step
    monkeypatch.setattr(robot.env, "step", lambda action: steps.append(1) or env_step(action))
    robot.follow_video(frames, frame_rate)
    expected = robot.max_steps + 2 * robot.poise_env.CONTROL_HZ
    assert len(steps) == pytest.approx(expected, abs=1)


def test_moving_target_is_extrapolated_and_a_still_one_is_not(robot):
    robot.reset(0)
    first_pose = np.zeros(4, np.float32)
    second_pose = np.array([0.01, 0.0, 0.0, -0.02], np.float32)
    robot.track_pose(first_pose, 0.1)
    np.testing.assert_array_equal(robot._target_pose, first_pose)
    robot.track_pose(second_pose, 0.1)
    extrapolated = second_pose * (1.0 + LEAD_TIME / 0.1)
    np.testing.assert_allclose(robot._target_pose, extrapolated, rtol=1e-6)
    robot.track_pose(second_pose, 0.1)
    np.testing.assert_array_equal(robot._target_pose, second_pose)


def test_video_with_known_poses_has_true_errors(robot):
    targets, frame_rate = make_trajectory_targets(REACHER, IMAGE_SETTINGS, 0.5, 3)
    assert (len(targets), frame_rate) == (25, 50)
    # Poses by order, not by image: at the start of the path several share an image.
    remaining = iter(targets)
    shift = np.array([0.01, 0.0, 0.01, 0.0], np.float32)
    robot.estimate_pose = lambda image: next(remaining).pose + shift
    for errors in robot.follow_video(targets, frame_rate):
        assert errors.reading_error.metres == pytest.approx(0.01, abs=1e-6)
        difference = abs(errors.true_error.metres - errors.tracking_error.metres)
        assert difference <= 0.01 + 1e-6


# Bodies on a trajectory.


@pytest.mark.parametrize("env_id", TAKING)
def test_joint_angles_that_are_set_give_the_pose_and_image_of_those_angles(env_id):
    needs_pybullet(env_id)
    settings = {"width": 48, "height": 48, "view": "agent", "reset_noise_scale": 0.0}
    source = make(env_id, "rgb_array", **settings)
    copy = make(env_id, "rgb_array", **settings)
    pose_slice = slices(source.unwrapped.OBSERVATION)["pose"]
    observation, _ = source.reset(seed=4)
    copy.reset(seed=9)
    copy.unwrapped.set_joint_angles(np.array(source.unwrapped.angles))
    np.testing.assert_allclose(copy.unwrapped.angles, source.unwrapped.angles, atol=1e-12)
    copied_pose = copy.unwrapped.agent_observation()[pose_slice]
    np.testing.assert_allclose(copied_pose, observation[pose_slice], atol=1e-6)
    np.testing.assert_array_equal(copy.render(), source.render())
    source.close()
    copy.close()


@pytest.mark.parametrize("env_id", TAKING)
def test_trajectory_is_smooth_and_stays_within_the_limits(env_id):
    needs_pybullet(env_id)
    trajectory = []
    env = TrajectoryWrapper(make(env_id))
    control_hz = env.poise_env.CONTROL_HZ
    sample_joint_angles = env.poise_env.sample_joint_angles
    env.reset(seed=1)
    sampled = np.array([sample_joint_angles(np.random.default_rng(seed)) for seed in range(500)])
    for _ in range(600):
        trajectory.append(np.array(env.poise_env.angles))
        env.step(None)
    angles = np.array(trajectory)
    velocities = np.diff(angles, axis=0) * control_hz
    accelerations = np.diff(velocities, axis=0) * control_hz
    assert np.abs(velocities[0]).max() < 0.01 < np.abs(velocities).max()
    largest_jump = np.abs(np.diff(accelerations, axis=0)).max()
    assert largest_jump < 0.1 * np.abs(accelerations).max()
    assert (angles > sampled.min(0) - 0.1).all()
    assert (angles < sampled.max(0) + 0.1).all()
    env.close()


@pytest.mark.parametrize("env_id", TAKING)
def test_trajectory_moves_in_its_first_segment_and_depends_on_the_seed(env_id):
    needs_pybullet(env_id)
    final_angles = []
    with closing(TrajectoryWrapper(make(env_id))) as env:
        for seed in (0, 1, 0):
            env.reset(seed=seed)
            initial_angles = np.array(env.poise_env.angles)
            for _ in range(round(KNOT_INTERVAL * env.poise_env.CONTROL_HZ)):
                env.step(None)
            final_angles.append(np.array(env.poise_env.angles))
            assert np.abs(final_angles[-1] - initial_angles).max() > 0.05
    np.testing.assert_array_equal(final_angles[0], final_angles[2])
    assert np.abs(final_angles[0] - final_angles[1]).max() > 0.05


def test_convlstm_translator_starts_a_sequence_for_each_video_and_each_image(runs):
    mimic = Mimic(Run.open(runs, "mover"), Run.open(runs, "film"), 48)
    frames = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    targets = [Target(f"frame {index}", frame, None) for index, frame in enumerate(frames)]
    readings = []
    translate_frame = mimic.translator.translate_frame

    def translate_and_record(image):
        readings.append(translate_frame(image))
        return readings[-1]

    mimic.translator.translate_frame = translate_and_record
    for _ in range(2):
        mimic.follow_video(targets, frame_rate=50)
    # The first reading is the image of the first pose, before the video starts.
    np.testing.assert_allclose(readings[1:5], mimic.translator.translate(frames), atol=1e-4)
    np.testing.assert_array_equal(readings[:5], readings[5:])
    mimic.reach_pose(targets[3], 0)
    single_image_reading = mimic.translator.translate(frames[3:])[0]
    np.testing.assert_allclose(readings[10], single_image_reading, atol=1e-4)
    assert np.abs(readings[10] - readings[3]).max() > 1e-4
    mimic.env.close()


def test_comparison_has_the_target_on_the_left_and_the_robot_on_the_right(robot):
    red = (200, 10, 10)
    target = Target("red", np.full((32, 32, 3), red, np.uint8), None)
    robot.reset(0)
    frame = robot.draw_comparison(target)
    strip = caption_height(48)
    assert frame.shape == FILM_SHAPE
    assert (frame[strip:, :44] == red).all(), "nothing covers the picture, all of it is shown"
    assert (frame[:, 52:] != red).any(-1).all()


def test_plot_of_the_error_has_a_band_up_to_the_tolerance_and_a_fixed_axis():
    plot = ErrorPlot(0.02, 50.0, 1.0)
    heights = []
    for metres in (0.05, 0.4, 0.01):
        plot.add(PoseError(metres, 5.0))
        band = (plot.draw(240, "error") == TOLERANCE_COLOUR).all(-1)
        rows = np.flatnonzero(band.any(1))
        heights.append((rows.min(), rows.max()))
    assert len(set(heights)) == 1, "an axis that changes lies"
    line = (plot.draw(240, "error") == LINE_COLOUR).all(-1)[: heights[0][1] + 1]
    last_row = np.flatnonzero(line[:, np.flatnonzero(line.any(0)).max()]).mean()
    assert heights[0][0] < last_row, "10 mm of 20 mm lie within the band"


def test_plot_without_a_known_error_says_so():
    known, unknown = ErrorPlot(0.02, 50.0, 1.0), ErrorPlot(0.02, 50.0, 1.0)
    known.add(PoseError(0.0, 0.0))
    unknown.add(None)
    assert not (unknown.draw(240, "error") == LINE_COLOUR).all(-1).any()
    assert (known.draw(240, "error") == LINE_COLOUR).all(-1).any()


def test_film_shows_the_target_that_was_read_after_it_was_reached(robot):
    robot.reset(0)
    target = robot.poise_env.task.pose_to_points(robot.pose)
    robot.set_target(robot.pose)
    robot.step()
    robot.poise_env.set_target(-robot.pose)  # As an environment does after a success.
    robot._is_target_set = False
    robot.render()
    np.testing.assert_allclose(robot.poise_env.task.target, target, atol=1e-5)


def test_runs_that_do_not_fit_together_are_refused(runs):
    mover = Run.open(runs, "mover")
    with pytest.raises(UserError, match="moves poise/Cartpole-v0"):
        Mimic(Run.open(runs, "stander"), Run.open(runs, "eye"), 48)
    with pytest.raises(UserError, match="not a translator"):
        Mimic(mover, mover, 48)


# The command.


def poise_mimic(folder, *arguments):
    options = ("--translator", "eye", "--runs-dir", str(folder))
    return CliRunner().invoke(main, ["mimic", "mover", *options, *map(str, arguments)])


def test_dataset_of_another_image_size_is_refused(runs, elsewhere):
    collect(elsewhere / "larger", runs, frames=20, size=48)
    result = poise_mimic(runs, "--dataset", "larger")
    assert result.exit_code == 2
    assert "reads images of 32 x 32 pixels" in result.output


def test_command_takes_images_datasets_and_random_poses(runs, elsewhere):
    save_image(elsewhere / "pose.png", 64, 64)
    result = poise_mimic(runs, "--image", "pose.png", "--out", "film.mp4", "--size", 48)
    assert result.exit_code == 0, result.output
    assert "0 of 1 poses reached within 20 mm" in result.output
    assert "pose.png" in result.output
    frames = list(read_video(Path("film.mp4")))
    assert len(frames) >= 150
    assert frames[0].shape == FILM_SHAPE
    result = poise_mimic(runs, "--dataset", runs / "data", "--random", 2)
    assert result.exit_code == 0
    assert "given the true poses instead of images" in result.output
    assert poise_mimic(runs, "--random", 1).exit_code == 0


def test_command_warns_of_drawings_unlike_the_training_and_writes_a_template(runs, elsewhere):
    result = poise_mimic(runs, "--translator", "eye", "--template", "template.png")
    assert result.exit_code == 0, result.output
    assert result.output == "template: template.png\n"
    save_image(Path("drawing.png"), 64, 64)
    for name, is_novel in (("template.png", False), ("drawing.png", True)):
        result = poise_mimic(runs, "--translator", "eye", "--image", name)
        assert result.exit_code == 0, result.output
        warnings = result.stderr.splitlines()
        assert len(warnings) == is_novel
        for warning in warnings:
            assert "unlike the images that run 'eye' was trained on: drawing.png" in warning
            assert "--template" in warning and "--randomize-appearance" in warning
    result = poise_mimic(runs, "--translator", "eye", "--template", "template.tif")
    assert result.exit_code == 2 and "written as .png" in result.output


def test_command_follows_videos_and_trajectories(runs, elsewhere):
    with open_recorder(Path("square.mp4"), 25) as recorder:
        for _ in range(5):
            recorder.add(uniform_image(100, 64))
    result = poise_mimic(runs, "--video", "square.mp4")
    assert result.exit_code == 0
    assert "followed 5 frames at 25 per second" in result.output
    assert "true pose" not in result.output
    result = poise_mimic(runs, "--trajectory", 0.2)
    assert result.exit_code == 0
    assert "robot to the true pose: " in result.output


@pytest.mark.parametrize("env_id", TAKING[1:])
def test_command_runs_in_3d_environments(env_id, elsewhere):
    needs_pybullet(env_id)
    seeing_runs(elsewhere, env_id)
    trajectory = ("--trajectory", 0.1, "--out", "film.mp4", "--size", 48)
    for arguments in (("--random", 1), trajectory):
        result = poise_mimic(elsewhere, *arguments)
        assert result.exit_code == 0, result.output
        assert " degrees" in result.output
    assert [frame.shape for frame in read_video(Path("film.mp4"))] == [FILM_SHAPE] * 5


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--image", "a.png", "--video", "b.mp4"),
        ("--video", "b.mp4", "--trajectory", "1"),
        ("--image", "a.png", "--random", "1"),
        ("--image", "missing.png"),
        ("--video", "missing.mp4"),
    ],
)
def test_arguments_without_exactly_one_source_are_one_line_errors(runs, elsewhere, arguments):
    result = poise_mimic(runs, *arguments)
    assert result.exit_code == 2
    assert len(result.output.strip().splitlines()) == 1


# Environments with goal=translated.


def test_translated_goal_is_the_pose_that_the_translator_reads(runs):
    plain_env = make(REACHER)
    settings = {"goal": "translated", "translator": str(runs / "eye"), "image_size": 32}
    env = make(REACHER, **settings)
    observation = env.reset(seed=5)[0]
    plain_observation = plain_env.reset(seed=5)[0]
    mimic = Mimic(Run.open(runs, "mover"), Run.open(runs, "eye"), 48)
    reading = mimic.estimate_pose(env.unwrapped.agent_view.goal_image.get_image())
    np.testing.assert_allclose(observation[:4], reading, atol=1e-6)
    np.testing.assert_array_equal(observation[4:8], plain_observation[4:8])
    difference = np.abs(observation[:4] - plain_observation[:4]).max()
    assert difference > 1e-3, "the translator is untrained"


@pytest.mark.parametrize(("translator", "pixels", "message"), [
    ("eye", 64, "reads images of 32 x 32 pixels: --env-set image_size=32"),
    ("mover", 32, "holds a policy, not a translator"),
    ("nothing", 32, "no such folder"),
])  # fmt: skip
def test_translator_that_cannot_read_the_goal_is_refused(runs, translator, pixels, message):
    settings = {"goal": "translated", "translator": str(runs / translator), "image_size": pixels}
    with pytest.raises(UserError, match=message):
        make(REACHER, **settings).reset(seed=0)


# Policies that observe a goal image.

GOAL_IMAGE_POLICIES = {
    "pixels": ({"observation": "pixels", "goal": "pixels"}, {}),
    "mixed": ({"observation": "both", "goal": "pixels"}, {}),
    "asymmetric": ({"observation": "both", "goal": "both"}, {"asymmetric_critic": True}),
    "translated": ({"goal": "translated", "translator": "eye"}, {}),
}
"""Environment settings and algorithm settings, by name."""


def get_goal_image_run(folder, name, env_settings, settings):
    """Return an untrained run with these settings, created at the first call."""
    if not (folder / name).exists():
        env_settings = {**env_settings, "image_size": 32}
        if "translator" in env_settings:
            env_settings["translator"] = str(folder / env_settings["translator"])
        small_settings = {
            "rollout_steps": 4,
            "conv_channels": [4, 6],
            "feature_dim": 5,
            "hidden_sizes": [8],
            **settings,
        }
        train_policy(folder, name, "reacher2d", 8, small_settings, env_settings)
    return Run.open(folder, name)


@pytest.fixture(params=GOAL_IMAGE_POLICIES)
def goal_robot(request, runs):
    run = get_goal_image_run(runs, request.param, *GOAL_IMAGE_POLICIES[request.param])
    robot = GoalImageRobot(run, 48)
    yield robot
    robot.env.close()


def sample_own_targets(robot, number):
    return sample_targets(robot.env_id, robot.image_env_settings, number, 40)


def test_action_depends_on_the_goal_image_and_not_on_the_environments_target(
    goal_robot, monkeypatch
):
    actions = []
    act = goal_robot.learner.act

    def act_and_record(observation, explore):
        actions.append(act(observation, explore=explore))
        return actions[-1]

    monkeypatch.setattr(goal_robot.learner, "act", act_and_record)

    def get_first_action(image, pose):
        goal_robot.reset(3)
        goal_robot.set_target_image(Target("target", image, pose))
        goal_robot.step()
        return actions[-1]

    first, second = sample_own_targets(goal_robot, 2)
    assert first.image.shape == (*goal_robot.image_size, 3)
    action = get_first_action(first.image, None)
    np.testing.assert_array_equal(get_first_action(first.image, first.pose), action)
    np.testing.assert_array_equal(get_first_action(first.image, second.pose), action)
    assert (get_first_action(second.image, first.pose) != action).any()


def test_goal_image_stays_after_the_environment_counts_a_success(goal_robot):
    [target] = sample_own_targets(goal_robot, 1)
    zero_action = np.zeros((1, 2), np.float32)
    goal_robot.learner = type(
        "Still",
        (),
        {
            "act": staticmethod(lambda observation, explore: zero_action),
            "reset": staticmethod(lambda mask=None, *, explore: None),
        },
    )
    goal_robot.reset(3)
    # Without a true pose, the environment's target is the current pose: it is achieved at once.
    goal_robot.set_target_image(Target("target", target.image, None))
    num_successes = 0
    for _ in range(60):
        goal_robot.step()
        if goal_robot._is_target_set:
            goal_image = goal_robot.poise_env.agent_view.goal_image.get_image()
            np.testing.assert_array_equal(goal_image, target.image)
        else:
            num_successes += 1
    assert num_successes >= 2


def test_errors_of_a_goal_image_robot_are_from_the_true_pose_where_it_is_known(goal_robot):
    goal_robot.max_steps = 3
    [target] = sample_own_targets(goal_robot, 1)
    with_pose = goal_robot.reach_pose(target, 0)
    task = goal_robot.poise_env.task
    expected = task.error(goal_robot.pose, target.pose).metres
    without_pose = goal_robot.reach_pose(Target("target", target.image, None), 0)
    assert with_pose.final_error.metres == pytest.approx(expected)
    assert with_pose.reading_error is None
    assert without_pose.final_error is without_pose.reading_error is None
    targets, frame_rate = make_trajectory_targets(
        goal_robot.env_id, goal_robot.image_env_settings, 0.1, 3
    )
    frame_errors = goal_robot.follow_video(targets, frame_rate)
    assert len(frame_errors) == 5
    for errors in frame_errors:
        assert errors.true_error
        assert not errors.tracking_error
        assert not errors.reading_error


def test_mimic_sets_the_goal_of_a_policy_that_observes_itself_in_images(runs):
    run = get_goal_image_run(runs, "image-observer", {"observation": "pixels"}, {})
    robot = Mimic(run, Run.open(runs, "eye"), 48)
    robot.reset(0)
    pose = sample_six_targets()[0].pose
    robot.set_target(pose)
    robot.step()
    np.testing.assert_array_equal(np.array(robot.poise_env.task.target).ravel(), pose)
    np.testing.assert_array_equal(robot.observation[:16].view(np.float32), pose)
    robot.env.close()


def test_command_with_a_goal_image_policy(runs, elsewhere):
    get_goal_image_run(runs, "pixels", *GOAL_IMAGE_POLICIES["pixels"])

    def mimic(*arguments):
        options = ("--runs-dir", str(runs))
        result = CliRunner().invoke(main, ["mimic", "pixels", *options, *map(str, arguments)])
        return result.exit_code, result.output

    code, output = mimic("--random", 2, "--out", "film.gif", "--size", 48)
    assert code == 0
    assert "of 2 poses reached within 20 mm" in output
    assert "true poses instead" not in output
    save_image(elsewhere / "pose.png", 64, 64)
    code, output = mimic("--image", "pose.png")
    assert code == 0
    assert "true poses are unknown" in output
    code, output = mimic("--dataset", runs / "data", "--random", 2)
    assert code == 0
    assert "of 2 poses reached" in output
    code, output = mimic("--trajectory", 0.1)
    assert code == 0
    assert "robot to the true pose" in output
    assert "lead" not in output
    code, output = mimic("--random", 1, "--translator", "eye")
    assert code == 2
    assert "omit --translator" in output


def test_policy_that_observes_the_state_of_its_goal_is_no_goal_image_policy(runs):
    options = ("--runs-dir", str(runs), "--random", "1")
    result = CliRunner().invoke(main, ["mimic", "mover", *options])
    assert result.exit_code == 2
    assert "--translator RUN reads it from images" in result.output
    result = CliRunner().invoke(main, ["mimic", "stander", *options])
    assert result.exit_code == 2
    assert "cannot take poses" in result.output
    with pytest.raises(UserError, match="--translator RUN"):
        GoalImageRobot(Run.open(runs, "mover"), 48)
    both = get_goal_image_run(runs, "both", {"observation": "both", "goal": "both"}, {})
    with pytest.raises(UserError, match="the state of its goal too"):
        GoalImageRobot(both, 48)


@pytest.mark.parametrize(
    "arguments", [("record", "eye"), ("evaluate", "eye"), ("train", "--resume", "eye")]
)
def test_translator_run_is_not_taken_for_a_policy(runs, arguments):
    result = CliRunner().invoke(main, [*arguments, "--runs-dir", str(runs)])
    assert result.exit_code == 2
    assert "run 'eye' holds a translator and no policy" in result.output


def test_dataset_is_not_collected_by_a_policy_that_observes_images(runs):
    get_goal_image_run(runs, "pixels", *GOAL_IMAGE_POLICIES["pixels"])
    options = {"frames": 4, "size": 32, "sequence": 2, "seed": 0, "runs_dir": runs}
    with pytest.raises(UserError, match="observes images"):
        plan_dataset(REACHER, {}, policy="pixels", **options)
    image_settings, _ = GOAL_IMAGE_POLICIES["pixels"]
    with pytest.raises(UserError, match="leave observation=state"):
        plan_dataset(REACHER, image_settings, policy="random", **options)
