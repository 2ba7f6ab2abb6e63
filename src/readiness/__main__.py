"""The command line's door. `--version` is answered here, before anything is imported for it."""

import gc
import sys


def main() -> None:
    if sys.argv[1:] in (["--version"], ["-V"]):
        from readiness import __version__

        print(f"readiness {__version__}")
        return
    collect_seldom()
    from readiness.cli import run

    sys.exit(run(sys.argv[1:]))


def collect_seldom() -> None:
    """Let rings of objects be looked for less often than Python does by itself.

    An audit of a large schema makes them by the hundred thousand, and next to none in a ring: looked through every 700, they take
    a fifth of our time and more.
    """
    gc.set_threshold(25_000)


if __name__ == "__main__":
    main()
