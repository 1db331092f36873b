"""Follow a source without detstream: pip install redis msgpack; python follow.py redis://localhost gate [COUNT]."""

import json
import sys

import msgpack
import redis


def body_of(fields: dict[bytes, bytes]) -> dict:
    """Return what is in an entry; bodies are msgpack, or JSON where that is set."""
    body = fields[b"body"]
    return json.loads(body) if body.startswith(b"{") else msgpack.unpackb(body)


def main() -> None:
    """Print a line a frame, and stop after COUNT of them or at the end of the source."""
    url, source, count = sys.argv[1], sys.argv[2], int((*sys.argv, "-1")[3])
    client, last = redis.Redis.from_url(url), "0"  # "$": only what is new
    while count:
        for _, entries in client.xread({f"detections:{source}": last}, count=100, block=1000) or []:
            for entry_id, fields in entries:
                last = entry_id
                frame = body_of(fields)
                if frame["type"] == "end":
                    print(f"end after {frame['frames']} frames")
                    return
                seen = " ".join(f"{found['class_name']}:{found['tracker_id']}" for found in frame["objects"])
                print(f"{fields[b'ts'].decode()} #{frame['seq']} {frame['error'] or seen}".rstrip(), flush=True)
                count -= 1
                if not count:
                    return


if __name__ == "__main__":
    main()
