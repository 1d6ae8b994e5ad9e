"""Online translator: the policy learns as without it; its own training resumes exactly."""

import numpy as np
import pytest
from click.testing import CliRunner
from sample_envs import make

from poise.algos.online_translator import LEARNING_STARTS, UPDATE_EVERY, ImageBuffer
from poise.cli import main
from poise.toolkit.run import Run
from poise.tools.train.plan import TrainRequest
from poise.tools.train.session import resume_training, start_training
from poise.tools.translate.load import load_translator

SMALL_SETTINGS = {"hidden_sizes": [8], "rollout_steps": 16, "batch_size": 32}
NUM_ENVS = 4
STEPS = NUM_ENVS * (LEARNING_STARTS + 3 * UPDATE_EVERY)


def train(folder, name, steps=STEPS, **options):
    training = {
        "steps": steps,
        "evaluate_every": 0,
        "evaluate_episodes": 1,
        "num_envs": NUM_ENVS,
        "num_workers": 1,
        "checkpoint_every": 10**6,
    }
    request = TrainRequest(
        env="reacher2d",
        algorithm="ppo",
        training=training,
        settings=SMALL_SETTINGS,
        runs_dir=folder,
        name=name,
        **options,
    )
    return start_training(request).run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A folder with the same run, alone and with a translator."""
    folder = tmp_path_factory.mktemp("online")
    train(folder, "alone")
    train(folder, "both", with_translator=True)
    return folder


def get_weights(run):
    policy = run.load_checkpoint("latest", ["policy"])[1]["policy"]
    return {name: value.tobytes() for name, value in policy.items()}


def test_policy_with_translator_equals_policy_without(runs):
    assert get_weights(Run.open(runs, "alone")) == get_weights(Run.open(runs, "both"))


def test_translator_is_trained_and_its_losses_are_logged_beside_the_policys(runs):
    run = Run.open(runs, "both")
    metrics = (run.path / "metrics.csv").read_text(encoding="utf-8")
    assert "losses/translation" in metrics
    assert "losses/policy_loss" in metrics
    assert "losses/translation" not in (Run.open(runs, "alone").path / "metrics.csv").read_text(
        encoding="utf-8"
    )
    state = run.load_checkpoint("latest", ["online_counters", "image_buffer"])[1]
    num_updates = 1 + (STEPS // NUM_ENVS - LEARNING_STARTS) // UPDATE_EVERY
    assert state["online_counters"]["minibatches"] == num_updates
    images = state["image_buffer"]["images"]
    assert len(images) == STEPS // NUM_ENVS
    pose = load_translator(run).translate(images[:1])
    assert pose.shape == (1, 4)
    assert np.isfinite(pose).all()


def test_buffered_poses_render_to_the_buffered_images(runs):
    buffer = Run.open(runs, "both").load_checkpoint("latest", ["image_buffer"])[1]["image_buffer"]
    env = make("poise/Reacher2D-v0", "rgb_array", width=64, height=64, view="agent").unwrapped
    env.reset(seed=0)
    samples = list(zip(buffer["images"], buffer["values"], strict=True))
    for image, pose in samples[::100]:
        env.pose = tuple(map(tuple, pose.reshape(2, 2).tolist()))
        difference = np.abs(env.render().astype(int) - image).max()
        assert difference <= 8, "equal but for float32 rounding of the pose"


def test_resumed_training_equals_uninterrupted_training(runs, tmp_path):
    resumed = train(tmp_path, "both", steps=STEPS - 16, with_translator=True)
    resume_training(resumed, {"steps": STEPS})
    expected_state = Run.open(runs, "both").load_checkpoint("latest")[1]
    state = resumed.load_checkpoint("latest")[1]
    assert expected_state.keys() == state.keys()
    for group in expected_state.keys() - {"progress"}:
        for name, value in expected_state[group].items():
            np.testing.assert_array_equal(value, state[group][name], err_msg=f"{group} {name}")


def test_mimic_uses_the_translator_beside_the_policy(runs):
    result = CliRunner().invoke(main, ["mimic", "both", "--random", "1", "--runs-dir", str(runs)])
    assert result.exit_code == 0, result.output
    assert "poses reached" in result.output


@pytest.mark.parametrize(("arguments", "message"), [
    (("train", "cartpole", "--with-translator"), "poise/Cartpole-v0 has none"),
    (
        ("train", "reacher2d", "--with-translator", "--env-set", "observation=pixels"),
        "leave observation=state",
    ),
    (("train", "--resume", "both", "--with-translator"), "--resume continues the run as it began"),
    (("mimic", "alone", "--random", "1"), "--translator RUN reads it from images"),
])  # fmt: skip
def test_invalid_arguments_are_one_line_errors(runs, arguments, message):
    result = CliRunner().invoke(main, [*arguments, "--runs-dir", str(runs)])
    assert result.exit_code == 2
    assert message in result.output
    assert result.output.count("\n") == 1


def test_full_buffer_keeps_the_latest_images():
    buffer = ImageBuffer(3, (1, 1, 3), 1)
    restored = ImageBuffer(3, (1, 1, 3), 1)
    for number in range(5):
        buffer.add(np.full((1, 1, 3), number), np.array([number]))
        if number == 1:
            assert buffer.size == 2
    assert sorted(buffer.values.ravel().tolist()) == [2.0, 3.0, 4.0]
    assert sorted(buffer.images[:, 0, 0, 0].tolist()) == [2.0, 3.0, 4.0]
    restored.set_state(buffer.get_state())
    restored.add(np.full((1, 1, 3), 9), np.array([9]))
    assert sorted(restored.values.ravel().tolist()) == [3.0, 4.0, 9.0]
