"""Parquet: a table of detections and one of frames, a file each a source, in folders that say of which."""

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib.util import find_spec
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, model_validator

from stages.annotator.append_file import writing
from stages.annotator.derived import Finished, Row
from stages.annotator.whole_file import Draft

FRAMES: Final = {
    "seq": "int64",
    "pts_s": "float64",
    "timestamp": "timestamp",
    "width": "int32",
    "height": "int32",
    "status": "name",
    "error": "string",
    "detections": "int32",
    "dropped_before": "int64",
    "skipped": "name",
    "corrupt": "bool_",
}
"""Columns of the table of frames, and their types."""
DETECTIONS: Final = {
    "seq": "int64",
    "pts_s": "float64",
    "timestamp": "timestamp",
    "class_id": "int32",
    "class_name": "name",
    "confidence": "float32",
    "x1": "float32",
    "y1": "float32",
    "x2": "float32",
    "y2": "float32",
    "tracker_id": "int64",
}
"""Columns of the table of detections, and their types."""
_ROWS_IN_GROUP: Final = 50_000
_OBJECT: Final = ("class_id", "class_name", "confidence", "tracker_id")
_CORNERS: Final = ("x1", "y1", "x2", "y2")


class ParquetSink(BaseModel):
    """Settings of the Parquet files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["parquet"] = "parquet"
    compression: Literal["zstd", "snappy", "gzip", "none"] = "zstd"

    @model_validator(mode="after")
    def _installed(self) -> Self:
        if find_spec("pyarrow") is None:
            raise ValueError("needs pyarrow: pip install 'detstream[parquet]'")
        return self

    def outputs(self, folder: Path, stem: str, source: str = "") -> tuple[Path, ...]:
        """Return the files that it makes: of detections, and of frames."""
        place = Path(f"source={source or stem}") / f"{stem}.parquet"
        return folder / "parquet/detections" / place, folder / "parquet/frames" / place

    def derive(self, finished: Finished) -> "ParquetTables":
        """Begin to make them of the lines.

        Raises:
            SinkError: they can't be written.
        """
        return ParquetTables(self, *self.outputs(finished.folder, finished.stem, finished.source))

    def rows(self, folder: Path, stem: str, source: str = "") -> Iterator[Row]:
        """Yield what the files tell of each frame."""
        detections, frames = self.outputs(folder, stem, source)
        objects = groupby(_records(detections), key=itemgetter("seq"))
        ahead = next(objects, None)
        for frame in _records(frames):
            found: tuple[Any, ...] = ()
            if ahead is not None and ahead[0] == frame["seq"]:
                found = tuple(map(_object_in, ahead[1]))
                ahead = next(objects, None)
            yield Row(frame["seq"], frame["pts_s"], frame["status"], found)


class ParquetTables:
    """The two files while they are made."""

    def __init__(self, settings: ParquetSink, detections: Path, frames: Path) -> None:
        self._detections = _Table(detections, DETECTIONS, settings.compression)
        self._frames = _Table(frames, FRAMES, settings.compression)
        self._counts = {"frames": 0, "failed": 0, "detections": 0}

    def add(self, fields: Mapping[str, Any]) -> None:
        """Take the next line's content."""
        objects, stamp = fields["detections"], fields["timestamp"]
        moment = None if stamp is None else datetime.fromisoformat(stamp)
        shared = {"seq": fields["seq"], "pts_s": fields["pts_s"], "timestamp": moment}
        self._frames.add({**fields, **shared, "detections": len(objects)})
        for item in objects:
            own = {name: item[name] for name in _OBJECT} | dict(zip(_CORNERS, item["xyxy"], strict=True))
            self._detections.add(shared | own)
        self._counts["frames"] += 1
        self._counts["failed"] += fields["status"] == "failed"
        self._counts["detections"] += len(objects)

    def finish(self) -> Iterator[None]:
        """Put the files in their places."""
        for table in (self._detections, self._frames):
            table.finish(self._counts)
            yield

    def close(self) -> None:
        """Leave nothing of what is not finished."""
        self._detections.close()
        self._frames.close()


class _Table:
    """A Parquet file, written some ten thousand rows at a time."""

    def __init__(self, target: Path, columns: Mapping[str, str], compression: str) -> None:
        import pyarrow as pa
        from pyarrow import parquet

        types = {"name": pa.dictionary(pa.int32(), pa.string()), "timestamp": pa.timestamp("ms", tz="UTC")}
        self._schema = pa.schema(
            [(name, types[kind] if kind in types else getattr(pa, kind)()) for name, kind in columns.items()]
        )
        self._draft = Draft(target)
        with writing(target):
            self._writer = parquet.ParquetWriter(self._draft.path, self._schema, compression=compression)
        self._columns: dict[str, list[Any]] = {name: [] for name in columns}

    def add(self, row: Mapping[str, Any]) -> None:
        for name, values in self._columns.items():
            values.append(row.get(name))
        if len(self._columns["seq"]) >= _ROWS_IN_GROUP:
            self._flush()

    def finish(self, counts: Mapping[str, int]) -> None:
        self._flush()
        with writing(self._draft.target):
            self._writer.add_key_value_metadata({"detstream": json.dumps(counts)})
            self._writer.close()
        self._draft.keep()

    def close(self) -> None:
        try:
            with writing(self._draft.target):
                self._writer.close()
        finally:
            self._draft.drop()

    def _flush(self) -> None:
        import pyarrow as pa

        if self._columns["seq"]:
            with writing(self._draft.target):
                self._writer.write_table(pa.table(self._columns, schema=self._schema))
            for values in self._columns.values():
                values.clear()


def _records(path: Path) -> Iterator[dict[str, Any]]:
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(4096):
            yield from batch.to_pylist()


def _object_in(record: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return what a record says of its object, as exactly as a line does."""
    box = (round(record[name], 2) for name in _CORNERS)
    return (*box, round(record["confidence"], 4), record["class_id"], record["class_name"], record["tracker_id"])
