"""What is kept of texts from outside: no secret, nothing a database refuses, no white space for an answer."""

import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.protocols.base import Failure, Outcome, Reply
from providers.rules.redact import redact, without_secret
from providers.rules.secret import Secret
from providers.rules.text import answer_text, clean_text

KEY_ALPHABET = string.ascii_letters + string.digits + "-_"
secret_texts = st.text(KEY_ALPHABET, min_size=20, max_size=60)


@given(
    before=st.text(max_size=40),
    plain=st.text(string.printable.strip(), min_size=4, max_size=60),
    after=st.text(max_size=40),
)
def test_redact_removes_a_known_secret(before: str, plain: str, after: str) -> None:
    shown = redact(f"{before} {plain} {after}", secrets=[Secret(plain)])

    assert plain not in shown.replace("****", "")


@given(prefix=st.sampled_from(["sk-", "sk-proj-", "gsk_", "xai-", "pplx-", "AIza", "AQ."]), rest=secret_texts)
def test_redact_removes_what_looks_like_a_key(prefix: str, rest: str) -> None:
    assert rest not in redact(f"Incorrect key {prefix}{rest} was sent")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Authorization: Bearer abcdef0123456789", "Authorization: Bearer ****"),
        ("Incorrect API key provided: xa***yz. You can", "Incorrect API key provided: **** You can"),
        ('{"api_key": "0123456789"}', '{"api_key": "****"}'),
        ("https://me:pass@host/v1", "https://****@host/v1"),
        (
            "The model meta-llama-3.3-70b-instruct-turbo is gone",
            "The model meta-llama-3.3-70b-instruct-turbo is gone",
        ),
        ("tokens: 30000 used", "tokens: 30000 used"),
        ("a\x00b\nc\ud800", "ab c"),
    ],
)
def test_redact_examples(text: str, shown: str) -> None:
    assert redact(text) == shown


def test_failure_without_the_key_of_its_call() -> None:
    failure = Failure(
        Outcome.KEY_INVALID, "The key 'open sesame' is wrong", code="open sesame", http_status=401
    )

    assert without_secret(failure, Secret("open sesame")) == Failure(
        Outcome.KEY_INVALID, "The key '****' is wrong", code="****", http_status=401
    )
    assert without_secret(failure, None) is failure


def test_reply_without_the_key_of_its_call() -> None:
    said = Reply(
        Outcome.ANSWERED, "You sent open+sesame.", served_model="open+sesame", finish_reason="open+sesame",
        request_id="id open%2Bsesame", citations=[{"url": "https://x.example/open+sesame", "open+sesame": "t"}],
    )  # fmt: skip

    assert without_secret(said, Secret("open+sesame")) == Reply(
        Outcome.ANSWERED, "You sent ****.", served_model="****", finish_reason="****", request_id="id ****",
        citations=[{"url": "https://x.example/****", "****": "t"}],
    )  # fmt: skip
    assert without_secret(said, Secret("another key")) is said


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("No such key: open ses…", "No such key: ****"),
        ("No such key: open sesame", "No such key: ****"),
        ("No such key: open s", "No such key: ****"),
        ("No such thing: open…", "No such thing: open…"),
        ("open sea", "open sea"),
    ],
)
def test_key_that_was_cut_is_masked(message: str, shown: str) -> None:
    assert without_secret(Failure(Outcome.TIMEOUT, message), Secret("open sesame")).message == shown


def test_redact_cuts_after_redacting() -> None:
    shown = redact("x" * 298 + " sk-0123456789abcdef", max_length=300)

    assert len(shown) == 300
    assert "0123" not in shown


@pytest.mark.parametrize(
    ("raw", "kept"),
    [
        ("Shoes.", "Shoes."),
        ("  Shoes.\n", "Shoes."),
        ("", None),
        (" \t\n", None),
        ("\x00", None),
        ("\u00a0\u2003", None),
        ("<think>hm</think>Shoes.", "Shoes."),
        ("<THINKING>hm</THINKING>\nShoes.", "Shoes."),
        ("<think>hm</think>", None),
        ("<think>hm", None),
        ("Use <think>tags</think> sparingly.", "Use <think>tags</think> sparingly."),
        ("hm</think>Shoes.", "hm</think>Shoes."),
    ],
)
def test_answer_text(raw: str, kept: str | None) -> None:
    assert answer_text(raw) == kept


@given(st.text(alphabet=st.characters()))
def test_clean_text_can_be_stored(text: str) -> None:
    cleaned = clean_text(text)

    assert "\x00" not in cleaned
    assert cleaned.encode("utf-8").decode("utf-8") == cleaned


def test_secret_never_shows() -> None:
    secret = Secret("sk-0123456789")

    assert {str(secret), repr(secret), f"{secret}", f"{secret!r:>4}", "%s" % secret} == {"****"}  # noqa: UP031
