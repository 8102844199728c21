"""Finding a version's folder: by name, and beside folders that are damaged."""

import json
import shutil
from pathlib import Path

import pytest

from monitor.encoders import encoder_folder
from monitor.errors import ModelUnavailable, UnknownModel
from monitor.registry import find_model, find_version, read_manifest, shipped_folder
from training.commands import list_models


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    """With a version whose copying was cut off before its weights."""
    half = tmp_path / "models" / "half"
    half.mkdir(parents=True)
    shutil.copyfile(shipped_folder() / "small" / "manifest.json", half / "manifest.json")
    return tmp_path


def test_a_damaged_version_does_not_keep_another_from_being_found(data_dir: Path) -> None:
    shipped = shipped_folder() / "small"
    version = json.loads((shipped / "manifest.json").read_text(encoding="utf-8"))["version"]
    assert find_model("small", data_dir) == shipped
    assert find_model(version, data_dir) == shipped


def test_a_damaged_version_asked_for_by_name_says_what_it_lacks(data_dir: Path) -> None:
    with pytest.raises(ModelUnavailable, match=r"lacks model\.safetensors"):
        read_manifest(find_model("half", data_dir))


def test_the_setting_leads_to_its_version_by_name_and_to_no_other(data_dir: Path, tmp_path: Path) -> None:
    own = tmp_path / "elsewhere" / "mine"
    shutil.copytree(shipped_folder() / "small", own)
    said = json.loads((own / "manifest.json").read_text(encoding="utf-8"))
    (own / "manifest.json").write_text(json.dumps({**said, "version": "mine-1"}), encoding="utf-8")
    assert find_version("mine-1", data_dir, str(own)) == own
    for version, setting in (("mine-2", str(own)), ("mine-1", "small"), ("mine-1", "nosuch")):
        with pytest.raises(UnknownModel, match=f"no model '{version}' here"):
            find_version(version, data_dir, setting)


def test_the_list_shows_a_damaged_version_beside_the_whole_ones(data_dir: Path) -> None:
    lines = list_models(data_dir)
    assert any("half  damaged" in line for line in lines)
    assert any(line.startswith("small-") for line in lines)


def test_base_is_shipped_as_an_adapter_that_asks_for_its_encoder(data_dir: Path) -> None:
    folder = find_model("base", data_dir)
    manifest = read_manifest(folder)
    assert manifest.adapter_scale == 2.0
    assert {"data", "configuration", "validation", "test", "weights_sha256"} <= set(manifest.everything)
    assert sum(path.stat().st_size for path in folder.glob("*")) < 7_000_000
    with pytest.raises(ModelUnavailable, match="tocsin models fetch base"):
        encoder_folder(manifest.encoder, data_dir)
