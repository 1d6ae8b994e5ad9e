"""The doctor names what is wrong with this machine, and the mend."""

import importlib.util
import socket
import sys
from pathlib import Path

import pygame
import pytest
from commands import invoke
from sample_runs import start_run

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


# The report for bug reports.


@pytest.fixture
def person(tmp_path, monkeypatch):
    """Make this the computer `zebra-9` of the user `quagga`, who works in their home folder."""
    home = tmp_path / "quagga"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.setattr(socket, "gethostname", lambda: "zebra-9")
    monkeypatch.setenv("DISPLAY", "zebra-9:0")
    monkeypatch.delenv("SDL_VIDEODRIVER")
    for name in ("LOGNAME", "USER"):
        monkeypatch.setenv(name, "quagga")
    monkeypatch.setenv("HOME", str(home))
    return home


def report_of(person: Path, code: int = 0) -> str:
    """Return the report, in which this user, computer and folder must not be named."""
    result = invoke("doctor", "--report")
    assert result.exit_code == code and not result.stderr, (result.output, result.exception)
    for name in ("quagga", "zebra", str(person), str(person.parent)):
        assert name not in result.output
    return result.output


def test_report_gives_versions_machine_and_the_state_of_the_last_run(person):
    report = report_of(person)
    packages = ("poise", "torch", "numpy", "gymnasium", "pymunk", "pygame-ce", "pybullet")
    for name in ("python", *packages, "platform", "cores"):
        assert f"\n{name}: " in f"\n{report}"
    assert "display: X11" in report and "last run: none" in report
    start_run(person / "runs", "quagga-1", steps=60)
    report = report_of(person)
    assert "last run: sac in poise/Cartpole-v0 on cpu" in report
    assert "steps 60, seed 0" in report and "checkpoints at steps 50, 60" in report
    assert "ended with steps 60, " in report
    (person / "runs" / "quagga-1" / "summary.json").unlink()
    assert "has not ended" in report_of(person)


@pytest.mark.parametrize("content", ["{", "[]", "{}", '{"env": "quagga:Zebra-v0"}'])
def test_report_of_a_run_that_cannot_be_read_says_so_and_names_no_folder(person, content):
    folder = person / "runs" / "quagga-1"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(content, encoding="utf-8")
    assert "last run: cannot be read: RUN/config.json" in report_of(person)


def test_report_names_what_fails_without_the_folders_in_it(person, monkeypatch):
    def fail():
        raise OSError(f"cannot write {person / 'a.mp4'} of quagga on zebra-9, {Path.cwd()}")

    monkeypatch.setattr("poise.tools.doctor._write_and_read_video", fail)
    assert "fails: videos: OSError: cannot write a.mp4 of <user> on <host>, ." in report_of(
        person, code=1
    )
