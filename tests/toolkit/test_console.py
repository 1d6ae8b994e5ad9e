"""What the console prints: text from elsewhere never controls the terminal."""

import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from poise.toolkit.console import Console, LiveView, TextColumn, make_table
from poise.toolkit.errors import describe_error, printable, remove_control_characters

HOSTILE = "a\x1b]0;title\x07b\x1b[2J\x9b31mc\rd\x08e\u202ef\udc80 [red]g[/nothing]"


def controls_in(text: str) -> set[str]:
    """Return all characters but line ends that a terminal may obey."""
    return {character for character in text if not character.isprintable()} - {"\n"}


@pytest.mark.parametrize("is_terminal", [False, True])
def test_console_prints_no_control_character_of_a_text(is_terminal):
    """Without colours, all that a text from elsewhere could add would be found."""
    file = io.StringIO()
    console = Console(
        file=file, force_terminal=is_terminal, color_system=None, width=200, soft_wrap=True
    )
    console.print(f"run: {HOSTILE}")
    console.print(make_table(HOSTILE, [HOSTILE], [[HOSTILE]]))
    console.print(HOSTILE, style="bold")
    printed = file.getvalue()
    assert not controls_in(printed.replace("\x1b[1m", "").replace("\x1b[0m", ""))
    assert "[red]g[/nothing]" in printed, "no text is taken for markup"


def test_live_view_shows_a_description_as_it_is():
    file = io.StringIO()
    columns = [TextColumn("{task.description}", style="bold", markup=False)]
    console = Console(file=file, width=200)
    with LiveView(console, columns, total=3, description=HOSTILE, line_interval=1.0) as view:
        console.print(view.bar)
    assert "[red]" in file.getvalue() and not controls_in(file.getvalue())


@given(st.text())
def test_printable_text_is_one_line_without_control_characters(text):
    line = printable(text)
    assert not controls_in(line) and "\n" not in line and len(line) <= 210
    assert not controls_in(remove_control_characters(text))


@given(st.text(st.characters(categories=["L", "N", "P", "S"]), min_size=1, max_size=200))
def test_printable_text_without_spaces_is_unchanged(text):
    assert printable(text) == text


def test_described_error_has_type_message_and_place():
    class SilentError(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    for error, expected in (
        (ValueError("one\ntwo"), "ValueError: one two"),
        (SilentError(), "SilentError"),
        (KeyError(), "KeyError"),
        (MemoryError("x" * 10_000_000), "MemoryError: xxx"),
    ):
        try:
            raise error
        except Exception as caught:
            line = describe_error(caught)
        assert line.startswith(expected) and len(line) < 300
        assert "(test_console.py, line " in line
