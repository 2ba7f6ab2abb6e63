"""Run every benchmark, or those that are named: python -m benchmarks [startup ...]."""

from __future__ import annotations

import sys
from importlib import import_module

ALL = ("startup", "audit", "scrape", "catalogue", "content", "links", "report", "beside", "restore")


def main() -> None:
    for name in sys.argv[1:] or ALL:
        import_module(f"benchmarks.{name}").main()


if __name__ == "__main__":
    main()
