"""Every error that detstream raises on purpose.

    DetstreamError
    ├── ConfigError              a setting, an argument or a file named by one is wrong: nothing was started
    ├── SourceError              a recording or a camera can't be opened or read
    │   └── CameraError              a live source; its code says why
    ├── ModelError               weights are missing, damaged or of another layout
    ├── EngineError              an engine can't be built or refused its input
    │   └── EngineDiedError          it doesn't answer, or fails at everything: its process must start again
    ├── SinkError                an output can't be written
    │   ├── PeerError                who outputs are sent to doesn't answer, or not as it should: worth another try
    │   └── RefusedError             who outputs are sent to refuses one of them for good
    ├── MessageError             bytes are no message of a version that we know
    ├── TrimmedError             frames were removed before a subscriber read them
    ├── BrokerError              the broker refused or lost a command
    │   ├── BrokerUnreachableError   nobody answers at its URL
    │   └── BrokerForgotError        it was started anew, and may know nothing of what it was told
    ├── FrameStoreError          the frame store can't be made or is full
    │   ├── FrameExpiredError    the pixels were overwritten, or their ring is gone
    │   └── FramePendingError    the pixels are not there yet
    └── StageError               a stage's process died of something that a restart would only repeat

Each message is one line that names the thing and says what to do about it.
"""


class DetstreamError(Exception):
    """The root: catch it to catch all that detstream raises on purpose."""


class ConfigError(DetstreamError):
    """A setting, an argument or a file named by one is wrong."""


class SourceError(DetstreamError):
    """A recording or a camera can't be opened or read."""


class CameraError(SourceError):
    """A live source can't be opened, or gives no frames any more."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        """`auth`, `not_found`, `tls`, `refused`, `unreachable`, `timeout`, `stalled`, `codec`, `format` or `gone`."""


class ModelError(DetstreamError):
    """Weights are missing, damaged or of another layout."""


class EngineError(DetstreamError):
    """An engine can't be built or refused its input."""


class EngineDiedError(EngineError):
    """An engine doesn't answer, or fails at everything after it has worked: its process must start again."""


class SinkError(DetstreamError):
    """An output can't be written."""


class PeerError(SinkError):
    """Who outputs are sent to doesn't answer, or not as it should: the same is worth another try."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        """When the peer wants to be asked again, seconds; None if it didn't say."""


class RefusedError(SinkError):
    """Who outputs are sent to refuses one of them for good: the same again is of no use."""


class MessageError(DetstreamError):
    """Bytes are no message of a version that we know."""


class BrokerError(DetstreamError):
    """The broker refused or lost a command."""


class BrokerUnreachableError(BrokerError):
    """Nobody answers at the broker's URL."""


class BrokerForgotError(BrokerError):
    """The broker was started anew since it was asked last, and may know nothing of what it was told.

    The command was not carried out; the next one will be.
    """


class TrimmedError(DetstreamError):
    """Frames of a source were removed from its stream before this subscriber read them."""

    def __init__(self, source: str, first: int | None, last: int | None) -> None:
        numbers = f"up to {last}" if first is None else str(first) if first == last else f"{first} to {last}"
        super().__init__(
            f"{source}: frames {numbers} were removed before they were read: read faster, or keep more (flow.retain)"
        )
        self.source, self.first, self.last = source, first, last


class FrameStoreError(DetstreamError):
    """The frame store can't be made or is full."""


class FrameExpiredError(FrameStoreError):
    """The pixels were overwritten, or their ring is gone."""


class FramePendingError(FrameStoreError):
    """The pixels are not in the store yet."""


class StageError(DetstreamError):
    """A stage's process died of something that a restart would only repeat."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code
        """The exit code of the process."""
