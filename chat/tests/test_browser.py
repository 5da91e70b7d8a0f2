"""Chat as a person uses it, in Chromium, with the echo provider."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from accounts.models import User
from chat.models import ChatSession, Message
from chat.rendering import LONG_LINES, MATH_TAGS, render
from chat.tests.test_rendering import HOSTILE, MATH_ATTRIBUTES, WATCHED
from providers.models import ProviderModel

SignIn = Callable[[User], Any]
pytestmark = pytest.mark.browser
SINK = "http://127.0.0.1:9/"


def ask(page: Any, text: str) -> None:
    page.get_by_label("Message", exact=True).fill(text)
    page.keyboard.press("Enter")


def start(page: Any, text: str) -> None:
    page.goto("/chat/")
    ask(page, text)
    page.wait_for_url(re.compile(r"/chat/[0-9a-f-]{36}/"))


def answer(page: Any) -> Any:
    return page.locator(".message-assistant").last


def wait_until_done(page: Any, answers: int = 1) -> None:
    page.wait_for_function(
        """(n) => document.querySelectorAll('.message-assistant .figures').length >= n
            && !document.querySelector('[data-answering]')""",
        arg=answers,
    )


def test_a_chat(echo: ProviderModel, alice: User, sign_in: SignIn) -> None:
    page = sign_in(alice)
    start(page, "Hello **there**\n\n```python\nprint('x')\n```")
    wait_until_done(page)
    assert answer(page).locator("strong").inner_text() == "there"
    assert answer(page).locator(".code-block .nb").inner_text() == "print"
    assert "tokens/s" in answer(page).locator(".figures").inner_text()
    ask(page, "and again")
    wait_until_done(page, 2)
    assert page.get_by_label("Message", exact=True).input_value() == ""
    assert page.locator(".session-link[aria-current]").inner_text() == "Hello there"


def test_enter_does_not_send_while_composing(
    echo: ProviderModel, alice: User, sign_in: SignIn
) -> None:
    page = sign_in(alice)
    page.goto("/chat/")
    box = page.get_by_label("Message", exact=True)
    box.fill("ni hao")
    box.dispatch_event("keydown", {"key": "Enter", "isComposing": True, "bubbles": True})
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("second line")
    assert box.input_value() == "ni hao\nsecond line"
    assert not ChatSession.objects.exists()


def test_reloading_goes_on_where_it_is(echo: ProviderModel, alice: User, sign_in: SignIn) -> None:
    page = sign_in(alice)
    start(page, "/long 60")
    answer(page).get_by_text("Sentence 5 of 60.").wait_for()
    page.reload()
    assert "Sentence 5 of 60." in answer(page).inner_text()
    wait_until_done(page)
    text = answer(page).locator(".answer").inner_text()
    sentences = re.findall(r"Sentence (\d+) of 60\.", text)
    assert sentences == [str(n) for n in range(1, 61)]


def test_twenty_reloads_show_what_an_undisturbed_tab_shows(
    echo: ProviderModel, alice: User, sign_in: SignIn
) -> None:
    calm = sign_in(alice)
    start(calm, "/long 600")
    answer(calm).get_by_text("Sentence 2 of 600.").wait_for()
    page = calm.context.new_page()
    for _time in range(20):
        page.goto(calm.url)
        answer(page).locator("p").first.wait_for()
    assert Message.objects.streaming().exists(), "it has ended before the last reload"
    for each in (calm, page):
        wait_until_done(each)
    shown = [answer(each).locator(".answer").inner_html() for each in (calm, page)]
    assert shown[0] == shown[1]
    assert answer(page).locator(".answer").inner_text().endswith("Sentence 600 of 600.")


def test_a_lost_connection_loses_nothing(echo: ProviderModel, alice: User, sign_in: SignIn) -> None:
    page = sign_in(alice)
    sockets: list[Any] = []

    def through(socket: Any) -> None:
        sockets.append(socket)
        socket.connect_to_server()

    page.route_web_socket(re.compile("/ws/chat/"), through)
    start(page, "/long 60")
    answer(page).get_by_text("Sentence 5 of 60.").wait_for()
    sockets[0].close(code=1012)
    wait_until_done(page)
    sentences = re.findall(r"Sentence (\d+) of 60\.", answer(page).locator(".answer").inner_text())
    assert sentences == [str(n) for n in range(1, 61)] and len(sockets) > 1


def test_a_connection_that_broke_unseen_is_made_again(
    echo: ProviderModel, alice: User, sign_in: SignIn
) -> None:
    """As behind a router that has forgotten it: nothing comes any more, and nothing says so."""
    page = sign_in(alice)
    page.clock.install()
    sockets: list[Any] = []

    def deaf(socket: Any) -> None:
        sockets.append(socket)
        if len(sockets) > 1:
            socket.connect_to_server()

    page.route_web_socket(re.compile("/ws/chat/"), deaf)
    start(page, "/long 30")
    answer(page).wait_for()
    assert len(sockets) == 1
    page.clock.fast_forward(70_000)
    page.clock.fast_forward(2_000)
    wait_until_done(page)
    assert "Sentence 30 of 30." in answer(page).locator(".answer").inner_text()


def test_stopping_from_a_second_tab(echo: ProviderModel, alice: User, sign_in: SignIn) -> None:
    page = sign_in(alice)
    start(page, "/long 900")
    second = page.context.new_page()
    second.goto(page.url)
    second.get_by_text("Sentence 3 of 900.").wait_for()
    second.get_by_role("button", name="Stop").click()
    page.locator(".interruption").wait_for(timeout=5000)
    second.locator(".interruption").wait_for()
    assert second.locator("[data-announce]").inner_text() == "You stopped this answer."
    page.get_by_role("button", name="Continue").click()
    # The echo of the request to go on, which may be over before anybody looks.
    page.locator(".answer", has_text="Continue your last answer").wait_for()
    wait_until_done(page)
    assert Message.objects.get(role="assistant").content.startswith("Sentence 1 of 900.")


def test_thoughts_fold_when_the_answer_begins(
    echo: ProviderModel, alice: User, sign_in: SignIn
) -> None:
    page = sign_in(alice)
    start(page, "/think /long 30")
    thoughts = page.locator("[data-thoughts]")
    thoughts.get_by_text("Thought for").wait_for()
    assert not thoughts.evaluate("element => element.open")
    thoughts.locator("summary").click()
    wait_until_done(page)
    assert thoughts.evaluate("element => element.open")
    assert "The message has 8 characters" in re.sub(r"\s+", " ", thoughts.inner_text())


def test_an_error_says_what_to_do_and_can_be_retried(
    echo: ProviderModel, alice: User, sign_in: SignIn
) -> None:
    page = sign_in(alice)
    start(page, "/error")
    answer(page).get_by_text("The provider is busy").wait_for()
    page.get_by_role("button", name="Try again").click()
    answer(page).get_by_text("2/2").wait_for()
    page.get_by_role("button", name="Earlier version").click()
    answer(page).get_by_text("1/2").wait_for()


def test_changing_a_question(echo: ProviderModel, alice: User, sign_in: SignIn) -> None:
    page = sign_in(alice)
    start(page, "first words")
    wait_until_done(page)
    question = page.locator(".message-user").last
    question.hover()
    question.locator(".edit > summary").click()
    question.get_by_label("Edit your message").fill("other words")
    question.get_by_role("button", name="Ask this instead").click()
    page.locator(".question", has_text="other words").wait_for()
    wait_until_done(page)
    assert answer(page).locator(".answer").inner_text() == "other words"
    page.locator(".message-user").get_by_label("Earlier version").click()
    page.locator(".answer", has_text="first words").wait_for()


def test_a_refused_message_stays_in_the_composer(
    echo: ProviderModel, alice: User, sign_in: SignIn
) -> None:
    page = sign_in(alice)
    start(page, "one")
    wait_until_done(page)
    ProviderModel.objects.update(is_enabled=False)
    ask(page, "not lost")
    page.get_by_text("Choose a model that is available.").wait_for()
    assert page.get_by_label("Message", exact=True).input_value() == "not lost"


def test_who_is_signed_out_is_told_and_loses_nothing(
    echo: ProviderModel, alice: User, sign_in: SignIn
) -> None:
    page = sign_in(alice)
    start(page, "hello")
    wait_until_done(page)
    page.context.clear_cookies()
    ask(page, "a long question")
    page.get_by_text("Load the page again; you may have to sign in.").wait_for()
    assert page.get_by_label("Message", exact=True).input_value() == "a long question"


def test_a_reader_who_scrolled_up_is_left_alone(
    echo: ProviderModel, alice: User, sign_in: SignIn
) -> None:
    page = sign_in(alice)
    start(page, "/long 120")
    answer(page).get_by_text("Sentence 40 of 120.").wait_for()
    page.locator("[data-scroll]").hover()
    page.mouse.wheel(0, -400)
    page.get_by_role("button", name="To the newest text").wait_for()
    place = page.locator("[data-scroll]").evaluate("e => e.scrollTop")
    wait_until_done(page)
    assert page.locator("[data-scroll]").evaluate("e => e.scrollTop") == place
    page.get_by_role("button", name="To the newest text").click()
    page.wait_for_function(
        """() => {
            const place = document.querySelector("[data-scroll]");
            return place.scrollHeight - place.scrollTop - place.clientHeight < 5;
        }"""
    )


def test_managing_sessions(echo: ProviderModel, alice: User, sign_in: SignIn) -> None:
    page = sign_in(alice)
    start(page, "to be renamed")
    wait_until_done(page)
    page.locator(".session-row").hover()
    page.locator(".session-row summary").click()
    page.locator(".session-row").get_by_role("button", name="Rename").click()
    page.get_by_label("Title").fill("新名称")
    page.get_by_role("dialog").get_by_role("button", name="Rename").click()
    page.locator("h1", has_text="新名称").wait_for()
    page.get_by_label("Search chats").fill("no such words")
    page.get_by_text("No chat contains all of this.").wait_for()
    page.get_by_label("Search chats").fill("renamed")
    page.locator(".found-link", has_text="新名称").wait_for()
    page.get_by_label("Actions", exact=True).click()
    places = [page.url]

    def answer_late(route: Any) -> None:
        """The page's socket learns of it before the answer is there, and must not go elsewhere."""
        redirect = route.fetch(max_redirects=0)
        page.wait_for_timeout(1000)
        places.append(page.url)
        route.fulfill(response=redirect)

    page.route("**/delete/", answer_late)
    page.locator(".conversation-head").get_by_role("button", name="Delete").click()
    page.get_by_text("The chat is deleted.").wait_for()
    assert len(places) == 2 and places[0] == places[1]
    assert not ChatSession.objects.for_user(alice).exists()


def test_copying(echo: ProviderModel, alice: User, sign_in: SignIn) -> None:
    page = sign_in(alice)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    start(page, "Some **bold**\n\n```sh\nls -l\n```")
    wait_until_done(page)
    answer(page).locator("[data-copy-code]").click()
    page.get_by_text("Copied").first.wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "ls -l\n"
    answer(page).locator("[data-copy-message]").click()
    page.wait_for_function(
        "() => navigator.clipboard.readText().then(t => t.startsWith('Some **bold**'))"
    )


def test_an_answer_that_was_watched_looks_like_one_that_is_loaded(
    session: ChatSession, alice: User, sign_in: SignIn
) -> None:
    """Its blocks stay in the page when it ends: the same elements, none of them drawn anew."""
    page = sign_in(alice)
    page.goto(f"/chat/{session.pk}/")
    page.evaluate(
        """() => new MutationObserver(() => {
            const first = document.querySelector("[data-settled] > h2");
            if (first) first.dataset.stayed = "yes";
        }).observe(document.querySelector("[data-turns]"), { childList: true, subtree: true })"""
    )
    ask(page, WATCHED)
    wait_until_done(page)
    assert answer(page).locator(".answer h2[data-stayed]").count() == 1
    assert answer(page).locator("math").count() == len(re.findall("<math", render(WATCHED)))
    read = "() => document.querySelector('.answer').innerText.replace(/\\s+/g, ' ').trim()"
    watched = page.evaluate(read)
    page.reload()
    assert page.evaluate(read) == watched


def test_formulas_are_drawn(session: ChatSession, alice: User, sign_in: SignIn) -> None:
    page = sign_in(alice)
    page.goto(f"/chat/{session.pk}/")
    ask(
        page,
        "$$\n\\frac{a}{b}\n$$\n\ncosts $5 and $6, $\\frac{1}{$ stays\n\n"
        "$$\\begin{aligned} q &= 1 \\\\ xxxxxxxxxxxx &= 2 \\end{aligned}$$",
    )
    wait_until_done(page)
    bar = answer(page).locator(".formula mfrac")
    above, below = (bar.locator(f"mi:text('{letter}')").bounding_box() for letter in "ab")
    assert above["y"] + above["height"] <= below["y"]
    # The first column ends where the second begins: in Chromium that is our doing.
    places = (answer(page).locator(f"mtr:first-child {at}").first for at in ("mi", "mo"))
    letter, sign = (place.bounding_box() for place in places)
    assert sign["x"] - letter["x"] < letter["width"] * 3
    assert "costs $5 and $6, $\\frac{1}{$ stays" in answer(page).locator(".answer").inner_text()


def test_long_code_is_folded(session: ChatSession, alice: User, sign_in: SignIn) -> None:
    lines = [f"line {number}" for number in range(1, LONG_LINES + 11)]
    page = sign_in(alice)
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(f"/chat/{session.pk}/")
    ask(page, "```text\n" + "\n".join(lines) + "\n```\n\nThe end.")
    wait_until_done(page)
    block = answer(page).locator(".code-block")
    # Who watched it being written goes on reading.
    block.get_by_role("button", name="Show less", expanded=True).wait_for()
    page.reload()
    unfold = block.get_by_role("button", name=f"Show all {len(lines)} lines")
    code = block.locator("pre")
    assert code.evaluate("e => e.scrollHeight > e.clientHeight")
    block.locator("[data-copy-code]").click()
    page.get_by_text("Copied").first.wait_for()
    assert page.evaluate("navigator.clipboard.readText()") == "\n".join(lines) + "\n"
    unfold.click()
    assert code.evaluate("e => e.scrollHeight <= e.clientHeight")
    block.get_by_role("button", name="Show less").click()
    unfold.wait_for()


def test_wide_things_scroll_in_themselves(
    session: ChatSession, alice: User, sign_in: SignIn
) -> None:
    page = sign_in(alice)
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto(f"/chat/{session.pk}/")
    row = "| " + " | ".join(f"column{n}" for n in range(30)) + " |"
    wide = f"{row}\n|{'---|' * 30}\n{row}\n\n$$\n{'x+' * 120}x\n$$\n\n${'y+' * 60}y$\n\n"
    ask(page, wide + "```\n" + "code " * 100 + "\n```\n\n- $" + "z+" * 60 + "z$")
    wait_until_done(page)
    scroller = page.locator("[data-scroll]")
    assert scroller.evaluate("e => e.scrollWidth <= e.clientWidth")
    assert page.evaluate("() => document.documentElement.scrollWidth") <= 390
    for place in (".table-scroll", ".formula", "pre", "p:has(math)", "ul"):
        inside = answer(page).locator(f".answer {place}").first
        assert inside.evaluate("e => e.scrollWidth > e.clientWidth")


def test_what_a_model_writes_cannot_act(session: ChatSession, alice: User, sign_in: SignIn) -> None:
    """While it streams and when it is rendered: no script, no request elsewhere, no hx-*."""
    page = sign_in(alice)
    foreign: list[str] = []
    page.on(
        "request",
        lambda request: (
            foreign.append(request.url) if "//sink" in request.url or SINK in request.url else None
        ),
    )
    page.on("dialog", lambda dialog: foreign.append(dialog.message))
    page.goto(f"/chat/{session.pk}/")
    text = "\n\n".join(HOSTILE) + f"\n\n![x]({SINK}?q=SECRET) <img src={SINK}>"
    ask(page, text)
    wait_until_done(page)
    page.reload()
    page.wait_for_timeout(300)
    found = page.evaluate(
        """() => [...document.querySelectorAll('.answer *')].flatMap((element) =>
            element.getAttributeNames().map((name) => [element.localName, name,
                element.getAttribute(name)]))"""
    )
    own_button = {"type", "data-copy-code"}
    known = {"href", "rel", "class", "align", "start", "title"} | own_button
    assert any(tag in MATH_TAGS for tag, _name, _value in found)
    for tag, name, value in found:
        assert name in (MATH_ATTRIBUTES if tag in MATH_TAGS else known)
        assert name != "href" or re.match("https?://|mailto:", value)
    assert page.locator(".answer :is(script, img, iframe, form, svg, style, link)").count() == 0
    assert foreign == []
    kept = page.evaluate("[...Object.keys(localStorage), ...Object.keys(sessionStorage)]")
    assert kept == ["htmx-current-path-for-history"]


def test_reading_and_writing_without_scripts(
    echo: ProviderModel, alice: User, chromium: Any, live_url: str, sign_in: SignIn
) -> None:
    cookies = sign_in(alice).context.cookies()
    context = chromium.new_context(base_url=live_url, java_script_enabled=False)
    context.add_cookies(cookies)
    page = context.new_page()
    page.goto("/chat/")
    page.get_by_label("Message", exact=True).fill("plain **form**")
    page.get_by_role("button", name="Send").click()
    page.wait_for_url(re.compile(r"/chat/[0-9a-f-]{36}/"))
    for _attempt in range(20):
        page.reload()
        if page.locator(".figures").count():
            break
    assert page.locator(".answer strong").inner_text() == "form"
    context.close()


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_it_is_accessible(session: ChatSession, alice: User, sign_in: SignIn, theme: str) -> None:
    from axe_playwright_python.sync_playwright import Axe

    User.objects.filter(pk=alice.pk).update(theme=theme)
    page = sign_in(alice)
    page.goto(f"/chat/{session.pk}/")
    ask(page, "/think Hello\n\n```python\ndef f(x): return 'text', 1  # why\n```\n\n- [x] done")
    wait_until_done(page)
    page.get_by_role("button", name="Settings").click()
    violations = Axe().run(page).response["violations"]
    assert [(v["id"], [n["html"] for n in v["nodes"]]) for v in violations] == []
