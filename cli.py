"""The `poise` command: options, error reporting, and one short function for each command.

A command imports what it calls when it runs, so that `poise --help` loads nothing heavy.
"""

import poise  # noqa: F401  (first of all: from here on Ctrl-C prints no traceback)

# isort: split
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from functools import partial, wraps
from importlib.resources import files
from pathlib import Path
from typing import Any, NoReturn, TextIO, TypeVar

import click

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")
# Networks of this size act faster on one thread than on several that wait for one another
# (docs/BENCHMARKS.md, "A second core"). A training sets its own number (`threads`).
os.environ.setdefault("OMP_NUM_THREADS", "1")

Command = Callable[..., Any]
Result = TypeVar("Result")


MAX_ERROR_LENGTH = 2000
"""Characters of an error; some list all names that could be meant."""


SECTIONS = {
    "Learn": ("list", "inspect", "train", "benchmark"),
    "Look": ("demo", "play", "record", "report", "plot"),
    "Judge": ("runs", "evaluate", "compare", "robustness"),
    "See a pose, take the pose": ("dataset", "translate", "mimic", "duel"),
    "Films and machine": ("replay", "combine", "images-to-video", "doctor"),
}
"""Commands in the order of the work, as `poise --help` lists them."""


SUITES = sorted(
    Path(file.name).stem for file in (files("poise.tools.benchmark") / "suites").iterdir()
)


# Options that several commands share.


class WholeNumber(click.IntRange):
    """A whole number within bounds, which help and errors state in words."""

    name = "integer"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Return what stands for the number in the help."""
        return "N"

    # click formats a range as 16<=x<=2160, in help and in errors, by this method alone.
    def _describe_range(self) -> str:
        return describe_range(self.min, self.max)


class Number(click.FloatRange):
    """A number within bounds, which help and errors state in words."""

    name = "number"

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str:
        """Return what stands for the number in the help."""
        return "NUMBER"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number; one that is not finite is out of every range."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number", param, ctx)
        return number

    def _describe_range(self) -> str:
        return describe_range(self.min, self.max, is_open=self.min_open)


def describe_range(low: float | None, high: float | None, *, is_open: bool = False) -> str:
    """Return a range in words; `is_open` excludes its low end."""
    if high is None:
        return f"more than {low:g}" if is_open else f"{low:g} or more"
    return f"{low:g} to {high:g}"


def parse_count_option(ctx: click.Context, param: click.Parameter, text: str | None) -> int | None:
    """Return a whole number of at least 1, also written as 1e6, 1_000_000, 20k or 1M."""
    if text is None:
        return None
    from poise.toolkit.settings import parse_count

    count = parse_count(text)
    if count is None:
        raise click.BadParameter(f"{text!r} is no whole number, such as 50000, 5e4 or 50k")
    if count < 1:
        raise click.BadParameter(f"{text} is less than 1")
    return count


def check_output_file(ctx: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
    """Return a path to write; refuse a file that exists without --force, or is named twice."""
    if path is None:
        return None
    option = param.opts[-1]
    check_parents(ctx, param, path)
    if path.is_file() and not ctx.meta.get("force"):
        raise click.UsageError(
            f"{path} exists: choose another {option}, or add --force to overwrite it"
        )
    option_of_path = ctx.meta.setdefault("outputs", {}).setdefault(os.path.realpath(path), option)
    if option_of_path != option:
        raise click.UsageError(f"{option_of_path} and {option} name the same file: {path}")
    return path


def check_parents(ctx: click.Context, param: click.Parameter, path: Path | None) -> Path | None:
    """Return a path; refuse one below a file."""
    if path is not None:
        parent = next(parent for parent in [*path.parents, path] if parent.exists())
        if not parent.is_dir():
            raise click.UsageError(f"{parent} is a file, not a folder: choose another path")
    return path


class AbsolutePath(click.Path):
    """A path; it names the same file where an environment changes the working folder."""

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, **options)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        """Return the path from the root on; an empty text is no path."""
        if not str(value):
            self.fail("a path is missing", param, ctx)
        return Path(os.fsdecode(super().convert(value, param, ctx))).absolute()


def parse_run(text: str) -> str:
    """Return the name of a run, or the absolute path of its folder."""
    with suppress(OSError):  # The name may be too long for one.
        if Path(text, "config.json").is_file():
            return str(Path(text).absolute())
    return text


PATH = AbsolutePath()
FILE = AbsolutePath(dir_okay=False)
FOLDER = AbsolutePath(file_okay=False)


def path_option(*names: str, **options: Any) -> Callable[[Command], Command]:
    """Return an option whose value is a path."""
    return click.option(*names, **{"type": PATH, **options})


def output_option(*names: str, **options: Any) -> Callable[[Command], Command]:
    """Return an option that names a file to write; its command has FORCE too."""
    return path_option(*names, callback=check_output_file, **{"type": FILE, **options})


def folder_option(*names: str, **options: Any) -> Callable[[Command], Command]:
    """Return an option that names a folder to write into."""
    return path_option(*names, type=FOLDER, callback=check_parents, **options)


def count_option(*names: str, **options: Any) -> Callable[[Command], Command]:
    """Return an option whose value is a whole number of at least 1, also written as 1e6 or 1M."""
    return click.option(*names, metavar="N", callback=parse_count_option, **options)


def _remember_force(ctx: click.Context, param: click.Parameter, force: bool) -> None:
    ctx.meta["force"] = force


FORCE = click.option(
    "--force",
    is_flag=True,
    is_eager=True,  # Parsed before the files that it allows to overwrite.
    expose_value=False,
    callback=_remember_force,
    help="Overwrite files that exist.",
)


def seed_option(help_text: str) -> Callable[[Command], Command]:
    """Return the option --seed, 0 by default."""
    return click.option(
        "-s", "--seed", type=WholeNumber(0), default=0, show_default=True, help=help_text
    )


def episodes_option(help_text: str, default: int, low: int, high: int) -> Callable[..., Command]:
    """Return the option --episodes."""
    return click.option(
        "-n",
        "--episodes",
        type=WholeNumber(low, high),
        default=default,
        show_default=True,
        help=help_text,
    )


DEFAULT_RUNS_DIR = Path("runs")

LATEST_RUN = "latest"
"""The run that was written last (toolkit/run.py)."""


RUNS_DIR = folder_option(
    "--runs-dir", default=DEFAULT_RUNS_DIR, show_default=True, help="Folder of the runs."
)


OUT = output_option("-o", "--out", required=True, help="The video, .mp4 or .gif.")


MAX_SIZE = click.option(
    "--max-size",
    type=WholeNumber(32, 8192),
    help="Largest width and height (pixels); by default 1920.",
)


RESUME = click.option(
    "--resume",
    type=parse_run,
    is_flag=False,
    flag_value=LATEST_RUN,
    metavar="[RUN]",
    help="Resume a run from its latest checkpoint; without a name, the latest unfinished one.",
)


CHECKPOINT = click.option(
    "--checkpoint",
    metavar="STEP",
    help="latest, best or a step; for record also all.  [default: best]",
)


TRANSLATOR = click.option(
    "--translator",
    type=parse_run,
    metavar="RUN",
    help="Run that estimates poses from images.  [default: POLICY itself]",
)


SET = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of the algorithm or of its training.",
)


ENV_SET = click.option(
    "--env-set",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of the environment; see `poise inspect`.",
)


RANDOMIZE_APPEARANCE = click.option(
    "--randomize-appearance",
    multiple=True,
    metavar="KIND=STRENGTH",
    help=(
        "Randomize the images, strength 0 to 1: colours, background, widths, lighting, "
        "camera_jitter, pixel_noise, occluders; or all=1.  [default: 0]"
    ),
)


TRUST = click.option(
    "--trust",
    is_flag=True,
    help="Run the code of modules that files from elsewhere name (SECURITY.md).",
)


ASSIGNMENT_OPTIONS = {
    "env_set": "--env-set",
    "settings": "--set",
    "randomize_appearance": "--randomize-appearance",
}
"""Parameters that hold KEY=VALUE texts, and the option that an error names."""


def evaluation_options(command: Command) -> Command:
    """Add the options of the commands that evaluate runs."""
    as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    return RUNS_DIR(ENV_SET(TRUST(as_json(command))))


def render_options(command: Command) -> Command:
    """Add the options that determine how the video of an episode looks."""
    size = click.option(
        "--size", type=WholeNumber(16, 2160), help="Height and width of the frame (pixels)."
    )
    hud = click.option(
        "--hud", is_flag=True, help="Draw reward terms, margins and action beside it."
    )
    annotate = click.option(
        "--annotate",
        is_flag=True,
        help="Draw curves of rewards, value, actions and margins beside it.",
    )
    slow = click.option(
        "--slow",
        type=Number(0.02, 1.0),
        default=1.0,
        help="Slow motion: 0.25 is a quarter of the speed.",
    )
    return size(hud(annotate(slow(command))))


# Output.


def show(line: str) -> None:
    """Print a line without the control characters that a file's name may hold."""
    from poise.toolkit.errors import remove_control_characters, shorten_paths

    click.echo(remove_control_characters(shorten_paths(line)))


def loading() -> AbstractContextManager[Any]:
    """Show on a terminal that a command is loading, which takes seconds where it needs torch."""
    from poise.toolkit.console import progress_bar

    return progress_bar("loading", quiet=True)


def iterate_under_bar(description: str, results: Iterator[Result]) -> Iterator[Result]:
    """Yield results, and show a bar while each is made; it is gone where one is printed."""
    from poise.toolkit.console import progress_bar

    while True:
        with progress_bar(description, quiet=True):
            result = next(results, None)
        if result is None:
            return
        yield result


def run_under_bar(description: str, work: Callable[[], Result]) -> Result:
    """Do some work while a bar on a terminal shows that it goes on; return its result."""
    from poise.toolkit.console import progress_bar

    with progress_bar(description, quiet=True):
        return work()


# Errors.


def report_errors(command: Command) -> Command:
    """Parse KEY=VALUE options and --trust, and turn errors into one line and an exit code.

    2: the user's input is wrong. 1: the work failed. 128 + number: a signal interrupted it: 130 for
    Ctrl-C, 143 for SIGTERM, 129 for a closed terminal.
    """

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        from poise.toolkit.errors import UserError, WorkError
        from poise.toolkit.process import Interrupted, raise_on_signals

        try:
            with raise_on_signals(), _deciding_trust(kwargs), _plain_warnings():
                return command(*args, **_parse_assignment_options(kwargs))
        except UserError as error:
            _exit_with_error(error, 2)
        except (WorkError, FloatingPointError) as error:
            _exit_with_error(error, 1)
        except BrokenPipeError:  # The reader has read enough, as in `poise list | head -1`.
            raise
        except OSError as error:
            file = f" {error.filename}" if error.filename else ""
            reason = error.strerror or error
            _exit_with_error(f"{reason}{file}; nothing that was finished is lost", 1)
        except Interrupted as interrupt:
            _exit_with_error("interrupted", interrupt.exit_code)
        except MemoryError:
            _exit_with_error("the memory is full; nothing that was finished is lost", 1)
        except KeyboardInterrupt:
            _exit_with_error("interrupted", 130)

    return wrapped


def _parse_assignment_options(options: dict[str, Any]) -> dict[str, Any]:
    parsed = dict(options)
    for name, option in ASSIGNMENT_OPTIONS.items():
        if name in options:
            from poise.toolkit.settings import parse_assignments

            parsed[name] = parse_assignments(options[name], option)
    return parsed


def _deciding_trust(options: dict[str, Any]) -> AbstractContextManager[None]:
    """Take --trust out of the options, where a command has it, and let it decide within a block.

    Without it, the user is asked, if there is a terminal to answer at.
    """
    if "trust" not in options:
        return nullcontext()
    from poise.toolkit.registry import deciding_trust

    is_trusted = options.pop("trust")
    runs_dir = options.get("runs_dir", DEFAULT_RUNS_DIR)
    return deciding_trust(
        lambda module, file: (
            is_trusted or _is_used_by_a_run(module, runs_dir) or _ask_for_trust(module, file)
        )
    )


def _is_used_by_a_run(module: str, runs_dir: Path) -> bool:
    """Return whether the user has trained in an environment of this module: its code ran then."""
    from poise.toolkit.run import list_modules

    return module in list_modules(runs_dir)


def _has_terminal() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()


def _ask_for_trust(module: str, file: Path) -> bool:
    if not _has_terminal():
        return False
    from poise.toolkit.errors import printable

    question = (
        f"{file} comes from elsewhere and would run the code of the module {module!r}. Run it?"
    )
    return click.confirm(printable(question), err=True)


@contextmanager
def _plain_warnings() -> Iterator[None]:
    """Print the warnings of libraries and environments as one line each, without its source."""
    with warnings.catch_warnings():
        warnings.showwarning = _show_warning
        yield


def _show_warning(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    from poise.toolkit.errors import printable

    # Gymnasium colours its warnings, and begins them with a word of its own.
    text = click.unstyle(str(message)).removeprefix("WARN: ")
    click.echo(f"warning: {printable(text)}", err=True)


def _exit_with_error(message: object, code: int) -> NoReturn:
    from poise.toolkit.errors import printable

    click.echo(f"poise: {printable(message, MAX_ERROR_LENGTH)}", err=True)
    sys.exit(code)


def _run_or_explain(run: Callable[[], int | None]) -> int:
    """Return the exit code of a command; explain wrong words in one line."""
    try:
        return run() or 0
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return 2
    except click.UsageError as error:
        from poise.tools.usage import explain_usage_error

        _exit_with_error(explain_usage_error(error), 2)
    except click.Abort:
        _exit_with_error("interrupted", 130)


# Commands.


class PoiseCommand(click.Command):
    """Command with examples in its help."""

    def __init__(self, *args: Any, examples: Sequence[str] = (), **options: Any) -> None:
        super().__init__(*args, **options)
        self.examples = tuple(examples)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Parse the words after the command; words too many are an error with advice."""
        ctx.allow_extra_args = True
        extra_words = super().parse_args(ctx, args)
        if extra_words:
            from poise.tools.usage import ExtraWordsError

            raise ExtraWordsError(extra_words, ctx)
        return extra_words

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples, each in a line of its own."""
        super().format_epilog(ctx, formatter)
        with formatter.section("Examples"):
            for example in self.examples:
                formatter.write(f"  {example}\n")


class PoiseGroup(click.Group):
    """Command group whose errors are one line with advice."""

    command_class = PoiseCommand

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; an unknown one is an error with advice."""
        if self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            from poise.tools.usage import UnknownCommandError

            raise UnknownCommandError(args[0], ctx)
        return super().resolve_command(ctx, args)


class MainGroup(PoiseGroup):
    """The command `poise`, whose help lists the commands by SECTIONS."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Run a command and exit; wrong words are one line and exit code 2."""
        run = partial(super().main, args, prog_name, complete_var, standalone_mode=False, **extra)
        if not standalone_mode:
            return run()
        if args is not None:
            sys.exit(_run_or_explain(run))
        from poise.toolkit.process import exit_on_signals, ignore_signals, limit_shutdown

        exit_on_signals()  # Without `args` this is the program: they are those of the shell.
        try:
            sys.exit(_run_or_explain(run))
        except SystemExit as ending:
            limit_shutdown(ending.code if isinstance(ending.code, int) else 1)
            raise
        finally:
            ignore_signals()

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write one definition list for each section."""
        width = max(len(name) for names in SECTIONS.values() for name in names)
        for title, names in SECTIONS.items():
            rows = [
                (name.ljust(width), self.commands[name].get_short_help_str(limit=70))
                for name in names
            ]
            with formatter.section(title):
                formatter.write_dl(rows)


@click.group(
    cls=MainGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="poise COMMAND --help for the rest.",
)
@click.version_option(package_name="poise", prog_name="poise")
def main() -> None:
    """Poise: bodies that learn to balance, reach and mimic.

    \b
    Start:  poise train cartpole
    Then:   poise play cartpole-ppo-0
    """  # noqa: D301  (\b keeps click from joining the lines)
    try:
        folder = Path.cwd()
    except FileNotFoundError:
        _exit_with_error("the current folder was deleted: change to another one", 2)
    from poise.toolkit.errors import show_paths_from

    show_paths_from(folder)
    # Makes a user's own environment importable from here: my_module:MyEnv-v0.
    sys.path.append(str(folder))


@main.command(
    "list",
    short_help="environments and algorithms",
    examples=("poise list",),
)
@report_errors
def list_envs() -> None:
    """List the environments and the algorithms."""
    from poise.tools.inspect import show_list

    show_list()


@main.command(
    short_help="observations, actions, rewards, settings",
    examples=(
        "poise inspect standing",
        "poise inspect arm7 --env-set task=lift",
        "poise inspect Pendulum-v1",
    ),
)
@click.argument("env")
@ENV_SET
@report_errors
def inspect(env: str, env_set: dict[str, Any]) -> None:
    """Show the observation, action, rewards and settings of ENV."""
    from poise.tools.inspect import show_env

    show_env(env, env_set)


@main.command(
    short_help="train to solved, with a film",
    examples=(
        "poise train cartpole",
        "poise train standing --algo sac --seed 3 --set learning_rate=3e-4",
        "poise train bolla-rolla --steps 1e6 --num-workers 2 --run rider",
        "poise train LunarLander-v3 --minutes 10",
        "poise train Pendulum-v1 --preset ddpg",
        "poise train my_module:MyEnv-v0",
        "poise train --from standing-ppo-0 --env-set friction=0.3",
        "poise train --resume standing-ppo-0",
    ),
)
@click.argument("env", required=False)
@click.option(
    "--algo", metavar="NAME", help="sac, ppo or td3.  [default: the one recommended for ENV]"
)
@count_option(
    "-n",
    "--steps",
    help="Environment steps to train, such as 500000, 5e5 or 500k.  [default: the preset's]",
)
@click.option(
    "--minutes",
    type=float,
    metavar="M",
    help="Minutes to train, evaluations included; without --steps, nothing else limits them.",
)
@click.option(
    "-s",
    "--seed",
    type=int,
    metavar="N",
    help="Seed of weights, exploration and episodes.  [default: 0]",
)
@click.option(
    "--num-envs",
    type=int,
    metavar="N",
    help="Environments that are stepped together.  [default: the preset's]",
)
@click.option(
    "--num-workers",
    type=int,
    metavar="N",
    help="Processes that step them, with the same result.  [default: the preset's]",
)
@SET
@ENV_SET
@click.option(
    "--preset",
    metavar="FILE|NAME",
    help="A YAML file with `training:` and `settings:`, or the name of a variant: ddpg, pixels.",
)
@click.option(
    "--run", "name", metavar="NAME", help="Name of the run.  [default: <env>-<algo>-<seed>]"
)
@RUNS_DIR
@click.option("--device", metavar="NAME", help="auto, cpu, cuda or mps.  [default: auto]")
@click.option("--no-video", is_flag=True, help="Record no video.")
@click.option(
    "--with-translator",
    is_flag=True,
    help="Also train a translator from images to poses, for `poise mimic RUN`.",
)
@click.option(
    "--from",
    "start_from",
    type=parse_run,
    metavar="RUN",
    help="Begin with the networks and settings of RUN; ENV is its own, or one of the same spaces.",
)
@click.option("--keep-going", is_flag=True, help="Train to the last step even when solved.")
@RESUME
@TRUST
@report_errors
def train(env: str | None, **options: Any) -> None:
    """Train on ENV: a name from `poise list`, or any Gymnasium id."""
    from poise.tools.train.command import train_and_show

    sys.exit(train_and_show(env, **options))


@main.command(
    short_help="environments x algorithms x seeds",
    epilog=f"Suites: {', '.join(SUITES)}.",
    examples=(
        "poise benchmark quick",
        "poise benchmark my.yaml --jobs 2 --seeds 5",
    ),
)
@click.argument("suite")
@folder_option(
    "-o", "--out", help="Folder of its runs and results.csv.  [default: benchmarks/SUITE]"
)
@click.option(
    "--jobs", type=WholeNumber(1), help="Runs at the same time; by default one for each core."
)
@click.option(
    "--seeds", type=WholeNumber(1, 1000), help="Number of seeds 0, 1, ..., over the suite's."
)
@TRUST
@report_errors
def benchmark(suite: str, **options: Any) -> None:
    """Train environments x algorithms x variants x seeds; the same command resumes it.

    SUITE is one of those below, or a YAML file.
    """
    from poise.tools.benchmark.runner import run_benchmark

    sys.exit(run_benchmark(suite, **options))


@main.command(
    short_help="watch it in a window, push it, take over",
    examples=(
        "poise play standing-ppo-0",
        "poise play bolla-rolla --speed 0.5",
    ),
)
@click.argument("what", type=parse_run, default=LATEST_RUN, metavar="[RUN|ENV]")
@RUNS_DIR
@CHECKPOINT
@ENV_SET
@click.option(
    "--speed",
    type=Number(0.05, 10.0),
    default=1.0,
    show_default=True,
    help="Factor on real time.",
)
@click.option("--size", type=WholeNumber(64, 2160), help="Height and width of the frame (pixels).")
@seed_option("Seed of the first episode.")
@click.option(
    "--seconds",
    type=Number(0, min_open=True),
    help="Close after this time and print the number of frames.",
)
@TRUST
@report_errors
def play(
    what: str, runs_dir: Path, checkpoint: str | None, env_set: dict[str, Any], **options: Any
) -> None:
    """Open a window on a RUN to watch and disturb it, or on an ENV to control it.

    Without either it is the latest run.
    """
    with loading():
        from poise.tools.play.command import play as run_play

    run_play(what, runs_dir, checkpoint, env_set, **options)


@main.command(
    short_help="a trained body at once, to push about",
    examples=(
        "poise demo",
        "poise demo standing",
        "poise demo cartpole --out cartpole.mp4",
    ),
)
@click.argument("env", required=False)
@output_option("-o", "--out", help="Film an episode into this .mp4 or .gif; open no window.")
@FORCE
@click.option("--size", type=WholeNumber(64, 2160), help="Height and width of the frame (pixels).")
@click.option(
    "--seconds",
    type=Number(0, min_open=True),
    help="Close after this time and print the number of frames.",
)
@report_errors
def demo(env: str | None, **options: Any) -> None:
    """Open a window on a body that is trained already: ENV, or a rider of a board on a ball.

    The number keys go on to the other bodies. Without a display, it is filmed instead.
    """
    with loading():
        from poise.tools.play.command import demo as run_demo

    run_demo(env, **options)


@main.command(
    short_help="film an episode, and what it thinks",
    examples=(
        "poise record standing-ppo-0 --annotate",
        "poise record standing-ppo-0 -o fall.gif --size 240 --seed 7",
        "poise record standing-ppo-0 --checkpoint all --montage learned.png",
    ),
)
@click.argument("run", type=parse_run, default=LATEST_RUN, metavar="[RUN]")
@RUNS_DIR
@CHECKPOINT
@output_option(
    "-o",
    "--out",
    type=PATH,
    help="The video, or a folder for all.  [default: in the run's videos/]",
)
@click.option("-s", "--seed", type=WholeNumber(0), help="Seed of the episode.")
@render_options
@click.option(
    "--ghost",
    type=parse_run,
    metavar="RUN",
    help="Draw this run too, transparent, from the same start.",
)
@output_option("--montage", help="With --checkpoint all: one video or .png of all.")
@output_option("--tape", help="Save the episode itself too: a few kilobytes.")
@FORCE
@ENV_SET
@TRUST
@report_errors
def record(run: str, **options: Any) -> None:
    """Record an episode of RUN, or of the latest run, as .mp4 or .gif.

    --checkpoint all shows the learning.
    """
    with loading():
        from poise.tools.record.record_savings import record as record_savings

    for video in iterate_under_bar(f"recording {run}", record_savings(run, **options)):
        show(f"video: {video}")


@main.command(
    short_help="one page: films, falls, curves, settings",
    examples=(
        "poise report standing-ppo-0",
        "poise report standing-ppo-0 standing-sac-0 -o page.html",
    ),
)
@click.argument("runs", type=parse_run, nargs=-1, default=(LATEST_RUN,), metavar="[RUN...]")
@output_option("-o", "--out", help="The page, .html.  [default: <run>-report.html]")
@FORCE
@episodes_option("Evaluation episodes of each run.", 20, 1, 1000)
@RUNS_DIR
@TRUST
@report_errors
def report(runs: tuple[str, ...], **options: Any) -> None:
    """Write RUNs of one environment, or the latest run, to one page that opens offline."""
    with loading():
        from poise.tools.report.report import write_report

    path = run_under_bar("writing the report", lambda: write_report(runs, **options))
    show(f"report: {path}")


@main.command(
    short_help="learning curves, losses, reward terms",
    examples=(
        "poise plot standing-ppo-0",
        "poise plot standing-ppo-0 standing-sac-0 --by seconds",
        "poise plot standing-ppo-0 --kind losses -o losses.svg",
        "poise plot benchmarks/quick",
    ),
)
@click.argument(
    "what", type=parse_run, nargs=-1, default=(LATEST_RUN,), metavar="[RUN...|FOLDER|CSV]"
)
@RUNS_DIR
@click.option(
    "--by",
    type=click.Choice(["steps", "episodes", "seconds"]),
    default="steps",
    show_default=True,
    help="The x axis.",
)
@click.option(
    "--kind",
    type=click.Choice(["returns", "evaluation", "rewards", "losses"]),
    default="returns",
    show_default=True,
    help="The kind of curves.",
)
@click.option(
    "--measure",
    type=click.Choice(["return", "success", "length"]),
    default="return",
    show_default=True,
    help="The y axis of --kind returns.",
)
@output_option("-o", "--out", help="The figure, .png, .svg or .pdf.  [default: <run>-<kind>.png]")
@FORCE
@TRUST
@report_errors
def plot(
    what: tuple[str, ...], runs_dir: Path, by: str, kind: str, measure: str, out: Path | None
) -> None:
    """Plot curves of runs, of a folder of runs, of a benchmark, or of a results.csv.

    Without any it is the latest run.
    """
    with loading():
        from poise.tools.plot.plot import plot as plot_curves

    path = run_under_bar("plotting", lambda: plot_curves(what, runs_dir, by, out, kind, measure))
    show(f"plot: {path}")


@main.group(
    cls=PoiseGroup,
    invoke_without_command=True,
    short_help="a table of all runs; rm removes some",
)
@RUNS_DIR
@click.option("--env", metavar="TEXT", help="Only runs whose environment's name has this text.")
@click.option("--algo", metavar="NAME", help="Only runs of this algorithm.")
@click.option("--unfinished", is_flag=True, help="Only runs whose training has not ended.")
@click.option(
    "--sort",
    type=click.Choice(["written", "run", "env", "algo", "steps", "best", "solved", "size"]),
    default="written",
    show_default=True,
    help="The column to sort by.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
@report_errors
def runs(ctx: click.Context, **options: Any) -> None:
    """List the runs of a folder, those that were written last first."""
    if ctx.invoked_subcommand is None:
        from poise.tools.runs import show_runs

        show_runs(**options)


@runs.command(
    name="rm", short_help="remove runs", examples=("poise runs rm cartpole-ppo-0 cartpole-ppo-1",)
)
@click.argument("names", type=parse_run, nargs=-1, required=True, metavar="RUN...")
@RUNS_DIR
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@report_errors
def remove_runs(names: tuple[str, ...], runs_dir: Path, *, yes: bool) -> None:
    """Remove RUNs, after a question. What Poise has not written stays."""
    from poise.tools.runs import describe_runs
    from poise.tools.runs import remove_runs as remove

    question = f"remove {describe_runs(names, runs_dir)}?"
    if not yes:
        if not _has_terminal():
            raise click.UsageError(f"{question} Add --yes: there is no terminal to ask at")
        if not click.confirm(question, err=True):
            return
    remove(names, runs_dir)


@main.command(
    short_help="fixed episodes, beside a random policy",
    examples=(
        "poise evaluate standing-ppo-0",
        "poise evaluate standing-ppo-0 -n 100 --json",
        "poise evaluate standing-ppo-0 --checkpoint latest --env-set gravity=12",
    ),
)
@click.argument("run", type=parse_run, default=LATEST_RUN, metavar="[RUN]")
@CHECKPOINT
@episodes_option("Number of episodes.", 20, 1, 10_000)
@count_option("--steps", help="Truncate episodes after so many steps.")
@evaluation_options
@report_errors
def evaluate(run: str, **options: Any) -> None:
    """Evaluate the policy of RUN, or of the latest run, on episodes with fixed seeds.

    A random policy stands beside it.
    """
    from poise.tools.evaluate.evaluate import evaluate_and_show

    evaluate_and_show(run, **options)


@main.command(
    short_help="which of two runs is better, and how sure",
    examples=("poise compare standing-ppo-0 standing-sac-0 -n 100",),
)
@click.argument("one", type=parse_run, metavar="RUN")
@click.argument("two", type=parse_run, metavar="RUN")
@click.option(
    "--checkpoint",
    nargs=2,
    metavar="STEP STEP",
    help="Checkpoint of each run: latest, best or a step.  [default: best]",
)
@episodes_option("Number of episodes.", 20, 5, 10_000)
@evaluation_options
@report_errors
def compare(one: str, two: str, **options: Any) -> None:
    """Compare two runs of one environment on the same episodes, with a confidence interval."""
    from poise.tools.evaluate.compare import compare_and_show

    compare_and_show(one, two, **options)


@main.command(
    short_help="the largest push that it survives",
    examples=("poise robustness standing-ppo-0",),
)
@click.argument("run", type=parse_run, default=LATEST_RUN, metavar="[RUN]")
@CHECKPOINT
@episodes_option("Episodes for each push and each change.", 5, 1, 1000)
@output_option(
    "-o", "--out", help="The figure, .png, .svg or .pdf.  [default: <run>-robustness.png]"
)
@FORCE
@evaluation_options
@report_errors
def robustness(run: str, **options: Any) -> None:
    """Measure which pushes, masses, frictions and gravities the policy of RUN withstands.

    Without a name it is the latest run.
    """
    from poise.tools.evaluate.robustness_plot import measure_and_show

    measure_and_show(run, **options)


@main.command(
    short_help="pictures of a body beside its joints",
    examples=(
        "poise dataset reacher2d -o pictures",
        "poise dataset reacher2d -o varied --randomize-appearance all=1",
    ),
)
@click.argument("env")
@folder_option("-o", "--out", required=True, help="Folder of the dataset.")
@count_option("-n", "--frames", default="50000", show_default=True, help="Number of images.")
@click.option(
    "--size",
    type=WholeNumber(16, 1024),
    default=64,
    show_default=True,
    help="Height and width of each image (pixels).",
)
@click.option(
    "--policy",
    type=parse_run,
    metavar="RUN",
    default="random",
    show_default=True,
    help="Policy of the body: random, or a RUN.",
)
@click.option(
    "--sequences",
    type=WholeNumber(1),
    default=10,
    show_default=True,
    help="Frames of each episode.",
)
@seed_option("Seed of the episodes.")
@RANDOMIZE_APPEARANCE
@click.option("--jobs", type=WholeNumber(1), help="Processes; by default one for each core.")
@RUNS_DIR
@ENV_SET
@TRUST
@report_errors
def dataset(env: str, **options: Any) -> None:
    """Collect images of ENV with its signals; the same command resumes it."""
    from poise.tools.translate.command import collect_and_show

    collect_and_show(env, **options)


@main.group(cls=PoiseGroup, short_help="learn to read joints from a picture")
def translate() -> None:
    """Train and evaluate translators, which estimate joint states from images."""


@translate.command(
    name="train",
    examples=(
        "poise translate train pictures --run eye",
        "poise translate train pictures --set kind=convlstm",
        "poise translate train --resume eye",
    ),
)
@click.argument("dataset", type=PATH, required=False)
@SET
@click.option(
    "--run", "name", metavar="NAME", help="Name of the run.  [default: <env>-translator-<seed>]"
)
@RESUME
@RUNS_DIR
@TRUST
@report_errors
def translate_train(dataset: Path | None, **options: Any) -> None:
    """Train a translator on DATASET until its error on held-out episodes is small."""
    from poise.tools.translate.command import train_and_show

    train_and_show(dataset, **options)


@translate.command(
    name="evaluate",
    examples=("poise translate evaluate eye pictures --map map.png",),
)
@click.argument("run", type=parse_run)
@click.argument("dataset", type=PATH)
@output_option("--worst", help="Draw the frames with the largest errors into this image.")
@output_option("--map", "drawn", help="Draw the error over all poses of the arms.")
@FORCE
@click.option(
    "--beside",
    type=parse_run,
    metavar="RUN",
    help="Compare speeds with differences of the poses of this translator.",
)
@RUNS_DIR
@TRUST
@report_errors
def translate_evaluate(run: str, dataset: Path, **options: Any) -> None:
    """Evaluate RUN's translator on held-out episodes of DATASET, beside predicting the mean."""
    from poise.tools.translate.command import evaluate_and_show

    evaluate_and_show(run, dataset, **options)


@main.command(
    short_help="move to what a picture shows",
    examples=(
        "poise mimic mover --translator eye --image pose.png -o mimic.mp4",
        "poise mimic mover --translator eye --random 3",
    ),
)
@click.argument("policy", type=parse_run)
@TRANSLATOR
@click.option(
    "--image",
    multiple=True,
    type=PATH,
    help="Picture of a pose, PNG, JPEG or another format, of any size.",
)
@path_option("--video", help="Video to follow.")
@click.option(
    "--trajectory",
    type=Number(0.1, 3600.0),
    metavar="SECONDS",
    help="Follow a smooth trajectory whose joint angles are known.",
)
@path_option("--dataset", help="Take held-out poses of a dataset.")
@click.option(
    "-n",
    "--random",
    "number",
    type=WholeNumber(1),
    help="Number of random poses; of a dataset 100 by default.",
)
@output_option("--template", help="Write a PNG to draw a pose on, and stop.")
@output_option("-o", "--out", help="Record the targets and the robot side by side.")
@FORCE
@click.option(
    "--size",
    type=WholeNumber(32, 1080),
    default=320,
    show_default=True,
    help="Height of the video (pixels).",
)
@RUNS_DIR
@TRUST
@report_errors
def mimic(policy: str, **options: Any) -> None:
    """Move POLICY's robot to the poses that the translator estimates from images."""
    with loading():
        from poise.tools.mimic.command import mimic_and_show

    mimic_and_show(policy, **options)


@main.command(
    short_help="one is led, the other copies it",
    examples=(
        "poise duel mover --translator eye",
        "poise duel mover --translator eye --by trajectory -o duel.gif",
    ),
)
@click.argument("policy", type=parse_run)
@TRANSLATOR
@click.option(
    "--by",
    type=click.Choice(["keys", "policy", "trajectory"]),
    help="What moves the leader.  [default: keys; for a video policy]",
)
@output_option("-o", "--out", help="Record a video, without a window.")
@FORCE
@click.option("--seconds", type=Number(0.1, 3600.0), help="Length of the video (s); by default 10.")
@click.option(
    "--size",
    type=WholeNumber(64, 1080),
    default=480,
    show_default=True,
    help="Height of the frame (pixels).",
)
@seed_option("Seed of both start states.")
@RUNS_DIR
@TRUST
@report_errors
def duel(policy: str, **options: Any) -> None:
    """Show two robots face to face: one is led, the other mirrors what it observes of it."""
    with loading():
        from poise.tools.mimic.command import duel_and_show

    duel_and_show(policy, **options)


@main.command(
    short_help="film a tape again, at any size",
    examples=("poise replay fall.tape --size 1080",),
)
@click.argument("tape", metavar="FILE", type=PATH)
@output_option("-o", "--out", help="The video.  [default: beside the tape]")
@FORCE
@render_options
@TRUST
@report_errors
def replay(tape: Path, **options: Any) -> None:
    """Record the episode of the tape FILE again, at any size."""
    with loading():
        from poise.tools.record.record_run import render_tape

    path = run_under_bar(f"replaying {tape}", lambda: render_tape(tape, **options))
    show(f"video: {path}")


@main.command(
    short_help="many films in one",
    examples=(
        "poise combine a.mp4 b.mp4 -o both.mp4",
        "poise combine a.mp4 b.mp4 --layout sequence -o film.gif",
    ),
)
@click.argument("videos", nargs=-1, required=True, metavar="VIDEO...", type=PATH)
@OUT
@FORCE
@click.option(
    "--layout",
    type=click.Choice(["grid", "sequence"]),
    default="grid",
    show_default=True,
    help="Side by side, or one after the other with titles.",
)
@click.option(
    "--columns", type=WholeNumber(1), help="Columns of the grid; by default as many as rows."
)
@click.option(
    "--caption",
    "captions",
    multiple=True,
    help="One for each video, or '' for none.  [default: run and step]",
)
@MAX_SIZE
@click.option(
    "--fps",
    type=WholeNumber(1, 240),
    help="Frames per second; by default the highest of the videos, at most 60.",
)
@report_errors
def combine(videos: tuple[Path, ...], **options: Any) -> None:
    """Combine videos into one: side by side, or one after the other with titles."""
    with loading():
        from poise.tools.record.combine_recordings import combine as combine_recordings

    path = run_under_bar(
        f"combining {len(videos)} videos", lambda: combine_recordings(videos, **options)
    )
    show(f"video: {path}")


@main.command(
    short_help="a film of pictures",
    examples=("poise images-to-video frames -o film.mp4 --fps 10",),
)
@click.argument("folder", metavar="DIR", type=PATH)
@OUT
@FORCE
@MAX_SIZE
@click.option("--fps", type=WholeNumber(1, 240), help="Images per second; by default 25.")
@report_errors
def images_to_video(folder: Path, **options: Any) -> None:
    """Make a video of the images in DIR, ordered by number or date."""
    with loading():
        from poise.tools.record.images_to_video import images_to_video as convert_images

    path = run_under_bar(
        f"reading the images of {folder}", lambda: convert_images(folder, **options)
    )
    show(f"video: {path}")


@main.command(
    short_help="what works on this machine",
    examples=("poise doctor", "poise doctor --report"),
)
@click.option(
    "--report",
    is_flag=True,
    help="Print a text for a bug report: versions, machine, last run; no names, no folders.",
)
@RUNS_DIR
@report_errors
def doctor(report: bool, runs_dir: Path) -> None:
    """Check this machine: packages, rendering, videos, window, devices."""
    from poise.tools.doctor import show_doctor, show_report

    sys.exit(show_report(runs_dir) if report else show_doctor())


if __name__ == "__main__":
    main()
