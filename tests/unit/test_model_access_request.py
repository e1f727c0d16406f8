"""Applications for access to models as pure rules: every pair of states, who decides, and when access is over."""

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from domain.actor import Person
from domain.errors import IllegalTransition, PermissionDenied, ValidationFailed
from domain.model_access_request import TRANSITIONS, ModelAccessRequest, ModelAccessStatus

AT = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
# From the row's status to the column's: x where it is allowed.
EXPECTED = """
              PENDING APPROVED REJECTED WITHDRAWN REVOKED EXPIRED
    PENDING      .       x        x        x         .       .
    APPROVED     .       .        .        .         x       x
    REJECTED     .       .        .        .         .       .
    WITHDRAWN    .       .        .        .         .       .
    REVOKED      .       .        .        .         .       .
    EXPIRED      .       .        .        .         .       .
"""


def person(subject: str) -> Person:
    return Person(subject=subject, name=subject, expires_at=AT)


def request(status: ModelAccessStatus = ModelAccessStatus.PENDING, until: datetime = AT + HOUR) -> ModelAccessRequest:
    return ModelAccessRequest(
        id=1,
        model_id=1,
        subject="ann",
        name="Ann",
        purpose="p",
        until=until,
        recorded_status=status,
        version=1,
        created_at=AT,
        updated_at=AT,
        read_at=AT,
    )


@pytest.mark.parametrize(("before", "after"), list(product(ModelAccessStatus, repeat=2)))
def test_an_application_is_decided_once_and_access_ends_once(before: ModelAccessStatus, after: ModelAccessStatus) -> None:
    header, *rows = [line.split() for line in EXPECTED.strip().splitlines()]
    expected = {(row[0], column): cell == "x" for row in rows for column, cell in zip(header, row[1:], strict=True)}
    assert (after in TRANSITIONS[before]) == expected[before, after]
    if expected[before, after]:
        decided = request(before).decided(after, person("bob"), "why", AT)
        assert (decided.recorded_status, decided.version, decided.decided_by) == (after, 2, "bob")
    else:
        with pytest.raises(IllegalTransition):
            request(before).decided(after, person("bob"), "why", AT)


def test_the_applicant_never_decides() -> None:
    for subject, is_decider in (("ann", True), ("ann", False), ("bob", False)):
        with pytest.raises(PermissionDenied):
            request().check_decider(person(subject), is_decider)
    request().check_decider(person("bob"), is_decider=True)


def test_access_is_over_at_its_time_whether_that_is_on_record_or_not() -> None:
    assert request(ModelAccessStatus.APPROVED, AT + timedelta(microseconds=1)).status is ModelAccessStatus.APPROVED
    over = request(ModelAccessStatus.APPROVED, AT)
    assert over.status is ModelAccessStatus.EXPIRED and over.expired(AT).recorded_status is ModelAccessStatus.EXPIRED
    with pytest.raises(IllegalTransition):
        over.decided(ModelAccessStatus.REVOKED, person("bob"), "why", AT)


@pytest.mark.parametrize("status", ModelAccessStatus)
def test_access_is_renewed_while_it_is_open(status: ModelAccessStatus) -> None:
    asked, bob = request(status), person("bob")
    if status is ModelAccessStatus.APPROVED:
        renewed = asked.renewed(bob, "more", AT + 2 * HOUR, AT)
        assert (renewed.until, renewed.version, renewed.status) == (AT + 2 * HOUR, 2, status)
        assert (renewed.decided_by, renewed.decision_reason) == ("bob", "more")
        asked = request(status, until=AT)
    with pytest.raises(IllegalTransition):
        asked.renewed(bob, "more", AT + 2 * HOUR, AT)


def test_access_lasts_as_long_as_was_asked_for_at_most() -> None:
    for until in (AT, AT + 2 * HOUR):
        with pytest.raises(ValidationFailed):
            request().approved(person("bob"), "why", until, AT)
    assert request().approved(person("bob"), "why", None, AT).until == AT + HOUR
    assert request().approved(person("bob"), "why", AT + HOUR / 2, AT).until == AT + HOUR / 2
