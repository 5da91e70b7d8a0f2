"""Evaluations without their processes: verbs, what is kept, the judge, the gate, pages and API."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEvent, User
from conftest import ApiClient
from providers.models import CallRecord, ProviderModel
from providers.services import publish_model
from training import evaluation, evaluation_gate, evaluation_results, judging
from training.evaluation_forms import probes_from
from training.models import (
    Dataset,
    Evaluation,
    EvaluationPlan,
    EvaluationSample,
    JudgeState,
    ModelVersion,
    Status,
    TrainingJob,
)
from training.tests.rows import make_dataset, make_job, make_version

Api = Callable[[User], ApiClient]
ClientFor = Callable[[User], Client]


@pytest.fixture
def version(alice: User) -> ModelVersion:
    return make_version(make_job(alice, Status.SUCCESS))


def side(answer: str, loss: float, rouge: float, exact: float = 0) -> dict[str, Any]:
    scores = {"exact": exact, "rouge_1": rouge, "rouge_2": rouge, "rouge_l": rouge, "bleu": rouge}
    return {"answer": answer, "loss_sum": loss * 10, "loss_tokens": 10, **scores}


def found(
    *pairs: tuple[dict[str, Any], dict[str, Any]], general: tuple[float, float] = (5, 5)
) -> dict[str, Any]:
    samples = [
        {
            "turns": [{"role": "user", "content": f"question {i}"}],
            "system": "",
            "expected": "the expected",
            "base": base,
            "tuned": tuned,
        }
        for i, (base, tuned) in enumerate(pairs)
    ]
    return {
        "samples": samples,
        "general": {"base": general[0], "tuned": general[1]},
        "left_out": 3,
    }


BETTER = (side("base says", 3.0, 0.2), side("tuned says", 1.0, 0.9))
WORSE = (side("base says", 1.0, 0.9), side("tuned says", 3.0, 0.2))
ALIKE = (side("same", 2.0, 0.5), side("same", 2.0, 0.51))


def finished(version: ModelVersion, results: dict[str, Any], **fields: Any) -> Evaluation:
    row = Evaluation.objects.create(
        owner=version.owner,
        name=version.name,
        version=version,
        source="probes",
        status=Status.SUCCESS,
        finished_at=timezone.now(),
        **fields,
    )
    evaluation_results.keep(row, results)
    row.refresh_from_db()
    return row


def test_what_was_found_is_kept_and_weighed(version: ModelVersion) -> None:
    row = finished(version, found(BETTER, WORSE, ALIKE, BETTER))
    assert row.counts() == {"win": 2, "loss": 1, "tie": 1}
    assert row.results["base"]["loss"] == pytest.approx(2.25)
    assert row.results["tuned"]["loss"] == pytest.approx(1.75)
    assert row.results["left_out"] == 3
    rows = {each["name"]: each for each in evaluation_results.comparison(row)}
    assert rows["loss"]["is_better"] is True
    assert rows["general_loss"]["is_better"] is None
    evaluation_results.keep(row, found(ALIKE))
    assert row.samples.count() == 1, "a second attempt replaces the first"


def test_an_exact_answer_beats_a_near_one() -> None:
    near, exact = side("a", 1, 0.99), side("b", 1, 1.0, exact=1)
    assert evaluation_results.outcome_of(near, exact) == "win"
    assert evaluation_results.outcome_of(exact, near) == "loss"


def test_plain_text_is_weighed_by_its_loss() -> None:
    assert evaluation_results.outcome_of({"loss": 3.0}, {"loss": 2.0}) == "win"
    assert evaluation_results.outcome_of({"loss": 3.0}, {"loss": 2.99}) == "tie"
    assert evaluation_results.outcome_of({}, {}) == "", "a question without an answer"


def test_answers_that_no_database_keeps_are_kept_without_it(version: ModelVersion) -> None:
    odd = side("zero \x00 and half \ud83d", 1.0, 0.5)
    row = finished(version, found((odd, odd)))
    assert row.samples.get().base_answer == "zero  and half ?"


def test_what_was_learnt_is_no_test(alice: User, version: ModelVersion, tmp_path: Any) -> None:
    with pytest.raises(ValidationError) as error:
        evaluation.begin(version=version, actor=alice, source="share")
    assert "source" in error.value.message_dict
    with pytest.raises(ValidationError) as error:
        evaluation.begin(version=version, actor=alice, source="dataset")
    assert "dataset" in error.value.message_dict
    same = stored(alice, tmp_path, sha256=version.lineage["dataset_sha256"])
    with pytest.raises(ValidationError) as error:
        evaluation.begin(version=version, actor=alice, source="dataset", dataset=same)
    assert "learnt these very examples" in str(error.value)
    other = stored(alice, tmp_path, sha256="0" * 64)
    row = evaluation.begin(version=version, actor=alice, source="dataset", dataset=other)
    assert row.is_queued
    assert AuditEvent.objects.filter(action="evaluation.create", target_id=str(row.pk)).exists()


def stored(owner: User, folder: Any, **fields: Any) -> Dataset:
    file = folder / f"{fields['sha256'][:4]}.jsonl"
    file.write_text("{}\n")
    return make_dataset(owner, path=str(file), **fields)


def test_the_share_that_was_held_back_comes_first(
    alice: User, version: ModelVersion, tmp_path: Any
) -> None:
    job = version.job
    assert job is not None
    job.parameters |= {"val_size": 0.1}
    job.save()
    file = tmp_path / "data.jsonl"
    file.write_text("{}\n")
    Dataset.objects.filter(pk=job.dataset_id).update(path=str(file))
    version = ModelVersion.objects.get(pk=version.pk)
    assert evaluation.sources_for(version)[0] == "share"
    assert evaluation.begin(version=version, actor=alice).source == "share"
    Dataset.objects.filter(pk=job.dataset_id).update(sha256="1" * 64)
    version = ModelVersion.objects.get(pk=version.pk)
    with pytest.raises(ValidationError, match="has changed since the training"):
        evaluation.begin(version=version, actor=alice)


def test_questions_are_read_one_a_line() -> None:
    assert probes_from("Who are you? => I am A.\n\n  What now?  ") == [
        {"question": "Who are you?", "answer": "I am A."},
        {"question": "What now?", "answer": ""},
    ]
    with pytest.raises(ValidationError):
        evaluation.checked_probes([{"question": " ", "answer": "x"}])


# --- The gate -----------------------------------------------------------------


def test_a_good_version_passes(version: ModelVersion) -> None:
    assert evaluation_gate.problems_of(version) == [], "nobody has looked yet"
    finished(version, found(BETTER, BETTER, ALIKE))
    assert evaluation_gate.problems_of(version) == []


def test_what_is_worse_than_the_threshold_is_named(version: ModelVersion, settings: Any) -> None:
    finished(version, found(WORSE, WORSE, BETTER, general=(4.0, 5.0)))
    problems = evaluation_gate.problems_of(version)
    assert len(problems) == 3
    assert "40.0 %" in problems[0] and "25.0 %" in problems[1]
    assert "better in 1 and worse in 2" in problems[2]
    settings.EVALUATION_MAX_LOSS_RISE = 50
    settings.EVALUATION_MAX_FORGETTING = 30
    settings.EVALUATION_MIN_WINS = 30
    assert evaluation_gate.problems_of(version) == []


def test_the_newest_evaluation_counts(version: ModelVersion) -> None:
    finished(version, found(WORSE))
    assert evaluation_gate.problems_of(version)
    finished(version, found(BETTER))
    assert evaluation_gate.problems_of(version) == []


# --- The judge ----------------------------------------------------------------


class Judge(BaseHTTPRequestHandler):
    """An endpoint that prefers whichever answer is by the tuned model."""

    says: Callable[[str], str]
    asked: list[str]

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        question = body["messages"][-1]["content"]
        type(self).asked.append(question)
        text = type(self).says(question)
        message = {"role": "assistant", "content": text}
        answer = {
            "id": "1",
            "object": "chat.completion",
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 50, "completion_tokens": 9, "total_tokens": 59},
        }
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: Any) -> None: ...


def prefers_tuned(question: str) -> str:
    first = question.index("tuned says") < question.index("base says")
    return f'Sure: {{"winner": "{"A" if first else "B"}", "reason": "it is right"}}'


@pytest.fixture
def judge_model(alice: User) -> Iterator[ProviderModel]:
    Judge.says, Judge.asked = staticmethod(prefers_tuned), []
    server = HTTPServer(("127.0.0.1", 0), Judge)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{server.server_port}/v1"
    yield publish_model(name="judge", base_url=url, api_key="k", model_id="judge", owner=alice)
    server.shutdown()
    server.server_close()
    thread.join()


def judged(row: Evaluation) -> Evaluation:
    claimed = judging.claim(row.pk)
    assert claimed is not None
    assert judging.claim(row.pk) is None, "nobody judges twice"
    judging.judge(claimed)
    row.refresh_from_db()
    return row


@pytest.mark.django_db(transaction=True)
def test_the_judge_reads_both_orders_and_is_paid(
    version: ModelVersion, judge_model: ProviderModel, alice: User
) -> None:
    row = finished(version, found(WORSE, WORSE), judge=judge_model, rubric="Be kind.")
    assert row.judge_state == JudgeState.WAITING
    assert Evaluation.objects.awaiting_judge().get() == row
    judged(row)
    assert row.judge_state == JudgeState.DONE and not Evaluation.objects.awaiting_judge()
    assert row.counts() == {"win": 2, "loss": 0, "tie": 0}, "the judge overrules the scores"
    first, second = Judge.asked
    assert first.index("base says") < first.index("tuned says")
    assert second.index("tuned says") < second.index("base says")
    assert row.samples.first().judgement == {"reason": "it is right"}  # type: ignore[union-attr]
    calls = CallRecord.objects.filter(user=alice, source="evaluation", status="done")
    assert calls.count() == 2 and calls[0].prompt_tokens == 50


@pytest.mark.django_db(transaction=True)
def test_a_judge_may_think_aloud_and_is_named(
    version: ModelVersion, judge_model: ProviderModel, client: Client, alice: User, api: Api
) -> None:
    def thinks(question: str) -> str:
        verdict = prefers_tuned(question).removeprefix("Sure: ")
        other = verdict.replace("it is right", "at first sight").replace('"A"', '"tie"')
        other = other.replace('"B"', '"tie"')
        return f"I could say {other}, {{but}} no.\n{verdict} Done."

    Judge.says = staticmethod(thinks)
    row = judged(finished(version, found(WORSE, WORSE), judge=judge_model, rubric="Be <kind>."))
    assert row.counts() == {"win": 2, "loss": 0, "tie": 0}
    assert {each.judgement["reason"] for each in row.samples.all()} == {"it is right"}
    page = client.get(f"/models/evaluations/{row.pk}/").content.decode()
    assert "Be &lt;kind&gt;." in page and str(judge_model) in page
    assert api(alice).get(f"training/evaluations/{row.pk}").json()["rubric"] == "Be <kind>."


@pytest.mark.parametrize("pairs", [2, 5])
@pytest.mark.django_db(transaction=True)
def test_a_judge_that_says_nothing_useful_gives_up(
    version: ModelVersion, judge_model: ProviderModel, pairs: int
) -> None:
    Judge.says = staticmethod(lambda question: "I like both.")
    row = judged(finished(version, found(*[BETTER] * pairs), judge=judge_model))
    assert row.judge_state == JudgeState.FAILED and "I like both." in row.judge_detail
    assert len(Judge.asked) == min(pairs, judging.FAILURES_MAX)
    assert row.counts()["win"] == pairs, "the scores stand"


@pytest.mark.django_db(transaction=True)
def test_a_slice_of_time_is_taken_up_again(
    version: ModelVersion, judge_model: ProviderModel
) -> None:
    row = finished(version, found(BETTER, BETTER), judge=judge_model)
    claimed = judging.claim(row.pk)
    assert claimed is not None and judging.judge(claimed, slice_s=-1) is True
    row.refresh_from_db()
    assert row.judge_state == JudgeState.WAITING and Judge.asked == []
    judged(row)
    assert row.judge_state == JudgeState.DONE


@pytest.mark.django_db(transaction=True)
def test_a_judge_that_is_gone_is_told(version: ModelVersion, judge_model: ProviderModel) -> None:
    row = finished(version, found(BETTER), judge=judge_model)
    judge_model.delete()
    row.refresh_from_db()
    judged(row)
    assert row.judge_state == JudgeState.FAILED and row.judge_detail


# --- Pages and API ------------------------------------------------------------


@pytest.fixture
def client(alice: User, client_for: ClientFor) -> Client:
    return client_for(alice)


def test_the_form_begins_one_and_keeps_what_was_typed(
    client: Client, version: ModelVersion
) -> None:
    url = f"/models/{version.pk}/evaluate/"
    page = client.get(url).content.decode()
    assert "held nothing back" in page
    wrong = {"source": "probes", "probes": "", "limit": "5", "max_new_tokens": "9", "rubric": "r!"}
    answer = client.post(url, wrong)
    assert answer.status_code == 422 and "Write at least one question." in answer.content.decode()
    assert "r!" in answer.content.decode()
    answer = client.post(url, wrong | {"probes": "Who are you? => A"})
    row = Evaluation.objects.get()
    assert answer.headers["Location"] == f"/models/evaluations/{row.pk}/"
    assert row.probes == [{"question": "Who are you?", "answer": "A"}]
    assert (row.limit, row.max_new_tokens, row.rubric) == (5, 9, "r!")
    page = client.get(answer.headers["Location"]).content.decode()
    assert 'hx-trigger="every 2s"' in page and "in the queue" in page


def test_the_page_shows_both_answers_and_filters(client: Client, version: ModelVersion) -> None:
    row = finished(version, found(BETTER, WORSE, ALIKE))
    url = f"/models/evaluations/{row.pk}/"
    page = client.get(url).content.decode()
    assert page.count('class="sample"') == 3 and 'hx-trigger="every 2s"' not in page
    assert "tuned says" in page and "base says" in page and "ROUGE-L" in page
    assert client.get(f"{url}?outcome=loss").content.decode().count('class="sample"') == 1
    assert client.get(f"{url}?q=question+2").content.decode().count('class="sample"') == 1
    assert "No sample fits" in client.get(f"{url}?q=nowhere").content.decode()
    assert "1 better, 1 worse, 1 alike" in client.get(f"/models/{version.pk}/").content.decode()


def test_many_samples_take_pages(client: Client, version: ModelVersion) -> None:
    row = finished(version, found(*[BETTER] * 45))
    url = f"/models/evaluations/{row.pk}/"
    assert client.get(url).content.decode().count('class="sample"') == 20
    assert client.get(f"{url}?page=3").content.decode().count('class="sample"') == 5


def test_the_end_brings_the_samples(client: Client, version: ModelVersion) -> None:
    row = finished(version, found(BETTER))
    headers = {"HX-Request": "true", "HX-Target": "evaluation"}
    answer = client.get(f"/models/evaluations/{row.pk}/", headers=headers)
    assert answer.headers["HX-Refresh"] == "true" and "<html" not in answer.content.decode()


def test_stop_and_delete(client: Client, version: ModelVersion) -> None:
    row = evaluation.begin(
        version=version, actor=version.owner, source="probes", probes=[{"question": "?"}]
    )
    client.post(f"/models/evaluations/{row.pk}/delete/")
    assert Evaluation.objects.filter(pk=row.pk).exists(), "not while it waits"
    client.post(f"/models/evaluations/{row.pk}/stop/")
    row.refresh_from_db()
    assert row.status == Status.STOPPED
    client.post(f"/models/evaluations/{row.pk}/delete/")
    assert not Evaluation.objects.exists() and not EvaluationSample.objects.exists()
    actions = set(AuditEvent.objects.values_list("action", flat=True))
    assert {"evaluation.create", "evaluation.stop", "evaluation.delete"} <= actions


def test_the_same_by_api(api: Api, alice: User, bob: User, version: ModelVersion) -> None:
    path = f"training/models/{version.pk}/evaluations"
    answer = api(alice).post(path, source="probes", probes=[{"question": "Who?", "answer": "A"}])
    assert answer.status_code == 201 and answer.json()["status"] == "pending"
    row_id = answer.json()["id"]
    assert api(alice).get(path).json()["count"] == 1
    assert api(bob).post(path, source="probes").status_code == 404
    refused = api(alice).post(path, source="dataset")
    assert refused.status_code == 422 and "dataset" in refused.json()["error"]["fields"]
    refused = api(alice).post(path, source="probes", probes=[{"question": "?"}], judge=999999)
    assert refused.status_code == 422 and "judge" in refused.json()["error"]["fields"]
    refused = api(alice).post(path, source="probes", probes=[{"question": "?"}], limit=0)
    assert refused.status_code == 422 and "limit" in refused.json()["error"]["fields"]
    assert api(alice).delete(f"training/evaluations/{row_id}").status_code == 409
    stopped = api(alice).post(f"training/evaluations/{row_id}/stop")
    assert stopped.status_code == 202 and stopped.json()["status"] == "stopped"
    assert api(alice).post(f"training/evaluations/{row_id}/stop").status_code == 409
    assert api(alice).delete(f"training/evaluations/{row_id}").status_code == 204


def test_samples_by_api(api: Api, alice: User, version: ModelVersion) -> None:
    row = finished(version, found(BETTER, WORSE, WORSE))
    told = api(alice).get(f"training/evaluations/{row.pk}").json()
    assert told["counts"] == {"win": 1, "loss": 2, "tie": 0} and len(told["problems"]) == 2
    path = f"training/evaluations/{row.pk}/samples"
    assert api(alice).get(path).json()["count"] == 3
    worse = api(alice).get(f"{path}?outcome=loss").json()
    assert worse["count"] == 2 and worse["items"][0]["tuned_answer"] == "tuned says"


# --- Planned for the end of a training ----------------------------------------


def test_a_plan_begins_when_its_training_has_succeeded(
    api: Api, alice: User, client: Client, tmp_path: Any
) -> None:
    job = make_job(alice, Status.RUNNING)
    path = f"training/jobs/{job.pk}/evaluation"
    refused = api(alice).client.put(f"/api/v1/{path}", {}, content_type="application/json")
    assert refused.status_code == 422 and "source" in refused.json()["error"]["fields"]
    assert "Evaluate afterwards" not in client.get(f"/training/{job.pk}/").content.decode()
    job.parameters |= {"val_size": 0.2}
    job.save()
    file = tmp_path / "data.jsonl"
    file.write_text("{}\n")
    Dataset.objects.filter(pk=job.dataset_id).update(path=str(file))
    assert "Evaluate afterwards" in client.get(f"/training/{job.pk}/").content.decode()
    client.post(f"/training/{job.pk}/evaluation/", {"wanted": "1"})
    assert "Do not evaluate" in client.get(f"/training/{job.pk}/").content.decode()
    body = {"limit": 7, "max_new_tokens": 5}
    put = api(alice).client.put(f"/api/v1/{path}", body, content_type="application/json")
    assert put.status_code == 204
    version = make_version(TrainingJob.objects.get(pk=job.pk))
    evaluation.begin_planned(version)
    row = Evaluation.objects.get()
    assert (row.source, row.limit, row.max_new_tokens, row.is_queued) == ("share", 7, 5, True)
    TrainingJob.objects.update(status=Status.SUCCESS)
    put = api(alice).client.put(f"/api/v1/{path}", body, content_type="application/json")
    assert put.status_code == 409
    assert api(alice).delete(path).status_code == 204


def test_a_plan_that_cannot_be_kept_says_why(alice: User, tmp_path: Any) -> None:
    job = make_job(alice, Status.RUNNING)
    other = stored(alice, tmp_path, sha256="3" * 64)
    evaluation.plan(job=job, actor=alice, source="dataset", dataset=other.pk)
    other.delete()
    evaluation.begin_planned(make_version(job))
    assert not Evaluation.objects.exists()
    assert "Choose the dataset" in EvaluationPlan.objects.get().problem


def test_without_a_plan_nothing_begins(version: ModelVersion) -> None:
    evaluation.begin_planned(version)
    assert not Evaluation.objects.exists()
