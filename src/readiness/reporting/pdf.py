"""The HTML report as PDF, by a browser of the Chromium family where one is installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from readiness.document import RunDocument
from readiness.reporting import html

_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "microsoft-edge")
_SECONDS = 120
# Nothing is asked of the network, and nothing of the user's own browser is touched.
_FLAGS = (
    *("--headless", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-extensions", "--no-pdf-header-footer"),
)


def unavailable() -> str | None:
    """Why there is no PDF here; None where there is."""
    if _browser():
        return None
    return "no browser of the Chromium family is installed (READINESS_BROWSER names one); render html, and print that"


def render(run: RunDocument) -> bytes:
    """The report as a PDF.

    Raises:
        OSError: nothing here can make one, or what should have failed.
    """
    page = html.render(run, unfolded=True)
    browser = _browser()
    if browser is None:
        raise OSError(f"{unavailable()}")
    with tempfile.TemporaryDirectory(prefix="readiness-pdf-") as folder:
        source, target = Path(folder) / "report.html", Path(folder) / "report.pdf"
        source.write_text(page, encoding="utf-8", errors="backslashreplace")
        # Chromium's sandbox refuses root; the page is ours, and has no script that it may run but its own.
        sandbox = ["--no-sandbox"] if hasattr(os, "geteuid") and os.geteuid() == 0 else []
        command = [browser, *_FLAGS, *sandbox, f"--user-data-dir={folder}/profile", f"--print-to-pdf={target}"]
        try:
            done = subprocess.run(
                [*command, source.as_uri()], capture_output=True, text=True, timeout=_SECONDS, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise OSError(f"{browser} did not finish within {_SECONDS} s") from error
        if not target.is_file():
            last = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise OSError(f"{browser} made no PDF: {last}")
        return target.read_bytes()


def _browser() -> str | None:
    if named := os.environ.get("READINESS_BROWSER"):
        return shutil.which(named)
    return next((found for name in _BROWSERS if (found := shutil.which(name))), None)
