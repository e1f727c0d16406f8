"""Sign-ins and sessions: what is derived from a browser's secret, when a session is over, and where a sign-in may go on."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import httpx
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from domain.errors import ValidationFailed
from domain.session import MAX_NEXT, Session, SignIn, digest, local_path, new_token

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOME = "https://plog.example"
# What makes a path into something else in one reader or another.
SEPARATORS = ["/", "//", "\\", "\uff0f", "%2f", "%5c", "%09", ".", "..", "\u3002", ":", "@", "?", "#"]
TRICKS = [*SEPARATORS, "evil.example", "https:", "\t", "\n", "\r", " ", "\x00", "\u2028"]
TRICKY = st.lists(st.sampled_from(TRICKS), max_size=6).map("".join)


def where_browsers_go(path: str) -> str:
    """As the URL standard has it: tabs and line breaks are skipped, blanks at the ends too, a backslash is a slash."""
    read = "".join(letter for letter in path if letter not in "\t\n\r").strip("".join(map(chr, range(33)))).replace("\\", "/")
    return str(httpx.URL(HOME).join(read).host)


@given(st.text() | TRICKY | TRICKY.map("/".__add__))
@example("/")
@example("/graphql?a=1&b=%2F%2Fevil#top")
@example("//evil.example")
@example("/\\evil.example")
@example("/\t/evil.example")
@example("\\/evil.example")
@example(" //evil.example")
@example("/.//evil.example")
@example("/" * MAX_NEXT)
def test_a_path_that_is_taken_leads_to_plog_itself(text: str) -> None:
    try:
        path = local_path(text)
    except ValidationFailed as error:
        assert [problem.field for problem in error.problems] == ["next"]
    else:
        assert path == text and where_browsers_go(path) == "plog.example"
        assert path.startswith("/") and not path.startswith("//") and "\\" not in path and len(path) <= MAX_NEXT


@pytest.mark.parametrize("path", ["/", "/graphql", "/apply?run=1#a", "/a//b", "/é 1", "/" + "a" * (MAX_NEXT - 1)])
def test_paths_of_plog_are_taken(path: str) -> None:
    assert SignIn.begin(path).next_path == path


@pytest.mark.parametrize(
    "path", ["", "graphql", "//x", "/\\x", "/\tx", "/x\n", "/x\x7f", "/x\u2028", "https://x", "/" + "a" * MAX_NEXT]
)
def test_what_is_more_than_a_path_is_refused(path: str) -> None:
    with pytest.raises(ValidationFailed, match="path of PLOG itself"):
        SignIn.begin(path)


def test_all_that_is_sent_is_derived_from_the_secret_and_from_nothing_else() -> None:
    sign_in = SignIn.begin("/")
    again = SignIn(sign_in.secret, "/elsewhere")
    parts = (sign_in.state, sign_in.nonce, sign_in.verifier, sign_in.challenge)
    assert parts == (again.state, again.nonce, again.verifier, again.challenge)
    assert len({*parts, sign_in.secret, *(SignIn.begin("/").state for _ in range(100))}) == 105
    assert all(len(part) == 43 for part in parts)
    assert sign_in.secret not in repr(sign_in)


def test_the_challenge_is_that_of_rfc_7636() -> None:
    """Its appendix B has the challenge of one verifier."""

    class Known(SignIn):
        verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"

    assert Known("s", "/").challenge == "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"


def test_a_session_lives_until_it_ends_or_expires() -> None:
    session = Session(id=uuid4(), issuer="i", subject="s", name="Ada", groups=frozenset(), created_at=NOW, expires_at=NOW + HOUR)
    assert session.is_alive(NOW) and session.is_alive(NOW + HOUR - timedelta(microseconds=1))
    assert not session.is_alive(NOW + HOUR)
    assert not replace(session, ended_at=NOW).is_alive(NOW)


def test_tokens_are_long_and_never_the_same() -> None:
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000 and {len(token) for token in tokens} == {43}
    assert len({digest(token) for token in tokens}) == 1000
