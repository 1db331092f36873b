"""`detstream weights`: which weights have a name, where they are, and how to get them."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from pipeline.errors import ConfigError, ModelError

if TYPE_CHECKING:
    from stages.detector.yolo_nas.library import Original

app = typer.Typer(no_args_is_help=True, rich_markup_mode="rich")

_EXAMPLE: Final = "Example: [bold]detstream weights fetch yolo_nas_s --accept-licence[/]"
_MIB: Final = 2**20

_Name = Annotated[str, typer.Argument(metavar="NAME", help="yolo_nas_s, yolo_nas_m or yolo_nas_l.")]


@app.command("list")
def list_all() -> None:
    """List the weights that have a name, and those in the folder."""
    from rich.console import Console
    from rich.table import Table

    from pipeline.settings import weights_folder
    from stages.detector.yolo_nas.library import ORIGINALS, SUFFIXES, find

    table = Table(box=None, header_style="bold")
    for heading in ("name", "mAP 640", "licence", "file"):
        table.add_column(heading, overflow="fold")
    table.add_row("demo", "-", "Apache-2.0", "comes with detstream")
    for name, original in ORIGINALS.items():
        file = find(name)
        table.add_row(name, f"{original.map_640}", "non-commercial", str(file) if file.is_file() else "not fetched")
    folder = weights_folder()
    files = sorted(folder.iterdir()) if folder.is_dir() else []
    for file in (file for file in files if file.suffix in SUFFIXES and file.stem not in ORIGINALS):
        table.add_row(file.stem, "-", "yours", str(file))
    Console().print(table)
    sys.stdout.write(f"folder: {folder} (DETSTREAM_WEIGHTS changes it)\n")


@app.command(epilog=_EXAMPLE)
def fetch(
    name: _Name,
    accept_licence: Annotated[
        bool, typer.Option("--accept-licence", help="You have read the licence and keep to it.")
    ] = False,
    url: Annotated[str | None, typer.Option(help="Another place to get the file from.")] = None,
    sha256: Annotated[str | None, typer.Option(help="The file's SHA-256, if you know it.")] = None,
) -> None:
    """Download original weights; a cut download goes on where it was."""
    from dataclasses import replace

    from stages.detector.yolo_nas.library import LICENCE, find

    original = _original(name)
    file = find(name)
    if file.is_file():
        sys.stdout.write(f"{name} is there: {file}\n")
        return
    sys.stderr.write(f"{LICENCE}\n")
    if not accept_licence:
        raise ConfigError(f"nothing was fetched: if you agree, `detstream weights fetch {name} --accept-licence`")
    if url:
        original = replace(original, urls=(url,), size=None, sha256=None)
    if sha256:
        original = replace(original, sha256=sha256)
    path, digest = _fetched(name, original)
    sys.stdout.write(f"{path}\nSHA-256 {digest}\n")


@app.command("path")
def show_path(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help="A name of weights.")] = None,
) -> None:
    """Print the folder of weights, or the file that a name means."""
    from pipeline.settings import weights_folder
    from stages.detector.yolo_nas.card import locate
    from stages.detector.yolo_nas.library import explain_missing

    path = weights_folder() if name is None else locate(name)
    if name is not None and not path.is_file():
        raise ModelError(explain_missing(path))
    sys.stdout.write(f"{path}\n")


def _original(name: str) -> "Original":
    from stages.detector.yolo_nas.library import ORIGINALS, SUFFIXES

    stem = Path(name).stem if Path(name).suffix in SUFFIXES else name
    if stem not in ORIGINALS:
        raise ConfigError(f"no weights of the name {name!r}: {', '.join(ORIGINALS)}")
    return ORIGINALS[stem]


def _fetched(name: str, original: "Original") -> tuple[Path, str]:
    """Return the file that the first place gave that has it, and its hash."""
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

    from pipeline.settings import weights_folder
    from stages.detector.yolo_nas.download import Expected, download
    from stages.detector.yolo_nas.library import suffix_of, verify

    columns = (*Progress.get_default_columns()[:2], DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    failures: list[str] = []
    for url in original.urls:
        target = weights_folder() / f"yolo_nas_{original.layout}{suffix_of(url)}"
        with Progress(*columns, console=Console(stderr=True)) as bars:
            task = bars.add_task(target.name, total=None)
            try:
                digest = download(
                    url,
                    target,
                    Expected(original.size, original.sha256),
                    lambda done, total, bars=bars, task=task: bars.update(task, completed=done, total=total),  # type: ignore[misc]
                    lambda path: verify(path, original.layout),
                )
            except ModelError as error:
                failures.append(str(error))
            else:
                return target, digest
    raise ModelError(f"{name} can't be had: {'; '.join(failures)}")
