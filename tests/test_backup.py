"""The README's back-up and restore, line for line, on a server with data in it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import psycopg
from sqlalchemy.engine import make_url

from monitor.server_user import binaries, server_user
from monitor.store.migrate import current, newest
from tests.test_docs import README


def run(name: str, url: str, database: str, folder: Path) -> None:
    """A line of the README, with another name for its database."""
    line = re.search(rf"<!-- {name} -->\n```sh\n(.+)\n```\n", README)
    assert line
    where = make_url(url)
    environment = {
        **os.environ,
        "PATH": f"{binaries(server_user())}:{os.environ['PATH']}",
        "PGHOST": str(where.query["host"]),
        "PGUSER": str(where.username),
    }
    subprocess.run(
        line.group(1).replace(" tocsin ", f" {database} "), shell=True, check=True, cwd=folder, env=environment
    )


def test_what_was_backed_up_is_there_again_and_nothing_else(database_url: str, tmp_path: Path) -> None:
    name = str(make_url(database_url).database)
    plain = database_url.replace("+psycopg", "")
    with psycopg.connect(plain) as connection:
        connection.execute("INSERT INTO companies VALUES ('ACME', 'Acme', 'ACME')")
    run("back-up", database_url, name, tmp_path)
    with psycopg.connect(plain) as connection:
        connection.execute("UPDATE companies SET name = 'Bolt'")
        connection.execute("CREATE TABLE of_a_later_version (id int)")
    run("restore", database_url, name, tmp_path)
    with psycopg.connect(plain) as connection:
        assert connection.execute("SELECT name FROM companies").fetchall() == [("Acme",)]
        assert connection.execute("SELECT to_regclass('of_a_later_version')").fetchone() == (None,)
    assert current(database_url) == newest()
