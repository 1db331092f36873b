"""A camera: serves H.264 recordings over RTSP in endless loops. Run with the system's Python, which has GStreamer.

Reads one line of JSON from stdin, `{"port": 0, "clips": {"/gate": "clip.mp4"}, "login": ["basic", "user", "password"]}`
with the login perhaps null, and prints the port once it serves.
"""

import json
import sys
from collections.abc import Callable
from typing import Any

import gi

for library, version in {"Gst": "1.0", "GstApp": "1.0", "GstRtsp": "1.0", "GstRtspServer": "1.0"}.items():
    gi.require_version(library, version)
from gi.repository import GLib, Gst, GstApp, GstRtsp, GstRtspServer  # noqa: E402, F401

CAPS = "video/x-h264,stream-format=byte-stream,alignment=au"
ROLE = "viewer"


def access_units(clip: str) -> list[Any]:
    """Return the frames of a recording, each with a duration."""
    parse = f"filesrc name=file ! qtdemux ! h264parse config-interval=-1 ! {CAPS} ! appsink name=out sync=false"
    pipeline = Gst.parse_launch(parse)
    pipeline.get_by_name("file").set_property("location", clip)
    pipeline.set_state(Gst.State.PLAYING)
    found = []
    while sample := pipeline.get_by_name("out").emit("pull-sample"):
        found.append(sample.get_buffer().copy_deep())
    pipeline.set_state(Gst.State.NULL)
    return found


class Loop:
    """Feeds one client with the frames of a clip for ever; timestamps go on over the clip's end."""

    def __init__(self, frames: list[Any]) -> None:
        self._frames = frames
        self._pushed = 0
        self._time = 0

    def push(self, source: Any, *_: Any) -> None:
        frame = self._frames[self._pushed % len(self._frames)].copy()
        reordered = frame.pts - frame.dts if Gst.CLOCK_TIME_NONE not in (frame.pts, frame.dts) else 0
        frame.dts, frame.pts = self._time, self._time + reordered
        self._time += frame.duration
        self._pushed += 1
        source.emit("push-buffer", frame)


class Factory(GstRtspServer.RTSPMediaFactory):  # type: ignore[misc]
    """Gives each client its own loop, from a keyframe on."""

    def __init__(self, frames: list[Any]) -> None:
        super().__init__()
        self._frames = frames
        self.set_launch(
            f"( appsrc name=clip is-live=true format=time max-bytes=200000 caps={CAPS} ! h264parse config-interval=1"
            " ! rtph264pay name=pay0 pt=96 config-interval=1 )"
        )
        self.connect("media-configure", self._configure)

    def _configure(self, _: Any, media: Any) -> None:
        source = media.get_element().get_by_name_recurse_up("clip")
        source.connect("need-data", Loop(self._frames).push)


def lock(server: Any, factories: list[Any], scheme: str, user: str, password: str) -> None:
    """Let in only who knows the password."""
    auth = GstRtspServer.RTSPAuth()
    token = GstRtspServer.RTSPToken()
    token.set_string("media.factory.role", ROLE)
    if scheme == "basic":
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.BASIC)
        auth.add_basic(GstRtspServer.RTSPAuth.make_basic(user, password), token)
    else:
        auth.set_supported_methods(GstRtsp.RTSPAuthMethod.DIGEST)
        auth.add_digest(user, password, token)
    server.set_auth(auth)
    for factory in factories:
        permissions = GstRtspServer.RTSPPermissions()
        permissions.add_permission_for_role(ROLE, "media.factory.access", True)
        permissions.add_permission_for_role(ROLE, "media.factory.construct", True)
        factory.set_permissions(permissions)


def main(say: Callable[[str], object] = sys.stdout.write) -> None:
    wanted = json.loads(sys.stdin.readline())
    Gst.init(None)
    server = GstRtspServer.RTSPServer()
    server.set_address("127.0.0.1")
    server.set_service(str(wanted["port"]))
    factories = {path: Factory(access_units(clip)) for path, clip in wanted["clips"].items()}
    for path, factory in factories.items():
        server.get_mount_points().add_factory(path, factory)
    if wanted["login"]:
        lock(server, list(factories.values()), *wanted["login"])
    if not server.attach(None):
        sys.exit("the port is taken")
    say(f"{server.get_bound_port()}\n")
    sys.stdout.flush()
    GLib.MainLoop().run()


if __name__ == "__main__":
    main()
