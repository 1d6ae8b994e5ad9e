"""A translator beside a policy: it changes nothing in what the policy learns, learns itself, and goes on exactly."""

import numpy as np
import pytest
from click.testing import CliRunner
from poise.algos.online_translator import LEARNING_STARTS, UPDATE_EVERY, ImageBuffer
from poise.cli import main
from poise.toolkit.run import Run
from poise.tools.train.plan import TrainRequest
from poise.tools.train.session import resume_training, start_training
from poise.tools.translate.load import load_translator

SMALL = {"hidden_sizes": [8], "rollout_steps": 16, "batch_size": 32}
STEPS = 4 * (LEARNING_STARTS + 3 * UPDATE_EVERY)


def train(folder, name, steps=STEPS, **words):
    training = {
        "steps": steps,
        "evaluate_every": 0,
        "evaluate_episodes": 1,
        "num_envs": 4,
        "num_workers": 1,
        "checkpoint_every": 10**6,
    }
    request = TrainRequest(
        env="reacher2d",
        algorithm="ppo",
        training=training,
        settings=SMALL,
        runs_dir=folder,
        name=name,
        **words,
    )
    return start_training(request).run


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The same run, alone and with a translator."""
    folder = tmp_path_factory.mktemp("watched")
    train(folder, "alone")
    train(folder, "watched", with_translator=True)
    return folder


def weights(run):
    return {
        name: value.tobytes()
        for name, value in run.load_checkpoint("latest", ["policy"])[1]["policy"].items()
    }


def test_the_policy_learns_as_if_nobody_watched(runs):
    assert weights(Run.open(runs, "alone")) == weights(Run.open(runs, "watched"))


def test_the_translator_learns_and_its_losses_stand_beside_the_policys(runs):
    run = Run.open(runs, "watched")
    told = (run.path / "metrics.csv").read_text()
    assert "losses/translation" in told and "losses/policy_loss" in told
    assert "losses/translation" not in (Run.open(runs, "alone").path / "metrics.csv").read_text()
    state = run.load_checkpoint("latest", ["watched", "album"])[1]
    assert state["watched"]["minibatches"] == 1 + (STEPS // 4 - LEARNING_STARTS) // UPDATE_EVERY
    assert len(state["album"]["pictures"]) == STEPS // 4
    pose = load_translator(run).translate(state["album"]["pictures"][:1])
    assert pose.shape == (1, 4) and np.isfinite(pose).all()


def test_what_stands_in_the_album_is_what_is_seen(runs):
    album = Run.open(runs, "watched").load_checkpoint("latest", ["album"])[1]["album"]
    from sample_envs import make

    env = make("poise/Reacher2D-v0", "rgb_array", width=64, height=64, show_markers=False).unwrapped
    env.reset(seed=0)
    for picture, pose in list(zip(album["pictures"], album["values"], strict=True))[::100]:
        env.pose = tuple(map(tuple, pose.reshape(2, 2).tolist()))
        assert np.abs(env.render().astype(int) - picture).max() <= 8, (
            "but for the last digit of float32"
        )


def test_it_goes_on_exactly_where_it_was_stopped(runs, tmp_path):
    half = train(tmp_path, "watched", steps=STEPS - 16, with_translator=True)
    resume_training(half, {"steps": STEPS})
    whole, again = (run.load_checkpoint("latest")[1] for run in (Run.open(runs, "watched"), half))
    assert whole.keys() == again.keys()
    for group in whole.keys() - {"progress"}:
        for name, value in whole[group].items():
            np.testing.assert_array_equal(value, again[group][name], err_msg=f"{group} {name}")


def test_the_mimic_needs_no_second_run(runs):
    done = CliRunner().invoke(main, ["mimic", "watched", "--random", "1", "--runs-dir", str(runs)])
    assert done.exit_code == 0, done.output
    assert "poses taken" in done.output


@pytest.mark.parametrize(("words", "message"), [
    (("train", "cartpole", "--with-translator"), "has none"),
    (("train", "reacher2d", "--with-translator", "--env-set", "observation=pixels"), "leave observation=state"),
    (("train", "--resume", "watched", "--with-translator"), "--resume continues the run as it began"),
    (("mimic", "alone", "--random", "1"), "--translator RUN names what reads them"),
])  # fmt: skip
def test_bad_words_are_told_in_one_line(runs, words, message):
    done = CliRunner().invoke(main, [*words, "--runs-dir", str(runs)])
    assert done.exit_code == 2 and message in done.output and done.output.count("\n") == 1


def test_an_album_keeps_the_last_pictures():
    album, other = ImageBuffer(3, (1, 1, 3), 1), ImageBuffer(3, (1, 1, 3), 1)
    for number in range(5):
        album.add(np.full((1, 1, 3), number), np.array([number]))
        if number == 1:
            assert album.size == 2
    assert (
        sorted(album.values.ravel().tolist())
        == [2.0, 3.0, 4.0]
        == sorted(album.images[:, 0, 0, 0].tolist())
    )
    other.set_state(album.get_state())
    other.add(np.full((1, 1, 3), 9), np.array([9]))
    assert sorted(other.values.ravel().tolist()) == [3.0, 4.0, 9.0]
