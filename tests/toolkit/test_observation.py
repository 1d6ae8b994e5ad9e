"""What an agent sees: numbers, pictures or both; and how it is told its target."""

import copy

import gymnasium
import numpy as np
import pytest
import torch
from gymnasium.utils.env_checker import check_env
from poise import algos
from poise.algos.buffers import ReplayBuffer
from poise.algos.encoders import Encoder, encoder
from poise.algos.frame_store import Album
from poise.algos.networks import Convolutions
from poise.algos.normalization import Normalizer, glasses
from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.experience import Transition, Worlds
from poise.toolkit.registry import make_world
from poise.toolkit.spaces import layout
from poise.toolkit.wrappers import FLOAT, InRows, PictureRows
from sample_envs import IN_SPACE, OUR_IDS, bare, make
from torch.nn import functional

REACHER = "poise/Reacher2D-v0"
SMALL = {"pixels": 16}
POSED_IN_SPACE = [world_id for world_id in IN_SPACE if "Reacher" in world_id or "Pose" in world_id]


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
def test_the_agent_sees_what_was_asked_for_and_nothing_that_tells_the_rest(observation, goal, expected):
    world = reacher(observation=observation, goal=goal, stack=3)
    assert spaces(world.observation_space) == expected
    check_env(world)


@pytest.mark.parametrize("world_id", OUR_IDS)
def test_every_world_can_be_seen_in_pictures(world_id):
    world = bare(world_id, observation="pixels", pixels=32, stack=2)
    seen, _ = world.reset(seed=0)
    pixels = seen["pixels"] if isinstance(seen, dict) else seen
    assert pixels.shape == (32, 32, 6) and pixels.dtype == np.uint8 and np.ptp(pixels) > 50
    world.close()


def test_the_last_pictures_stand_oldest_first_and_the_first_fills_the_start():
    world, plain = reacher(observation="pixels", goal="pixels", stack=3), reacher()
    seen, _ = world.reset(seed=0)
    plain.reset(seed=0)
    pictures = [plain.glance(16)] * 3
    for _ in range(4):
        for age, picture in enumerate(pictures[-3:]):
            np.testing.assert_array_equal(seen[..., 3 * age : 3 * age + 3], picture)
        np.testing.assert_array_equal(world.observation(), seen, "looking again is no step")
        seen = world.step(np.ones(2))[0]
        plain.step(np.ones(2))
        pictures.append(plain.glance(16))
    assert not np.array_equal(seen[..., :3], seen[..., 6:9])
    np.testing.assert_array_equal(world.reset(seed=0)[0][..., :3], pictures[0], "nothing is left of the last episode")


def test_the_targets_picture_is_that_of_a_body_which_is_there():
    world = reacher(observation="pixels", goal="pixels")
    seen, _ = world.reset(seed=1)
    assert not np.array_equal(seen[..., 3:6], seen[..., 6:])
    world.aim_at(np.array(world.pose).ravel())
    np.testing.assert_array_equal(world.observation()[..., 6:], seen[..., 3:6])
    assert world.sight.goal.unlikeness() == 0.0


@pytest.mark.parametrize("world_id", POSED_IN_SPACE)
def test_in_space_too_and_a_target_told_in_numbers_has_no_picture(world_id):
    world = bare(world_id, observation="pixels", goal="pixels", **SMALL)
    seen, _ = world.reset(seed=1)
    assert not np.array_equal(seen[..., -6:-3], seen[..., -3:])
    world.put(world.arms.goal)
    np.testing.assert_array_equal(world.glance(16), seen[..., -3:])
    assert world.sight.goal.unlikeness() == 0.0
    world.aim_at(np.array(world.arms.pose).ravel())
    with pytest.raises(UserError, match="told in numbers"):
        world.observation()
    world.close()


def test_unlikeness_grows_with_the_angle_between_two_arms():
    world = reacher(goal="pixels")
    found = []
    for angle in (0.0, 0.05, 0.2, 0.6):
        total = 0.0
        for seed in range(10):
            world.reset(seed=seed)
            turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
            world.aim_at((np.array(world.pose) @ turn).ravel())
            total += world.sight.goal.unlikeness()
        found.append(total)
    assert found == sorted(found) and found[0] == 0.0 < found[1]


@pytest.mark.parametrize("reward", ["likeness", "both"])
def test_likeness_is_paid_as_it_is_gained_and_a_new_target_pays_nothing(reward):
    world = reacher(reward=reward)
    world.reset(seed=0)
    terms = [world.step(np.array([0.3, -0.2]))[4]["reward_terms"]["likeness"] for _ in range(20)]
    first = world.sight.goal
    assert terms[0] == 0.0 and any(terms[1:])
    last = -np.log1p(first.unlikeness() / 0.002)
    world.reset(seed=0)
    world.step(np.array([0.3, -0.2]))
    assert sum(terms) == pytest.approx(last + np.log1p(first.unlikeness() / 0.002)), "it sums to last minus first"
    world.aim_at(np.array(world.pose).ravel())
    assert world.step(np.zeros(2))[4]["reward_terms"]["likeness"] == 0.0


@pytest.mark.parametrize("world_id", [REACHER, *POSED_IN_SPACE])
def test_pictures_change_nothing_in_the_story(world_id):
    seen, plain = bare(world_id, observation="both", goal="pixels", reward="both", **SMALL), bare(world_id)
    action = np.full(plain.action_space.shape, 0.5)
    seen.reset(seed=3), plain.reset(seed=3)
    for _ in range(5):
        for name in ("pose", "speed"):
            np.testing.assert_array_equal(seen.observe()[seen.sight.places[name]], plain.observe()[plain.sight.places[name]])
        seen.step(action), plain.step(action)
    seen.close(), plain.close()


def test_a_translator_reads_the_target(monkeypatch):
    read, looked = np.array([0.25, 0.0, 0.45, 0.0], np.float32), []
    monkeypatch.setattr(
        "poise.tools.translate.load.reader", lambda folder: lambda picture: looked.append((folder, picture.shape)) or read
    )
    world = reacher(goal="translated", translator="eye")
    seen, _ = world.reset(seed=0)
    world.step(np.zeros(2))
    places = layout(world.OBSERVATION)
    taken = np.array([0.2, 0.0, 0.4, 0.0])
    np.testing.assert_allclose(seen[places["target"]], taken, atol=0.01, err_msg="as far as the arm reaches")
    np.testing.assert_allclose(seen[places["difference"]], seen[places["target"]] - seen[places["pose"]])
    assert looked == [("eye", (16, 16, 3))], "once for every target"


@pytest.mark.parametrize(("world_id", "settings", "message"), [
    ("poise/Standing-v0", {"goal": "pixels"}, "sets no target"),
    (REACHER, {"goal": "translated"}, "goes with translator"),
    (REACHER, {"translator": "eye"}, "goes with translator"),
    (REACHER, {"observation": "smells"}, "observation='smells'"),
    *[(world_id, {"goal": "pixels"}, "cannot draw|sets no target") for world_id in IN_SPACE if world_id not in POSED_IN_SPACE],
])  # fmt: skip
def test_what_cannot_be_seen_is_told_in_one_line(world_id, settings, message):
    with pytest.raises(UserError, match=message):
        make(world_id, **settings).reset(seed=0)


# Rows: what a learner sees.


class Shown(gymnasium.Env):
    """Shows a picture, alone or beside numbers."""

    action_space = gymnasium.spaces.Box(-1.0, 1.0, (1,), np.float32)

    def __init__(self, *names, number=0.5):
        picture = gymnasium.spaces.Box(0, 255, (4, 5, 3), np.uint8)
        known = {"camera": picture, "mirror": picture, "speed": gymnasium.spaces.Box(-1, 1, (2,), np.float32)}
        self.number, self.names = number, names
        self.observation_space = gymnasium.spaces.Dict({name: known[name] for name in names}) if names else picture

    def reset(self, *, seed=None, options=None):
        picture = np.arange(60, dtype=np.uint8).reshape(4, 5, 3)
        values = {"camera": picture, "mirror": picture, "speed": np.full(2, self.number, np.float32)}
        return ({name: values[name] for name in self.names} if self.names else picture), {}


@pytest.mark.parametrize("names", [(), ("camera",), ("camera", "speed")])
def test_a_row_holds_the_numbers_and_then_the_picture(names):
    world = InRows(Shown(*names))
    row, _ = world.reset()
    assert row in world.observation_space and row.dtype == np.uint8
    split = FLOAT * world.observation_space.numbers
    np.testing.assert_array_equal(row[:split].view(np.float32), [0.5, 0.5] if "speed" in names else [])
    np.testing.assert_array_equal(row[split:], np.arange(60))
    assert world.observation_space.picture == (4, 5, 3)


def test_several_pictures_and_broken_numbers_are_refused():
    with pytest.raises(UserError, match="camera, mirror"):
        InRows(Shown("camera", "mirror"))
    with pytest.raises(WorkError, match="not finite"):
        InRows(Shown("camera", "speed", number=np.nan)).reset()


def seeing(algorithm, goal="pixels", **settings):
    world = {"observation": "both", "goal": goal, **SMALL}
    small = {"channels": [4, 6], "features": 5, "hidden": [8], **settings}
    return algos.make(algorithm, REACHER, world, small), Worlds(REACHER, 3, 0, world)


def test_the_encoder_passes_numbers_on_and_looks_at_every_pixel():
    torch.manual_seed(0)
    space = PictureRows(2, (16, 16, 3))
    settings = algos.load("ppo").SETTINGS.parse({"channels": [16, 16], "features": 5})
    eye = encoder(space, settings)
    assert isinstance(eye, Encoder) and eye.features == 7
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
    eye, pictures = Convolutions((13, 18), 3, (16, 4), patch, of_bytes=of_bytes), torch.randn(2, 3, 13, 18, requires_grad=True)
    columns, rows = torch.linspace(-1, 1, 18).expand(13, 18), torch.linspace(-1, 1, 13)[:, None].expand(13, 18)
    seen = torch.cat((pictures, torch.stack((columns, rows)).expand(2, 2, 13, 18)), 1)
    for layer in eye:
        seen = layer(seen)
    torch.testing.assert_close(eye(127.5 * (pictures + 1.0) if of_bytes else pictures), seen, atol=1e-4, rtol=1e-4)
    assert seen.shape == (2, *eye.shape)
    first = functional.conv2d(pictures, eye[0].weight[:, :3], None, eye[0].stride, eye[0].padding)
    (slope,) = torch.autograd.grad(first.square().sum(), pictures)
    assert (slope != 0).all()


def test_an_asymmetric_actor_looks_at_the_picture_and_its_critic_at_the_numbers():
    for algorithm in ("ppo", "sac", "td3"):
        learner, worlds = seeing(algorithm, goal="both", asymmetric=True, patch=0)
        rows, numbers = worlds.observation, FLOAT * worlds.observation_space.numbers
        others = rows.copy()
        others[:, :numbers] = rows[::-1, :numbers]
        np.testing.assert_array_equal(learner.act(others, explore=False), learner.act(rows, explore=False))
        assert (learner.outlook(others)[0] != learner.outlook(rows)[0]).any()
        dark = rows.copy()
        dark[:, numbers:] //= 2
        assert (learner.act(dark, explore=False) != learner.act(rows, explore=False)).any()
        critic = (
            learner.net.value if algorithm == "ppo" else lambda s, of=learner: of.critic(torch.cat((of.encoder(s), s[:, :2]), -1))
        )
        torch.testing.assert_close(critic(torch.as_tensor(dark)), critic(torch.as_tensor(rows)))


def test_an_asymmetric_learner_needs_numbers_beside_pictures_and_no_common_trunk():
    for world in ({}, {"observation": "pixels", "goal": "pixels"}):
        with pytest.raises(UserError, match="observation=both --env-set goal=both"):
            algos.make("sac", REACHER, {**world, **SMALL}, {"asymmetric": True})
    with pytest.raises(UserError, match="do not go together"):
        seeing("ppo", goal="both", asymmetric=True, shared=True)


def test_glasses_for_rows_normalize_the_numbers_and_leave_the_picture():
    space, rng = PictureRows(2, (1, 1, 3)), np.random.default_rng(0)
    numbers, bytes_of_picture = rng.normal(3.0, 2.0, (500, 2)).astype(np.float32), rng.integers(0, 256, (500, 3), np.uint8)
    rows = torch.from_numpy(np.concatenate([numbers.view(np.uint8), bytes_of_picture], axis=1))
    worn, plain = glasses(space, True), Normalizer(2)
    for either, seen in ((worn, rows), (plain, torch.from_numpy(numbers))):
        either.update(seen)
    np.testing.assert_array_equal(worn(rows)[:, 8:], bytes_of_picture)
    np.testing.assert_array_equal(worn(rows)[:, :8].contiguous().view(torch.float32), plain(torch.from_numpy(numbers)))


@pytest.mark.parametrize(("algorithm", "settings"), [
    ("ppo", {"rollout": 4, "epochs": 2, "batch": 6}),
    ("ppo", {"rollout": 4, "epochs": 2, "batch": 6, "shared": True}),
    ("sac", {"warmup": 3, "batch": 4, "buffer": 50}),
    ("td3", {"warmup": 3, "batch": 4, "buffer": 50, "delay": 1}),
    ("ppo", {"rollout": 4, "epochs": 2, "batch": 6, "goal": "both", "asymmetric": True}),
    ("sac", {"warmup": 3, "batch": 4, "buffer": 50, "goal": "both", "asymmetric": True}),
    ("td3", {"warmup": 3, "batch": 4, "buffer": 50, "delay": 1, "goal": "both", "asymmetric": True}),
])  # fmt: skip
def test_every_algorithm_learns_to_see_and_goes_on_exactly(algorithm, settings):
    def live(learner, worlds, steps):
        for _ in range(steps):
            learner.observe(worlds.step(learner.act(worlds.observation, explore=True)))
            learner.learn()

    def weights(learner):
        return {name: value.tobytes() for name, value in learner.state()["policy"].items()}

    (whole, worlds), (half, others) = seeing(algorithm, **settings), seeing(algorithm, **settings)
    begun = weights(whole)
    live(whole, worlds, 8), live(half, others, 4)
    again, anew = seeing(algorithm, **settings)
    again.load_state(half.state())
    anew.load_state(others.state())
    live(again, anew, 4)
    assert weights(again) == weights(whole)
    learned = {name for name, value in weights(whole).items() if value != begun[name]}
    eyes = {name for name in begun if name.startswith(("encoder", "actor"))}
    assert eyes and eyes <= learned
    acting = seeing(algorithm, **settings)[0]
    acting.load_state({"policy": whole.state()["policy"]})
    np.testing.assert_array_equal(acting.act(worlds.observation, explore=False), whole.act(worlds.observation, explore=False))


@pytest.mark.parametrize("algorithm", ["sac", "td3"])
def test_the_actors_loss_teaches_the_encoder_nothing(algorithm):
    learner, worlds = seeing(algorithm, warmup=0, batch=4, buffer=50)
    learner.observe(worlds.step(np.zeros((3, 2), np.float32)))
    assert not {id(weight) for weight in learner.optimizers["policy"].parameters} & {id(w) for w in learner.encoder.parameters()}
    assert {id(weight) for weight in learner.encoder.parameters()} <= {id(w) for w in learner.optimizers["critic"].parameters}


def lived(steps, capacity=50, worlds=3, **world):
    """A buffer that has taken so many steps of worlds with pictures, and the transitions that it took, world by world."""
    stage = Worlds(REACHER, worlds, 0, {"observation": "both", "goal": "pixels", **SMALL, **world})
    buffer, rng = ReplayBuffer(capacity, stage.observation_space, stage.action_space), np.random.default_rng(0)
    seen = [stage.step(rng.uniform(-1, 1, (worlds, 2)).astype(np.float32)) for _ in range(steps)]
    for transition in seen:
        buffer.add(transition)
    return buffer, seen


def rows_of(buffer):
    return {name: buffer.album.whole(buffer.columns[name][: buffer.size]) for name in ("s", "s2")}


def shown(buffer):
    """The places that are told of by what is kept."""
    numbers = buffer.album.numbers
    return {place for name in ("s", "s2") for place in buffer.columns[name][: buffer.size, numbers:].copy().view(np.int32).flat}


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
    channels, places = buffer.state()["channels"], shown(buffer)
    assert len(np.unique(channels[sorted(places)], axis=0)) == len(places)
    # Each step of a world brings one picture of three channels; each world began with one and has had a target or two.
    assert len(places) <= 3 * (50 + 3 * (1 + 1 + 2))
    assert len(channels) <= 1 + len(places) + 2 * 3 * 9, "places that are free again are taken first"


@pytest.mark.parametrize("steps", [4, 17, 40])
def test_an_album_goes_on_exactly_from_its_state(steps):
    _, seen = lived(60)
    rows, action = PictureRows(6, (16, 16, 9)), gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    one, two = ReplayBuffer(50, rows, action), ReplayBuffer(50, rows, action)
    for transition in seen[:steps]:
        one.add(transition)
    two.load_state(copy.deepcopy(one.state()))
    for transition in seen[steps:]:
        one.add(transition), two.add(transition)
    for name, value in one.state().items():
        np.testing.assert_array_equal(two.state()[name], value, name)


def test_an_album_takes_the_lowest_free_place_first_however_it_came_to_be_free():
    rng, rows = np.random.default_rng(0), PictureRows(1, (2, 3, 1))
    one, two = Album(rows, 40), Album(rows, 40)
    short = one.keep(rng.integers(0, 256, (30, rows.shape[0]), np.uint8))
    gone = rng.permutation(30)[:20]
    for row in gone:
        one.drop(short[[row]])
    two.load_state(copy.deepcopy(one.state()), np.delete(short, gone, axis=0))
    new = rng.integers(0, 256, (25, rows.shape[0]), np.uint8)
    kept = one.keep(new)
    np.testing.assert_array_equal(two.keep(new), kept)
    taken = kept[:, FLOAT:].copy().view(np.int32).ravel().tolist()
    assert taken == [*sorted(gone + 1), *range(31, 36)]
    np.testing.assert_array_equal(two.state()["channels"], one.state()["channels"])
    np.testing.assert_array_equal(one.whole(kept), new)


def test_an_album_holds_as_many_different_pictures_as_could_ever_come():
    rows, rng = PictureRows(0, (2, 3, 3)), np.random.default_rng(0)
    buffer = ReplayBuffer(5, rows, gymnasium.spaces.Box(-1, 1, (1,), np.float32))
    for _ in range(20):
        s, s2 = rng.integers(0, 256, (2, 3, 18), np.uint8)
        buffer.add(Transition(s, np.zeros((3, 1), np.float32), np.zeros(3, np.float32), s2, np.zeros(3, bool), np.zeros(3, bool)))
    assert len(shown(buffer)) == 2 * 5 * 3 == len(buffer.state()["channels"]) - 1
    assert buffer.nbytes == sum(part.nbytes for part in buffer.state().values() if isinstance(part, np.ndarray))


def test_a_buffer_of_an_older_version_is_refused_in_one_line():
    learner, worlds = seeing("sac", warmup=0, batch=4, buffer=50)
    learner.observe(worlds.step(np.zeros((3, 2), np.float32)))
    state = learner.state()
    state["buffer"]["s"] = learner.replay.buffer.album.whole(state["buffer"]["s"])
    with pytest.raises(WorkError, match="buffer was saved by another version"):
        learner.load_state(state)


def test_a_buffer_that_memory_cannot_hold_is_refused_with_the_size_that_it_can():
    rows, action = PictureRows(6, (64, 64, 9)), gymnasium.spaces.Box(-1, 1, (2,), np.float32)
    with pytest.raises(UserError, match=r"takes up to [\d,]+ GiB.*--set buffer=\d+") as told:
        ReplayBuffer(10**9, rows, action)
    ReplayBuffer(int(str(told.value).split("buffer=")[1].split()[0]) // 1000, rows, action)


def test_a_world_of_pictures_comes_in_rows_by_its_id():
    world = make_world(REACHER, {"observation": "pixels", "goal": "pixels", **SMALL})
    assert isinstance(world.observation_space, PictureRows)
    assert world.reset(seed=0)[0].shape == (16 * 16 * 9,)


@pytest.mark.parametrize("algorithm", ["ppo", "sac", "td3"])
def test_who_sees_pictures_has_an_outlook_too(algorithm):
    learner, worlds = seeing(algorithm)
    value, spread = learner.outlook(worlds.observation)
    assert value.shape == (3,) and spread.shape == (3, 2) and np.isfinite(value).all()
