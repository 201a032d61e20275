"""Bytes to text: which encoding a file has, and its lines as text, never failing. Rows and cells are in ``reader``.

In order: a byte order mark; UTF-16 without one; strict UTF-8; then single bytes, read as Windows-1252 or CP850 as a
whole where the file proves only one of them, and byte run by byte run (``repair``) where it proves both or mixes in
UTF-8. For writing systems whose words consist of high bytes (Cyrillic, Greek, Chinese) charset-normalizer decides.
"""

from __future__ import annotations

import codecs
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache, partial
from typing import BinaryIO, Final

from charset_normalizer import from_bytes

from connectors.survey_files.repair import AFTER, BEFORE, Context, Evidence, Reading, read_run

_CHUNK: Final = 1 << 20
_SAMPLE: Final = 1 << 16
_BOMS: Final = (  # UTF-32 first: its little-endian mark begins with that of UTF-16
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_OTHER_SCRIPTS: Final = [
    "cp1251", "koi8_r", "cp866", "cp1253", "cp1255", "cp1256", "cp932", "euc_jp", "gb18030", "big5", "cp949",
]  # fmt: skip
"""What exports in other scripts are written in; charset-normalizer's rarer guesses are left aside."""

_CROWDED_RUN: Final = 3
"""Undecodable bytes in a row; words of Western text hardly have as many."""

_ESCAPED_RUN: Final = re.compile("[\udc80-\udcff]+")
_NON_ASCII_RUN: Final = re.compile("[^\x00-\x7f\udc80-\udcff]+")
RunReader = Callable[[str, str, str], Reading]
# Three Latin-1 bytes such as "é", no-break space, "»" also form one valid UTF-8 character, a Chinese one. In a file of
# single bytes a lone character from outside Western text is such an accident; two in a row are not.
_ACCIDENT: Final = re.compile(
    "(?<![^\x00-\x7f\udc80-\udcff])"
    "[^\x00-\x7f\udc80-\udcff\u00a0-\u017f\u2010-\u2044\u20ac\u2122\ufeff\U00010000-\U0010ffff]"
    "(?![^\x00-\x7f\udc80-\udcff])"
)


@dataclass(frozen=True)
class Encoding:
    """How to read one file: ``name`` for people; a Python ``codec`` or, where None, repair by the ``evidence``."""

    name: str
    codec: str | None
    evidence: Evidence = field(default_factory=Evidence)

    @property
    def base(self) -> str:
        """The encoding that most of a repaired file has; runs in any other are counted as repaired."""
        return self.name.split(" ", 1)[0]


@dataclass
class Repairs:
    """What a pass over a file repaired: byte runs read in another encoding than the file's, and those with a doubt."""

    runs: int = 0
    doubtful: int = 0


def detect(stream: BinaryIO, declared: str | None = None) -> Encoding:
    """Find the encoding of a seekable binary stream; reads it at most twice, in chunks.

    ``declared`` is the encoding that the mapping states: used when it reads the whole file, otherwise the bytes decide.
    """
    stream.seek(0)
    head = stream.read(4096)
    mark, codec = next((known for known in _BOMS if head.startswith(known[0])), (b"", ""))
    if codec and (mark != codecs.BOM_UTF8 or _decodes(stream, "utf-8")):
        return Encoding(codec.removesuffix("-sig"), codec)
    if declared and _decodes(stream, declared):
        return Encoding(declared, declared)
    if wide := _wide(head):
        return Encoding(wide, wide)
    if _decodes(stream, "utf-8"):
        return Encoding("utf-8", "utf-8")
    return _single_bytes(stream, marked=mark == codecs.BOM_UTF8)


def lines(stream: BinaryIO, encoding: Encoding, repairs: Repairs | None = None) -> Iterator[str]:
    """Yield the lines of a stream with their line ends; ``repairs`` is counted up where runs had to be repaired."""
    stream.seek(0)
    if encoding.codec:
        # Detection decoded the whole file; "replace" only keeps a file that changed since then from raising here.
        text = io.TextIOWrapper(stream, encoding.codec, "replace", newline="")
        try:
            yield from text
        finally:
            if not stream.closed:
                text.detach()
        return
    repairs = repairs if repairs is not None else Repairs()
    read: RunReader = lru_cache(maxsize=1 << 16)(partial(read_run, encoding.evidence))
    for chunk in _chunks(stream):
        yield from io.StringIO(_repaired(chunk, encoding, read, repairs), newline="")


def decode(data: bytes, declared: str | None = None) -> tuple[str, Encoding, Repairs]:
    """Decode bytes as a whole: the text, the encoding found, and what was repaired."""
    repairs = Repairs()
    encoding = detect(io.BytesIO(data), declared)
    return "".join(lines(io.BytesIO(data), encoding, repairs)), encoding, repairs


def _decodes(stream: BinaryIO, codec: str) -> bool:
    stream.seek(0)
    decoder = codecs.getincrementaldecoder(codec)("strict")
    try:
        while chunk := stream.read(_CHUNK):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeError:
        return False
    return True


def _wide(head: bytes) -> str | None:
    """UTF-16 without a mark: every other byte of mostly Western text is zero."""
    pairs = len(head) // 2
    if head[1::2].count(0) > 0.7 * pairs and head[0::2].count(0) < 0.1 * pairs:
        return "utf-16-le"
    if head[0::2].count(0) > 0.7 * pairs and head[1::2].count(0) < 0.1 * pairs:
        return "utf-16-be"
    return None


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    """Chunks that end with a line, so that no character and no context is cut; without a byte order mark."""
    stream.seek(0)
    if stream.read(len(codecs.BOM_UTF8)) != codecs.BOM_UTF8:
        stream.seek(0)
    while chunk := stream.read(_CHUNK):
        yield chunk + stream.readline()


def _escaped(chunk: bytes, *, western: bool) -> str:
    text = chunk.decode("utf-8", "surrogateescape")
    if not western:
        return text
    return _ACCIDENT.sub(lambda match: match[0].encode("utf-8").decode("ascii", "surrogateescape"), text)


def _contexts(text: str) -> Iterator[Context]:
    text = "\n" * BEFORE + text + "\n" * AFTER
    for match in _ESCAPED_RUN.finditer(text):
        start, end = match.span()
        yield text[start - BEFORE : start], match[0], text[end : end + AFTER]


def _single_bytes(stream: BinaryIO, *, marked: bool) -> Encoding:
    """The encoding of a file that strict UTF-8 refuses; ``marked`` where it nevertheless says that it is UTF-8."""
    evidence, utf8, high, crowded, runs = Evidence(), 0, 0, 0, 0
    for chunk in _chunks(stream):
        text = _escaped(chunk, western=True)
        utf8 += len(_NON_ASCII_RUN.findall(text))
        found = Counter(_contexts(text))
        evidence.add(found.items())
        for (_, run, _), times in found.items():
            runs += times
            high += len(run) * times
            crowded += len(run) * times if len(run) >= _CROWDED_RUN else 0
    if marked or utf8 > runs:
        return Encoding("utf-8 with repairs", None, evidence)
    if crowded > 0.5 * high and (codec := _other_script(stream)):
        return Encoding(codec, codec)
    windows, dos = evidence.total("cp1252"), evidence.total("cp850")
    if not (utf8 or evidence.undefined) and not dos:
        return Encoding("cp1252", "cp1252")
    if not utf8 and not windows and dos:
        return Encoding("cp850", "cp858")
    base = "cp1252" if windows >= dos else "cp850"
    return Encoding(f"{base} with repairs", None, evidence)


def _other_script(stream: BinaryIO) -> str | None:
    sample = b"".join(line for chunk in _chunks(stream) for line in chunk.splitlines(True) if not line.isascii())[
        :_SAMPLE
    ]
    best = from_bytes(sample, cp_isolation=_OTHER_SCRIPTS).best()
    return best.encoding if best and _decodes(stream, best.encoding) else None


def _repaired(chunk: bytes, encoding: Encoding, read: RunReader, repairs: Repairs) -> str:
    if chunk.isascii():
        return chunk.decode("ascii")
    western = encoding.base != "utf-8"
    padded = "\n" * BEFORE + _escaped(chunk, western=western) + "\n" * AFTER
    if western:
        repairs.runs += len(_NON_ASCII_RUN.findall(padded))

    def replacement(match: re.Match[str]) -> str:
        start, end = match.span()
        reading = read(padded[start - BEFORE : start], match[0], padded[end : end + AFTER])
        repairs.runs += any(codec != encoding.base for codec in reading.codecs)
        repairs.doubtful += reading.doubtful
        return reading.text

    return _ESCAPED_RUN.sub(replacement, padded)[BEFORE:-AFTER]
