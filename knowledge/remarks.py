"""What a search could not do, as a sentence."""

from django.utils.translation import gettext as _

from knowledge.types import Remark


def told(remark: Remark) -> str:
    texts = {
        "unavailable": _("“%(base)s” cannot be searched now."),
        "words_only": _("“%(base)s” was searched by words only: %(why)s"),
        "no_model": _("“%(base)s” has no embedding model, so it was searched by words."),
        "rerank_failed": _("Passages of “%(base)s” were not reranked: %(why)s"),
        "still_indexing": _("The newest passages of “%(base)s” cannot be found yet."),
        "not_ready": _("“%(base)s”: %(ready)d of %(total)d documents are ready."),
    }
    return texts[remark.code] % {"base": remark.base_name, **remark.params}
