"""A few prompts to try the library with, in both languages."""

from accounts.models import User
from prompts.models import Prompt
from prompts.services import create_prompt

PROMPTS = [
    (
        "Summarise for colleagues",
        "Summarise the text below in {{count|5}} short points for {{readers|colleagues}}. "
        "Name open questions last.\n\n{{text}}",
        ["writing"],
    ),
    (
        "Reply to a customer",
        "Write a friendly, factual reply to the message below. Promise nothing that it does not "
        "ask for, and end with one clear next step.\n\n{{message}}",
        ["writing", "support"],
    ),
    (
        "润色并保持语气",
        "请润色下面的文字：保持原意和{{语气|专业而友好}}的语气，改正错别字和病句，"
        "最后列出改动的要点。\n\n{{原文}}",
        ["写作"],
    ),
    (
        "会议纪要",
        "把下面的讨论整理成会议纪要：结论、待办（负责人和期限）、未决问题。\n\n{{讨论}}",
        ["办公", "写作"],
    ),
]


def add_demo_prompts(user: User) -> None:
    """Those that `user` cannot see yet; an administrator's are the whole company's."""
    known = set(Prompt.objects.for_user(user).values_list("title", flat=True))
    for title, text, tags in PROMPTS:
        if title not in known:
            create_prompt(actor=user, title=title, text=text, tags=tags, is_company=user.is_admin)
