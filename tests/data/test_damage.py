"""Bytes of data files that were flipped, cut or doubled: a clear error or a right table."""

import io
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from src.config.schema import DataSettings
from src.data.loading import Data, load_data
from src.errors import UserError

CASES = int(os.environ.get("FUZZ_CASES", "25"))  # of each test; more of them take longer
SETTINGS = settings(max_examples=CASES, deadline=None, derandomize=True)
ROWS = np.random.default_rng(0).normal(size=(30, 3)).round(3)


def archive(save: Any) -> bytes:
    buffer = io.BytesIO()
    save(buffer, x_train=ROWS, y_train=np.arange(30) % 2)
    return buffer.getvalue()


def parquet() -> bytes:
    pytest.importorskip("pyarrow", reason="Parquet needs the package pyarrow")
    frame = pd.DataFrame(ROWS, columns=["a", "b", "c"])
    return bytes(frame.assign(label=np.where(ROWS[:, 0] > 0, "yes", "no")).to_parquet())


LINES = [",".join(map(str, row)) + f",{'yes' if row[0] > 0 else 'no'}" for row in ROWS]
CONTENTS = {
    "table.csv": "\n".join(["a,b,c,label", *LINES, ""]).encode(),
    "stored.npz": archive(np.savez),
    "compressed.npz": archive(np.savez_compressed),
    "table.parquet": parquet(),
}
edits = st.lists(
    st.tuples(
        st.sampled_from(["flip", "insert", "delete", "truncate", "double"]),
        st.floats(0, 1, exclude_max=True),
        st.sampled_from([b"\0", b"\xff", b'"', b",", b"\n", b"\r", b"1e999", b"\xef\xbb\xbf"]),
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
            "truncate": content[:at],
            "double": content[:at] + content[at // 2 :],
        }[kind]
    return content


def load(path: Path, content: bytes) -> Data | None:
    path.write_bytes(content)
    try:
        data = load_data(DataSettings(source=path.suffix[1:], path=str(path)), seed=0)
        arrays = data.arrays(data.train, data.validation)  # which every command does next
    except UserError as error:
        message = str(error)
        assert path.name in message or message.startswith(("data.", "data:")), message
        assert len(message) < 2000
        return None
    assert np.isfinite(arrays.x).all()
    assert np.isfinite(arrays.x_validation).all()
    return data


@pytest.mark.parametrize("name", CONTENTS)
def test_damage_is_told_or_harmless(name: str, tmp_path: Path) -> None:
    @SETTINGS
    @given(edits)
    def check(changes: list[tuple[str, float, bytes]]) -> None:
        load(tmp_path / name, damaged(CONTENTS[name], changes))

    check()
    assert load(tmp_path / name, CONTENTS[name]) is not None


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


def test_headers_that_lie_take_no_memory(tmp_path: Path) -> None:
    y = header("(30,)", "<i8") + b"\0" * 240
    shapes = ("(1000000000000, 1000)", "(-5, 3)", "(" * 3000)
    wide = header("(30, 3)", "<U1000000000")
    for x in (*map(header, shapes), wide, b"\x93NUMPY\x09\x00"):
        assert load(tmp_path / "lies.npz", stored(x_train=x, y_train=y)) is None


def test_a_zip_bomb_is_not_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src.data.sources.npz_file.physical_memory", lambda: 10**6)
    bomb = stored(x_train=header("(1000000, 3)") + b"\0" * 24_000_000, y_train=b"")
    assert len(bomb) < 100_000
    (tmp_path / "bomb.npz").write_bytes(bomb)
    with pytest.raises(UserError, match=r"bomb\.npz: unpacked it has 24 MB, and this machine 1 MB"):
        load_data(DataSettings(source="npz", path=str(tmp_path / "bomb.npz")), seed=0)
