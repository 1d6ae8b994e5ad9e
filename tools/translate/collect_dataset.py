"""Collect a dataset: pictures of an environment beside its signals, by random motion or by a run's policy, on all cores.

Every episode has a seed of its own, so any number of processes, stopped and started again, makes the same files.
"""

import functools
import json
import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from rich.console import Console

from poise import algos
from poise.toolkit.appearance import Appearance, AppearanceRandomization
from poise.toolkit.console import progress_bar
from poise.toolkit.dataset import CARD, Dataset, Shard, write_card
from poise.toolkit.errors import UserError
from poise.toolkit.files import write_json
from poise.toolkit.process import count_cores
from poise.toolkit.registry import Env, make_env, resolve_env_id, unwrap_poise_env
from poise.toolkit.run import Run, get_versions
from poise.toolkit.spaces import Array
from poise.tools.record.record_run import make_render_env

PLAN_FILE = "plan.json"


SHARD_FRAMES = 5000
"""Frames of a shard, about."""


ACTION_REPEAT = 5
"""Steps for which a random action is held: a new one in every step would only make the body tremble."""


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
    """All that decides what a dataset will hold, checked before anything is made."""
    if frames % sequence:
        raise UserError(f"{frames} frames are no whole number of sequences of {sequence}")
    ours = unwrap_poise_env(env := make_env(env_id, settings))
    env.close()
    if ours is None:
        raise UserError(
            f"a dataset needs an environment of Poise, whose signals have names; {env_id} is none"
        )
    if not ours.agent_view.is_state_only:
        raise UserError(
            "a dataset holds pictures beside the signals anyway: leave observation=state and goal=state"
        )
    variation = AppearanceRandomization.for_env(randomize_appearance, ours.RANDOMIZABLE, env_id)
    unmarked = {"show_markers": False} if "show_markers" in ours.SETTINGS.model_fields else {}
    return {
        "env": env_id,
        "env_settings": {**settings, **unmarked, "width": size, "height": size},
        "frames": frames,
        "sequence": sequence,
        "rate": ours.CONTROL_HZ,
        "policy": policy if policy == "random" else _resolve_policy_run(runs_dir, policy),
        "seed": seed,
        **({"variation": variation.to_dict()} if any(variation.to_dict().values()) else {}),
        "versions": get_versions(),
    }


def _resolve_policy_run(runs_dir: Path, policy: str) -> str:
    """The folder of a run whose policy can move the body by what a dataset's environment shows."""
    run = Run.open(runs_dir, policy)
    ours = unwrap_poise_env(env := make_env(run.config["env"], run.config["env_settings"]))
    env.close()
    if ours is not None and not ours.agent_view.is_state_only:
        raise UserError(
            f"run {policy!r} sees pictures itself: choose one that sees the state, or random"
        )
    return str(run.path.resolve())


def collect_dataset(
    plan: Mapping[str, Any],
    out: Path,
    jobs: int,
    on_progress: Callable[[int], None] = lambda frames: None,
) -> Dataset:
    """Collect what is planned into a folder, or what is missing there; `on_progress` hears how many frames are done."""
    if (out / PLAN_FILE).exists() and json.loads((out / PLAN_FILE).read_text()) != plan:
        raise UserError(f"{out} holds another dataset: choose another --out, or remove it")
    if out.exists() and not (out / PLAN_FILE).exists() and any(out.iterdir()):
        raise UserError(f"{out} is not empty and holds no dataset: choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / PLAN_FILE, plan)
    shards = dict(_plan_shards(plan))
    done = (
        sum(len(episodes) for name, episodes in shards.items() if (out / name).exists())
        * plan["sequence"]
    )
    missing = {name: episodes for name, episodes in shards.items() if not (out / name).exists()}
    on_progress(done)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, max(1, len(missing))), mp_context=context) as pool:
        work = {
            pool.submit(collect_shard, json.dumps(plan), episodes, out / name): name
            for name, episodes in missing.items()
        }
        for finished in as_completed(work):
            done += finished.result()
            on_progress(done)
    if not (out / CARD).exists():
        ours = unwrap_poise_env(env := make_env(plan["env"], plan["env_settings"]))
        env.close()
        assert ours is not None
        write_card(out, dict(plan), ours.OBSERVATION, list(shards))
    return Dataset(out)


def collect_shard(plan_text: str, episodes: range, folder: Path) -> int:
    """Live some episodes and write their frames and signals; the number of frames."""
    plan = json.loads(plan_text)
    env = _load_env(plan_text)
    rows = [row for number in episodes for row in _collect_episode(plan, env, number)]
    frames, signals = (np.stack(column) for column in zip(*rows, strict=True))
    Shard(frames, signals, np.repeat(np.array(episodes), plan["sequence"])).save(folder)
    return len(frames)


def sample_appearance(plan: Mapping[str, Any], episode: int, step: int) -> Appearance:
    """How the environment looks in one frame of a dataset, by its plan or its card."""
    return AppearanceRandomization.parse(plan.get("variation", {})).sample_appearance(
        np.random.default_rng([plan["seed"], episode, 1 + step])
    )


def _collect_episode(
    plan: Mapping[str, Any], env: Env, episode: int
) -> Iterator[tuple[Array, Array]]:
    """Frame and observation of every moment of one episode, the first one included."""
    rng = np.random.default_rng([plan["seed"], episode])
    ours = unwrap_poise_env(env)
    assert ours is not None
    observation, _ = env.reset(seed=plan["seed"] * 1_000_000 + episode)
    for step in range(plan["sequence"]):
        ours.appearance = sample_appearance(plan, episode, step)
        yield np.asarray(env.render()), observation
        if plan["policy"] != "random":
            action = _load_policy(plan["policy"]).act(observation[None], explore=True)[0]
        elif step % ACTION_REPEAT == 0:
            action = rng.uniform(-1.0, 1.0, env.action_space.shape).astype(np.float32)
        if step + 1 < plan["sequence"]:
            observation, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                observation, _ = env.reset(seed=plan["seed"] * 1_000_000 + episode)


def _plan_shards(plan: Mapping[str, Any]) -> Iterator[tuple[str, range]]:
    """Names of the shards, and the episodes of each."""
    episodes = plan["frames"] // plan["sequence"]
    each = max(1, SHARD_FRAMES // plan["sequence"])
    for index, first in enumerate(range(0, episodes, each)):
        yield f"shard_{index:04d}", range(first, min(first + each, episodes))


@functools.cache
def _load_env(plan_text: str) -> Env:
    plan = json.loads(plan_text)
    return make_render_env(plan["env"], plan["env_settings"], {})


@functools.cache
def _load_policy(path: str) -> Any:
    return algos.restore_learner(Run(Path(path)), None)


def collect_and_show(
    env: str,
    *,
    out: Path,
    sequences: int,
    jobs: int | None,
    runs_dir: Path,
    env_set: Mapping[str, Any],
    **options: Any,
) -> None:
    """Collect a dataset with a bar that shows how far it is."""
    plan = plan_dataset(
        resolve_env_id(env), env_set, sequence=sequences, runs_dir=runs_dir, **options
    )
    with progress_bar("frames", plan["frames"]) as told:
        collected = collect_dataset(plan, out, jobs or count_cores(), told)
    Console().print(f"dataset: {out}, {len(collected):,} frames of {collected.card['env']}")
