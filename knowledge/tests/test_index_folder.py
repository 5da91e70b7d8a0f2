"""What holds for the index in a folder: it belongs to one process, which may end at any moment."""

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID, uuid4

import numpy as np
import pytest

from knowledge.index import IndexUnavailable, Point, Space
from knowledge.index.embedded import Embedded
from knowledge.index.roots import MOST_PROCESSES
from knowledge.words import sparse, sparse_query

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def index(tmp_path: Path) -> Iterator[Embedded]:
    index = Embedded(tmp_path / "index")
    yield index
    index.close()


@pytest.fixture
def space() -> Space:
    return Space(uuid4(), 2)


def points(*numbers: int) -> list[Point]:
    words = sparse(["word"], average=1)
    dense = np.array([1, 0], np.float32)
    return [Point(UUID(int=each), each, words, dense, {"n": each}) for each in numbers]


def found(index: Embedded, space: Space) -> list[int]:
    return sorted(
        hit.chunk.int for hit in index.search(space, sparse=sparse_query(["word"]), limit=1000)
    )


def folder(tmp_path: Path, space: Space) -> Path:
    return tmp_path / "index" / space.id.hex


def test_what_is_kept_is_there_after_a_restart(tmp_path: Path, space: Space) -> None:
    before = Embedded(tmp_path / "index")
    assert before.cursor(space) == 0
    before.put(space, points(1, 2))
    before.set_cursor(space, 42)
    before.close()
    after = Embedded(tmp_path / "index")
    assert (after.cursor(space), found(after, space)) == (42, [1, 2])
    assert after.spaces() == [space.id]
    after.drop(space)
    assert after.spaces() == []
    after.close()


KILLED = """
import os, signal, sys
from pathlib import Path
from uuid import UUID
from knowledge.index.embedded import Embedded
from knowledge.index import Space
from knowledge.tests.test_index_folder import points
index, space = Embedded(Path(sys.argv[1])), Space(UUID(sys.argv[2]), 2)
index.put(space, points(*range(500)))
index.set_cursor(space, 5)
index.put(space, points(*range(500, 700)))
os.kill(os.getpid(), signal.SIGKILL)
"""


def run(script: str, *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "llmplatform.settings_test"},
    )


def test_a_process_that_is_killed_leaves_what_it_kept(tmp_path: Path, space: Space) -> None:
    ended = run(KILLED, str(tmp_path / "index"), str(space.id))
    assert ended.returncode == -signal.SIGKILL, ended.stderr
    index = Embedded(tmp_path / "index")
    assert index.cursor(space) == 5
    assert set(range(500)) <= set(found(index, space))
    index.put(space, points(*range(500, 700)))
    assert index.count(space) == 700
    index.close()


OTHER = """
import sys
from pathlib import Path
from uuid import UUID
from knowledge.index.embedded import Embedded
from knowledge.index import Space
index = Embedded(Path(sys.argv[1]))
print(index.cursor(Space(UUID(sys.argv[2]), 2)))
"""


def test_a_second_process_has_a_folder_of_its_own(
    index: Embedded, tmp_path: Path, space: Space
) -> None:
    index.put(space, points(1))
    index.set_cursor(space, 7)
    ended = run(OTHER, str(tmp_path / "index"), str(space.id))
    assert ended.stdout.strip() == "0", ended.stderr
    assert sorted(each.name for each in tmp_path.iterdir()) == ["index", "index-2"]
    third = Embedded(tmp_path / "index")
    third.cursor(space)
    third.close()
    assert sorted(each.name for each in tmp_path.iterdir()) == ["index", "index-2"]
    assert index.cursor(space) == 7


def test_folders_of_processes_have_an_end(tmp_path: Path, space: Space) -> None:
    many = [Embedded(tmp_path / "index") for _ in range(MOST_PROCESSES)]
    for each in many:
        each.spaces()
    with pytest.raises(IndexUnavailable):
        Embedded(tmp_path / "index").count(space)
    for each in many:
        each.close()


def test_no_folder_is_told(tmp_path: Path, space: Space) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(IndexUnavailable):
        Embedded(tmp_path / "file" / "index").count(space)
    index = Embedded(tmp_path / "index")
    assert index.spaces() == []
    folder(tmp_path, space).write_text("")
    with pytest.raises(IndexUnavailable):
        index.count(space)
    index.close()


def largest(files: Path) -> Path:
    return max(
        (each for each in files.rglob("*") if each.is_file()), key=lambda f: f.stat().st_size
    )


DAMAGES: dict[str, Callable[[Path], object]] = {
    "state cut short": lambda at: (at / "state.json").write_text('{"dimension": 2, "cur'),
    "state of something else": lambda at: (at / "state.json").write_text("[1]"),
    "state missing": lambda at: (at / "state.json").unlink(),
    "file cut short": lambda at: os.truncate(largest(at), 10),
    "file missing": lambda at: largest(at).unlink(),
    "configuration of noise": lambda at: next(at.rglob("segment.json")).write_bytes(
        b"\xff" * next(at.rglob("segment.json")).stat().st_size
    ),
    "older layout": lambda at: (at / "state.json").write_text(
        json.dumps(json.loads((at / "state.json").read_text()) | {"layout": 0})
    ),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_folder_is_begun_anew(
    tmp_path: Path, space: Space, damage: Callable[[Path], object]
) -> None:
    before = Embedded(tmp_path / "index")
    before.put(space, points(1))
    before.set_cursor(space, 42)
    before.close()
    damage(folder(tmp_path, space))
    after = Embedded(tmp_path / "index")
    assert (after.cursor(space), after.count(space)) == (0, 0)
    after.put(space, points(2))
    after.set_cursor(space, 1)
    assert found(after, space) == [2]
    after.close()


def test_damage_is_logged(tmp_path: Path, space: Space, caplog: pytest.LogCaptureFixture) -> None:
    before = Embedded(tmp_path / "index")
    before.count(space)
    before.close()
    largest(folder(tmp_path, space)).unlink()
    with caplog.at_level(logging.ERROR):
        after = Embedded(tmp_path / "index")
        assert after.cursor(space) == 0
        after.close()
    assert space.id.hex in caplog.text and "damaged" in caplog.text


def test_another_dimension_begins_anew(index: Embedded, space: Space) -> None:
    index.put(space, points(1))
    index.close()
    assert index.count(Space(space.id, 3)) == 0


def test_few_spaces_stay_open(tmp_path: Path) -> None:
    index = Embedded(tmp_path / "index", most_open=2)
    spaces = [Space(uuid4(), 2) for _ in range(5)]
    for number, space in enumerate(spaces):
        index.put(space, points(number))
    for number, space in enumerate(spaces):
        assert found(index, space) == [number]
    assert index.open_count == 2
    index.close()
    assert index.open_count == 0


def test_threads_put_search_and_drop_at_once(tmp_path: Path) -> None:
    index = Embedded(tmp_path / "index", most_open=1)
    spaces = [Space(uuid4(), 2) for _ in range(3)]

    def work(number: int) -> None:
        space = spaces[number % 3]
        index.put(space, points(*range(number, number + 20)))
        index.set_cursor(space, number)
        found(index, space)
        if number % 10 == 9:
            index.drop(space)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(30)))
    for space in spaces:
        index.put(space, points(999))
        assert 999 in found(index, space)
    index.close()


def test_removed_points_are_left_out_once_they_are_many(tmp_path: Path, space: Space) -> None:
    index = Embedded(tmp_path / "index", worn=1000)
    index.put(space, points(*range(1000)))
    index.remove_documents(space, range(900))
    at = folder(tmp_path, space)
    (before,) = at.glob("files-*")
    index.set_cursor(space, 3)
    assert index.cursor(space) == 3
    # It is on its way, and what comes meanwhile is not lost.
    index.put(space, points(5000))
    index.remove_documents(space, [950])
    index.compact(space)
    (now,) = at.glob("files-*")
    assert now != before
    left = [*range(900, 950), *range(951, 1000), 5000]
    assert found(index, space) == left
    index.put(space, points(5001))
    index.remove_documents(space, [960])
    index.close()
    left = [each for each in [*left, 5001] if each != 960]
    assert found(index, space) == left
    assert index.cursor(space) == 3
    index.close()


def test_a_compaction_that_is_under_way_ends_with_the_index(tmp_path: Path, space: Space) -> None:
    index = Embedded(tmp_path / "index", worn=10)
    index.put(space, points(*range(100)))
    index.set_cursor(space, 1)
    assert index.cursor(space) == 1
    at = folder(tmp_path, space)
    assert len([*at.glob("files-*")]) == 2
    index.close()
    assert len([*at.glob("files-*")]) == 1
    assert found(index, space) == [*range(100)]
    index.drop(space)
    index.close()
