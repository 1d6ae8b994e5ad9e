"""Observations and goals as numbers, images or both; learning from pixels."""

import copy

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from sample_envs import IN_SPACE, OUR_IDS, bare, make
from torch.nn import functional

from poise import algos
from poise.algos.encoders import CoordConvNet, PixelEncoder, make_encoders
from poise.algos.frame_store import FrameStore
from poise.algos.normalization import Normalizer, make_normalizer
from poise.algos.off_policy import ReplayBuffer
from poise.toolkit.conversion import FLOAT32_BYTES, PixelVectorSpace
from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.experience import EnvBatch, Transition
from poise.toolkit.observation import GoalImage
from poise.toolkit.registry import make_env
from poise.toolkit.spaces import slices
from poise.toolkit.wrappers import LearnerEnv

REACHER = "poise/Reacher2D-v0"
SMALL = {"image_size": 16}
POSED_IN_SPACE = [env_id for env_id in IN_SPACE if "Reacher" in env_id or "Pose" in env_id]


def reacher(**settings):
    return bare(REACHER, **SMALL, **settings)


def spaces(space):
    """Return the shapes of an observation space's parts, by name."""
    if isinstance(space, gymnasium.spaces.Dict):
        return {name: part.shape for name, part in space.spaces.items()}
    return {"pixels" if space.dtype == np.uint8 else "state": space.shape}


@pytest.mark.parametrize(("observation", "goal", "expected"), [
    ("state", "state", {"state": (14,)}),
    ("pixels", "state", {"pixels": (16, 16, 9), "state": (4,)}),
    ("both", "state", {"pixels": (16, 16, 9), "state": (14,)}),
    ("state", "pixels", {"pixels": (16, 16, 3), "state": (6,)}),
    ("pixels", "pixels", {"pixels": (16, 16, 12)}),
    ("both", "pixels", {"pixels": (16, 16, 12), "state": (6,)}),
    ("pixels", "both", {"pixels": (16, 16, 12), "state": (4,)}),
    ("both", "both", {"pixels": (16, 16, 12), "state": (14,)}),
])  # fmt: skip
def test_observation_space_holds_what_the_settings_ask_for_only(observation, goal, expected):
    env = reacher(observation=observation, goal=goal, frame_stack=3)
    assert spaces(env.observation_space) == expected
    check_env(env)


@pytest.mark.parametrize("env_id", OUR_IDS)
def test_pixel_observation_of_every_env_shows_an_image(env_id):
    env = bare(env_id, observation="pixels", image_size=32, frame_stack=2)
    observation, _ = env.reset(seed=0)
    pixels = observation["pixels"] if isinstance(observation, dict) else observation
    assert pixels.shape == (32, 32, 6) and pixels.dtype == np.uint8 and np.ptp(pixels) > 50
    env.close()


def test_frame_stack_is_oldest_first_and_repeats_first_image_at_start():
    env, plain = reacher(observation="pixels", goal="pixels", frame_stack=3), reacher()
    observed, _ = env.reset(seed=0)
    plain.reset(seed=0)
    images = [plain.render_observation(16, 16)] * 3
    for _ in range(4):
        for age, image in enumerate(images[-3:]):
            np.testing.assert_array_equal(observed[..., 3 * age : 3 * age + 3], image)
        np.testing.assert_array_equal(
            env.agent_observation(), observed, "building the observation again is no step"
        )
        observed = env.step(np.ones(2))[0]
        plain.step(np.ones(2))
        images.append(plain.render_observation(16, 16))
    assert not np.array_equal(observed[..., :3], observed[..., 6:9])
    np.testing.assert_array_equal(
        env.reset(seed=0)[0][..., :3], images[0], "the last episode's images are gone"
    )


def test_goal_image_equals_image_of_body_at_target():
    env = reacher(observation="pixels", goal="pixels")
    pixels, _ = env.reset(seed=1)
    assert not np.array_equal(pixels[..., 3:6], pixels[..., 6:])
    env.set_target(np.array(env.pose).ravel())
    np.testing.assert_array_equal(env.agent_observation()[..., 6:], pixels[..., 3:6])
    assert env.agent_view.goal_image.image_distance() == 0.0


@pytest.mark.parametrize("env_id", POSED_IN_SPACE)
def test_goal_image_in_space_needs_target_given_by_angles(env_id):
    env = bare(env_id, observation="pixels", goal="pixels", **SMALL)
    pixels, _ = env.reset(seed=1)
    assert not np.array_equal(pixels[..., -6:-3], pixels[..., -3:])
    env.set_joint_angles(env.target_angles)
    np.testing.assert_array_equal(env.render_observation(16, 16), pixels[..., -3:])
    assert env.agent_view.goal_image.image_distance() == 0.0
    env.set_target(np.array(env.pose).ravel())
    with pytest.raises(UserError, match="set by its points"):
        env.agent_observation()
    env.close()


def test_image_distance_grows_with_angle_between_arms():
    env = reacher(goal="pixels")
    distances = []
    for angle in (0.0, 0.05, 0.2, 0.6):
        total = 0.0
        for seed in range(10):
            env.reset(seed=seed)
            turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
            env.set_target((np.array(env.pose) @ turn).ravel())
            total += env.agent_view.goal_image.image_distance()
        distances.append(total)
    assert distances == sorted(distances) and distances[0] == 0.0 < distances[1]


@pytest.mark.parametrize("reward", ["image_similarity", "both"])
def test_image_similarity_sums_to_gain_and_is_zero_at_new_target(reward):
    env = reacher(reward=reward)
    env.reset(seed=0)
    terms = [
        env.step(np.array([0.3, -0.2]))[4]["reward_terms"]["image_similarity"] for _ in range(20)
    ]
    first = env.agent_view.goal_image
    assert terms[0] == 0.0 and any(terms[1:])
    last = -np.log1p(first.image_distance() / 0.002)
    env.reset(seed=0)
    env.step(np.array([0.3, -0.2]))
    assert sum(terms) == pytest.approx(last + np.log1p(first.image_distance() / 0.002)), (
        "the gains sum to last minus first"
    )
    env.set_target(np.array(env.pose).ravel())
    assert env.step(np.zeros(2))[4]["reward_terms"]["image_similarity"] == 0.0


@pytest.mark.parametrize("env_id", [REACHER, *POSED_IN_SPACE])
def test_pixel_observation_does_not_change_dynamics(env_id):
    with_pixels, plain = (
        bare(env_id, observation="both", goal="pixels", reward="both", **SMALL),
        bare(env_id),
    )
    action = np.full(plain.action_space.shape, 0.5)
    with_pixels.reset(seed=3)
    plain.reset(seed=3)
    for _ in range(5):
        for name in ("pose", "speed"):
            np.testing.assert_array_equal(
                with_pixels.get_observation()[with_pixels.agent_view.slices[name]],
                plain.get_observation()[plain.agent_view.slices[name]],
            )
        with_pixels.step(action)
        plain.step(action)
    with_pixels.close()
    plain.close()


def test_translated_goal_is_nearest_reachable_pose(monkeypatch):
    estimate = np.array([0.25, 0.0, 0.45, 0.0], np.float32)
    calls = []
    monkeypatch.setattr(
        GoalImage,
        "open_estimator",
        lambda folder: lambda image: calls.append((folder, image.shape)) or estimate,
    )
    env = reacher(goal="translated", translator="translator_run")
    observation, _ = env.reset(seed=0)
    env.step(np.zeros(2))
    columns = slices(env.OBSERVATION)
    reachable = np.array([0.2, 0.0, 0.4, 0.0])
    np.testing.assert_allclose(
        observation[columns["target"]], reachable, atol=0.01, err_msg="clipped to the arm's reach"
    )
    np.testing.assert_allclose(
        observation[columns["difference"]],
        observation[columns["target"]] - observation[columns["pose"]],
    )
    assert calls == [("translator_run", (16, 16, 3))], "once per target"


@pytest.mark.parametrize(("env_id", "settings", "message"), [
    ("poise/Standing-v0", {"goal": "pixels"}, "has no target pose"),
    (REACHER, {"goal": "translated"}, "must be set together"),
    (REACHER, {"translator": "eye"}, "must be set together"),
    (REACHER, {"observation": "smells"}, "observation='smells'"),
    *[
        (env_id, {"goal": "pixels"}, "cannot draw|has no target pose")
        for env_id in IN_SPACE
        if env_id not in POSED_IN_SPACE
    ],
])  # fmt: skip
def test_unsupported_observation_is_refused_in_one_line(env_id, settings, message):
    with pytest.raises(UserError, match=message):
        make(env_id, **settings).reset(seed=0)


# Images and numbers in one vector.


class ImageEnv(gymnasium.Env):
    """Observes an image, alone or beside numbers."""

    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, *names, number=0.5):
        image = gymnasium.spaces.Box(0, 255, (4, 5, 3), np.uint8)
        spaces = {
            "camera": image,
            "mirror": image,
            "speed": gymnasium.spaces.Box(-1, 1, (2,), np.float32),
        }
        self.number, self.names = number, names
        self.observation_space = (
            gymnasium.spaces.Dict({name: spaces[name] for name in names}) if names else image
        )

    def reset(self, *, seed=None, options=None):
        image = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
        values = {
            "camera": image,
            "mirror": image,
            "speed": np.full(2, self.number, np.float32),
        }
        return ({name: values[name] for name in self.names} if self.names else image), {}


@pytest.mark.parametrize("names", [(), ("camera",), ("camera", "speed")])
def test_pixel_vector_holds_numbers_then_image(names):
    env = LearnerEnv(ImageEnv(*names))
    row, _ = env.reset()
    assert row in env.observation_space and row.dtype == np.uint8
    split = FLOAT32_BYTES * env.observation_space.state_size
    np.testing.assert_array_equal(
        row[:split].view(np.float32), [0.5, 0.5] if "speed" in names else []
    )
    np.testing.assert_array_equal(row[split:], np.arange(60))
    assert env.observation_space.image_shape == (4, 5, 3)


def test_several_images_or_non_finite_numbers_are_refused():
    with pytest.raises(UserError, match="camera, mirror"):
        LearnerEnv(ImageEnv("camera", "mirror"))
    with pytest.raises(WorkError, match="not finite"):
        LearnerEnv(ImageEnv("camera", "speed", number=np.nan)).reset()


def make_pixel_learner(algorithm, goal="pixels", **settings):
    env = {"observation": "both", "goal": goal, **SMALL}
    small = {"conv_channels": [4, 6], "feature_dim": 5, "hidden_sizes": [8], **settings}
    return algos.make_learner(algorithm, REACHER, env, small), EnvBatch(REACHER, 3, 0, env)


def test_encoder_passes_numbers_through_and_uses_every_pixel():
    torch.manual_seed(0)
    space = PixelVectorSpace(2, (16, 16, 3))
    settings = algos.get_algorithm_class("ppo").SETTINGS.parse(
        {"conv_channels": [16, 16], "feature_dim": 5}
    )
    eye, _ = make_encoders(space, settings)
    assert isinstance(eye, PixelEncoder) and eye.feature_dim == 7
    row = torch.zeros(1, space.shape[0], dtype=torch.uint8)
    row[0, :8] = torch.tensor([1.5, -2.0]).view(torch.uint8)
    seen = eye(row)
    assert seen[0, :2].tolist() == [1.5, -2.0]
    for pixel in range(8, row.shape[1], 37):
        other = row.clone()
        other[0, pixel] = 255
        assert not torch.equal(eye(other)[0, 2:], seen[0, 2:])
    many = row.expand(600, -1)
    with torch.no_grad():
        np.testing.assert_allclose(eye(many), eye(row).expand(600, -1), atol=1e-6)
    assert eye(many[None]).shape == (1, 600, 7)


@pytest.mark.parametrize("patch", [0, 4, 5])
@pytest.mark.parametrize("of_bytes", [False, True])
def test_coord_conv_net_equals_convolution_with_coordinates_and_uses_every_pixel(patch, of_bytes):
    torch.manual_seed(0)
    eye, pictures = (
        CoordConvNet((13, 18), 3, (16, 4), patch, is_uint8=of_bytes),
        torch.randn(2, 3, 13, 18, requires_grad=True),
    )
    columns, rows = (
        torch.linspace(-1, 1, 18).expand(13, 18),
        torch.linspace(-1, 1, 13)[:, None].expand(13, 18),
    )
    seen = torch.cat((pictures, torch.stack((columns, rows)).expand(2, 2, 13, 18)), 1)
    seen = functional.conv2d(seen, eye[0].weight, eye[0].bias, eye[0].stride, eye[0].padding)
    for layer in list(eye)[1:]:
        seen = layer(seen)
    torch.testing.assert_close(
        eye(127.5 * (pictures + 1.0) if of_bytes else pictures), seen, atol=1e-4, rtol=1e-4
    )
    assert seen.shape == (2, *eye.output_shape)
    first = functional.conv2d(pictures, eye[0].weight[:, :3], None, eye[0].stride, eye[0].padding)
    (gradient,) = torch.autograd.grad(first.square().sum(), pictures)
    assert (gradient != 0).all()


def test_asymmetric_actor_uses_image_and_critic_uses_numbers():
    for algorithm in ("ppo", "sac", "td3"):
        learner, envs = make_pixel_learner(
            algorithm, goal="both", asymmetric_critic=True, patch_size=0
        )
        rows, numbers = envs.observation, FLOAT32_BYTES * envs.observation_space.state_size
        others = rows.copy()
        others[:, :numbers] = rows[::-1, :numbers]
        np.testing.assert_array_equal(
            learner.act(others, explore=False), learner.act(rows, explore=False)
        )
        assert (learner.value_and_std(others)[0] != learner.value_and_std(rows)[0]).any()
        dark = rows.copy()
        dark[:, numbers:] //= 2
        assert (learner.act(dark, explore=False) != learner.act(rows, explore=False)).any()
        critic = (
            learner.net.value
            if algorithm == "ppo"
            else lambda s, of=learner: of.critic(s, torch.zeros(len(s), 2))
        )
        torch.testing.assert_close(critic(torch.as_tensor(dark)), critic(torch.as_tensor(rows)))


def test_asymmetric_learner_without_numbers_or_with_shared_trunk_is_refused():
    for env in ({}, {"observation": "pixels", "goal": "pixels"}):
        with pytest.raises(UserError, match="observation=both --env-set goal=both"):
            algos.make_learner("sac", REACHER, {**env, **SMALL}, {"asymmetric_critic": True})
    with pytest.raises(UserError, match="do not go together"):
        make_pixel_learner("ppo", goal="both", asymmetric_critic=True, shared_trunk=True)


def test_normalizer_of_pixel_vectors_leaves_image_unchanged():
    space, rng = PixelVectorSpace(2, (1, 1, 3)), np.random.default_rng(0)
    numbers, bytes_of_picture = (
        rng.normal(3.0, 2.0, (500, 2)).astype(np.float32),
        rng.integers(0, 256, (500, 3), np.uint8),
    )
    rows = torch.from_numpy(np.concatenate([numbers.view(np.uint8), bytes_of_picture], axis=1))
    worn, plain = make_normalizer(space, True), Normalizer(2)
    for either, seen in ((worn, rows), (plain, torch.from_numpy(numbers))):
        either.update(seen)
    np.testing.assert_array_equal(worn(rows)[:, 8:], bytes_of_picture)
    np.testing.assert_array_equal(
        worn(rows)[:, :8].contiguous().view(torch.float32), plain(torch.from_numpy(numbers))
    )


@pytest.mark.parametrize(("algorithm", "settings"), [
    ("ppo", {"rollout_steps": 4, "epochs": 2, "batch_size": 6}),
    ("ppo", {"rollout_steps": 4, "epochs": 2, "batch_size": 6, "shared_trunk": True}),
    ("sac", {"learning_starts": 3, "batch_size": 4, "buffer_size": 50}),
    ("td3", {"learning_starts": 3, "batch_size": 4, "buffer_size": 50, "policy_delay": 1}),
    ("ppo", {
        "rollout_steps": 4, "epochs": 2, "batch_size": 6,
        "goal": "both", "asymmetric_critic": True,
    }),
    ("sac", {
        "learning_starts": 3, "batch_size": 4, "buffer_size": 50,
        "goal": "both", "asymmetric_critic": True,
    }),
    ("td3", {
        "learning_starts": 3, "batch_size": 4, "buffer_size": 50, "policy_delay": 1,
        "goal": "both", "asymmetric_critic": True,
    }),
])  # fmt: skip
def test_training_from_pixels_updates_encoder_and_resumes_exactly(algorithm, settings):
    def live(learner, envs, steps):
        for _ in range(steps):
            learner.observe(envs.step(learner.act(envs.observation, explore=True)))
            learner.update()

    def weights(learner):
        return {name: value.tobytes() for name, value in learner.state_dict()["policy"].items()}

    (whole, envs), (half, others) = (
        make_pixel_learner(algorithm, **settings),
        make_pixel_learner(algorithm, **settings),
    )
    begun = weights(whole)
    live(whole, envs, 8), live(half, others, 4)
    again, anew = make_pixel_learner(algorithm, **settings)
    again.load_state_dict(half.state_dict())
    anew.set_state(others.get_state())
    live(again, anew, 4)
    assert weights(again) == weights(whole)
    learned = {name for name, value in weights(whole).items() if value != begun[name]}
    eyes = {name for name in begun if name.startswith(("encoder", "actor"))}
    assert eyes and eyes <= learned
    acting = make_pixel_learner(algorithm, **settings)[0]
    acting.load_state_dict({"policy": whole.state_dict()["policy"]})
    np.testing.assert_array_equal(
        acting.act(envs.observation, explore=False), whole.act(envs.observation, explore=False)
    )


@pytest.mark.parametrize("algorithm", ["sac", "td3"])
def test_actor_loss_does_not_update_encoder(algorithm):
    learner, envs = make_pixel_learner(algorithm, learning_starts=0, batch_size=4, buffer_size=50)
    learner.observe(envs.step(np.zeros((3, 2), np.float32)))
    name = {"sac": "actor_and_temperature", "td3": "policy"}[algorithm]
    assert not {id(weight) for weight in learner.optimizers[name].parameters} & {
        id(w) for w in learner.critic.encoder.parameters()
    }
    assert {id(weight) for weight in learner.critic.encoder.parameters()} <= {
        id(w) for w in learner.optimizers["critic"].parameters
    }


def fill_buffer(steps, capacity=50, envs=3, **env):
    """Return a buffer with transitions of environments with images, and these transitions."""
    source = EnvBatch(REACHER, envs, 0, {"observation": "both", "goal": "pixels", **SMALL, **env})
    buffer, rng = (
        ReplayBuffer(capacity, source.observation_space, source.action_space),
        np.random.default_rng(0),
    )
    transitions = [
        source.step(rng.uniform(-1, 1, (envs, 2)).astype(np.float32)) for _ in range(steps)
    ]
    for transition in transitions:
        buffer.add(transition)
    return buffer, transitions


def rows_of(buffer):
    return {
        name: buffer.frame_store.reconstruct(buffer.columns[name][: buffer.size])
        for name in ("s", "s2")
    }


def used_slots(buffer):
    """Return the slots that the stored observations refer to."""
    numbers = buffer.frame_store.vector_bytes
    return {
        place
        for name in ("s", "s2")
        for place in buffer.columns[name][: buffer.size, numbers:].copy().view(np.int32).flat
    }


@pytest.mark.parametrize(("steps", "capacity"), [(4, 50), (40, 50), (40, 7), (5, 2)])
def test_buffer_returns_images_bit_identical(steps, capacity):
    buffer, transitions = fill_buffer(steps, capacity)
    assert buffer.size == min(capacity, 3 * steps)
    for name, field in (("s", "observation"), ("s2", "next_observation")):
        expected = np.concatenate([getattr(transition, field) for transition in transitions])[
            -buffer.size :
        ]
        stored = rows_of(buffer)[name]
        assert stored.dtype == np.uint8
        np.testing.assert_array_equal(
            stored[np.lexsort(stored.T)], expected[np.lexsort(expected.T)]
        )
    batch = buffer.sample(20, np.random.default_rng(1), torch.device("cpu"))
    drawn = np.random.default_rng(1).integers(0, buffer.size, 20)
    np.testing.assert_array_equal(batch.s, rows_of(buffer)["s"][drawn])
    np.testing.assert_array_equal(batch.s2, rows_of(buffer)["s2"][drawn])


def test_frame_store_keeps_each_channel_once_while_in_use():
    buffer, _ = fill_buffer(40)
    channels, places = buffer.get_state()["channels"], used_slots(buffer)
    assert len(np.unique(channels[sorted(places)], axis=0)) == len(places)
    # An environment adds an image of three channels per step; it started with one, and has had one
    # or two targets.
    assert len(places) <= 3 * (50 + 3 * (1 + 1 + 2))
    assert len(channels) <= 1 + len(places) + 2 * 3 * 9, "freed slots are reused first"


@pytest.mark.parametrize("steps", [4, 17, 40])
def test_frame_store_resumes_exactly_from_state(steps):
    _, transitions = fill_buffer(60)
    rows, action = PixelVectorSpace(6, (16, 16, 9)), gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    one, two = ReplayBuffer(50, rows, action), ReplayBuffer(50, rows, action)
    for transition in transitions[:steps]:
        one.add(transition)
    two.set_state(copy.deepcopy(one.get_state()))
    for transition in transitions[steps:]:
        one.add(transition), two.add(transition)
    for name, value in one.get_state().items():
        np.testing.assert_array_equal(two.get_state()[name], value, name)


def test_frame_store_fills_lowest_free_slot_first():
    rng, rows = np.random.default_rng(0), PixelVectorSpace(1, (2, 3, 1))
    one, two = FrameStore(rows, 40), FrameStore(rows, 40)
    short = one.add(rng.integers(0, 256, (30, rows.shape[0]), np.uint8))
    gone = rng.permutation(30)[:20]
    for row in gone:
        one.release(short[[row]])
    two.set_state(copy.deepcopy(one.get_state()), np.delete(short, gone, axis=0))
    new = rng.integers(0, 256, (25, rows.shape[0]), np.uint8)
    kept = one.add(new)
    np.testing.assert_array_equal(two.add(new), kept)
    taken = kept[:, FLOAT32_BYTES:].copy().view(np.int32).ravel().tolist()
    assert taken == [*sorted(gone + 1), *range(31, 36)]
    np.testing.assert_array_equal(two.get_state()["channels"], one.get_state()["channels"])
    np.testing.assert_array_equal(one.reconstruct(kept), new)


def test_frame_store_holds_the_greatest_number_of_distinct_images():
    rows, rng = PixelVectorSpace(0, (2, 3, 3)), np.random.default_rng(0)
    buffer = ReplayBuffer(5, rows, gymnasium.spaces.Box(-1, 1, (1,), np.float32))
    for _ in range(20):
        s, s2 = rng.integers(0, 256, (2, 3, 18), np.uint8)
        buffer.add(
            Transition(
                s,
                np.zeros((3, 1), np.float32),
                np.zeros(3, np.float32),
                s2,
                np.zeros(3, bool),
                np.zeros(3, bool),
            )
        )
    assert len(used_slots(buffer)) == 2 * 5 * 3 == len(buffer.get_state()["channels"]) - 1
    assert buffer.nbytes == sum(
        part.nbytes for part in buffer.get_state().values() if isinstance(part, np.ndarray)
    )


def test_buffer_with_unknown_layout_is_refused_in_one_line():
    learner, envs = make_pixel_learner("sac", learning_starts=0, batch_size=4, buffer_size=50)
    learner.observe(envs.step(np.zeros((3, 2), np.float32)))
    state = learner.state_dict()
    state["buffer"]["s"] = learner.replay.buffer.frame_store.reconstruct(state["buffer"]["s"])
    with pytest.raises(WorkError, match="buffer was saved by another version"):
        learner.load_state_dict(state)


def test_buffer_too_large_for_memory_is_refused_with_possible_size():
    rows, action = PixelVectorSpace(6, (64, 64, 9)), gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    with pytest.raises(UserError, match=r"takes up to [\d,]+ GiB.*--set buffer_size=\d+") as error:
        ReplayBuffer(10**9, rows, action)
    ReplayBuffer(int(str(error.value).split("buffer_size=")[1].split()[0]) // 1000, rows, action)


def test_make_env_flattens_pixel_observations():
    env = make_env(REACHER, {"observation": "pixels", "goal": "pixels", **SMALL})
    assert isinstance(env.observation_space, PixelVectorSpace)
    assert env.reset(seed=0)[0].shape == (16 * 16 * 9,)


@pytest.mark.parametrize("algorithm", ["ppo", "sac", "td3"])
def test_value_and_std_from_pixels_are_finite(algorithm):
    learner, envs = make_pixel_learner(algorithm)
    value, std = learner.value_and_std(envs.observation)
    assert value.shape == (3,) and std.shape == (3, 2) and np.isfinite(value).all()
