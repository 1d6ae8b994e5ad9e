"""Architecture: which folder may import which, and what may never be written."""

import ast
import graphlib
import importlib
import inspect
import re
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest
from processes import ROOT, python
from sample_envs import OUR_IDS

FOLDERS = ["toolkit", "envs2d", "envs3d", "algos", "tools", "tutorials"]
OURS = [*FOLDERS, "cli"]
MAY_IMPORT = {
    "toolkit": {"toolkit"},
    "envs2d": {"toolkit", "envs2d"},
    "envs3d": {"toolkit", "envs3d"},
    "algos": {"toolkit", "algos"},
    "tools": {"toolkit", "envs2d", "envs3d", "algos", "tools"},
    "tutorials": {"toolkit", "envs2d", "envs3d", "algos", "tools", "tutorials"},
    "cli": {"toolkit", "envs2d", "envs3d", "algos", "tools"},
    "__init__": {"toolkit", "envs2d", "envs3d", "algos", "tools"},
    "__main__": {"cli"},
}
ONLY_HERE = {
    "pymunk": {"envs2d", "tutorials"},
    "pybullet": {"envs3d", "tutorials"},
    "pybullet_data": {"envs3d", "tutorials"},
    "pybullet_utils": {"envs3d"},
}
TORCH_HERE = {"algos", "tools", "tutorials"}
TOP = ["__init__", "__main__", "cli"]
FILES = [
    *(ROOT / f"{name}.py" for name in TOP),
    *(path for name in FOLDERS for path in sorted((ROOT / name).rglob("*.py"))),
]
EVERY_FILE = pytest.mark.parametrize(
    "path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix()
)


def package_of(path: Path) -> str:
    """The folder, or the file at the top, that a file belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def tree_of(path: Path) -> ast.Module:
    """A file as its syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def imported_modules(tree: ast.AST) -> set[str]:
    """The full names of all modules that are imported anywhere below."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: imports are absolute"
            module = str(node.module)
            names |= {
                f"{module}.{alias.name}" if module == "poise" else module for alias in node.names
            }
    return names


def imported(tree: ast.AST) -> set[str]:
    """The top-level names of everything that is imported, ours without `poise.`."""
    return {name.removeprefix("poise.").split(".")[0] for name in imported_modules(tree)}


def test_all_files_are_found():
    assert {package_of(path) for path in FILES} == set(MAY_IMPORT)
    assert len(FILES) > 40


@EVERY_FILE
def test_file_imports_only_what_its_folder_may(path):
    package, names = package_of(path), imported(tree_of(path))
    assert names & set(OURS) <= MAY_IMPORT[package]
    for library, places in ONLY_HERE.items():
        assert library not in names or package in places
    assert "torch" not in names or package in TORCH_HERE
    assert not names & {
        "pickle",
        "dill",
        "joblib",
        "marshal",
        "shelve",
        "gym",
        "moviepy",
        "cv2",
        "hydra",
    }


def module_name(path: Path) -> str:
    """The full name of the module in a file."""
    parts = ["poise", *path.relative_to(ROOT).with_suffix("").parts]
    return ".".join(parts).removesuffix(".__init__")


def test_imports_form_no_circle():
    """Imports inside functions and for type checkers count, too."""
    names = {module_name(path) for path in FILES}
    graph: dict[str, set[str]] = {}
    for path in FILES:
        imports: set[str] = set()
        for node in ast.walk(tree_of(path)):
            if isinstance(node, ast.Import):
                imports |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                full_names = {f"{node.module}.{alias.name}" for alias in node.names}
                imports |= full_names & names or {str(node.module)}
        graph[module_name(path)] = imports & names
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError


@EVERY_FILE
def test_file_imports_only_declared_packages(path):
    """Imports are of the standard library, of Poise, or of a package listed in setup.cfg."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    wanted = config["options"]["install_requires"]
    extras = "".join(config["options.extras_require"].values())
    listed = {
        re.split(r"[ <>=;\[]", line.strip())[0].lower()
        for line in (wanted + extras).splitlines()
        if line.strip()
    }
    module = {"pygame-ce": "pygame", "pyyaml": "yaml", "pillow": "PIL", "sbx-rl": "sbx"}
    known = {module.get(name, name.replace("-", "_")) for name in listed} | {
        "pybullet_data",
        "pybullet_utils",
        "pydantic_core",
    }
    assert imported(tree_of(path)) <= known | set(sys.stdlib_module_names) | {*OURS, "poise"}


@EVERY_FILE
def test_a_file_does_nothing_that_runs_what_others_wrote(path):
    """No pickle, eval, exec, shell, unsafe YAML: a run that somebody sends cannot run code."""
    for node in ast.walk(tree_of(path)):
        if not isinstance(node, ast.Call):
            continue
        name = ast.unparse(node.func)
        where = f"line {node.lineno}: {name}"
        assert name not in {
            "eval",
            "exec",
            "compile",
            "__import__",
            "os.system",
            "os.popen",
            "breakpoint",
        }, where
        assert name not in {
            "torch.load",
            "torch.save",
            "pickle.load",
            "pickle.loads",
            "pickle.dump",
        }, where
        assert name not in {"yaml.load", "yaml.unsafe_load", "yaml.full_load", "yaml.load_all"}, (
            where
        )
        for keyword in node.keywords:
            flag = isinstance(keyword.value, ast.Constant) and keyword.value.value is True
            assert not (keyword.arg in {"shell", "allow_pickle"} and flag), where


POSIX_MODULES = {"fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"}
POSIX_NAMES = {
    *(f"signal.{name}" for name in ("SIGHUP", "SIGKILL", "SIGSTOP", "SIGCONT", "SIGALRM", "alarm")),
    *(f"signal.{name}" for name in ("SIGUSR1", "SIGUSR2", "SIGQUIT", "SIGCHLD", "SIGPIPE")),
    *(f"signal.{name}" for name in ("setitimer", "pthread_sigmask", "sigwait", "pause")),
    *(f"os.{name}" for name in ("fork", "forkpty", "wait", "waitpid", "killpg", "setsid", "nice")),
    *(f"os.{name}" for name in ("O_DIRECTORY", "O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "mkfifo")),
    *(f"os.{name}" for name in ("getuid", "geteuid", "getgid", "getppid", "getpgid", "chown")),
    *(f"os.{name}" for name in ("sched_getaffinity", "sched_setaffinity", "getloadavg", "uname")),
    *(f"os.{name}" for name in ("statvfs", "sync", "fchmod", "fchown", "WNOHANG", "sysconf")),
}
"""What Python lacks on Windows."""

SYSTEM_FILES = {ROOT / "toolkit" / "process.py", ROOT / "toolkit" / "files.py"}


@EVERY_FILE
def test_only_two_files_use_what_windows_lacks(path):
    """They ask first whether it is there; so a look at two files shows what runs on Windows."""
    if path in SYSTEM_FILES:
        return
    tree = tree_of(path)
    assert not imported(tree) & POSIX_MODULES
    used = {ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    assert not used & POSIX_NAMES
    words = {keyword.arg for keyword in ast.walk(tree) if isinstance(keyword, ast.keyword)}
    assert not words & {"preexec_fn", "pass_fds"}


FILE_METHODS = {"read_text": "r", "write_text": "w", "open": "r"}
OPENED_BY_OTHERS = {"av", "os", "Image", "Run", "self", "webbrowser", "session"}
"""Objects whose `open` opens something else than a text file."""


def reads_text(call: ast.Call) -> bool:
    """Whether a call reads or writes a text file, as far as its words show."""
    if isinstance(call.func, ast.Attribute):
        method, owner = call.func.attr, ast.unparse(call.func.value)
    else:
        method, owner = ast.unparse(call.func), ""
    if method not in FILE_METHODS or owner in OPENED_BY_OTHERS or (not owner and method != "open"):
        return False
    modes = [node.value for node in call.args if isinstance(node, ast.Constant)]
    return not (method == "open" and any("b" in str(mode) for mode in modes))


@EVERY_FILE
def test_text_files_are_utf8_on_every_system(path):
    """Without an encoding, Windows reads and writes the code page of its country."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Call) and reads_text(node):
            words = {keyword.arg for keyword in node.keywords}
            assert "encoding" in words, f"line {node.lineno}: {ast.unparse(node)}"


@EVERY_FILE
def test_a_file_says_what_it_is(path):
    assert ast.get_docstring(tree_of(path))
    assert path.stem not in {"utils", "common", "helpers", "misc"}


def test_only_the_files_that_the_client_names_call_pybullet():
    page = ast.get_docstring(tree_of(ROOT / "envs3d" / "client.py")) or ""
    named = re.search(r"In envs3d only ([a-z, ]+) call PyBullet", page).group(1)
    calling = {
        path.stem
        for path in (ROOT / "envs3d").glob("*.py")
        if "pybullet" in imported(tree_of(path))
        or any(re.search(r"\bclient\.[a-z]+[A-Z]", name) for name, _ in calls_in(path))
    }
    assert set(re.split(r", | and ", named)) == calling


def test_every_package_is_listed_in_the_setup():
    config = ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    listed = set(config["options"]["packages"].split())
    folders = {path.parent.relative_to(ROOT) for path in FILES}
    assert listed == {".".join(["poise", *folder.parts]) for folder in folders}
    assert all((ROOT / folder / "__init__.py").exists() for folder in folders)
    assert config["options"]["package_dir"].split() == ["poise", "=", "."]
    assert config["options.entry_points"]["console_scripts"].strip() == "poise = poise.cli:main"


def test_reset_step_and_render_are_written_once():
    import gymnasium

    from poise.toolkit.environment import BaseEnvironment

    for env_id in OUR_IDS:
        kind = type(gymnasium.make(env_id).unwrapped)
        for name in ("reset", "step", "render"):
            assert getattr(kind, name) is getattr(BaseEnvironment, name)
    source = inspect.getsource(BaseEnvironment)
    assert "TimeLimit" not in source and "max_episode_steps" not in source


# Fresh interpreters.


def loaded(statement: str) -> set[str]:
    """The top-level names that a fresh interpreter has loaded after a statement."""
    told = python(
        "-W",
        "error",
        "-c",
        f"import sys; {statement}; print(*sorted({{n.split('.')[0] for n in sys.modules}}))",
    )
    assert told.returncode == 0, told.stderr
    return set(told.stdout.split())


@pytest.mark.parametrize(
    ("statement", "never"),
    [
        ("import poise", {"torch", "pygame", "pymunk", "pybullet", "av", "pydantic", "rich"}),
        (
            "import poise.cli",
            {"torch", "pygame", "pymunk", "pybullet", "rich", "av", "tensorboard", "pydantic"},
        ),
        ("import poise.algos", {"torch", "pymunk", "pygame", "pybullet"}),
        (
            "import poise.toolkit.trainer, poise.toolkit.experience, poise.toolkit.evaluation",
            {"torch", "pymunk", "pygame", "pybullet"},
        ),
        (
            "import poise.toolkit.loggers, poise.toolkit.run, poise.toolkit.tape",
            {"torch", "pymunk", "pygame"},
        ),
        (
            "import poise.toolkit.media.video, poise.toolkit.registry, poise.toolkit.settings",
            {"torch", "pymunk", "pygame"},
        ),
        (
            "import poise.envs2d.standing, poise.envs2d.reacher, poise.envs2d.bolla_rolla",
            {"torch", "pybullet", "av"},
        ),
        ("import poise.algos.sac", {"pymunk", "pygame", "pybullet", "av"}),
    ],
)
def test_an_import_loads_nothing_that_it_does_not_need(statement, never):
    assert not loaded(statement) & never


ENCODING_PROGRAM = """
import warnings
from poise import cli
warnings.filterwarnings("error", category=EncodingWarning, module="poise")
small = ["--set", "rollout_steps=32", "--set", "epochs=1", "--set", "evaluate_episodes=1"]
for words in (
    ["train", "cartpole", "--algo", "ppo", "--steps", "64", "--run", "run", "--no-video", *small],
    ["train", "--resume", "run", "--steps", "96"],
    ["record", "run", "--out", "film.gif", "--tape", "run.tape", "--size", "32"],
    ["replay", "run.tape", "--out", "again.gif", "--size", "32"],
    ["plot", "run", "--out", "curves.png"],
    ["report", "run", "--out", "page.html", "--episodes", "1"],
):
    try:
        cli.main(words, standalone_mode=False)
    except SystemExit as ended:
        assert not ended.code, words
"""


def test_commands_name_the_encoding_of_every_text_file(tmp_path):
    process = python("-X", "warn_default_encoding", "-c", ENCODING_PROGRAM, cwd=tmp_path)
    assert process.returncode == 0, process.stderr
    assert (tmp_path / "page.html").exists()


def test_tensorboard_files_are_written_without_torch(tmp_path):
    logger = f"TensorBoardLogger(pathlib.Path({str(tmp_path)!r}))"
    statement = (
        f"import pathlib; from poise.toolkit.loggers import TensorBoardLogger; {logger}.close()"
    )
    assert "torch" not in loaded(statement)


@pytest.mark.parametrize(
    "words", [["--help"], ["--version"], ["train", "--help"], ["evaluate", "--help"]]
)
def test_help_loads_nothing_heavy(words):
    statement = f"from poise import cli; cli.main({words!r}, standalone_mode=False)"
    told = python("-c", f"import sys; {statement}; print('LOADED', *sys.modules)")
    assert told.returncode == 0, told.stderr
    names = {name.split(".")[0] for name in told.stdout.partition("LOADED")[2].split()}
    assert not names & {"torch", "pygame", "pymunk", "rich", "av", "pydantic", "matplotlib"}


def test_the_greeting_of_pygame_is_not_printed():
    program = "import poise, gymnasium; gymnasium.make('poise/Cartpole-v0')"
    told = python("-c", program, PYGAME_HIDE_SUPPORT_PROMPT=None)
    assert (told.returncode, told.stdout) == (0, ""), "output is for what the user asked for"


def test_every_import_of_the_command_is_there():
    found = [
        node
        for node in ast.walk(tree_of(ROOT / "cli.py"))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("poise.")
    ]
    assert len(found) > 15
    for node in found:
        module = importlib.import_module(str(node.module))
        assert all(hasattr(module, alias.name) for alias in node.names), ast.unparse(node)


def test_no_module_has_two_names():
    """A module imported as `envs2d` and as `poise.envs2d` would register its ids twice."""
    files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
    package = [path for path in FILES if path.name != "__init__.py"]
    names = [name for name, file in files.items() if file and Path(file) in package]
    assert names and all(name.startswith("poise.") for name in names)


# What comes from elsewhere.

READS_OF_FILES = {
    "json.load",
    "json.loads",
    "yaml.safe_load",
    "yaml.load",
    "np.load",
    "np.loadtxt",
    "np.genfromtxt",
    "np.fromfile",
    "np.memmap",
}
FILE_OPENERS = ("av.", "os.", "Image.", "Run.", "self.")
"""What opens files with limits of its own: of films and pictures in toolkit/media/reader.py."""

SAFE_TEXTS = {"printable", "remove_control_characters", "json.dumps"}
LIBRARY = [path for path in FILES if package_of(path) != "tutorials"]
EVERY_LIBRARY_FILE = pytest.mark.parametrize(
    "path", LIBRARY, ids=lambda path: path.relative_to(ROOT).as_posix()
)


def calls_in(path: Path) -> list[tuple[str, ast.Call]]:
    """Every call in a file, with the name of the function as it is written."""
    nodes = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]
    return [(ast.unparse(node.func), node) for node in nodes]


@EVERY_LIBRARY_FILE
def test_files_are_read_through_the_readers_with_limits_only(path):
    if path == ROOT / "toolkit" / "files.py":
        return
    for name, node in calls_in(path):
        assert name not in READS_OF_FILES, f"line {node.lineno}: use toolkit/files.py"
        assert not name.endswith(".read_text"), f"line {node.lineno}: use files.read_text"
        if name.endswith(".open") and not name.startswith(FILE_OPENERS):
            modes = [*node.args, *(word.value for word in node.keywords if word.arg == "mode")]
            writes = any(
                isinstance(mode, ast.Constant) and str(mode.value)[:1] in "wax" for mode in modes
            )
            is_session = not modes and name.startswith("session.")
            assert writes or is_session, f"line {node.lineno}: use a reader of toolkit/files.py"


READERS_OF_IMAGES = {"toolkit/media/reader.py", "toolkit/media/gif.py"}
"""The loader of all commands, and the writer that reads what it has spooled itself."""


@EVERY_LIBRARY_FILE
def test_pictures_and_films_are_read_by_one_loader(path):
    """It knows orientations, aspect ratios, colours, times and limits."""
    if path.relative_to(ROOT).as_posix() in READERS_OF_IMAGES:
        return
    for name, node in calls_in(path):
        where = f"line {node.lineno}: {name}; use toolkit/media/reader.py"
        assert not name.endswith(("imread", "image.load", "Image.open", "imageio")), where
        if name == "av.open":
            modes = [ast.unparse(mode) for mode in node.args[1:2]]
            assert modes == ["'w'"], where


@EVERY_LIBRARY_FILE
def test_modules_are_imported_by_name_in_known_places_only(path):
    """To import a module is to run it: SECURITY.md says whose."""
    places = {
        "importlib.import_module": ("toolkit/experience.py", "algos/registry.py"),
        "gymnasium.make": ("toolkit/registry.py",),
    }
    for name, node in calls_in(path):
        if name in places:
            assert path.relative_to(ROOT).as_posix() in places[name], f"line {node.lineno}: {name}"


@EVERY_LIBRARY_FILE
def test_nothing_reaches_the_terminal_but_through_the_console_or_as_printable_text(path):
    """A file's name, an environment's message: a terminal obeys no escape code in them."""
    tree = tree_of(path)
    if path != ROOT / "toolkit" / "console.py":
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == "rich.console":
                names = {alias.name for alias in node.names}
                assert "Console" not in names, "use poise.toolkit.console.Console"
    for name, node in calls_in(path):
        where = f"line {node.lineno}: {ast.unparse(node)}"
        if name in ("print", "click.echo"):
            used = {ast.unparse(part.func) for part in ast.walk(node) if isinstance(part, ast.Call)}
            assert used & SAFE_TEXTS, where
        is_marked = any(word.arg == "markup" for word in node.keywords)
        if name.endswith(".print") and not is_marked:
            assert not re.search(
                r"\[/?(bold|dim|red|green|yellow|blue|cyan)\b", ast.unparse(node)
            ), f"{where} prints its markup: write markup=True, or style="


NOT_IN_PYGAME = {
    *("aacircle", "flood_fill", "box_blur", "gaussian_blur", "solid_overlay", "FRect", "get_frect"),
    *("fblits", "premul_alpha_ip", "load_sized_svg", "get_just_pressed", "get_just_released"),
    *("get_desktop_refresh_rates", "set_window_position", "point_size", "set_linesize", "move_to"),
}
"""What pygame-ce has and pygame 2.6, which other packages install over it, does not."""

NEEDS_A_DISPLAY = {"convert", "convert_alpha"}


@EVERY_FILE
def test_a_file_that_draws_needs_neither_pygame_ce_nor_a_display(path):
    tree = tree_of(path)
    if "pygame" in imported(tree):
        used = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
        assert not used & (NOT_IN_PYGAME | NEEDS_A_DISPLAY)


def test_pictures_of_the_documentation_are_small_and_each_names_its_command():
    pictures = [path for path in (ROOT / "docs/media").iterdir() if path.suffix != ".md"]
    commands = (ROOT / "docs/media/README.md").read_text("utf-8")
    assert all(f"`{path.name}`" in commands for path in pictures)
    assert sum(path.stat().st_size for path in pictures) < 3_000_000
