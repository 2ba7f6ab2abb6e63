"""The command line's door. `--version` is answered here, before anything is imported for it."""

import sys


def main() -> None:
    if sys.argv[1:] in (["--version"], ["-V"]):
        from readiness import __version__

        print(f"readiness {__version__}")
        return
    from readiness.cli import run

    sys.exit(run(sys.argv[1:]))


if __name__ == "__main__":
    main()
