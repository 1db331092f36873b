"""The shortest subscriber: python three_lines.py redis://localhost."""

import sys

from detstream import subscribe

for frame in subscribe(sys.argv[1]):
    print(frame.source, frame.timestamp, frame.class_name, frame.xyxy)
