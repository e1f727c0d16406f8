"""Sessions of browsers: a sign-in is used up once, and a session that has ended lets nobody in any more."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from controllers.housekeeping import Housekeeping
from domain.errors import Unauthenticated
from domain.session import Session, digest, new_token
from persistence.unit_of_work import Database
from resolvers.rights import confirmed
from resolvers.session import end_session, resume_session
from tests.fakes import fake_services

ISSUER = "http://issuer.test"
OTHER = "http://issuer.test/"
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
TINY = timedelta(microseconds=1)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


def session(**changes: object) -> Session:
    groups, expires_at = frozenset({"b", "a"}), NOW + HOUR
    made = Session(id=uuid4(), issuer=ISSUER, subject="s", name="Ada", groups=groups, created_at=NOW, expires_at=expires_at)
    return replace(made, **changes)  # type: ignore[arg-type]


async def stored(database: Database, **changes: object) -> tuple[Session, str]:
    """A session and its token."""
    made, token = session(**changes), new_token()
    async with database.transaction() as work:
        await work.sessions.add(made, digest(token))
    return made, token


async def claim(database: Database, state: bytes, begun_after: datetime = NOW - TINY, issuer: str = ISSUER) -> str | None:
    async with database.transaction() as work:
        return await work.sessions.claim(state, issuer, begun_after)


async def test_a_session_is_found_by_its_token_as_it_was_stored(database: Database) -> None:
    made, token = await stored(database, ended_at=NOW, name="Ada “é”")
    lonely, other = await stored(database, groups=frozenset())
    async with database.snapshot() as work:
        assert await work.sessions.find(digest(token), ISSUER) == made
        assert await work.sessions.find(digest(other), ISSUER) == lonely
        assert await work.sessions.find(digest("another"), ISSUER) is None
        assert await work.sessions.find(token.encode(), ISSUER) is None


async def test_no_token_and_no_state_can_be_read_in_the_database(database: Database) -> None:
    token, state = new_token(), new_token()
    async with database.transaction() as work:
        await work.sessions.add(session(), digest(token))
        await work.sessions.begin(digest(state), ISSUER, "/", NOW)
        for table in ("session", "sign_in"):
            for row in await work.connection.execute(text(f"SELECT * FROM {table}")):
                assert not any(secret.encode() in str(value).encode() for value in row for secret in (token, state))


async def test_a_sign_in_is_used_up_once(database: Database) -> None:
    async with database.transaction() as work:
        await work.sessions.begin(b"state", ISSUER, "/apply?a=1", NOW)
    assert await claim(database, b"other") is None
    claims = await asyncio.gather(*(claim(database, b"state") for _ in range(10)))
    assert sorted(each for each in claims if each) == ["/apply?a=1"]
    assert await claim(database, b"state") is None


async def test_a_sign_in_that_began_too_long_ago_is_not_claimed(database: Database) -> None:
    async with database.transaction() as work:
        await work.sessions.begin(b"state", ISSUER, "/", NOW)
    assert await claim(database, b"state", begun_after=NOW) is None
    assert await claim(database, b"state", begun_after=NOW - TINY) == "/"


async def test_a_sign_in_at_another_issuer_is_none_of_this_ones(database: Database) -> None:
    async with database.transaction() as work:
        await work.sessions.begin(b"state", OTHER, "/", NOW)
    assert await claim(database, b"state") is None
    assert await claim(database, b"state", issuer=OTHER) == "/"


async def test_a_session_of_another_issuer_is_none_of_this_ones(database: Database) -> None:
    """The same subject there is another person. Where the issuer is set back, the session is one again until it ends."""
    made, token = await stored(database, issuer=OTHER, expires_at=datetime.now(UTC) + HOUR)
    here, there = fake_services(database), fake_services(database, issuer=OTHER)
    with pytest.raises(Unauthenticated, match="sign in again"):
        await resume_session(here, token)
    assert (await confirmed(here, (), [made.id], ())).sessions == set()
    assert await resume_session(there, token) == made.person
    assert (await confirmed(there, (), [made.id], ())).sessions == {made.id}


async def test_a_session_ends_once(database: Database) -> None:
    made, token = await stored(database)
    for expected in (made.id, None):
        async with database.transaction() as work:
            assert await work.sessions.end(digest(token), NOW) == expected
            assert await work.sessions.end(digest("another"), NOW) is None
    async with database.snapshot() as work:
        assert await work.sessions.find(digest(token), ISSUER) == replace(made, ended_at=NOW)


async def test_who_is_alive_is_told_for_many_at_once(database: Database) -> None:
    alive, _ = await stored(database)
    ended, _ = await stored(database, ended_at=NOW - HOUR)
    expired, _ = await stored(database, expires_at=NOW)
    ids = [alive.id, ended.id, expired.id, uuid4()]
    async with database.snapshot() as work:
        assert await work.sessions.alive(ids, ISSUER, NOW) == {alive.id}
        assert await work.sessions.alive([], ISSUER, NOW) == set()
        assert await work.sessions.alive(ids, ISSUER, NOW + HOUR) == set()


async def test_what_is_long_over_is_forgotten(database: Database) -> None:
    kept = [
        await stored(database, expires_at=NOW, created_at=NOW - DAY),
        await stored(database, expires_at=NOW + DAY, ended_at=NOW),
        await stored(database, expires_at=NOW + DAY),
    ]
    gone = [
        await stored(database, expires_at=NOW - TINY),
        await stored(database, expires_at=NOW + DAY, ended_at=NOW - TINY),
    ]
    async with database.transaction() as work:
        await work.sessions.begin(b"old", ISSUER, "/", NOW - TINY)
        await work.sessions.begin(b"new", ISSUER, "/", NOW)
        assert await work.sessions.forget(NOW, NOW) == len(gone)
    async with database.snapshot() as work:
        assert [await work.sessions.find(digest(token), ISSUER) for _, token in kept] == [made for made, _ in kept]
        assert not any([await work.sessions.find(digest(token), ISSUER) for _, token in gone])
    assert await claim(database, b"old", NOW - DAY) is None
    assert await claim(database, b"new") == "/"


async def test_housekeeping_keeps_sessions_for_thirty_days(database: Database) -> None:
    now = datetime.now(UTC)
    _, old = await stored(database, expires_at=now - 30 * DAY - HOUR)
    _, recent = await stored(database, expires_at=now - 30 * DAY + HOUR)
    async with database.transaction() as work:
        await work.sessions.begin(b"given up", ISSUER, "/", now - HOUR)
        await work.sessions.begin(b"under way", ISSUER, "/", now)
    await Housekeeping(fake_services(database), 60).run_once()
    async with database.snapshot() as work:
        assert await work.sessions.find(digest(old), ISSUER) is None
        assert await work.sessions.find(digest(recent), ISSUER) is not None
    assert await claim(database, b"given up", now - DAY) is None
    assert await claim(database, b"under way", now - DAY) == "/"


async def test_a_session_lets_its_person_in_until_it_ends(database: Database) -> None:
    services, now = fake_services(database), datetime.now(UTC)
    made, token = await stored(database, expires_at=now + HOUR)
    _, expired = await stored(database, expires_at=now - TINY)
    person = await resume_session(services, token)
    assert person == made.person
    assert (person.session_id, person.expires_at, person.groups) == (made.id, made.expires_at, frozenset("ab"))
    ids: list[UUID] = [made.id, uuid4()]
    assert (await confirmed(services, (), ids, ())).sessions == {made.id}
    assert [await end_session(services, token) for _ in range(2)] == [made.id, None]
    assert (await confirmed(services, (), ids, ())).sessions == set()
    for refused in (token, expired, new_token(), ""):
        with pytest.raises(Unauthenticated, match="sign in again"):
            await resume_session(services, refused)
