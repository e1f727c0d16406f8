"""The server's keys: read from a setting or made once, never shown, and different for every purpose."""

import base64
import multiprocessing
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.keys import InvalidKeys, Keys

SECRET = base64.b64encode(b"s" * 32).decode()


def test_the_first_key_signs_and_all_are_kept() -> None:
    derived = Keys.parse([f"new:{base64.b64encode(b'n' * 32).decode()}", f" old:{SECRET} "]).derive("links")
    assert list(derived) == ["new", "old"]
    assert {len(secret) for secret in derived.values()} == {64}


def test_purposes_and_keys_give_different_secrets_and_servers_the_same() -> None:
    keys = Keys.parse([f"a:{SECRET}", f"b:{base64.b64encode(b't' * 32).decode()}"])
    secrets = [*keys.derive("one").values(), *keys.derive("two").values(), b"s" * 64]
    assert len(set(secrets)) == 5
    assert Keys.parse([f"a:{SECRET}"]).derive("one")["a"] == keys.derive("one")["a"]


@given(st.binary(min_size=32, max_size=80))
def test_either_alphabet_with_or_without_padding(secret: bytes) -> None:
    for encode in (base64.b64encode, base64.urlsafe_b64encode):
        text = encode(secret).decode()
        assert len({Keys.parse([f"k:{form}"]).derive("x")["k"] for form in (text, text.rstrip("="))}) == 1


@pytest.mark.parametrize(
    "entries",
    [
        [],
        [""],
        ["k"],
        [":" + SECRET],
        ["k:"],
        ["k:short"],
        ["k:" + "!" * 60],
        ["k:é"],
        ["k k:" + SECRET],
        ["k:" + SECRET, "k:" + SECRET],
        ["x" * 65 + ":" + SECRET],
    ],
)
def test_a_wrong_setting_is_one_sentence_without_the_secret(entries: list[str]) -> None:
    with pytest.raises(InvalidKeys, match="PLOG_SECRETS__KEYS") as refused:
        Keys.parse(entries)
    assert SECRET not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_keys_do_not_show_their_secrets() -> None:
    keys = Keys.parse([f"k:{SECRET}"])
    assert SECRET not in repr(keys)
    assert "ssss" not in repr(keys)


def test_the_file_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "keys"
    first = Keys.from_file(path).derive("x")
    assert path.stat().st_mode & 0o777 == 0o600
    assert Keys.from_file(path).derive("x") == first
    assert [file.name for file in path.parent.iterdir()] == ["keys"]


def test_a_file_can_be_rotated_by_hand_and_a_broken_one_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "keys"
    Keys.from_file(path)
    path.write_text(f"new:{SECRET}\n\n{path.read_text()}")
    assert next(iter(Keys.from_file(path).derive("x"))) == "new"
    for content in (b"", b"x", b"\xff\xfe:\x00"):
        path.write_bytes(content)
        with pytest.raises(InvalidKeys, match="keys"):
            Keys.from_file(path)


def test_a_place_without_access_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file" / "keys"):
        with pytest.raises(InvalidKeys, match="can't be read or made"):
            Keys.from_file(path)


def test_of_many_processes_at_once_one_makes_the_file(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(8)
    answers = context.SimpleQueue()
    processes = [context.Process(target=race, args=(barrier.wait, tmp_path / "keys", answers.put)) for _ in range(8)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(30)
        assert process.exitcode == 0
    assert len({answers.get() for _ in processes}) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["keys"]


def race(wait: Callable[[], int], path: Path, answer: Callable[[bytes], None]) -> None:
    wait()
    answer(next(iter(Keys.from_file(path).derive("x").values())))
