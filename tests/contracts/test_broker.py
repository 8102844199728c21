"""What a log promises, on every implementation."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import psycopg
import pytest

from monitor.broker.protocol import Broker, Message, Outgoing
from tests.contracts.conftest import SESSION_TIMEOUT_MS, Log

KEYS = [f"key-{number}".encode() for number in range(40)]
WAIT_S = 40.0


def publish(log: Log, count: int, start: int = 0) -> list[bytes]:
    values = [f"{number}".encode() for number in range(start, start + count)]
    log.open().publish(log.topic, [Outgoing(KEYS[n % len(KEYS)], value) for n, value in enumerate(values, start)])
    return values


def publish_apart(log: Log, count: int) -> list[bytes]:
    """Each in a call of its own: the small broker counts a partition's batches where it is asked for its messages."""
    publisher = log.open()
    values = [f"{number}".encode() for number in range(count)]
    for n, value in enumerate(values):
        publisher.publish(log.topic, [Outgoing(KEYS[n % len(KEYS)], value)])
    return values


def read(broker: Broker, count: int, *, commit: bool = True, limit: int = 50) -> list[Message]:
    """Poll until `count` messages came, or fail."""
    deadline = time.monotonic() + WAIT_S
    found: list[Message] = []
    while len(found) < count:
        assert time.monotonic() < deadline, f"only {len(found)} of {count} came"
        found += broker.poll(limit, 0.5)
        if commit:
            broker.commit()
    return found


def keep_reading(broker: Broker, into: list[Message], done: Event) -> None:
    while not done.is_set():
        into += broker.poll(50, 0.5)
        broker.commit()


def test_messages_of_one_key_keep_their_order(log: Log) -> None:
    for start in (0, 200, 400):
        publish(log, 200, start)
    by_key: dict[bytes, list[int]] = {}
    for message in read(log.open(), 600):
        by_key.setdefault(message.key, []).append(int(message.value))
    assert len(by_key) == len(KEYS)
    assert all(values == sorted(values) for values in by_key.values())


def test_a_poll_returns_no_more_than_asked(log: Log) -> None:
    publish(log, 100)
    reader = log.open()
    sizes: list[int] = []
    while sum(sizes) < 100:
        sizes.append(len(reader.poll(7, 5)))
    assert max(sizes) <= 7


def test_what_was_not_committed_is_read_again(log: Log) -> None:
    values = publish(log, 60)
    first = log.open()
    handled = read(first, 20, limit=20)
    read(first, 20, commit=False, limit=20)
    first.close()
    rest = read(log.open(), 60 - len(handled))
    assert {m.value for m in handled} | {m.value for m in rest} == set(values)
    assert not {m.value for m in handled} & {m.value for m in rest}


def test_what_is_in_flight_beyond_a_commit_is_read_again(log: Log) -> None:
    """A caller may read on while it still works on what it read before, and commit that when it is done."""
    values = publish_apart(log, 60)
    first = log.open()
    handled, flying = read(first, 20, commit=False, limit=20), read(first, 20, commit=False, limit=20)
    first.commit(handled)
    assert sum(first.lag().values()) == 60 - len(handled)
    first.close()
    rest = read(log.open(), 60 - len(handled))
    assert {m.value for m in handled} | {m.value for m in rest} == set(values)
    assert {m.value for m in flying} <= {m.value for m in rest}
    assert not {m.value for m in handled} & {m.value for m in rest}


def test_a_killed_consumer_loses_nothing(log: Log) -> None:
    values = publish(log, 100)
    with log.program("broker = open_log(); print(len(broker.poll(30, 30)), flush=True); time.sleep(60)") as victim:
        assert victim.stdout
        polled = int(victim.stdout.readline())
        victim.kill()
    assert polled > 0
    assert {message.value for message in read(log.open(), 100)} == set(values)


def test_two_consumers_share_and_both_work(log: Log) -> None:
    one, other = log.open(), log.open()
    deadline = time.monotonic() + WAIT_S
    seen: Counter[str] = Counter()
    values: set[bytes] = set()
    wanted = 0
    with ThreadPoolExecutor(2) as threads:
        while min(seen["one"], seen["other"]) == 0 or len(values) < wanted:
            assert time.monotonic() < deadline, f"not shared: {seen}"
            if wanted < 2000:
                publish(log, 40, wanted)
                wanted += 40
            polls = {name: threads.submit(broker.poll, 50, 0.5) for name, broker in (("one", one), ("other", other))}
            for name, poll in polls.items():
                seen[name] += len(poll.result())
                values |= {message.value for message in poll.result()}
            one.commit()
            other.commit()
    assert sum(log.open().lag().values()) == 0


def test_a_consumer_with_something_always_in_flight_still_shares(log: Log) -> None:
    one, other = log.open(), log.open()
    deadline = time.monotonic() + WAIT_S
    flying: list[Message] = []
    ours, others = set[bytes](), set[bytes]()
    wanted = 0
    with ThreadPoolExecutor(1) as thread:
        while not others or len(ours | others) < wanted:
            assert time.monotonic() < deadline, f"{len(ours)} and {len(others)} of {wanted}"
            if not others and wanted < 2000:
                publish(log, 40, wanted)
                wanted += 40
            polling = thread.submit(other.poll, 50, 0.5)
            if came := one.poll(20, 0.5):
                one.commit(flying)
                flying = came
            ours |= {message.value for message in came}
            others |= {message.value for message in polling.result()}
            other.commit(polling.result())
        one.commit(flying)
    assert sum(log.open().lag().values()) == 0


def test_a_slow_batch_keeps_its_partitions(log: Log) -> None:
    """Longer than the session timeout, while another consumer joins: heartbeats go on beside the work."""
    values = publish(log, 40)
    slow = log.open()
    taken = read(slow, 20, commit=False, limit=20)
    other = log.open()
    stolen: list[Message] = []
    done = Event()
    with ThreadPoolExecutor(1) as thread:
        joining = thread.submit(keep_reading, other, stolen, done)
        time.sleep(SESSION_TIMEOUT_MS / 1000 * 1.4)
        slow.commit()
        rest: list[Message] = []
        deadline = time.monotonic() + WAIT_S
        while len({m.value for m in taken + rest + stolen}) < 40 and time.monotonic() < deadline:
            rest += slow.poll(50, 0.2)
            slow.commit()
        done.set()
        joining.result()
    assert not {m.value for m in taken} & {m.value for m in stolen}, "a slow batch was taken away and read twice"
    assert {m.value for m in taken + rest + stolen} == set(values)


def test_a_poison_record_is_delivered_as_it_is(log: Log) -> None:
    poison = b"\x00\xff not an article \xed\xa0\x80"
    log.open().publish(log.topic, [Outgoing(b"k", poison), Outgoing(b"k", b""), Outgoing(b"k", b"after")])
    assert [message.value for message in read(log.open(), 3)] == [poison, b"", b"after"]


def test_lag_counts_what_is_not_committed(log: Log) -> None:
    publish_apart(log, 30)
    reader = log.open()
    read(reader, 30, commit=False)
    assert sum(reader.lag().values()) == 30
    reader.commit()
    assert sum(reader.lag().values()) == 0


def test_a_restart_is_waited_out(log: Log) -> None:
    if log.restart is None:
        pytest.skip("this broker keeps its log in memory only")
    values = publish(log, 50)
    reader = log.open()
    before = read(reader, 20, limit=20)
    log.restart()
    values += publish(log, 50, 50)
    found = {message.value for message in before}
    deadline = time.monotonic() + 60
    while found != set(values):
        assert time.monotonic() < deadline, f"{len(found)} of {len(values)} after the restart"
        found |= {message.value for message in reader.poll(50, 1)}
        reader.commit()


def test_a_writer_that_commits_late_is_not_skipped(database_url: str) -> None:
    """The trap of a log on a table: an offset drawn early and committed late lies behind the reader."""
    from monitor.broker.postgres import PostgresBroker

    writer, reader = PostgresBroker(database_url, "news", "g"), PostgresBroker(database_url, "news", "g")
    writer.publish("news", [Outgoing(b"a", b"first")])
    assert [m.value for m in read(reader, 1)] == [b"first"]
    with psycopg.connect(database_url.replace("+psycopg", "")) as late:
        late.execute("UPDATE log_ends SET next = next + 1 WHERE topic = 'news' RETURNING partition, next")
        row = late.execute("SELECT partition, next FROM log_ends WHERE topic = 'news'").fetchone()
        assert row
        late.execute(
            'INSERT INTO log_messages (topic, partition, "offset", key, value) VALUES (%s, %s, %s, %s, %s)',
            ["news", row[0], row[1] - 1, b"a", b"late"],
        )
        with ThreadPoolExecutor(1) as thread:
            after = thread.submit(writer.publish, "news", [Outgoing(b"a", b"after")])
            assert reader.poll(10, 0.5) == []
            assert not after.done(), "a second writer drew an offset beyond an uncommitted one"
            late.commit()
            after.result(10)
    assert [m.value for m in read(reader, 2)] == [b"late", b"after"]
    writer.close()
    reader.close()


def test_a_publisher_waits_out_a_restart(log: Log) -> None:
    if log.restart is None:
        pytest.skip("this broker keeps its log in memory only")
    publisher = log.open()
    batches = [[Outgoing(KEYS[n % len(KEYS)], b"%d" % n) for n in range(at, at + 20)] for at in range(0, 400, 20)]
    with ThreadPoolExecutor(1) as thread:
        publishing = [thread.submit(publisher.publish, log.topic, batch) for batch in batches]
        log.restart()
        for one in publishing:
            one.result(WAIT_S)
    publisher.publish(log.topic, [Outgoing(b"k", b"after")])
    assert {m.value for m in read(log.open(), 401)} == {m.value for batch in batches for m in batch} | {b"after"}


@pytest.mark.parametrize("stop", ["pg_terminate_backend", "pg_cancel_backend"])
def test_an_append_that_is_stopped_in_the_middle_is_done_again_whole(database_url: str, stop: str) -> None:
    """COPY is the driver's own call: its errors must be waited out like SQLAlchemy's."""
    from monitor.broker.postgres import PostgresBroker

    plain, broker = database_url.replace("+psycopg", ""), PostgresBroker(database_url, "news", "g")
    broker.publish("news", [Outgoing(b"a", b"first")])
    copying = "FROM pg_stat_activity WHERE datname = current_database() AND query LIKE 'COPY%' AND state = 'active'"
    with psycopg.connect(plain) as blocker, psycopg.connect(plain, autocommit=True) as admin:
        blocker.execute("LOCK TABLE log_messages IN EXCLUSIVE MODE")
        with ThreadPoolExecutor(1) as thread:
            publishing = thread.submit(broker.publish, "news", [Outgoing(b"a", b"second"), Outgoing(b"a", b"third")])
            deadline = time.monotonic() + WAIT_S
            while not admin.execute(f"SELECT {stop}(pid) {copying} AND wait_event = 'relation'").fetchall():
                assert time.monotonic() < deadline, "the append never began"
            blocker.commit()
            publishing.result(WAIT_S)
    assert [m.value for m in read(broker, 3)] == [b"first", b"second", b"third"]
    broker.close()
