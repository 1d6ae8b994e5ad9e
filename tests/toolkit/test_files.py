"""Readers with limits: what a file holds is checked before it is used."""

import gc
import io
import json
import os
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from disks import files_up_to
from hypothesis import given
from hypothesis import strategies as st
from processes import python

from poise.toolkit.errors import UserError
from poise.toolkit.files import (
    HOST,
    MAX_DEPTH,
    MAX_TEXT_BYTES,
    MAX_YAML_BYTES,
    PARTIAL_SUFFIX,
    ErrorTrackingFile,
    atomic_write,
    make_folder,
    open_table,
    parse_json,
    parse_yaml,
    read_array,
    read_json,
    read_json_mapping,
    read_text,
    read_yaml_mapping,
    sha256,
)

READERS = {
    "text": read_text,
    "json": read_json,
    "mapping": read_json_mapping,
    "yaml": lambda file: read_yaml_mapping(file, "preset", "keys"),
    "table": open_table,
    "array": read_array,
    "sha256": sha256,
}
EVERY_READER = pytest.mark.parametrize("read", READERS.values(), ids=READERS)


def refuse(function, *arguments) -> str:
    """Call a function that refuses its arguments in one line; return the line."""
    with pytest.raises(UserError) as refused:
        function(*arguments)
    line = str(refused.value)
    assert "\n" not in line and len(line) < 500
    return line


@EVERY_READER
def test_only_regular_files_are_read(read, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    (tmp_path / "link").symlink_to("/dev/zero")
    assert "device" in refuse(read, Path("/dev/zero"))
    assert "pipe" in refuse(read, pipe)
    assert "device" in refuse(read, tmp_path / "link")
    assert "folder" in refuse(read, tmp_path)
    assert "No such file" in refuse(read, tmp_path / "missing")
    assert str(tmp_path / "missing") in refuse(read, tmp_path / "missing")


@pytest.mark.parametrize(("name", "limit"), [("json", MAX_TEXT_BYTES), ("yaml", MAX_YAML_BYTES)])
def test_file_beyond_the_limit_is_refused_unread(name, limit, tmp_path):
    path = tmp_path / "large"
    with path.open("wb") as file:
        file.truncate(100 * 2**30)  # A hole: it takes no space on the disk.
    assert "at most" in refuse(READERS[name], path)
    path.write_text(json.dumps({"a": "x" * (limit - 100)}))
    assert READERS[name](path)["a"][0] == "x"


PLAIN = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**127), 2**127)
    | st.text(max_size=8)
    # YAML 1.1 reads 1e16 as text, so its numbers need a point.
    | st.floats(-1e9, 1e9, allow_subnormal=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=12,
)


@given(PLAIN)
def test_plain_values_are_read_as_they_were_written(values):
    assert parse_json(json.dumps(values), "it") == values


@pytest.mark.parametrize("parse", [parse_json, parse_yaml])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 5000 + "]" * 5000, f"more than {MAX_DEPTH} levels"),
        ("[" * 200_000, ""),
        ('{"a":' * 5000 + "1" + "}" * 5000, f"more than {MAX_DEPTH} levels"),
        ('{"a": 1, "b": {"c": 2, "c": 3}}', "'c' occurs twice"),
        ("1" + "0" * 60, "bits"),
        ("[" + "9" * 5000 + "]", ""),
        ("{", ""),
    ],
)
def test_hostile_text_is_refused_in_one_line_and_little_memory(parse, text, message):
    tracemalloc.start()
    line = refuse(parse, text, "FILE")
    assert message in line and "FILE" in line
    assert tracemalloc.get_traced_memory()[1] < 100e6
    tracemalloc.stop()


@pytest.mark.parametrize("text", ["NaN", "[Infinity]", '{"a": -Infinity}', "1e400"])
def test_number_that_is_not_finite_is_refused_in_json(text):
    assert "not finite" in refuse(parse_json, text, "FILE")


ALIAS_BOMB = "\n".join(
    ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    + [
        f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]"
        for before, name in zip("abcdefgh", "bcdefghi", strict=True)
    ]
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (ALIAS_BOMB, "values, aliases included"),
        ("a: &a [*a]", "stands for itself"),
        ("a: 2020-01-01", "put it in quotes"),
        ("a: 2020-99-99", ""),
        ("a: !!binary aGk=", "put it in quotes"),
        ("a: !!set {b, c}", ""),
        ("a: !!python/object/apply:os.system [ls]", ""),
        ("1: a", "not text"),
        ("? [a, b]\n: c", ""),
        ("a: .nan", "not finite"),
        ("a: 1\n--- \nb: 2", ""),
        ("a: \x1b[31m", ""),
    ],
)
def test_yaml_beyond_plain_values_is_refused(text, message):
    assert message in refuse(parse_yaml, text, "FILE")


def test_yaml_aliases_and_merges_within_the_bound_are_read():
    text = "a: &x {b: 1, c: 2}\nd: *x\ne: {<<: *x, c: 3}"
    values = {"a": {"b": 1, "c": 2}, "d": {"b": 1, "c": 2}, "e": {"b": 1, "c": 3}}
    assert parse_yaml(text, "FILE") == values
    merges = "a0: &a0 {k: 1}\n" + "".join(
        f"a{i}: &a{i} {{<<: [{', '.join([f'*a{i - 1}'] * 10)}]}}\n" for i in range(1, 9)
    )
    assert "values, aliases included" in refuse(parse_yaml, merges, "FILE")


def npy(header: str, data: bytes = b"", version: bytes = b"\x01\x00") -> bytes:
    """Return a .npy file with any header."""
    padded = header.encode().ljust(118) + b"\n"
    size = len(padded).to_bytes(2 if version == b"\x01\x00" else 4, "little")
    return b"\x93NUMPY" + version + size + padded + data


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\x93NUMPY",
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000000,), }"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4294967296, 4294967296), }"),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-1,), }", b"\0" * 4),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-2, -2), }", b"\0" * 16),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", b"\0" * 4),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", b"\0" * 12),
        npy("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }", b"\0" * 8),
        npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }", b"\0" * 8, b"\x03\x00"),
        npy("{'descr': '<f4', 'shape': (2,), }", b"\0" * 8),
        npy("(" * 110, b"\0" * 8),
        npy("__import__('os')", b"\0" * 8),
    ],
)
@pytest.mark.parametrize("mapped", [False, True])
def test_array_whose_header_does_not_fit_the_file_is_refused(content, mapped, tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.npy"):
        read_array(path, mapped=mapped)


@pytest.mark.parametrize("mapped", [False, True])
def test_array_is_read_as_it_was_saved(mapped, tmp_path):
    for array in (
        np.arange(6).reshape(2, 3),
        np.zeros((0, 4), np.float32),
        np.array(2.5),
        np.zeros((3, 2), order="F"),
    ):
        buffer = io.BytesIO()
        np.save(buffer, array)
        (tmp_path / "a.npy").write_bytes(buffer.getvalue())
        read = read_array(tmp_path / "a.npy", mapped=mapped)
        assert np.array_equal(read, array) and read.dtype == array.dtype


def test_byte_order_mark_is_no_part_of_a_file(tmp_path):
    file = tmp_path / "edited"
    file.write_bytes(b"\xef\xbb\xbf" + b'{"a": 1}')
    assert read_json(file) == {"a": 1}
    with open_table(file) as table:
        assert table.read() == '{"a": 1}'


def test_folder_is_made_where_nothing_stands_in_its_place(tmp_path):
    for _ in range(2):
        make_folder(tmp_path / "runs" / "mine")
    (tmp_path / "file").write_text("")
    (tmp_path / "lost").symlink_to("nowhere/deep")
    for obstacle, kind in (("file", "no folder"), ("lost", "a link that leads nowhere")):
        for folder in (tmp_path / obstacle, tmp_path / obstacle / "runs"):
            with pytest.raises(UserError, match=f"{obstacle} is {kind}"):
                make_folder(folder)


def test_file_that_tracks_errors_is_closed_after_one(tmp_path):
    """An open file would be a ResourceWarning, which is an error."""
    file = ErrorTrackingFile(tmp_path / "film")
    with files_up_to(10):
        for _ in range(3):
            assert file.write(b"0" * 8) == 8
        file.close()
        file.close()
    with pytest.raises(OSError, match="File too large") as error:
        file.raise_pending_error()
    assert error.value.filename == str(tmp_path / "film")
    del file, error
    gc.collect()


AT_ONCE = """
import sys, time
from pathlib import Path
from poise.toolkit.files import atomic_write

folder = Path(sys.argv[2])
with atomic_write(folder / "target") as partial:
    partial.write_text(sys.argv[1] * 1000, encoding="utf-8")
    (folder / sys.argv[1]).touch()
    while not all((folder / name).exists() for name in "ab"):
        time.sleep(0.01)
"""


def test_processes_that_write_a_file_at_once_each_leave_it_whole(tmp_path):
    """Each renames its own only after both have written."""
    with ThreadPoolExecutor(2) as pool:
        ended = [*pool.map(lambda name: python("-c", AT_ONCE, name, tmp_path), "ab")]
    assert [process.stderr for process in ended] == ["", ""]
    assert (tmp_path / "target").read_text() in ("a" * 1000, "b" * 1000)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b", "target"]


def test_what_a_killed_process_left_is_removed_and_what_a_living_one_writes_is_kept(tmp_path):
    number = python("-c", "import os; print(os.getpid())").stdout.strip()
    (tmp_path / f".target.{HOST}-{number}-7{PARTIAL_SUFFIX}").touch()
    (tmp_path / f".target.{HOST}-{number}-7{PARTIAL_SUFFIX}.{HOST}-{number}-7.frames").touch()
    living = tmp_path / f".target.{HOST}-{os.getppid()}-7{PARTIAL_SUFFIX}"
    elsewhere = tmp_path / f".target.00000000-{number}-7{PARTIAL_SUFFIX}"
    others = {living, elsewhere, tmp_path / f".target.{HOST}-x{PARTIAL_SUFFIX}"}
    for path in others:
        path.touch()
    with atomic_write(tmp_path / "target") as partial:
        partial.touch()
    assert {*tmp_path.iterdir()} == {*others, tmp_path / "target"}
