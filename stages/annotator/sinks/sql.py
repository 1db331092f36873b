"""Rows in SQLite or PostgreSQL: a table of frames, one of detections, one of events.

Guarantee: exactly once. Each row has a unique key (`run`, `source`, `epoch`, `seq`, and `number` in the frame; of an
event `run` and `id`), a frame and its detections are one transaction, and a row that is there already is left alone.
What a constraint or a type refuses goes to the dead letters; a database that is away, locked or full is tried again.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

from pydantic import AfterValidator, Field

from pipeline.errors import PeerError, RefusedError
from pipeline.optional import need
from pipeline.references import expanded, place_of, without_password
from pipeline.settings import variables
from stages.annotator.couriers.parcel import Parcel
from stages.annotator.couriers.peer import Connect, Sending

if TYPE_CHECKING:
    from sqlalchemy import Engine, Table
    from sqlalchemy.sql import Insert

_FILE: Final = "detections.sqlite"
_LITE: Final = "sqlite:"
_POSTGRES: Final = ("postgresql:", "postgres:")
_CONNECT_S: Final = 10


def _known(url: str) -> str:
    if not url.startswith((_LITE, *_POSTGRES, "${")):
        raise ValueError("give sqlite:///FILE or postgresql://USER:${PASSWORD}@HOST/DATABASE")
    return without_password(url)


class SqlSink(Sending):
    """Settings of the tables."""

    at_once: ClassVar = 200

    kind: Literal["sql"] = "sql"
    url: Annotated[str, AfterValidator(_known)] | None = None
    """`sqlite:///FILE` or `postgresql://USER:${PASSWORD}@HOST/DATABASE`; `detections.sqlite` beside the outputs if
    not given."""
    prefix: str = Field(default="", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$|^$", max_length=30)
    """Before the names of the tables: `frames`, `detections`, `events`."""

    def connector(self, folder: Path) -> Connect:
        """Put in what is named.

        Raises:
            ConfigError: a library is missing, or something that is named is not set.
        """
        need("sqlalchemy", "sql", "the sink sql")
        url = self.url or f"{_LITE}///{(folder / _FILE).absolute()}"
        url = expanded(url, variables(), f"the sink {self.name or self.kind}")
        for scheme in _POSTGRES:
            if url.startswith(scheme):
                need("psycopg", "postgresql", "the sink sql with PostgreSQL")
                url = url.replace(scheme, "postgresql+psycopg:", 1)
        return lambda: Database(url, self.prefix)


class Database:
    """One connection; makes the tables where they are missing."""

    def __init__(self, url: str, prefix: str) -> None:
        """Connect.

        Raises:
            PeerError: nobody answers, or refuses.
        """
        from sqlalchemy import create_engine
        from sqlalchemy.exc import SQLAlchemyError

        from stages.annotator.couriers.tables import Tables

        lite = url.startswith(_LITE)
        self._shown = place_of(url) if not lite else url
        self._tables = Tables(prefix)
        wait = {"timeout": _CONNECT_S} if lite else {"connect_timeout": _CONNECT_S}
        try:
            self._engine: Engine = create_engine(url, pool_size=1, connect_args=wait)
            self._tables.metadata.create_all(self._engine)
        except SQLAlchemyError as error:
            raise PeerError(f"{self._shown}: {_reason(error)}") from error

    def send(self, parcels: Sequence[Parcel]) -> None:
        """Insert all, or nothing.

        Raises:
            PeerError: the database is away, or can't take anything now.
            RefusedError: it refuses one of the rows.
        """
        from sqlalchemy.exc import DataError, IntegrityError, SQLAlchemyError

        rows: dict[Table, list[dict[str, Any]]] = {}
        for parcel in parcels:
            for table, row in self._tables.rows(parcel):
                rows.setdefault(table, []).append(row)
        try:
            with self._engine.begin() as connection:
                for table, values in rows.items():
                    connection.execute(self._insert(table), values)
        except (DataError, IntegrityError) as error:
            raise RefusedError(f"{self._shown}: {_reason(error)}") from error
        except SQLAlchemyError as error:
            raise PeerError(f"{self._shown}: {_reason(error)}") from error

    def close(self) -> None:
        """Hang up."""
        self._engine.dispose()

    def _insert(self, table: "Table") -> "Insert":
        """Return an INSERT that leaves alone what is there."""
        if self._engine.dialect.name == "sqlite":
            from sqlalchemy.dialects.sqlite import insert as lite

            return lite(table).on_conflict_do_nothing()
        from sqlalchemy.dialects.postgresql import insert as postgres

        return postgres(table).on_conflict_do_nothing(index_elements=list(table.primary_key.columns))


def _reason(error: Exception) -> str:
    """Return what the database says, in one line."""
    text = str(getattr(error, "orig", None) or error)
    return " ".join(text.split())[:300]
