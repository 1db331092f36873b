"""What hostile pickles of the tests want to call; nobody may."""

calls: list[object] = []


def touched(*arguments: object) -> None:
    calls.append(arguments)


class Touched:
    def __init__(self) -> None:
        calls.append(self)

    def __reduce__(self) -> str | tuple[object, ...]:
        return touched, ()
