"""Provider keys at rest: bound to their row, readable with any known master key, recognised when entered twice."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.errors import Unreadable
from providers.rules.secret import Secret
from providers.secrets import FieldCipher, last4_of

OLD, NEW = {"k1": b"1" * 32}, {"k2": b"2" * 32}
KEY = Secret("sk-0123456789abcdef")


@given(plain=st.text(min_size=1, alphabet=st.characters(exclude_categories=["Cs"])))
def test_what_is_encrypted_comes_back(plain: str) -> None:
    cipher, uid = FieldCipher(NEW), uuid.uuid4()

    assert cipher.decrypt(cipher.encrypt(Secret(plain), uid=uid), uid=uid) == Secret(plain)


def test_token_names_its_key_and_hides_the_secret() -> None:
    token = FieldCipher(NEW).encrypt(KEY, uid=uuid.uuid4())

    assert token.startswith("v1:k2:")
    assert KEY.reveal() not in token


def test_token_of_another_row_is_unreadable() -> None:
    cipher = FieldCipher(NEW)
    token = cipher.encrypt(KEY, uid=uuid.uuid4())

    with pytest.raises(Unreadable, match="another row"):
        cipher.decrypt(token, uid=uuid.uuid4())


def test_token_of_another_field_is_unreadable() -> None:
    cipher, uid = FieldCipher(NEW), uuid.uuid4()

    with pytest.raises(Unreadable):
        cipher.decrypt(cipher.encrypt(KEY, uid=uid, field="other"), uid=uid)


def test_old_rows_stay_readable_while_the_newest_key_encrypts() -> None:
    uid = uuid.uuid4()
    token = FieldCipher(OLD).encrypt(KEY, uid=uid)
    rotated = FieldCipher({**NEW, **OLD})

    assert rotated.decrypt(token, uid=uid) == KEY
    assert rotated.encrypt(KEY, uid=uid).startswith("v1:k2:")


@pytest.mark.parametrize(
    "token", ["", "plain", "v1:k1:x", "v2:k2:a:b", "v1:gone:AAAA:AAAA", "v1:k2:AAAA:AAAA", "v1:k2:é:é"]
)
def test_broken_token_is_unreadable(token: str) -> None:
    with pytest.raises(Unreadable):
        FieldCipher(NEW).decrypt(token, uid=uuid.uuid4())


def test_equal_secrets_share_a_fingerprint_over_a_rotation() -> None:
    before, after = FieldCipher(OLD).fingerprints(KEY), FieldCipher({**NEW, **OLD}).fingerprints(KEY)

    assert set(before) < set(after)
    assert after[0] not in before
    assert set(after).isdisjoint(FieldCipher({**NEW, **OLD}).fingerprints(Secret("sk-other")))


@pytest.mark.parametrize(("plain", "shown"), [("sk-0123456789", "6789"), ("short", ""), ("elevenchars", "")])
def test_last4_never_gives_most_of_a_key_away(plain: str, shown: str) -> None:
    assert last4_of(Secret(plain)) == shown
