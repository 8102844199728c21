"""Model artefacts are files: a folder a version. Which version is in service is a row in Postgres, not here.

A version's folder holds manifest.json (what it is and how it was made), model.safetensors, config.json, tokenizer.json
and, where it was evaluated, report/. A version made with an adapter needs its encoder besides (see encoders). Shipped
versions lie in the package, own ones in the data directory. Imports no model library.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from monitor.errors import ModelUnavailable, UnknownModel

NEEDED = ("manifest.json", "model.safetensors", "config.json", "tokenizer.json")


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a version says of itself."""

    version: str
    """Its name in the database, e.g. small-2026.11."""
    topics: tuple[str, ...]
    """In the order of the topic head."""
    temperatures: tuple[float, float, float]
    """Of topic, sentiment and company logits, from calibration."""
    max_tokens: int
    """A window's length, special tokens included; longer texts are read in several."""
    adapter_scale: float
    """alpha / rank of the adapter that is all the version holds of its encoder; 0 where it holds the whole."""
    everything: dict[str, Any]
    """The whole file: data hashes, configuration, scores."""

    @property
    def encoder(self) -> str:
        """SHA-256 of the weights of the pretrained encoder that it was made from."""
        return str(self.everything["encoder"]["sha256"])


def read_manifest(folder: Path) -> Manifest:
    """ModelUnavailable where the folder is no whole version."""
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise UnknownModel(f"{folder} is no model of ours, it lacks {', '.join(missing)}; see `tocsin models`")
    try:
        said = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        return Manifest(
            said["version"],
            tuple(said["topics"]),
            tuple(said["temperatures"][head] for head in ("topic", "sentiment", "company")),
            int(said["max_tokens"]),
            said["adapter"]["alpha"] / said["adapter"]["rank"] if "adapter" in said else 0.0,
            said,
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ModelUnavailable(f"{folder}/manifest.json is damaged ({error!r}); install the model again") from error


def shipped_folder() -> Path:
    return Path(str(files("monitor"))) / "models"


def folders(data_dir: Path) -> Iterator[Path]:
    """Every version here: own ones first, so that they stand above shipped ones of the same name."""
    for home in (data_dir / "models", shipped_folder()):
        if home.is_dir():
            yield from sorted(path for path in home.iterdir() if (path / "manifest.json").is_file())


def version_in(folder: Path) -> str | None:
    """The name of the version in a folder; None where it is damaged."""
    try:
        return read_manifest(folder).version
    except ModelUnavailable:
        return None


def find_model(name: str, data_dir: Path) -> Path:
    """The folder of a version by its name or its folder's, by a path, or from the hub. ModelUnavailable otherwise."""
    known: list[str] = []
    for folder in folders(data_dir):
        if name == folder.name:
            return folder
        if name == (version := version_in(folder)):
            return folder
        # A damaged version keeps no other from serving; asked for by name, it says so.
        known.append(version or f"{folder.name} (damaged)")
    if Path(name).is_dir():
        return Path(name)
    if name.count("/") == 1 and not name.startswith((".", "/")):
        return _from_hub(name)
    here = ", ".join(known) or "none"
    raise UnknownModel(f"no model {name!r} here; known: {here}; or name a folder or a hub model")


def find_version(version: str, data_dir: Path, setting: str) -> Path:
    """As find_model, and where the setting TOCSIN_MODEL leads, if that holds the very version."""
    try:
        return find_model(version, data_dir)
    except UnknownModel:
        with suppress(ModelUnavailable):
            folder = find_model(setting, data_dir)
            if version_in(folder) == version:
                return folder
        raise


def _from_hub(name: str) -> Path:
    """A hub repository that holds a version's folder, from the local cache where it is there."""
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=[*NEEDED, "report/*"]))
    except (OSError, ValueError) as error:
        cause = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ModelUnavailable(f"cannot fetch {name!r} from the hub ({cause}); name a local folder instead") from error
