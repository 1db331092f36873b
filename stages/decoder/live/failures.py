"""Why a camera fails: a code, and our own words for it. FFmpeg's texts hold the URL with its password."""

import errno
from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

from av import error as av_error

from pipeline.errors import CameraError
from stages.decoder.address import Address

ErrorCode: TypeAlias = Literal[
    "auth", "not_found", "tls", "refused", "unreachable", "timeout", "stalled", "codec", "format", "gone"
]

WORDS: Final[Mapping[ErrorCode, str]] = {
    "auth": "wrong user name or password, or no right to this stream: check the credentials in its URL",
    "not_found": "no such stream on the camera: check the path of its URL",
    "tls": "no secure connection can be made: check that the camera speaks TLS at this port",
    "refused": "the connection is refused: check the port, and that the camera is on",
    "unreachable": "can't be reached: check the name or address of the camera, and the network",
    "timeout": "does not answer in time: check the address, the network, and that the camera is on",
    "stalled": "no frame came for too long, though the connection is open",
    "codec": "its video can't be decoded by FFmpeg here: set the camera to H.264",
    "format": "what it sends is no video that FFmpeg here understands: check its URL",
    "gone": "the connection is closed by the camera",
}
_SECURE: Final = ("rtsps", "https", "rtmps")
_BY_TYPE: Final[tuple[tuple[tuple[type[BaseException], ...], ErrorCode], ...]] = (
    ((av_error.HTTPUnauthorizedError, av_error.HTTPForbiddenError, PermissionError), "auth"),
    ((av_error.HTTPNotFoundError, FileNotFoundError), "not_found"),
    ((av_error.HTTPTooManyRequestsError, av_error.HTTPServerError), "refused"),
    ((ConnectionRefusedError,), "refused"),
    ((av_error.HTTPClientError,), "not_found"),
    ((av_error.ExitError, TimeoutError), "timeout"),
    ((av_error.DecoderNotFoundError, av_error.PatchWelcomeError), "codec"),
    ((ConnectionError, av_error.EOFError), "gone"),
    ((av_error.InvalidDataError, av_error.DemuxerNotFoundError, av_error.ProtocolNotFoundError), "format"),
)
_BY_NUMBER: Final[Mapping[int, ErrorCode]] = {
    errno.EHOSTUNREACH: "unreachable",
    errno.ENETUNREACH: "unreachable",
    errno.ENETDOWN: "unreachable",
    errno.EADDRNOTAVAIL: "unreachable",
    errno.ETIMEDOUT: "timeout",
    errno.EPIPE: "gone",
    errno.ENODEV: "gone",
    errno.EBUSY: "refused",
}


def code_of(error: BaseException, address: Address, *, live: bool = False) -> ErrorCode:
    """Return what an error of PyAV means, when opening or (`live`) after frames came."""
    for kinds, code in _BY_TYPE:
        if isinstance(error, kinds):
            return "stalled" if live and code == "timeout" else code
    number = getattr(error, "errno", None)
    if number == errno.EIO and not live:  # of a handshake that failed, and of a name that nobody knows
        return "tls" if address.scheme in _SECURE else "unreachable"
    return _BY_NUMBER.get(number or 0, "gone" if live else "format")


def failure(code: ErrorCode) -> CameraError:
    """Return the error to raise."""
    return CameraError(code, WORDS[code])
