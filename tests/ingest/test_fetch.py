"""The guarded GET against a server that misbehaves."""

from __future__ import annotations

import gzip
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from ingest.fetch import Fetched, Fetcher, Limits, NotModified, SourceUnavailable, retry_after
from monitor.net import refusal

OPEN = Fetcher(allow_private=True, limits=Limits(body_bytes=1_000_000, read_s=0.5, total_s=2.0, redirects=3))


def only_127_0_0_1(address: str) -> str | None:
    return None if address == "127.0.0.1" else refusal(address)


def test_a_plain_answer_comes_with_its_validators(server: Any) -> None:
    url = server.serve("/feed", "hello", ETag='"v1"', Last_Modified="Tue, 24 Nov 2026 10:00:00 GMT", Content_Type="a/b")
    assert OPEN.get(url) == Fetched(url, b"hello", "a/b", '"v1"', "Tue, 24 Nov 2026 10:00:00 GMT")
    assert "if-none-match" not in server.requests[0][1]


def test_the_second_time_we_ask_whether_it_changed(server: Any) -> None:
    url = server.serve("/feed", "", 304)
    assert OPEN.get(url, etag='"v1"', modified="Tue, 24 Nov 2026 10:00:00 GMT") == NotModified()
    headers = server.requests[0][1]
    assert headers["if-none-match"] == '"v1"'
    assert headers["if-modified-since"] == "Tue, 24 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (401, "check the key"),
        (403, "refuses us"),
        (404, "check the URL"),
        (410, "gone for good"),
        (429, "slow down"),
        (500, "500 Internal Server Error"),
        (204, "204"),
    ],
)
def test_every_refusal_says_what_it_means(server: Any, status: int, reason: str) -> None:
    with pytest.raises(SourceUnavailable, match=reason):
        OPEN.get(server.serve("/feed", "", status))


def test_a_wish_for_later_is_heard(server: Any) -> None:
    with pytest.raises(SourceUnavailable) as caught:
        OPEN.get(server.serve("/feed", "", 429, Retry_After="120"))
    assert caught.value.retry_after == timedelta(minutes=2)


def test_retry_after_takes_seconds_and_dates_and_nothing_else() -> None:
    now = datetime(2026, 11, 24, 10, tzinfo=UTC)
    assert retry_after("Tue, 24 Nov 2026 10:05:00 GMT", now) == timedelta(minutes=5)
    assert retry_after("Tue, 24 Nov 2026 09:00:00 GMT", now) == timedelta(0)
    for useless in ("soon", "-5", "", None, "²", "9" * 5_000, "Tue, 24 Nov 99999999999999999999 10:05:00 GMT"):
        assert retry_after(useless, now) is None


def test_redirects_are_followed_to_the_end_but_not_for_ever(server: Any) -> None:
    server.serve("/new", "moved here")
    server.serve("/old", "", 301, Location="/newer")
    server.serve("/newer", "", 307, Location=server.url("/new"))
    answer = OPEN.get(server.url("/old"))
    assert isinstance(answer, Fetched)
    assert (answer.url, answer.body) == (server.url("/new"), b"moved here")
    with pytest.raises(SourceUnavailable, match="more than 3 redirects"):
        OPEN.get(server.serve("/loop", "", 302, Location="/loop"))


def test_a_key_stays_with_its_own_host(server: Any) -> None:
    server.serve("/end", "x")
    server.serve("/away", "", 302, Location=server.url("/end", host="127.0.0.2"))
    server.serve("/near", "", 302, Location="/end")
    OPEN.get(server.url("/near"), secret_headers={"X-Key": "secret"})
    OPEN.get(server.url("/away"), secret_headers={"X-Key": "secret"})
    assert ["x-key" in headers for _, headers in server.requests] == [True, True, True, False]


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/feed",
        "http://localhost/feed",
        "http://[::1]/feed",
        "http://[::ffff:10.0.0.1]/feed",
        "http://10.1.2.3/feed",
        "http://192.168.0.1:8080/",
        "http://169.254.169.254/latest/meta-data/",
        "http://0.0.0.0/",
        "http://2130706433/",
    ],
)
def test_private_addresses_are_refused_with_the_mend(url: str) -> None:
    with pytest.raises(SourceUnavailable, match=r"TOCSIN_ALLOW_PRIVATE_URLS"):
        Fetcher().get(url)


@pytest.mark.parametrize(
    "url", ["file:///etc/passwd", "ftp://example.org/", "gopher://x", "feed", "http://", "http://[x"]
)
def test_only_web_addresses_are_asked(url: str) -> None:
    with pytest.raises(SourceUnavailable):
        Fetcher().get(url)


def test_a_redirect_to_a_private_address_is_refused(server: Any) -> None:
    guarded = Fetcher(refuse=only_127_0_0_1)
    url = server.serve("/feed", "", 302, Location=server.url("/secret", host="127.0.0.2"))
    server.serve("/secret", "secret")
    with pytest.raises(SourceUnavailable, match=r"127\.0\.0\.2 is a loopback address"):
        guarded.get(url)
    assert [path for path, _ in server.requests] == ["/feed"]
    with pytest.raises(SourceUnavailable, match="only http and https"):
        guarded.get(server.serve("/file", "", 302, Location="file:///etc/passwd"))


def test_the_checked_address_is_the_one_connected_to(server: Any) -> None:
    asked: list[str] = []

    def changes_its_mind(host: str, _port: int) -> list[str]:
        asked.append(host)
        return ["127.0.0.1"] if len(asked) == 1 else ["127.0.0.2"]

    server.serve("/feed", "hello")
    answer = Fetcher(refuse=only_127_0_0_1, resolve=changes_its_mind).get(server.url("/feed", host="rebind.example"))
    assert isinstance(answer, Fetched)
    assert answer.url == server.url("/feed", host="rebind.example")
    assert asked == ["rebind.example"]
    assert server.requests[0][1]["host"] == f"rebind.example:{server.port}"


def test_a_name_with_one_private_address_among_public_ones_is_refused() -> None:
    both = Fetcher(resolve=lambda _host, _port: ["93.184.216.34", "10.0.0.1"])
    with pytest.raises(SourceUnavailable, match=r"10\.0\.0\.1, a private address"):
        both.get("http://mixed.example/")


@pytest.mark.parametrize(
    "address",
    ["100.64.0.1", "64:ff9b::a00:1", "fd00:ec2::254", "fe80::1%eth0", "224.0.0.1", "255.255.255.255", "2002:7f00:1::"],
)
def test_disguised_private_addresses_are_known(address: str) -> None:
    assert refusal(address)


def test_public_addresses_are_free() -> None:
    assert refusal("93.184.216.34") is None
    assert refusal("2606:4700:4700::1111") is None


def test_a_huge_body_is_refused_while_it_streams(server: Any) -> None:
    sent = 0

    def fifty_megabytes(request: BaseHTTPRequestHandler) -> None:
        nonlocal sent
        request.send_response(200)
        request.end_headers()
        for _ in range(800):
            sent += request.wfile.write(b"x" * 65536)

    with pytest.raises(SourceUnavailable, match=r"more than 1 MB; that is no feed"):
        OPEN.get(server.on("/huge", fifty_megabytes))
    assert sent < 40_000_000


def test_a_gzip_bomb_is_refused_before_it_unfolds(server: Any) -> None:
    url = server.serve("/bomb", gzip.compress(b"\0" * 200_000_000, 9), Content_Encoding="gzip")
    tracemalloc.start()
    try:
        with pytest.raises(SourceUnavailable, match="more than 1 MB"):
            OPEN.get(url)
        assert tracemalloc.get_traced_memory()[1] < 8_000_000
    finally:
        tracemalloc.stop()


def test_gzip_is_unpacked_and_damage_is_named(server: Any) -> None:
    packed = gzip.compress(b"hello " * 100)
    answer = OPEN.get(server.serve("/good", packed, Content_Encoding="gzip"))
    assert isinstance(answer, Fetched)
    assert answer.body == b"hello " * 100
    with pytest.raises(SourceUnavailable, match="breaks off"):
        OPEN.get(server.serve("/half", packed[:-10], Content_Encoding="gzip"))
    with pytest.raises(SourceUnavailable, match="damaged"):
        OPEN.get(server.serve("/plain", b"hello", Content_Encoding="gzip"))
    with pytest.raises(SourceUnavailable, match="'br'"):
        OPEN.get(server.serve("/br", b"hello", Content_Encoding="br"))


def test_silence_and_slowness_end_in_time(server: Any) -> None:
    def silent(_request: BaseHTTPRequestHandler) -> None:
        time.sleep(1.5)

    def drip(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        for _ in range(60):
            request.wfile.write(b"x")
            request.wfile.flush()
            time.sleep(0.1)

    def drip_headers(request: BaseHTTPRequestHandler) -> None:
        for _ in range(60):
            request.wfile.write(b"H")
            request.wfile.flush()
            time.sleep(0.1)

    with pytest.raises(SourceUnavailable, match="no answer in time"):
        OPEN.get(server.on("/silent", silent))
    started = time.monotonic()
    with pytest.raises(SourceUnavailable, match="not finished after 2 s"):
        OPEN.get(server.on("/drip", drip))
    with pytest.raises(SourceUnavailable, match="not finished after 2 s"):
        OPEN.get(server.on("/headers", drip_headers))
    assert time.monotonic() - started < 6


def test_a_broken_connection_is_named(server: Any) -> None:
    def promise_more(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", "1000")
        request.end_headers()
        request.wfile.write(b"short")

    with pytest.raises(SourceUnavailable, match="connection failed"):
        OPEN.get(server.on("/short", promise_more))
    with pytest.raises(SourceUnavailable, match="connection failed"):
        OPEN.get("http://127.0.0.1:9/")


def test_an_unknown_name_is_named() -> None:
    def unknown(host: str, _port: int) -> list[str]:
        raise OSError(f"Name or service not known: {host}")

    with pytest.raises(SourceUnavailable, match=r"nowhere\.example can't be resolved"):
        Fetcher(resolve=unknown).get("https://nowhere.example/feed")


def test_a_validator_that_cannot_be_sent_back_is_not_kept(server: Any) -> None:
    url = server.serve("/feed", "x", ETag='"v\u00e9"', Last_Modified="gestern, \u00fcbrigens")
    answer = OPEN.get(url)
    assert isinstance(answer, Fetched)
    assert (answer.etag, answer.modified) == (None, None)
    OPEN.get(url, etag='"v\u00e9"', modified="\u00fc")  # as kept by an older version
    assert "if-none-match" not in server.requests[-1][1]


def test_no_cookie_is_kept(server: Any) -> None:
    url = server.serve("/feed", "x", Set_Cookie="who=you; Path=/")
    OPEN.get(url)
    OPEN.get(url)
    assert "cookie" not in server.requests[-1][1]


def test_a_body_packed_in_several_pieces_is_whole(server: Any) -> None:
    packed = gzip.compress(b"one ") + gzip.compress(b"two")
    answer = OPEN.get(server.serve("/feed", packed, Content_Encoding="gzip"))
    assert isinstance(answer, Fetched)
    assert answer.body == b"one two"


@pytest.mark.parametrize("address", ["192.0.0.192", "168.63.129.16", "fec0::1"])
def test_what_only_looks_public_is_refused(address: str) -> None:
    assert refusal(address) == "a reserved address"
