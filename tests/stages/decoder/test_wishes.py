"""From NAME=URL to a wish that others may see, and back to the same camera."""

from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from pipeline.errors import ConfigError
from pipeline.seal import Seal
from stages.decoder.sources.camera import CameraSource
from stages.decoder.wishes import parsed, wish_of, wishes

SECRET: Final = "s3cret"
URL: Final = f"rtsp://joe:{SECRET}@cam1/stream1"
SEAL: Final = Seal("any long text will do")
NO_KEY: Final = Seal(None)


def camera(url: str = URL, **options: Any) -> CameraSource:
    return CameraSource(url=SecretStr(url), **options)


def test_a_name_and_a_url_are_a_camera_with_options() -> None:
    options = {"fps": 5.0, "roi": "0,0.4,1,1", "motion": True, "transport": "udp"}
    name, found = parsed(f"gate={URL}", options)
    assert (name, found.url.get_secret_value(), found.fps, found.transport) == ("gate", URL, 5.0, "udp")
    assert (found.roi, found.motion.enabled) == ((0, 0.4, 1, 1), True)


def test_a_secret_need_not_be_known_where_the_command_runs() -> None:
    text = "rtsp://${GATE_USER}:${file:/run/secrets/gate}@cam1/stream1"
    assert parsed(f"gate={text}", {})[1].url.get_secret_value() == text


@pytest.mark.parametrize(
    ("text", "options", "said"),
    [
        ("clip.mp4", {}, "clip.mp4 does not exist"),
        ("gate=pyproject.toml", {}, "write NAME=URL, as in gate=rtsp://cam1/stream1"),
        (f"gate=gopher://joe:{SECRET}@cam1/x", {}, "gopher:// is no kind of source"),
        (f"gate={URL}", {"fps": -1.0}, "fps: -1.0: Input should be greater than 0"),
        (f"gate={URL}", {"roi": "1,2,3"}, "roi: write LEFT,TOP,RIGHT,BOTTOM"),
        (f"gate={URL}", {"roi": "0.5,0,0.2,1"}, "roi: left is less than right"),
        (f"gate={URL}", {"transport": "pigeon"}, "transport: 'pigeon': Input should be 'tcp', 'udp' or 'auto'"),
        (f"=={URL}", {}, "is no source: write NAME=PATH"),
    ],
)
def test_what_is_wrong_is_said_in_one_line_without_the_secret(text: str, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parsed(text, options)
    message = str(caught.value)
    assert said in message and SECRET not in message and "\n" not in message


def test_a_wish_shows_the_address_and_seals_the_url() -> None:
    wish = wish_of("gate", camera(fps=5), SEAL)
    assert (wish.name, wish.shown, dict(wish.settings)) == ("gate", "rtsp://cam1/stream1", {"fps": 5.0})
    assert SEAL.open(wish.url) == URL
    assert SECRET not in repr(wish) + wish.url


regions = st.sampled_from([None, (0, 0.4, 1, 1), (10, 20, 300, 400)])
options = st.fixed_dictionaries(
    {},
    optional={
        "fps": st.floats(0.01, 1000),
        "roi": regions,
        "transport": st.sampled_from(["tcp", "udp", "auto"]),
        "read_s": st.floats(0.1, 300),
        "hwaccel": st.sampled_from(["auto", "cuda", "vaapi", "none"]),
        "keyframes_only": st.booleans(),
        "threads": st.integers(1, 64),
        "motion": st.sampled_from(["on", "off", True, {"enabled": True, "threshold": 40}]),
        "corrupt": st.sampled_from(["drop", "mark"]),
    },
)


@given(options)
@settings(max_examples=50)
def test_a_decoder_makes_the_same_camera_of_a_wish(chosen: dict[str, Any]) -> None:
    wish = wish_of("gate", camera(**chosen), SEAL)
    again = CameraSource(url=SecretStr(SEAL.open(wish.url)), **wish.settings)
    assert again == camera(**chosen)


@pytest.mark.parametrize(
    "url",
    [
        URL,
        f"http://cam1/mjpeg?pwd={SECRET}",
        f"srt://cam1:9000?passphrase={SECRET}&a=${{A}}",
        f"rtsp://cam1/a?{SECRET}",
    ],
)
def test_a_secret_is_not_left_open_in_the_broker(url: str) -> None:
    with pytest.raises(ConfigError, match=r"gate: its URL holds a secret, .* set DETSTREAM_SECRET_KEY") as caught:
        wish_of("gate", camera(url), NO_KEY)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://cam1/stream1",
        "rtsp://joe:${GATE_PASSWORD}@cam1/stream1",
        "http://cam1/mjpeg?user=${USER}&pwd=${PASSWORD}",
        "udp://127.0.0.1:5000",
        "v4l2:/dev/video0",
        "play:clip.mp4?loop=1",
        "sim://street?fps=25&seed=3",
    ],
)
def test_what_holds_no_secret_itself_needs_no_key(url: str) -> None:
    assert NO_KEY.open(wish_of("gate", camera(url), NO_KEY).url) == url


def test_all_cameras_of_a_file_are_wished_for_by_their_names() -> None:
    found = wishes({"gate": camera(), "yard": camera("rtsp://cam2/a", fps=2)}, SEAL)
    assert {name: (wish.name, wish.shown) for name, wish in found.items()} == {
        "gate": ("gate", "rtsp://cam1/stream1"),
        "yard": ("yard", "rtsp://cam2/a"),
    }
