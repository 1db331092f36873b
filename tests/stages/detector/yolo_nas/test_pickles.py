"""Whatever a pickle asks for, nothing happens but a refusal in one line."""

import functools
import os
import pickle
import struct
import subprocess
import zipfile
from argparse import Namespace
from collections import Counter, defaultdict, deque
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.errors import ModelError
from stages.detector.yolo_nas.archive import Archive
from stages.detector.yolo_nas.card import read_card
from stages.detector.yolo_nas.pickles import unpickle
from stages.detector.yolo_nas.records import Record, Storage, TensorRef
from stages.detector.yolo_nas.weights import load_model
from tests.stages.detector.yolo_nas import sentinel

F32: Final = "torch.FloatStorage"


class Calls:
    """Pickled as the call of a function."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._call = function, arguments

    def __reduce__(self) -> Any:
        return self._call


def checkpoint(
    path: Path, data: bytes, storages: dict[str, bytes] | None = None, others: dict[str, bytes] | None = None
) -> Path:
    """Write a zip like torch's around a pickle."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", data)
        for key, content in (storages or {}).items():
            archive.writestr(f"x/data/{key}", content)
        for name, content in (others or {}).items():
            archive.writestr(name, content)
    return path


def tried(read: Callable[[], object]) -> str:
    """Return the complaint of a reader, empty if it has none; only a ModelError is one."""
    try:
        read()
    except ModelError as error:
        return str(error)
    return ""


def tensor(size: int, shape: tuple[int, ...], strides: tuple[int, ...], offset: int = 0, key: str = "0") -> TensorRef:
    return TensorRef(Storage("float32", key, size), offset, shape, strides)


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        (Calls(os.system, "touch hacked"), "posix.system"),
        (Calls(eval, "1"), "builtins.eval"),
        (Calls(getattr, os, "system"), "builtins.getattr"),
        (Calls(subprocess.Popen, ["touch", "hacked"]), "subprocess.Popen"),
        ({"net": {"a": [Calls(exec, "1")]}}, "builtins.exec"),
        (Calls(torch.hub.load, "a/b", "c"), "torch.hub.load"),
        (Calls(np.save, "hacked", [1]), "numpy.save"),
        (Calls(Calls(os.system, "x").__class__, Calls(os.system, "x")), "posix.system"),
        (Calls(sentinel.touched), "sentinel.touched"),
    ],
)
def test_hostile_call_is_refused_by_its_name(tmp_path: Path, value: Any, wanted: str, protocol: int) -> None:
    data = pickle.dumps(value, protocol) if wanted != "builtins.getattr" else b"cbuiltins\ngetattr\n(S'a'\ntR."
    with pytest.raises(ModelError) as caught:
        read_card(str(checkpoint(tmp_path / "evil.pt", data)))
    line = str(caught.value)
    assert "evil.pt it wants to call " in line and f"{wanted}, which no checkpoint needs: refused" in line
    assert "\n" not in line and not sentinel.calls


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"cos\nsystem\n(S'x'\ntR.", "wants to call os.system,"),
        (b"(S'x'\nios\nsystem\n.", "wants to call os.system,"),
        (b"(cos\nsystem\nS'x'\no.", "wants to call os.system,"),
        (b"\x80\x02cos\nsystem\n)\x81.", "wants to call os.system,"),
        (b"\x80\x04\x8c\x05torch\x8c\x09os.system\x93)R.", "wants to call torch.os.system,"),
        (b"\x80\x04\x8c\x05torch\x8c\x08os.Popen\x93)R.", "wants to call torch.os.Popen,"),
        (b"\x80\x04\x8c\x02os\x8c\x06system\x93)}\x92.", "wants to call os.system,"),
        (b"\x80\x04\x8c\x06a\nb\x1b[m\x8c\x01f\x93)R.", r"wants to call a\nb\x1b[m.f,"),
        (b"cos\nsystem\n}b.", "wants to change os.system,"),
        (b"(I1\nI2\nlI1\nR.", "wants to call a list,"),
        (b"cFoo\nBar\n)R)R.", "wants to call a Record,"),
        (b"\x80\x02\x82\x01.", "uses EXT1,"),
        (b"\x80\x05\x97.", "uses NEXT_BUFFER,"),
        (b"Pos.system\n.", "uses PERSID,"),
        (b"}(I1\nI2\ntI3\ns.", "has a tuple as a key,"),
        (b"\x80\x02X\x01\x00\x00\x00xQ.", "no tensor's storage"),
        (b"N", "damaged: ValueError: pickle exhausted"),
        (b"", "damaged"),
        (b".", "damaged: IndexError"),
        (b"h\x07.", "damaged: KeyError: 7"),
        (b"\x80\x02\x86.", "its stack is empty"),
        (b"I1\nI2\na.", "items for a int"),
        (b"\xff", "damaged"),
    ],
)
def test_hand_made_pickle_is_refused(data: bytes, complaint: str) -> None:
    with pytest.raises(ModelError) as caught:
        unpickle(data)
    assert complaint in str(caught.value)


@pytest.mark.parametrize(
    "value", [None, True, 7, -(2**70), 0.5, "é", b"x", (), (1,), [1, [2]], {"a": {1: (2, 3, 4, 5)}}]
)
@pytest.mark.parametrize("protocol", range(2, 6))
def test_plain_values_come_back(value: Any, protocol: int) -> None:
    if not (isinstance(value, bytes) and protocol == 2):  # which makes a call of it
        assert unpickle(pickle.dumps(value, protocol)) == value


def test_objects_of_unknown_classes_become_records_and_sets_lists() -> None:
    record = unpickle(b"\x80\x02csg.net\nNet\n)\x81}X\x01\x00\x00\x00aK\x01sb.")
    assert isinstance(record, Record)
    assert (record.kind, record.state) == ("sg.net.Net", {"a": 1})
    assert sorted(unpickle(pickle.dumps({3, 4}, 2))) == [3, 4]


@pytest.mark.parametrize("protocol", range(2, 6))
def test_what_trainers_leave_beside_weights_is_no_obstacle(protocol: int) -> None:
    extras = {
        "metric": np.float64(0.5),
        "history": np.arange(3),
        "path": Path("runs/exp"),
        "date": datetime(2026, 1, 2, tzinfo=UTC),
        "loss": functools.partial(torch.nn.functional.relu, inplace=True),
        "mode": torch.nn.ReLU(),
        "device": torch.device("cpu"),
        "dtype": torch.float32,
        "shape": torch.Size([1, 2]),
        "options": Namespace(lr=0.1),
        "counts": Counter("aab"),
        "recent": deque([1, 2]),
        "groups": defaultdict(list, {"a": [1]}),
        "seen": {1, 2},
        "frozen": frozenset([1]),
        "raw": b"\xff\x00",
        "note": bytearray(b"x"),
    }
    found = unpickle(pickle.dumps(extras, protocol))
    assert set(found) == set(extras)
    assert (found["groups"], list(found["shape"]), sorted(found["seen"])) == ({"a": [1]}, [1, 2], [1, 2])


def test_endless_nesting_does_no_harm() -> None:
    assert unpickle(b"]" * 100_000 + b"a" * 99_999 + b".")
    assert unpickle(b"]q\x00h\x00a.")  # a list in itself
    assert unpickle(b")" + b"2\x86" * 64 + b".")  # 2 ** 64 leaves
    with pytest.raises(ModelError, match="endless parts"):
        modules = b"ca\nN\n)\x81q\x00}X\x08\x00\x00\x00_modules}(X\x01\x00\x00\x00ah\x00X\x01\x00\x00\x00bh\x00usb."
        from stages.detector.yolo_nas.checkpoint import _state

        _state(unpickle(modules))


@pytest.mark.parametrize(
    ("found", "complaint"),
    [
        (tensor(4, (2, 3), (3, 1)), "reaches out of its storage"),
        (tensor(4, (2,), (1,), offset=3), "reaches out of its storage"),
        (tensor(4, (2, 2), (1, 1)), "overlaps itself"),
        (tensor(4, (2**30, 2**30), (0, 0)), "overlaps itself"),
        (tensor(4, (2**39,), (2**39,)), "reaches out of its storage"),
        (tensor(4, (0,), (1,)), "is empty"),
        (tensor(5, (5,), (1,)), "storage 0 has 16 bytes, where its tensors need 20"),
        (tensor(2**34, (1,), (1,)), "storage 0 has 16 bytes"),
        (tensor(4, (4,), (1,), key="7"), "x/data/7 is missing"),
    ],
)
def test_tensor_outside_its_memory_is_refused(tmp_path: Path, found: TensorRef, complaint: str) -> None:
    path = checkpoint(tmp_path / "x.pt", b"N.", {"0": struct.pack("4f", 1, 2, 3, 4)})
    with Archive(path) as archive, pytest.raises(ModelError, match=complaint):
        archive.array(found)


def test_view_of_a_storage_is_read(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "x.pt", b"N.", {"0": np.arange(6, dtype=np.float32).tobytes()})
    with Archive(path) as archive:
        np.testing.assert_array_equal(archive.array(tensor(6, (2, 2), (1, 2), offset=2)), [[2, 4], [3, 5]])
        assert archive.array(tensor(6, (), (), offset=5)) == 5


@pytest.mark.parametrize("key", ["../../etc/passwd", "", "1" * 10, "²", "0/../0"])
def test_storage_of_a_strange_name_is_refused(key: str) -> None:
    name = key.encode()
    text = b"X" + struct.pack("<I", len(name)) + name
    with pytest.raises(ModelError, match="impossible name"):
        unpickle(b"\x80\x02(X\x07\x00\x00\x00storagectorch\nFloatStorage\n" + text + b"X\x03\x00\x00\x00cpuK\x04tQ.")


@pytest.mark.parametrize("name", ["/x/a", "x/../../a", "x\\a"])
def test_member_that_points_out_of_the_zip_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ModelError, match="points out of it: refused"):
        read_card(str(checkpoint(tmp_path / "x.pt", b"N.", others={name: b""})))


def test_zip_bombs_are_not_unpacked(tmp_path: Path) -> None:
    pickled = checkpoint(tmp_path / "a.pt", b"N" * (2**23 + 1))
    with pytest.raises(ModelError, match=r"x/data\.pkl would unpack to 8388609 bytes: refused"):
        read_card(str(pickled))
    path = checkpoint(tmp_path / "b.pt", b"N.", {"0": b""})
    data = bytearray(path.read_bytes())
    entry = data.index(b"PK\x01\x02", data.index(b"PK\x01\x02") + 1)
    data[entry + 24 : entry + 28] = struct.pack("<I", 2**31)  # the size that the directory declares
    path.write_bytes(data)
    with Archive(path) as archive, pytest.raises(ModelError, match="would unpack to 2147483648 bytes: refused"):
        archive.array(tensor(4, (4,), (1,)))


def test_zip_that_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("README", "hello")
    with pytest.raises(ModelError, match=r"x\.pt is a zip, but no checkpoint"):
        read_card(str(path))


def test_two_members_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = checkpoint(tmp_path / "x.pt", b"N.", others={"x/data.pkl": b"N."})
    with pytest.raises(ModelError, match="two members of one name"):
        read_card(str(path))


def test_tensors_of_the_other_byte_order_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="big-endian"):
        read_card(str(checkpoint(tmp_path / "x.pt", b"N.", others={"x/byteorder": b"big"})))


SEEDS: Final = [pickle.dumps(Calls(sentinel.touched, "a", ("b",)), protocol) for protocol in range(6)] + [
    pickle.dumps({"net": {"a": [1, 2.5, {"x", "y"}], "b": Calls(sentinel.Touched)}}, protocol) for protocol in range(6)
]


@given(seed=st.sampled_from(SEEDS), cuts=st.lists(st.tuples(st.integers(0, 200), st.binary(max_size=3)), max_size=4))
@example(seed=SEEDS[2], cuts=[])
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_mutated_pickle_runs_nothing(seed: bytes, cuts: list[tuple[int, bytes]]) -> None:
    data = seed
    for place, replacement in cuts:
        data = data[:place] + replacement + data[place + 1 :]
    assert "\n" not in tried(lambda: unpickle(data))
    assert not sentinel.calls


@given(st.binary(max_size=60))
@settings(max_examples=200, deadline=None)
def test_random_bytes_run_nothing(data: bytes) -> None:
    assert "\n" not in tried(
        lambda: unpickle(b"\x80\x02ctests.stages.detector.yolo_nas.sentinel\ntouched\n" + data + b".")
    )
    assert not sentinel.calls


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 255)), min_size=1, max_size=6))
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_mutated_checkpoint_is_read_or_refused(shared: Path, tmp_path: Path, changes: list[tuple[float, int]]) -> None:
    data = bytearray((shared / "conformance" / "yolo_nas_s_sg_constant.pth").read_bytes())
    for place, value in changes:
        data[int(place * (len(data) - 1))] = value
    path = tmp_path / "x.pth"
    path.write_bytes(data)
    assert "\n" not in tried(lambda: read_card(str(path)))


def test_hostile_file_never_reaches_the_network(tmp_path: Path) -> None:
    path = checkpoint(tmp_path / "evil.pt", pickle.dumps(Calls(os.system, f"touch {tmp_path}/hacked"), 2))
    with pytest.raises(ModelError, match=r"wants to call posix\.system"):
        load_model(str(path))
    assert not (tmp_path / "hacked").exists()
