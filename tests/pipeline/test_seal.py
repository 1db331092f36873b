"""Sealed text says nothing to those without the key; what is wrong is said without the text."""

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from pipeline.seal import Seal, new_key

URL = "rtsp://joe:s3cret@cam1/stream1"
KEY = "any long text will do"


@given(st.text(), st.text(min_size=1))
@settings(max_examples=30, deadline=None)
def test_what_is_sealed_is_opened_with_the_same_key(text: str, key: str) -> None:
    assert Seal(key).open(Seal(key).close(text)) == text


def test_sealed_text_shows_nothing_and_is_another_one_each_time() -> None:
    first, second = Seal(KEY).close(URL), Seal(KEY).close(URL)
    assert first != second
    assert not any(word in first for word in ("joe", "s3cret", "cam1", "rtsp"))


def test_without_a_key_nothing_is_sealed_and_everybody_may_open_it() -> None:
    assert not Seal(None).has_key and Seal(KEY).has_key
    assert Seal(KEY).open(Seal(None).close(URL)) == Seal(None).open(Seal(None).close(URL)) == URL


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (None, "is sealed: set DETSTREAM_SECRET_KEY as where the source was added"),
        ("another long text", "was sealed with another DETSTREAM_SECRET_KEY: use that one"),
    ],
)
def test_no_key_and_another_key_are_told_apart_without_a_word_of_the_text(key: str | None, said: str) -> None:
    with pytest.raises(ConfigError, match=said) as caught:
        Seal(key).open(Seal(KEY).close(URL))
    assert "s3cret" not in str(caught.value) and KEY not in str(caught.value)


@pytest.mark.parametrize("damaged", ["", "rubbish", "sealed:", "sealed:rubbish", "sealed:é", "sealed:" + "A" * 100])
def test_damaged_text_is_an_error_as_if_of_another_key(damaged: str) -> None:
    with pytest.raises(ConfigError, match="another DETSTREAM_SECRET_KEY"):
        Seal(KEY).open(damaged)


def test_keys_are_never_the_same_and_long_enough_for_the_settings() -> None:
    keys = {new_key() for _ in range(100)}
    assert len(keys) == 100 and min(map(len, keys)) >= 16


def test_a_seal_does_not_show_its_key() -> None:
    assert KEY not in repr(Seal(KEY)) and KEY not in str(Seal(KEY))


def test_who_has_no_camera_does_without_cryptography(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography.fernet", None)
    assert Seal(None).open(Seal(None).close(URL)) == URL
