"""The growing part file of a video."""

from dataclasses import replace
from pathlib import Path

from pipeline.errors import SinkError
from stages.annotator.append_file import AppendFile, sync_folder
from stages.annotator.fragments import Fragment, Head, Sample, pack, read_fragments, read_head
from stages.annotator.sink import Counts


class Part:
    """A fragmented MP4, plays in browsers as it is; continued after the last whole frame that is in it."""

    def __init__(self, path: Path) -> None:
        """Open or create it, and cut off what a crash left halfway.

        Raises:
            SinkError: it can't be written.
        """
        self._file = AppendFile(path)
        self.path = path
        self.head: Head | None = None
        self.first: Fragment | None = None
        self.last: Fragment | None = None
        """The first and the last frame in it."""
        self.counts = Counts()
        self._recover()

    def begin(self, head: Head) -> None:
        """Write the head, or check that it is the one that is there.

        Raises:
            SinkError: the part was begun by an encoder with other parameters.
        """
        if self.head is None:
            self._file.append(head.pack())
            self.head = head
        elif self.head.init != head.init:
            raise SinkError(f"{self.path} was begun with other video settings: remove it to begin again")

    def append(self, sample: Sample) -> None:
        """Add a frame."""
        self._file.append(pack(sample))
        self._note(Fragment(sample.seq, sample.ticks, sample.failed, self._file.size))

    def sync(self) -> None:
        """Return when all of it survives a loss of power."""
        self._file.sync()

    def close(self, keep: bool) -> None:
        """Free it, and remove it unless it is to be kept and there is something in it."""
        self._file.close()
        if not (keep and self.last):
            self.path.unlink(missing_ok=True)
            sync_folder(self.path.parent)  # nobody would look for it again once the source is finished

    def _recover(self) -> None:
        found, end = read_head(self._file), 0
        if found:
            self.head, end = found
            for fragment in read_fragments(self._file, end):
                self._note(fragment)
                end = fragment.end
        if end < self._file.size:
            self._file.cut(end)
        self._file.sync()

    def _note(self, fragment: Fragment) -> None:
        self.first, self.last = self.first or fragment, fragment
        self.counts = replace(self.counts, frames=self.counts.frames + 1, failed=self.counts.failed + fragment.failed)
