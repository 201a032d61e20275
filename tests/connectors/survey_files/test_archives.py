"""Archives: their files come out under their own names, and what is dangerous is refused by name."""

from __future__ import annotations

import gzip
import io
import os
import resource
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path

import openpyxl
import pytest

from connectors.survey_files.archives import is_archive, unpack
from connectors.survey_files.table import FileRefused

Write = Callable[..., Path]
ANSWERS = b"id,score\n1,9\n"


def zipped(files: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


def taken(path: Path, tmp_path: Path) -> dict[str, bytes]:
    return {one.name: one.read_bytes() for one in unpack(path, tmp_path / "out")}


def test_files_come_out_under_their_own_names(write: Write, tmp_path: Path) -> None:
    packed = {"march/a.csv": ANSWERS, "april/b.csv": b"id,score\n2,4\n", "__MACOSX/._a.csv": b"x", ".DS_Store": b"x"}
    assert taken(write(zipped(packed), "all.zip"), tmp_path) == {"a.csv": ANSWERS, "b.csv": b"id,score\n2,4\n"}


def test_files_of_one_name_in_two_folders_are_two_files(write: Write, tmp_path: Path) -> None:
    path = write(zipped({"march/a.csv": ANSWERS, "april/a.csv": b"id,score\n2,4\n"}), "all.zip")
    assert [one.read_bytes() for one in unpack(path, tmp_path / "out")] == [ANSWERS, b"id,score\n2,4\n"]


def test_a_compressed_file_comes_out_without_its_ending(write: Write, tmp_path: Path) -> None:
    assert taken(write(gzip.compress(ANSWERS), "a.csv.gz"), tmp_path) == {"a.csv": ANSWERS}


def test_what_is_no_archive_is_told_apart(write: Write, tmp_path: Path) -> None:
    book = io.BytesIO()
    openpyxl.Workbook().save(book)
    link = tmp_path / "link.zip"
    link.symlink_to(write(zipped({"a.csv": ANSWERS}), "true.zip"))
    is_one = {name: is_archive(write(content, name)) for name, content in {
        "a.csv": ANSWERS, "a.xlsx": book.getvalue(), "a.ods": zipped({"mimetype": b"x"}), "a.gz": gzip.compress(b""),
        "a.zip": zipped({"a.csv": ANSWERS}), "cut.zip": zipped({"a.csv": ANSWERS})[:40], "cut.xlsx": b"PK\x03\x04..",
    }.items()}  # fmt: skip
    assert {name for name, one in is_one.items() if one} == {"a.gz", "a.zip", "cut.zip"}
    assert not is_archive(link)
    assert not is_archive(tmp_path)


def linked() -> bytes:
    out, part = io.BytesIO(), zipfile.ZipInfo("passwords.csv")
    part.external_attr = 0o120777 << 16
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr(part, "/etc/passwd")
    return out.getvalue()


def locked() -> bytes:
    """The flag of a password in the entry of the directory and before the file."""
    content = bytearray(zipped({"a.csv": ANSWERS}))
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("out.zip", zipped({"../a.csv": ANSWERS}), "out.zip holds a file whose path leads out of the archive"),
        ("root.zip", zipped({"/etc/a.csv": ANSWERS}), "a file whose path leads out of the archive"),
        ("drive.zip", zipped({"C:\\a.csv": ANSWERS}), "a file whose path leads out of the archive"),
        ("link.zip", linked(), r"link.zip holds a symbolic link, passwords.csv"),
        ("locked.zip", locked(), "is locked by a password"),
        (
            "nested.zip",
            zipped({"inner.zip": zipped({"a.csv": ANSWERS})}),
            r"nested.zip holds another archive, inner.zip",
        ),
        ("twice.csv.gz", gzip.compress(gzip.compress(ANSWERS)), r"holds another archive, twice.csv"),
        ("empty.zip", zipped({"folder/": b""}), "is an archive without files"),
        ("many.zip", zipped({f"{n}.csv": b"x" for n in range(1_001)}), "holds 1001 files, more than 1000"),
        ("bomb.zip", zipped({"a.csv": bytes(100_000_000)}), r"bomb.zip unpacks to far more than a file of answers"),
        ("bomb.csv.gz", gzip.compress(bytes(100_000_000), 1), r"bomb.csv.gz unpacks to far more than"),
        ("cut.zip", zipped({"a.csv": ANSWERS})[:-30], r"cut.zip is a damaged archive"),
        ("cut.csv.gz", gzip.compress(ANSWERS * 1000)[:-20], r"cut.csv.gz is a damaged archive"),
    ],
)
def test_what_cannot_be_trusted_is_refused_by_name(
    write: Write, tmp_path: Path, name: str, content: bytes, sentence: str
) -> None:
    path = write(content, name)
    assert is_archive(path)
    with pytest.raises(FileRefused, match=sentence):
        unpack(path, tmp_path / "out")
    assert {one.name for one in tmp_path.iterdir()} <= {name, "out"}


def test_a_file_that_may_not_be_read_is_no_archive_and_raises_nothing() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = Path(folder, "answers.csv")
        path.write_bytes(b"id,score\n1,9\n")
        path.chmod(0)
        user = os.geteuid()
        if user == 0:  # who may read everything
            os.seteuid(65534)
        try:
            assert not is_archive(path)
        finally:
            os.seteuid(user)


def with_its_first_entry(content: bytes, at: int, value: int) -> bytes:
    """A zip archive with another byte in the first entry of its directory."""
    place = content.index(b"PK\x01\x02") + at
    return content[:place] + bytes([value]) + content[place + 1 :]


@pytest.mark.parametrize(("at", "value"), [(6, 200), (10, 99), (45, 255)], ids=["version", "method", "place"])
def test_a_damaged_directory_is_refused_and_fails_nothing(write: Write, tmp_path: Path, at: int, value: int) -> None:
    path = write(with_its_first_entry(zipped({"a.csv": ANSWERS}), at, value), "a.zip")
    assert is_archive(path)
    with pytest.raises(FileRefused, match=r"a.zip is a damaged archive"):
        unpack(path, tmp_path / "out")


def test_a_disk_without_room_is_not_the_fault_of_the_archive(write: Write, tmp_path: Path) -> None:
    path = write(zipped({"a.csv": os.urandom(200_000)}), "a.zip")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            unpack(path, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
