"""Encryption of secrets at rest: AES-256-GCM, with keys from DUETIME_SECRET_KEY.

A sealed text is `v1.<key>.<base64 of nonce and ciphertext>`. `<key>` names the key that sealed it by the start of the
key's SHA-256, so that each text finds its key during a rotation. The `context` to which a text belongs is authenticated
with it: a text sealed for one context does not open for another.

A fingerprint is `v1.<key>.<HMAC-SHA-256 of a digest>`: without the key, nobody can guess the input of the digest.
"""

import base64
import binascii
import hmac
import os
from collections.abc import Sequence
from hashlib import sha256

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VERSION = "v1"
KEY_BYTES = 32
NONCE_BYTES = 12
FINGERPRINT_LABEL = b"duetime fingerprint key"
SHAPE = (
    "32 random bytes in base64, as `openssl rand -base64 32` prints them; to rotate, list several, the new one first"
)


class NoSecretKey(LookupError):
    """There is no key to seal with, or not the key that sealed this text."""


class SecretKeys:
    """The keys, in order: the first one seals, and all of them open."""

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._ciphers = {name_of(key): AESGCM(key) for key in keys}
        self._fingerprint_keys = {name_of(key): hmac.digest(key, FINGERPRINT_LABEL, "sha256") for key in keys}

    @property
    def present(self) -> bool:
        """Whether there is a key to seal with."""
        return bool(self._ciphers)

    def seal(self, text: str, *, context: bytes) -> str:
        """Return the text sealed for a context. Raises `NoSecretKey`."""
        name = self._first()
        nonce = os.urandom(NONCE_BYTES)
        sealed = self._ciphers[name].encrypt(nonce, text.encode(), context)
        return f"{VERSION}.{name}.{base64.b64encode(nonce + sealed).decode()}"

    def open(self, sealed: str, *, context: bytes) -> str:
        """Return the text of a seal. Raises `NoSecretKey` when its key is missing, or its context is another one."""
        _, name, body = sealed.split(".")
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise NoSecretKey(f"a secret was sealed with the key {name}, which DUETIME_SECRET_KEY does not contain")
        packed = base64.b64decode(body)
        try:
            return cipher.decrypt(packed[:NONCE_BYTES], packed[NONCE_BYTES:], context).decode()
        except InvalidTag:
            raise NoSecretKey("a secret cannot be decrypted: it was changed, or belongs to something else") from None

    def is_current(self, sealed: str) -> bool:
        """Return whether the current key has sealed the text."""
        return sealed.split(".")[1] == self._first()

    def fingerprint(self, digest: str) -> str:
        """Return the fingerprint of a digest; without a key, the digest itself."""
        return self._fingerprint(self._first(), digest) if self.present else digest

    def fits(self, fingerprint: str, digest: str) -> bool:
        """Return whether a fingerprint may be that of a digest.

        A plain digest was stored before there was a key. A fingerprint whose key is missing cannot be compared, and
        fits every digest.
        """
        if not fingerprint.startswith(f"{VERSION}."):
            return hmac.compare_digest(fingerprint, digest)
        name = fingerprint.split(".")[1]
        if name not in self._fingerprint_keys:
            return True
        return hmac.compare_digest(fingerprint, self._fingerprint(name, digest))

    def _fingerprint(self, name: str, digest: str) -> str:
        return f"{VERSION}.{name}.{hmac.digest(self._fingerprint_keys[name], digest.encode(), 'sha256').hex()}"

    def _first(self) -> str:
        try:
            return next(iter(self._ciphers))
        except StopIteration:
            raise NoSecretKey("DUETIME_SECRET_KEY is not set") from None


def parse_keys(text: str) -> SecretKeys:
    """Return the keys in DUETIME_SECRET_KEY. `ValueError` says which one is wrong, without repeating it."""
    keys = []
    for place, part in enumerate(text.split(","), start=1):
        try:
            key = base64.b64decode(part.strip(), validate=True)
        except (binascii.Error, ValueError):
            raise ValueError(f"key {place} is not base64; write {SHAPE}") from None
        if len(key) != KEY_BYTES:
            raise ValueError(f"key {place} has {len(key)} bytes, not {KEY_BYTES}; write {SHAPE}")
        keys.append(key)
    return SecretKeys(keys)


def name_of(key: bytes) -> str:
    """Return the name of a key in the texts that it has sealed; it reveals nothing about the key."""
    return sha256(b"duetime secret key" + key).hexdigest()[:8]
