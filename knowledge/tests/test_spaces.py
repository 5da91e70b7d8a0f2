"""Embedding models of a base: blue and green, what is away, what went worse."""

from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ValidationError

from accounts.models import User
from knowledge import assessing, bases, finding, queues
from knowledge.models import Base, Document, DocumentStatus, SpaceStatus, Vector
from knowledge.tests.conftest import Ingested
from knowledge.tests.meaning import MeaningServer
from providers.models import CallRecord, ProviderModel

pytestmark = pytest.mark.django_db(transaction=True)

WARRANTY = "The warranty lasts two years."
COLOURS = "The colours are red and blue."
QUESTION = "guarantee"
MakeModel = Callable[..., ProviderModel]
Work = Callable[[], int]


def _search(base: Base, question: str = QUESTION, **changed: Any) -> Any:
    base = Base.objects.get(pk=base.pk)
    settings = finding.Settings.of(base, **changed)
    return finding.find_in(base, question, user=base.owner, settings=settings)


def _texts(found: Any) -> list[str]:
    return [passage.text for passage in found.passages]


def test_the_former_index_answers_until_the_new_one_is_built(
    base: Base, ingested: Ingested, make_model: MakeModel, work: Work, alice: User
) -> None:
    ingested(WARRANTY)
    ingested(COLOURS, "colours.txt")
    assert _texts(_search(base)) == [], "no word of the question is in a text"
    new = bases.change_embedding_model(base=base, model=make_model(), actor=alice)
    assert _texts(_search(base, "warranty")) == [WARRANTY]
    work()
    new.refresh_from_db()
    assert (new.status, new.dimension, new.done, new.total) == (SpaceStatus.LIVE, 64, 2, 2)
    assert Vector.objects.filter(space=new).count() == 2
    found = _search(base)
    assert _texts(found)[0] == WARRANTY
    stages = found.passages[0].stages
    assert stages.dense_rank == 1 and stages.lexical_rank is None
    assert {row.user for row in CallRecord.objects.all()} == {alice}
    assert base.spaces.filter(status=SpaceStatus.RETIRED).count() == 1


def test_another_dimension_breaks_no_search(
    base: Base, ingested: Ingested, make_model: MakeModel, meaning: MeaningServer, work: Work
) -> None:
    ingested(WARRANTY)
    bases.change_embedding_model(base=base, model=make_model(), actor=base.owner)
    work()
    assert _texts(_search(base)) == [WARRANTY]
    meaning.dimension = 96
    bases.change_embedding_model(base=base, model=make_model(name="wider"), actor=base.owner)
    meaning.dimension = 64
    assert _texts(_search(base)) == [WARRANTY]
    meaning.dimension = 96
    work()
    assert Base.objects.get(pk=base.pk).live_space.dimension == 96  # type: ignore[union-attr]
    assert _texts(_search(base)) == [WARRANTY]


def test_a_document_that_comes_while_an_index_is_built_is_in_it(
    base: Base, ingested: Ingested, make_model: MakeModel
) -> None:
    ingested(WARRANTY)
    bases.change_embedding_model(base=base, model=make_model(), actor=base.owner)
    ingested(COLOURS, "colours.txt")
    space = Base.objects.get(pk=base.pk).live_space
    assert space is not None and Vector.objects.filter(space=space).count() == 2


def test_with_the_model_away_words_are_searched_and_it_is_said(
    base: Base, ingested: Ingested, make_model: MakeModel, meaning: MeaningServer, work: Work
) -> None:
    bases.change_embedding_model(base=base, model=make_model(), actor=base.owner)
    ingested(WARRANTY)
    work()
    meaning.mode = "401"
    found = _search(base, "warranty")
    assert _texts(found) == [WARRANTY]
    assert [remark.code for remark in found.remarks] == ["words_only"]


def test_a_question_is_embedded_once(
    base: Base, ingested: Ingested, make_model: MakeModel, meaning: MeaningServer, work: Work
) -> None:
    bases.change_embedding_model(base=base, model=make_model(), actor=base.owner)
    ingested(WARRANTY)
    work()
    before = len(meaning.seen)
    _search(base)
    _search(base)
    assert len(meaning.seen) == before + 1


def test_a_refused_key_fails_a_document_and_says_what_to_do(
    base: Base, ingested: Ingested, make_model: MakeModel, meaning: MeaningServer, work: Work
) -> None:
    bases.change_embedding_model(base=base, model=make_model(), actor=base.owner)
    work()
    meaning.mode = "401"
    document = ingested(WARRANTY)
    assert (document.status, document.error_code) == (DocumentStatus.FAILED, "embedding_failed")
    assert "key" in document.error_params["why"]


def test_a_busy_provider_lets_a_document_wait(
    base: Base, ingested: Ingested, make_model: MakeModel, meaning: MeaningServer, work: Work
) -> None:
    bases.change_embedding_model(base=base, model=make_model(), actor=base.owner)
    work()
    meaning.mode = "429"
    document = ingested(WARRANTY)
    assert document.status == DocumentStatus.PENDING and document.not_before is not None
    for _again in range(queues.DOCUMENT_ATTEMPTS):
        Document.objects.update(not_before=None)
        work()
    document.refresh_from_db()
    assert document.status == DocumentStatus.PENDING, "its worker has not failed once"
    assert document.attempt == 0
    meaning.mode = "ok"
    Document.objects.update(not_before=None)
    work()
    document.refresh_from_db()
    assert document.status == DocumentStatus.READY


def test_an_index_that_answers_saved_questions_worse_is_kept_aside(
    base: Base, ingested: Ingested, make_model: MakeModel, work: Work, alice: User
) -> None:
    ingested(WARRANTY)
    ingested("The guarantee of a seat on the train for three people and all of their dogs.", "b")
    bases.change_base(base=base, actor=alice, mode="dense")
    bases.change_embedding_model(base=base, model=make_model(), actor=alice)
    work()
    live = Base.objects.get(pk=base.pk).live_space
    assessing.add_questions(base=base, asked=[assessing.Asked(QUESTION, WARRANTY)], actor=alice)
    kept = bases.change_embedding_model(base=base, model=make_model(name="dull"), actor=alice)
    work()
    kept.refresh_from_db()
    assert kept.status == SpaceStatus.KEPT
    assert kept.scores["live"]["mrr@10"] == 1 and kept.scores["new"]["mrr@10"] == 0.5
    assert Base.objects.get(pk=base.pk).live_space == live
    bases.use_space(space=kept, actor=alice)
    assert Base.objects.get(pk=base.pk).live_space == kept
    with pytest.raises(ValidationError):
        bases.use_space(space=kept, actor=alice)


def test_a_reranker_has_the_last_word_and_its_absence_is_said(
    base: Base, ingested: Ingested, make_model: MakeModel, meaning: MeaningServer
) -> None:
    ingested("The warranty, and a great deal about other things beside the warranty.", "a.txt")
    ingested("A warranty.", "b.txt")
    model = make_model("rerank", "ranks")
    bases.change_base(base=base, actor=base.owner, rerank_model=model)
    found = _search(base, "warranty")
    assert _texts(found)[0] == "A warranty."
    assert found.passages[0].stages.rerank_score is not None
    meaning.mode = "500"
    found = _search(base, "warranty")
    assert len(found.passages) == 2
    assert [remark.code for remark in found.remarks] == ["rerank_failed"]
