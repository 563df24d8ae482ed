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
    path = tmp_path / "new" / "folder" / "search.json"
    write_atomically(path, "something much longer, of which nothing may stay")
    write_atomically(path, content)
    assert path.read_bytes() == (content.encode() if isinstance(content, str) else content)
    assert [file.name for file in path.parent.iterdir()] == ["search.json"]


@pytest.mark.parametrize("broken", ["os.fsync", "pathlib.Path.replace"])
@pytest.mark.parametrize("error", [OSError("No space left"), KeyboardInterrupt()])
def test_the_old_content_stays_if_writing_fails(
    broken: str, error: BaseException, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "search.json"
    write_atomically(path, "old")

    def fail(*_: Any) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(broken, fail)
        with pytest.raises(DiskError if isinstance(error, OSError) else KeyboardInterrupt):
            write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [file.name for file in tmp_path.iterdir()] == ["search.json"]
    write_atomically(path, "new")
    assert path.read_text() == "new"


def test_content_is_synced_before_the_rename_and_the_folder_after_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[str] = []
    fsync, replace = os.fsync, Path.replace

    def recorded_fsync(descriptor: int) -> None:
        steps.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def recorded_replace(source: Path, target: Path) -> Path:
        assert source.read_text() == "content"
        steps.append("rename")
        return replace(source, target)

    monkeypatch.setattr(os, "fsync", recorded_fsync)
    monkeypatch.setattr(Path, "replace", recorded_replace)
    write_atomically(tmp_path / "search.json", "content")
    assert steps == ["file", "rename", "folder"]


def test_a_reader_keeps_the_old_file_and_a_links_target_is_not_touched(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old")
    link.symlink_to(target)
    with link.open() as reader:
        write_atomically(link, "new")
        assert reader.read() == "old"
    assert target.read_text() == "old"
    assert link.read_text() == "new"
    assert not link.is_symlink()


def test_without_hard_links_the_previous_content_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(os, "link", refuse)
    path, previous = tmp_path / "search.json", tmp_path / "search.previous.json"
    write_atomically(path, "first", previous=previous)
    assert not previous.exists()
    write_atomically(path, "second", previous=previous)
    assert (path.read_text(), previous.read_text()) == ("second", "first")
    assert sorted(tmp_path.iterdir()) == [path, previous]
