"""Files from elsewhere or edited by hand: one line names the file, and no code runs unasked."""

import contextlib
import copy
import json
import os
import resource
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import yaml
from commands import assert_one_line, invoke, said
from sample_runs import seeing_runs, start_run

import poise
from poise import algos
from poise.toolkit import registry
from poise.toolkit.dataset import Dataset, Shard, write_card
from poise.toolkit.errors import UserError, WorkError
from poise.toolkit.spaces import Signal

DELETED = object()
OTHER_KINDS = (None, -1, 2.5, 10**30, "x", [1], {"a": 1}, DELETED)


def list_paths(value: Any, path: tuple = ()) -> Iterator[tuple]:
    """Yield the path of each value in plain values, the whole included."""
    yield path
    entries = value.items() if isinstance(value, dict) else ()
    if isinstance(value, list):
        entries = enumerate(value[:1])
    for key, part in entries:
        yield from list_paths(part, (*path, key))


def edited(value: Any, path: tuple, new: Any) -> Any:
    """Return plain values with another value, or none, at a path."""
    if not path:
        return new
    whole = copy.deepcopy(value)
    part = whole
    for key in path[:-1]:
        part = part[key]
    if new is DELETED:
        del part[path[-1]]
    else:
        part[path[-1]] = new
    return whole


def list_edits(value: Any, seed: int, number: int) -> list[Any]:
    """Return some of all the values that one edit makes of `value`, the same in every test run."""
    edits = [
        (path, new) for path in list_paths(value) for new in OTHER_KINDS if path or new != DELETED
    ]
    chosen = np.random.default_rng(seed).permutation(len(edits))[:number]
    return [edited(value, *edits[index]) for index in chosen]


def assert_safe(*words: str | Path) -> None:
    """Run a command; assert that it succeeds, or fails in one line."""
    result = invoke(*words)
    if result.exit_code == 0 and result.exception is None:
        return
    assert_one_line(result, result.exit_code, "")
    assert result.exit_code in (1, 2)


@pytest.fixture(scope="module")
def trained(tmp_path_factory) -> Path:
    """A folder of runs with one small run."""
    folder = tmp_path_factory.mktemp("hostile") / "runs"
    start_run(folder, steps=60, evaluate_every=0, checkpoint_every=60)
    return folder


@pytest.fixture
def runs(trained, elsewhere) -> Path:
    """A copy of that folder, in the current folder."""
    return shutil.copytree(trained, elsewhere / "runs")


@pytest.mark.parametrize("name", ["config.json", "summary.json"])
def test_edited_file_of_a_run_is_one_line(name, runs):
    path = runs / "run" / name
    values = json.loads(path.read_text())
    for content in list_edits(values, seed=0, number=40):
        path.write_text(json.dumps(content))
        assert_safe("evaluate", "run", "--episodes", "1", "--steps", "2")
    path.write_text(json.dumps({**values, "training": 3, "best_step": "x"}))
    result = invoke("evaluate", "run", "--episodes", "1", "--steps", "2")
    assert name in result.stderr and ("training" in result.stderr or "best_step" in result.stderr)


LAYERS = [{"hidden_sizes": [65536, 65536]}, {"hidden_sizes": [256, 65536, 65536, 8]}]


@pytest.mark.parametrize("settings", LAYERS)
@pytest.mark.parametrize("name", ["evaluate", "play", "report", "record", "robustness", "resume"])
def test_config_of_huge_networks_is_one_line_and_takes_no_memory(name, settings, runs, monkeypatch):
    words = {
        "evaluate": ["evaluate", "run", "--episodes", "1"],
        "play": ["play", "run", "--seconds", "0.1"],
        "report": ["report", "run", "--out", "r.html"],
        "record": ["record", "run", "--out", "o.gif"],
        "robustness": ["robustness", "run", "--episodes", "1"],
        "resume": ["train", "--resume", "run", "--steps", "100"],
    }
    monkeypatch.setattr(algos.registry, "get_physical_memory", lambda: 2**30)
    path = runs / "run" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "settings": {**config["settings"], **settings}}))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert_one_line(invoke(*words[name]), 2, "sizes of its layers make networks of")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 200_000  # KiB


def test_translator_of_huge_networks_is_one_line(elsewhere):
    _, eye = seeing_runs(elsewhere / "runs", "poise/Reacher2D-v0")
    config = json.loads((eye.path / "config.json").read_text())
    for key, huge in (("hidden_size", 65536), ("conv_channels", [65536, 65536])):
        eye.write("config.json", {**config, "settings": {**config["settings"], key: huge}})
        words = ["mimic", "mover", "--translator", "eye", "--random", "1"]
        assert_one_line(invoke(*words), 2, "sizes of its layers make networks of")


TAPE = {
    "format": 1,
    "env": "poise/Cartpole-v0",
    "settings": {"width": 32, "height": 32},
    "seed": 0,
    "versions": {"python": "3"},
}


def write_tape(path: Path, header: Any, actions: np.ndarray | None = None) -> Path:
    """Write a tape with any header and actions."""
    arrays = {
        "actions": np.zeros((2, 1), np.float32) if actions is None else actions,
        "checksums": np.empty(0, np.uint32),
    }
    path.write_bytes(safetensors.numpy.save(arrays, metadata={"tape": json.dumps(header)}))
    return path


def test_edited_tape_is_one_line(elsewhere):
    assert "video: " in said(invoke("replay", write_tape(Path("a.tape"), TAPE)))
    for header in list_edits(TAPE, seed=1, number=60):
        assert_safe("replay", write_tape(Path("a.tape"), header))
    for actions in (
        np.zeros(()),
        np.zeros((2, 3)),
        np.full((2, 1), np.nan),
        np.zeros((2, 1), bool),
    ):
        assert_safe("replay", write_tape(Path("a.tape"), TAPE, actions))


PRESET = {
    "algorithm": "ppo",
    "training": {"steps": 32, "num_envs": 2},
    "settings": {"hidden_sizes": [4], "learning_rate": 0.01},
    "expect": {"steps": 1, "seconds": 2.0, "score": 3.0},
}
SUITE = {
    "envs": ["cartpole"],
    "algorithms": ["ppo"],
    "seeds": [0],
    "training": {"steps": 32},
    "settings": {"ppo": {"hidden_sizes": [4]}},
    "env_set": {"force": 5.0},
    "variants": {"a": {"settings": {"gamma": 0.9}, "env_set": {}}},
}


@pytest.mark.parametrize(("values", "command"), [(PRESET, "train"), (SUITE, "benchmark")])
def test_edited_preset_or_suite_is_one_line(values, command, elsewhere, monkeypatch):
    from poise.tools.benchmark import runner
    from poise.tools.train import command as training
    from poise.tools.train.plan import plan

    def stop(*arguments: Any) -> None:
        raise UserError("planned")

    monkeypatch.setattr(runner, "run_suite", stop)
    monkeypatch.setattr(training.TrainingSession, "create", lambda request: stop(plan(request)))
    words = {"train": ["train", "cartpole", "--preset"], "benchmark": ["benchmark"]}[command]
    for content in [values, *list_edits(values, seed=2, number=60)]:
        Path("file.yaml").write_text(yaml.safe_dump(content))
        result = invoke(*words, "file.yaml")
        assert isinstance(result.exception, SystemExit) and result.exit_code == 2, content
        assert result.stderr.startswith("poise: ") and result.stderr.count("\n") == 1


def test_edited_card_or_shard_of_a_dataset_is_one_line(tmp_path):
    signals = [Signal("angle", 2, -1.0, 1.0, "rad", "joint angles", ("left", "right"))]
    shard = Shard(
        np.zeros((4, 8, 8, 3), np.uint8), np.zeros((4, 2), np.float32), np.repeat([0, 1], 2)
    )
    shard.save(tmp_path / "shard_0000")
    metadata = {"env": "poise/Reacher2D-v0", "env_settings": {}, "rate": 50, "sequence": 2}
    write_card(tmp_path, {**metadata, "seed": 0}, signals, ["shard_0000"])
    assert len(Dataset(tmp_path)) == 4
    path = tmp_path / "card.json"
    content = json.loads(path.read_text())
    refused = 0
    for card in list_edits(content, seed=3, number=300):
        path.write_text(json.dumps(card))
        try:
            Dataset(tmp_path)
        except UserError as error:
            refused += "card.json" in str(error) and "\n" not in str(error)
    assert refused > 100, "most edits are errors that name the file"
    path.write_text(json.dumps(edited(content, ("shards",), {"../x": {}})))
    with pytest.raises(UserError, match=r"card\.json: key shards"):
        Dataset(tmp_path)
    path.write_text(json.dumps(content))
    np.save(tmp_path / "shard_0000" / "signals.npy", np.zeros((4, 3), np.float32))
    with pytest.raises(UserError, match=r"signals\.npy"):
        Dataset(tmp_path)


def test_edited_suite_of_a_benchmark_is_one_line(tmp_path):
    from poise.tools.benchmark.runner import SUITE_FILE, _check_and_save_plan
    from poise.tools.benchmark.suite import SuitePlan

    plan = SuitePlan("mine", [0], {"cartpole-ppo": {"env": "poise/Cartpole-v0"}}, [])
    _check_and_save_plan(plan, tmp_path)
    content = json.loads((tmp_path / SUITE_FILE).read_text())
    for values in list_edits(content, seed=4, number=60):
        (tmp_path / SUITE_FILE).write_text(json.dumps(values))
        with contextlib.suppress(UserError, WorkError):
            _check_and_save_plan(plan, tmp_path)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["train", "cartpole", "--preset", "/dev/zero"], "device"),
        (["train", "cartpole", "--preset", "."], "folder"),
        (["benchmark", "/dev/zero"], ""),
        (["replay", "/dev/zero"], "is not a tape"),
        (["plot", "/dev/zero"], ""),
        (["evaluate", "/dev/zero"], ""),
        (["mimic", "run", "--dataset", "/dev/zero"], ""),
        (["train", "cartpole", "--set", f"steps={'[' * 5000}{']' * 5000}"], "levels"),
        (["train", "cartpole", "--env-set", f"force={'{a: ' * 5000}1{'}' * 5000}"], "levels"),
        (["train", "cartpole", "--set", "hidden_sizes=&a [*a]"], "itself"),
        (["evaluate", "run", "--env-set", "force=" + "x" * 100_000], ""),
    ],
)
def test_hostile_words_are_one_line(words, message, runs):
    assert_one_line(invoke(*words), 2, message)


# Trust.

MODULE = """
from pathlib import Path
Path("code-ran").touch()
import gymnasium
from gymnasium.envs.classic_control import PendulumEnv
gymnasium.register("Mine-v0", PendulumEnv, max_episode_steps=5)
"""


@pytest.fixture
def module(elsewhere, monkeypatch) -> Iterator[str]:
    """The id of an environment in the current folder, whose module leaves a file when it runs."""
    name = f"untrusted_{os.urandom(4).hex()}"
    Path(f"{name}.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(elsewhere))
    yield f"{name}:Mine-v0"
    sys.modules.pop(name, None)
    registry._trusted_modules.discard(name)
    import gymnasium

    gymnasium.registry.pop("Mine-v0", None)


def code_ran() -> bool:
    """Return whether the module was imported; forget it."""
    ran = Path("code-ran").exists()
    Path("code-ran").unlink(missing_ok=True)
    return ran


@pytest.fixture
def foreign(module, trained, elsewhere) -> dict[str, list[str | Path]]:
    """Commands with a file from elsewhere that names the module."""
    run = shutil.copytree(trained / "run", elsewhere / "received" / "run")
    config = json.loads((run / "config.json").read_text())
    (run / "config.json").write_text(json.dumps({**config, "env": module, "env_settings": {}}))
    suite = Path("suite.yaml")
    suite.write_text(yaml.safe_dump({**SUITE, "envs": [module]}))
    tape = write_tape(Path("received.tape"), {**TAPE, "env": module, "settings": {}})
    card = {"env": module, "env_settings": {}, "rate": 50, "sequence": 1, "seed": 0}
    signal = {"name": "a", "size": 1, "low": 0, "high": 1, "unit": "m", "meaning": "b"}
    data = elsewhere / "data"
    data.mkdir()
    digests = dict.fromkeys(("frames.npy", "signals.npy", "episodes.npy"), "00")
    card |= {"signals": [signal], "shards": {"shard_0000": digests}}
    (data / "card.json").write_text(json.dumps(card))
    return {
        "evaluate": ["evaluate", run, "--episodes", "1"],
        "play": ["play", run, "--seconds", "0.1"],
        "record": ["record", run, "--out", "o.gif"],
        "resume": ["train", "--resume", run],
        "compare": ["compare", run, run],
        "report": ["report", run, "--out", "r.html"],
        "robustness": ["robustness", run],
        "mimic": ["mimic", run, "--random", "1"],
        "duel": ["duel", run, "--out", "o.gif"],
        "replay": ["replay", tape],
        "benchmark": ["benchmark", suite],
        "dataset": ["translate", "train", data],
    }


def test_tape_of_the_module_of_an_own_run_needs_no_trust(foreign):
    own = Path("runs", "own")
    own.mkdir(parents=True)
    (own / "config.json").write_text((Path(foreign["evaluate"][1]) / "config.json").read_text())
    invoke(*foreign["replay"])
    assert code_ran()


def test_file_from_elsewhere_imports_no_module_unless_trusted(foreign):
    for words in foreign.values():
        assert_one_line(invoke(*words), 2, "--trust")
        assert not code_ran(), words


@pytest.mark.parametrize("name", ["replay", "benchmark"])
def test_trusted_file_from_elsewhere_imports_its_module(name, foreign):
    result = invoke(*foreign[name], "--trust")
    assert code_ran() and "--trust" not in result.stderr


def test_user_is_asked_on_a_terminal(foreign, monkeypatch):
    from poise import cli

    asked = []
    monkeypatch.setattr(cli.click, "confirm", lambda question, **_: asked.append(question))
    monkeypatch.setattr(cli, "_has_terminal", lambda: True)
    assert_one_line(invoke(*foreign["replay"]), 2, "--trust")
    assert len(asked) == 1 and "received.tape" in asked[0] and not code_ran()
    monkeypatch.setattr(cli.click, "confirm", lambda question, **_: True)
    invoke(*foreign["replay"])
    assert code_ran()


def test_id_that_the_user_typed_and_runs_of_the_user_need_no_trust(module, runs):
    assert said(invoke("inspect", module)).startswith(module) and code_ran()
    registry._trusted_modules.discard(module.partition(":")[0])
    path = runs / "run" / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps({**config, "env": module, "env_settings": {}}))
    assert "--trust" not in invoke("evaluate", "run", "--episodes", "1").stderr
    assert "--trust" not in invoke("evaluate", runs / "run", "--episodes", "1").stderr


def test_link_below_the_runs_folder_is_a_run_from_elsewhere(foreign, runs):
    (runs / "linked").symlink_to(Path("received/run").resolve())
    assert_one_line(invoke("evaluate", "linked"), 2, "--trust")
    assert not code_ran()


def test_load_trusts_a_run_from_elsewhere_only_where_asked(foreign):
    run = Path("received/run")
    with pytest.raises(UserError, match="--trust"):
        poise.load(run)
    assert not code_ran()
    with pytest.raises(Exception, match=r"\S"):  # The policy is one of another environment.
        poise.load(run, trust=True)
    assert code_ran()
