from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import ConfigError
from stages.decoder.address import parse

SECRET = "s3cret"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("rtsp://joe:s3cret@cam1:554/stream1", "rtsp://cam1:554/stream1"),
        ("rtsp://joe:s3cret@cam1/Streaming/101?key=s3cret", "rtsp://cam1/Streaming/101"),
        ("http://cam/mjpeg?user=joe&pwd=s3cret", "http://cam/mjpeg"),
        ("rtsp://joe:s3/cret@s3cret@cam1/a", "rtsp://cam1/a"),
        ("rtsp://joe:s3?s3cret@cam1/a", "rtsp://cam1/a"),
        ("srt://host:9000?passphrase=s3cret", "srt://host:9000"),
        ("udp://127.0.0.1:5000", "udp://127.0.0.1:5000"),
        ("v4l2:/dev/video0", "v4l2:/dev/video0"),
        ("play:clip.mp4?loop=1", "play:clip.mp4"),
        ("images:shots/a?.jpg?fps=2", "images:shots/a?.jpg"),
    ],
)
def test_shown_address_has_neither_user_nor_password_nor_query(url: str, shown: str) -> None:
    address = parse(url, {})
    assert address.shown == str(address) == shown
    assert SECRET not in f"{address!r}{address}"
    assert "joe" not in f"{address!r}{address}"
    assert address.url == url


@given(password=st.text("ab:/?#@%&= $", max_size=12))
def test_no_password_shows_whatever_it_is_made_of(password: str) -> None:
    address = parse(f"rtsp://joe:{password.strip()}TOP{password}SECRET@camera/stream", {})
    assert address.shown == "rtsp://camera/stream"
    assert "TOP" not in repr(address)


def test_variables_and_files_are_put_in_so_that_they_stay_one_part_of_the_url(tmp_path: Path) -> None:
    (tmp_path / "user").write_text("joe\n")
    text = f"rtsp://${{file:{tmp_path}/user}}:${{GATE_PASSWORD}}@cam/x"
    assert parse(text, {"GATE_PASSWORD": "p@s/s"}).url == "rtsp://joe:p%40s%2Fs@cam/x"
    assert parse("${GATE_URL}", {"GATE_URL": "rtsp://joe:a@cam/x"}).url == "rtsp://joe:a@cam/x"


def test_options_and_path_of_a_local_source() -> None:
    address = parse("play:a?b.mp4?loop=1&speed=2", {})
    assert (address.path, address.options) == ("a?b.mp4", {"loop": "1", "speed": "2"})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("ftp://joe:s3cret@cam/x", "ftp:// is no kind of source"),
        ("joe:s3cret@cam1", "no URL of a source"),
        ("clip.mp4", "no URL of a source"),
        ("rtsp://", "no URL of a source"),
        ("play:", "no URL of a source"),
        ("rtsp://joe:${NOT_SET}@cam", "NOT_SET"),
        ("rtsp://joe:${file:/nowhere/pw}@cam", "/nowhere/pw"),
    ],
)
def test_wrong_addresses_are_refused_in_one_line_without_the_secret(text: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse(text, {})
    assert said in str(caught.value)
    assert SECRET not in str(caught.value) and "\n" not in str(caught.value)
