"""Objects of each class over the time of a recording, as a plot."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from stages.annotator.lines import shown_s
from stages.annotator.spans import Span, clock

_BINS: Final = 240
_MOST_CLASSES: Final = 8
_INCHES: Final = (13.0, 3.2)
_DPI: Final = 100
_TICKS: Final = 13
_OTHERS: Final = "others"


class Timeline:
    """Counts objects in parts of a recording's time; as much memory for an hour as for a day."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._frames = np.zeros(_BINS, np.int64)
        self._failed = np.zeros(_BINS, np.int64)
        self._objects: dict[str, NDArray[np.int64]] = {}

    def add(self, fields: Mapping[str, Any]) -> None:
        """Count what is in a line."""
        into = (shown_s(fields) - self._span.first_s) / (self._span.length_s or 1.0)
        place = min(max(int(into * _BINS), 0), _BINS - 1)
        self._frames[place] += 1
        self._failed[place] += fields["status"] == "failed"
        for item in fields["detections"]:
            if item["class_name"] not in self._objects:
                self._objects[item["class_name"]] = np.zeros(_BINS, np.int64)
            self._objects[item["class_name"]][place] += 1

    def save(self, path: Path, title: str) -> None:
        """Write the plot as PNG.

        Raises:
            OSError: it can't be written.
        """
        from matplotlib.figure import Figure  # here: it takes half a second, and no pyplot: that keeps its figures

        figure = Figure(figsize=_INCHES, dpi=_DPI, layout="constrained")
        axes = figure.add_subplot()
        bins = np.flatnonzero(self._frames)
        at_s = (bins + 0.5) / _BINS * self._span.length_s
        for number, (name, counts) in enumerate(self._shown().items()):
            colour = "#999999" if name == _OTHERS else f"C{number}"
            mean = counts[bins] / self._frames[bins]
            axes.plot(at_s, mean, drawstyle="steps-mid", color=colour, label=name, lw=1.4)
            axes.fill_between(at_s, mean, step="mid", color=colour, alpha=0.12, lw=0)
        self._mark_failed(axes)
        self._label(axes, title)
        figure.savefig(path, format="png", metadata={"Software": None})

    def _shown(self) -> dict[str, NDArray[np.int64]]:
        """Return the classes that are met most, and the sum of the others."""
        names = sorted(self._objects, key=lambda name: (-int(self._objects[name].sum()), name))
        shown = {name: self._objects[name] for name in names[:_MOST_CLASSES]}
        if rest := names[_MOST_CLASSES:]:
            shown[_OTHERS] = np.sum([self._objects[name] for name in rest], axis=0)
        return shown

    def _mark_failed(self, axes: Any) -> None:
        width_s = self._span.length_s / _BINS
        for number, place in enumerate(np.flatnonzero(self._failed)):
            label = None if number else "failed frames"
            axes.axvspan(place * width_s, (place + 1) * width_s, color="#d62728", alpha=0.25, lw=0, label=label)

    def _label(self, axes: Any, title: str) -> None:
        step_s = self._span.step_s(_TICKS)
        ticks = np.arange(0, self._span.length_s + 1e-9, step_s)
        axes.set_xticks(ticks, [clock(at_s) for at_s in ticks])
        axes.set_xlim(0, self._span.length_s or 1.0)
        axes.set_ylim(bottom=0)
        axes.set_ylabel("objects in a frame")
        axes.set_title(title, loc="left", fontsize=11)
        axes.grid(axis="y", alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        if axes.get_legend_handles_labels()[1]:
            axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False)
        else:
            axes.text(0.5, 0.5, "nothing found", transform=axes.transAxes, ha="center", color="#888888")
            axes.set_yticks([])
