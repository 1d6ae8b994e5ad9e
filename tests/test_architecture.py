"""The house: who may import whom, what must never be written, and how long a file may be; read from the source itself."""

import ast
import importlib
import inspect
import re
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
from conftest import OUR_IDS, ROOT, python

OURS = ["toolkit", "envs2d", "envs3d", "algos", "tools", "tutorials", "cli"]
MAY_IMPORT = {
    "toolkit": {"toolkit"},
    "envs2d": {"toolkit", "envs2d"},
    "envs3d": {"toolkit", "envs3d"},
    "algos": {"toolkit", "algos"},
    "tools": {"toolkit", "envs2d", "envs3d", "algos", "tools"},
    "tutorials": {"toolkit", "envs2d", "envs3d", "algos", "tools", "tutorials"},
    "cli": {"toolkit", "envs2d", "envs3d", "algos", "tools"},
}
ONLY_HERE = {
    "pymunk": {"envs2d", "tutorials"},
    "pybullet": {"envs3d", "tutorials"},
    "pybullet_data": {"envs3d", "tutorials"},
    "pybullet_utils": {"envs3d"},
}
TORCH_HERE = {"algos", "tools", "tutorials"}
FILES = [ROOT / "cli.py", *(path for name in OURS for path in sorted((ROOT / name).glob("**/*.py")))]
EVERY_FILE = pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())


def package_of(path: Path) -> str:
    """The top-level name that a file belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def tree_of(path: Path) -> ast.Module:
    """A file as its syntax tree."""
    return ast.parse(path.read_text(), str(path))


def imported(tree: ast.AST) -> set[str]:
    """The top-level names of everything that is imported anywhere below."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            names.add(str(node.module).split(".")[0])
    return names


def without_its_start(tree: ast.Module) -> ast.Module:
    """A file as others import it. Run alone, a tool may be the command that cli.py declares for it."""
    alone = "__name__ == '__main__'"
    body = [node for node in tree.body if not (isinstance(node, ast.If) and ast.unparse(node.test) == alone)]
    return ast.Module(body, tree.type_ignores)


def test_all_files_are_found():
    assert {package_of(path) for path in FILES} == set(OURS)
    assert len(FILES) > 40


@EVERY_FILE
def test_a_file_imports_only_what_its_place_in_the_house_allows(path):
    package, names = package_of(path), imported(without_its_start(tree_of(path)))
    assert names & set(OURS) <= MAY_IMPORT[package]
    for library, places in ONLY_HERE.items():
        assert library not in names or package in places
    assert "torch" not in names or package in TORCH_HERE
    assert not names & {"pickle", "dill", "joblib", "marshal", "shelve", "gym", "moviepy", "cv2", "hydra"}


@EVERY_FILE
def test_a_file_imports_only_what_is_declared(path):
    """Everything comes from the standard library, from us, or from a package that setup.cfg asks for."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    wanted = config["options"]["install_requires"]
    extras = "".join(config["options.extras_require"].values())
    listed = {re.split(r"[ <>=;\[]", line.strip())[0].lower() for line in (wanted + extras).splitlines() if line.strip()}
    module = {"pygame-ce": "pygame", "pyyaml": "yaml"}
    known = {module.get(name, name.replace("-", "_")) for name in listed} | {"pybullet_data", "pybullet_utils", "pydantic_core"}
    assert imported(tree_of(path)) <= known | set(sys.stdlib_module_names) | set(OURS)


@EVERY_FILE
def test_a_file_does_nothing_that_runs_what_others_wrote(path):
    """No pickle, eval, exec, shell, unsafe YAML: a run that somebody sends cannot run code."""
    for node in ast.walk(tree_of(path)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        where = f"line {node.lineno}: {name}"
        assert name not in {"eval", "exec", "compile", "__import__", "os.system", "os.popen", "breakpoint"}, where
        assert name not in {"torch.load", "torch.save", "pickle.load", "pickle.loads", "pickle.dump"}, where
        assert name not in {"yaml.load", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all"}, where
        for keyword in node.keywords:
            flag = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
            assert not (keyword.arg in {"shell", "allow_pickle"} and flag), where


@EVERY_FILE
def test_a_file_is_short_enough_to_be_read_at_one_sitting(path):
    limit = 300 if path.name == "cli.py" else 150 if package_of(path) == "tutorials" else 160
    assert len(path.read_text().splitlines()) <= limit


@EVERY_FILE
def test_a_file_says_what_it_is(path):
    tree = tree_of(path)
    told = ast.get_docstring(tree)
    assert told and told.splitlines()[0].endswith((".", ":", "?")), "a first line that is a sentence"
    assert path.stem not in {"utils", "common", "helpers", "misc"}


def test_toolkit_is_imported_and_tools_are_run_and_both_say_so():
    for package in ("toolkit", "tools"):
        told = ast.get_docstring(tree_of(ROOT / package / "__init__.py"))
        assert "toolkit is imported" in told and "tools are run" in told


def test_no_file_below_the_packages_is_left_out_of_the_setup():
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    listed = set(config["options"]["packages"].split())
    assert listed == {path.parent.relative_to(ROOT).as_posix() for path in FILES if path.name == "__init__.py"}
    assert config["options"]["py_modules"].split() == ["cli"]
    assert config["options.entry_points"]["console_scripts"].strip() == "poise = cli:main"
    assert all((ROOT / package / "__init__.py").exists() for package in listed)


def test_classes_of_ours_are_no_deeper_than_the_design_says():
    """BaseEnvironment > PlanarEnvironment > the task; Learner > the algorithm."""
    import gymnasium

    import algos
    from algos.base import Learner
    from toolkit.environment import BaseEnvironment

    tasks = [type(gymnasium.make(world_id).unwrapped) for world_id in OUR_IDS]
    learners = [algos.load(name) for name in algos.ALGORITHMS]
    for kinds, root, depth in ((tasks, BaseEnvironment, 3), (learners, Learner, 2)):
        for kind in kinds:
            ours = [base for base in kind.__mro__ if base.__module__.split(".")[0] in OURS and issubclass(base, root)]
            assert len(ours) <= depth, ours
            assert ours[-1] is root


def test_reset_step_and_render_are_written_once():
    import gymnasium

    from toolkit.environment import BaseEnvironment

    for world_id in OUR_IDS:
        kind = type(gymnasium.make(world_id).unwrapped)
        for name in ("reset", "step", "render"):
            assert getattr(kind, name) is getattr(BaseEnvironment, name)
    source = inspect.getsource(BaseEnvironment)
    assert "TimeLimit" not in source and "max_episode_steps" not in source


# Fresh interpreters.


def loaded(statement: str) -> set[str]:
    """The top-level names that a fresh interpreter has loaded after a statement."""
    told = python("-W", "error", "-c", f"import sys; {statement}; print(*sorted({{n.split('.')[0] for n in sys.modules}}))")
    assert told.returncode == 0, told.stderr
    return set(told.stdout.split())


@pytest.mark.parametrize(
    ("statement", "never"),
    [
        ("import cli", {"torch", "gymnasium", "pygame", "pymunk", "pybullet", "numpy", "rich", "av", "tensorboard", "pydantic"}),
        ("import toolkit", {"torch", "gymnasium", "pygame", "pymunk", "numpy"}),
        ("import envs2d", {"torch", "pygame", "pymunk", "pybullet", "av"}),
        ("import envs3d", {"torch", "pygame", "pymunk", "pybullet", "av"}),
        ("import algos", {"torch", "pymunk", "pygame", "pybullet"}),
        ("import toolkit.trainer, toolkit.experience, toolkit.evaluation", {"torch", "pymunk", "pygame", "pybullet"}),
        ("import toolkit.metrics, toolkit.run, toolkit.checkpoint, toolkit.tape", {"torch", "pymunk", "pygame"}),
        ("import toolkit.video, toolkit.registry, toolkit.settings", {"torch", "pymunk", "pygame"}),
        ("import envs2d.standing, envs2d.reacher, envs2d.bolla_rolla, envs2d.cartpole", {"torch", "pybullet", "av"}),
        ("import algos.sac", {"pymunk", "pygame", "pybullet", "av"}),
    ],
)
def test_an_import_loads_nothing_that_it_does_not_need(statement, never):
    assert not loaded(statement) & never


def test_tensorboard_files_are_written_without_torch(tmp_path):
    statement = f"import pathlib, toolkit.metrics as m; m.TensorBoardFile(pathlib.Path({str(tmp_path)!r})).close()"
    assert "torch" not in loaded(statement)


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["train", "--help"], ["evaluate", "--help"]])
def test_help_loads_nothing_heavy(words):
    statement = f"import cli; cli.main({words!r}, standalone_mode=False)"
    told = python("-c", f"import sys; {statement}; print('LOADED', *sys.modules)")
    assert told.returncode == 0, told.stderr
    names = {name.split(".")[0] for name in told.stdout.partition("LOADED")[2].split()}
    assert not names & {"torch", "gymnasium", "pygame", "pymunk", "numpy", "rich", "av"}


def test_the_greeting_of_pygame_is_not_printed():
    program = "import envs2d, gymnasium; gymnasium.make('poise/Cartpole-v0')"
    told = python("-c", program, PYGAME_HIDE_SUPPORT_PROMPT=None)
    assert (told.returncode, told.stdout) == (0, ""), "output is for what the user asked for"


def test_every_program_that_a_command_names_is_there():
    named = re.findall(r"""tool\(["'](\w+):(\w+)["']\)""", (ROOT / "cli.py").read_text())
    assert len(named) > 15
    for module, function in named:
        assert callable(getattr(importlib.import_module(f"tools.{module}"), function)), f"{module}:{function}"
