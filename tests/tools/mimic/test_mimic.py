"""Mimicry: pictures come in whole, poses are judged by the truth, and a robot that sees takes them."""

from contextlib import closing
from pathlib import Path

import numpy as np
import pygame
import pytest
from click.testing import CliRunner
from poise.cli import main
from poise.toolkit.errors import UserError
from poise.toolkit.media.video import open_recorder, read_video
from poise.toolkit.pose_task import PoseGoalEnv
from poise.toolkit.spaces import slices
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
from sample_envs import TAKING, bare, make, needs_pybullet
from sample_policies import Hands
from sample_runs import seeing_runs

SIZE = (32, 32)


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A policy and a translator that have learned nothing, in one folder of runs, and the dataset."""
    folder = tmp_path_factory.mktemp("mimic")
    how = {
        "frames": 60,
        "size": 32,
        "sequence": 2,
        "policy": "random",
        "seed": 0,
        "runs_dir": folder,
    }
    data = collect_dataset(plan_dataset("poise/Reacher2D-v0", {}, **how), folder / "data", jobs=1)
    train_translator(
        create_translator_run(
            folder,
            "eye",
            data,
            {"steps": 3, "conv_channels": [4, 8], "hidden_size": 8, "evaluate_every": 3},
        ),
        data,
    )
    small = {
        "kind": "convlstm",
        "steps": 2,
        "conv_channels": [4, 8],
        "lstm_channels": 2,
        "hidden_size": 8,
        "evaluate_every": 2,
        "batch_size": 2,
    }
    train_translator(create_translator_run(folder, "film", data, small), data)
    for env, name in (("reacher2d", "mover"), ("cartpole", "stander")):
        training = {
            "steps": 64,
            "evaluate_every": 0,
            "evaluate_episodes": 1,
            "num_envs": 1,
            "num_workers": 1,
        }
        request = TrainRequest(
            env=env,
            algorithm="ppo",
            training=training,
            settings={"rollout_steps": 64},
            runs_dir=folder,
            name=name,
        )
        start_training(request)
    return folder


def run(folder, name):
    from poise.toolkit.run import Run

    return Run.open(folder, name)


@pytest.fixture
def robot(runs):
    mimic = Mimic(run(runs, "mover"), run(runs, "eye"), 48)
    mimic.learner = Hands()
    yield mimic
    mimic.env.close()


def picture_file(path, width, height, colour=(200, 30, 30)):
    surface = pygame.Surface((width, height))
    surface.fill((255, 255, 255))
    surface.fill(colour, (0, 0, width // 2, height))
    pygame.image.save(surface, path)
    return path


# Environments that can be told which pose to take.


@pytest.mark.parametrize("env_id", TAKING)
def test_a_world_aims_at_the_pose_of_another_body(env_id):
    needs_pybullet(env_id)
    model, env = bare(env_id), bare(env_id)
    assert isinstance(env, PoseGoalEnv)
    places = slices(env.OBSERVATION)
    pose = model.reset(seed=5)[0][places["pose"]]
    env.reset(seed=9)
    env.set_target(pose)
    seen = env.agent_observation()
    np.testing.assert_allclose(seen[places["target"]], pose, atol=1e-6)
    np.testing.assert_allclose(seen[places["difference"]], pose - seen[places["pose"]], atol=1e-6)
    model.close(), env.close()


# Pictures.


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_picture_files_of_any_size_come_in_at_the_translators_size(tmp_path, ending):
    path = picture_file(tmp_path / f"large.{ending}", 210, 200)
    [target] = load_image_targets([path], SIZE)
    assert target.image.shape == (32, 32, 3) and target.pose is None
    np.testing.assert_allclose(target.image[5:27, 3:12].mean((0, 1)), (200, 30, 30), atol=4)
    np.testing.assert_allclose(target.image[5:27, 20:29].mean((0, 1)), (255, 255, 255), atol=4)


def test_a_picture_of_the_right_size_is_left_as_it_is():
    picture = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    assert fit_image(picture, SIZE, "it") is picture


@pytest.mark.parametrize(("make_it", "said"), [
    (lambda path: path.write_text("no picture"), "is no picture that can be read"),
    (lambda path: picture_file(path, 200, 100), "200 x 100 pixels"),
    (lambda path: pygame.image.save(pygame.Surface((50, 50)), path), "all black"),
    (lambda path: None, "is not there"),
])  # fmt: skip
def test_what_is_no_picture_of_a_pose_is_said_in_one_line(tmp_path, make_it, said):
    path = tmp_path / "it.png"
    make_it(path)
    with pytest.raises(UserError, match=said) as caught:
        load_image_targets([path], SIZE)
    assert len(str(caught.value).splitlines()) == 1


def test_a_film_comes_in_frame_by_frame_and_an_empty_one_is_refused(tmp_path):
    with open_recorder(tmp_path / "film.mp4", 25) as film:
        for shade in (40, 120, 200):
            film.add(np.full((64, 64, 3), shade, np.uint8))
    frames = load_video_targets(tmp_path / "film.mp4", SIZE)
    assert [round(target.image.mean(), -1) for target in frames] == [40, 120, 200]
    (tmp_path / "none.mp4").write_bytes(b"")
    for name in ("none.mp4", "nowhere.mp4"):
        with pytest.raises(UserError):
            load_video_targets(tmp_path / name, SIZE)


def test_made_up_poses_and_those_of_a_dataset_come_with_the_truth(runs):
    from poise.toolkit.dataset import Dataset

    env = make("poise/Reacher2D-v0", "rgb_array", width=32, height=32, show_markers=False)
    [target] = sample_targets(
        "poise/Reacher2D-v0", {"width": 32, "height": 32, "show_markers": False}, 1, 77
    )
    seen, _ = env.reset(seed=77)
    np.testing.assert_array_equal(target.image, env.render())
    np.testing.assert_array_equal(target.pose, seen[4:8])
    data = Dataset(runs / "data")
    targets = load_dataset_targets(data, 4)
    rows = [int(target.name.split()[1]) for target in targets]
    assert set(rows) <= set(data.split()[1].tolist()) and len(set(rows)) == 4
    np.testing.assert_array_equal(targets[2].image, data.load_frames(np.array(rows[2:3]))[0])


# Taking poses.


class Reader:
    """Stands for a translator: reads true poses of known pictures, and else the robot's own, as `error` turns them."""

    def __init__(self, robot, targets, error):
        self.robot, self.image_size, self.error, self.looks = robot, SIZE, error, 0
        self.known = {target.image.tobytes(): target.pose for target in targets}

    def reset(self):
        """There is nothing to forget."""

    def translate_frame(self, picture):
        return self.error(self.known[picture.tobytes()])

    def translate(self, pictures):
        np.testing.assert_array_equal(pictures, self.robot.poise_env.render_observation(32)[None])
        self.looks += 1
        return self.error(self.robot.pose)[None]


def turned(pose, degrees):
    """A pose turned around the shoulder."""
    across, along = np.sin(np.radians(degrees)), np.cos(np.radians(degrees))
    return (
        (pose.reshape(-1, 2) @ np.array([[along, across], [-across, along]]))
        .ravel()
        .astype(np.float32)
    )


def six_targets():
    return sample_targets(
        "poise/Reacher2D-v0", {"width": 32, "height": 32, "show_markers": False}, 6, 500
    )


def test_a_pose_that_is_read_rightly_is_taken_and_one_misread_is_not(robot):
    targets = six_targets()
    robot.translator = Reader(robot, targets, lambda pose: pose)
    right = [robot.reach_pose(target, seed) for seed, target in enumerate(targets)]
    assert robot.translator.looks
    blind = [robot.reach_pose(target, seed, use_image=False) for seed, target in enumerate(targets)]
    assert sum(told.steps is not None for told in right) >= 4
    assert [told.steps for told in right] == [told.steps for told in blind]
    assert all(told.reading_error.metres < 1e-5 for told in right)
    assert robot.max_steps == 150, "half an episode"
    assert all(
        25 <= told.steps <= robot.max_steps and told.final_error.metres < 0.02
        for told in right
        if told.steps
    )
    robot.translator = Reader(robot, targets, lambda pose: turned(pose, 180))
    wrong = [robot.reach_pose(target, seed) for seed, target in enumerate(targets)]
    assert all(told.reading_error.metres > 0.1 for told in wrong)


def test_what_a_translator_errs_about_the_robot_is_taken_back(robot, monkeypatch):
    targets = six_targets()
    robot.translator = Reader(robot, targets, lambda pose: turned(pose, 7))
    told = [robot.reach_pose(target, seed) for seed, target in enumerate(targets)]
    monkeypatch.setattr("poise.tools.mimic.mimic.CORRECTION_INTERVAL", 10**6)
    unseeing = [robot.reach_pose(target, seed) for seed, target in enumerate(targets)]
    assert sum(one.steps is not None for one in told) >= 4
    assert not any(one.steps for one in unseeing)
    assert [one.reading_error for one in told] == [one.reading_error for one in unseeing]
    assert np.mean([one.final_error.metres for one in told]) < 0.5 * np.mean(
        [one.final_error.metres for one in unseeing]
    )


def test_it_aims_at_the_next_pose_of_a_film(robot):
    poses = [
        target.pose
        for target in sample_targets(
            "poise/Reacher2D-v0", {"width": 32, "height": 32, "show_markers": False}, 2, 900
        )
    ]
    frames = [
        Target(f"frame {index}", np.full((32, 32, 3), 10 * (index >= 60), np.uint8), None)
        for index in range(120)
    ]
    robot.translator.translate_frame = lambda picture: poses[int(picture.max() > 0)]
    moments = robot.follow_video(frames, frame_rate=25)
    errors = [moment.tracking_error.metres for moment in moments]
    assert len(errors) == 120
    assert errors[0] < 0.05 and errors[59] < 0.05 < errors[60]
    assert errors[119] < 0.05
    assert all(moment.true_error is None and moment.reading_error is None for moment in moments)


@pytest.mark.parametrize("rate", [10, 25, 60])
def test_a_film_of_any_rate_takes_the_robot_as_long_as_it_lasts(robot, rate, monkeypatch):
    steps = []
    frames = [Target("it", np.full((32, 32, 3), 200, np.uint8), None)] * (2 * rate)
    monkeypatch.setattr(
        robot.env, "step", lambda action, step=robot.env.step: steps.append(1) or step(action)
    )
    robot.follow_video(frames, rate)
    assert len(steps) == pytest.approx(robot.max_steps + 2 * robot.poise_env.CONTROL_HZ, abs=1)


def test_it_aims_ahead_of_what_moves_and_at_what_stands_still(robot):
    robot.reset(0)
    pose, moved = np.zeros(4, np.float32), np.array([0.01, 0.0, 0.0, -0.02], np.float32)
    robot.track_pose(pose, 0.1)
    np.testing.assert_array_equal(robot._target_pose, pose)
    robot.track_pose(moved, 0.1)
    np.testing.assert_allclose(robot._target_pose, moved * (1.0 + LEAD_TIME / 0.1), rtol=1e-6)
    robot.track_pose(moved, 0.1)
    np.testing.assert_array_equal(robot._target_pose, moved)


def test_a_film_whose_truth_is_known_is_judged_by_it(robot):
    targets, rate = make_trajectory_targets(
        "poise/Reacher2D-v0", {"width": 32, "height": 32, "show_markers": False}, 0.5, 3
    )
    assert (len(targets), rate) == (25, 50)
    shown = iter(
        targets
    )  # One by one: where the path sets off, poses differ by less than pictures can show.
    shift = np.array([0.01, 0.0, 0.01, 0.0], np.float32)
    robot.estimate_pose = lambda picture: next(shown).pose + shift
    for moment in robot.follow_video(targets, rate):
        assert moment.reading_error.metres == pytest.approx(0.01, abs=1e-6)
        assert abs(moment.true_error.metres - moment.tracking_error.metres) <= 0.01 + 1e-6


# A body that is led.


@pytest.mark.parametrize("env_id", TAKING)
def test_joints_are_put_where_they_are_told_and_the_picture_is_that_of_the_pose(env_id):
    needs_pybullet(env_id)
    looks = {"width": 48, "height": 48, "show_markers": False}
    model, puppet = (make(env_id, "rgb_array", reset_noise_scale=0.0, **looks) for _ in range(2))
    pose = slices(model.unwrapped.OBSERVATION)["pose"]
    seen, _ = model.reset(seed=4)
    puppet.reset(seed=9)
    puppet.unwrapped.set_joint_angles(np.array(model.unwrapped.angles))
    np.testing.assert_allclose(puppet.unwrapped.angles, model.unwrapped.angles, atol=1e-12)
    np.testing.assert_allclose(puppet.unwrapped.agent_observation()[pose], seen[pose], atol=1e-6)
    np.testing.assert_array_equal(puppet.render(), model.render())
    model.close(), puppet.close()


@pytest.mark.parametrize("env_id", TAKING)
def test_a_led_body_goes_smoothly_and_stays_within_its_limits(env_id):
    needs_pybullet(env_id)
    angles = []
    env = TrajectoryWrapper(make(env_id))
    limits = env.poise_env.sample_joint_angles
    env.reset(seed=1)
    drawn = np.array([limits(np.random.default_rng(seed)) for seed in range(500)])
    for _ in range(600):
        angles.append(np.array(env.poise_env.angles))
        env.step(None)
    speeds = np.diff(angles, axis=0) * env.poise_env.CONTROL_HZ
    accelerations = np.diff(speeds, axis=0) * env.poise_env.CONTROL_HZ
    assert np.abs(speeds[0]).max() < 0.01 < np.abs(speeds).max()
    assert np.abs(np.diff(accelerations, axis=0)).max() < 0.1 * np.abs(accelerations).max()
    assert (np.array(angles) > drawn.min(0) - 0.1).all() and (
        np.array(angles) < drawn.max(0) + 0.1
    ).all()
    env.close()


@pytest.mark.parametrize("env_id", TAKING)
def test_a_led_body_sets_off_at_once_and_each_seed_leads_elsewhere(env_id):
    needs_pybullet(env_id)
    ends = []
    with closing(TrajectoryWrapper(make(env_id))) as env:
        for seed in (0, 1, 0):
            env.reset(seed=seed)
            began = np.array(env.poise_env.angles)
            for _ in range(round(KNOT_INTERVAL * env.poise_env.CONTROL_HZ)):
                env.step(None)
            ends.append(np.array(env.poise_env.angles))
            assert np.abs(ends[-1] - began).max() > 0.05
    np.testing.assert_array_equal(ends[0], ends[2])
    assert np.abs(ends[0] - ends[1]).max() > 0.05


def test_who_reads_films_is_shown_films_and_single_pictures_as_what_they_are(runs):
    mimic = Mimic(run(runs, "mover"), run(runs, "film"), 48)
    frames = np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)
    targets = [Target(f"frame {index}", frame, None) for index, frame in enumerate(frames)]
    told, own = [], mimic.translator.translate_frame
    mimic.translator.translate_frame = lambda picture: told.append(own(picture)) or told[-1]
    for _ in range(2):
        mimic.follow_video(targets, frame_rate=50)
    # The first frame is looked at once more, for its pose, before the film begins.
    np.testing.assert_allclose(told[1:5], mimic.translator.translate(frames), atol=1e-4)
    np.testing.assert_array_equal(told[:5], told[5:])
    mimic.reach_pose(targets[3], 0)
    np.testing.assert_allclose(told[10], mimic.translator.translate(frames[3:])[0], atol=1e-4)
    assert np.abs(told[10] - told[3]).max() > 1e-4
    mimic.env.close()


def test_a_film_shows_what_it_sees_beside_what_it_does(robot, tmp_path):
    target = Target("it", np.full((32, 32, 3), (200, 10, 10), np.uint8), None)
    robot.reset(0)
    shown = robot.draw_comparison(target, robot.pose)
    assert shown.shape == (48, 96, 3)
    np.testing.assert_array_equal(shown[20, 20], (200, 10, 10))
    assert (shown[:40, 48:] != (200, 10, 10)).any(-1).all()


def test_runs_that_do_not_fit_are_refused(runs):
    with pytest.raises(UserError, match="moves poise/Cartpole-v0"):
        Mimic(run(runs, "stander"), run(runs, "eye"), 48)
    with pytest.raises(UserError, match="not a translator"):
        Mimic(run(runs, "mover"), run(runs, "mover"), 48)


def test_a_dataset_of_another_size_is_refused_in_one_line(runs, elsewhere):
    how = {"frames": 20, "size": 48, "sequence": 2, "policy": "random", "seed": 0, "runs_dir": runs}
    collect_dataset(plan_dataset("poise/Reacher2D-v0", {}, **how), elsewhere / "larger", jobs=1)
    result = poise(runs, "--dataset", "larger")
    assert result.exit_code == 2 and "sees 32 x 32 pixels" in result.output


def poise(folder, *words):
    return CliRunner().invoke(
        main, ["mimic", "mover", "--translator", "eye", "--runs-dir", str(folder), *map(str, words)]
    )


def test_pictures_films_datasets_and_made_up_poses_from_the_command(runs, elsewhere):
    picture_file(elsewhere / "it.png", 64, 64)
    told = poise(runs, "--image", "it.png", "--out", "film.mp4", "--size", 48)
    assert told.exit_code == 0, told.output
    assert "0 of 1 poses taken within 20 mm" in told.output and "it.png" in told.output
    frames = list(read_video(Path("film.mp4")))
    assert len(frames) >= 150 and frames[0].shape == (48, 96, 3)
    told = poise(runs, "--dataset", runs / "data", "--random", 2)
    assert told.exit_code == 0 and "with the true numbers instead of pictures" in told.output
    assert poise(runs, "--random", 1).exit_code == 0
    with open_recorder(Path("square.mp4"), 25) as film:
        for _ in range(5):
            film.add(np.full((64, 64, 3), 100, np.uint8))
    told = poise(runs, "--video", "square.mp4")
    assert told.exit_code == 0 and "followed 5 frames at 25 a second" in told.output
    assert "from the truth" not in told.output
    told = poise(runs, "--trajectory", 0.2)
    assert told.exit_code == 0 and "robot from the truth: " in told.output


@pytest.mark.parametrize("env_id", TAKING[1:])
def test_worlds_in_space_are_mimicked_by_the_same_words(env_id, elsewhere):
    needs_pybullet(env_id)
    seeing_runs(elsewhere, env_id)
    for words in (("--random", 1), ("--trajectory", 0.1, "--out", "film.mp4", "--size", 48)):
        told = poise(elsewhere, *words)
        assert told.exit_code == 0, told.output
        assert " degrees" in told.output
    assert [frame.shape for frame in read_video(Path("film.mp4"))] == [(48, 96, 3)] * 5


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("--image", "a.png", "--video", "b.mp4"),
        ("--video", "b.mp4", "--trajectory", "1"),
        ("--image", "a.png", "--random", "1"),
        ("--image", "nowhere.png"),
        ("--video", "no.mp4"),
    ],
)
def test_words_that_say_nothing_to_mimic_are_one_line(runs, elsewhere, words):
    result = poise(runs, *words)
    assert result.exit_code == 2
    assert len(result.output.strip().splitlines()) == 1


def test_a_policy_is_told_what_a_translator_has_read(runs):
    folder, plain = str(runs / "eye"), make("poise/Reacher2D-v0")
    env = make("poise/Reacher2D-v0", goal="translated", translator=folder, image_size=32)
    seen, told = env.reset(seed=5)[0], plain.reset(seed=5)[0]
    read = Mimic(run(runs, "mover"), run(runs, "eye"), 48).estimate_pose(
        env.unwrapped.agent_view.goal_image.get_image()
    )
    np.testing.assert_allclose(seen[:4], read, atol=1e-6)
    np.testing.assert_array_equal(seen[4:8], told[4:8])
    assert np.abs(seen[:4] - told[:4]).max() > 1e-3, "it has learned nothing yet"


@pytest.mark.parametrize(("translator", "pixels", "message"), [
    ("eye", 64, "sees 32 x 32 pixels: --env-set image_size=32"),
    ("mover", 32, "trained a policy, not a translator"),
    ("nothing", 32, "there is no such folder"),
])  # fmt: skip
def test_a_translator_that_cannot_tell_the_target_is_refused(runs, translator, pixels, message):
    with pytest.raises(UserError, match=message):
        make(
            "poise/Reacher2D-v0",
            goal="translated",
            translator=str(runs / translator),
            image_size=pixels,
        ).reset(seed=0)


# Policies that look for themselves.

LOOKING = {
    "pixels": ({"observation": "pixels", "goal": "pixels"}, {}),
    "mixed": ({"observation": "both", "goal": "pixels"}, {}),
    "asymmetric": ({"observation": "both", "goal": "both"}, {"asymmetric_critic": True}),
    "translated": ({"goal": "translated", "translator": "eye"}, {}),
}


def looking(folder, name, sees, settings):
    """A run whose policy has learned nothing, in environments that show it what is asked for."""
    if not (folder / name).exists():
        training = {
            "steps": 8,
            "evaluate_every": 0,
            "evaluate_episodes": 1,
            "num_envs": 1,
            "num_workers": 1,
        }
        seen = {
            **sees,
            "image_size": 32,
            **({"translator": str(folder / "eye")} if "translator" in sees else {}),
        }
        small = {
            "rollout_steps": 4,
            "conv_channels": [4, 6],
            "feature_dim": 5,
            "hidden_sizes": [8],
            **settings,
        }
        request = TrainRequest(
            env="reacher2d",
            algorithm="ppo",
            training=training,
            settings=small,
            env_settings=seen,
            runs_dir=folder,
            name=name,
        )
        start_training(request)
    return run(folder, name)


@pytest.fixture(params=LOOKING)
def onlooker(request, runs):
    robot = GoalImageRobot(looking(runs, request.param, *LOOKING[request.param]), 48)
    yield robot
    robot.env.close()


def test_an_onlooker_acts_by_the_picture_that_it_is_shown_and_by_no_number(onlooker, monkeypatch):
    """Whatever the environment knows of the target, the same picture is the same action, and another picture is another."""

    acted, act = [], onlooker.learner.act
    monkeypatch.setattr(
        onlooker.learner,
        "act",
        lambda seen, explore: acted.append(act(seen, explore=explore)) or acted[-1],
    )

    def first_action(picture, pose):
        onlooker.reset(3)
        onlooker.set_target_image(Target("it", picture, pose))
        onlooker.step()
        return acted[-1]

    targets = sample_targets(onlooker.env_id, onlooker.image_env_settings, 2, 40)
    one, other = (target.image for target in targets)
    assert one.shape == (*onlooker.image_size, 3)
    unknown = first_action(one, None)
    np.testing.assert_array_equal(first_action(one, targets[0].pose), unknown)
    np.testing.assert_array_equal(first_action(one, targets[1].pose), unknown)
    assert (first_action(other, targets[0].pose) != unknown).any()


def test_an_onlooker_keeps_looking_at_its_picture_when_the_world_thinks_that_it_has_arrived(
    onlooker,
):
    [target] = sample_targets(onlooker.env_id, onlooker.image_env_settings, 1, 40)
    onlooker.learner = type(
        "Still", (), {"act": staticmethod(lambda seen, explore: np.zeros((1, 2), np.float32))}
    )
    onlooker.reset(3)
    onlooker.set_target_image(
        Target("it", target.image, None)
    )  # Of which nobody knows where it is: the environment takes its own pose.
    arrived = 0
    for _ in range(60):
        onlooker.step()
        arrived += not onlooker._is_target_set
        if onlooker._is_target_set:
            np.testing.assert_array_equal(
                onlooker.poise_env.agent_view.goal_image.get_image(), target.image
            )
    assert arrived >= 2


def test_an_onlooker_is_judged_by_the_truth_where_it_is_known(onlooker):
    onlooker.max_steps = 3
    [target] = sample_targets(onlooker.env_id, onlooker.image_env_settings, 1, 40)
    known, unknown = (
        onlooker.reach_pose(Target("it", target.image, pose), 0) for pose in (target.pose, None)
    )
    assert known.final_error.metres == pytest.approx(
        onlooker.poise_env.task.error(onlooker.pose, target.pose).metres
    )
    assert unknown.final_error is known.reading_error is unknown.reading_error is None
    targets, rate = make_trajectory_targets(onlooker.env_id, onlooker.image_env_settings, 0.1, 3)
    moments = onlooker.follow_video(targets, rate)
    assert len(moments) == 5 and all(
        moment.true_error and not moment.tracking_error and not moment.reading_error
        for moment in moments
    )


def test_a_robot_may_see_itself_in_pictures_and_be_told_its_target_by_a_translator(runs):
    robot = Mimic(looking(runs, "told", {"observation": "pixels"}, {}), run(runs, "eye"), 48)
    robot.reset(0)
    pose = six_targets()[0].pose
    robot.set_target(pose)
    robot.step()
    np.testing.assert_array_equal(np.array(robot.poise_env.task.target).ravel(), pose)
    np.testing.assert_array_equal(robot.observation[:16].view(np.float32), pose)
    robot.env.close()


def test_an_onlooker_from_the_command(runs, elsewhere):
    looking(runs, "pixels", *LOOKING["pixels"])

    def told(*words):
        result = CliRunner().invoke(
            main, ["mimic", "pixels", "--runs-dir", str(runs), *map(str, words)]
        )
        return result.exit_code, result.output

    code, said = told("--random", 2, "--out", "film.gif", "--size", 48)
    assert code == 0 and "of 2 poses taken within 20 mm" in said and "translator" not in said
    picture_file(elsewhere / "it.png", 64, 64)
    code, said = told("--image", "it.png")
    assert code == 0 and "nobody can judge" in said
    code, said = told("--dataset", runs / "data", "--random", 2)
    assert code == 0 and "of 2 poses taken" in said
    code, said = told("--trajectory", 0.1)
    assert code == 0 and "robot from the truth" in said and "ahead" not in said
    code, said = told("--random", 1, "--translator", "eye")
    assert code == 2 and "leave --translator away" in said


def test_who_is_told_numbers_is_no_onlooker(runs):
    result = CliRunner().invoke(main, ["mimic", "mover", "--runs-dir", str(runs), "--random", "1"])
    assert result.exit_code == 2 and "in numbers: --translator RUN names" in result.output
    result = CliRunner().invoke(
        main, ["mimic", "stander", "--runs-dir", str(runs), "--random", "1"]
    )
    assert result.exit_code == 2 and "takes no poses" in result.output
    with pytest.raises(UserError, match="--translator RUN"):
        GoalImageRobot(run(runs, "mover"), 48)
    with pytest.raises(UserError, match="in numbers too"):
        GoalImageRobot(looking(runs, "both", {"observation": "both", "goal": "both"}, {}), 48)


@pytest.mark.parametrize(
    "words", [("record", "eye"), ("evaluate", "eye"), ("train", "--resume", "eye")]
)
def test_a_translators_run_is_no_policy(runs, words):
    result = CliRunner().invoke(main, [*words, "--runs-dir", str(runs)])
    assert result.exit_code == 2 and "run 'eye' holds a translator and no policy" in result.output


def test_a_policy_that_sees_pictures_moves_no_dataset(runs):
    looking(runs, "pixels", *LOOKING["pixels"])
    how = {"frames": 4, "size": 32, "sequence": 2, "seed": 0, "runs_dir": runs}
    with pytest.raises(UserError, match="sees pictures itself"):
        plan_dataset("poise/Reacher2D-v0", {}, policy="pixels", **how)
    with pytest.raises(UserError, match="leave observation=state"):
        plan_dataset("poise/Reacher2D-v0", LOOKING["pixels"][0], policy="random", **how)
