"""The `poise` command: it parses the user's words and calls. Everything heavy is imported when it is needed."""

import os
import sys
from collections.abc import Callable
from functools import wraps
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]


RUNS_DIR = click.option(
    "--runs-dir",
    type=click.Path(path_type=Path),
    default=Path("runs"),
    show_default=True,
    help="Where runs lie.",
)


OUT = click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The film, .mp4 or .gif."
)


MAX_SIZE = click.option(
    "--max-size",
    type=click.IntRange(32, 8192),
    help="Width and height at most (pixels).  [default: 1920]",
)


CHECKPOINT = click.option(
    "--checkpoint",
    metavar="STEP",
    help="latest, best, a step; or all, to record.  [default: the best]",
)


TRANSLATOR = click.option(
    "--translator", metavar="RUN", help="The run that reads pictures.  [default: POLICY itself]"
)


ASSIGNMENT_OPTIONS = {"env_set": "--env-set", "settings": "--set", "randomize_appearance": "--vary"}


SET = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of what learns, or of its training.",
)


ENV_SET = click.option(
    "--env-set",
    multiple=True,
    metavar="KEY=VALUE",
    help="A setting of the environment; see `poise inspect`.",
)


def evaluation_options(command: Command) -> Command:
    """Give a command the options of those that judge runs."""
    as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    return RUNS_DIR(ENV_SET(as_json(command)))


def render_options(command: Command) -> Command:
    """Give a command the options that say how a film of an episode looks."""
    size = click.option(
        "--size", type=click.IntRange(16, 2160), help="Height and width of the picture (pixels)."
    )
    hud = click.option(
        "--hud", is_flag=True, help="Draw time, return, reward terms, actions and margins over it."
    )
    annotate = click.option(
        "--annotate", is_flag=True, help="Beside it, lines of rewards, value, actions and margins."
    )
    slow = click.option(
        "--slow",
        type=click.FloatRange(0.02, 1.0),
        default=1.0,
        help="Slow motion: 0.25 is a quarter of the speed.",
    )
    return size(hud(annotate(slow(command))))


def report_errors(command: Command) -> Command:
    """Turn KEY=VALUE into values, and errors into one line and the right exit code: 2 for wrong words, 1 for work that failed."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        from poise.toolkit.errors import UserError, WorkError

        try:
            for name, option in ASSIGNMENT_OPTIONS.items():
                if name in kwargs:
                    from poise.toolkit.settings import parse_assignments

                    kwargs[name] = parse_assignments(kwargs[name], option)
            return command(*args, **kwargs)
        except UserError as error:
            _exit_with_error(error, 2)
        except (WorkError, FloatingPointError) as error:
            _exit_with_error(error, 1)
        except OSError as error:
            place = f" {error.filename}" if error.filename else ""
            _exit_with_error(
                f"{error.strerror or error}{place}; nothing that was finished is lost", 1
            )
        except KeyboardInterrupt:
            _exit_with_error("interrupted", 130)

    return wrapped


def _exit_with_error(message: object, code: int) -> None:
    click.echo(f"poise: {' '.join(str(message).split())}", err=True)
    sys.exit(code)


os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")


RANDOMIZE_HELP = (
    "Vary the pictures, 0 to 1: colours, background, widths, lighting, camera_jitter, pixel_noise, occluders; or all=1."
    "  [default: 0]"
)


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="poise", prog_name="poise")
def main() -> None:
    """Poise: bodies that learn to balance, reach and mimic.

    Start with:  poise train cartpole
    """
    sys.path.append(
        str(Path.cwd())
    )  # Where an environment of the user's own may lie, my_module:MyEnv-v0.


@main.command("list")
@report_errors
def list_envs() -> None:
    """List the environments and the algorithms."""
    from poise.tools.inspect import show_list

    show_list()


@main.command()
@click.argument("env")
@ENV_SET
@report_errors
def inspect(env: str, env_set: dict[str, Any]) -> None:
    """Show what ENV sees, does, pays and lets you set."""
    from poise.tools.inspect import show_env

    show_env(env, env_set)


@main.command()
@report_errors
def doctor() -> None:
    """Check this machine: packages, drawing, films, window, devices."""
    from poise.tools.doctor import show_doctor

    sys.exit(show_doctor())


@main.command()
@click.argument("env", required=False)
@click.option("--algo", help="sac, ppo or td3.  [default: the one recommended for the environment]")
@click.option("--steps", type=int, help="Steps to train.  [default: the preset's]")
@click.option("--seed", type=int, help="Seed of everything that chance decides.  [default: 0]")
@click.option("--num-envs", type=int, help="Environments side by side.  [default: the preset's]")
@click.option(
    "--num-workers",
    type=int,
    help="Processes that step them; the outcome is the same.  [default: the preset's]",
)
@SET
@ENV_SET
@click.option(
    "--preset",
    help="A YAML file with `training:` and `settings:`, or the name of a variant: ddpg, pixels.",
)
@click.option("--run", "name", help="Name of the run.  [default: <env>-<algo>-<seed>]")
@RUNS_DIR
@click.option("--device", help="auto, cpu, cuda or mps.  [default: auto]")
@click.option("--no-video", is_flag=True, help="Make no film.")
@click.option(
    "--with-translator",
    is_flag=True,
    help="Learn to read poses from pictures beside it, for `poise mimic RUN`.",
)
@click.option("--keep-going", is_flag=True, help="Train to the last step even when solved.")
@click.option("--resume", metavar="RUN", help="Go on with a run, exactly where it stopped.")
@report_errors
def train(env: str | None, **words: Any) -> None:
    """Train on ENV: a name from `poise list`, or any Gymnasium id."""
    from poise.tools.train.command import train_and_show

    sys.exit(train_and_show(env, **words))


@main.command()
@click.argument("what")
@RUNS_DIR
@CHECKPOINT
@ENV_SET
@click.option(
    "--speed",
    type=click.FloatRange(0.05, 10.0),
    default=1.0,
    show_default=True,
    help="How fast time goes.",
)
@click.option(
    "--size", type=click.IntRange(64, 2160), help="Height and width of the picture (pixels)."
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Seed of the first episode.",
)
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    help="Close by itself, and tell how many frames were shown.",
)
@report_errors
def play(
    what: str, runs_dir: Path, checkpoint: str | None, env_set: dict[str, Any], **looks: Any
) -> None:
    """Open a window: watch a RUN balance, disturb it, take over; or take the controls of an ENV yourself."""
    from poise.tools.play.command import play as run_play

    run_play(what, runs_dir, checkpoint, env_set, **looks)


@main.command()
@click.argument("run")
@RUNS_DIR
@CHECKPOINT
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The film, or a folder for all.  [default: in the run's videos/]",
)
@click.option("--seed", type=click.IntRange(0), help="Seed of the episode.")
@render_options
@click.option("--ghost", metavar="RUN", help="Show this run too, from the same start, as a ghost.")
@click.option(
    "--montage",
    type=click.Path(path_type=Path),
    help="With --checkpoint all: all in one film, or on a .png to print.",
)
@click.option(
    "--tape", type=click.Path(path_type=Path), help="Keep the episode itself too: a few kilobytes."
)
@ENV_SET
@report_errors
def record(run: str, **words: Any) -> None:
    """Film an episode of RUN's policy, as an .mp4 or a .gif; with --checkpoint all, how it learned."""
    from poise.tools.record.record_savings import record as run_record

    for path in run_record(run, **words):
        click.echo(f"film: {path}")


@main.command()
@click.argument("tape", metavar="FILE", type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="The film.  [default: beside the tape]"
)
@render_options
@report_errors
def replay(tape: Path, **words: Any) -> None:
    """Film an episode again from its tape FILE, as large as you like."""
    from poise.tools.record.record_run import render_tape

    click.echo(f"film: {render_tape(tape, **words)}")


@main.command()
@click.argument(
    "videos", nargs=-1, required=True, metavar="VIDEO...", type=click.Path(path_type=Path)
)
@OUT
@click.option(
    "--layout",
    type=click.Choice(["grid", "sequence"]),
    default="grid",
    help="Side by side, or with titles between.",
)
@click.option(
    "--columns", type=click.IntRange(1), help="Columns of the grid.  [default: as many as rows]"
)
@click.option(
    "--caption",
    "captions",
    multiple=True,
    help="One for each film, or '' for none.  [default: the file names]",
)
@MAX_SIZE
@click.option(
    "--fps",
    type=click.IntRange(1, 240),
    help="Frames in a second.  [default: the quickest film's, 60 at most]",
)
@report_errors
def combine(videos: tuple[Path, ...], **words: Any) -> None:
    """Put many films into one: side by side, or one after the other with titles."""
    from poise.tools.record.combine_recordings import combine as run_combine

    click.echo(f"film: {run_combine(videos, **words)}")


@main.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@OUT
@MAX_SIZE
@click.option("--fps", type=click.IntRange(1, 240), help="Pictures in a second.  [default: 25]")
@report_errors
def images_to_video(folder: Path, **words: Any) -> None:
    """Make a film of the pictures in DIR, in the order of their numbers or dates."""
    from poise.tools.record.images_to_video import images_to_video as run_images_to_video

    click.echo(f"film: {run_images_to_video(folder, **words)}")


@main.command()
@click.argument("run")
@CHECKPOINT
@click.option(
    "--episodes",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="Episodes to live.",
)
@click.option("--steps", type=click.IntRange(1), help="Cut them after so many steps.")
@evaluation_options
@report_errors
def evaluate(run: str, **words: Any) -> None:
    """Judge RUN's policy on episodes with fixed seeds, beside a random policy."""
    from poise.tools.evaluate.evaluate import evaluate_and_show

    evaluate_and_show(run, **words)


@main.command()
@click.argument("one", metavar="RUN")
@click.argument("two", metavar="RUN")
@click.option(
    "--checkpoint",
    nargs=2,
    metavar="STEP STEP",
    help="Of each: latest, best or a step.  [default: the best]",
)
@click.option(
    "--episodes",
    type=click.IntRange(5, 10_000),
    default=20,
    show_default=True,
    help="Episodes to live.",
)
@evaluation_options
@report_errors
def compare(one: str, two: str, **words: Any) -> None:
    """Compare two runs of one environment on the same episodes: which is better, and how sure that is."""
    from poise.tools.evaluate.compare import compare_and_show

    compare_and_show(one, two, **words)


@main.command()
@click.argument("run")
@CHECKPOINT
@click.option(
    "--episodes",
    type=click.IntRange(1, 1000),
    default=5,
    show_default=True,
    help="Starts of each push and change.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("robustness.png"),
    show_default=True,
    help="The picture.",
)
@evaluation_options
@report_errors
def robustness(run: str, **words: Any) -> None:
    """Push RUN's body from all sides, and change mass, friction and gravity: what does its policy withstand."""
    from poise.tools.evaluate.robustness_plot import measure_and_show

    measure_and_show(run, **words)


@main.command()
@click.argument("env")
@click.option(
    "--out", type=click.Path(path_type=Path), required=True, help="The folder it is written to."
)
@click.option(
    "--frames", type=click.IntRange(1), default=50_000, show_default=True, help="How many pictures."
)
@click.option(
    "--size",
    type=click.IntRange(16, 1024),
    default=64,
    show_default=True,
    help="Height and width of each (pixels).",
)
@click.option(
    "--policy", default="random", show_default=True, help="What moves the body: random, or a RUN."
)
@click.option(
    "--sequences",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Frames of each episode.",
)
@click.option(
    "--seed",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Another seed, other episodes.",
)
@click.option(
    "--vary", "randomize_appearance", multiple=True, metavar="KIND=STRENGTH", help=RANDOMIZE_HELP
)
@click.option("--jobs", type=click.IntRange(1), help="Processes.  [default: one for each core]")
@RUNS_DIR
@ENV_SET
@report_errors
def dataset(env: str, **words: Any) -> None:
    """Collect pictures of ENV beside its signals; run again, it goes on where it was stopped."""
    from poise.tools.translate.command import collect_and_show

    collect_and_show(env, **words)


@main.group()
def translate() -> None:
    """Learn to read a body's joints from its picture."""


@translate.command(name="train")
@click.argument("dataset", type=click.Path(path_type=Path), required=False)
@SET
@click.option("--run", "name", help="The run's name.")
@click.option("--resume", help="Go on with this RUN.")
@RUNS_DIR
@report_errors
def translate_train(dataset: Path | None, **words: Any) -> None:
    """Train a translator on DATASET until its error on held-out episodes is small; Ctrl-C saves."""
    from poise.tools.translate.command import train_and_show

    train_and_show(dataset, **words)


@translate.command(name="evaluate")
@click.argument("run")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option(
    "--worst", type=click.Path(path_type=Path), help="Draw the worst frames into this picture."
)
@click.option(
    "--map",
    "drawn",
    type=click.Path(path_type=Path),
    help="Draw the error over all that the arms can do.",
)
@click.option(
    "--beside", metavar="RUN", help="Compare speeds with differences of what this translator reads."
)
@RUNS_DIR
@report_errors
def translate_evaluate(run: str, dataset: Path, **words: Any) -> None:
    """Judge RUN's translator on the held-out episodes of DATASET, joint by joint, beside always saying the mean."""
    from poise.tools.translate.command import evaluate_and_show

    evaluate_and_show(run, dataset, **words)


@main.command()
@click.argument("policy")
@TRANSLATOR
@click.option(
    "--image",
    multiple=True,
    type=click.Path(path_type=Path),
    help="A picture of a pose, PNG or JPEG, of any size.",
)
@click.option("--video", type=click.Path(path_type=Path), help="A film to follow.")
@click.option(
    "--trajectory",
    type=click.FloatRange(0.1, 3600.0),
    metavar="SECONDS",
    help="Follow a smooth path of known truth.",
)
@click.option(
    "--dataset", type=click.Path(path_type=Path), help="Take held-out poses of a dataset."
)
@click.option(
    "--random",
    "number",
    type=click.IntRange(1),
    help="Take so many poses; of a dataset, 100 when not said.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Film what it sees and what it does, side by side.",
)
@click.option(
    "--size",
    type=click.IntRange(32, 1080),
    default=320,
    show_default=True,
    help="Height of the film (pixels).",
)
@RUNS_DIR
@report_errors
def mimic(policy: str, **words: Any) -> None:
    """See a pose, take the pose: POLICY moves to what the translator reads from pictures."""
    from poise.tools.mimic.command import mimic_and_show

    mimic_and_show(policy, **words)


@main.command()
@click.argument("policy")
@TRANSLATOR
@click.option(
    "--by",
    type=click.Choice(["keys", "policy", "trajectory"]),
    help="What leads.  [default: keys; for a film policy]",
)
@click.option("--out", type=click.Path(path_type=Path), help="Film it, without a window.")
@click.option(
    "--seconds", type=click.FloatRange(0.1, 3600.0), help="How long the film lasts.  [default: 10]"
)
@click.option(
    "--size",
    type=click.IntRange(64, 1080),
    default=480,
    show_default=True,
    help="Height of the picture (pixels).",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of how both begin."
)
@RUNS_DIR
@report_errors
def duel(policy: str, **words: Any) -> None:
    """Two robots face to face: one is led, the other copies what it sees of it, as a mirror does."""
    from poise.tools.mimic.command import duel_and_show

    duel_and_show(policy, **words)


def _list_suites() -> list[str]:
    """Return the names of the benchmark suites in the package."""
    suites = files("poise.tools.benchmark") / "suites"
    return sorted(Path(file.name).stem for file in suites.iterdir())


@main.command(epilog=f"Suites: {', '.join(_list_suites())}.")
@click.argument("suite")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Where its runs and results.csv lie.  [default: benchmarks/SUITE]",
)
@click.option("--jobs", type=click.IntRange(1), help="Runs at once.  [default: one for each core]")
@click.option(
    "--seeds",
    type=click.IntRange(1, 1000),
    help="Seeds 0, 1, ...: so many, instead of the suite's.",
)
@report_errors
def benchmark(suite: str, **how: Any) -> None:
    """Train environments x algorithms x variants x seeds: SUITE is named below or a YAML file. Given again, it goes on."""
    from poise.tools.benchmark.runner import run_benchmark

    sys.exit(run_benchmark(suite, **how))


@main.command()
@click.argument("what", nargs=-1, required=True)
@RUNS_DIR
@click.option(
    "--by",
    type=click.Choice(["steps", "episodes", "seconds"]),
    default="steps",
    show_default=True,
    help="Over what.",
)
@click.option(
    "--kind",
    type=click.Choice(["returns", "evaluation", "rewards", "losses"]),
    default="returns",
    help="Of what.",
)
@click.option(
    "--measure",
    type=click.Choice(["return", "success", "length"]),
    default="return",
    help="Instead of returns.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("curves.png"),
    show_default=True,
    help=".png, .svg or .pdf.",
)
@report_errors
def plot(
    what: tuple[str, ...], runs_dir: Path, by: str, kind: str, measure: str, out: Path
) -> None:
    """Plot returns or another kind of curve of WHAT: runs of one environment, or one benchmark, folder of runs or results.csv."""
    from poise.tools.plot.plot import plot as run_plot

    click.echo(f"plot: {run_plot(what, runs_dir, by, out, kind, measure)}")


@main.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@click.option("--out", type=click.Path(path_type=Path), required=True, help="The page, .html.")
@click.option(
    "--episodes",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="Episodes to judge each run by.",
)
@RUNS_DIR
@report_errors
def report(runs: tuple[str, ...], **words: Any) -> None:
    """Put RUNs of one environment on one page that opens offline: films, curves, settings, and why they fell."""
    from poise.tools.report.report import write_report as run_report

    click.echo(f"report: {run_report(runs, **words)}")


if __name__ == "__main__":
    main()
