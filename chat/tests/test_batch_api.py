"""API: `chat/batches`."""

from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from chat.models import Batch, CellStatus
from chat.tests.batch_rows import finished, make_batch
from conftest import ApiClient
from prompts.services import create_prompt
from providers.models import ProviderModel
from providers.services import create_provider

Api = Callable[[User], ApiClient]


@pytest.fixture
def echo(admin_user: User) -> ProviderModel:
    return create_provider(actor=admin_user, preset="echo", is_shared=True).models.get()


def test_a_whole_life(alice: User, echo: ProviderModel, api: Api) -> None:
    client = api(alice)
    prompts = [{"prompt": "one", "reference": "one"}, {"prompt": "two", "system": "s"}]
    checks = [{"kind": "contains", "value": "o"}, {"kind": "max_chars", "value": 9}]
    made = client.post(
        "chat/batches",
        name="run",
        models=[echo.model_id],
        prompts=prompts,
        checks=checks,
        judge=echo.pk,
        parameters={"max_tokens": 50},
    )
    assert made.status_code == 201, made.content
    row = made.json()
    assert (row["status"], row["prompts"], row["models"][0]["model_id"]) == ("draft", 2, echo.pk)
    assert row["estimate"]["columns"][0]["answer_tokens"] == 100
    assert [check["label"] for check in row["checks"]] == ["contains “o”", "characters at most: 9"]
    path = f"chat/batches/{row['id']}"
    assert client.post(f"{path}/start").json()["status"] == "running"
    assert client.post(f"{path}/start").status_code == 409
    assert client.post(f"{path}/pause").json()["status"] == "paused"
    assert client.post(f"{path}/resume").json()["status"] == "running"
    assert client.delete(path).status_code == 409
    batch = finished(Batch.objects.get())
    found = client.get(path).json()
    assert (found["summary"][0]["answered"], found["summary"][0]["p50_ms"]) == (2, 1000)
    batch.cells.filter(prompt__text="two").update(status=CellStatus.FAILED, error_code="timeout")
    page = client.get(f"{path}/prompts?show=failed").json()
    assert (page["count"], page["items"][0]["prompt"]) == (1, "two")
    assert page["items"][0]["answers"][0]["error"]["code"] == "timeout"
    one = client.get(f"{path}/prompts/{batch.prompts.all()[0].pk}").json()
    assert one["answers"][0]["answer"] == "echo: one"
    assert client.post(f"{path}/retry").json() == {"calls": 2}  # one failed, one has no score
    assert client.post(f"{path}/cancel").json()["status"] == "cancelled"
    export = client.get(f"{path}/export?format=csv")
    assert b"echo: one" in b"".join(export)
    assert client.get(f"{path}/export?format=xml").status_code == 422
    assert client.get("chat/batches?q=ru").json()["count"] == 1
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404


def test_sources(alice: User, bob: User, echo: ProviderModel, api: Api) -> None:
    client = api(alice)

    def made(**source: Any) -> Any:
        return client.post("chat/batches", name="n", models=[echo.pk], start=True, **source)

    file = made(file={"name": "q.csv", "text": "prompt,reference\na,b\n,c\n"}).json()
    assert (file["status"], file["prompts"], file["source_label"]) == ("running", 1, "q.csv")
    assert [problem["line"] for problem in file["problems"]] == [3]
    prompt = create_prompt(actor=alice, title="t", text="Say {{word}}")
    rows = made(prompt_id=prompt.pk, values=[{"word": "hi", "reference": "r"}, {}]).json()
    assert (rows["prompts"], rows["problem_count"]) == (1, 1)
    again = made(repeat_of=file["id"]).json()
    assert (again["repeat_of_id"], again["prompts"]) == (file["id"], 1)
    assert made().status_code == 422
    assert made(prompts=[{"prompt": "x"}], repeat_of=file["id"]).status_code == 422
    theirs = make_batch(bob, [echo])
    assert made(repeat_of=str(theirs.pk)).status_code == 404
    assert made(dataset_id=999).status_code == 404


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"models": ["nothing"]}, "models"),
        ({"judge": "nothing"}, "judge"),
        ({"checks": [{"kind": "regex", "value": "("}]}, "checks"),
        ({"checks": [{"kind": "other"}]}, "checks.0.kind"),
        ({"calls_at_once": 17}, "calls_at_once"),
        ({"name": "\u202e"}, "name"),
    ],
)
def test_mistakes(
    alice: User, echo: ProviderModel, api: Api, body: dict[str, Any], field: str
) -> None:
    usual = {"name": "n", "models": [echo.pk], "prompts": [{"prompt": "x"}]}
    response = api(alice).post("chat/batches", **(usual | body))
    assert response.status_code == 422
    assert list(response.json()["error"]["fields"]) == [field]


def test_regressions(alice: User, bob: User, echo: ProviderModel, api: Api) -> None:
    client = api(alice)
    before, after = (finished(make_batch(alice, [echo])) for _run in range(2))
    before.cells.update(score=9)
    after.cells.update(score=2)
    path = f"chat/batches/{after.pk}/regressions"
    found = client.get(f"{path}?other={before.pk}").json()
    assert (found["counts"]["worse"], found["pairs"][0]["other_score"]) == (2, 9)
    assert client.get(path).status_code == 422
    assert client.get(f"{path}?other={before.pk}&model=3").status_code == 422
    theirs = make_batch(bob, [echo])
    assert client.get(f"{path}?other={theirs.pk}").status_code == 404
