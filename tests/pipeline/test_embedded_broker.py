"""The embedded server: there when entered, gone when left, also when its owner had no time to leave."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.embedded_broker import EmbeddedBroker
from pipeline.errors import BrokerError, BrokerUnreachableError, ConfigError
from pipeline.owned_process import spawn_owned
from pipeline.redis_broker import RedisBroker
from tests.pipeline.broker_steps import wait_for

ROOT = Path(__file__).parents[2]
OWNER = """
import sys
from pathlib import Path
from pipeline.embedded_broker import EmbeddedBroker
with EmbeddedBroker(Path(sys.argv[1])) as server:
    print(server.pid, flush=True)
    sys.stdin.read()
"""


def is_gone(pid: int) -> bool:
    """A zombie that nobody has reaped yet counts as gone."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return True
    return state in "ZX"


@contextmanager
def owner_of(folder: Path) -> "Iterator[tuple[subprocess.Popen[bytes], int]]":
    command = [sys.executable, "-c", OWNER, str(folder)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as owner:
        assert owner.stdout is not None
        yield owner, int(owner.stdout.readline())
        owner.kill()


def test_it_answers_when_entered_and_is_gone_when_left(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path / "new") as server:
        pid = server.pid
        assert pid is not None
        broker = RedisBroker(server.url)
        assert broker.increment("h", "a") == 1
        broker.close()
    assert is_gone(pid)
    assert server.pid is None
    assert not (tmp_path / "new" / "valkey.sock").exists()


def test_it_starts_empty_on_what_a_killed_one_left_behind(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path) as server:
        assert server.pid is not None
        os.kill(server.pid, signal.SIGKILL)
        with EmbeddedBroker(tmp_path) as again:
            broker = RedisBroker(again.url)
            assert broker.increment("h", "a") == 1
            broker.close()


def test_it_is_limited_in_memory_and_refuses_beyond(tmp_path: Path) -> None:
    with EmbeddedBroker(tmp_path, max_memory_bytes=3 << 20) as server:
        broker = RedisBroker(server.url)
        with pytest.raises(BrokerError, match="maxmemory"):
            for _ in range(100):
                with broker.transaction() as transaction:
                    transaction.append("s", bytes(1 << 17))
        broker.close()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has a parent death signal")
def test_it_dies_with_an_owner_that_is_killed(tmp_path: Path) -> None:
    with owner_of(tmp_path) as (owner, server_pid):
        assert not is_gone(server_pid)
        owner.kill()
        owner.wait()
        wait_for(lambda: is_gone(server_pid))


def test_ctrl_c_in_the_terminal_does_not_reach_it(tmp_path: Path) -> None:
    with owner_of(tmp_path) as (owner, server_pid):
        assert os.getpgid(server_pid) != os.getpgid(owner.pid)
        assert os.getsid(server_pid) == server_pid


def test_a_folder_too_deep_for_a_socket_is_refused_before_anything_starts(tmp_path: Path) -> None:
    folder = tmp_path / ("x" * 100)
    with pytest.raises(ConfigError, match="shorter folder"), EmbeddedBroker(folder):
        pass
    assert not folder.exists()


def test_a_server_that_ends_at_once_is_reported_with_its_last_words(tmp_path: Path) -> None:
    refused = EmbeddedBroker(tmp_path, max_memory_bytes=-1)
    with pytest.raises(BrokerUnreachableError, match="argument"), refused:
        pass
    assert refused.pid is None


def test_a_server_that_is_missing_is_named(tmp_path: Path) -> None:
    with (
        pytest.raises(BrokerUnreachableError, match="can't run /no/such/server"),
        EmbeddedBroker(tmp_path, server=Path("/no/such/server")),
    ):
        pass


def test_a_server_that_never_answers_is_given_up(tmp_path: Path) -> None:
    sleeper = tmp_path / "sleeper"
    sleeper.write_text("#!/bin/sh\nexec sleep 60\n")
    sleeper.chmod(0o755)
    given_up = EmbeddedBroker(tmp_path, server=sleeper, start_timeout_s=0.1)
    with pytest.raises(BrokerUnreachableError, match=r"within 0\.1 s"), given_up:
        pass
    assert given_up.pid is None


def test_an_owned_process_has_the_pid_the_arguments_and_the_exit_status_of_its_command() -> None:
    command = [sys.executable, "-c", "import os, sys; print(os.getpid(), sys.argv[1:]); sys.exit(7)", "a b", "$HOME"]
    with spawn_owned(command, stdout=subprocess.PIPE) as process:
        output, _ = process.communicate()
        assert output.decode().strip() == f"{process.pid} ['a b', '$HOME']"
    assert process.returncode == 7
