"""`python -m bench`: runs everything against a private PostgreSQL (and SQLite where it says so) and prints what it found."""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from sqlalchemy.engine import make_url

from bench.load_tests import compare_load_tests
from bench.pages import compare_pages
from bench.rebuilding import rebuild
from bench.reports import compare_reports
from bench.sizes import bytes_per_event
from persistence.engine import open_engines
from persistence.migrate import upgrade
from persistence.unit_of_work import Database
from tests.services import OWNER_ROLE, InfluxServer, PostgresServer

console = Console(width=140)
LOAD_USERS = 50
LOAD_ROUNDS = 5


def main(
    rounds: Annotated[int, typer.Option(help="How often each page is read.")] = 60,
    seconds: Annotated[float, typer.Option(help="How long each kind of writing is measured.")] = 6,
    kits: Annotated[int, typer.Option(help="Kits that are written to at once.")] = 1000,
    events: Annotated[int, typer.Option(help="Events of the history that is rebuilt; 0: none is.")] = 100_000,
    load: Annotated[int, typer.Option(help="Seconds of each load test; 0: there is none.")] = 10,
    output: Annotated[Path | None, typer.Option(help="Where to write the figures as JSON.")] = None,
) -> None:
    """Measure, print, and end with 1 where a limit does not hold."""
    with tempfile.TemporaryDirectory(prefix="plog-bench-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "pg").mkdir()
        server = PostgresServer(folder / "pg", is_durable=True)
        try:
            server.create()
            found = asyncio.run(measure(server, folder, rounds, seconds, kits, events))
        finally:
            server.stop()
        if load:
            found["Load tests"] = watch_load_tests(folder, load)
    for title, figures in found.items():
        table = Table("", "", title=title, show_header=False)
        for label, value in figures.items():
            table.add_row(label, str(value))
        console.print(table)
    if output is not None:
        output.write_text(json.dumps(found, indent=2) + "\n")
    raise typer.Exit(0 if all(figures["holds"] for figures in found.values()) else 1)


def watch_load_tests(folder: Path, seconds: int) -> dict[str, Any]:
    """What watching load tests costs, with an InfluxDB of its own."""
    for name in ("influx", "load"):
        (folder / name).mkdir()
    influx = InfluxServer(folder / "influx")
    try:
        influx.create()
        return asyncio.run(compare_load_tests(folder / "load", influx, seconds, LOAD_USERS, LOAD_ROUNDS))
    finally:
        influx.stop()


async def measure(
    server: PostgresServer, folder: Path, rounds: int, seconds: float, kits: int, events: int
) -> dict[str, dict[str, Any]]:
    """All figures, by what they are about."""
    found: dict[str, dict[str, Any]] = {}
    url = server.url(server.create_database())
    database, engine = await opened(url)
    dsn = make_url(url).set(drivername="postgresql", username=OWNER_ROLE).render_as_string(hide_password=False)
    found["Pages (PostgreSQL)"] = await compare_pages(database, engine, rounds)
    found["Bytes (PostgreSQL)"] = await bytes_per_event(dsn)
    await database.close()
    url = server.url(server.create_database())
    database, engine = await opened(url)
    dsn = make_url(url).set(drivername="postgresql", username=OWNER_ROLE).render_as_string(hide_password=False)
    found["Reports (PostgreSQL), events a second"] = await compare_reports(database, dsn, kits, seconds)
    found["Bytes after writing (PostgreSQL)"] = await bytes_per_event(dsn)
    await database.close()
    if events:
        for kind, url in (
            ("PostgreSQL", server.url(server.create_database())),
            ("SQLite", f"sqlite+aiosqlite:///{folder / 'plog.db'}"),
        ):
            database, _ = await opened(url)
            found[f"Rebuilding ({kind})"] = await rebuild(database, url, folder / "home", events)
            await database.close()
    return found


async def opened(url: str) -> tuple[Database, Any]:
    """A migrated database and the engine it reads with."""
    writer, reader = open_engines(url, pool_size=20)
    await upgrade(writer)
    return Database(writer, reader), reader


if __name__ == "__main__":
    typer.run(main)
