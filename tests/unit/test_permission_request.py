"""Applications and grants as pure rules: every pair of states, who decides, and what kinds open."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from domain.actor import Person
from domain.approver import EVERY_KIND, Approvers
from domain.errors import IllegalTransition, PermissionDenied
from domain.grant import Grant, GrantStatus
from domain.kit import ProductLine
from domain.permission_kind import PERMISSION_KINDS, PermissionAction, Right, kinds_that_open, opened_by
from domain.permission_request import TRANSITIONS, PermissionRequest, PermissionRequestStatus

AT = datetime(2026, 1, 1, tzinfo=UTC)
KIND = "LOGIC_GENERAL"
ALL = frozenset(PERMISSION_KINDS)
# From the row's status to the column's: x where it is allowed.
EXPECTED = """
              PENDING APPROVED REJECTED WITHDRAWN
    PENDING      .       x        x        x
    APPROVED     .       .        .        .
    REJECTED     .       .        .        .
    WITHDRAWN    .       .        .        .
"""


def person(subject: str = "ann", *groups: str) -> Person:
    return Person(subject=subject, name=subject.title(), expires_at=AT, groups=frozenset(groups))


def request(status: PermissionRequestStatus = PermissionRequestStatus.PENDING) -> PermissionRequest:
    return PermissionRequest(
        id=1, kind=KIND, subject="ann", name="Ann", reason="r", status=status, version=1, created_at=AT, updated_at=AT
    )


def grant(**values: object) -> Grant:
    given = {
        "id": 1,
        "kind": KIND,
        "subject": "ann",
        "name": "Ann",
        "request_id": 1,
        "granted_by": "bob",
        "granted_at": AT,
        "version": 1,
        "updated_at": AT,
        "read_at": AT,
    }
    return Grant(**{**given, **values})  # type: ignore[arg-type]


@pytest.mark.parametrize(("before", "after"), list(product(PermissionRequestStatus, repeat=2)))
def test_a_request_is_decided_once(before: PermissionRequestStatus, after: PermissionRequestStatus) -> None:
    header, *rows = [line.split() for line in EXPECTED.strip().splitlines()]
    expected = {(row[0], column): cell == "x" for row in rows for column, cell in zip(header, row[1:], strict=True)}
    assert (after in TRANSITIONS[before]) == expected[before, after]
    if expected[before, after]:
        decided = request(before).decided(after, person("bob"), "why", AT)
        assert (decided.status, decided.version, decided.decided_by, decided.decision_reason) == (after, 2, "bob", "why")
    else:
        with pytest.raises(IllegalTransition):
            request(before).decided(after, person("bob"), "why", AT)


def test_the_applicant_never_decides_whatever_they_are() -> None:
    for applicant in (person("ann"), person("ann", "approvers")):
        with pytest.raises(PermissionDenied, match="own application"):
            request().check_decider(applicant, ALL)
    request().check_decider(person("bob"), frozenset({KIND}))
    with pytest.raises(PermissionDenied, match="don't decide"):
        request().check_decider(person("bob"), ALL - {KIND})


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({}, GrantStatus.ACTIVE),
        ({"expires_at": AT + timedelta(microseconds=1)}, GrantStatus.ACTIVE),
        ({"expires_at": AT}, GrantStatus.EXPIRED),
        ({"expires_at": AT, "ended_at": AT}, GrantStatus.EXPIRED),
        ({"is_revoked": True, "ended_at": AT}, GrantStatus.REVOKED),
        ({"is_revoked": True, "ended_at": AT, "expires_at": AT - timedelta(1)}, GrantStatus.REVOKED),
    ],
)
def test_a_grant_ends_at_its_time_whether_that_is_on_record_or_not(values: dict[str, object], status: GrantStatus) -> None:
    found = grant(**values)
    assert found.status is status
    changes: list[Callable[[], Grant]] = [
        lambda: found.revoked(person("bob"), ALL, "why", AT),
        lambda: found.renewed(person("bob"), ALL, None, AT),
    ]
    for change in changes:
        if status is GrantStatus.ACTIVE:
            assert change().version == 2
        else:
            with pytest.raises(IllegalTransition):
                change()


def test_an_approver_revokes_and_renews_a_holder_only_gives_back() -> None:
    assert grant().revoked(person("ann"), frozenset(), "why", AT).status is GrantStatus.REVOKED
    refusals: list[Callable[[], Grant]] = [
        lambda: grant().revoked(person("bob"), ALL - {KIND}, "why", AT),
        lambda: grant().renewed(person("bob"), ALL - {KIND}, None, AT),
        lambda: grant().renewed(person("ann"), ALL, None, AT),
    ]
    for refused in refusals:
        with pytest.raises(PermissionDenied):
            refused()


def test_approvers_are_named_by_subject_or_group_for_one_kind_or_all() -> None:
    approvers = Approvers({KIND: ["bob"], EVERY_KIND: ["eve"]}, {"DRAM_GENERAL": ["dram"], EVERY_KIND: ["chiefs"]})
    assert approvers.kinds_of(person("bob")) == {KIND}
    assert approvers.kinds_of(person("eve")) == ALL == approvers.kinds_of(person("x", "chiefs"))
    assert approvers.kinds_of(person("x", "dram")) == {"DRAM_GENERAL"}
    assert approvers.kinds_of(person("dram", "bob", "eve")) == set(), "a group is no subject and a subject no group"
    assert Approvers().kinds_of(person("bob")) == set()


def test_what_the_kinds_open() -> None:
    general = {line: Right(line, PermissionAction.GENERAL) for line in ProductLine}
    set_up = {line: Right(line, PermissionAction.SET_UP) for line in ProductLine}
    assert opened_by([KIND]) == {general[ProductLine.LOGIC]}
    assert opened_by(["LOGIC_MODEL_SET_UP"]) == {general[ProductLine.LOGIC], set_up[ProductLine.LOGIC]}
    assert opened_by(["DRAM_GENERAL", "GONE"]) == {general[ProductLine.DRAM]}
    assert kinds_that_open(general[ProductLine.LOGIC]) == [KIND, "LOGIC_MODEL_SET_UP"]
    assert kinds_that_open(set_up[ProductLine.LOGIC]) == ["LOGIC_MODEL_SET_UP"]
    assert kinds_that_open(set_up[ProductLine.DRAM]) == [], "DRAM has no set-up"
