"""The doctor names what is wrong with this machine, and the mend."""

import pygame
import pytest

from poise.tools.doctor import show_doctor


def test_doctor_names_a_pygame_that_lies_over_pygame_ce(monkeypatch, capsys):
    if not getattr(pygame, "IS_CE", False):
        pytest.skip("another pygame lies over pygame-ce here")
    assert show_doctor() == 0
    assert "pip uninstall pygame" not in capsys.readouterr().out
    monkeypatch.delattr(pygame, "IS_CE")
    assert show_doctor() == 0, "Poise draws with both"
    output = capsys.readouterr().out
    row = next(line for line in output.splitlines() if line.startswith("pygame-ce"))
    assert " ok " not in row
    assert "pip uninstall pygame" in output and "--force-reinstall pygame-ce" in output
