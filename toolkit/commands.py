"""What the commands of `poise` have in common: options that many of them take, and errors told in one line."""

import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

Command = Callable[..., Any]
RUNS = click.option(
    "--runs-dir", type=click.Path(path_type=Path), default=Path("runs"), show_default=True, help="Where runs lie."
)
OUT = click.option("--out", type=click.Path(path_type=Path), required=True, help="The film, .mp4 or .gif.")
MAX_SIZE = click.option("--max-size", type=click.IntRange(32, 8192), help="Width and height at most (pixels).  [default: 1920]")
CHECKPOINT = click.option("--checkpoint", metavar="STEP", help="latest, best, a step; or all, to record.  [default: the best]")
TRANSLATOR = click.option("--translator", metavar="RUN", help="The run that reads pictures.  [default: POLICY itself]")
ASSIGNING = {"env_set": "--env-set", "settings": "--set", "vary": "--vary"}
SET = click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="A setting of what learns, or of its training.")
ENV_SET = click.option("--env-set", multiple=True, metavar="KEY=VALUE", help="A setting of the world; see `poise inspect`.")


def judging(command: Command) -> Command:
    """Give a command the options of those that judge runs."""
    as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
    return RUNS(ENV_SET(as_json(command)))


def looks(command: Command) -> Command:
    """Give a command the options that say how a film of an episode looks."""
    size = click.option("--size", type=click.IntRange(16, 2160), help="Height and width of the picture (pixels).")
    hud = click.option("--hud", is_flag=True, help="Draw time, return, reward terms, actions and margins over it.")
    annotate = click.option("--annotate", is_flag=True, help="Beside it, lines of rewards, value, actions and margins.")
    slow = click.option(
        "--slow", type=click.FloatRange(0.02, 1.0), default=1.0, help="Slow motion: 0.25 is a quarter of the speed."
    )
    return size(hud(annotate(slow(command))))


def spoken(command: Command) -> Command:
    """Turn KEY=VALUE into values, and errors into one line and the right exit code: 2 for wrong words, 1 for work that failed."""

    @wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        from toolkit.errors import UserError, WorkError

        try:
            for name, option in ASSIGNING.items():
                if name in kwargs:
                    from toolkit.settings import parse_assignments

                    kwargs[name] = parse_assignments(kwargs[name], option)
            return command(*args, **kwargs)
        except UserError as error:
            _fail(error, 2)
        except (WorkError, FloatingPointError) as error:
            _fail(error, 1)
        except OSError as error:
            place = f" {error.filename}" if error.filename else ""
            _fail(f"{error.strerror or error}{place}; nothing that was finished is lost", 1)
        except KeyboardInterrupt:
            _fail("interrupted", 130)

    return wrapped


def _fail(message: object, code: int) -> None:
    click.echo(f"poise: {' '.join(str(message).split())}", err=True)
    sys.exit(code)
