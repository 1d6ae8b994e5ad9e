"""The `poise` command: options, error reporting, and one short function for each command.

A command imports what it calls when it runs, so that `poise --help` loads nothing heavy.
"""

import os
import sys
from collections.abc import Callable
from functools import wraps
from importlib.resources import files
from pathlib import Path
from typing import Any

import click

os.environ.setdefault("PYGAME_HIDE_SUPPORT_PROMPT", "1")

Command = Callable[..., Any]


SECTIONS = {
    "Train": ("list", "inspect", "train", "benchmark"),
    "Watch": ("play", "record", "report", "plot"),
    "Evaluate": ("evaluate", "compare", "robustness"),
    "Poses from images": ("dataset", "translate", "mimic", "duel"),
    "Videos and this machine": ("replay", "combine", "images-to-video", "doctor"),
}
"""Commands in the order of the work, as `poise --help` lists them."""


SUITES = sorted(
    Path(file.name).stem for file in (files("poise.tools.benchmark") / "suites").iterdir()
)


# Options that several commands share.


def path_option(name: str, **options: Any) -> Callable[[Command], Command]:
    """Return an option whose value is a path."""
    return click.option(name, type=click.Path(path_type=Path), **options)


def seed_option(help_text: str) -> Callable[[Command], Command]:
    """Return the option --seed, 0 by default."""
    return click.option(
        "--seed", type=click.IntRange(0), default=0, show_default=True, help=help_text
    )


RUNS_DIR = path_option(
    "--runs-dir", default=Path("runs"), show_default=True, help="Folder of the runs."
)


OUT = path_option("--out", required=True, help="The video, .mp4 or .gif.")


MAX_SIZE = click.option(
    "--max-size",
    type=click.IntRange(32, 8192),
    help="Largest width and height (pixels).  [default: 1920]",
)


CHECKPOINT = click.option(
    "--checkpoint",
    metavar="STEP",
    help="latest, best or a step; for record also all.  [default: best]",
)


TRANSLATOR = click.option(
    "--translator",
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


ASSIGNMENT_OPTIONS = {
    "env_set": "--env-set",
    "settings": "--set",
    "randomize_appearance": "--randomize-appearance",
}
"""Parameters that hold KEY=VALUE texts, and the option that an error names."""


def evaluation_options(command: Command) -> Command:
    """Add the options of the commands that evaluate runs."""
    as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    return RUNS_DIR(ENV_SET(as_json(command)))


def render_options(command: Command) -> Command:
    """Add the options that determine how the video of an episode looks."""
    size = click.option(
        "--size", type=click.IntRange(16, 2160), help="Height and width of the frame (pixels)."
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
        type=click.FloatRange(0.02, 1.0),
        default=1.0,
        help="Slow motion: 0.25 is a quarter of the speed.",
    )
    return size(hud(annotate(slow(command))))


# Errors.


def report_errors(command: Command) -> Command:
    """Parse KEY=VALUE options, and turn errors into one line and an exit code.

    2: the user's input is wrong. 1: the work failed. 130: interrupted.
    """

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        from poise.toolkit.errors import UserError, WorkError

        try:
            return command(*args, **_parse_assignment_options(kwargs))
        except UserError as error:
            _exit_with_error(error, 2)
        except (WorkError, FloatingPointError) as error:
            _exit_with_error(error, 1)
        except OSError as error:
            file = f" {error.filename}" if error.filename else ""
            reason = error.strerror or error
            _exit_with_error(f"{reason}{file}; nothing that was finished is lost", 1)
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


def _exit_with_error(message: object, code: int) -> None:
    one_line = " ".join(str(message).split())
    click.echo(f"poise: {one_line}", err=True)
    sys.exit(code)


# Commands.


class SectionedGroup(click.Group):
    """Command group whose help lists the commands by SECTIONS."""

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
    cls=SectionedGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="poise COMMAND --help shows the options of a command.",
)
@click.version_option(package_name="poise", prog_name="poise")
def main() -> None:
    """Poise: reinforcement learning for motor control.

    \b
    Start:  poise train cartpole
    Then:   poise play cartpole-ppo-0
    """  # noqa: D301  (\b keeps click from joining the lines)
    # Makes a user's own environment importable from here: my_module:MyEnv-v0.
    sys.path.append(str(Path.cwd()))


@main.command("list", short_help="environments and algorithms")
@report_errors
def list_envs() -> None:
    """List the environments and the algorithms."""
    from poise.tools.inspect import show_list

    show_list()


@main.command(short_help="observations, actions, rewards, settings")
@click.argument("env")
@ENV_SET
@report_errors
def inspect(env: str, env_set: dict[str, Any]) -> None:
    """Show the observation, action, rewards and settings of ENV."""
    from poise.tools.inspect import show_env

    show_env(env, env_set)


@main.command(short_help="train until solved, with a video")
@click.argument("env", required=False)
@click.option("--algo", help="sac, ppo or td3.  [default: the one recommended for ENV]")
@click.option("--steps", type=int, help="Environment steps to train.  [default: the preset's]")
@click.option("--seed", type=int, help="Seed of weights, exploration and episodes.  [default: 0]")
@click.option(
    "--num-envs",
    type=int,
    help="Environments that are stepped together.  [default: the preset's]",
)
@click.option(
    "--num-workers",
    type=int,
    help="Processes that step them, with the same result.  [default: the preset's]",
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
@click.option("--no-video", is_flag=True, help="Record no video.")
@click.option(
    "--with-translator",
    is_flag=True,
    help="Also train a translator from images to poses, for `poise mimic RUN`.",
)
@click.option("--keep-going", is_flag=True, help="Train to the last step even when solved.")
@click.option("--resume", metavar="RUN", help="Resume a run from its latest checkpoint.")
@report_errors
def train(env: str | None, **options: Any) -> None:
    """Train on ENV: a name from `poise list`, or any Gymnasium id."""
    from poise.tools.train.command import train_and_show

    sys.exit(train_and_show(env, **options))


@main.command(
    short_help="environments x algorithms x seeds", epilog=f"Suites: {', '.join(SUITES)}."
)
@click.argument("suite")
@path_option("--out", help="Folder of its runs and results.csv.  [default: benchmarks/SUITE]")
@click.option(
    "--jobs", type=click.IntRange(1), help="Runs at the same time.  [default: one for each core]"
)
@click.option(
    "--seeds", type=click.IntRange(1, 1000), help="Number of seeds 0, 1, ..., over the suite's."
)
@report_errors
def benchmark(suite: str, **options: Any) -> None:
    """Train environments x algorithms x variants x seeds; the same command resumes it.

    SUITE is one of those below, or a YAML file.
    """
    from poise.tools.benchmark.runner import run_benchmark

    sys.exit(run_benchmark(suite, **options))


@main.command(short_help="a window to watch, push and take over")
@click.argument("what")
@RUNS_DIR
@CHECKPOINT
@ENV_SET
@click.option(
    "--speed",
    type=click.FloatRange(0.05, 10.0),
    default=1.0,
    show_default=True,
    help="Factor on real time.",
)
@click.option(
    "--size", type=click.IntRange(64, 2160), help="Height and width of the frame (pixels)."
)
@seed_option("Seed of the first episode.")
@click.option(
    "--seconds",
    type=click.FloatRange(0, min_open=True),
    help="Close after this time and print the number of frames.",
)
@report_errors
def play(
    what: str, runs_dir: Path, checkpoint: str | None, env_set: dict[str, Any], **options: Any
) -> None:
    """Open a window on a RUN to watch and disturb it, or on an ENV to control it."""
    from poise.tools.play.command import play as run_play

    run_play(what, runs_dir, checkpoint, env_set, **options)


@main.command(short_help="a video of an episode, or of all checkpoints")
@click.argument("run")
@RUNS_DIR
@CHECKPOINT
@path_option("--out", help="The video, or a folder for all.  [default: in the run's videos/]")
@click.option("--seed", type=click.IntRange(0), help="Seed of the episode.")
@render_options
@click.option("--ghost", metavar="RUN", help="Draw this run too, transparent, from the same start.")
@path_option("--montage", help="With --checkpoint all: one video or .png of all.")
@path_option("--tape", help="Save the episode itself too: a few kilobytes.")
@ENV_SET
@report_errors
def record(run: str, **options: Any) -> None:
    """Record an episode of RUN's policy as .mp4 or .gif; --checkpoint all shows the learning."""
    from poise.tools.record.record_savings import record as record_savings

    for path in record_savings(run, **options):
        click.echo(f"video: {path}")


@main.command(short_help="one page: videos, curves, settings, failures")
@click.argument("runs", nargs=-1, required=True, metavar="RUN...")
@path_option("--out", required=True, help="The page, .html.")
@click.option(
    "--episodes",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="Evaluation episodes of each run.",
)
@RUNS_DIR
@report_errors
def report(runs: tuple[str, ...], **options: Any) -> None:
    """Write RUNs of one environment to one page that opens offline."""
    from poise.tools.report.report import write_report

    click.echo(f"report: {write_report(runs, **options)}")


@main.command(short_help="learning curves, losses, reward terms")
@click.argument("what", nargs=-1, required=True)
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
@path_option(
    "--out", default=Path("curves.png"), show_default=True, help="The figure, .png, .svg or .pdf."
)
@report_errors
def plot(
    what: tuple[str, ...], runs_dir: Path, by: str, kind: str, measure: str, out: Path
) -> None:
    """Plot curves of WHAT: runs, a folder of runs, a benchmark or a results.csv."""
    from poise.tools.plot.plot import plot as plot_curves

    click.echo(f"plot: {plot_curves(what, runs_dir, by, out, kind, measure)}")


@main.command(short_help="fixed episodes, beside a random policy")
@click.argument("run")
@CHECKPOINT
@click.option(
    "--episodes",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="Number of episodes.",
)
@click.option("--steps", type=click.IntRange(1), help="Truncate episodes after so many steps.")
@evaluation_options
@report_errors
def evaluate(run: str, **options: Any) -> None:
    """Evaluate RUN's policy on episodes with fixed seeds, beside a random policy."""
    from poise.tools.evaluate.evaluate import evaluate_and_show

    evaluate_and_show(run, **options)


@main.command(short_help="which of two runs is better, and how surely")
@click.argument("one", metavar="RUN")
@click.argument("two", metavar="RUN")
@click.option(
    "--checkpoint",
    nargs=2,
    metavar="STEP STEP",
    help="Of each run: latest, best or a step.  [default: best]",
)
@click.option(
    "--episodes",
    type=click.IntRange(5, 10_000),
    default=20,
    show_default=True,
    help="Number of episodes.",
)
@evaluation_options
@report_errors
def compare(one: str, two: str, **options: Any) -> None:
    """Compare two runs of one environment on the same episodes, with a confidence interval."""
    from poise.tools.evaluate.compare import compare_and_show

    compare_and_show(one, two, **options)


@main.command(short_help="the largest push that it withstands")
@click.argument("run")
@CHECKPOINT
@click.option(
    "--episodes",
    type=click.IntRange(1, 1000),
    default=5,
    show_default=True,
    help="Episodes for each push and each change.",
)
@path_option("--out", default=Path("robustness.png"), show_default=True, help="The figure.")
@evaluation_options
@report_errors
def robustness(run: str, **options: Any) -> None:
    """Measure which pushes, masses, frictions and gravities RUN's policy withstands."""
    from poise.tools.evaluate.robustness_plot import measure_and_show

    measure_and_show(run, **options)


@main.command(short_help="images of a body with its joint states")
@click.argument("env")
@path_option("--out", required=True, help="Folder of the dataset.")
@click.option(
    "--frames", type=click.IntRange(1), default=50_000, show_default=True, help="Number of images."
)
@click.option(
    "--size",
    type=click.IntRange(16, 1024),
    default=64,
    show_default=True,
    help="Height and width of each image (pixels).",
)
@click.option(
    "--policy", default="random", show_default=True, help="Policy of the body: random, or a RUN."
)
@click.option(
    "--sequences",
    type=click.IntRange(1),
    default=10,
    show_default=True,
    help="Frames of each episode.",
)
@seed_option("Seed of the episodes.")
@RANDOMIZE_APPEARANCE
@click.option("--jobs", type=click.IntRange(1), help="Processes.  [default: one for each core]")
@RUNS_DIR
@ENV_SET
@report_errors
def dataset(env: str, **options: Any) -> None:
    """Collect images of ENV with its signals; the same command resumes it."""
    from poise.tools.translate.command import collect_and_show

    collect_and_show(env, **options)


@main.group(short_help="estimate joint states from an image")
def translate() -> None:
    """Train and evaluate translators, which estimate joint states from images."""


@translate.command(name="train")
@click.argument("dataset", type=click.Path(path_type=Path), required=False)
@SET
@click.option("--run", "name", help="Name of the run.  [default: <env>-translator-<seed>]")
@click.option("--resume", metavar="RUN", help="Resume a run from its latest checkpoint.")
@RUNS_DIR
@report_errors
def translate_train(dataset: Path | None, **options: Any) -> None:
    """Train a translator on DATASET until its error on held-out episodes is small."""
    from poise.tools.translate.command import train_and_show

    train_and_show(dataset, **options)


@translate.command(name="evaluate")
@click.argument("run")
@click.argument("dataset", type=click.Path(path_type=Path))
@path_option("--worst", help="Draw the frames with the largest errors into this image.")
@click.option(
    "--map",
    "drawn",
    type=click.Path(path_type=Path),
    help="Draw the error over all poses of the arms.",
)
@click.option(
    "--beside",
    metavar="RUN",
    help="Compare speeds with differences of the poses of this translator.",
)
@RUNS_DIR
@report_errors
def translate_evaluate(run: str, dataset: Path, **options: Any) -> None:
    """Evaluate RUN's translator on held-out episodes of DATASET, beside predicting the mean."""
    from poise.tools.translate.command import evaluate_and_show

    evaluate_and_show(run, dataset, **options)


@main.command(short_help="take the pose that an image shows")
@click.argument("policy")
@TRANSLATOR
@click.option(
    "--image",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Image of a pose, PNG or JPEG, of any size.",
)
@path_option("--video", help="Video to follow.")
@click.option(
    "--trajectory",
    type=click.FloatRange(0.1, 3600.0),
    metavar="SECONDS",
    help="Follow a smooth trajectory whose joint angles are known.",
)
@path_option("--dataset", help="Take held-out poses of a dataset.")
@click.option(
    "--random",
    "number",
    type=click.IntRange(1),
    help="Number of random poses; of a dataset 100 by default.",
)
@path_option("--out", help="Record the targets and the robot side by side.")
@click.option(
    "--size",
    type=click.IntRange(32, 1080),
    default=320,
    show_default=True,
    help="Height of the video (pixels).",
)
@RUNS_DIR
@report_errors
def mimic(policy: str, **options: Any) -> None:
    """Move POLICY's robot to the poses that the translator estimates from images."""
    from poise.tools.mimic.command import mimic_and_show

    mimic_and_show(policy, **options)


@main.command(short_help="one robot leads, the other copies it")
@click.argument("policy")
@TRANSLATOR
@click.option(
    "--by",
    type=click.Choice(["keys", "policy", "trajectory"]),
    help="What moves the leader.  [default: keys; for a video policy]",
)
@path_option("--out", help="Record a video, without a window.")
@click.option(
    "--seconds", type=click.FloatRange(0.1, 3600.0), help="Length of the video.  [default: 10]"
)
@click.option(
    "--size",
    type=click.IntRange(64, 1080),
    default=480,
    show_default=True,
    help="Height of the frame (pixels).",
)
@seed_option("Seed of both start states.")
@RUNS_DIR
@report_errors
def duel(policy: str, **options: Any) -> None:
    """Show two robots face to face: one is led, the other mirrors what it observes of it."""
    from poise.tools.mimic.command import duel_and_show

    duel_and_show(policy, **options)


@main.command(short_help="a video of a tape, at any size")
@click.argument("tape", metavar="FILE", type=click.Path(path_type=Path))
@path_option("--out", help="The video.  [default: beside the tape]")
@render_options
@report_errors
def replay(tape: Path, **options: Any) -> None:
    """Record the episode of the tape FILE again, at any size."""
    from poise.tools.record.record_run import render_tape

    click.echo(f"video: {render_tape(tape, **options)}")


@main.command(short_help="many videos in one")
@click.argument(
    "videos", nargs=-1, required=True, metavar="VIDEO...", type=click.Path(path_type=Path)
)
@OUT
@click.option(
    "--layout",
    type=click.Choice(["grid", "sequence"]),
    default="grid",
    show_default=True,
    help="Side by side, or one after the other with titles.",
)
@click.option(
    "--columns", type=click.IntRange(1), help="Columns of the grid.  [default: as many as rows]"
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
    type=click.IntRange(1, 240),
    help="Frames per second.  [default: the highest of the videos, at most 60]",
)
@report_errors
def combine(videos: tuple[Path, ...], **options: Any) -> None:
    """Combine videos into one: side by side, or one after the other with titles."""
    from poise.tools.record.combine_recordings import combine as combine_recordings

    click.echo(f"video: {combine_recordings(videos, **options)}")


@main.command(short_help="a video of images")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@OUT
@MAX_SIZE
@click.option("--fps", type=click.IntRange(1, 240), help="Images per second.  [default: 25]")
@report_errors
def images_to_video(folder: Path, **options: Any) -> None:
    """Make a video of the images in DIR, ordered by number or date."""
    from poise.tools.record.images_to_video import images_to_video as convert_images

    click.echo(f"video: {convert_images(folder, **options)}")


@main.command(short_help="what works on this machine")
@report_errors
def doctor() -> None:
    """Check this machine: packages, rendering, videos, window, devices."""
    from poise.tools.doctor import show_doctor

    sys.exit(show_doctor())


if __name__ == "__main__":
    main()
