"""What an agent sees: numbers, pictures or both; and how it is told its target."""

import copy

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from poise import algos
from poise.algos.frame_store import FrameStore
from poise.algos.networks import CoordConvNet, PixelEncoder, make_encoders
from poise.algos.normalization import Normalizer, make_normalizer
from poise.algos.off_policy import ReplayBuffer
from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.experience import EnvBatch, Transition
from poise.toolkit.registry import make_env
from poise.toolkit.spaces import slices
from poise.toolkit.wrappers import FLOAT32_BYTES, FlattenPixels, PixelVectorSpace
from sample_envs import IN_SPACE, OUR_IDS, bare, make
from torch.nn import functional

REACHER = "poise/Reacher2D-v0"
SMALL = {"image_size": 16}
POSED_IN_SPACE = [env_id for env_id in IN_SPACE if "Reacher" in env_id or "Pose" in env_id]


def reacher(**settings):
    return bare(REACHER, **SMALL, **settings)


def spaces(space):
    """The shapes of what is seen, by name."""
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
def test_the_agent_sees_what_was_asked_for_and_nothing_that_tells_the_rest(
    observation, goal, expected
):
    env = reacher(observation=observation, goal=goal, frame_stack=3)
    assert spaces(env.observation_space) == expected
    check_env(env)


@pytest.mark.parametrize("env_id", OUR_IDS)
def test_every_world_can_be_seen_in_pictures(env_id):
    env = bare(env_id, observation="pixels", image_size=32, frame_stack=2)
    seen, _ = env.reset(seed=0)
    pixels = seen["pixels"] if isinstance(seen, dict) else seen
    assert pixels.shape == (32, 32, 6) and pixels.dtype == np.uint8 and np.ptp(pixels) > 50
    env.close()


def test_the_last_pictures_stand_oldest_first_and_the_first_fills_the_start():
    env, plain = reacher(observation="pixels", goal="pixels", frame_stack=3), reacher()
    seen, _ = env.reset(seed=0)
    plain.reset(seed=0)
    pictures = [plain.render_observation(16)] * 3
    for _ in range(4):
        for age, picture in enumerate(pictures[-3:]):
            np.testing.assert_array_equal(seen[..., 3 * age : 3 * age + 3], picture)
        np.testing.assert_array_equal(env.agent_observation(), seen, "looking again is no step")
        seen = env.step(np.ones(2))[0]
        plain.step(np.ones(2))
        pictures.append(plain.render_observation(16))
    assert not np.array_equal(seen[..., :3], seen[..., 6:9])
    np.testing.assert_array_equal(
        env.reset(seed=0)[0][..., :3], pictures[0], "nothing is left of the last episode"
    )


def test_the_targets_picture_is_that_of_a_body_which_is_there():
    env = reacher(observation="pixels", goal="pixels")
    seen, _ = env.reset(seed=1)
    assert not np.array_equal(seen[..., 3:6], seen[..., 6:])
    env.set_target(np.array(env.pose).ravel())
    np.testing.assert_array_equal(env.agent_observation()[..., 6:], seen[..., 3:6])
    assert env.agent_view.goal_image.image_distance() == 0.0


@pytest.mark.parametrize("env_id", POSED_IN_SPACE)
def test_in_space_too_and_a_target_told_in_numbers_has_no_picture(env_id):
    env = bare(env_id, observation="pixels", goal="pixels", **SMALL)
    seen, _ = env.reset(seed=1)
    assert not np.array_equal(seen[..., -6:-3], seen[..., -3:])
    env.set_joint_angles(env.arms.target_angles)
    np.testing.assert_array_equal(env.render_observation(16), seen[..., -3:])
    assert env.agent_view.goal_image.image_distance() == 0.0
    env.set_target(np.array(env.arms.pose).ravel())
    with pytest.raises(UserError, match="told in numbers"):
        env.agent_observation()
    env.close()


def test_unlikeness_grows_with_the_angle_between_two_arms():
    env = reacher(goal="pixels")
    found = []
    for angle in (0.0, 0.05, 0.2, 0.6):
        total = 0.0
        for seed in range(10):
            env.reset(seed=seed)
            turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
            env.set_target((np.array(env.pose) @ turn).ravel())
            total += env.agent_view.goal_image.image_distance()
        found.append(total)
    assert found == sorted(found) and found[0] == 0.0 < found[1]


@pytest.mark.parametrize("reward", ["likeness", "both"])
def test_likeness_is_paid_as_it_is_gained_and_a_new_target_pays_nothing(reward):
    env = reacher(reward=reward)
    env.reset(seed=0)
    terms = [env.step(np.array([0.3, -0.2]))[4]["reward_terms"]["likeness"] for _ in range(20)]
    first = env.agent_view.goal_image
    assert terms[0] == 0.0 and any(terms[1:])
    last = -np.log1p(first.image_distance() / 0.002)
    env.reset(seed=0)
    env.step(np.array([0.3, -0.2]))
    assert sum(terms) == pytest.approx(last + np.log1p(first.image_distance() / 0.002)), (
        "it sums to last minus first"
    )
    env.set_target(np.array(env.pose).ravel())
    assert env.step(np.zeros(2))[4]["reward_terms"]["likeness"] == 0.0


@pytest.mark.parametrize("env_id", [REACHER, *POSED_IN_SPACE])
def test_pictures_change_nothing_in_the_story(env_id):
    seen, plain = (
        bare(env_id, observation="both", goal="pixels", reward="both", **SMALL),
        bare(env_id),
    )
    action = np.full(plain.action_space.shape, 0.5)
    seen.reset(seed=3), plain.reset(seed=3)
    for _ in range(5):
        for name in ("pose", "speed"):
            np.testing.assert_array_equal(
                seen.get_observation()[seen.agent_view.slices[name]],
                plain.get_observation()[plain.agent_view.slices[name]],
            )
        seen.step(action), plain.step(action)
    seen.close(), plain.close()


def test_a_translator_reads_the_target(monkeypatch):
    read, looked = np.array([0.25, 0.0, 0.45, 0.0], np.float32), []
    monkeypatch.setattr(
        "poise.tools.translate.load.load_pose_reader",
        lambda folder: lambda picture: looked.append((folder, picture.shape)) or read,
    )
    env = reacher(goal="translated", translator="eye")
    seen, _ = env.reset(seed=0)
    env.step(np.zeros(2))
    places = slices(env.OBSERVATION)
    taken = np.array([0.2, 0.0, 0.4, 0.0])
    np.testing.assert_allclose(
        seen[places["target"]], taken, atol=0.01, err_msg="as far as the arm reaches"
    )
    np.testing.assert_allclose(
        seen[places["difference"]], seen[places["target"]] - seen[places["pose"]]
    )
    assert looked == [("eye", (16, 16, 3))], "once for every target"


@pytest.mark.parametrize(("env_id", "settings", "message"), [
    ("poise/Standing-v0", {"goal": "pixels"}, "sets no target"),
    (REACHER, {"goal": "translated"}, "goes with translator"),
    (REACHER, {"translator": "eye"}, "goes with translator"),
    (REACHER, {"observation": "smells"}, "observation='smells'"),
    *[(env_id, {"goal": "pixels"}, "cannot draw|sets no target") for env_id in IN_SPACE if env_id not in POSED_IN_SPACE],
])  # fmt: skip
def test_what_cannot_be_seen_is_told_in_one_line(env_id, settings, message):
    with pytest.raises(UserError, match=message):
        make(env_id, **settings).reset(seed=0)


# Rows: what a learner sees.


class Shown(gymnasium.Env):
    """Shows a picture, alone or beside numbers."""

    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, *names, number=0.5):
        picture = gymnasium.spaces.Box(0, 255, (4, 5, 3), np.uint8)
        known = {
            "camera": picture,
            "mirror": picture,
            "speed": gymnasium.spaces.Box(-1, 1, (2,), np.float32),
        }
        self.number, self.names = number, names
        self.observation_space = (
            gymnasium.spaces.Dict({name: known[name] for name in names}) if names else picture
        )

    def reset(self, *, seed=None, options=None):
        picture = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
        values = {
            "camera": picture,
            "mirror": picture,
            "speed": np.full(2, self.number, np.float32),
        }
        return ({name: values[name] for name in self.names} if self.names else picture), {}


@pytest.mark.parametrize("names", [(), ("camera",), ("camera", "speed")])
def test_a_row_holds_the_numbers_and_then_the_picture(names):
    env = FlattenPixels(Shown(*names))
    row, _ = env.reset()
    assert row in env.observation_space and row.dtype == np.uint8
    split = FLOAT32_BYTES * env.observation_space.state_size
    np.testing.assert_array_equal(
        row[:split].view(np.float32), [0.5, 0.5] if "speed" in names else []
    )
    np.testing.assert_array_equal(row[split:], np.arange(60))
    assert env.observation_space.image_shape == (4, 5, 3)


def test_several_pictures_and_broken_numbers_are_refused():
    with pytest.raises(UserError, match="camera, mirror"):
        FlattenPixels(Shown("camera", "mirror"))
    with pytest.raises(WorkError, match="not finite"):
        FlattenPixels(Shown("camera", "speed", number=np.nan)).reset()


def seeing(algorithm, goal="pixels", **settings):
    env = {"observation": "both", "goal": goal, **SMALL}
    small = {"conv_channels": [4, 6], "feature_dim": 5, "hidden_sizes": [8], **settings}
    return algos.make_learner(algorithm, REACHER, env, small), EnvBatch(REACHER, 3, 0, env)


def test_the_encoder_passes_numbers_on_and_looks_at_every_pixel():
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
def test_convolutions_know_what_and_where_and_leave_no_pixel_out(patch, of_bytes):
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
    (slope,) = torch.autograd.grad(first.square().sum(), pictures)
    assert (slope != 0).all()


def test_an_asymmetric_actor_looks_at_the_picture_and_its_critic_at_the_numbers():
    for algorithm in ("ppo", "sac", "td3"):
        learner, envs = seeing(algorithm, goal="both", asymmetric_critic=True, patch_size=0)
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


def test_an_asymmetric_learner_needs_numbers_beside_pictures_and_no_common_trunk():
    for env in ({}, {"observation": "pixels", "goal": "pixels"}):
        with pytest.raises(UserError, match="observation=both --env-set goal=both"):
            algos.make_learner("sac", REACHER, {**env, **SMALL}, {"asymmetric_critic": True})
    with pytest.raises(UserError, match="do not go together"):
        seeing("ppo", goal="both", asymmetric_critic=True, shared_trunk=True)


def test_glasses_for_rows_normalize_the_numbers_and_leave_the_picture():
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
    ("ppo", {"rollout_steps": 4, "epochs": 2, "batch_size": 6, "goal": "both", "asymmetric_critic": True}),
    ("sac", {"learning_starts": 3, "batch_size": 4, "buffer_size": 50, "goal": "both", "asymmetric_critic": True}),
    ("td3", {
        "learning_starts": 3, "batch_size": 4, "buffer_size": 50, "policy_delay": 1, "goal": "both", "asymmetric_critic": True,
    }),
])  # fmt: skip
def test_every_algorithm_learns_to_see_and_goes_on_exactly(algorithm, settings):
    def live(learner, envs, steps):
        for _ in range(steps):
            learner.observe(envs.step(learner.act(envs.observation, explore=True)))
            learner.update()

    def weights(learner):
        return {name: value.tobytes() for name, value in learner.state_dict()["policy"].items()}

    (whole, envs), (half, others) = seeing(algorithm, **settings), seeing(algorithm, **settings)
    begun = weights(whole)
    live(whole, envs, 8), live(half, others, 4)
    again, anew = seeing(algorithm, **settings)
    again.load_state_dict(half.state_dict())
    anew.set_state(others.get_state())
    live(again, anew, 4)
    assert weights(again) == weights(whole)
    learned = {name for name, value in weights(whole).items() if value != begun[name]}
    eyes = {name for name in begun if name.startswith(("encoder", "actor"))}
    assert eyes and eyes <= learned
    acting = seeing(algorithm, **settings)[0]
    acting.load_state_dict({"policy": whole.state_dict()["policy"]})
    np.testing.assert_array_equal(
        acting.act(envs.observation, explore=False), whole.act(envs.observation, explore=False)
    )


@pytest.mark.parametrize("algorithm", ["sac", "td3"])
def test_the_actors_loss_teaches_the_encoder_nothing(algorithm):
    learner, envs = seeing(algorithm, learning_starts=0, batch_size=4, buffer_size=50)
    learner.observe(envs.step(np.zeros((3, 2), np.float32)))
    assert not {id(weight) for weight in learner.optimizers["policy"].parameters} & {
        id(w) for w in learner.critic.encoder.parameters()
    }
    assert {id(weight) for weight in learner.critic.encoder.parameters()} <= {
        id(w) for w in learner.optimizers["critic"].parameters
    }


def lived(steps, capacity=50, envs=3, **env):
    """A buffer that has taken so many steps of environments with pictures, and the transitions that it took, by environment."""
    stage = EnvBatch(REACHER, envs, 0, {"observation": "both", "goal": "pixels", **SMALL, **env})
    buffer, rng = (
        ReplayBuffer(capacity, stage.observation_space, stage.action_space),
        np.random.default_rng(0),
    )
    seen = [stage.step(rng.uniform(-1, 1, (envs, 2)).astype(np.float32)) for _ in range(steps)]
    for transition in seen:
        buffer.add(transition)
    return buffer, seen


def rows_of(buffer):
    return {
        name: buffer.frame_store.reconstruct(buffer.columns[name][: buffer.size])
        for name in ("s", "s2")
    }


def shown(buffer):
    """The places that are told of by what is kept."""
    numbers = buffer.frame_store.vector_bytes
    return {
        place
        for name in ("s", "s2")
        for place in buffer.columns[name][: buffer.size, numbers:].copy().view(np.int32).flat
    }


@pytest.mark.parametrize(("steps", "capacity"), [(4, 50), (40, 50), (40, 7), (5, 2)])
def test_pictures_come_out_of_the_buffer_as_they_went_in(steps, capacity):
    buffer, seen = lived(steps, capacity)
    assert buffer.size == min(capacity, 3 * steps)
    for name, field in (("s", "observation"), ("s2", "next_observation")):
        came = np.concatenate([getattr(transition, field) for transition in seen])[-buffer.size :]
        there = rows_of(buffer)[name]
        assert there.dtype == np.uint8
        np.testing.assert_array_equal(there[np.lexsort(there.T)], came[np.lexsort(came.T)])
    batch = buffer.sample(20, np.random.default_rng(1), torch.device("cpu"))
    drawn = np.random.default_rng(1).integers(0, buffer.size, 20)
    np.testing.assert_array_equal(batch.s, rows_of(buffer)["s"][drawn])
    np.testing.assert_array_equal(batch.s2, rows_of(buffer)["s2"][drawn])


def test_a_channel_is_kept_once_and_as_long_as_something_shows_it():
    buffer, _ = lived(40)
    channels, places = buffer.get_state()["channels"], shown(buffer)
    assert len(np.unique(channels[sorted(places)], axis=0)) == len(places)
    # Each step of an environment brings one picture of three channels; each began with one and has had a target or two.
    assert len(places) <= 3 * (50 + 3 * (1 + 1 + 2))
    assert len(channels) <= 1 + len(places) + 2 * 3 * 9, (
        "places that are free again are taken first"
    )


@pytest.mark.parametrize("steps", [4, 17, 40])
def test_an_album_goes_on_exactly_from_its_state(steps):
    _, seen = lived(60)
    rows, action = PixelVectorSpace(6, (16, 16, 9)), gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    one, two = ReplayBuffer(50, rows, action), ReplayBuffer(50, rows, action)
    for transition in seen[:steps]:
        one.add(transition)
    two.set_state(copy.deepcopy(one.get_state()))
    for transition in seen[steps:]:
        one.add(transition), two.add(transition)
    for name, value in one.get_state().items():
        np.testing.assert_array_equal(two.get_state()[name], value, name)


def test_an_album_takes_the_lowest_free_place_first_however_it_came_to_be_free():
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


def test_an_album_holds_as_many_different_pictures_as_could_ever_come():
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
    assert len(shown(buffer)) == 2 * 5 * 3 == len(buffer.get_state()["channels"]) - 1
    assert buffer.nbytes == sum(
        part.nbytes for part in buffer.get_state().values() if isinstance(part, np.ndarray)
    )


def test_a_buffer_of_an_older_version_is_refused_in_one_line():
    learner, envs = seeing("sac", learning_starts=0, batch_size=4, buffer_size=50)
    learner.observe(envs.step(np.zeros((3, 2), np.float32)))
    state = learner.state_dict()
    state["buffer"]["s"] = learner.replay.buffer.frame_store.reconstruct(state["buffer"]["s"])
    with pytest.raises(WorkError, match="buffer was saved by another version"):
        learner.load_state_dict(state)


def test_a_buffer_that_memory_cannot_hold_is_refused_with_the_size_that_it_can():
    rows, action = PixelVectorSpace(6, (64, 64, 9)), gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    with pytest.raises(UserError, match=r"takes up to [\d,]+ GiB.*--set buffer_size=\d+") as told:
        ReplayBuffer(10**9, rows, action)
    ReplayBuffer(int(str(told.value).split("buffer_size=")[1].split()[0]) // 1000, rows, action)


def test_a_world_of_pictures_comes_in_rows_by_its_id():
    env = make_env(REACHER, {"observation": "pixels", "goal": "pixels", **SMALL})
    assert isinstance(env.observation_space, PixelVectorSpace)
    assert env.reset(seed=0)[0].shape == (16 * 16 * 9,)


@pytest.mark.parametrize("algorithm", ["ppo", "sac", "td3"])
def test_who_sees_pictures_has_an_outlook_too(algorithm):
    learner, envs = seeing(algorithm)
    value, spread = learner.value_and_std(envs.observation)
    assert value.shape == (3,) and spread.shape == (3, 2) and np.isfinite(value).all()
