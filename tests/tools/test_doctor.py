"""The doctor names what is wrong with this machine, and the mend."""

import importlib.util
import sys
from pathlib import Path

import pygame
import pytest
from commands import invoke

import poise.envs3d
from poise.envs3d import advise_installation
from poise.tools.doctor import show_doctor


@pytest.mark.parametrize(
    ("system", "machine", "version", "compiler", "advice", "never"),
    [
        ("linux", "x86_64", (3, 11), "g++", "pip install -e", "source"),
        ("linux", "x86_64", (3, 12), "g++", "builds it from source in about ten minutes", "first"),
        ("linux", "x86_64", (3, 13), None, "install the compiler g++ first", "conda"),
        ("linux", "aarch64", (3, 11), None, "install the compiler g++ first", "conda"),
        ("darwin", "arm64", (3, 12), "g++", "conda-forge", "pip"),
        ("win32", "AMD64", (3, 11), None, "conda-forge", "pip"),
    ],
)
def test_advice_is_for_this_very_system(
    system, machine, version, compiler, advice, never, monkeypatch, tmp_path
):
    (tmp_path / "Python.h").touch()
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setattr(sys, "version_info", version)
    monkeypatch.setattr(poise.envs3d.platform, "machine", lambda: machine)
    monkeypatch.setattr(poise.envs3d.shutil, "which", lambda name: compiler)
    monkeypatch.setattr(poise.envs3d.sysconfig, "get_path", lambda name: str(tmp_path))
    assert advice in advise_installation() and never not in advise_installation()


def test_headers_of_python_that_are_missing_are_named(monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sys, "version_info", (3, 12))
    monkeypatch.setattr(poise.envs3d.shutil, "which", lambda name: "g++")
    monkeypatch.setattr(poise.envs3d.sysconfig, "get_path", lambda name: str(tmp_path))
    assert "install the headers of Python, python3-dev first" in advise_installation()


def test_doctor_gives_the_advice_where_pybullet_is_missing(monkeypatch):
    find_spec = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "pybullet" else find_spec(name)
    )
    output = " ".join(invoke("doctor").output.split())
    assert " ".join(advise_installation().split()) in output


def test_readme_names_the_versions_and_no_registry():
    readme = (Path(poise.__file__).parent / "README.md").read_text(encoding="utf-8")
    for words in (
        "3.11, 3.12 or 3.13",
        "g++",
        "ten\nminutes",
        "1.3 GB",
        "CPU build",
        "conda-forge",
    ):
        assert " ".join(words.split()) in " ".join(readme.split())
    assert "download.pytorch" not in readme and "index-url" not in readme


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
