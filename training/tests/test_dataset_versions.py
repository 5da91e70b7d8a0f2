"""What is made of a dataset: versions, splits, mixes, exports; and what is known about it."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.exceptions import ValidationError

from accounts.models import AuditEvent, User
from conftest import ApiClient
from training import (
    dataset_changes,
    dataset_comparison,
    dataset_exports,
    dataset_likeness,
    dataset_lineage,
    dataset_mixes,
    dataset_search,
    dataset_splits,
    dataset_statistics,
    dataset_work,
    datasets,
)
from training.dataset_languages import language_of
from training.models import Dataset, DatasetWork, TrainingJob, WorkStatus
from training.tests import dataset_examples as examples
from training.tests.rows import make_job, make_version
from training.tests.test_datasets import media, store

__all__ = ["media"]
Api = Callable[[User], ApiClient]


def rows(count: int, start: int = 0) -> list[dict[str, Any]]:
    return [{"instruction": f"q{n}", "output": f"a{n}"} for n in range(start, start + count)]


def outputs(dataset: Dataset) -> list[str]:
    return [record["output"] for record in datasets.records_of(dataset)[0 : dataset.records]]


def result(work: DatasetWork, index: int = 0) -> Dataset:
    assert work.status == WorkStatus.DONE, (work.status, work.error)
    return Dataset.objects.get(pk=work.results[index])


# --- Versions ----------------------------------------------------------------
def test_a_change_is_a_new_version_and_the_old_one_stays(alice: User) -> None:
    first = store(alice, rows(5), name="sums")
    before = first.file.read_bytes()
    record = {"instruction": "q", "output": "new", "unknown": 1}
    second = result(dataset_changes.edit(dataset=first, actor=alice, number=2, record=record))
    third = result(dataset_changes.exclude(dataset=second, actor=alice, numbers=[1, 5, 5]))
    fourth = result(dataset_changes.append(dataset=third, actor=alice, records=rows(1, 9)))
    assert outputs(second) == ["a0", "new", "a2", "a3", "a4"]
    assert outputs(third) == ["new", "a2", "a3"]
    assert outputs(fourth) == ["new", "a2", "a3", "a9"]
    assert first.file.read_bytes() == before
    assert [each.version for each in fourth.versions] == [4, 3, 2, 1]
    assert (fourth.parent, fourth.author, fourth.name) == (third, alice, "sums")
    assert third.change == {"kind": "exclude", "count": 2, "numbers": [1, 5]}
    assert [str(each) for each in Dataset.objects.current()] == ["sums · v4"]
    actions = AuditEvent.objects.filter(action__startswith="dataset.").values_list("action", flat=1)
    assert {"dataset.edit", "dataset.exclude", "dataset.append"} <= set(actions)


def test_going_back_takes_no_room(alice: User) -> None:
    first = store(alice, rows(3))
    second = result(dataset_changes.exclude(dataset=first, actor=alice, numbers=[1]))
    back = dataset_changes.restore(dataset=first, actor=alice)
    assert (back.version, back.sha256, back.change["version"]) == (3, first.sha256, 1)
    assert back.file != first.file and back.file.samefile(first.file)
    datasets.delete_dataset(dataset=first, actor=alice)
    assert outputs(back) == ["a0", "a1", "a2"]
    assert second.versions.count() == 2


def test_what_cannot_be_changed(alice: User) -> None:
    dataset = store(alice, rows(2))
    other = store(alice, examples.GOOD["preference"][:1])
    wrong: list[tuple[Callable[[], object], str]] = [
        (
            lambda: dataset_changes.edit(dataset=dataset, actor=alice, number=3, record={}),
            "numbers",
        ),
        (lambda: dataset_changes.edit(dataset=dataset, actor=alice, number=1, record=[]), "record"),
        (
            lambda: dataset_changes.edit(
                dataset=dataset, actor=alice, number=1, record={"instruction": "q"}
            ),
            "record",
        ),
        (lambda: dataset_changes.exclude(dataset=dataset, actor=alice), "numbers"),
        (lambda: dataset_changes.exclude(dataset=dataset, actor=alice, numbers=[1, 2]), "numbers"),
        (lambda: dataset_changes.append(dataset=dataset, actor=alice), "records"),
        (lambda: dataset_changes.append(dataset=dataset, actor=alice, records=[{}]), "records"),
        (lambda: dataset_changes.append(dataset=dataset, actor=alice, other=other), "dataset"),
        (lambda: dataset_splits.split(dataset=dataset, actor=alice, share=0.6), "share"),
    ]
    for attempt, field in wrong:
        with pytest.raises(ValidationError) as caught:
            attempt()
        assert field in caught.value.message_dict
    assert Dataset.objects.count() == 2 and not DatasetWork.objects.exists()


def test_repetitions_are_counted_and_can_go(alice: User) -> None:
    dataset = store(alice, [*rows(3), *rows(2)])
    assert dataset.duplicates == 2
    clean = result(dataset_changes.exclude(dataset=dataset, actor=alice, duplicates="exact"))
    assert outputs(clean) == ["a0", "a1", "a2"] and clean.duplicates == 0
    again = dataset_changes.exclude(dataset=clean, actor=alice, duplicates="exact")
    assert (again.status, again.error) == (WorkStatus.FAILED, "There are no duplicates.")


def test_versions_are_compared_as_bags_of_records(alice: User) -> None:
    old = store(alice, [*rows(4), *rows(1), *rows(1)])
    new = store(alice, [*rows(1), *rows(2, 3), *rows(1)])
    found = dataset_comparison.compare(old, new)
    assert (found.kept, found.removed.count, found.added.count) == (3, 3, 1)
    assert [(n, r["output"]) for n, r in found.removed.shown] == [(2, "a1"), (3, "a2"), (6, "a0")]
    assert [(n, r["output"]) for n, r in found.added.shown] == [(3, "a4")]


# --- Splits ------------------------------------------------------------------
TALE = "Once there was a clerk who counted every lamp along the river road before dawn, number {}."


def test_a_split_leaks_nothing(alice: User) -> None:
    """Twenty stories, each told in three near-identical ways and once more word for word."""
    told = []
    for n in range(20):
        text = " ".join(f"{word}{n}" for word in TALE.format(n).split())
        variants = (text, text, text + " Then", "So " + text)
        told += [{"instruction": f"Tell {text}", "output": each} for each in variants]
    dataset = store(alice, told)
    work = dataset_splits.split(dataset=dataset, actor=alice, share=0.25, seed=7)
    train, held_out = result(work, 0), result(work, 1)
    assert (train.records, held_out.records) == (60, 20)

    def stories(part: Dataset) -> set[str]:
        records = datasets.records_of(part)[0 : part.records]
        return {record["instruction"] for record in records}

    assert not stories(train) & stories(held_out)
    again = result(dataset_splits.split(dataset=dataset, actor=alice, share=0.25, seed=7), 1)
    other = result(dataset_splits.split(dataset=dataset, actor=alice, share=0.25, seed=8), 1)
    assert again.sha256 == held_out.sha256 != other.sha256
    assert train.parent == dataset and train.family != dataset.family
    assert train.change["part"] == "train"


def test_what_is_all_alike_is_not_split(alice: User) -> None:
    dataset = store(alice, rows(1) * 5)
    work = dataset_splits.split(dataset=dataset, actor=alice, share=0.2)
    assert work.status == WorkStatus.FAILED and "alike" in work.error


def test_likeness_follows_what_is_common(tmp_path: Path) -> None:
    words = [f"word{n}" for n in range(400)]
    rng = np.random.default_rng(3)
    base = [" ".join(rng.choice(words, 80)) for _ in range(60)]
    near = [text.replace(text.split()[5], "changed", 1) for text in base]
    far = [" ".join([*text.split()[:40], *rng.choice(words, 40)]) for text in base]
    kept = tmp_path / "signatures"
    texts = base + near + far
    kept.write_bytes(b"".join(dataset_likeness.signature_of(text).tobytes() for text in texts))
    with kept.open("rb") as file:
        groups = dataset_likeness.grouped(dataset_likeness.Stored(file))
    assert (groups[60:120] == np.arange(60)).mean() > 0.95
    assert (groups[120:] == np.arange(120, 180)).all()


# --- Mixes -------------------------------------------------------------------
def test_a_mix_takes_each_as_often_as_its_weight_says(alice: User) -> None:
    first, second = store(alice, rows(10)), store(alice, rows(10, 100))
    sources = [dataset_mixes.Source(first, 0.5), dataset_mixes.Source(second, 2.0)]
    mixed = result(dataset_mixes.mix(actor=alice, name="both", sources=sources, seed=1))
    taken = outputs(mixed)
    assert len(taken) == 25 and len(set(taken[:5])) == 5
    assert taken[5:] == [f"a{n}" for n in range(100, 110) for _time in range(2)]
    same = result(dataset_mixes.mix(actor=alice, name="again", sources=sources, seed=1))
    assert same.sha256 == mixed.sha256
    assert mixed.change["sources"][1] == {"dataset": second.pk, "name": str(second), "weight": 2.0}


def test_chats_of_different_formats_mix(alice: User) -> None:
    alpaca, sharegpt = store(alice, rows(2)), store(alice, examples.GOOD["sharegpt"])
    sources = [dataset_mixes.Source(alpaca, 1), dataset_mixes.Source(sharegpt, 1)]
    mixed = result(dataset_mixes.mix(actor=alice, name="both", sources=sources))
    assert (mixed.format, mixed.records, mixed.rejected) == ("sharegpt", 7, 0)
    pairs = store(alice, examples.GOOD["preference"][:1])
    with pytest.raises(ValidationError):
        dataset_mixes.mix(
            actor=alice, name="no", sources=[*sources, dataset_mixes.Source(pairs, 1)]
        )


# --- Exports -----------------------------------------------------------------
@pytest.mark.parametrize("format", ["alpaca", "sharegpt", "openai"])
@pytest.mark.parametrize("target", ["alpaca", "sharegpt", "openai"])
def test_another_format_says_the_same(alice: User, format: str, target: str) -> None:
    """What comes back from an export reads the same, turn by turn."""
    dataset = store(alice, examples.GOOD[format])
    if target == "alpaca" and format != "alpaca":
        with pytest.raises(ValidationError, match="hold something"):
            dataset_exports.check_lossless(dataset, target)
        return
    wanted = "" if target == format else target
    data = b"".join(dataset_exports.pieces_of(dataset, file="json", format=wanted))  # type: ignore[arg-type]
    back = store(alice, data)
    assert back.format == target

    def said(which: Dataset) -> list[list[tuple[str, Any]]]:
        records = datasets.records_of(which)[0 : which.records]
        return [
            [(t.speaker, _meaning(t.speaker, t.text)) for t in turns]
            for turns in datasets.turns_of(which, records)
        ]

    key = json.dumps
    assert sorted(said(back), key=key) == sorted(said(dataset), key=key)


def _meaning(speaker: str, text: str) -> Any:
    """Calls as a list, tools as JSON: how they are spaced does not matter."""
    if speaker not in ("call", "tools"):
        return text
    value = json.loads(text)
    return value if isinstance(value, list) else [value]


def test_exports_are_readable_files(alice: User) -> None:
    history = {"instruction": "q", "output": "=1+1", "history": [["a", "b"]]}
    dataset = store(alice, [*rows(450), history])
    made = {
        file: b"".join(
            piece if isinstance(piece, bytes) else piece.encode()
            for piece in dataset_exports.pieces_of(dataset, file=file)
        )
        for file in dataset_exports.FILES
    }
    assert made["jsonl"] == dataset.file.read_bytes()
    assert len(json.loads(made["json"])) == 451
    table = list(csv.DictReader(io.StringIO(made["csv"].decode("utf-8-sig"))))
    assert len(table) == 451 and json.loads(table[0]["history"]) == [["a", "b"]]
    assert table[0]["output"] == "'=1+1" and table[1]["output"] == "a0"


# --- Search ------------------------------------------------------------------
def test_search_finds_text_and_not_columns(alice: User) -> None:
    texts = ["Größe", 'say "hi"\nthere', "MiXeD case", "你好，世界", "output of it", "plain"]
    dataset = store(alice, [{"instruction": "x", "output": text} for text in texts])

    def numbers(query: str) -> list[int]:
        return [number for number, _record in dataset_search.search(dataset, query).hits]

    assert numbers("GRÖSSE") == [] and numbers("GRÖßE") == [1]
    assert numbers('"hi"\nTHERE') == [2]
    assert numbers("mixed") == [3] and numbers("你好") == [4]
    assert numbers("output") == [5] and numbers("instruction") == []
    assert numbers("") == [] and numbers("nowhere") == []


def test_a_search_goes_on_where_it_stopped(alice: User, monkeypatch: Any) -> None:
    monkeypatch.setattr(dataset_search, "BLOCK_BYTES", 700)
    count = 500
    dataset = store(alice, rows(count))
    found: list[int] = []
    cursor: str | None = ""
    calls = 0
    while cursor is not None:
        page = dataset_search.search(dataset, "A", cursor=cursor, limit=7, budget_s=0)
        found += [number for number, record in page.hits if record["output"] == f"a{number - 1}"]
        assert len(page.hits) <= 7
        cursor, calls = page.cursor, calls + 1
    assert found == list(range(1, count + 1)) and calls > 10
    assert page.percent == 100
    for wrong in ("x", "1-", "-1", "1" * 50):
        with pytest.raises(ValueError):
            dataset_search.search(dataset, "a", cursor=wrong)


# --- Statistics --------------------------------------------------------------
def test_statistics_of_texts(alice: User) -> None:
    told = [
        {"instruction": "How do I cook rice for the evening?", "output": "With water and time."},
        {"instruction": "怎么煮米饭？", "output": "加水慢慢煮。"},
        *[{"instruction": "q", "output": "a", "history": [["b", "c"]]}] * 2,
    ]
    dataset = store(alice, told)
    work = dataset_statistics.ask(dataset=dataset, actor=alice, base_model=None)
    assert work.status == WorkStatus.DONE, work.error
    texts, tokens = dataset_statistics.newest(dataset)
    assert texts is not None and tokens == []
    assert texts["turns"] == [[2, 2], [4, 2]]
    assert dict(texts["languages"]) == {"other": 2, "en": 1, "zh": 1}
    assert (texts["exact_duplicates"], texts["near_duplicates"]) == (1, 1)
    assert texts["largest_groups"] == [{"count": 2, "numbers": [1, 4]}]


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("en", "What is the capital of this country?"),
        ("de", "Was ist die Hauptstadt und wie komme ich mit dem Zug dorthin?"),
        ("fr", "Quelle est la capitale du pays et comment y aller avec le train ?"),
        ("es", "¿Cuál es la capital del país y cómo se llega para el lunes?"),
        ("zh", "这个国家的首都是哪里？用 Python 写出来"),
        ("ja", "この国の首都はどこですか"),
        ("ko", "이 나라의 수도는 어디입니까"),
        ("ru", "Какая столица у этой страны?"),
        ("other", "12 + 30 = 42"),
    ],
)
def test_languages(language: str, text: str) -> None:
    assert language_of(text) == language


def test_a_distribution_tells_what_is_cut_off() -> None:
    lengths = dataset_statistics.Distribution(
        dataset_statistics.compressed([10] * 90 + [100] * 9 + [5000])
    )
    assert (lengths.count, lengths.total, lengths.longest) == (100, 6800, 5000)
    assert (lengths.quantile(0.5), lengths.quantile(0.95), lengths.quantile(1)) == (10, 100, 5000)
    assert (lengths.above(100), lengths.above(99), lengths.lost_above(64)) == (1, 10, 9 * 36 + 4936)
    spread = dataset_statistics.compressed(range(1, 100_001))
    assert len(spread) <= dataset_statistics.KEPT_LENGTHS
    assert sum(count for _value, count in spread) == 100_000
    assert spread[-1][0] >= 100_000


@pytest.mark.training
def test_tokens_are_those_of_the_trainer(
    alice: User, tiny_model: Any, base_model: Any, training_python: Any
) -> None:
    """Counted by the real tokenizer and template; the length the trainer itself would encode."""
    base_model.path = str(tiny_model)
    base_model.save()
    dataset = store(alice, rows(30))
    work = dataset_statistics.ask(dataset=dataset, actor=alice, base_model=base_model)
    assert work.status == WorkStatus.QUEUED
    DatasetWork.objects.filter(pk=work.pk).update(status=WorkStatus.RUNNING, attempt=1)
    work = DatasetWork.objects.get(pk=work.pk)
    dataset_work.run(work)
    work.refresh_from_db()
    assert work.status == WorkStatus.DONE, work.error
    _texts, (row,) = dataset_statistics.newest(dataset)
    shown = dataset_statistics.tokens(row, 8)
    assert sum(count for _length, count in shown["lengths"]) == 30
    # The default system prompt and the marks of the template are among them.
    assert shown["median"] > 20 and shown["cut_off"] == 30


# --- Lineage -----------------------------------------------------------------
def test_lineage_in_both_directions(alice: User, bob: User) -> None:
    dataset = store(alice, rows(3), name="sums")
    job = make_job(alice, "success", dataset=dataset)
    version = make_version(job)
    part = result(dataset_splits.split(dataset=dataset, actor=alice, share=0.3), 0)
    used = dataset_lineage.usage_of(dataset)
    assert (used.jobs, used.models, used.deployments) == ([job], [version], [])
    assert part in used.derived
    version.job = None
    version.lineage |= {"dataset_sha256": dataset.sha256}
    version.save()
    TrainingJob.objects.all().delete()
    orphan = dataset_lineage.usage_of(dataset)
    assert (orphan.jobs, orphan.models) == ([], [version])
    his = store(bob, rows(3))
    assert dataset_lineage.usage_of(his).is_empty
    second = result(dataset_changes.exclude(dataset=dataset, actor=alice, numbers=[1]))
    lines = dataset.file.read_bytes().splitlines(keepends=True)
    assert dataset_lineage.versions_with(dataset, lines[0]) == [dataset]
    assert dataset_lineage.versions_with(dataset, lines[1]) == [second, dataset]
    twin = store(alice, rows(1), name="sums")
    assert dataset_lineage.same_name(twin) == [second]


# --- API ---------------------------------------------------------------------
def test_the_api_makes_versions(alice: User, api: Api) -> None:
    client = api(alice)
    first = store(alice, rows(4), name="sums")
    path = f"datasets/{first.pk}"
    assert client.get(f"{path}/record?number=2").json()["record"]["output"] == "a1"
    assert client.get(f"{path}/record?number=9").status_code == 404
    body = {"record": {"instruction": "q", "output": "new"}}
    answer = client.client.put(
        f"/api/v1/{path}/record?number=2", body, content_type="application/json"
    )
    assert (answer.status_code, answer.json()["status"]) == (201, "done")
    second = answer.json()["results"][0]
    shown = client.get(f"datasets/{second}").json()
    assert (shown["version"], shown["parent"], shown["author"]) == (2, first.pk, alice.email)
    assert shown["change"] == {"kind": "edit", "numbers": [2]}
    bad = client.post(f"{path}/exclude", numbers=[99])
    assert bad.status_code == 422 and "numbers" in bad.json()["error"]["fields"]
    assert client.post(f"{path}/append", records=rows(1, 7)).status_code == 201
    assert [each["version"] for each in client.get(f"{path}/versions").json()] == [3, 2, 1]
    assert client.get("datasets").json()["count"] == 1
    assert client.get("datasets?all_versions=true").json()["count"] == 3
    seen = client.get(f"datasets/{second}/compare?old={first.pk}").json()
    assert (seen["kept"], seen["removed"]["count"], seen["added"]["count"]) == (3, 1, 1)
    assert client.post(f"{path}/restore").json()["version"] == 4
    assert client.get(f"{path}/search?q=a3").json()["items"][0]["number"] == 4
    assert client.get(f"{path}/search?q=a3&cursor=x").status_code == 422
    split = client.post(f"{path}/split", share=0.25, together="exact").json()
    assert len(split["results"]) == 2
    assert client.get(f"{path}/lineage").json()["derived"][0]["name"].startswith("sums (")
    file = client.get(f"{path}/export?file=json&format=openai")
    assert len(json.loads(b"".join(file))) == 4
    assert client.get(f"{path}/export?file=xlsx").status_code == 422
    assert client.post(f"{path}/statistics").status_code in (201, 422)
    assert client.post(f"{path}/statistics", base_model=None).json()["status"] == "done"
    assert client.get(f"{path}/statistics?cutoff=5").json()["texts"]["records"] == 4


def test_bodies_name_nobody_elses_objects(alice: User, bob: User, api: Api) -> None:
    hers, his = store(alice, rows(2)), store(bob, rows(2))
    client = api(alice)
    answers = [
        client.post(f"datasets/{hers.pk}/append", dataset=his.pk),
        client.post("datasets/mix", name="x", sources=[{"dataset": his.pk}]),
        client.post(f"datasets/{hers.pk}/statistics", base_model=9999),
    ]
    assert [answer.status_code for answer in answers] == [422, 422, 422]
    assert client.get(f"datasets/{hers.pk}/compare?old={his.pk}").status_code == 404
    assert not Dataset.objects.filter(version=2).exists()
