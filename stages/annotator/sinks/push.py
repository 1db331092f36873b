"""A camera pushed to a media server, with its boxes: RTMP, RTSP, SRT or MPEG-TS over UDP.

Guarantee: none but freshness: what there is no time for, or nobody to take, is left out and counted; a server that is
away is tried again for ever. Of cameras only.
"""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import AfterValidator

from pipeline.references import expanded, place_of, without_password
from pipeline.settings import variables
from stages.annotator.screens.showing import Showing, Target

_FORMATS: Final = {"rtmp": "flv", "rtmps": "flv", "rtsp": "rtsp", "rtsps": "rtsp", "srt": "mpegts", "udp": "mpegts"}
_TCP: Final = {"rtsp_transport": "tcp"}


def _pushed(url: str) -> str:
    if url.partition("://")[0] not in _FORMATS:
        raise ValueError(f"give a URL that begins with {', '.join(f'{scheme}://' for scheme in _FORMATS)}")
    return without_password(url)


class PushSink(Showing):
    """Settings of the stream."""

    kind: Literal["push"] = "push"
    url: Annotated[str, AfterValidator(_pushed)]
    """With `{source}` for the camera's name, and `${NAME}` for a secret: `rtmp://host/live/${KEY}-{source}`."""

    def target(self, folder: Path, source: str) -> Target:
        """Put in what is named.

        Raises:
            ConfigError: something that is named is not set.
        """
        url = expanded(self.url.replace("{source}", source), variables(), "the sink push")
        scheme = url.partition("://")[0]
        return Target(url, place_of(url), _FORMATS[scheme], _TCP if scheme.startswith("rtsp") else {})
