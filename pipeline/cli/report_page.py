"""The frame of `report.html`: its style, and small pieces of HTML."""

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c2024; --faint: #60666c; --paper: #fff; --card: #f6f7f9; --line: #d9dce0;
  --good: #18794e; --bad: #c62a2f; --wait: #8f5a00; }
@media (prefers-color-scheme: dark) { :root { --ink: #eceef0; --faint: #9ba1a6; --paper: #131517; --card: #1d2023;
  --line: #34393e; --good: #4cc38a; --bad: #ff8589; --wait: #f1a10d; }
  .plot { filter: invert(.93) hue-rotate(180deg); } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.5rem; max-width: 84rem; color: var(--ink); background: var(--paper);
  font: 15px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .25rem; } h2 { font-size: 1.15rem; margin: 2.5rem 0 .75rem; break-after: avoid; }
h3 { font-size: 1rem; margin: 0 0 .5rem; overflow-wrap: anywhere; }
p { margin: .25rem 0; } .faint { color: var(--faint); } a { color: inherit; }
.sums { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1.25rem 0; padding: 0; list-style: none; }
.sums li { background: var(--card); border-radius: .5rem; padding: .6rem 1rem; min-width: 8rem; }
.sums b { display: block; font-size: 1.4rem; font-variant-numeric: tabular-nums; }
.wide { overflow-x: auto; } table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .35rem .75rem .35rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th { color: var(--faint); font-weight: 600; white-space: nowrap; } td { overflow-wrap: anywhere; }
.number { text-align: right; white-space: nowrap; padding-right: 1.25rem; }
.ok { color: var(--good); } .failed { color: var(--bad); } .interrupted { color: var(--wait); }
.ok, .failed, .interrupted { font-weight: 600; white-space: nowrap; }
section { margin: 0 0 1.5rem; padding: 1rem; border: 1px solid var(--line); border-radius: .5rem; break-inside: avoid;
  content-visibility: auto; contain-intrinsic-size: auto 60rem; }
img { display: block; max-width: 100%; height: auto; margin: .5rem 0; border-radius: .25rem; }
pre { background: var(--card); padding: 1rem; border-radius: .5rem; overflow-x: auto; font-size: .85rem; }
@media print { body { padding: 0; max-width: none; font-size: 11px; } .screen { display: none; }
  section { border: 0; padding: 0; content-visibility: visible; } thead { display: table-header-group; }
  tr { break-inside: avoid; } .wide { overflow: visible; } .plot { filter: none; } }
"""


def page(title: str, parts: Iterable[str]) -> Iterable[str]:
    """Yield a whole page in pieces."""
    yield '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n<body>\n"
    yield from parts
    yield "</body>\n</html>\n"


def table(headings: Sequence[str], numbers: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterable[str]:
    """Yield a table of cells that are HTML already; `numbers`: the headings of columns that are set to the right."""
    right = [' class="number"' if heading in numbers else "" for heading in headings]
    yield '<div class="wide"><table>\n<thead><tr>'
    yield "".join(f"<th{side}>{escape(heading)}</th>" for heading, side in zip(headings, right, strict=True))
    yield "</tr></thead>\n<tbody>\n"
    for row in rows:
        yield "<tr>" + "".join(f"<td{side}>{cell}</td>" for cell, side in zip(row, right, strict=True)) + "</tr>\n"
    yield "</tbody></table></div>\n"


def sums(values: Iterable[tuple[str, str]]) -> str:
    """Return large numbers with what they are."""
    return '<ul class="sums">' + "".join(f"<li><b>{escape(n)}</b>{escape(what)}</li>" for n, what in values) + "</ul>\n"
