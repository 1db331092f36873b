import json
import math
from pathlib import Path
from typing import Any

import pytest

from stages.detector.yolo_nas.layouts import LAYOUTS, Csp, LayoutName


def csp(table: dict[str, Any]) -> Csp:
    return Csp(
        table["out_channels"], table["num_blocks"], table["hidden_channels"], table.get("concat_intermediates", False)
    )


@pytest.mark.parametrize("name", ["n", "s", "m", "l"])
def test_layout_is_the_published_one(shared: Path, name: LayoutName) -> None:
    table = json.loads((shared / "conformance" / "layouts.json").read_text())["layouts"][name]
    ours = LAYOUTS[name]
    assert ours.stem == table["stem"]
    assert ours.stages == tuple(map(csp, table["stages"]))
    assert ours.neck == tuple(map(csp, table["neck"].values()))
    assert ours.bn_eps == float(table["bn_eps"])
    widths = [math.ceil(int(head["inter_channels"] * head["width_mult"]) / 8) * 8 for head in table["heads"]]
    assert ours.heads == tuple(widths)
