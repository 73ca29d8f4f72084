"""What kind of file a video is, by its first bytes, and whether its end is there, by its structure.

Both are looked up before any decoder touches a file.  Decoding libraries open whatever they
recognise, play lists that point elsewhere and never end among it; and several formats are still
readable, only shorter, when a download was cut off.
"""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

_MOV_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot", b"styp"})
_TAIL = 1 << 18  # bytes at the end of an MPEG stream in which a pack surely begins
_MOST_BOXES = 10_000


@dataclass(frozen=True)
class Container:
    """Kind and completeness of a file.

    Attributes
    ----------
    kind : str or None
        `mp4`, `matroska`, `avi`, `mpeg`, `mpegts`, `gif`, `flv`, `ogg`, `asf` or `other`; None
        where the first bytes are not those of a video file.
    whole : bool or None
        False where the structure says that the file is cut short, True where it shows its end,
        None where it does not tell.
    problem : str
        Why it is no video, or how it is cut short.
    """

    kind: str | None
    whole: bool | None = None
    problem: str = ""


def look(path: str | Path) -> Container:
    """Read kind and completeness of a file, a few reads in all."""
    size = os.path.getsize(path)
    with open(path, "rb") as stream:
        kind = _kind(stream.read(400))
        if kind is None:
            empty = "the file is empty" if not size else "its first bytes are those of no video"
            return Container(None, None, empty)
        end = _ENDS.get(kind)
        try:
            announced = end(stream, size) if end is not None else None
        except (struct.error, IndexError):  # cut inside the structure itself
            return Container(kind, False, f"its structure breaks off at byte {size:,}")
    if announced is None:
        return Container(kind)
    if announced > size:
        missing = f"its structure goes on to byte {announced:,}, the file ends at {size:,}"
        return Container(kind, False, missing)
    return Container(kind, True)


def _kind(head: bytes) -> str | None:
    """The container that a file's first bytes are of."""
    # The first four bytes of a box are its size, below 2^29 but for a box of pictures; text is not.
    if head[4:8] in _MOV_BOXES and (head[0] < 0x20 or head[4:8] == b"mdat"):
        return "mp4"
    if head[:4] == b"RIFF" and head[8:12] in (b"AVI ", b"AVIX"):
        return "avi"
    if head[:189:188] == b"\x47\x47" and head[376:377] in (b"\x47", b""):
        return "gif" if head[:4] == b"GIF8" else "mpegts"  # both begin with the same letter
    if head[4:197:192] == b"\x47\x47":
        return "mpegts"  # with a time stamp before every packet
    starts = {
        b"\x1a\x45\xdf\xa3": "matroska",
        b"\x00\x00\x01\xba": "mpeg",
        b"\x00\x00\x01\xb3": "other",  # MPEG video without a container
        b"GIF8": "gif",
        b"FLV\x01": "flv",
        b"OggS": "ogg",
        b"\x30\x26\xb2\x75": "asf",
        b"DKIF": "other",
        b"YUV4": "other",
    }
    return starts.get(head[:4])


# Each gives the byte at which the structure ends, or None where it does not say.


def _mp4_end(stream: BinaryIO, size: int) -> int | None:
    at = 0
    for _ in range(_MOST_BOXES):
        if at + 8 > size:
            return at
        stream.seek(at)
        length, name = struct.unpack(">I4s", stream.read(8))
        if length == 1:
            (length,) = struct.unpack(">Q", stream.read(8))
        if length == 0:  # the last box, open to the end of the file
            return None
        if length < 8 or not name.isascii():
            return None
        at += length
        if at > size:
            return at
    return None


def _variable(stream: BinaryIO) -> tuple[int, bool]:
    """A number of Matroska's variable length, and whether all its bits are set: unknown."""
    first = stream.read(1)[0]
    length = 9 - first.bit_length()
    value = first & ((1 << (8 - length)) - 1) if length <= 8 else 0
    for byte in stream.read(length - 1).ljust(length - 1, b"\0"):
        value = value << 8 | byte
    return value, value == (1 << (7 * length)) - 1


def _matroska_end(stream: BinaryIO, size: int) -> int | None:
    stream.seek(4)
    length, _ = _variable(stream)
    stream.seek(length, os.SEEK_CUR)
    if stream.read(4) != b"\x18\x53\x80\x67":
        return None if stream.tell() < size else size + 1
    length, unknown = _variable(stream)  # unknown: written while it was being recorded
    return None if unknown else stream.tell() + length


def _avi_end(stream: BinaryIO, size: int) -> int | None:
    """End of the pictures; an index that is missing behind them costs no picture."""
    at, end = 12, None
    while at + 8 <= size:
        stream.seek(at)
        name, length, kind = struct.unpack("<4sI4s", stream.read(12).ljust(12, b"\0"))
        if name == b"RIFF":  # another part of a long file
            if at + 8 + length > size:
                return at + 8 + length
            at += 12
            continue
        if name == b"LIST" and kind == b"movi":
            if length <= 4:  # never filled in: the recording was interrupted
                return None
            end = at + 8 + length
        at += 8 + length + length % 2
    return end if end is not None else size + 1


def _mpeg_end(stream: BinaryIO, size: int) -> int | None:
    """End of the last packet; a cut exactly between two packets cannot be told."""
    low = max(0, size - _TAIL)
    stream.seek(low)
    tail = stream.read()
    at = tail.rfind(b"\x00\x00\x01\xba")
    if at < 0:
        return None
    at += 14 + (tail[at + 13] & 7) if tail[at + 4] >> 6 == 1 else 12
    while at + 6 <= len(tail):
        if tail[at : at + 3] != b"\x00\x00\x01":
            return None  # padding, or something unknown
        if tail[at + 3] == 0xB9:
            return low + at + 4
        at += 6 + int.from_bytes(tail[at + 4 : at + 6], "big")
    return low + at if at > len(tail) else None if at == len(tail) else low + at + 6


def _packets_end(stream: BinaryIO, size: int) -> int | None:
    stream.seek(0)
    head = stream.read(189)
    if head[:1] != b"\x47" or head[188:189] != b"\x47":
        return None
    return -(-size // 188) * 188


def _gif_end(stream: BinaryIO, size: int) -> int | None:
    stream.seek(max(0, size - 64))
    return size if stream.read().rstrip(b"\0")[-1:] == b"\x3b" else size + 1


def _flv_end(stream: BinaryIO, size: int) -> int | None:
    """Behind every tag stands its length."""
    stream.seek(size - 4)
    (length,) = struct.unpack(">I", stream.read(4))
    at = size - 4 - length
    if at < 13:
        return size + 1
    stream.seek(at)
    tag = stream.read(4)
    return size if length == 11 + int.from_bytes(tag[1:4], "big") else size + 1


_ENDS = {
    "mp4": _mp4_end,
    "matroska": _matroska_end,
    "avi": _avi_end,
    "mpeg": _mpeg_end,
    "mpegts": _packets_end,
    "gif": _gif_end,
    "flv": _flv_end,
}
