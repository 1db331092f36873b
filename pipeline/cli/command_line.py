"""This process's own command line, as `ps` shows it."""

import re
import sys


def hide_secrets() -> None:
    """Take users, passwords and queries out of the URLs in this process's command line, if there are any."""
    hidden = [_hidden(argument) for argument in sys.orig_argv]
    if hidden != sys.orig_argv:
        from setproctitle import setproctitle

        setproctitle(" ".join(hidden))


def _hidden(argument: str) -> str:
    from stages.decoder.address import is_live, shown

    def is_url(text: str) -> bool:
        return is_live(text) or re.match(r"\w[\w+.-]*://", text) is not None

    name, equals, rest = argument.partition("=")
    if is_url(argument):
        return shown(argument)
    return f"{name}={shown(rest)}" if equals and is_url(rest) else argument
