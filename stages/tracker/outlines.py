"""Where a source's zones and lines are, for whoever draws them."""

from pipeline.outline import Outline, outlines_text
from stages.tracker.settings import TrackerSettings


def outlines(source: str, settings: TrackerSettings) -> str:
    """Return the outlines of a source's zones and lines as text; one of all of the picture has none."""
    zones = [
        Outline(zone.name, zone.polygon, zone.unit, closed=True)
        for zone in settings.zones
        if zone.applies_to(source) and zone.polygon is not None
    ]
    lines = [
        Outline(line.name, line.line, line.unit, closed=False) for line in settings.lines if line.applies_to(source)
    ]
    return outlines_text([*zones, *lines])
