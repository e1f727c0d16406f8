"""Secrets are found in whatever form a log quotes them, and innocent text stays."""

import base64
import json
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steps.redaction import SHOWN, Redaction

SECRETS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=4, max_size=20)


def go_quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


@pytest.mark.parametrize(
    ("secret", "quoted"),
    [("abc\x1b\x7f", r"abc\x1b\x7f"), ("abc\x81\u200b", r"abc\u0081\u200b"), ("a\tb\U000e0001", r"a\tb\U000e0001")],
)
def test_what_can_t_be_printed_is_found_as_go_quotes_it(secret: str, quoted: str) -> None:
    assert Redaction([secret])(f'msg="{quoted}"') == f'msg="{SHOWN}"'


@given(SECRETS, st.text(max_size=5).filter(str.isascii), st.text(max_size=5).filter(str.isascii))
def test_no_form_of_a_secret_is_left(secret: str, before: str, after: str) -> None:
    redaction = Redaction([secret])
    for form in (secret, quote(secret, safe=""), quote_plus(secret), quote(secret, safe="!'()*")):
        in_json = json.dumps(form, ensure_ascii=False)[1:-1]
        for quoted in (form, go_quoted(form), go_quoted(go_quoted(form)), in_json, go_quoted(in_json)):
            assert SHOWN in redaction(before + quoted + after)
    assert secret not in redaction(f"{before}{secret}{after}") or secret in SHOWN * 3


@given(SECRETS, st.text(max_size=12).filter(lambda text: text.encode("utf-8", "ignore").decode() == text))
def test_nothing_can_be_decoded_from_base64_of_a_longer_text(secret: str, user: str) -> None:
    encoded = base64.b64encode(f"{user}:{secret}".encode()).decode()
    shown = Redaction([secret])(f"Authorization: Basic {encoded}")
    assert SHOWN in shown and encoded not in shown


@pytest.mark.parametrize("text", ["", "level=warning msg=secretary", "p%20q", "c2VjcmV"])
def test_innocent_text_stays(text: str) -> None:
    assert Redaction(["secret-of-mine", "p q r"])(text) == text == Redaction([])(text)


def test_of_several_the_longest_goes_first_and_lines_of_one_go_too() -> None:
    assert Redaction(["abcd", "abcdef"])("abcdef abcd") == "*** ***"
    assert Redaction(["-----KEY-----\nline one\nline two"])("only line two") == "only ***"
