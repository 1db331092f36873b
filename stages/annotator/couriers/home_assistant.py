"""What Home Assistant is told of a source, so that it shows it unasked (MQTT discovery, a device with its parts).

https://www.home-assistant.io/integrations/mqtt/#device-discovery-payload
"""

import re
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any, Final

_EVENTS: Final = [
    *("enter", "exit", "dwell", "crossed", "count", "appeared", "disappeared"),
    *("track_started", "track_ended"),
]
_EVENT_TEMPLATE: Final = (
    "{{ {'event_type': value_json.kind, 'class': value_json.class_name, 'zone': value_json.zone, "
    "'direction': value_json.direction, 'value': value_json.value, 'track': value_json.tracker_id} | to_json }}"
)


def counted(body: Mapping[str, Any]) -> dict[str, int]:
    """Return how many objects of each class a frame shows, and `total`."""
    classes = Counter(str(item["class_name"]) for item in body["detections"])
    return {"total": classes.total(), **dict(sorted(classes.items()))}


def device(source: str, classes: Collection[str], topic: str, version: str) -> dict[str, Any]:
    """Return the device of a source: a sensor of all objects, one of each class, and its events."""
    own = _word(source)
    parts: dict[str, Any] = {"objects": _sensor(own, "Objects", "total", topic)}
    parts |= {f"objects_{_word(name)}": _sensor(own, name, name, topic) for name in sorted(classes)}
    parts["events"] = {
        "platform": "event",
        "name": "Event",
        "unique_id": f"{own}_events",
        "state_topic": f"{topic}/{source}/events",
        "event_types": _EVENTS,
        "value_template": _EVENT_TEMPLATE,
    }
    for part in parts.values():
        part.setdefault("state_topic", f"{topic}/{source}/objects")
    return {
        "device": {"identifiers": [own], "name": source, "manufacturer": "detstream", "sw_version": version},
        "origin": {"name": "detstream", "sw_version": version},
        "availability_topic": f"{topic}/status",
        "components": parts,
    }


def discovery_topic(prefix: str, source: str) -> str:
    """Return where a source's device is announced."""
    return f"{prefix}/device/{_word(source)}/config"


def _sensor(own: str, name: str, field: str, topic: str) -> dict[str, Any]:
    return {
        "platform": "sensor",
        "name": name,
        "unique_id": f"{own}_objects_{_word(field)}",
        "state_class": "measurement",
        "value_template": f"{{{{ value_json.get({field!r}, 0) }}}}",
    }


def _word(text: str) -> str:
    """Return an ID that Home Assistant takes: letters, digits, `_` and `-`."""
    return "detstream_" + re.sub(r"[^A-Za-z0-9_-]", "_", text)
