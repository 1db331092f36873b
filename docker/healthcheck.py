"""Exit with 0 while the stage of this container runs and the broker that it works on answers."""

import os
import sys

import redis

TIMEOUT_S = 3.0


def main() -> int:
    """Return the exit code that Docker asks for; a run with an embedded broker has none to ask."""
    url = os.environ.get("DETSTREAM_REDIS__URL")
    try:
        return 0 if url is None or redis.Redis.from_url(url, socket_timeout=TIMEOUT_S).ping() else 1
    except redis.RedisError as error:
        sys.stderr.write(f"the broker does not answer: {error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
