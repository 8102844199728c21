"""The shipped weights under two names, on a real log and database: a promotion and a rollback while news comes in."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitor import app as wiring
from monitor.errors import ModelUnavailable
from monitor.registry import read_manifest, shipped_folder
from monitor.settings import Settings
from monitor.store.counts import recount
from monitor.store.engine import open_database
from monitor.store.models import in_service
from monitor.store.workers import workers
from tests.test_worker import NOW, Bench, encode, raw, running
from training.promote import promote, roll_back
from training.weigh import Gate


@pytest.fixture
def empty_bench(database_url: str) -> Iterator[Bench]:
    """No model is in service yet."""
    database = open_database(database_url)
    made = Bench(database_url, database)
    yield made
    for broker in made.brokers:
        broker.close()
    database.dispose()


def copy_as(name: str, data_dir: Path, **changed: str) -> None:
    folder = data_dir / "models" / name
    shutil.copytree(shipped_folder() / "small", folder)
    manifest = json.loads((folder / "manifest.json").read_text()) | {"version": name} | changed
    (folder / "manifest.json").write_text(json.dumps(manifest))


def test_real_weights_are_promoted_and_rolled_back_and_no_article_goes_unjudged(
    empty_bench: Bench, tmp_path: Path
) -> None:
    bench, settings = empty_bench, Settings(data_dir=tmp_path, device="cpu")
    copy_as("copy-1", tmp_path)
    shipped = read_manifest(shipped_folder() / "small").version
    assert wiring.first_model(settings, bench.database, NOW) == shipped
    told: list[str] = []

    def find(name: str) -> wiring.Loadable:
        return wiring.version(settings, name)

    bench.publish([encode(raw(n)) for n in range(20)])
    with running(bench.worker(wiring.worker_loader(settings, bench.database), batch_articles=4)):
        bench.wait("SELECT count(*) FROM articles", [(20,)])
        told_in_service = []

        def tell(line: str) -> None:
            told.append(line)
            if line.endswith("is in service"):
                told_in_service.append(line)
                start = 100 * len(told_in_service)
                bench.publish([encode(raw(n)) for n in range(start, start + 10)])

        promote(bench.database, find("copy-1"), find, Gate(), "ann", "same weights", lambda: NOW, tell, settle_s=6)
        assert [one.version for one in workers(bench.database, NOW)] == ["copy-1"]
        bench.wait("SELECT count(*) FROM scores WHERE model = 2", [(30,)])
        assert roll_back(bench.database, find, "ann", "", lambda: NOW, tell, settle_s=6) == shipped
        bench.wait("SELECT count(*) FROM scores WHERE model = 1", [(40,)])
    assert in_service(bench.database) == shipped
    same = bench.ask(
        "SELECT count(*), max(abs(a.negative - b.negative)) < 0.02 FROM scores a JOIN scores b USING (article)"
        " WHERE a.model = 1 AND b.model = 2 AND a.topic = b.topic"
    )
    assert same[0][0] >= 29
    assert same[0][1], "the same weights say the same of the same text, in service and re-scored"
    assert not list(recount(bench.database))


def test_other_weights_under_the_name_in_service_judge_nothing(empty_bench: Bench, tmp_path: Path) -> None:
    """As by a copy that was changed but not renamed: two workers would judge differently under one name."""
    bench, settings = empty_bench, Settings(data_dir=tmp_path, device="cpu")
    shipped = wiring.first_model(settings, bench.database, NOW)
    load = wiring.worker_loader(settings, bench.database)
    copy_as(shipped, tmp_path, weights_sha256="0" * 64)
    with pytest.raises(ModelUnavailable, match=f"holds other weights than the {shipped} in service"):
        load(shipped)
    shutil.rmtree(tmp_path / "models")
    copy_as(shipped, tmp_path, version="another")
    with pytest.raises(ModelUnavailable, match=f"holds another, not {shipped}"):
        load(shipped)
    shutil.rmtree(tmp_path / "models")
    assert load(shipped).version == shipped
