"""From a camera's settings to what the registry holds of it."""

import re
from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr, ValidationError

from pipeline.errors import ConfigError
from pipeline.registry import Wish
from pipeline.seal import Seal
from pipeline.settings import explain
from stages.decoder.address import holds_secret, parse, shown
from stages.decoder.live.sim import SimSettings
from stages.decoder.remote import is_remote
from stages.decoder.sources.camera import CameraSource
from stages.decoder.sources.listing import NamedCamera, expand_all


def parsed(text: str, options: Mapping[str, Any]) -> tuple[str, CameraSource]:
    """Return the name and the camera that NAME=URL stands for.

    Raises:
        ConfigError: it is no name and URL, or an option is wrong.
    """
    url = text if is_remote(text) else text.partition("=")[2]
    found = [] if is_remote(url) else expand_all([text])
    if len(found) != 1 or not isinstance(found[0], NamedCamera):
        raise ConfigError(
            "write NAME=URL, as in gate=rtsp://cam1/stream1: a recording is no camera (play:FILE makes it one)"
        )
    camera = found[0]
    # A secret need not be set where the command runs; a file with one need not be there either.
    check(re.sub(r"\$\{[^}]*\}", "x", camera.url), {})
    try:
        return camera.name, CameraSource(url=SecretStr(camera.url), **options)
    except ValidationError as error:
        raise ConfigError(explain(CameraSource, error.errors()[0])) from error


def check(url: str, variables: Mapping[str, str]) -> None:
    """See that a URL is that of a live source, as far as can be seen without opening it.

    Raises:
        ConfigError: it is not.
    """
    address = parse(url, variables)
    if address.scheme == "sim":
        SimSettings.parse(address.url)


def wish_of(name: str, source: CameraSource, seal: Seal) -> Wish:
    """Return the wish for a camera, its URL sealed.

    Raises:
        ConfigError: the URL holds a secret, and there is no key to seal it with.
    """
    url = source.url.get_secret_value()
    if holds_secret(url) and not seal.has_key:
        raise ConfigError(
            f"{name}: its URL holds a secret, which would stand open in Redis: set DETSTREAM_SECRET_KEY to any "
            "long text, the same everywhere, or write ${NAME} instead of the secret and set NAME where the decoders run"
        )
    settings = source.model_dump(mode="json", exclude={"url", "kind"}, exclude_defaults=True)
    return Wish(name, shown(url), seal.close(url), settings)


def wishes(cameras: Mapping[str, CameraSource], seal: Seal) -> dict[str, Wish]:
    """Return the wishes for cameras by name.

    Raises:
        ConfigError: as `wish_of`.
    """
    return {name: wish_of(name, source, seal) for name, source in cameras.items()}
