"""Secrets at rest: nobody reads them without the key, and none stands in for another."""

import pytest

from adapters.keys import Keys
from adapters.secret_cipher import AesSecretCipher
from domain.secret import Sealed

OLD, NEW = (f"{name}:{name[0] * 64}" for name in ("old", "new"))


def cipher(*entries: str) -> AesSecretCipher:
    return AesSecretCipher(Keys.parse(entries).derive("secrets at rest"))


def test_a_value_comes_back_and_is_another_ciphertext_each_time() -> None:
    first, second = (cipher(OLD).seal("pässwörd", "a") for _ in range(2))
    assert first != second and "pässwörd".encode() not in first.ciphertext
    assert cipher(OLD).unseal(first, "a") == cipher(OLD).unseal(second, "a") == "pässwörd"


def test_the_first_key_seals_and_all_unseal_until_they_are_gone() -> None:
    old = cipher(OLD).seal("secret", "a")
    both = cipher(NEW, OLD)
    assert (old.key_id, both.seal("secret", "a").key_id) == ("old", "new")
    assert both.unseal(old, "a") == "secret" and both.has_key("old")
    assert cipher(NEW).unseal(old, "a") is None and not cipher(NEW).has_key("old")


def test_another_context_another_key_of_that_name_or_other_bytes_are_not_read() -> None:
    sealed = cipher(OLD).seal("secret", "target 1 secret a")
    assert cipher(OLD).unseal(sealed, "target 1 secret b") is None
    assert cipher(f"old:{'x' * 64}").unseal(sealed, "target 1 secret a") is None
    for place in (0, 15, -1):
        content = bytearray(sealed.ciphertext)
        content[place] ^= 1
        assert cipher(OLD).unseal(Sealed("old", bytes(content)), "target 1 secret a") is None


@pytest.mark.parametrize("value", ["secret", "\ud800"])
def test_digests_tell_values_apart_and_need_the_key(value: str) -> None:
    digest = cipher(OLD).digest(value)
    assert digest == cipher(OLD).digest(value) and value not in digest
    assert len({digest, cipher(OLD).digest(value + "x"), cipher(NEW).digest(value)}) == 3
