"""feeds.toml: the shipped list holds, a wrong entry is named with its mend, one's own list goes over it."""

from __future__ import annotations

from datetime import timedelta
from importlib.resources import files
from pathlib import Path

import pytest

from ingest.feeds import parse_sources, read_sources, to_toml
from monitor.errors import UsageError

GOOD = '[[feed]]\nname = "Mine"\nurl = "https://a.example/rss"\nkind = "news"\npublisher = "P"\n'


def test_the_shipped_list_covers_every_kind_and_many_houses(tmp_path: Path) -> None:
    sources = read_sources(None, tmp_path)
    assert len(sources) >= 20
    assert {source.feed.kind for source in sources} == {"news", "report", "comment"}
    assert len({source.feed.family for source in sources}) >= 15
    assert all(source.feed.url.startswith("https://") for source in sources)
    assert all(timedelta(minutes=1) <= source.feed.cadence <= timedelta(hours=2) for source in sources)


def test_the_example_of_an_api_in_the_shipped_list_works() -> None:
    text = files("ingest").joinpath("feeds.toml").read_text(encoding="utf-8")
    example = "\n".join(line.removeprefix("#     ") for line in text.splitlines() if line.startswith("#     "))
    (source,) = parse_sources(example, "the example")
    assert source.api is not None
    assert source.api.fields["url"] == "links.self"
    assert source.feed.cadence == timedelta(minutes=2)


def test_ones_own_list_adds_replaces_and_takes_away(tmp_path: Path) -> None:
    shipped = {source.feed.name: source for source in read_sources(None, tmp_path)}
    first, second, *_ = shipped
    (tmp_path / "feeds.toml").write_text(
        GOOD
        + GOOD.replace("Mine", first).replace('"news"', '"comment"')
        + GOOD.replace("Mine", second)
        + "enabled = false\n"
    )
    own = {source.feed.name: source for source in read_sources(None, tmp_path)}
    assert own.keys() == shipped.keys() - {second} | {"Mine"}
    assert own[first].feed.kind == "comment"


def test_a_named_list_stands_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.toml"
    path.write_text(GOOD + 'cadence = "90s"\nfamily = "House"\n')
    (source,) = read_sources(path, tmp_path)
    assert (source.feed.name, source.feed.family, source.feed.cadence) == ("Mine", "House", timedelta(seconds=90))
    with pytest.raises(UsageError, match="TOCSIN_FEEDS"):
        read_sources(tmp_path / "none.toml", tmp_path)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("feed = ", "no valid TOML"),
        ("[feeds]\n", "holds feeds where"),
        (GOOD.replace("publisher", "publischer"), r"feed 1 \(Mine\): .*publischer.*an entry has name, url"),
        (GOOD.replace('"news"', '"rumour"'), r"feed 1 \(Mine\): Invalid enum value 'rumour'"),
        (GOOD.replace("https", "ftp"), "must start with https://"),
        (GOOD + 'cadence = "often"\n', "cadence 'often' is not a number"),
        (GOOD + 'cadence = "5s"\n', "impolite"),
        (GOOD + GOOD, "two feeds are named 'Mine'"),
        (GOOD + 'format = "json"\n', r"\[feed.json\] belong together"),
        (GOOD + 'format = "json"\n[feed.json]\n[feed.json.fields]\nurl = "x"\n', "where the title is"),
        (
            GOOD + 'format = "json"\n[feed.json]\n[feed.json.fields]\ntitle = "x"\ntitel = "x"\n',
            "titel; the fields are",
        ),
        (
            GOOD + 'format = "json"\n[feed.json]\nkey_env = "K"\n[feed.json.fields]\ntitle = "x"\n',
            "key_env needs key_header or key_query",
        ),
        (GOOD.replace('"Mine"', '""'), "must not be empty"),
    ],
)
def test_a_wrong_entry_is_named_with_the_mend(text: str, reason: str) -> None:
    with pytest.raises(UsageError, match=f"^here: .*{reason}"):
        parse_sources(text, "here")


def test_an_added_entry_reads_back() -> None:
    odd = 'Say "hi" \\ tab\t ü'
    (source,) = parse_sources(
        to_toml({"name": odd, "url": "https://a.example/", "kind": "news", "publisher": odd}), "x"
    )
    assert (source.feed.name, source.feed.publisher) == (odd, odd)
