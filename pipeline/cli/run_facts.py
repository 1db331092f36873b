"""What a manifest says of a run beside its sources."""

from importlib.metadata import version
from typing import Any

from pipeline import keys
from pipeline.broker import Broker
from pipeline.cli.asked import Asked
from pipeline.cli.config import RunSettings
from pipeline.cli.run_state import RunState
from stages.detector.yolo_nas.card import fingerprint, read_card


def asked(settings: RunSettings) -> Asked:
    """Return what a run's outputs depend on."""
    sources = {name: recording.identity for name, recording in settings.decoder.recordings}
    chosen = settings.detector.model_dump(mode="json", include={"model", "conf", "iou", "names", "classes", "imgsz"})
    engine = settings.detector.engine.model_dump(mode="json")
    chosen["engine"] = {name: engine.get(name) for name in ("kind", "half", "int8")}
    tracked = settings.tracker.model_dump(mode="json", exclude={"patience_s", "wire"})
    sinks = {sink.kind: sink.model_dump(mode="json", exclude={"kind"}) for sink in settings.annotator.sinks}
    watched = settings.decoder.watch.model_dump(mode="json", exclude={"settle_s"})
    wanted = {"detector": chosen, "tracker": tracked, "outputs": sinks, "watch": watched}
    return Asked(sources, wanted, fingerprint(settings.detector.model))


def facts_of(settings: RunSettings, broker: Broker, detectors: int, state: RunState) -> dict[str, Any]:
    """Return versions, model, engine and settings."""
    model = settings.detector.model
    card = settings.detector.over(read_card(model))
    engines = sorted({name.decode() for name in broker.get_fields(keys.ENGINES).values()})
    return {
        "detstream": version("detstream"),
        "model": {
            "name": model,
            "sha256": fingerprint(model),
            "layout": card.layout,
            "input_size": card.input_size,
            "classes": card.class_names,
            "named_by": card.named_by,
        },
        "engine": ", ".join(engines) or None,
        "detectors": detectors,
        **({"asked": state.asked} if state.unfinished else {}),
        "settings": settings.model_dump(mode="json", exclude={"redis": {"url"}, "name": True, "secret_key": True}),
    }
