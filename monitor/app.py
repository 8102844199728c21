"""The one place that picks implementations: Settings -> database, log, classifier. Straight lines, no decisions."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from pydantic import SecretStr

from monitor import embedded
from monitor.broker.protocol import Broker
from monitor.classifier.protocol import Classifier
from monitor.entities import Companies, load_companies
from monitor.errors import ModelUnavailable, TocsinError, Unavailable, UnknownModel, UsageError
from monitor.markets import load_markets
from monitor.patience import PATIENCE_S, patiently
from monitor.registry import find_model, find_version, read_manifest
from monitor.rescoring import Loadable, is_another
from monitor.settings import Settings
from monitor.store.engine import Database, open_database, transaction
from monitor.store.given_up import given_up
from monitor.store.migrate import current, migrate, newest, refuse_newer
from monitor.store.models import ensure_service, manifest_of
from monitor.store.status import saved_ends

ANSWERS_WITHIN_S = 5.0


@contextlib.contextmanager
def database_url(settings: Settings, *, wait: bool = False) -> Iterator[str]:
    """The database's URL while it runs: the named server, else the private one, joined or started for the block.

    The private one is brought to the newest schema; a named server is its operator's, so an old schema is refused.
    A program waits for a server that is away; who asks once is told.
    """
    if settings.database_url is not None:
        url = _named_server(settings.database_url)
        _refuse_old_schema(url, wait=wait)
        yield url
        return
    with embedded.server(settings.data_dir) as url:
        migrate(url)
        yield url


@contextlib.contextmanager
def database(settings: Settings) -> Iterator[Database]:
    """The database, open for the block."""
    with database_url(settings) as url, opened(url) as found:
        yield found


@contextlib.contextmanager
def opened(url: str) -> Iterator[Database]:
    """A database by its URL, open for the block."""
    found = open_database(url)
    try:
        yield found
    finally:
        found.dispose()


def connector(settings: Settings, url: str, patience_s: float = PATIENCE_S) -> Callable[[], Broker]:
    """Opens the log: each call another consumer of the workers' group. `patience_s` with a Kafka that is away."""
    if settings.broker == "postgres":
        from monitor.broker.postgres import PostgresBroker

        return lambda: PostgresBroker(url, settings.topic, settings.group)
    from monitor.broker.kafka import KafkaBroker

    def saved() -> dict[int, int]:
        with opened(url) as database:
            return saved_ends(database, settings.topic)

    return lambda: KafkaBroker(
        kafka_connection(settings), settings.topic, settings.group, patience_s=patience_s, saved=saved
    )


@contextlib.contextmanager
def asked_log(settings: Settings, url: str) -> Iterator[Broker]:
    """The log for a verb that asks it once, open for the block. Unavailable where it does not answer now."""
    connect = connector(settings, url, patience_s=ANSWERS_WITHIN_S)
    if settings.broker == "kafka":
        kafka_connection(settings)  # wrong use is told before anything is asked
        answers(settings.kafka_servers)
    broker = connect()
    try:
        yield broker
    finally:
        broker.close()


def log_trim(settings: Settings, url: str) -> Callable[[datetime], Any] | None:
    """Forgets what was committed long ago; None for Kafka, which has a retention of its own."""
    if settings.broker == "kafka":
        return None
    from monitor.broker.postgres import PostgresBroker

    return PostgresBroker(url, settings.topic, settings.group).trim


def kafka_connection(settings: Settings) -> dict[str, Any]:
    from monitor.broker.kafka_cluster import connection_settings

    return connection_settings(
        settings.kafka_servers,
        settings.kafka_security_protocol,
        settings.kafka_sasl_mechanism,
        settings.kafka_username,
        settings.kafka_password.get_secret_value() if settings.kafka_password else None,
    )


def companies(settings: Settings) -> Companies:
    """The listed companies, and the watch-list: the named file, else watchlist.toml in the data directory."""
    own = settings.data_dir / "watchlist.toml"
    return load_companies(settings.watchlist or (own if own.exists() else None))


def loader(settings: Settings) -> Callable[[str], Classifier]:
    """Loads the classifier of a version."""

    def load(version: str) -> Classifier:
        find_model(version, settings.data_dir)  # a wrong name is told at once, not after seconds of loading torch
        from monitor.classifier.transformer import load_classifier

        return load_classifier(version, settings.data_dir, settings.device)

    return load


def worker_loader(settings: Settings, opened: Database) -> Callable[[str], Classifier]:
    """As `loader`, but never what would mix two versions under one name.

    ModelUnavailable where what is here by that name is not what the database knows by it.
    """
    load = loader(settings)

    def load_known(version: str) -> Classifier:
        folder = find_version(version, settings.data_dir, settings.model)
        manifest = read_manifest(folder)
        if manifest.version != version:
            raise ModelUnavailable(f"{folder} holds {manifest.version}, not {version}; give the folder another name")
        known = patiently("learn what it knows of a version", lambda: manifest_of(opened, version))
        if is_another(manifest, known):
            raise ModelUnavailable(
                f"{folder} holds other weights than the {version} in service; bring those here under its name"
            )
        return load(str(folder))

    return load_known


def version(settings: Settings, name: str) -> Loadable:
    """A version by its name, its folder or the hub. ModelUnavailable where its artefacts are not here."""
    folder = find_version(name, settings.data_dir, settings.model)
    return Loadable(read_manifest(folder), lambda: loader(settings)(str(folder)))


def candidate(settings: Settings, name: str) -> Loadable:
    """As `version`, of one that shall serve. UsageError where workers would not find it: they know it by its name."""
    found = version(settings, name)
    try:
        find_version(found.manifest.version, settings.data_dir, settings.model)
    except UnknownModel as error:
        home = settings.data_dir / "models" / found.manifest.version
        raise UsageError(f"workers find {found.manifest.version} only in {home}; copy {name} there") from error
    return found


def clock() -> datetime:
    return datetime.now(UTC)


def first_model(settings: Settings, opened: Database, now: datetime) -> str:
    """The version in service; a fresh database starts with the setting's model."""
    manifest = read_manifest(find_model(settings.model, settings.data_dir))
    return ensure_service(opened, manifest.version, manifest.everything, now)


def migrate_all(settings: Settings) -> Iterator[str]:
    """The database to head and, with Kafka, the topic made; a line about each."""
    if settings.database_url is None:
        with embedded.server(settings.data_dir) as url:
            yield f"the private database is at revision {migrate(url)}"
    else:
        url = _named_server(settings.database_url)
        yield f"the database is at revision {migrate(url)}"
    if settings.broker == "kafka":
        from monitor.broker.kafka_cluster import create_topic

        answers(settings.kafka_servers)
        made = create_topic(kafka_connection(settings), settings.topic)
        yield f"the topic {settings.topic} {'was made' if made else 'is there'}"


@contextlib.contextmanager
def started_once(settings: Settings) -> Iterator[None]:
    """For the block a private database runs that all who ask join; where it can't start, each of them is told."""
    with contextlib.ExitStack() as held:
        if settings.database_url is None:
            with contextlib.suppress(TocsinError):
                held.enter_context(embedded.server(settings.data_dir))
        yield


def checks(settings: Settings) -> dict[str, Callable[[], str]]:
    """What `tocsin doctor` looks at beyond the machine; each raises TocsinError with the mend."""

    def look_at_database() -> str:
        with database_url(settings) as url:
            return f"answers, at revision {current(url)}"

    def look_at_log() -> str:
        if settings.broker == "kafka":
            answers(settings.kafka_servers)  # asked even where the database is away, too
        with database_url(settings) as url, asked_log(settings, url) as broker:
            return f"{settings.broker} answers, {sum(broker.lag().values()):,} messages wait"

    def look_at_messages() -> str:
        with database(settings) as found, transaction(found) as tx:
            count, newest = given_up(tx, limit=1)
        if count:
            why = f"{newest[0].channel}: {newest[0].error or 'no reason given'}".replace("; ", ", ")
            raise TocsinError(
                f"{count} could not be delivered, the last through {why}; "
                "mend the channel, then `tocsin notify retry` (or `tocsin notify forget`), or use the page Alerts"
            )
        return "none was given up"

    def look_at_channels() -> str:
        from monitor.alerts.notify import channels_of  # brings apprise

        return ", ".join(channels_of(settings.notify_urls)) or "none, alerts stay on the dashboard"

    def look_at_market() -> str:
        return load_markets(settings.market).default.name

    return {
        "channels": look_at_channels,
        "market": look_at_market,
        "model": lambda: read_manifest(find_model(settings.model, settings.data_dir)).version,
        "companies": lambda: f"{len(companies(settings).all):,} known",
        "database": look_at_database,
        "log": look_at_log,
        "messages": look_at_messages,
    }


def answers(servers: str) -> None:
    """Unavailable unless one of the servers, host:port and comma-separated, takes a connection."""
    for server in servers.split(","):
        host, _, port = server.strip().rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), ANSWERS_WITHIN_S).close()
        except (OSError, ValueError):
            continue
        return
    raise Unavailable(f"no Kafka answers at {servers}; start it, or set TOCSIN_KAFKA_SERVERS")


def _named_server(url: SecretStr) -> str:
    """The setting's URL with the driver we use."""
    return url.get_secret_value().replace("postgresql://", "postgresql+psycopg://", 1)


def _refuse_old_schema(url: str, *, wait: bool) -> None:
    found, wanted = patiently("read its revision", lambda: current(url)) if wait else current(url), newest()
    if found != wanted:
        refuse_newer(found)
        what = "has no tables" if found is None else f"is at revision {found}, this code needs {wanted}"
        raise TocsinError(f"the database {what}; run `tocsin migrate`")
