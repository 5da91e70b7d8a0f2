"""Downloads of base models from a hub on this machine that speaks the hubs' own wire formats."""

import json
import shutil
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import connections
from django.test import Client

from accounts.models import AuditEvent, User
from training import base_models
from training.models import BaseModel, Hub, HubToken, ModelFetch, Reason, Workload
from training.shim.process import Runner
from training.tests.conftest import RUNNER
from training.tests.hub_server import COMMIT, HubServer
from training.tests.rows import make_base_model
from training.tests.test_shim import is_in, processes, turn, until

Api = Callable[[User], Any]
ClientFor = Callable[[User], Client]
TOKEN = "hf_canary_0123456789"


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """Files as a repository has them, 300 kB of weights; nothing that could be loaded."""
    folder = tmp_path / "repository"
    folder.mkdir()
    (folder / "config.json").write_text('{"architectures": ["A"]}')
    (folder / "model.safetensors").write_bytes(bytes(range(250)) * 1200)
    return folder


@pytest.fixture
def transfer(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The module as its process sees it: with its neighbours on the path."""
    monkeypatch.syspath_prepend(str(RUNNER))
    before = set(sys.modules)
    import transfer as module  # type: ignore[import-not-found]

    yield module
    for name in set(sys.modules) - before:
        if name in ("transfer", "model_files"):
            del sys.modules[name]


def remote(transfer: Any, hub: HubServer, **changes: Any) -> Any:
    file = hub.state.folder / "model.safetensors"
    from training.tests.hub_server import sha256

    known = {"name": file.name, "url": f"{hub.url}/cdn/{file.name}"}
    known |= {"size": file.stat().st_size, "sha256": sha256(file)} | changes
    return transfer.RemoteFile(**known)


def test_a_broken_connection_goes_on_where_it_broke(
    transfer: Any, small: Path, tmp_path: Path
) -> None:
    with HubServer(small) as hub:
        hub.state.cuts = [1, 100_000, 0, 50_000]
        said: list[str] = []
        bring = transfer.Transfer(
            tmp_path, [remote(transfer, hub)], pauses_s=(0.01, 0.01), on_retry=said.append
        )
        bring.run()
        assert hub.state.ranges("model.safetensors") == [
            *("", "bytes=1-", "bytes=100001-", "bytes=100001-", "bytes=150001-"),
        ]
    assert (tmp_path / "model.safetensors").read_bytes() == (
        small / "model.safetensors"
    ).read_bytes()
    assert bring.received == bring.total == 300_000
    assert len(said) == 4
    assert not list(tmp_path.glob("*.part"))


def test_tries_that_bring_nothing_end(transfer: Any, small: Path, tmp_path: Path) -> None:
    with HubServer(small) as hub:
        hub.state.cuts = [10, 0, 0, 0, 0, 0]
        bring = transfer.Transfer(tmp_path, [remote(transfer, hub)], pauses_s=(0.01, 0.01))
        with pytest.raises(Exception, match="unreachable") as refused:
            bring.run()
        assert refused.value.code == "unreachable"
        assert (tmp_path / "model.safetensors.part").stat().st_size == 10
        hub.state.cuts = []
        again = transfer.Transfer(tmp_path, [remote(transfer, hub)])
        again.look()
        assert again.received == 10
        again.run()
        assert hub.state.ranges("model.safetensors")[-1] == "bytes=10-"


def test_a_wrong_checksum_leaves_nothing(transfer: Any, small: Path, tmp_path: Path) -> None:
    with HubServer(small) as hub:
        wrong = remote(transfer, hub, sha256="0" * 64)
        with pytest.raises(Exception, match="checksum"):
            transfer.Transfer(tmp_path, [wrong]).run()
    assert not (tmp_path / "model.safetensors").exists()
    assert not list(tmp_path.glob("*.part"))


def test_a_part_of_something_longer_is_thrown_away(
    transfer: Any, small: Path, tmp_path: Path
) -> None:
    (tmp_path / "model.safetensors.part").write_bytes(bytes(400_000))
    with HubServer(small) as hub:
        transfer.Transfer(tmp_path, [remote(transfer, hub)]).run()
        assert hub.state.ranges("model.safetensors") == [""]


# --- People --------------------------------------------------------------------------------------


def test_a_hubs_model_is_not_ready_and_its_download_waits(alice: User, api: Api) -> None:
    made = api(alice).post(
        "training/base-models", name="q", hub_id="Qwen/Qwen3-8B", hub="modelscope", revision="v1"
    )
    assert made.status_code == 201
    found = made.json()
    assert not found["is_ready"]
    assert (found["hub"], found["revision"]) == ("modelscope", "v1")
    assert found["download"]["status"] == "pending"
    pk = found["id"]
    assert api(alice).post(f"training/base-models/{pk}/download").status_code == 409
    cancelled = api(alice).post(f"training/base-models/{pk}/cancel")
    assert cancelled.status_code == 202
    assert cancelled.json()["download"]["status"] == "stopped"
    assert api(alice).post(f"training/base-models/{pk}/cancel").status_code == 409
    again = api(alice).post(f"training/base-models/{pk}/download").json()
    assert again["download"]["status"] == "pending"
    assert api(alice).delete(f"training/base-models/{pk}").status_code == 409
    api(alice).post(f"training/base-models/{pk}/cancel")
    assert api(alice).delete(f"training/base-models/{pk}").status_code == 204
    events = AuditEvent.objects.filter(action__startswith="base_model.").order_by("pk")
    told = list(events.values_list("action", flat=True))
    assert told == [
        *("base_model.create", "base_model.cancel", "base_model.download", "base_model.cancel"),
        "base_model.delete",
    ]


@pytest.mark.parametrize(
    ("fields", "blamed"),
    [
        ({"hub_id": "a/b", "hub": "elsewhere"}, "hub"),
        ({"hub_id": "a/b", "revision": "../x"}, "revision"),
        ({"hub_id": "a/b", "revision": "-x"}, "revision"),
        ({"hub_id": "a/b/c"}, "hub_id"),
        ({"hub_id": "a/b", "path": "/x"}, "path"),
    ],
)
def test_a_bad_id_is_refused_at_its_field(
    alice: User, api: Api, fields: dict[str, str], blamed: str
) -> None:
    refused = api(alice)._send("post", "training/base-models", {"name": "x"} | fields)
    assert refused.status_code == 422
    assert list(refused.json()["error"]["fields"]) == [blamed]


def test_nobody_takes_what_somebody_else_was_let_in_to(
    alice: User, bob: User, admin_user: User, tmp_path: Path, settings: Any
) -> None:
    """Downloads lie in one place, but each belongs to whoever may see the model."""
    settings.BASE_MODEL_ROOTS = [str(tmp_path)]
    fetched, own = tmp_path / "hub" / "12-gated--model", tmp_path / "alices"
    make_base_model(name="hers", owner=alice, path=str(own))
    for folder in (fetched, own):
        with pytest.raises(ValidationError) as refused:
            base_models._check_it_is_nobodys(folder, bob)
        assert refused.value.message_dict.keys() == {"path"}
        base_models._check_it_is_nobodys(folder, admin_user)
    base_models._check_it_is_nobodys(own, alice)
    base_models._check_it_is_nobodys(tmp_path / "anybodys", bob)


def test_strangers_read_what_is_shared_and_change_nothing(
    alice: User, admin_user: User, api: Api
) -> None:
    shared = make_base_model(name="everyone's")
    assert api(alice).get(f"training/base-models/{shared.pk}").status_code == 200
    assert api(alice).patch(f"training/base-models/{shared.pk}", name="mine").status_code == 404
    assert api(alice).delete(f"training/base-models/{shared.pk}").status_code == 404
    changed = api(admin_user).patch(f"training/base-models/{shared.pk}", template="qwen")
    assert (changed.json()["name"], changed.json()["template"]) == ("everyone's", "qwen")
    bad = api(admin_user).patch(f"training/base-models/{shared.pk}", template="nosuch")
    assert list(bad.json()["error"]["fields"]) == ["template"]


def test_a_token_is_kept_encrypted_and_never_shown(
    alice: User, bob: User, api: Api, client_for: ClientFor
) -> None:
    kept = api(alice)._send("put", "training/hub-tokens/huggingface", {"token": TOKEN})
    assert kept.json()["hint"] == "…6789"
    row = HubToken.objects.get()
    assert TOKEN not in row.credential and row.token == TOKEN
    page = client_for(alice).get("/models/tokens/").content.decode()
    assert "…6789" in page and TOKEN not in page
    assert TOKEN not in str(list(AuditEvent.objects.values()))
    assert api(bob).get("training/hub-tokens").json() == []
    assert api(bob).delete("training/hub-tokens/huggingface").status_code == 404
    bad = api(alice)._send("put", "training/hub-tokens/huggingface", {"token": "with spaces in it"})
    assert list(bad.json()["error"]["fields"]) == ["token"]
    elsewhere = api(alice)._send("put", "training/hub-tokens/nosuch", {"token": TOKEN})
    assert list(elsewhere.json()["error"]["fields"]) == ["hub"]
    assert api(alice).delete("training/hub-tokens/huggingface").status_code == 204
    assert not HubToken.objects.exists()


def test_whose_token_a_download_shows(alice: User, bob: User, settings: Any) -> None:
    settings.HF_TOKEN = "hf_of_the_platform"
    base_models.set_hub_token(owner=alice, hub=Hub.HUGGING_FACE, token=TOKEN)
    assert base_models.hub_token(alice, Hub.HUGGING_FACE) == TOKEN
    assert base_models.hub_token(bob, Hub.HUGGING_FACE) == "hf_of_the_platform"
    assert base_models.hub_token(alice, Hub.MODELSCOPE) == ""


@pytest.mark.parametrize(
    ("detail", "said"),
    [
        ("no_access: acme/tiny", "wants a token"),
        ("unreachable: acme/tiny (ConnectError)", "cannot be reached"),
        ("code: modeling.py", "bring code of their own"),
        ("ValueError: odd", "ValueError: odd"),
    ],
)
def test_the_page_says_why_it_failed(
    alice: User, client_for: ClientFor, detail: str, said: str
) -> None:
    model = make_base_model(alice, is_ready=False)
    ModelFetch.objects.create(
        owner=alice, name="x", base_model=model, status="failed", reason=Reason.MODEL, detail=detail
    )
    page = client_for(alice).get(f"/models/base/{model.pk}/").content.decode()
    assert said in page
    assert "Try again" in page


def test_the_page_follows_a_download(alice: User, client_for: ClientFor) -> None:
    model = make_base_model(alice, is_ready=False)
    ModelFetch.objects.create(
        **{"owner": alice, "name": "x", "base_model": model, "status": "running", "desired": "run"},
        **{"step": 1024 * 1024, "max_steps": 4 * 1024 * 1024, "step_s": 0.0001},
    )
    part = client_for(alice).get(f"/models/base/{model.pk}/", headers={"HX-Request": "true"})
    text = part.content.decode().replace("\xa0", " ")
    assert "1.0 GB of 4.0 GB (25 %)" in text
    assert "about 5 min 15 s left" in text
    assert "<html" not in text and 'hx-trigger="every 2s"' in text


# --- The real runner, under the real shim --------------------------------------------------------


@pytest.fixture
def hub(
    tiny_model: Path, training_python: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[HubServer]:
    """Weights come from another host, as from the hubs' storage."""
    folder = tmp_path / "repository"
    shutil.copytree(tiny_model, folder)
    (folder / "README.md").write_text("---\nlicense: apache-2.0\n---\n")
    (folder / "pytorch_model.bin").write_bytes(b"never fetched")
    with HubServer(folder) as server:
        server.state.cdn = server.url.replace("127.0.0.1", "localhost")
        monkeypatch.setenv("HF_ENDPOINT", server.url)
        monkeypatch.setenv("MODELSCOPE_ENDPOINT", server.url)
        yield server
    connections.close_all()
    for process in processes():
        process.kill()


def fetched(owner: User, **fields: Any) -> tuple[BaseModel, ModelFetch]:
    model = base_models.register_base_model(
        actor=owner, name="tiny", hub_id="acme/tiny", template="qwen", **fields
    )
    fetch = model.fetch
    assert fetch is not None
    return model, fetch


@pytest.mark.training
@pytest.mark.xdist_group("training")
@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("ignore::celery.exceptions.AlwaysEagerIgnored")
def test_a_download_survives_a_kill_and_becomes_ready(alice: User, hub: HubServer) -> None:
    base_models.set_hub_token(owner=alice, hub=Hub.HUGGING_FACE, token=TOKEN)
    hub.state.token, hub.state.gate = TOKEN, threading.Event()
    model, fetch = fetched(alice, revision="v1")
    half = (hub.state.folder / "model.safetensors").stat().st_size // 2
    until(fetch, lambda row: row.received_bytes > half)
    runner = Runner(fetch.folder / "attempt-1")
    runner.signal(signal.SIGKILL)
    until(fetch, is_in("failed"))
    assert fetch.reason == Reason.KILLED
    model.refresh_from_db()
    assert not model.is_ready and not model.path
    [part] = base_models.fetched_folder(model).parent.glob(".*/model.safetensors.part")
    held = part.stat().st_size
    assert 0 < held <= half
    hub.state.gate.set()

    again = base_models.start_fetch(base_model=model, actor=alice)
    until(again, is_in("success", "failed"))
    assert again.state == "success", again.detail
    assert hub.state.ranges("model.safetensors") == ["", f"bytes={held}-"]
    model.refresh_from_db()
    assert model.is_ready and model.commit == COMMIT and model.licence == "apache-2.0"
    assert model.parameters and model.context_tokens == 2048
    whole = Path(model.path) / "model.safetensors"
    assert whole.read_bytes() == (hub.state.folder / "model.safetensors").read_bytes()
    assert not (Path(model.path) / "pytorch_model.bin").exists()
    # The token goes to the hub alone, and lies in no file.
    elsewhere = [row for row in hub.state.requests if row["path"].startswith("/cdn/")]
    assert elsewhere and all(not row["authorization"] for row in elsewhere)
    files = [file for each in (fetch, again) for file in each.folder.rglob("*") if file.is_file()]
    assert files and all(TOKEN.encode() not in file.read_bytes() for file in files)
    base_models.delete_base_model(base_model=model, actor=alice)
    assert not whole.parent.exists()


@pytest.mark.training
@pytest.mark.xdist_group("training")
@pytest.mark.django_db(transaction=True)
@pytest.mark.filterwarnings("ignore::celery.exceptions.AlwaysEagerIgnored")
def test_what_a_hub_can_refuse_and_what_cannot_be_loaded(alice: User, hub: HubServer) -> None:
    """Several at a time: cancelled, without a token, with code, with weights missing; and one of
    ModelScope that arrives."""
    hub.state.gate = threading.Event()
    cancelled, waiting = fetched(alice)
    until(waiting, lambda row: row.step > 0)
    base_models.cancel(base_model=cancelled, actor=alice)
    until(waiting, is_in("stopped"))
    hub.state.gate.set()
    hub.state.gate = None

    _gone, fetch = fetched(alice, revision="nosuch")
    until(fetch, is_in("success", "failed"))
    assert fetch.detail == "no_revision: nosuch"

    config = hub.state.folder / "config.json"
    known = json.loads(config.read_text())
    more = {"num_hidden_layers": 3, "layer_types": ["full_attention"] * 3}
    config.write_text(json.dumps(known | more))
    short, fetch = fetched(alice)
    until(fetch, is_in("success", "failed"))
    assert fetch.reason == Reason.MODEL and fetch.detail.startswith("incomplete: ")
    short.refresh_from_db()
    assert not short.is_ready and not short.path

    hub.state.requests.clear()
    config.write_text(json.dumps(known | {"auto_map": {"AutoModel": "a.B"}}))
    _coded, fetch = fetched(alice, hub=Hub.MODELSCOPE)
    until(fetch, is_in("success", "failed"))
    assert fetch.detail == "code: config.json"
    assert hub.state.ranges("model.safetensors") == []

    config.write_text(json.dumps(known))
    good, fetch = fetched(alice, hub=Hub.MODELSCOPE)
    until(fetch, is_in("success", "failed"))
    assert fetch.state == "success", fetch.detail
    good.refresh_from_db()
    assert good.is_ready and (Path(good.path) / "tokenizer.json").is_file()
    hub.state.token = "another"
    _private, fetch = fetched(alice)
    until(fetch, is_in("success", "failed"))
    assert fetch.detail == "no_access: acme/tiny"
    assert not Workload.objects.active().exists()
    turn()
    assert settings.BASE_MODEL_ROOTS
