"""Collect a dataset: images of an environment with its signals, by random motion or a policy.

Episodes are seeded one by one and collected in parallel processes: the files do not depend on the
number of processes or on interruptions.
"""

import functools
import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from poise import algos
from poise.toolkit.appearance import Appearance, AppearanceRandomization
from poise.toolkit.dataset import CARD, Dataset, DatasetCard, Shard, find_changed_file, write_card
from poise.toolkit.environment import BaseEnvironment
from poise.toolkit.errors import UserError, printable
from poise.toolkit.files import (
    PARTIAL_SUFFIX,
    make_folder,
    parse_json,
    read_json,
    read_json_mapping,
    write_json,
)
from poise.toolkit.lock import LOCK_FILES, FolderLock
from poise.toolkit.registry import Env, make_env, unwrap_poise_env
from poise.toolkit.run import Run, get_versions
from poise.toolkit.spaces import Array
from poise.toolkit.workers import WorkerStatus, run_in_workers
from poise.tools.record.record_run import make_render_env

PLAN_FILE = "plan.json"

RANDOM_POLICY = "random"

SHARD_FRAMES = 5000
"""Approximate number of frames in a shard."""

ACTION_REPEAT = 5
"""Steps for which a random action is held: new ones in every step only make the body tremble."""

SEED_STRIDE = 1_000_000
"""Distance between the first episode seeds of two dataset seeds."""


def plan_dataset(
    env_id: str,
    settings: Mapping[str, Any],
    *,
    frames: int,
    size: int,
    sequence: int,
    policy: str,
    runs_dir: Path,
    seed: int,
    randomize_appearance: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """Return the plan of a dataset: everything that determines its content.

    Args:
        env_id: id of a Poise environment.
        settings: settings of the environment.
        frames: number of images, a multiple of `sequence`.
        size: height and width of the images (pixels).
        sequence: frames of each episode.
        policy: `random`, or the name of a run whose policy moves the body.
        runs_dir: folder of the run.
        seed: seed of all episodes.
        randomize_appearance: strength in [0, 1] by kind of randomization, or `all`.

    Raises:
        UserError: the arguments do not fit together.
    """
    if frames % sequence:
        raise UserError(f"{frames} frames cannot be divided into sequences of {sequence}")
    poise_env = _make_poise_env(env_id, settings)
    if poise_env is None:
        raise UserError(f"a dataset needs a Poise environment, with named signals: not {env_id}")
    if not poise_env.agent_view.is_state_only:
        raise UserError(
            "a dataset holds images beside the signals anyway: "
            "leave observation=state and goal=state"
        )
    randomization = AppearanceRandomization.for_env(
        randomize_appearance, poise_env.RANDOMIZABLE, env_id
    ).to_dict()
    plan = {
        "env": env_id,
        "env_settings": {**settings, "view": "agent", "width": size, "height": size},
        "frames": frames,
        "sequence": sequence,
        "rate": poise_env.CONTROL_HZ,
        "policy": policy,
        "seed": seed,
    }
    if policy != RANDOM_POLICY:
        plan["policy"] = _resolve_policy_run(runs_dir, policy, poise_env)
    if any(randomization.values()):
        plan["randomize_appearance"] = randomization
    return {**plan, "versions": get_versions()}


def collect_dataset(
    plan: Mapping[str, Any],
    out: Path,
    jobs: int,
    on_progress: Callable[[int], None] = lambda frames: None,
) -> Dataset:
    """Collect a planned dataset into a folder, in up to `jobs` processes.

    Shards that the folder already holds are kept. `on_progress` is called with the number of
    frames done.

    Raises:
        UserError: the folder holds something else.
    """
    _check_folder(out, plan)
    make_folder(out)
    with FolderLock(out, f"dataset {out}"):
        _check_folder(out, plan)
        write_json(out / PLAN_FILE, plan)
        _collect_missing_shards(plan, out, jobs, on_progress)
    return Dataset(out)


def _collect_missing_shards(
    plan: Mapping[str, Any], out: Path, jobs: int, on_progress: Callable[[int], None]
) -> None:
    """Collect the shards that a folder lacks, and complete the dataset."""
    _remove_leftovers(out)
    shards = dict(_plan_shards(plan))
    if (out / CARD).exists():
        _remove_damaged_shards(out, shards)
    missing = {name: episodes for name, episodes in shards.items() if not (out / name).exists()}
    episodes_done = sum(len(episodes) for name, episodes in shards.items() if name not in missing)
    frames_done = episodes_done * plan["sequence"]
    on_progress(frames_done)
    tasks = {name: (episodes, out / name) for name, episodes in missing.items()}
    for frames in run_in_workers(_ShardCollector, (json.dumps(plan),), tasks, jobs):
        frames_done += frames
        on_progress(frames_done)
    if missing or not (out / CARD).exists():
        poise_env = _make_poise_env(plan["env"], plan["env_settings"])
        assert poise_env is not None
        write_card(out, dict(plan), poise_env.OBSERVATION, list(shards))


class _ShardCollector:
    """Collects shards of a plan in a worker process."""

    def __init__(self, status: WorkerStatus, plan_text: str) -> None:
        self.plan_text = plan_text

    def __call__(self, task: tuple[range, Path]) -> int:
        return collect_shard(self.plan_text, *task)


def collect_shard(plan_text: str, episodes: range, folder: Path) -> int:
    """Simulate some episodes and write their frames and signals; return the number of frames.

    The plan comes as JSON text, which can be the key of a cache.
    """
    plan = parse_json(plan_text, "the plan")
    env = _load_env(plan_text)
    rows = [row for episode in episodes for row in _collect_episode(plan, env, episode)]
    frames, signals = (np.stack(column) for column in zip(*rows, strict=True))
    Shard(frames, signals, np.repeat(np.array(episodes), plan["sequence"])).save(folder)
    return len(frames)


def sample_appearance(plan: Mapping[str, Any], episode: int, step: int) -> Appearance:
    """Return the appearance of the environment in one frame, given a dataset's plan or card."""
    randomization = AppearanceRandomization.parse(plan.get("randomize_appearance", {}))
    # The episode's actions draw from [seed, episode].
    return randomization.sample_appearance(np.random.default_rng([plan["seed"], episode, 1 + step]))


def _make_poise_env(env_id: str, settings: Mapping[str, Any]) -> BaseEnvironment | None:
    """Return a closed environment, to read its class and settings; None if it is not of Poise."""
    with closing(make_env(env_id, settings)) as env:
        return unwrap_poise_env(env)


def _resolve_policy_run(runs_dir: Path, policy: str, env: BaseEnvironment) -> str:
    """Return the folder of a run whose policy acts on the state alone, as a dataset needs it.

    Raises:
        UserError: the run is not of this environment, or its policy observes images.
    """
    run = Run.open(runs_dir, policy)
    poise_env = _make_poise_env(run.config["env"], run.config["env_settings"])
    if type(poise_env) is not type(env):
        raise UserError(
            f"run {policy!r} is of {run.config['env']}: name a run of this environment, or random"
        )
    if not poise_env.agent_view.is_state_only:
        raise UserError(
            f"run {policy!r} observes images: name a run that observes the state, or random"
        )
    return str(run.path.resolve())


def _check_folder(out: Path, plan: Mapping[str, Any]) -> None:
    """Raise a UserError where a folder holds something else than this dataset."""
    plan_file = out / PLAN_FILE
    if plan_file.exists():
        if read_json(plan_file) != plan:
            raise UserError(f"{out} holds another dataset: choose another --out, or remove it")
    elif out.exists() and not all(_is_leftover(path) for path in out.iterdir()):
        raise UserError(f"{out} is not empty and holds no dataset: choose another --out")


def _is_leftover(path: Path) -> bool:
    """Return whether a killed process left this file beside its dataset."""
    name = path.name
    return name in LOCK_FILES or (name.startswith(".") and name.endswith(PARTIAL_SUFFIX))


def _remove_leftovers(out: Path) -> None:
    """Remove what killed processes left half-written."""
    for partial in out.glob(f".*{PARTIAL_SUFFIX}"):
        shutil.rmtree(partial) if partial.is_dir() else partial.unlink()


def _remove_damaged_shards(out: Path, shards: Iterable[str]) -> None:
    """Name and remove the shards that differ from the card of a complete dataset."""
    try:
        card = DatasetCard.parse(read_json_mapping(out / CARD), "key", out / CARD)
        changed_files = {name: find_changed_file(out / name, card.shards[name]) for name in shards}
    except (UserError, KeyError):
        raise UserError(
            f"dataset {out} cannot be verified: its {CARD} is damaged; remove {out} and collect it "
            "again"
        ) from None
    for name, file in changed_files.items():
        if file is not None:
            print(
                f"warning: {printable(out / name / file)} is missing or has changed since it was "
                f"written; {name} is collected again",
                file=sys.stderr,
            )
            shutil.rmtree(out / name, ignore_errors=True)


def _plan_shards(plan: Mapping[str, Any]) -> Iterator[tuple[str, range]]:
    """Yield the name and the episodes of each shard."""
    num_episodes = plan["frames"] // plan["sequence"]
    shard_episodes = max(1, SHARD_FRAMES // plan["sequence"])
    for index, first in enumerate(range(0, num_episodes, shard_episodes)):
        yield f"shard_{index:04d}", range(first, min(first + shard_episodes, num_episodes))


def _collect_episode(
    plan: Mapping[str, Any], env: Env, episode: int
) -> Iterator[tuple[Array, Array]]:
    """Yield image and observation of every step of an episode, that of its reset first.

    An episode that terminates early starts again from the same reset.
    """
    rng = np.random.default_rng([plan["seed"], episode])
    reset_seed = plan["seed"] * SEED_STRIDE + episode
    poise_env = unwrap_poise_env(env)
    assert poise_env is not None
    learner = None if plan["policy"] == RANDOM_POLICY else _load_policy(plan["policy"])

    def reset() -> Array:
        if learner is not None:
            learner.reset(explore=True)
        start: Array = env.reset(seed=reset_seed)[0]
        return start

    observation = reset()
    for step in range(plan["sequence"]):
        poise_env.appearance = sample_appearance(plan, episode, step)
        yield np.asarray(env.render()), observation
        if learner is not None:
            action = learner.act(observation[None], explore=True)[0]
        elif step % ACTION_REPEAT == 0:
            action = rng.uniform(-1.0, 1.0, env.action_space.shape).astype(np.float32)
        if step + 1 < plan["sequence"]:
            observation, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                observation = reset()


@functools.cache
def _load_env(plan_text: str) -> Env:
    """Return the environment of a plan, one a process."""
    plan = parse_json(plan_text, "the plan")
    return make_render_env(plan["env"], plan["env_settings"], {})


@functools.cache
def _load_policy(path: str) -> Any:
    """Return the learner of a run folder, one a process."""
    return algos.restore_learner(Run(Path(path)), None)
