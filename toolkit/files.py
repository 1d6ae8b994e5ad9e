"""Files written whole or not at all, and how to tell that one has changed."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any


def write_json(path: Path, values: Any) -> Path:
    """Write plain values as JSON: aside first, then renamed into place."""
    aside = path.with_name(f".{path.name}.partial")
    aside.write_text(json.dumps(values, indent=2) + "\n")
    aside.replace(path)
    return path


def sha256(path: Path) -> str:
    """The sha256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def flush(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
