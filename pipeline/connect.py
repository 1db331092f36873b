"""The connections that settings ask for."""

import hashlib
import os
from pathlib import Path
from typing import Final

from pipeline.broker import Broker
from pipeline.errors import BrokerError, BrokerUnreachableError, ConfigError
from pipeline.frame_store import FrameStore
from pipeline.memory import Budget
from pipeline.redis_broker import RedisBroker
from pipeline.redis_store import RedisStore
from pipeline.retention import Retention, chosen
from pipeline.ring_folder import default_folder
from pipeline.ring_store import RingStore
from pipeline.settings import KernelSettings

_WITHOUT_SHARED_MEMORY: Final = Path("/var/tmp")


def open_broker(settings: KernelSettings, *, fenced: bool = False) -> Broker:
    """Return a broker, connected; if `fenced`, it tells by BrokerForgotError when its memory may be lost.

    Raises:
        ConfigError: no URL is given, or one that is none.
        BrokerUnreachableError: nobody answers at it.
    """
    redis = settings.redis
    if redis.url is None:
        raise ConfigError("no Redis: set DETSTREAM_REDIS__URL, or redis.url in the settings file")
    try:
        return RedisBroker(
            redis.url,
            connect_timeout_s=redis.connect_timeout_s,
            claim_after_s=redis.claim_after_s,
            fenced=fenced,
        )
    except BrokerUnreachableError:
        raise
    except BrokerError as error:
        raise ConfigError(f"redis.url: {error}") from error


def retention(settings: KernelSettings, source: str) -> Retention:
    """Return how much of a source stays in its public stream for late readers."""
    flow = settings.flow
    own = chosen(flow.retention, source)
    frames = flow.retain if own.frames is None else own.frames
    most = frames if settings.memory_mb is None else Budget(settings.memory_mb).retained(frames)
    return Retention(most, own.seconds, own.mb)


def ring_folder(settings: KernelSettings) -> Path:
    """Return where pixels wait: shared memory where there is some, else a folder beside other temporary files.

    Raises:
        ConfigError: the folder can't be made.
    """
    folder = settings.ring_folder or default_folder(_WITHOUT_SHARED_MEMORY / f"detstream-{os.getuid()}")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"ring_folder {folder}: can't be made: {error.strerror}") from error
    return folder


def open_store(settings: KernelSettings) -> FrameStore:
    """Return the frame store that all stages of a configuration share.

    Raises:
        ConfigError: its folder can't be made, or Redis is asked for but not given.
    """
    if settings.flow.frame_store == "redis":
        if settings.redis.url is None:
            raise ConfigError("flow.frame_store is redis, but redis.url is not set")
        return RedisStore(settings.redis.url)
    run = hashlib.sha256((settings.redis.url or "").encode()).hexdigest()[:12]  # who shares a broker shares the rings
    return RingStore(ring_folder(settings), settings.name, run)
