"""Comparisons through the API."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from chat.generation import generator
from chat.models import ChatSession, Comparison
from conftest import ApiClient
from providers.models import ProviderModel

Api = Callable[[User], ApiClient]


def compared(client: ApiClient, models: list[ProviderModel], **more: Any) -> Any:
    body = {"prompt": "Hi there", "models": [model.pk for model in models], **more}
    answer = client.post("comparisons", **body)
    assert answer.status_code == 201, answer.content
    assert generator.wait(20)
    return client.get(f"comparisons/{answer.json()['id']}").json()


def test_a_comparison_through_its_life(echoes: list[ProviderModel], alice: User, api: Api) -> None:
    client = api(alice)
    found = compared(client, echoes, tags=["greeting"], parameters={"temperature": 0.5})
    path = f"comparisons/{found['id']}"
    assert (found["status"], found["is_revealed"], found["tags"]) == ("done", True, ["greeting"])
    assert [column["model_id"] for column in found["columns"]] == [model.pk for model in echoes]
    question, answer = found["columns"][1]["messages"]
    assert (question["content"], answer["content"]) == ("Hi there", "Hi there")
    assert answer["model"] == "Osprey" and answer["ttft_ms"] is not None
    assert found["columns"][1]["parameters"] == {"temperature": 0.5}

    assert client.post(f"{path}/messages", content="and now?").status_code == 200
    assert generator.wait(20)
    assert client.post(f"{path}/again", column=2).status_code == 200
    assert generator.wait(20)
    voted = client.post(f"{path}/votes", outcome="best", best=3, note="Short").json()
    (vote,) = voted["votes"]
    assert (vote["round"], vote["best"], vote["note"], vote["is_blind"]) == (2, 3, "Short", False)
    assert client.post(f"{path}/again", column=2).status_code == 422
    assert client.post(f"{path}/stop").json() == {"stopped": 0}

    changed = client.patch(path, title="Renamed", is_shared=True, tags=[]).json()
    assert (changed["title"], changed["is_shared"], changed["tags"]) == ("Renamed", True, [])
    chat = client.post(f"{path}/chats", column=2)
    assert chat.status_code == 201 and chat.json()["model_id"] == echoes[1].pk
    assert client.get("chat/sessions").json()["count"] == 1
    listed = client.get("comparisons?q=renamed").json()
    assert listed["count"] == 1 and "messages" not in listed["items"][0]["columns"][0]
    assert client.get("comparisons?q=nothing").json()["count"] == 0
    assert client.delete(path).status_code == 204
    assert client.get(path).status_code == 404 and ChatSession.objects.count() == 1


def test_models_with_parameters_of_their_own(
    echoes: list[ProviderModel], alice: User, api: Api
) -> None:
    own = {"model_id": echoes[0].pk, "parameters": {"max_tokens": 1}, "system_prompt": "Short"}
    body = {"prompt": "one two", "models": [own, "echo-2"]}
    found = api(alice).post("comparisons", **body).json()
    assert found["columns"][0]["parameters"] == {"max_tokens": 1}
    assert found["columns"][0]["system_prompt"] == "Short"
    assert found["columns"][1]["model_id"] == echoes[1].pk


@pytest.mark.parametrize(
    "body",
    [
        {"prompt": "Hi"},
        {"prompt": "Hi", "models": []},
        {"prompt": "Hi", "models": ["echo"]},
        {"prompt": "Hi", "models": ["echo"] * 7},
        {"prompt": "Hi", "models": ["echo", "no-such"]},
        {"prompt": "", "models": ["echo", "echo-2"]},
        {"prompt": "Hi", "models": ["echo", "echo-2"], "parameters": {"temperature": 9}},
        {"prompt": "Hi", "models": ["echo", "echo-2"], "tags": ["x" * 41]},
    ],
)
def test_bad_ones_are_refused(
    echoes: list[ProviderModel], alice: User, api: Api, body: dict[str, Any]
) -> None:
    answer = api(alice).post("comparisons", **body)
    assert answer.status_code == 422, answer.content
    assert not Comparison.objects.exists() and not ChatSession.objects.exists()


def test_a_blind_one_tells_nothing_before_the_vote(
    echoes: list[ProviderModel], alice: User, api: Api
) -> None:
    client = api(alice)
    found = compared(client, echoes, is_blind=True)
    path = f"comparisons/{found['id']}"
    told = [
        json.dumps(found),
        *(client.get(f"{path}{rest}").content.decode() for rest in ("", "/difference")),
        client.get("comparisons").content.decode(),
        client.get(f"{path}/export?format=md").content.decode(),
        client.get(f"{path}/export?format=json").content.decode(),
    ]
    for text in told:
        assert not any(model.name in text or model.provider.name in text for model in echoes)
    assert [column["name"] for column in found["columns"]] == ["Model A", "Model B", "Model C"]
    for column in found["columns"]:
        answer = column["messages"][1]
        assert column["model_id"] is column["model"] is column["parameters"] is None
        assert answer["cost"] is answer["tokens"] is answer["duration_ms"] is None
    sessions = ChatSession.objects.values_list("pk", flat=True)
    for session in sessions:
        for rest in ("", "/messages", "/export"):
            assert client.get(f"chat/sessions/{session}{rest}").status_code == 404
    assert client.post(f"{path}/chats", column=1).status_code == 422

    revealed = client.post(f"{path}/votes", outcome="tie").json()
    assert {column["model_id"] for column in revealed["columns"]} == {m.pk for m in echoes}
    assert revealed["votes"][0]["is_blind"] and revealed["votes"][0]["best"] is None
    assert client.post(f"{path}/votes", outcome="tie").status_code == 422


def test_readers_only_read(echoes: list[ProviderModel], alice: User, bob: User, api: Api) -> None:
    found = compared(api(alice), echoes)
    path = f"comparisons/{found['id']}"
    api(alice).patch(path, is_shared=True)
    reader = api(bob)
    assert reader.get(path).json()["owner"] == alice.email
    assert reader.get(f"{path}/export").status_code == 200
    assert reader.get("comparisons").json()["count"] == 0
    assert reader.get("comparisons?shared=true").json()["count"] == 1
    for rest, body in (
        ("messages", {"content": "x"}),
        ("votes", {"outcome": "tie"}),
        ("again", {"column": 1}),
        ("continue", {"column": 1}),
        ("chats", {"column": 1}),
        ("stop", {}),
        ("reveal", {}),
    ):
        assert reader.post(f"{path}/{rest}", **body).status_code == 404, rest
    assert reader.patch(path, title="Mine").status_code == 404
    assert reader.delete(path).status_code == 404
    api(alice).patch(path, is_shared=False)
    assert reader.get(path).status_code == 404


def test_while_it_answers_it_refuses_more(
    echoes: list[ProviderModel], alice: User, api: Api
) -> None:
    client = api(alice)
    body = {"prompt": "/long 900", "models": [model.pk for model in echoes]}
    found = client.post("comparisons", **body).json()
    path = f"comparisons/{found['id']}"
    assert found["status"] == "answering"
    for rest, more in (
        ("messages", {"content": "x"}),
        ("votes", {"outcome": "tie"}),
        ("again", {"column": 1}),
        ("reveal", {}),
        ("chats", {"column": 1}),
    ):
        refused = client.post(f"{path}/{rest}", **more)
        assert (refused.status_code, refused.json()["error"]["code"]) == (409, "still_answering")
    assert client.post(f"{path}/stop").json() == {"stopped": 3}


def test_words_that_differ(echoes: list[ProviderModel], alice: User, api: Api) -> None:
    client = api(alice)
    own = {"model_id": echoes[0].pk, "parameters": {"max_tokens": 2}}
    found = client.post("comparisons", prompt="one two three", models=[own, echoes[1].pk]).json()
    assert generator.wait(20)
    path = f"comparisons/{found['id']}/difference"
    shown = client.get(f"{path}?left=1&right=2").json()
    assert shown["pieces"] == [
        {"kind": "same", "text": "one two"},
        {"kind": "right", "text": " three"},
    ]
    for wrong in ("left=9", "round=2"):
        assert client.get(f"{path}?{wrong}").status_code == 422


def test_the_leaderboard(echoes: list[ProviderModel], alice: User, bob: User, api: Api) -> None:
    for _time in range(2):
        found = compared(api(alice), echoes[:2], tags=["code"], is_blind=True)
        api(alice).post(f"comparisons/{found['id']}/votes", outcome="best", best=1)
    shown = api(bob).get("comparisons/leaderboard").json()
    assert (shown["votes"], shown["blind_votes"], shown["votes_to_be_ranked"]) == (2, 2, 10)
    assert [row["votes"] for row in shown["items"]] == [2, 2]
    assert all(row["rank"] is row["points"] is None for row in shown["items"])
    assert api(bob).get("comparisons/leaderboard?tag=other").json()["votes"] == 0
