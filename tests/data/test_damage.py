"""Bytes of data files that were flipped, cut or doubled: a clear error or a right table."""

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from src.config.schema import DataSettings
from src.data.loading import Data, load_data
from src.errors import UserError

CASES = int(os.environ.get("FUZZ_CASES", "70"))  # of each test; more of them take longer
SETTINGS = settings(max_examples=CASES, deadline=None, derandomize=True)


def table() -> str:
    rows = np.random.default_rng(0).normal(size=(30, 3)).round(3)
    lines = [",".join(map(str, row)) + f",{'yes' if row[0] > 0 else 'no'}" for row in rows]
    return "\n".join(["a,b,c,label", *lines]) + "\n"


def archive(compressed: bool = False) -> bytes:
    buffer = io.BytesIO()
    rng = np.random.default_rng(0)
    save = np.savez_compressed if compressed else np.savez
    save(buffer, x_train=rng.normal(size=(30, 3)), y_train=np.arange(30) % 2)
    return buffer.getvalue()


CSV, NPZ, NPZ_COMPRESSED = table().encode(), archive(), archive(compressed=True)

edits = st.lists(
    st.tuples(
        st.sampled_from(["flip", "insert", "delete", "stopped_by", "double"]),
        st.floats(0, 1, exclude_max=True),
        st.sampled_from([b"\0", b"\xff", b'"', b",", b"\n", b"\r", b"1e999", b"-", b"\xef\xbb\xbf"])
        | st.binary(min_size=1, max_size=4),
    ),
    min_size=1,
    max_size=5,
)


def damaged(content: bytes, changes: list[tuple[str, float, bytes]]) -> bytes:
    for kind, where, new in changes:
        at = int(where * len(content))
        content = {
            "flip": content[:at] + new + content[at + len(new) :],
            "insert": content[:at] + new + content[at:],
            "delete": content[:at] + content[at + 1 + len(new) :],
            "stopped_by": content[:at],
            "double": content[:at] + content[at // 2 :],
        }[kind]
    return content


def load(path: Path, content: bytes) -> Data | None:
    path.write_bytes(content)
    source = path.suffix[1:]
    try:
        data = load_data(DataSettings(source=source, path=str(path)), seed=0)
        data.arrays(data.train, data.validation)  # which every command does next
        return data
    except UserError as error:
        message = str(error)
        assert path.name in message or message.startswith(("data.", "data:")), message
        assert len(message) < 2000
        return None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damage")


@SETTINGS
@given(edits)
@example([("stopped_by", 0.0, b" ")])
def test_csv(folder: Path, changes: list[tuple[str, float, bytes]]) -> None:
    data = load(folder / "table.csv", damaged(CSV, changes))
    if data is not None:
        arrays = data.arrays(data.train, data.validation)
        assert np.isfinite(arrays.x).all()
        assert np.isfinite(arrays.x_validation).all()


@pytest.mark.parametrize("content", [NPZ, NPZ_COMPRESSED], ids=["stored", "compressed"])
def test_npz(content: bytes, folder: Path) -> None:
    @SETTINGS
    @given(edits)
    def check(changes: list[tuple[str, float, bytes]]) -> None:
        data = load(folder / "table.npz", damaged(content, changes))
        if data is not None:
            assert np.isfinite(data.x).all()

    check()


def header(shape: str, kind: str = "<f8") -> bytes:
    text = f"{{'descr': {kind!r}, 'fortran_order': False, 'shape': {shape}, }}".encode()
    text += b" " * (64 - (10 + len(text) + 1) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


def stored(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "x",
    [
        header("(1000000000000, 1000)"),
        header("(-5, 3)"),
        header("(3,)") + b"\0" * 24,
        header("(" * 3000),
        header("(30, 3)", "<U1000000000"),
        b"\x93NUMPY\x09\x00",
        b"",
    ],
    ids=["huge", "negative", "flat", "nested", "wide text", "version", "empty"],
)
def test_headers_that_lie_take_no_memory(x: bytes, folder: Path) -> None:
    y = header("(30,)", "<i8") + b"\0" * 240
    assert load(folder / "lies.npz", stored(x_train=x, y_train=y)) is None


def test_a_zip_bomb_is_not_unpacked(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.data.sources.npz_file.physical_memory", lambda: 10**6)
    bomb = stored(x_train=header("(1000000, 3)") + b"\0" * 24_000_000, y_train=b"")
    assert len(bomb) < 100_000
    (folder / "bomb.npz").write_bytes(bomb)
    with pytest.raises(UserError, match=r"bomb\.npz: unpacked it has 24 MB, and this machine 1 MB"):
        load_data(DataSettings(source="npz", path=str(folder / "bomb.npz")), seed=0)
