"""Secrets at rest: what is sealed opens again, for whom it was sealed, and says nothing otherwise."""

import base64
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.security.encryption import NoSecretKey, SecretKeys, parse_keys

OLD, NEW = os.urandom(32), os.urandom(32)
TEXT = "Bearer swordfish"


@given(st.text(st.characters(exclude_categories=["Cs"])), st.binary())
def test_what_is_sealed_opens_again(text: str, context: bytes) -> None:
    """Any text, in its context; and no two seals are alike."""
    keys = SecretKeys([NEW])
    sealed = keys.seal(text, context=context)
    assert keys.open(sealed, context=context) == text
    assert keys.seal(text, context=context) != sealed


def test_a_seal_holds_nothing_in_clear() -> None:
    """Neither the text nor the key."""
    sealed = SecretKeys([NEW]).seal(TEXT, context=b"")
    assert "swordfish" not in sealed
    assert TEXT.encode() not in base64.b64decode(sealed.split(".")[2])
    assert base64.b64encode(NEW).decode()[:12] not in sealed


def test_a_seal_opens_only_where_it_belongs() -> None:
    """Copied to another task, or changed by a bit, it is refused."""
    keys = SecretKeys([NEW])
    sealed = keys.seal(TEXT, context=b"mine")
    with pytest.raises(NoSecretKey, match="belongs to something else"):
        keys.open(sealed, context=b"yours")
    head, name, body = sealed.split(".")
    packed = bytearray(base64.b64decode(body))
    packed[-1] ^= 1
    with pytest.raises(NoSecretKey, match="it was changed"):
        keys.open(f"{head}.{name}.{base64.b64encode(packed).decode()}", context=b"mine")


def test_during_a_rotation_old_seals_open_and_new_ones_are_made_with_the_first_key() -> None:
    """And once the old key is gone, what it sealed says which key it wants."""
    sealed = SecretKeys([OLD]).seal(TEXT, context=b"")
    both = SecretKeys([NEW, OLD])
    assert both.open(sealed, context=b"") == TEXT
    assert not both.is_current(sealed)
    assert both.is_current(both.seal(TEXT, context=b""))
    with pytest.raises(NoSecretKey, match=r"sealed with the key [0-9a-f]{8}, which DUETIME_SECRET_KEY does not hold"):
        SecretKeys([NEW]).open(sealed, context=b"")


def test_without_a_key_nothing_is_sealed() -> None:
    """It says so, and keeps nothing in clear instead."""
    assert not SecretKeys().present
    with pytest.raises(NoSecretKey, match="DUETIME_SECRET_KEY is not set"):
        SecretKeys().seal(TEXT, context=b"")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("swordfish!", "key 1 is not base64"),
        (base64.b64encode(b"swordfish").decode(), "key 1 has 9 bytes, not 32"),
        (base64.b64encode(bytes(32)).decode() + ",", "key 2 has 0 bytes, not 32"),
    ],
)
def test_a_wrong_key_is_refused_without_being_repeated(text: str, message: str) -> None:
    """It says which one, what is wrong, and what would be right."""
    with pytest.raises(ValueError, match=message) as refusal:
        parse_keys(text)
    assert "openssl rand -base64 32" in str(refusal.value)
    assert "swordfish" not in str(refusal.value)


def test_keys_may_have_blanks_around_them() -> None:
    """Between commas, as people write lists."""
    keys = parse_keys(f" {base64.b64encode(NEW).decode()} , {base64.b64encode(OLD).decode()} ")
    assert keys.is_current(SecretKeys([NEW]).seal(TEXT, context=b""))
