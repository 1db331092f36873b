"""The rules of ``nms`` as nodes of an ONNX graph, for programs that have none of their own.

Rows are those of ``Postprocess`` to the last bit, wherever the runtime's NonMaxSuppression computes in float32 and its
TopK gives equals in their order, as ONNX's definition demands.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from stages.detector.nms import Postprocess
from stages.detector.yolo_nas.onnx import OUTPUTS

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto, TensorProto

OUTPUT: Final = "detections"
_COLUMNS: Final = 6
_FLOAT: Final = 1  # TensorProto.FLOAT, without loading onnx


@dataclass(slots=True)
class _Graph:
    """Nodes in the making; values are known by the names of their tensors."""

    nodes: list["NodeProto"] = field(default_factory=list)
    constants: list["TensorProto"] = field(default_factory=list)

    def add(self, kind: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """Add a node and return its output."""
        from onnx import helper

        name = name or f"nms_{len(self.nodes)}_{kind}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def best(self, values: str, count: str) -> tuple[str, str]:
        """Add the choice of the largest in each row, best first, equals in their order; return them and where."""
        from onnx import helper

        name = f"nms_{len(self.nodes)}_TopK"
        self.nodes.append(helper.make_node("TopK", [values, count], [name, f"{name}_at"], name=name, axis=-1))
        return name, f"{name}_at"

    def constant(self, values: Any, dtype: type[np.generic] = np.int64) -> str:
        """Add a constant and return its name."""
        from onnx import numpy_helper

        name = f"nms_constant_{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name


def with_nms(model: "ModelProto", rules: Postprocess, classes: int) -> None:
    """Replace the outputs of a graph by ``detections``, float32 (B, max_detections, 6): xyxy, score, class, best first.

    Boxes are in pixels of the input, not clipped; rows beyond the last object are zeros. ``rules`` with ``multi_label``
    and for all classes.
    """
    from onnx import TensorProto, helper

    graph = _Graph()
    candidates, boxes, class_id, score = _candidates(graph, rules, classes)
    kept = _kept(graph, rules, 1 if rules.class_agnostic else classes, boxes, class_id, candidates)
    _rows(graph, rules, kept, boxes, class_id, score)
    batch = model.graph.output[0].type.tensor_type.shape.dim[0]
    shape = [batch.dim_param or batch.dim_value, rules.max_detections, _COLUMNS]
    model.graph.node.extend(graph.nodes)
    model.graph.initializer.extend(graph.constants)
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, shape))


def _candidates(graph: _Graph, rules: Postprocess, classes: int) -> tuple[str, str, str, str]:
    """Add the choice of the best ``top_k``; return which are candidates, their boxes, classes and scores, (B, K, …)."""
    boxes, scores = OUTPUTS
    zero = graph.constant(0, np.float32)
    above = graph.add("Greater", scores, graph.constant(rules.conf, np.float32))
    flat = graph.add("Flatten", graph.add("Where", above, scores, zero), axis=1)
    every = graph.add("Slice", graph.add("Shape", flat), graph.constant([1]), graph.constant([2]))
    score, at = graph.best(flat, graph.add("Min", every, graph.constant([rules.top_k])))
    count = graph.constant(classes)
    # Not Mod, which TensorRT lacks for integers in some versions.
    anchor = graph.add("Div", at, count)
    class_id = graph.add("Sub", at, graph.add("Mul", anchor, count))
    rows = graph.add("Unsqueeze", anchor, graph.constant([2]))
    chosen = graph.add("GatherND", boxes, rows, batch_dims=1)
    return graph.add("Greater", score, zero), chosen, class_id, score


def _kept(graph: _Graph, rules: Postprocess, groups: int, boxes: str, class_id: str, candidates: str) -> str:
    """Add the suppression; return which rows it leaves, 1 or 0, float32 (B, K)."""
    zero = graph.constant(0, np.float32)
    group = graph.add("Mul", class_id, graph.constant(0 if rules.class_agnostic else 1))
    # Ranks in place of scores: rows are sorted already, and what is equal must stay in its order.
    rank = graph.add("CumSum", graph.add("Cast", candidates, to=_FLOAT), graph.constant(1), reverse=1)
    rank = graph.add("Where", candidates, rank, zero)
    ids = graph.constant(np.arange(groups)[:, None])
    mine = graph.add("Equal", graph.add("Unsqueeze", group, graph.constant([1])), ids)
    by_group = graph.add("Where", mine, graph.add("Unsqueeze", rank, graph.constant([1])), zero)
    most = graph.constant([rules.max_detections])
    limit = graph.constant([_not_above(rules.iou)], np.float32)
    found = graph.add("NonMaxSuppression", boxes, by_group, most, limit, graph.constant([0.5], np.float32))
    places = graph.add("Gather", found, graph.constant([0, 2]), axis=1)
    count = graph.add("Slice", graph.add("Shape", places), graph.constant([0]), graph.constant([1]))
    ones = graph.add("Expand", graph.constant([1], np.float32), count)
    return graph.add("ScatterND", graph.add("Sub", rank, rank), places, ones)


def _rows(graph: _Graph, rules: Postprocess, kept: str, boxes: str, class_id: str, score: str) -> None:
    """Add the output: the first ``max_detections`` of the rows that are kept, then zeros."""
    last = graph.constant([2])
    columns = [graph.add("Unsqueeze", column, last) for column in (score, graph.add("Cast", class_id, to=_FLOAT))]
    rows = graph.add("Concat", boxes, *columns, axis=2)
    zero = graph.constant(0, np.float32)
    rows = graph.add("Where", graph.add("Greater", graph.add("Unsqueeze", kept, last), zero), rows, zero)
    # Fewer rows than asked for, as with few anchors: zeros fill them up.
    rows = graph.add("Pad", rows, graph.constant([0, 0, 0, 0, rules.max_detections, 0]))
    kept = graph.add("Pad", kept, graph.constant([0, 0, 0, rules.max_detections]))
    _, at = graph.best(kept, graph.constant([rules.max_detections]))
    graph.add("GatherND", rows, graph.add("Unsqueeze", at, last), batch_dims=1, name=OUTPUT)


def _not_above(threshold: float) -> np.float32:
    """Return the largest float32 that is not above: a float32 overlap exceeds both or neither."""
    nearest = np.float32(threshold)
    return nearest if float(nearest) <= threshold else np.nextafter(nearest, np.float32(-1))
