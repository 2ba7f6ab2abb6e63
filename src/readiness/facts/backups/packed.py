"""Packed files: what shows of them without unpacking them, and how they begin.

gzip (RFC 1952), bzip2, xz, Zstandard (RFC 8878) and LZ4's frames: the last two write each block's length before it, which
leads to the file's end as long as none of it is missing.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import subprocess
import zlib
from collections.abc import Generator
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

PROGRAMS = {".zst": "zstd", ".lz4": "lz4"}
SUFFIXES = (".gz", ".bz2", ".xz", *PROGRAMS)
TARS = {".tgz": ".gz", ".tbz2": ".bz2", ".txz": ".xz", ".tzst": ".zst"}
BROKEN = (OSError, EOFError, zlib.error, lzma.LZMAError)
"""What reading a file that is cut off or damaged raises."""

_BEGINS = {
    ".gz": b"\x1f\x8b\x08",
    ".bz2": b"BZh",
    ".xz": b"\xfd7zXZ\0",
    ".zst": b"\x28\xb5\x2f\xfd",
    ".lz4": b"\x04\x22\x4d\x18",
}
_LEAST = {".gz": 20, ".bz2": 14, ".xz": 32, ".zst": 9, ".lz4": 11}
_PIECE = 1 << 20
_SKIPPABLE = range(0x184D2A50, 0x184D2A60)
_XZ_END = b"YZ"


def suffix_of(path: Path) -> str | None:
    """How a file is packed, by its name; None where it isn't."""
    suffix = TARS.get(path.suffix, path.suffix)
    return suffix if suffix in SUFFIXES else None


def opened(path: Path, suffix: str | None = None) -> IO[bytes]:
    """What is in a file that the standard library unpacks, else the file. Without a suffix by its name."""
    how: Any = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}.get(suffix or suffix_of(path) or "", open)
    file: IO[bytes] = how(path, "rb")
    return file


def pieces(path: Path) -> Generator[bytes]:
    """What was packed.

    Raises:
        OSError: the program for it isn't here; it is cut off, or damaged; as the others of `BROKEN` are.
    """
    program = PROGRAMS.get(suffix_of(path) or "")
    if program is None:
        with opened(path) as file:
            while piece := file.read(_PIECE):
                yield piece
        return
    unpacking = subprocess.Popen(
        [program, "-dc", path],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    assert unpacking.stdout is not None
    try:
        while piece := unpacking.stdout.read(_PIECE):
            yield piece
        if unpacking.wait():
            raise OSError(f"{program} ended with {unpacking.returncode}")
    finally:
        unpacking.stdout.close()
        with suppress(ProcessLookupError):
            unpacking.kill()
        unpacking.wait()


def whole(path: Path, suffix: str | None = None) -> bool | None:
    """False where a file isn't what its suffix (by its name, if not told) says, or is cut off; None where no more shows than how it begins.

    Raises:
        OSError: it can't be read.
    """
    suffix = suffix or path.suffix
    magic = _BEGINS.get(suffix)
    if magic is None:
        return None
    size = path.stat().st_size
    with path.open("rb") as file:
        if file.read(len(magic)) != magic or size < _LEAST[suffix]:
            return False
        file.seek(0)
        match suffix:
            case ".zst":
                return _leads_on(file, size, _zstd)
            case ".lz4":
                return _leads_on(file, size, _lz4)
            case ".xz":
                file.seek(-len(_XZ_END), 2)
                return None if file.read() == _XZ_END else False
            case _:
                return None


def kind(begin: bytes) -> str | None:
    """The suffix of what begins so; None of nothing that is known here. Six bytes are enough."""
    return next((suffix for suffix, magic in _BEGINS.items() if begin.startswith(magic)), None)


def head(path: Path, suffix: str, count: int) -> bytes | None:
    """The first bytes of what was packed, fewer where it holds no more; None where that takes a program of its own.

    Raises:
        PermissionError: it can't be read.
    """
    if suffix == ".zst":
        return None
    if suffix == ".lz4":
        with path.open("rb") as file:
            return _lz4_head(file.read(512), count)
    try:
        with opened(path, suffix) as unpacked:
            return unpacked.read(count)
    except PermissionError:
        raise
    except BROKEN:
        return b""


def _lz4_head(begin: bytes, count: int) -> bytes | None:
    """Of a frame's first block: literals as they are, then what repeats them, by turns (lz4_Block_format)."""
    at = 7 + 8 * (begin[4] >> 3 & 1) + 4 * (begin[4] & 1)
    block = begin[at + 4 :]
    if int.from_bytes(begin[at : at + 4], "little") >> 31:  # it isn't packed
        return block[:count]
    found = bytearray()
    at = 0

    def longer(length: int) -> int:
        nonlocal at
        more = 255 if length == 15 else 0
        while more == 255:
            more, at = block[at], at + 1
            length += more
        return length

    try:
        while len(found) < count:
            token, at = block[at], at + 1
            literals = longer(token >> 4)
            found += block[at : at + literals]
            at += literals
            back, at = int.from_bytes(block[at : at + 2], "little"), at + 2
            for _ in range(min(longer(token & 15) + 4, count)):
                found.append(found[-back])
    except IndexError:
        pass  # the end of what was read
    return bytes(found[:count])


class _Cut(Exception):  # noqa: N818  an answer
    """The file ends too soon, or holds something else."""


def _leads_on(file: IO[bytes], size: int, frame: Any) -> bool:
    """Whether one frame after another leads to the file's end."""
    try:
        while file.tell() < size:
            frame(file)
        return file.tell() == size
    except _Cut:
        return False


def _taken(file: IO[bytes], count: int) -> bytes:
    found = file.read(count)
    if len(found) < count:
        raise _Cut
    return found


def _number(file: IO[bytes], count: int) -> int:
    return int.from_bytes(_taken(file, count), "little")


def _zstd(file: IO[bytes]) -> None:
    magic = _number(file, 4)
    if magic in _SKIPPABLE:
        file.seek(_number(file, 4), 1)
        return
    if magic != 0xFD2FB528:
        raise _Cut
    flags = _number(file, 1)
    single = flags >> 5 & 1
    sizes = (single, 2, 4, 8)
    file.seek((1 - single) + (0, 1, 2, 4)[flags & 3] + sizes[flags >> 6], 1)
    last = 0
    while not last:
        block = _number(file, 3)
        last, kind, length = block & 1, block >> 1 & 3, block >> 3
        if kind == 3:
            raise _Cut
        file.seek(1 if kind == 1 else length, 1)
    file.seek(4 * (flags >> 2 & 1), 1)


def _lz4(file: IO[bytes]) -> None:
    magic = _number(file, 4)
    if magic in _SKIPPABLE:
        file.seek(_number(file, 4), 1)
        return
    if magic != 0x184D2204:
        raise _Cut
    flags = _number(file, 1)
    file.seek(1 + 8 * (flags >> 3 & 1) + 4 * (flags & 1) + 1, 1)
    while length := _number(file, 4):
        file.seek((length & 0x7FFFFFFF) + 4 * (flags >> 4 & 1), 1)
    file.seek(4 * (flags >> 2 & 1), 1)
