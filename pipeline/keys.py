"""Every key and stream name in Redis, and nothing else."""

FRAMES = "frames"
"""Work queue of the detectors: the frames of recordings, one `FrameMeta` an entry."""
LIVE = "live"
"""Work queue of the detectors: a `Turn` for each camera that has something new."""
WAITING = "waiting"
"""Sorted set of the cameras that have something new, the one that was looked at longest ago first."""
DETECTORS = "detectors"
"""The consumer group that shares `LIVE` and `FRAMES`."""
RAW = "raw"
"""What detectors found, in any order, with duplicates: `Detections` and `EndOfSource`."""
RAW_LIVE = "raw-live"
"""The same of cameras; bounded."""
TRACKER = "tracker"
"""The consumer group of `RAW_LIVE` and `RAW`, and the tracker's name in leases."""
ANNOTATOR = "annotator"
"""The annotator's name in leases and positions."""
DEAD_LETTERS = "dead-letters"
"""Entries that were damaged or delivered too often, with the reason."""
SOURCES = "source-names"
"""Set of the names of the sources that a decoder has announced; recordings that are finished are no longer in it."""
SETTLED = "settled-names"
"""Set of the names of the recordings that are finished."""
STATES = "sources"
"""Public stream of what becomes of cameras: one `SourceState` an entry."""
EVENTS = "events"
"""Public stream of what happened in front of all sources: one `Event` an entry."""

REGISTRY = "registry"
"""Hash: which cameras there shall be, a `Wish` each."""
FINISHED = "finished"
"""Hash: how many recordings are finished, and what they come to."""
EPOCHS = "epochs"
"""Hash that counts the epochs of all sources."""
ENGINES = "engines"
"""Hash: which engine each detector runs."""
RUN = "run"
"""What `detstream run` holds a lease of: one run at a time in a database."""


def detections(source: str) -> str:
    """Return the public stream of a source: ordered, free of duplicates."""
    return f"detections:{source}"


def events(source: str) -> str:
    """Return the public stream of what happened in front of a source: ordered, free of duplicates."""
    return f"events:{source}"


def counts(source: str) -> str:
    """Return the public stream of what was counted in front of a source, one `MinuteCounts` an entry."""
    return f"counts:{source}"


def ledger(source: str) -> str:
    """Return the hash of a source's epoch, positions and counts."""
    return f"source:{source}"


def live(source: str) -> str:
    """Return the hash of a camera's newest frame, of the last one that was taken, and of the item that waits."""
    return f"live:{source}"


def checkpoint(source: str) -> str:
    """Return the hash of the tracker's state after the last published frame."""
    return f"tracker:{source}"


def states(source: str) -> str:
    """Return the hash of the tracker's states after some of the last frames, by the number of the frame to follow."""
    return f"states:{source}"


def lease(source: str) -> str:
    """Return the key whose value is the process that alone may work on a source."""
    return f"lease:{source}"


def role(name: str) -> str:
    """Return the key whose value is the process that alone plays a part; a source may be called as one is."""
    return f"role:{name}"


def pixels(source: str, epoch: int, seq: int) -> str:
    """Return the key of a frame's pictures, where frames are stored in Redis."""
    return f"pixels:{source}:{epoch}:{seq}"
