"""Lambda: the functions' own binaries, run over the Runtime API."""


def install() -> None:
    """Patch moto's Lambda."""
