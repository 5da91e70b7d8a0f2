"""Files of a comparison's question: to every column, seen by its readers, taken along again."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from accounts.models import User
from chat import comparing
from chat.columns import sides_of
from chat.comparison_exporting import exported
from chat.generation import generator
from chat.models import Attachment, Comparison
from chat.tests.test_attachments import keep, picture
from chat.tests.test_comparing import fresh, said, start
from chat.tests.test_comparison_browser import column, wait_until_done
from conftest import ApiClient
from providers.models import ProviderModel

ClientFor = Callable[[User], Client]


@pytest.fixture
def seeing(echoes: list[ProviderModel]) -> list[ProviderModel]:
    """The second of them reads no images."""
    for model in (echoes[0], echoes[2]):
        model.types = ["chat", "vision"]
        model.save()
    return echoes


def files_of(comparison: Comparison, at: int) -> list[list[Attachment]]:
    sides = sides_of(fresh(comparison))
    return [list(side.turns[at].message.attachments.all()) for side in sides]


def test_every_column_has_files_of_its_own(seeing: list[ProviderModel], alice: User) -> None:
    text, image = keep(alice, b"# Plan", "plan.md"), keep(alice, picture(), "red.png")
    on_disk = text.folder.parent
    before = set(on_disk.iterdir()) - {text.folder, image.folder}
    found = start(alice, seeing, "", attachments=[text.pk])
    assert found.title == "plan.md" and all("# Plan" in each[1] for each in said(found))
    comparing.ask_all(comparison=found, actor=alice, content="And?", attachments=[image.pk])
    assert generator.wait(20)
    names = [[file.name for file in files] for files in files_of(found, 2)]
    assert names == [["red.png"]] * 3
    contents = {file.content.read_bytes() for (file,) in files_of(found, 2)}
    assert len(contents) == 1 and Attachment.objects.count() == 6
    folders = set(on_disk.iterdir()) - before
    assert folders == {file.folder for file in Attachment.objects.all()}, "none of the refused one"
    codes = [side.answer.error_code for side in sides_of(fresh(found)) if side.answer]
    assert codes == ["", "no_vision", ""]
    assert "- File: red.png" in exported(fresh(found), "md")
    assert json.loads(exported(fresh(found), "json"))["columns"][2]["messages"][2]["attachments"]
    comparing.delete(comparison=fresh(found), actor=alice)
    assert not Attachment.objects.exists()


def test_a_question_that_nobody_takes_leaves_the_files(
    echoes: list[ProviderModel], alice: User
) -> None:
    image = keep(alice, picture())
    with pytest.raises(ValidationError, match="does not read images"):
        start(alice, echoes, "What is it?", attachments=[image.pk])
    assert Attachment.objects.get().message is None and not Comparison.objects.exists()


def test_readers_see_them_while_it_is_shared(
    seeing: list[ProviderModel], alice: User, bob: User, client_for: ClientFor
) -> None:
    found = start(alice, seeing, "Look", attachments=[keep(alice, picture()).pk])
    ((file,), *_others) = files_of(found, 0)
    address, reader = f"/chat/attachments/{file.pk}/", client_for(bob)
    api = f"/api/v1/chat/attachments/{file.pk}"
    assert [reader.get(path).status_code for path in (address, f"{api}/content")] == [404, 404]
    comparing.change(comparison=found, actor=alice, is_shared=True)
    assert [reader.get(path).status_code for path in (address, f"{api}/content")] == [200, 200]
    assert address in reader.get(f"/compare/{found.pk}/").content.decode()
    assert reader.delete(api).status_code in (403, 404) and fresh(found)
    # Whoever compares again sends a copy that is theirs.
    page = reader.get(f"/compare/?from={found.pk}").content.decode()
    assert f'name="attachments" value="{file.pk}"' in page
    body = {"content": "Again", "a-model": seeing[0].pk, "b-model": seeing[2].pk}
    reader.post("/compare/", {**body, "attachments": file.pk})
    assert generator.wait(20)
    copied = files_of(Comparison.objects.get(owner=bob), 0)
    assert [file.owner for (file,) in copied] == [bob, bob] and files_of(found, 0)[0] == [file]
    comparing.change(comparison=fresh(found), actor=alice, is_shared=False)
    assert reader.get(address).status_code == 404


def test_without_scripts_and_through_the_api(
    seeing: list[ProviderModel], alice: User, client_for: ClientFor, api: Callable[..., ApiClient]
) -> None:
    body = {"content": "", "a-model": seeing[0].pk, "b-model": seeing[1].pk}
    refused = client_for(alice).post(
        "/compare/", {**body, "b-model": "", "files": SimpleUploadedFile("plan.md", b"# Plan")}
    )
    kept = Attachment.objects.get()
    assert refused.status_code == 422 and f'value="{kept.pk}"' in refused.content.decode()
    client_for(alice).post("/compare/", {**body, "attachments": kept.pk})
    assert generator.wait(20)
    found = Comparison.objects.get()
    more = SimpleUploadedFile("more.md", b"# More")
    client_for(alice).post(f"/compare/{found.pk}/messages/", {"content": "", "files": more})
    assert generator.wait(20)
    assert [[file.name for file in files] for files in files_of(found, 2)] == [["more.md"]] * 2
    sent = keep(alice, b"# Third", "third.md")
    path = f"comparisons/{found.pk}/messages"
    assert api(alice).post(path, content="", attachments=[str(sent.pk)]).status_code == 200
    assert api(alice).post(path, content="").status_code in (409, 422)
    assert generator.wait(20)
    assert [len(files) for files in files_of(found, 4)] == [1, 1]


@pytest.mark.browser
def test_in_chromium(
    seeing: list[ProviderModel], alice: User, sign_in: Callable[[User], Any]
) -> None:
    page = sign_in(alice)
    page.goto("/compare/")
    picked = {"name": "red.png", "mimeType": "image/png", "buffer": picture()}
    page.locator("[data-files]").set_input_files(picked)
    page.locator("[data-chips] input[name=attachments]").wait_for(state="attached")
    for letter, model in zip("ab", (seeing[0], seeing[2]), strict=True):
        page.locator(f"#id_{letter}-model").select_option(str(model.pk))
    assert not page.locator("[data-no-vision]").is_visible()
    page.locator("#id_b-model").select_option(str(seeing[1].pk))
    page.locator("[data-no-vision]").wait_for()
    page.get_by_role("button", name="Compare", exact=True).click()
    page.wait_for_url(re.compile(r"/compare/[0-9a-f-]{36}/"))
    wait_until_done(page, 2)
    column(page, 2).get_by_text("This model does not read images.").wait_for()
    for number in (1, 2):
        assert column(page, number).locator(".message-user img").get_attribute("alt") == "red.png"
    page.locator("[data-files]").set_input_files(
        {"name": "plan.md", "mimeType": "text/markdown", "buffer": b"# Plan"}
    )
    page.locator("[data-chips] input[name=attachments]").wait_for(state="attached")
    page.get_by_label("Message", exact=True).press("Enter")
    wait_until_done(page, 4)
    assert page.locator("[data-chips] [data-chip]").count() == 0
    column(page, 2).locator(".message-user .chip", has_text="plan.md").wait_for()
