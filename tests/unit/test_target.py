"""Targets: which addresses are those of one server."""

import re
from contextlib import suppress
from datetime import UTC, datetime
from urllib.parse import urlsplit

import idna
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from domain.endpoint import Endpoint, Method
from domain.errors import ValidationFailed
from domain.executor import Executor, ExecutorKind
from domain.k6_script import ScriptScenario, write_script
from domain.load_test import is_there
from domain.login import Login, LoginKind, token_request
from domain.request import build_request
from domain.secret import Secret, refusal
from domain.target import Target, TargetDefinition, is_base_address, origin, server_origin, shown_origin, target_definition


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://x.test", "http://x.test:80"),
        ("http://X.Test:80/api?a=b#c", "http://x.test:80"),
        ("http://x.test./", "http://x.test:80"),
        ("https://x.test", "https://x.test:443"),
        ("http://y.x.test", "http://y.x.test:80"),
        ("http://10.0.0.1:8080", "http://10.0.0.1:8080"),
        ("http://[2001:db8::1]:8080", "http://[2001:db8::1]:8080"),
        ("http://localhost:9000", "http://localhost:9000"),
        ("http://api.localhost:9000", "http://localhost:9000"),
        ("http://127.0.0.1:9000", "http://localhost:9000"),
        ("http://127.1.2.3:9000", "http://localhost:9000"),
        ("http://[::1]:9000", "http://localhost:9000"),
        ("http://[::ffff:127.0.0.1]:9000", "http://localhost:9000"),
        ("http://0.0.0.0:9000", "http://localhost:9000"),
        ("http://127.0.0.1:9001", "http://localhost:9001"),
        ("http://localhost.x.test", "http://localhost.x.test:80"),
        ("http://müller.example", "http://xn--mller-kva.example:80"),
        ("http://MÜLLER.example/", "http://xn--mller-kva.example:80"),
        ("http://xn--mller-kva.example", "http://xn--mller-kva.example:80"),
        ("http://XN--MLLER-KVA.example.", "http://xn--mller-kva.example:80"),
        ("http://faß.example", "http://xn--fa-hia.example:80"),
        ("http://例え。テスト:81", "http://xn--r8jz45g.xn--zckzah:81"),
        ("http://127。0。0。1", "http://localhost:80"),
        ("http://ΟΔΟΣ-1.example", "http://xn---1-k9b7bby.example:80"),
        ("http://οδος-1.example", "http://xn---1-k9b7bbs.example:80"),
        ("http://οδοσ-1.example", "http://xn---1-k9b7bby.example:80"),
        ("http://x_y.test", "http://x_y.test:80"),
        ("ftp://x.test", ""),
        ("no address", ""),
    ],
)
def test_the_server_of_an_address(url: str, expected: str) -> None:
    assert server_origin(url) == expected


NO_HOSTS = ("ü..example", f"{'ü' * 64}.example", f"{'ü.' * 200}example", "ü ü.example", "☃.example", "\u0308u.example", "-ü.test")


@pytest.mark.parametrize("host", NO_HOSTS)
def test_a_name_that_no_server_can_have_is_refused(host: str) -> None:
    assert origin(f"http://{host}") is None and not is_base_address(f"http://{host}")
    with pytest.raises(ValidationFailed, match="must be an http or https address without a user"):
        target_definition({"name": "t", "url": f"http://{host}"})


@given(st.text(st.characters(min_codepoint=0x20), min_size=1, max_size=70), st.sampled_from(["", ".example"]))
def test_names_have_one_spelling(label: str, rest: str) -> None:
    url = f"http://{label}{rest}"
    shown = shown_origin(url)
    assert shown_origin(shown) == shown and server_origin(shown) == server_origin(url)
    if origin(url) is not None:
        assert not label.isalpha() or shown.isascii()
    with suppress(UnicodeError):
        if label.isalpha():
            spelled = idna.encode(f"{label}{rest}", uts46=True).decode()
            assert origin(f"http://{spelled}") == origin(url)


HOSTS = st.text(st.characters(min_codepoint=0x21, exclude_categories=["Cs"], exclude_characters='/?#"\\'), max_size=20)
ADDRESS = re.compile('"url": "([^"]*)"')


@given(st.one_of(HOSTS, st.text("oΟΣςσİıßẞµＡ。ﷺü\u0307-", min_size=1, max_size=10)), st.sampled_from(["", ":81"]))
def test_scripts_call_the_very_host_that_was_checked(label: str, port: str) -> None:
    url = f"http://{label}.example{port}/v1"
    here = origin(url)
    assume(here is not None)
    request = build_request(Endpoint(method=Method.GET, path="/a"), url, {})
    login = token_request(Login(kind=LoginKind.OAUTH2_CLIENT_CREDENTIALS, secret="s", token_url=url))
    executor = Executor(kind=ExecutorKind.CONSTANT_VUS, vus=1, duration=1)
    script = write_script([ScriptScenario(title="t", executor=executor, requests=(request,))], login=login)
    called = ADDRESS.findall(script)
    assert len(called) == 2
    for each in called:
        assert each.isascii() and origin(each) == here
        assert here is not None and urlsplit(each).hostname == here[1]


def test_a_document_may_spell_the_host_of_its_target_otherwise() -> None:
    at = datetime.now(UTC)
    definition = TargetDefinition(name="t", url="http://müller.example")
    target = Target(id=1, project_id=1, definition=definition, version=1, created_at=at, updated_at=at)
    assert is_there("http://xn--mller-kva.example/api", target) and not is_there("http://muller.example/api", target)


def test_secrets_are_for_a_server_however_its_name_is_spelled() -> None:
    for stored in ("http://müller.example:80", "http://xn--mller-kva.example:80"):
        secret = Secret(target_id=1, name="s", origin=stored, key_id="k", actor="ada", updated_at=datetime.now(UTC))
        assert refusal(secret, [shown_origin("http://müller.example/api")]) is None
        assert refusal(secret, [shown_origin("http://xn--mller-kva.example")]) is None
        assert refusal(secret, [shown_origin("http://muller.example")]) is not None
