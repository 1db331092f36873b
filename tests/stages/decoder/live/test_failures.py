import errno
import os

import pytest
from av import error as av_error

from stages.decoder.address import parse
from stages.decoder.live.failures import WORDS, code_of, failure

CAMERA = parse("rtsp://joe:s3cret@cam/x", {})
SECURE = parse("rtsps://joe:s3cret@cam/x", {})


def of_number(number: int) -> BaseException:
    return OSError(number, os.strerror(number))


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (av_error.HTTPUnauthorizedError(0, ""), "auth"),
        (av_error.HTTPForbiddenError(0, ""), "auth"),
        (av_error.HTTPNotFoundError(0, ""), "not_found"),
        (av_error.HTTPOtherClientError(0, ""), "not_found"),
        (av_error.HTTPServerError(0, ""), "refused"),
        (av_error.ConnectionRefusedError(0, ""), "refused"),
        (av_error.TimeoutError(0, ""), "timeout"),
        (av_error.ExitError(0, ""), "timeout"),
        (av_error.InvalidDataError(0, ""), "format"),
        (av_error.DecoderNotFoundError(0, ""), "codec"),
        (av_error.EOFError(0, ""), "gone"),
        (of_number(errno.EHOSTUNREACH), "unreachable"),
        (of_number(errno.ENETUNREACH), "unreachable"),
        (of_number(errno.ECONNRESET), "gone"),
        (of_number(errno.EIO), "unreachable"),
        (of_number(errno.ENOENT), "not_found"),
        (of_number(errno.EACCES), "auth"),
    ],
)
def test_each_error_of_opening_has_its_code(error: BaseException, code: str) -> None:
    assert code_of(error, CAMERA) == code


def test_handshake_that_fails_is_told_from_a_name_that_nobody_knows() -> None:
    assert code_of(of_number(errno.EIO), SECURE) == "tls"


def test_after_frames_came_a_time_out_is_a_stall_and_the_rest_a_loss() -> None:
    assert code_of(av_error.ExitError(0, ""), CAMERA, live=True) == "stalled"
    assert code_of(of_number(errno.EIO), CAMERA, live=True) == "gone"


def test_words_are_ours_and_name_what_to_do() -> None:
    assert failure("auth").code == "auth"
    assert str(failure("not_found")) == "no such stream on the camera: check the path of its URL"
    assert all("://" not in words and "\n" not in words for words in WORDS.values())
