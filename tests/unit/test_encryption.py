"""Encryption of secrets at rest: a seal opens in its own context only, and reveals nothing."""

import base64
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.security.encryption import NoSecretKey, SecretKeys, parse_keys

OLD, NEW = os.urandom(32), os.urandom(32)
TEXT = "Bearer swordfish"


@given(st.text(st.characters(exclude_categories=["Cs"])), st.binary())
def test_a_sealed_text_opens_again(text: str, context: bytes) -> None:
    """Any text opens in its context, and two seals of the same text differ."""
    keys = SecretKeys([NEW])
    sealed = keys.seal(text, context=context)
    assert keys.open(sealed, context=context) == text
    assert keys.seal(text, context=context) != sealed


def test_a_seal_contains_no_plain_text() -> None:
    """It contains neither the text nor the key."""
    sealed = SecretKeys([NEW]).seal(TEXT, context=b"")
    assert "swordfish" not in sealed
    assert TEXT.encode() not in base64.b64decode(sealed.split(".")[2])
    assert base64.b64encode(NEW).decode()[:12] not in sealed


def test_a_seal_opens_only_in_its_context() -> None:
    """A seal that is moved to another context, or changed by one bit, does not open."""
    keys = SecretKeys([NEW])
    sealed = keys.seal(TEXT, context=b"mine")
    with pytest.raises(NoSecretKey, match="belongs to something else"):
        keys.open(sealed, context=b"yours")
    head, name, body = sealed.split(".")
    packed = bytearray(base64.b64decode(body))
    packed[-1] ^= 1
    with pytest.raises(NoSecretKey, match="it was changed"):
        keys.open(f"{head}.{name}.{base64.b64encode(packed).decode()}", context=b"mine")


def test_during_a_rotation_old_seals_open_and_the_first_key_makes_new_ones() -> None:
    """Once the old key is removed, the error of its seals names the missing key."""
    sealed = SecretKeys([OLD]).seal(TEXT, context=b"")
    both = SecretKeys([NEW, OLD])
    assert both.open(sealed, context=b"") == TEXT
    assert not both.is_current(sealed)
    assert both.is_current(both.seal(TEXT, context=b""))
    with pytest.raises(
        NoSecretKey, match=r"sealed with the key [0-9a-f]{8}, which DUETIME_SECRET_KEY does not contain"
    ):
        SecretKeys([NEW]).open(sealed, context=b"")


def test_without_a_key_nothing_is_sealed() -> None:
    """Sealing raises an error instead of returning the text unencrypted."""
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
def test_an_invalid_key_is_refused_without_being_repeated(text: str, message: str) -> None:
    """The message says which key is wrong, why, and how to make a valid one."""
    with pytest.raises(ValueError, match=message) as refusal:
        parse_keys(text)
    assert "openssl rand -base64 32" in str(refusal.value)
    assert "swordfish" not in str(refusal.value)


def test_keys_may_have_spaces_around_them() -> None:
    """Spaces around the commas are ignored."""
    keys = parse_keys(f" {base64.b64encode(NEW).decode()} , {base64.b64encode(OLD).decode()} ")
    assert keys.is_current(SecretKeys([NEW]).seal(TEXT, context=b""))
