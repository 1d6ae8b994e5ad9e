"""Errors with a message of one line, which says what is wrong and how to correct it."""

import difflib
import os
import re
import traceback
from collections.abc import Iterable
from pathlib import Path

MAX_MESSAGE_LENGTH = 200
"""Characters of a message that comes from elsewhere: a file, an environment, a library."""

MAX_LISTED = 12
"""Of more choices, an error lists only the nearest."""

MAX_SUGGESTIONS = 5


class UserError(ValueError):
    """Invalid input by the user. The command ends with exit code 2."""


class WorkError(RuntimeError):
    """Valid input, but the work failed. The command ends with exit code 1."""


class EnvironmentFailedError(WorkError):
    """An environment failed, or gave a value that does not fit. What came before is whole."""


class WorkerError(EnvironmentFailedError):
    """A worker process died or stood still, or its work raised. What came before is whole."""


def printable(value: object, max_length: int = MAX_MESSAGE_LENGTH) -> str:
    """Return `value` as one line that is safe to print: text or an error from elsewhere.

    Control characters, which a terminal may obey, and line ends become spaces; a long text is cut
    in its middle. An error without a message, or whose message cannot be formed, is named by its
    type.
    """
    try:
        text = str(value)
    except Exception:  # Its __str__ may raise anything.
        text = ""
    if not text and isinstance(value, BaseException):
        text = type(value).__name__
    if len(text) > 4 * max_length:  # First of all: the rest takes time for each character.
        text = f"{text[: 2 * max_length]} {text[-2 * max_length :]}"
    text = " ".join(remove_control_characters(shorten_paths(text)).split())
    if len(text) > max_length:
        text = f"{text[: max_length // 2]} ... {text[-max_length // 2 :]}"
    return text


_hidden_folders: list[re.Pattern[str]] = []
"""The folder that is left out of the paths that are shown, if any."""


def show_paths_from(folder: Path) -> None:
    """From now on, show `folder` and paths below it as they are typed there: `.`, `runs/NAME`."""
    name = re.escape(str(folder))
    separator = re.escape(os.sep)
    pattern = re.compile(rf"(?<![^\s'\"`(=:]){name}(?:{separator}|(?=[\s'\"`):;,]|$))")
    is_root = folder.parent == folder
    _hidden_folders[:] = [] if is_root else [pattern]


def shorten_paths(text: str) -> str:
    """Return a text in which paths are relative to the folder of `show_paths_from`."""
    for pattern in _hidden_folders:
        text = pattern.sub(lambda match: "" if match[0].endswith(os.sep) else ".", text)
    return text


def remove_control_characters(text: str) -> str:
    """Replace every character that a terminal may obey, but not a line end, by a space."""
    if text.isprintable():
        return text
    return "".join(
        character if character.isprintable() or character == "\n" else " " for character in text
    )


def describe_error(error: BaseException) -> str:
    """Return type and message of an error from elsewhere as one line, and where it was raised."""
    frames = traceback.extract_tb(error.__traceback__)
    location = f"({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else ""
    name = type(error).__name__
    message = printable(error)
    return printable(f"{name if message == name else f'{name}: {message}'} {location}", 250)


def unknown_name_error(
    kind: str, name: str, choices: Iterable[str], *, where: str = "", advice: str = ""
) -> UserError:
    """Return the error for an unknown name, with the nearest choice, or the few that there are.

    `where` is the place that was searched, ` in PLACE`; `advice` follows where no choice is near.
    """
    names = sorted(set(choices))
    start = f"unknown {kind} {name!r}{where}"
    # Names that differ in capitals, hyphens and underscores are near.
    by_plain_name = {_simplify(choice): choice for choice in reversed(names)}
    similar = difflib.get_close_matches(_simplify(name), by_plain_name, MAX_SUGGESTIONS, cutoff=0.6)
    if similar:
        return UserError(f"{start}: did you mean {by_plain_name[similar[0]]!r}?")
    if not names:
        return UserError(f"{start}: {'; '.join(filter(None, ['there are none', advice]))}")
    listed = f"choose from {', '.join(names)}"
    if len(names) > MAX_LISTED:
        nearest = difflib.get_close_matches(
            _simplify(name), by_plain_name, MAX_SUGGESTIONS, cutoff=0.4
        )
        near_names = ", ".join(by_plain_name[match] for match in nearest)
        listed = f"the nearest of {len(names)} are {near_names or '(none)'}"
    return UserError(f"{start}: {'; '.join(filter(None, [listed, advice]))}")


def _simplify(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
