"""What to write in place of a command, option or word that `poise` does not know.

Many users know the words of other libraries; an error says what does the same here.
"""

from difflib import get_close_matches
from typing import Any

import click
import gymnasium
from gymnasium.envs.registration import load_env_creator

from poise.algos.registry import ALGORITHMS, get_algorithm_class
from poise.toolkit.errors import UserError
from poise.toolkit.registry import registered_ids, short_name
from poise.toolkit.settings import OTHER_NAMES, find_setting
from poise.toolkit.trainer import TrainSettings

OTHER_COMMANDS = {
    "enjoy": "play",
    "watch": "play",
    "show": "play",
    "eval": "evaluate",
    "test": "evaluate",
    "val": "evaluate",
    "predict": "evaluate",
    "video": "record",
    "film": "record",
    "render": "record",
    "learn": "train",
    "fit": "train",
    "run": "train",
    "resume": "train --resume RUN",
    "continue": "train --resume RUN",
    "envs": "list",
    "ls": "list",
    "info": "inspect",
    "env": "inspect",
    "curves": "plot",
    "bench": "benchmark",
    "check": "doctor",
    "checks": "doctor",
    "help": "--help",
    "version": "--version",
}
"""Commands of other libraries, and the words that do the same here."""


OTHER_OPTIONS = {
    "algorithm": "--algo",
    "ckpt": "--checkpoint",
    "cfg": "--preset",
    "conf_file": "--preset",
    "config": "--preset",
    "cuda": "--device",
    "e": "--episodes",
    "env": "ENV",
    "env_id": "ENV",
    "env_kwargs": "--env-set",
    "env_name": "ENV",
    "eval_episodes": "--episodes",
    "exist_ok": "--force",
    "exp_name": "--run",
    "experiment": "--run",
    "f": "--runs-dir",
    "folder": "--runs-dir",
    "gpu": "--device",
    "gym_id": "ENV",
    "hyperparameters": "--set",
    "hyperparams": "--set",
    "i": "--resume",
    "imgsz": "--size",
    "load_best": "--checkpoint",
    "load_checkpoint": "--checkpoint",
    "load_last_checkpoint": "--checkpoint",
    "log_dir": "--runs-dir",
    "log_folder": "--runs-dir",
    "logdir": "--runs-dir",
    "model": "RUN",
    "n_episodes": "--episodes",
    "n_eval_episodes": "--episodes",
    "name": "--run",
    "output": "--out",
    "output_folder": "--out",
    "overwrite": "--force",
    "params": "--set",
    "project": "--runs-dir",
    "run": "RUN",
    "run_name": "--run",
    "save_dir": "--runs-dir",
    "source": "--image",
    "step": "--checkpoint",
    "task": "ENV",
    "tensorboard_log": "--runs-dir",
    "trained_agent": "--resume",
    "weights": "RUN",
}
"""Options of other libraries, and the option or argument that does the same here."""


class UnknownCommandError(click.UsageError):
    """A word in place of a command."""

    def __init__(self, name: str, ctx: click.Context) -> None:
        super().__init__(f"unknown command {name!r}", ctx)
        self.name = name


class ExtraWordsError(click.UsageError):
    """Words beyond the arguments that a command takes."""

    def __init__(self, words: list[str], ctx: click.Context) -> None:
        super().__init__(f"too many words: {' '.join(words)}", ctx)
        self.words = words


def explain_usage_error(error: click.UsageError) -> str:
    """Return one line: what is wrong with the words of a command, and what to write instead."""
    ctx = error.ctx
    if ctx is None or type(error) is click.UsageError:
        return error.message  # One of ours, with its own advice.
    if isinstance(error, UnknownCommandError):
        return _explain_command(error.name, ctx)
    if isinstance(error, ExtraWordsError):
        return _explain_extra_words(error.words, ctx)
    if isinstance(error, click.NoSuchOption):
        return _explain_option(error.option_name, ctx)
    return _explain_value(error, ctx)


def _explain_value(error: click.UsageError, ctx: click.Context) -> str:
    """Return the line for a missing or a wrong value of an argument or an option."""
    param = error.param if isinstance(error, click.BadParameter) else None
    if param is None:
        return f"{error.format_message().rstrip('.')}; see `{_help(ctx)}`"
    is_argument = isinstance(param, click.Argument)
    name = param.make_metavar(ctx) if is_argument else param.opts[-1]
    if isinstance(error, click.MissingParameter):
        return f"{_name(ctx)} needs {name}, as in `{_first_example(ctx)}`"
    return f"{name}: {error.message.rstrip('.')}; see `{_help(ctx)}`"


def _name(ctx: click.Context) -> str:
    """Return the words of the command after `poise`, whatever the program's file is called."""
    return ctx.command_path.partition(" ")[2]


def _help(ctx: click.Context) -> str:
    """Return the command line that prints the help."""
    return " ".join(["poise", *_name(ctx).split(), "--help"])


def _explain_command(name: str, ctx: click.Context) -> str:
    """Return the line for an unknown command; the name of an environment is to be trained."""
    start = f"unknown command {name!r}"
    if name.lower() in OTHER_COMMANDS and ctx.parent is None:
        return f"{start}: write `poise {OTHER_COMMANDS[name.lower()]}`"
    if name in {*registered_ids(), *map(short_name, registered_ids())}:
        return f"{start}: write `poise train {name}`"
    if name in ALGORITHMS:
        return f"{start}: write `poise train ENV --algo {name}`"
    assert isinstance(ctx.command, click.Group)
    similar = get_close_matches(name, ctx.command.commands, n=1)
    if similar:
        return f"{start}: did you mean `{' '.join(['poise', *_name(ctx).split(), similar[0]])}`?"
    return f"{start}; `{_help(ctx)}` lists all"


def _explain_option(name: str, ctx: click.Context) -> str:
    """Return the line for an unknown option: the one that does the same, a setting, or the near."""
    start = f"{_name(ctx) or 'poise'} has no option {name}"
    options = _list_options(ctx)
    key = name.lstrip("-").replace("-", "_").lower()
    here = OTHER_OPTIONS.get(key, "")
    if here in options:
        return f"{start}: write {here}"
    if here and any(here in argument for argument in _list_arguments(ctx)):
        return f"{start}: write {here} without an option, as in `{_first_example(ctx)}`"
    similar = get_close_matches(name, options, n=1)
    is_typing_mistake = bool(similar) and key not in OTHER_NAMES
    instead = "" if is_typing_mistake else _translate_setting(key, "VALUE", ctx)
    if instead:
        return f"{start}: write {instead}"
    if similar:
        return f"{start}: did you mean {similar[0]}?"
    return f"{start}; `{_help(ctx)}` lists all"


def _explain_extra_words(words: list[str], ctx: click.Context) -> str:
    """Return the line for words beyond the arguments: key=value is a setting, after --set."""
    for word in words:
        key, equals, value = word.partition("=")
        instead = _translate_assignment(key, value, ctx) if equals else ""
        if word in ALGORITHMS and "--algo" in _list_options(ctx):
            instead = f"--algo {word}"
        if instead:
            return f"{_name(ctx)}: in place of {word} write {instead}"
    for option in ("settings", "env_set"):
        for text in ctx.params.get(option) or ():
            if "=" not in text:
                return f"{_name(ctx)}: write {text}={words[0]}, as one word"
    arguments = " ".join(_list_arguments(ctx)) or "no words"
    return f"{_name(ctx)} takes {arguments}; too many: {' '.join(words)}; see `{_help(ctx)}`"


def _translate_assignment(key: str, value: str, ctx: click.Context) -> str:
    """Return the words for `key=value`: an argument, an option or a setting; "" for none."""
    here = OTHER_OPTIONS.get(key, f"--{key.replace('_', '-')}")
    if here in _list_options(ctx):
        return f"{here} {value}"
    if any(here in argument for argument in _list_arguments(ctx)):
        return value
    return _translate_setting(key, value, ctx)


def _translate_setting(key: str, value: str, ctx: click.Context) -> str:
    """Return the option that sets `key`, a name used here or elsewhere; "" if there is none."""
    options = _list_options(ctx)
    setting = find_setting(key, _list_settings(ctx)) if "--set" in options else ""
    own_option = f"--{setting.replace('_', '-')}"
    if setting and own_option in options:
        return f"{own_option} {value}"
    if setting:
        return f"--set {setting}={value}"
    if "--env-set" in options and key in _list_env_settings():
        return f"--env-set {key}={value}"
    return ""


def _list_settings(ctx: click.Context) -> list[str]:
    """Return the settings that --set of a command takes."""
    if ctx.command_path.endswith("translate train"):
        from poise.algos.translator import TranslatorSettings

        return [*TranslatorSettings.model_fields]
    algorithms = map(get_algorithm_class, ALGORITHMS)
    learner_settings = [
        name for algorithm in algorithms for name in algorithm.SETTINGS.model_fields
    ]
    return [*TrainSettings.model_fields, *learner_settings]


def _list_env_settings() -> set[str]:
    """Return the settings of all environments of Poise that can be imported here."""
    names = set()
    for env_id in registered_ids():
        try:
            env_class: Any = load_env_creator(str(gymnasium.spec(env_id).entry_point))
        except (ImportError, UserError):  # PyBullet is missing.
            continue
        names |= env_class.SETTINGS.model_fields.keys()
    return names


def _list_options(ctx: click.Context) -> list[str]:
    """Return the options of a command, but for --help, which is no answer to a mistake."""
    options = [param for param in ctx.command.params if isinstance(param, click.Option)]
    return [name for option in options for name in option.opts]


def _list_arguments(ctx: click.Context) -> list[str]:
    params = [param for param in ctx.command.params if isinstance(param, click.Argument)]
    return [param.make_metavar(ctx) for param in params]


def _first_example(ctx: click.Context) -> str:
    examples: tuple[str, ...] = getattr(ctx.command, "examples", ())
    return examples[0] if examples else _help(ctx)
