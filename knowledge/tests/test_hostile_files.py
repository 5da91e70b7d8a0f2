"""What is made to harm gets its stated answer, and the process that asked is none the worse."""

import gc
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import psutil
import pytest

from knowledge.reading import Reader, Unreadable
from knowledge.reading.limited import Child
from knowledge.tests import files, hostile


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with Reader() as reader:
        yield reader


@pytest.mark.parametrize(
    ("made", "code"), hostile.REFUSED.items(), ids=[made.__name__ for made in hostile.REFUSED]
)
def test_it_is_refused_and_the_next_one_is_read(
    reader: Reader, tmp_path: Path, made: Callable[[Path], Path], code: str
) -> None:
    path = made(tmp_path)
    with pytest.raises(Unreadable) as problem:
        reader.read(path, path.name)
    assert problem.value.code == code
    assert reader.read(files.written(tmp_path, b"fine", "b.txt"), "b.txt").text == "fine"


@pytest.mark.parametrize(
    ("made", "text"), hostile.READ.items(), ids=[made.__name__ for made in hostile.READ]
)
def test_it_is_read_without_harm(
    reader: Reader, tmp_path: Path, made: Callable[[Path], Path], text: str
) -> None:
    path = made(tmp_path)
    assert text in reader.read(path, path.name).text


def test_what_takes_too_long_is_given_up(tmp_path: Path) -> None:
    path = files.written(tmp_path, b"text", "a.txt")
    with Reader(wall_s=0.0) as reader, pytest.raises(Unreadable) as problem:
        reader.read(path, "a.txt")
    assert problem.value.code == "timeout"


def test_what_works_without_end_is_given_up(tmp_path: Path) -> None:
    path = hostile.long_work(tmp_path)
    with Reader(cpu_s=1) as reader:
        with pytest.raises(Unreadable) as problem:
            reader.read(path, path.name)
        assert problem.value.code == "timeout"
        assert reader.read(files.written(tmp_path, b"fine", "b.txt"), "b.txt").text == "fine"


def test_the_child_has_no_secrets_and_no_django(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SECRET_KEY", "secret")
    child = Child()
    try:
        about = child.ask({"do": "tell"})
    finally:
        child.stop()
    assert "DJANGO_SECRET_KEY" not in about["environment"]
    assert "django" not in about["modules"]
    assert about["memory_bytes"] == 1024**3


def test_a_missing_file_is_the_matter_of_the_disk(reader: Reader, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        reader.read(tmp_path / "gone.txt", "gone.txt")


def test_the_memory_of_the_caller_comes_back(reader: Reader, tmp_path: Path) -> None:
    large = files.written(
        tmp_path, ("Some words of a line.\n" * 40 + "\n").encode() * 9000, "l.txt"
    )
    made = [make(tmp_path) for make in (hostile.bomb, hostile.wide_sheet, hostile.many_pages)]

    def once() -> int:
        for path in (large, *made):
            with pytest.raises(Unreadable) if path in made else nullcontext():
                reader.read(path, path.name)
        gc.collect()
        return int(psutil.Process().memory_info().rss)

    before = once()
    assert max(once() for _time in range(3)) < 1.1 * before
