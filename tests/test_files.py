"""Files are replaced whole or not at all."""

import os
import stat
from pathlib import Path
from typing import Any

import pytest

from src.errors import DiskError
from src.files import write_atomically


@pytest.mark.parametrize("content", ["grüße\n", b"\x00\xff"])
def test_write_atomically_makes_and_replaces_files(content: str | bytes, tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "config.yaml"
    write_atomically(path, "something much longer, of which nothing may stay")
    write_atomically(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert [file.name for file in path.parent.iterdir()] == ["config.yaml"]


@pytest.mark.parametrize("broken", ["os.fsync", "pathlib.Path.replace"])
@pytest.mark.parametrize("error", [OSError("No space left"), KeyboardInterrupt()])
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


def test_the_target_of_a_link_is_not_touched(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    write_atomically(link, "new")
    assert target.read_text() == "old"
    assert link.read_text() == "new"
