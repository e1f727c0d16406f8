"""What is in a database when it is migrated: it stays, in the shape of the new tables."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

from sqlalchemy import column, func, select, table
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.load_test_run import RunStatus
from domain.project import ProjectMember, ProjectRole
from domain.visibility import Membership
from persistence import tables
from persistence.migrate import upgrade
from persistence.unit_of_work import Database
from tests.databases import execute, query, refuse
from tests.factories import store_load_tests, store_run
from tests.services import APP_ROLE


async def test_runs_that_are_there_get_the_server_that_they_load(database: Database, owner: AsyncEngine) -> None:
    """As far as they have not ended: others are under no load."""
    (test,) = await store_load_tests(database, 1)
    ended, waiting = [await store_run(database, test) for _ in range(2)]
    async with database.transaction() as work:
        assert await work.load_test_runs.change(ended, RunStatus.ABORTED, "ada") is not None
    indexes = [f"INDEX load_test_run_{name}" for name in ("of_label", "of_target", "of_project", "at_origin")]
    before = (*indexes, "COLUMN label", "COLUMN origin", "COLUMN unheard_since")
    async with owner.begin() as connection:
        for what in before:
            statement = f"DROP {what}" if what.startswith("INDEX") else f"ALTER TABLE load_test_run DROP {what}"
            await connection.exec_driver_sql(statement)
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0015'")
    await upgrade(owner, revision="0016", app_role=APP_ROLE)
    async with owner.connect() as connection:
        rows = await connection.exec_driver_sql("SELECT id, origin FROM load_test_run ORDER BY id")
        assert [tuple(row) for row in rows] == [(ended.id, ""), (waiting.id, "http://x.test:80")]


async def test_members_that_are_there_become_editors_and_creators_owners(database: Database, owner: AsyncEngine) -> None:
    async with owner.begin() as connection:
        for what in ("TABLE project_member", "INDEX project_name"):
            await connection.exec_driver_sql(f"DROP {what}")
        await connection.exec_driver_sql("CREATE UNIQUE INDEX project_name ON project (name) WHERE archived_at IS NULL")
        at = "'2026-01-01'" if connection.dialect.name == "postgresql" else "0"
        for number, members in ((1, """'["bela", "ada"]'"""), (2, "NULL")):
            columns = "(id, name, description, members, owner, version, created_at, updated_at)"
            values = f"({number}, 'p{number}', '', {members}, 'ada', 1, {at}, {at})"
            await connection.exec_driver_sql(f"INSERT INTO project {columns} VALUES {values}")
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0018'")
    await upgrade(owner, revision="0019", app_role=APP_ROLE)
    async with database.snapshot() as work:
        projects = await work.projects.get_many([1, 2], Membership("ada"))
        assert [project.definition.members for _, project in sorted(projects.items())] == [
            (ProjectMember("bela", ProjectRole.EDITOR), ProjectMember("ada", ProjectRole.OWNER)),
            (ProjectMember("ada", ProjectRole.OWNER),),
        ]
        assert set(await work.projects.get_many([1, 2], Membership("bela"))) == {1}
        assert await work.projects.role_of("bela", 1) is ProjectRole.EDITOR


async def test_artifacts_and_audit_that_are_there_stay_as_they_are(engine: AsyncEngine) -> None:
    """On SQLite new tables take their places."""
    await upgrade(engine, revision="0020", app_role=APP_ROLE)
    at, name = ("'2026-01-01'", "'ann'") if engine.dialect.name == "postgresql" else ("5", "'ann'")
    project = "(id, name, description, owner, version, created_at, updated_at)"
    target = "(id, project_id, name, url, analysis, version, created_at, updated_at)"
    artifact = "(id, name, media_type, sha256, size, created_at, target_id, actor)"
    audit = "(id, recorded_at, action, kind, person, person_name, reason)"
    uuid = "'00000000-0000-0000-0000-000000000001'" if engine.dialect.name == "postgresql" else f"'{1:032x}'"
    for statement in (
        f"INSERT INTO project {project} VALUES (1, 'p', '', 'ada', 1, {at}, {at})",
        f"INSERT INTO target {target} VALUES (1, 1, 't', 'http://x', 0, 1, {at}, {at})",
        f"INSERT INTO artifact {artifact} VALUES ({uuid}, 'f', 'a/b', 'ab', 7, {at}, 1, 'ada')",
        f"INSERT INTO audit_entry {audit} VALUES (41, {at}, 'PERMISSION_EXPIRED', 'K', {name}, {name}, 'why')",
    ):
        await execute(engine, statement)
    kept = [f"SELECT {columns.strip('()')} FROM {table}" for table, columns in (("artifact", artifact), ("audit_entry", audit))]
    before = [await query(engine, statement) for statement in kept]
    await upgrade(engine, app_role=APP_ROLE)
    assert [await query(engine, statement) for statement in kept] == before
    await refuse(engine, "DELETE FROM audit_entry", "append-only")
    await execute(
        engine, f"INSERT INTO audit_entry (recorded_at, action, person, person_name) VALUES ({at}, 'X', {name}, {name})"
    )
    owners = "(id, name, media_type, sha256, size, created_at, actor)"
    other = uuid.replace("1'", "2'")
    await refuse(engine, f"INSERT INTO artifact {owners} VALUES ({other}, 'f', 'a/b', 'ab', 7, {at}, 'ada')", "artifact_owner")


async def test_sessions_of_nobody_knows_which_issuer_end(owner: AsyncEngine) -> None:
    """All that are alive; a sign-in under way has to begin again. Those that were over stay as they were."""
    now = datetime.now(UTC)
    hour = timedelta(hours=1)
    ends = {"alive": (now + hour, None), "expired": (now - hour, None), "ended": (now + hour, now - hour)}
    async with owner.begin() as connection:
        for name in ("session", "sign_in"):
            await connection.exec_driver_sql(f"ALTER TABLE {name} DROP COLUMN issuer")
        await connection.exec_driver_sql("UPDATE alembic_version SET version_num = '0023'")
        old = table("session", *(column(each.name, each.type) for each in tables.session.c if each.name != "issuer"))
        for name, (expires_at, ended_at) in ends.items():
            about = {"id": uuid4(), "token": name.encode(), "subject": "s", "name": name, "created_at": now - 2 * hour}
            await connection.execute(old.insert().values(**about, expires_at=expires_at, ended_at=ended_at))
        begun_at = "now()" if connection.dialect.name == "postgresql" else "1"
        await connection.exec_driver_sql(f"INSERT INTO sign_in (state, next_path, begun_at) VALUES ('s', '/', {begun_at})")
    await upgrade(owner, revision="0024", app_role=APP_ROLE)
    async with owner.connect() as connection:
        assert (await connection.execute(select(func.count()).select_from(tables.sign_in))).scalar_one() == 0
        kept = {row.name: row for row in await connection.execute(select(tables.session))}
    assert {row.issuer for row in kept.values()} == {""}
    assert abs(kept["alive"].ended_at - now) < hour / 4
    assert (kept["expired"].ended_at, kept["ended"].ended_at) == (None, now - hour)
