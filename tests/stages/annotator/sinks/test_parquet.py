"""Parquet says what the lines say, in types that other programs read."""

import json
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest
from pyarrow import dataset, parquet

from pipeline.errors import ConfigError, SinkError
from pipeline.settings import load
from stages.annotator.settings import AnnotatorRoot
from stages.annotator.sinks import parquet as module
from stages.annotator.sinks.parquet import DETECTIONS, FRAMES, ParquetSink
from tests.stages.annotator.frames import found
from tests.stages.annotator.sinks.lines import FRAMES as GIVEN
from tests.stages.annotator.sinks.lines import derive, finished, leave_halfway, told


def test_every_frame_and_every_object_is_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_ROWS_IN_GROUP", 2)
    of = finished(tmp_path)
    detections, frames = derive(ParquetSink(), of)
    assert parquet.read_metadata(detections).num_row_groups > 2
    assert parquet.read_table(frames)["seq"].to_pylist() == list(range(9))
    assert list(ParquetSink().rows(tmp_path, "gate", "gate")) == told(of)


def test_columns_have_types_and_no_source_as_the_folder_says_it(tmp_path: Path) -> None:
    detections, frames = derive(ParquetSink(), finished(tmp_path))
    assert detections == tmp_path / "parquet/detections/source=gate/gate.parquet"
    assert parquet.read_schema(detections).names == list(DETECTIONS)
    assert parquet.read_schema(frames).names == list(FRAMES)
    schema = parquet.read_schema(detections)
    assert schema.field("timestamp").type == pa.timestamp("ms", tz="UTC")
    assert pa.types.is_dictionary(schema.field("class_name").type) and pa.types.is_float32(schema.field("x1").type)
    assert json.loads(parquet.read_metadata(frames).metadata[b"detstream"]) == {
        "frames": 9,
        "failed": 1,
        "detections": sum(len(item) for item in GIVEN),
    }


def test_failed_frames_say_why_and_untracked_objects_have_no_number(tmp_path: Path) -> None:
    detections, frames = derive(ParquetSink(), finished(tmp_path))
    row = parquet.read_table(frames).to_pylist()[3]
    assert (row["status"], row["error"], row["detections"]) == ("failed", "can't be decoded", 0)
    assert None in parquet.read_table(detections)["tracker_id"].to_pylist()


def test_duckdb_and_pyarrow_find_the_sources_by_their_folders(tmp_path: Path) -> None:
    derive(ParquetSink(), finished(tmp_path))
    table = dataset.dataset(tmp_path / "parquet/detections", partitioning="hive").to_table()
    assert set(table["source"].to_pylist()) == {"gate"}
    query = f"SELECT source, count(*) FROM '{tmp_path}/parquet/frames/*/*.parquet' GROUP BY source"
    assert duckdb.execute(query).fetchall() == [("gate", 9)]


def test_a_recording_without_objects_is_a_table_without_rows(tmp_path: Path) -> None:
    detections, frames = derive(ParquetSink(compression="none"), finished(tmp_path, [found(0, objects=0)]))
    assert parquet.read_table(detections).num_rows == 0 and parquet.read_table(frames).num_rows == 1


def test_segments_of_a_camera_are_files_of_one_source(tmp_path: Path) -> None:
    stem = "gate-20260101T120000Z"
    detections, _ = derive(ParquetSink(), finished(tmp_path, stem=stem))
    assert detections == tmp_path / f"parquet/detections/source=gate/{stem}.parquet"


def test_made_again_it_is_the_same_and_halfway_it_leaves_nothing(tmp_path: Path) -> None:
    of = finished(tmp_path)
    leave_halfway(ParquetSink(), of)
    assert [path for path in (tmp_path / "parquet").rglob("*") if path.is_file()] == []
    first = [path.read_bytes() for path in derive(ParquetSink(), of)]
    assert [path.read_bytes() for path in derive(ParquetSink(), of)] == first


def test_a_folder_that_can_not_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "parquet").write_text("in the way")
    with pytest.raises(SinkError, match=r"gate\.parquet can't be written"):
        derive(ParquetSink(), finished(tmp_path))


def test_without_pyarrow_the_settings_say_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "find_spec", lambda name: None)
    settings = tmp_path / "settings.yaml"
    settings.write_text("annotator: {sinks: [{kind: parquet}]}\n")
    with pytest.raises(ConfigError, match=r"needs pyarrow: pip install 'detstream\[parquet\]'"):
        load(AnnotatorRoot, settings)
