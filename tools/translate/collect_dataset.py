"""Collect a dataset: pictures of a world beside its signals, by random motion or by a run's policy, on all cores.

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
from poise import algos
from poise.toolkit.appearance import Look, Variation
from poise.toolkit.console import counting
from poise.toolkit.dataset import CARD, Dataset, Shard, write_card
from poise.toolkit.errors import UserError
from poise.toolkit.files import write_json
from poise.toolkit.process import cores
from poise.toolkit.registry import World, as_ours, make_world, resolve
from poise.toolkit.run import Run, versions
from poise.toolkit.spaces import Array
from poise.tools.record.record_run import drawable_world
from rich.console import Console

PLAN = "plan.json"


SHARD = 5000
"""Frames of a shard, about."""


HELD = 5
"""Steps for which a random action is held: a new one in every step would only make the body tremble."""


def plan_dataset(
    world_id: str,
    settings: Mapping[str, Any],
    *,
    frames: int,
    size: int,
    sequence: int,
    policy: str,
    runs: Path,
    seed: int,
    vary: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """All that decides what a dataset will hold, checked before anything is made."""
    if frames % sequence:
        raise UserError(f"{frames} frames are no whole number of sequences of {sequence}")
    ours = as_ours(world := make_world(world_id, settings))
    world.close()
    if ours is None:
        raise UserError(f"a dataset needs a world of Poise, whose signals have names; {world_id} is none")
    if not ours.sight.plain:
        raise UserError("a dataset holds pictures beside the signals anyway: leave observation=state and goal=state")
    variation = Variation.of(vary, ours.VARIES, world_id)
    unmarked = {"markers": False} if "markers" in ours.SETTINGS.model_fields else {}
    return {
        "world": world_id,
        "world_settings": {**settings, **unmarked, "width": size, "height": size},
        "frames": frames,
        "sequence": sequence,
        "rate": ours.CONTROL_RATE,
        "policy": policy if policy == "random" else _moving(runs, policy),
        "seed": seed,
        **({"variation": variation.plain()} if any(variation.plain().values()) else {}),
        "versions": versions(),
    }


def _moving(runs: Path, policy: str) -> str:
    """The folder of a run whose policy can move the body by what a dataset's world shows."""
    run = Run.open(runs, policy)
    ours = as_ours(world := make_world(run.config["world"], run.config["world_settings"]))
    world.close()
    if ours is not None and not ours.sight.plain:
        raise UserError(f"run {policy!r} sees pictures itself: choose one that sees the state, or random")
    return str(run.path.resolve())


def collect_dataset(plan: Mapping[str, Any], out: Path, jobs: int, told: Callable[[int], None] = lambda frames: None) -> Dataset:
    """Collect what is planned into a folder, or what is missing there; `told` hears how many frames are done."""
    if (out / PLAN).exists() and json.loads((out / PLAN).read_text()) != plan:
        raise UserError(f"{out} holds another dataset: choose another --out, or remove it")
    if out.exists() and not (out / PLAN).exists() and any(out.iterdir()):
        raise UserError(f"{out} is not empty and holds no dataset: choose another --out")
    out.mkdir(parents=True, exist_ok=True)
    write_json(out / PLAN, plan)
    shards = dict(_shards(plan))
    done = sum(len(episodes) for name, episodes in shards.items() if (out / name).exists()) * plan["sequence"]
    missing = {name: episodes for name, episodes in shards.items() if not (out / name).exists()}
    told(done)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, max(1, len(missing))), mp_context=context) as pool:
        work = {pool.submit(collect_shard, json.dumps(plan), episodes, out / name): name for name, episodes in missing.items()}
        for finished in as_completed(work):
            done += finished.result()
            told(done)
    if not (out / CARD).exists():
        ours = as_ours(world := make_world(plan["world"], plan["world_settings"]))
        world.close()
        assert ours is not None
        write_card(out, dict(plan), ours.OBSERVATION, list(shards))
    return Dataset(out)


def collect_shard(plan_text: str, episodes: range, folder: Path) -> int:
    """Live some episodes and write their frames and signals; the number of frames."""
    plan, world = json.loads(plan_text), _world(plan_text)
    rows = [row for number in episodes for row in _live(plan, world, number)]
    frames, signals = (np.stack(column) for column in zip(*rows, strict=True))
    Shard(frames, signals, np.repeat(np.array(episodes), plan["sequence"])).save(folder)
    return len(frames)


def look_of(plan: Mapping[str, Any], episode: int, step: int) -> Look:
    """How the world looks in one frame of a dataset, by its plan or its card."""
    return Variation.parse(plan.get("variation", {})).look(np.random.default_rng([plan["seed"], episode, 1 + step]))


def _live(plan: Mapping[str, Any], world: World, number: int) -> Iterator[tuple[Array, Array]]:
    """Frame and observation of every moment of one episode, the first one included."""
    rng = np.random.default_rng([plan["seed"], number])
    ours = as_ours(world)
    assert ours is not None
    observation, _ = world.reset(seed=plan["seed"] * 1_000_000 + number)
    for step in range(plan["sequence"]):
        ours.look = look_of(plan, number, step)
        yield np.asarray(world.render()), observation
        if plan["policy"] != "random":
            action = _policy(plan["policy"]).act(observation[None], explore=True)[0]
        elif step % HELD == 0:
            action = rng.uniform(-1.0, 1.0, world.action_space.shape).astype(np.float32)
        if step + 1 < plan["sequence"]:
            observation, _, terminated, truncated, _ = world.step(action)
            if terminated or truncated:
                observation, _ = world.reset(seed=plan["seed"] * 1_000_000 + number)


def _shards(plan: Mapping[str, Any]) -> Iterator[tuple[str, range]]:
    """Names of the shards, and the episodes of each."""
    episodes, each = plan["frames"] // plan["sequence"], max(1, SHARD // plan["sequence"])
    for index, first in enumerate(range(0, episodes, each)):
        yield f"shard_{index:04d}", range(first, min(first + each, episodes))


@functools.cache
def _world(plan_text: str) -> World:
    plan = json.loads(plan_text)
    return drawable_world(plan["world"], plan["world_settings"], {})


@functools.cache
def _policy(path: str) -> Any:
    return algos.restore(Run(Path(path)), None)


def collect_and_show(
    env: str, *, out: Path, sequences: int, jobs: int | None, runs_dir: Path, env_set: Mapping[str, Any], **how: Any
) -> None:
    """Collect a dataset with a bar that shows how far it is."""
    plan = plan_dataset(resolve(env), env_set, sequence=sequences, runs=runs_dir, **how)
    with counting("frames", plan["frames"]) as told:
        collected = collect_dataset(plan, out, jobs or cores(), told)
    Console().print(f"dataset: {out}, {len(collected):,} frames of {collected.card['world']}")
