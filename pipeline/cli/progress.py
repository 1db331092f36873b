"""Progress on standard error."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console


class Bar:
    """One bar, gone at the end; none if it isn't a terminal."""

    def __init__(self, console: "Console") -> None:
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        self._bars = Progress(*columns, console=console, disable=not console.is_terminal, transient=True)
        self._task = self._bars.add_task("", total=None)

    def step(self, done: int, total: int, what: str) -> None:
        """Show how many steps are done, of how many (0: unknown), and what is next."""
        self._bars.update(self._task, completed=done, total=total or None, description=what)

    def __enter__(self) -> "Bar":
        self._bars.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bars.stop()
