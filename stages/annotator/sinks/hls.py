"""A camera live in browsers, with its boxes: an HLS playlist of the last seconds, for any web server to serve.

Guarantee: none but freshness: what there is no time to encode is left out and counted, old segments are removed, and
after a crash the playlist goes on where it was. Of cameras only: of a recording there is `video`.
"""

from pathlib import Path
from typing import Literal

from pydantic import Field

from stages.annotator.screens.showing import Showing, Target

_FLAGS = "delete_segments+append_list+omit_endlist+program_date_time+temp_file"


class HlsSink(Showing):
    """Settings of the playlist, `hls/SOURCE/index.m3u8` in the folder of the outputs."""

    kind: Literal["hls"] = "hls"
    segments: int = Field(default=6, ge=2, le=1000)
    """In the playlist, each as long as the keyframes are apart."""

    def target(self, folder: Path, source: str) -> Target:
        """Make the folder."""
        place = folder / "hls" / source
        place.mkdir(parents=True, exist_ok=True)
        options = {
            "hls_time": f"{self.key_every_s:g}",
            "hls_list_size": str(self.segments),
            "hls_flags": _FLAGS,
            "hls_segment_filename": str(place / "%08d.ts"),
        }
        playlist = place / "index.m3u8"
        return Target(str(playlist), str(playlist), "hls", options)
