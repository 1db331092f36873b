"""Blocks of the demo's graph."""

from collections import Counter

from stages.detector.int8.blocks import blocks, decoding
from tests.small_int8 import graph


def test_every_convolution_is_in_exactly_one_block() -> None:
    members = Counter(name for names in blocks(graph()).values() for name in names)
    convolutions = [node.name for node in graph().graph.node if node.op_type in {"Conv", "ConvTranspose"}]
    assert len(convolutions) > 90
    assert {members[name] for name in convolutions} == {1}
    assert set(members.values()) == {1}


def test_what_decodes_is_in_no_block_and_all_else_is_in_one() -> None:
    inside = {name for names in blocks(graph()).values() for name in names}
    after = set(decoding(graph()))
    assert not inside & after
    assert inside | after == {node.name for node in graph().graph.node}
    kinds = {node.op_type for node in graph().graph.node if node.name in after}
    assert {"Softmax", "Sigmoid"} <= kinds and not kinds & {"Conv", "ConvTranspose", "Relu"}


def test_blocks_come_in_the_order_of_the_network_from_stem_to_heads() -> None:
    names = list(blocks(graph()))
    assert names[0] == "backbone.stem.conv" and names[-1].startswith("heads.head3.")
    parts = [name.split(".")[0] for name in names]
    assert parts == sorted(parts, key=("backbone", "neck", "heads").index)
