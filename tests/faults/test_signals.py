"""Every command that works for long, stopped by every signal, once and twice.

After one signal the command ends with 128 + its number; what is saved can be resumed. After two it
ends at once. Either way there is no traceback, no process that it started, and no file that is
half-written. A few combinations run in the quick form, all of them with `-m slow`.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml
from commands import invoke
from processes import HELPERS, ROOT, python

from poise.toolkit.lock import LOCK_FILES
from poise.toolkit.run import Run

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")

OWN = "own_environments:Swing-v0"
STEPS = ["--steps", "10000000"]
SETTINGS = {"rollout_steps": 64, "epochs": 1, "evaluate_every": 0, "evaluate_episodes": 2}
TRAINING = [word for key, value in SETTINGS.items() for word in ("--set", f"{key}={value}")]
TRAIN = ["train", OWN, "--algo", "ppo", "--num-envs", "2", "--no-video", *TRAINING]
LONG = ["--env-set", "length=1000000", "--env-set", "max_episode_steps=1000000"]

WAIT = 60.0
"""Seconds that a command may take to begin, and to end."""


def has_rows(pattern: str, size: int = 200) -> Callable[[Path], bool]:
    """Return the test whether a CSV file has rows, more than `size` characters of them."""
    return lambda folder: any(len(path.read_text()) > size for path in folder.glob(pattern))


def exists(pattern: str) -> Callable[[Path], bool]:
    """Return the test whether a file exists."""
    return lambda folder: any(folder.glob(pattern))


def is_seen(folder: Path) -> bool:
    """Return whether an environment has been stepped that leaves a mark."""
    return (folder / "mark").exists()


MARK = ["--env-set", "fault=mark", "--env-set", "file=mark"]

COMMANDS = {
    "train": ([*TRAIN, *STEPS, "--run", "new"], has_rows("runs/new/episodes.csv")),
    "workers": (
        [*TRAIN, *STEPS, "--run", "new", "--num-workers", "2"],
        has_rows("runs/new/episodes.csv"),
    ),
    "resume": (
        ["train", "--resume", "old", *STEPS, "--no-video"],
        has_rows("runs/old/episodes.csv", 3000),
    ),
    "dataset": (
        ["dataset", "reacher2d", "--frames", "100000", "--jobs", "2", "--out", "data"],
        exists("data/plan.json"),
    ),
    "translate": (
        ["translate", "train", "images", "--run", "new", "--set", "steps=1000000"],
        exists("runs/new/metrics.csv"),
    ),
    "record": (["record", "old", *LONG, "--out", "film.mp4"], exists(".film.mp4.*")),
    "gif": (["record", "old", *LONG, "--out", "film.gif"], exists(".film.gif.*")),
    "evaluate": (["evaluate", "old", "--episodes", "10000", *MARK], is_seen),
    "compare": (["compare", "old", "old", "--episodes", "10000", *MARK], is_seen),
    "report": (["report", "marking", "--episodes", "1000", "--out", "page.html"], is_seen),
    "robustness": (["robustness", "pole", "--episodes", "1000"], is_seen),
    "benchmark": (
        ["benchmark", "own.yaml", "--trust", "--jobs", "2", "--out", "bench"],
        has_rows("bench/*/episodes.csv"),
    ),
}


@pytest.fixture(scope="module")
def origin(tmp_path_factory):
    """Return a folder with what the commands need."""
    folder = tmp_path_factory.mktemp("origin")
    (folder / "own_environments.py").symlink_to(HELPERS / "own_environments.py")
    short = ["--algo", "ppo", "--steps", "64", *TRAINING, "--no-video"]
    suite = {
        "envs": [OWN],
        "algorithms": ["ppo"],
        "seeds": 2,
        "training": {"steps": 10_000_000, "num_envs": 2, "num_workers": 2, "evaluate_every": 0},
        "settings": {"ppo": {"rollout_steps": 64, "epochs": 1}},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        Path("own.yaml").write_text(yaml.safe_dump(suite))
        for name, env in (("old", OWN), ("pole", "own_environments:MyPole-v0")):
            assert invoke("train", env, *short, "--num-envs", "2", "--run", name).exit_code == 0
        assert invoke("train", OWN, *short, *MARK, "--run", "marking").exit_code == 0
        Path("mark").unlink()
        words = ["--frames", "200", "--size", "16", "--jobs", "1", "--out", "images"]
        assert invoke("dataset", "reacher2d", *words).exit_code == 0
    return folder


def find_processes(mark: str) -> list[str]:
    """Return the command lines of all processes with this variable in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            has_mark = mark.encode() in (folder / "environ").read_bytes()
            is_zombie = "\nState:\tZ" in (folder / "status").read_text()
            if has_mark and not is_zombie:
                found.append((folder / "cmdline").read_text().replace("\0", " "))
        except OSError:  # It has ended, or belongs to another user.
            continue
    return found


class Command:
    """A running command, in a copy of the folder `origin` and a session of its own."""

    def __init__(self, name: str, origin: Path, folder: Path) -> None:
        words, self.is_at_work = COMMANDS[name]
        self.folder = folder
        for path in origin.iterdir():
            if path.name == "runs":
                subprocess.run(["cp", "-r", path, folder], check=True)
            else:
                (folder / path.name).symlink_to(path)
        self.mark = f"POISE_TEST={folder}"
        environment = {**os.environ, "POISE_TEST": str(folder)}
        self.process = subprocess.Popen(
            [sys.executable, ROOT / "cli.py", *words],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def wait_until_at_work(self) -> None:
        """Wait until the command works, and a moment more."""
        deadline = time.monotonic() + WAIT
        while not self.is_at_work(self.folder):
            assert self.process.poll() is None, self.process.stdout.read()
            assert time.monotonic() < deadline, "it never began"
            time.sleep(0.05)
        time.sleep(0.3)

    def stop(self, number: int, times: int) -> str:
        """Send a signal to all its processes, as a terminal does; return its output."""
        for _ in range(times):
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                break
            time.sleep(0.05)
        return self.process.communicate(timeout=WAIT)[0]

    def wait_for_no_process(self) -> None:
        """Assert that all its processes end soon."""
        deadline = time.monotonic() + 20.0
        while processes := find_processes(self.mark):
            assert time.monotonic() < deadline, processes
            time.sleep(0.1)


@pytest.fixture
def start(origin, tmp_path):
    """Starts commands; kills after the test what is left of them."""
    started = []

    def start_command(name):
        folder = tmp_path / name
        folder.mkdir()
        command = Command(name, origin, folder)
        started.append(command)
        return command

    yield start_command
    for command in started:
        if command.process.poll() is None:
            command.process.kill()
        command.process.communicate()


def assert_nothing_half_written(folder: Path) -> None:
    """Assert that no temporary file is left, and that every JSON file is whole."""
    hidden = [path.name for path in folder.rglob(".*") if path.name not in LOCK_FILES]
    assert hidden == []
    assert not [*folder.glob("film.*"), *folder.glob("page.html")]
    for path in folder.rglob("*.json"):
        json.loads(path.read_text())


def check(command: Command, number: int, times: int) -> None:
    """Stop a command that is at work, and check what is left."""
    output = command.stop(number, times)
    assert command.process.returncode == 128 + number, output
    assert "Traceback" not in output and "leaked" not in output, output
    command.wait_for_no_process()
    assert_nothing_half_written(command.folder)
    if times == 1:
        for path in command.folder.glob("runs/new"):
            run = Run(path)
            _, state = run.load_checkpoint("latest")
            assert state["progress"]["step"] == run.summary()["steps"]


QUICK = [
    ("workers", signal.SIGHUP, 1),
    ("workers", signal.SIGINT, 2),
    ("dataset", signal.SIGTERM, 1),
    ("record", signal.SIGTERM, 2),
    ("evaluate", signal.SIGHUP, 1),
]


@pytest.mark.parametrize(("name", "number", "times"), QUICK)
def test_stopped_command_leaves_nothing_half_done(start, name, number, times):
    command = start(name)
    command.wait_until_at_work()
    check(command, number, times)


@pytest.mark.slow
@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_can_be_stopped_by_every_signal(start, name, number, times):
    command = start(name)
    command.wait_until_at_work()
    check(command, number, times)


@pytest.mark.parametrize("name", ["dataset", "benchmark"])
def test_no_process_outlasts_a_command_that_is_killed(start, name):
    command = start(name)
    command.wait_until_at_work()
    command.process.kill()
    command.wait_for_no_process()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGSTOP])
def test_training_whose_worker_dies_or_stands_still_is_saved_and_ends(start, number):
    """Within 30 s: a worker that stands still is found after `worker_timeout`."""
    command = start("workers")
    command.wait_until_at_work()
    pid = command.process.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()
    workers = [
        int(child)
        for child in children
        if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()
    ]
    assert len(workers) == 2
    os.kill(workers[-1], number)
    output = command.process.communicate(timeout=WAIT)[0]
    assert command.process.returncode == 1 and "Traceback" not in output, output
    assert "everything up to step" in output.splitlines()[-1]
    command.wait_for_no_process()
    run = Run(command.folder / "runs" / "new")
    step = run.load_checkpoint("latest")[1]["progress"]["step"]
    assert step > 0
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(command.folder)
        result = invoke("train", "--resume", "new", "--steps", str(step + 64), "--no-video")
    assert result.exit_code == 0, result.output


IN_TERMINAL = """
import fcntl, runpy, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def test_training_whose_terminal_is_closed_is_saved(origin, tmp_path):
    """All output goes to the terminal, and from then on writing is an error."""
    main, terminal = os.openpty()
    command = f"import sys; del sys.argv[0]\n{IN_TERMINAL}"
    words = ["train", OWN, *TRAIN[2:], *STEPS, "--run", "new"]
    path = os.pathsep.join([str(HELPERS), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, "-c", command, ROOT / "cli.py", *words],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path, "TERM": "xterm"},
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
    )
    os.close(terminal)
    deadline = time.monotonic() + WAIT
    while not has_rows("runs/new/episodes.csv")(tmp_path):
        assert process.poll() is None and time.monotonic() < deadline, os.read(main, 10_000)
        time.sleep(0.05)
    os.close(main)
    assert process.wait(timeout=WAIT) == 128 + signal.SIGHUP
    run = Run(tmp_path / "runs" / "new")
    assert run.load_checkpoint("latest")[1]["progress"]["step"] == run.summary()["steps"]


INTERRUPTED_AT = """
import atexit, os, signal, sys

def interrupt():
    os.kill(os.getpid(), int(os.environ["POISE_TEST_SIGNAL"]))

class Finder:
    count = 0

    @classmethod
    def find_spec(cls, name, path=None, target=None):
        cls.count += cls.count > 0 or name == "poise"
        if str(cls.count) == os.environ["POISE_TEST_IMPORT"] and name != "poise":
            interrupt()

sys.meta_path.insert(0, Finder)
if os.environ["POISE_TEST_IMPORT"] == "exit":
    atexit.register(interrupt)
"""
"""A sitecustomize.py: a signal at one of the imports from that of poise on, or at the exit."""


def run_interrupted(folder: Path, moment: str, number: int, *words: str) -> tuple[int, str]:
    """Run a command that gets a signal at a moment; return its exit code and errors."""
    (folder / "sitecustomize.py").write_text(INTERRUPTED_AT)
    ended = python(
        *words,
        cwd=folder,
        PYTHONPATH=os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")]),
        POISE_TEST_IMPORT=moment,
        POISE_TEST_SIGNAL=str(int(number)),
    )
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("words", [["-m", "poise", "list"], [str(ROOT / "cli.py"), "list"]])
@pytest.mark.parametrize("moment", ["5", "200", "700"])
def test_interrupt_while_a_command_is_imported_is_no_traceback(tmp_path, words, moment):
    code, errors = run_interrupted(tmp_path, moment, signal.SIGINT, *words)
    assert code == 130 and errors in ("", "poise: interrupted\n")


def test_interrupt_while_python_ends_changes_nothing(tmp_path):
    assert run_interrupted(tmp_path, "exit", signal.SIGINT, "-m", "poise", "list") == (0, "")


def test_interrupt_of_a_program_that_uses_poise_is_its_own(tmp_path):
    (tmp_path / "cli.py").write_text(
        "try:\n    import poise\nexcept KeyboardInterrupt:\n    exit(7)"
    )
    assert run_interrupted(tmp_path, "200", signal.SIGINT, "cli.py") == (7, "")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("words", [["list"], ["evaluate", "old", "--episodes", "1"]])
def test_interrupt_at_any_import_is_no_traceback(origin, tmp_path, words, number):
    for name in ("runs", "own_environments.py"):
        (tmp_path / name).symlink_to(origin / name)
    for moment in range(5, 1400, 40):  # Before, Python itself starts.
        code, errors = run_interrupted(tmp_path, str(moment), number, "-m", "poise", *words)
        assert code == 128 + number and errors in ("", "poise: interrupted\n"), moment
