"""`import poise`: make, make_vec, train and load."""

import multiprocessing
import subprocess
import sys
import textwrap
from pathlib import Path

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import data_equivalence
from processes import python
from sample_envs import OUR_IDS

import poise
from poise.toolkit.errors import UserError

SMALL = {"hidden_sizes": [8], "learning_starts": 30, "batch_size": 8, "buffer_size": 500}
SHORT = {"evaluate_every": 0, "evaluate_episodes": 1}


@pytest.fixture
def sac_run(elsewhere):
    return poise.train("cartpole", algo="sac", steps=60, settings={**SMALL, **SHORT})


# Environments.


@pytest.mark.parametrize("env_id", OUR_IDS)
def test_make_takes_the_short_name_and_the_id(env_id):
    short = env_id.removeprefix("poise/").removesuffix("-v0")
    with poise.make(env_id) as env:
        observation, _ = env.reset(seed=3)
        assert observation in env.observation_space
        assert env.spec.id == env_id and short in type(env.unwrapped).__name__


def test_make_passes_settings_and_the_render_mode():
    with poise.make("standing", reward="survival", render_mode="rgb_array") as env:
        env.reset(seed=0)
        assert env.unwrapped.settings.reward == "survival"
        assert env.render().dtype == np.uint8


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"lr": 1}, "unknown argument 'lr' of poise.train: write settings={'learning_rate': 1}"),
        ({"batch_size": 8}, "write settings={'batch_size': 8}"),
        ({"total_timesteps": 100}, "write steps=100"),
        ({"n_envs": 2}, "write num_envs=2"),
        ({"stepz": 100}, "did you mean 'steps'?"),
    ],
)
def test_train_answers_an_unknown_argument_with_what_to_write(elsewhere, argument, message):
    with pytest.raises(UserError) as caught:
        poise.train("cartpole", **argument)
    assert message in str(caught.value) and "\n" not in str(caught.value)
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("cartpol", {}, "did you mean 'cartpole'"),
        ("cartpole", {"forse": 1}, "did you mean 'force'"),
        ("no_such_module:Env-v0", {}, "no_such_module"),
    ],
)
def test_a_mistake_is_a_user_error_of_one_line(name, settings, message):
    for make in (poise.make, poise.make_vec):
        with pytest.raises(UserError, match=message) as caught:
            make(name, **settings)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("arguments", [{"num_envs": 0}, {"vectorization_mode": "both"}])
def test_make_vec_refuses_what_gymnasium_cannot_do(arguments):
    with pytest.raises(UserError, match=next(iter(arguments))):
        poise.make_vec("cartpole", **arguments)


def test_make_vec_steps_each_environment_as_make_does():
    envs = poise.make_vec("standing", num_envs=3, reward="survival")
    singles = [poise.make("standing", reward="survival") for _ in range(3)]
    assert envs.num_envs == 3 and envs.single_action_space == singles[0].action_space
    observations, _ = envs.reset(seed=[4, 5, 6])
    expected = [env.reset(seed=seed)[0] for env, seed in zip(singles, (4, 5, 6), strict=True)]
    np.testing.assert_array_equal(observations, expected)
    actions = np.random.default_rng(0).uniform(-1, 1, (10, *envs.action_space.shape))
    for action in actions.astype(np.float32):
        observations, rewards, terminations, *_ = envs.step(action)
        steps = [env.step(own) for env, own in zip(singles, action, strict=True)]
        np.testing.assert_array_equal(observations, [step[0] for step in steps])
        np.testing.assert_allclose(rewards, [step[1] for step in steps])
        np.testing.assert_array_equal(terminations, [step[2] for step in steps])
    envs.close()


@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_async_and_sync_vector_environments_are_equal(context):
    if context not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {context} on this system")
    sync = poise.make_vec("cartpole", num_envs=2)
    processes = poise.make_vec(
        "cartpole", num_envs=2, vectorization_mode="async", vector_kwargs={"context": context}
    )
    for left, right in zip(sync.reset(seed=0), processes.reset(seed=0), strict=True):
        assert data_equivalence(left, right)
    sync.action_space.seed(0)
    for _ in range(60):  # Episodes end meanwhile, and the next ones begin.
        action = sync.action_space.sample()
        for left, right in zip(sync.step(action), processes.step(action), strict=True):
            assert data_equivalence(left, right)
    sync.close()
    processes.close()


def test_gymnasium_makes_an_environment_by_module_and_id_in_a_fresh_interpreter(tmp_path):
    program = "import gymnasium; print(gymnasium.make('poise:poise/Standing-v0').spec.id)"
    done = python("-c", program, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "poise/Standing-v0\n"), done.stderr


# Names of the user's own.


def test_folders_of_the_users_own_with_our_names_do_no_harm(tmp_path):
    for name in ("tools", "algos", "toolkit", "envs2d", "utils", "cli"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("", encoding="utf-8")
    (tmp_path / "tools" / "mine.py").write_text("LIMIT = 7.0\n", encoding="utf-8")
    (tmp_path / "my_env.py").write_text(
        textwrap.dedent(
            """
            import gymnasium
            import numpy as np
            from tools.mine import LIMIT

            class MyEnv(gymnasium.Env):
                observation_space = gymnasium.spaces.Box(-LIMIT, LIMIT, (1,), np.float32)
                action_space = gymnasium.spaces.Box(-1, 1, (1,), np.float32)

                def reset(self, *, seed=None, options=None):
                    super().reset(seed=seed)
                    return np.zeros(1, np.float32), {}

                def step(self, action):
                    return np.zeros(1, np.float32), 1.0, False, False, {}

            gymnasium.register("MyEnv-v0", MyEnv, max_episode_steps=5)
            """
        ),
        encoding="utf-8",
    )
    for words in (["list"], ["inspect", "my_env:MyEnv-v0"]):
        done = python("-m", "poise", *words, cwd=tmp_path, PYTHONPATH=_path_with(tmp_path))
        assert done.returncode == 0, done.stderr
    assert "7.0" in done.stdout
    words = ["train", "my_env:MyEnv-v0", "--algo", "ppo", "--steps", "20", "--no-video"]
    settings = ["--num-envs", "2", "--num-workers", "2", "--set", "rollout_steps=5"]
    done = python("-m", "poise", *words, *settings, cwd=tmp_path, PYTHONPATH=_path_with(tmp_path))
    assert done.returncode == 0, done.stderr


def _path_with(folder: Path) -> str:
    """PYTHONPATH of this process, after a folder."""
    import os

    return os.pathsep.join([str(folder), *filter(None, [os.environ.get("PYTHONPATH")])])


# Training and policies.


def test_train_makes_the_run_of_the_command(sac_run):
    assert sac_run.path == Path("runs/cartpole-sac-0").absolute()
    assert sac_run.summary()["steps"] == 60 and sac_run.config["settings"]["batch_size"] == 8
    assert not (sac_run.path / "videos").exists()


def test_train_refuses_an_unknown_setting_and_writes_nothing(elsewhere):
    with pytest.raises(UserError, match="did you mean 'batch_size'"):
        poise.train("cartpole", settings={"bach_size": 3})
    assert not Path("runs").exists()


def test_a_policy_acts_on_one_observation_and_on_many_alike(sac_run):
    policy = poise.load("cartpole-sac-0")
    observations = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    actions = policy(observations)
    assert actions.shape == (5, 1) and actions.dtype == np.float32
    for observation, action in zip(observations, actions, strict=True):
        np.testing.assert_allclose(policy(observation), action, rtol=1e-5)
        assert policy(observation) in policy.action_space
    policy.reset(np.ones(5, bool))
    np.testing.assert_array_equal(policy(observations), actions)


def test_a_policy_is_found_by_path_and_by_checkpoint(sac_run):
    here = poise.load(sac_run.path, checkpoint=60)
    assert here.checkpoint == poise.load("cartpole-sac-0", checkpoint="latest").checkpoint
    with pytest.raises(UserError, match="unknown checkpoint"):
        poise.load(sac_run.path, checkpoint=61)
    with pytest.raises(UserError, match="did you mean 'cartpole-sac-0'"):
        poise.load("cartpole-sac-1")


def test_a_policy_of_another_range_acts_in_the_environments_own(elsewhere):
    poise.train("Pendulum-v1", algo="sac", steps=60, settings={**SMALL, **SHORT})
    policy = poise.load("pendulum-sac-0")
    env = gymnasium.make("Pendulum-v1")
    observation, _ = env.reset(seed=0)
    inner = policy._learner.act(observation[None], explore=False)[0]
    np.testing.assert_allclose(policy(observation), 2.0 * inner, rtol=1e-5)
    assert policy(observation) in env.action_space


@pytest.mark.parametrize("goal", ["state", "pixels"])
def test_a_policy_that_is_shown_images_takes_what_its_environment_gives(elsewhere, goal):
    env_settings = {"observation": "both", "goal": goal, "image_size": 32}
    settings = {**SMALL, **SHORT, "conv_channels": [4], "feature_dim": 4}
    poise.train("reacher2d", algo="sac", steps=40, settings=settings, env_settings=env_settings)
    policy = poise.load("reacher2d-sac-0")
    envs = poise.make_vec("reacher2d", num_envs=2, **env_settings)
    observations, _ = envs.reset(seed=0)
    assert policy(observations) in envs.action_space
    one = {key: value[0] for key, value in observations.items()}
    np.testing.assert_allclose(policy(one), policy(observations)[0], rtol=1e-4)
    envs.close()


def test_training_from_python_is_training_by_the_command(elsewhere):
    settings = {**SMALL, **SHORT}
    words = [f"--set={key}={str(value).replace(' ', '')}" for key, value in settings.items()]
    poise.train("cartpole", algo="td3", steps=60, settings=settings, run="python")
    command = [sys.executable, "-m", "poise", "train", "cartpole", "--algo", "td3", "--steps", "60"]
    subprocess.run([*command, "--no-video", "--run", "command", *words], check=True)
    observations = np.random.default_rng(0).normal(size=(5, 4)).astype(np.float32)
    np.testing.assert_array_equal(
        poise.load("python")(observations), poise.load("command")(observations)
    )
