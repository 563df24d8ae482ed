"""Files are replaced whole or not at all."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from src.errors import DiskError
from src.files import write_atomically


def test_write_atomically_makes_and_replaces_files_but_no_target_of_a_link(tmp_path: Path) -> None:
    path, link = tmp_path / "new" / "folder" / "config.yaml", tmp_path / "link"
    write_atomically(path, "something much longer, of which nothing may stay")
    for content in ("grüße\n", b"\x00\xff"):
        write_atomically(path, content)
        assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
        assert [file.name for file in path.parent.iterdir()] == ["config.yaml"]
    link.symlink_to(path)
    write_atomically(link, "new")
    assert (path.read_bytes(), link.read_text()) == (b"\x00\xff", "new")


@pytest.mark.parametrize(
    ("broken", "error"),
    [("os.fsync", OSError("No space left")), ("pathlib.Path.replace", KeyboardInterrupt())],
)
def test_the_old_content_stays_if_writing_fails(
    broken: str, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "config.yaml"
    write_atomically(path, "old")

    def fail(*_: Any) -> None:
        raise error

    monkeypatch.setattr(broken, fail)
    with pytest.raises(DiskError if isinstance(error, OSError) else KeyboardInterrupt):
        write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["config.yaml"]


def test_content_is_synced_before_the_rename_and_the_folder_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []

    def fsync(descriptor: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")

    def replace(source: Path, _: Path) -> None:
        assert source.read_text() == "content"
        steps.append("rename")

    monkeypatch.setattr(os, "fsync", fsync)
    monkeypatch.setattr(Path, "replace", replace)
    write_atomically(tmp_path / "config.yaml", "content")
    assert steps == ["file", "rename", "folder"]
