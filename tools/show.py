"""What the command prints: lists, worlds, the state of this machine, and how a training ended."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from inspect import cleandoc
from pathlib import Path
from typing import Any

import gymnasium
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

from algos import ALGORITHMS
from algos.preset import recommended
from toolkit.console import TrainingView, table
from toolkit.errors import UserError
from toolkit.metrics import Listener, Metrics
from toolkit.registry import as_ours, make_world, our_ids, resolve, short_name
from toolkit.run import Run
from tools.evaluate_run import evaluate_run


def show_list() -> None:
    """Print the worlds and the algorithms."""
    console = Console()
    rows = []
    for world_id in our_ids():
        try:
            world = make_world(world_id)
        except UserError as error:  # What it needs is not installed.
            rows.append((short_name(world_id), world_id, "", "", str(error)))
            continue
        told = (type(as_ours(world)).__doc__ or "").splitlines()[0]
        sizes = f"{world.observation_space.shape[0]} -> {world.action_space.shape[0]}"  # type: ignore[index]
        rows.append((short_name(world_id), world_id, sizes, recommended(world_id, world.action_space), told))
        world.close()
    console.print(table("Worlds", ["name", "id", "sees -> does", "learns best with", ""], rows))
    console.print(f"\nAlgorithms: {', '.join(ALGORITHMS)}. Any other Gymnasium id works too: poise train Pendulum-v1")


def show_world(word: str, settings: Mapping[str, Any]) -> None:
    """Print a world's signals, rewards and settings; for somebody else's world, its spaces."""
    console = Console()
    world_id = resolve(word)
    world = make_world(world_id, settings)
    spec, ours = gymnasium.spec(world_id), as_ours(world)
    console.print(f"[bold]{world_id}[/bold]  time limit {spec.max_episode_steps} steps, solved at {spec.reward_threshold}")
    if ours is None:
        console.print(f"sees {world.observation_space}\ndoes {world.action_space}")
    else:
        console.print(cleandoc(type(ours).__doc__ or ""))
        for title, signals in (("Sees", ours.OBSERVATION), ("Does", ours.ACTION)):
            rows = [(s.name, str(s.size), f"{s.low:g} to {s.high:g}", s.unit, s.meaning) for s in signals]
            console.print(table(f"\n{title}", ["signal", "size", "bounds", "unit", "meaning"], rows))
        if not ours.sight.blind:
            console.print(f"\nWith these settings its agent is shown {ours.observation_space}")
        for name, weights in ours.REWARD.items():
            chosen = " (chosen)" if name == ours.settings.reward else ""
            console.print(f"\nReward {name}{chosen}: " + " + ".join(f"{weight:g} {term}" for term, weight in weights.items()))
        values = ours.settings.plain()
        known = [(name, str(values[name]), kind, told) for name, kind, _, told in ours.SETTINGS.describe()]
        console.print(table("\nSettings (--env-set name=value)", ["name", "value", "type", "meaning"], known))
    world.close()


@contextmanager
def training_view() -> Iterator[Callable[[Mapping[str, Any]], Listener]]:
    """Gives the function that opens the live view of a training once its config is known."""
    views: list[TrainingView] = []

    def listen(config: Mapping[str, Any]) -> Listener:
        training = config["training"]
        title = f"{short_name(config['world'])} {config['algorithm']}"
        views.append(TrainingView(title, training["steps"], training["solved_at"]).__enter__())

        def hear(step: int, seconds: float, metrics: Metrics) -> None:
            views[0](step, seconds, metrics)

        return hear

    try:
        yield listen
    finally:
        for view in views:
            view.__exit__(None, None, None)


def show_outcome(outcome: Any) -> int:
    """Print how a training ended and where everything lies; the command's exit code."""
    console = Console(soft_wrap=True, highlight=False)
    run, progress = outcome.run, outcome.progress
    if outcome.interrupted is not None:
        console.print(f"stopped at step {progress.step:,}; everything is saved. Go on with: {_again(run, 'train --resume')}")
        return 128 + int(outcome.interrupted)
    score = outcome.score
    told = f"return {score['eval/return']:.1f}, length {score['eval/length']:.0f}, success {score['eval/success']:.0%}"
    at = f"{progress.step:,} steps, {progress.episode:,} episodes, {progress.seconds:.0f} s"
    if run.config["training"]["solved_at"] is None:
        console.print(f"trained {at}: {told}")
    elif progress.solved_step is None:
        console.print(f"not solved after {at}: {told}")
    elif progress.solved_step == progress.step:
        console.print(f"[bold green]solved[/bold green] after {at}: {told}")
    else:
        console.print(f"[bold green]solved[/bold green] at step {progress.solved_step:,}, best after {at}: {told}")
    console.print(f"run:   {run.path}")
    if outcome.film is not None:
        console.print(f"film:  {outcome.film}")
    elif outcome.no_film:
        console.print(f"no film: {outcome.no_film}")
    if not outcome.no_film:
        console.print(f"play:  {_again(run, 'play')}")
    console.print(f"curves: tensorboard --logdir {run.path.parent}")
    return 0


def _again(run: Any, command: str) -> str:
    place = "" if run.path.parent == Path("runs") else f" --runs-dir {run.path.parent}"
    return f"poise {command} {run.path.name}{place}"


def evaluate_and_show(
    run: str, *, runs_dir: Path, checkpoint: str | None, env_set: Mapping[str, Any], as_json: bool, **how: Any
) -> None:
    """Print how good a run's policy is, beside a random one, as a table or as JSON."""
    result = evaluate_run(Run.open(runs_dir, run), checkpoint, world_settings=env_set, **how)
    if as_json:
        print(json.dumps(result, indent=2))
    else:
        show_evaluation(result)


def show_evaluation(result: Mapping[str, Any]) -> None:
    """Print an evaluation as a table."""
    rows = []
    for name in ("policy", "random"):
        score = result[name]
        spread = f"{score['return_mean']:.2f} +- {score['return_std']:.2f}"
        rows.append((name, spread, f"{score['return_min']:.2f}", f"{score['length_mean']:.0f}", f"{score['success']:.0%}"))
    title = f"{result['run']}, {result['checkpoint']}: {result['episodes']} episodes of {result['world']}"
    Console().print(table(title, ["", "return", "worst", "length", "success"], rows))


@contextmanager
def counting(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """A bar that tells how many of `total` are done."""
    with Progress(
        "{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), console=Console(stderr=True)
    ) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)
