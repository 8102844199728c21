"""For who runs it: `notify`, `dead-letters`, `status`, `migrate`, `doctor`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from monitor.cli.shared import start

if TYPE_CHECKING:
    from monitor.store.alerts import Transaction

verbs = typer.Typer()
notify_app = typer.Typer(no_args_is_help=True, help="Channels that alerts go to.")
dead_app = typer.Typer(no_args_is_help=True, help="Messages that could not become articles: list, show, retry.")
verbs.add_typer(notify_app, name="notify")
verbs.add_typer(dead_app, name="dead-letters")


@notify_app.command("test")
def notify_test(channel: Annotated[str, typer.Argument(help="a channel's name, as TOCSIN_NOTIFY gives it")]) -> None:
    """Send one test message through a channel."""
    from monitor.jobs import notify_test as send

    print(send(start("notify", level="warning"), channel, datetime.now(UTC)))


@notify_app.command("retry")
def notify_retry() -> None:
    """Send again, now, what was given up because its channel did not take it."""
    from monitor.store.given_up import send_again

    print(f"{_of_given_up(send_again)} will be sent again by `tocsin jobs`")


@notify_app.command("forget")
def notify_forget() -> None:
    """Dismiss what was given up: the doctor and the page Alerts name it no more."""
    from monitor.store.given_up import dismiss

    print(f"{_of_given_up(dismiss)} dismissed")


def _of_given_up(act: Callable[[Transaction, str, datetime], int]) -> str:
    """Do it with what was given up; the words for how many messages that was."""
    from monitor import app as wiring
    from monitor.cli.shared import person
    from monitor.store.engine import transaction

    settings = start("notify", level="warning")
    with wiring.database(settings) as database, transaction(database) as tx:
        count = act(tx, person(settings), datetime.now(UTC))
    return f"{count} message{'' if count == 1 else 's'}"


@dead_app.command("list")
def list_dead_letters(limit: Annotated[int, typer.Option(help="at most so many, newest first", min=1)] = 50) -> None:
    """One line each: where it lies on the log, when, why."""
    from monitor import app as wiring
    from monitor.store import dead_letters

    with wiring.database(start("dead-letters", level="warning")) as database:
        for letter in dead_letters.newest(database, limit):
            retried = " (retried)" if letter.retried_at else ""
            print(f"{letter.name}  {letter.at:%Y-%m-%d %H:%M:%S}  {letter.reason}{retried}")


@dead_app.command("show")
def show_dead_letter(name: Annotated[str, typer.Argument(help="topic/partition/offset, as listed")]) -> None:
    """The reason and the message as it came."""
    from monitor import app as wiring
    from monitor.store import dead_letters

    with wiring.database(start("dead-letters", level="warning")) as database:
        letter = dead_letters.named(database, name)
        print(f"{letter.name}\n{letter.reason}\n")
        print(letter.payload.decode("utf-8", "backslashreplace"))


@dead_app.command("retry")
def retry_dead_letters(
    names: Annotated[list[str] | None, typer.Argument(help="topic/partition/offset, as listed")] = None,
    everything: Annotated[bool, typer.Option("--all", help="every one not retried yet")] = False,
) -> None:
    """Put messages on the log again, as they came: after the worker that refused them was mended."""
    from monitor import app as wiring
    from monitor.store import dead_letters

    settings = start("dead-letters", level="warning")
    with wiring.database_url(settings) as url, wiring.opened(url) as database:
        letters = dead_letters.to_retry(database, names or (), everything=everything)
        with wiring.asked_log(settings, url) as broker:
            dead_letters.retry(database, letters, broker, settings.topic, datetime.now(UTC))
    print(f"{len(letters)} messages are on the log again")


@verbs.command()
def status(as_json: Annotated[bool, typer.Option("--json", help="one JSON object")] = False) -> None:
    """Articles by stage, lag, feeds, the model in service, open episodes."""
    from monitor import app as wiring
    from monitor.status_command import describe

    settings = start("status", level="warning")
    with (
        wiring.database_url(settings) as url,
        wiring.opened(url) as database,
        wiring.asked_log(settings, url) as broker,
    ):
        print(describe(database, broker, datetime.now(UTC), as_json=as_json))


@verbs.command()
def migrate() -> None:
    """Bring the database to the newest schema; with Kafka, make the topic."""
    from monitor import app as wiring

    for line in wiring.migrate_all(start("migrate")):
        print(line)


@verbs.command()
def doctor() -> None:
    """What is missing here, and how to mend it."""
    from ingest.feeds import read_sources
    from monitor import app as wiring
    from monitor.doctor import examine

    settings = start("doctor", level="error")
    checks = {
        **wiring.checks(settings),
        "feeds": lambda: f"{len(read_sources(settings.feeds, settings.data_dir))} sources",
    }
    fine = True
    with wiring.started_once(settings):
        for finding in examine(settings, checks):
            print(finding, flush=True)
            fine = fine and finding.is_fine
    raise typer.Exit(0 if fine else 1)
