"""What somebody owns, for every URL that names an object: one line each in `BELONGINGS`.

A new URL with a parameter needs an entry whose key is the beginning of its route (the longest
matching key wins). The entry makes the object for its owner and returns the URL's parameters.
Put CANARY into every name and text: nobody else may ever see it.
"""

from collections.abc import Callable
from io import BytesIO
from uuid import uuid4

from django.core.files.uploadedfile import SimpleUploadedFile
from reportlab.pdfgen.canvas import Canvas

from accounts.models import ApiKey, NoticeChannel, User, UserNotice
from chat import attachments, collecting, feedback, sharing
from chat import services as chats
from chat.batches import services as batches
from chat.batches import sources
from chat.importing import work as importing
from chat.models import (
    Batch,
    BatchStatus,
    CellStatus,
    ChatFolder,
    ChatSession,
    Comparison,
    ComparisonColumn,
    ComparisonTag,
    Message,
    MessageRole,
    MessageStatus,
    Vote,
)
from knowledge import services as knowledge
from knowledge.models import SpaceStatus
from prompts import services as prompts
from prompts.models import Prompt, PromptLabel, PromptVersion
from providers import aliases
from providers import services as providers
from providers.models import CallRecord, OwnPrice, Provider
from tests.routes import Route
from training import datasets, drafts
from training.models import (
    BaseModel,
    Dataset,
    DatasetUpload,
    DatasetWork,
    Deployment,
    Evaluation,
    EvaluationSample,
    JobTemplate,
    ModelExport,
    ModelVersion,
    Status,
    Sweep,
    TrainingJob,
)
from training.tests.bundles import asked, bundle, picture

CANARY = "canary-of-the-owner"
Parameters = dict[str, object]
Make = Callable[[User], Parameters]


def _key(owner: User) -> Parameters:
    key, _text = ApiKey.issue(user=owner, name=CANARY)
    labels = {"model_label": CANARY, "provider_label": CANARY}
    CallRecord.objects.create(user=owner, api_key=key, source="gateway", status="done", **labels)
    return {"key_id": key.pk}


def _notice(owner: User) -> Parameters:
    return {"notice_id": UserNotice.objects.create(user=owner, title=CANARY).pk}


def _channel(owner: User) -> Parameters:
    channel = NoticeChannel(user=owner, kind="webhook", name=CANARY)
    channel.keep(address="https://example.com/hook", secret="")
    channel.save()
    return {"channel_id": channel.pk}


def _echo(owner: User) -> Provider:
    return providers.create_provider(actor=owner, preset="echo", name=CANARY)


def _provider(owner: User) -> Parameters:
    return {"provider_id": _echo(owner).pk}


def _provider_model(owner: User) -> Parameters:
    provider = _echo(owner)
    model = provider.models.all()[0]
    model.name = CANARY
    model.save()
    return {"provider_id": provider.pk, "model_id": model.pk}


def _own_price(owner: User) -> Parameters:
    provider = _echo(owner)
    row = OwnPrice.objects.create(model=provider.models.all()[0])
    return {"provider_id": provider.pk, "model_id": row.model_id, "price_id": row.pk}


def _dify(owner: User) -> Provider:
    """Where nothing listens."""
    address = {"base_url": "http://127.0.0.1:9/v1", "preset": "dify", "kind": "dify"}
    return Provider.objects.create(owner=owner, name=CANARY, app_mode="chat", **address)


def _dify_page(owner: User) -> Parameters:
    return {"provider_id": _dify(owner).pk}


def _dify_app(owner: User) -> Parameters:
    return {"app_id": _dify(owner).pk}


def _dify_knowledge(owner: User) -> Parameters:
    provider = _dify(owner)
    provider.app_mode = "knowledge"
    provider.save()
    return {"connection_id": provider.pk}


def _alias(owner: User) -> Parameters:
    return {"alias_id": aliases.create_alias(actor=owner, name=CANARY).pk}


def _dataset(owner: User) -> Parameters:
    rows = b'[{"instruction": "canary-of-the-owner", "output": "{{name}}"}]'
    dataset = datasets.import_dataset(
        owner=owner, file=BytesIO(rows), file_name="a.json", size_bytes=len(rows), name=CANARY
    )
    return {"dataset_id": dataset.pk}


def _picture(owner: User) -> Parameters:
    """Each owner's is another, so that no name fits two."""
    seen = bundle([asked("a.png")], {"a.png": picture(size=(20 + owner.pk % 200, 20))})
    dataset = datasets.import_dataset(
        owner=owner, file=BytesIO(seen), file_name="a.zip", size_bytes=len(seen), name=CANARY
    )
    (record,) = datasets.records_of(dataset)[:1]
    return {"dataset_id": dataset.pk, "name": record["images"][0]}


def _made_upload(owner: User) -> DatasetUpload:
    upload = DatasetUpload.objects.create(owner=owner, file_name=CANARY, size_bytes=9)
    upload.file.parent.mkdir(parents=True, exist_ok=True)
    upload.file.touch()
    return upload


def _upload(owner: User) -> Parameters:
    return {"upload_id": _made_upload(owner).pk}


def _dataset_work(owner: User) -> Parameters:
    work = DatasetWork(owner=owner, kind="import", upload=_made_upload(owner), error=CANARY)
    work.save()
    return {"work_id": work.pk}


def _draft(owner: User) -> Parameters:
    rows = b'[{"canary-of-the-owner": "q", "b": "a"}]'
    draft = drafts.keep(
        owner=owner, file=BytesIO(rows), file_name=f"{CANARY}.json", size_bytes=len(rows)
    )
    return {"draft_id": draft.pk}


def _made_job(owner: User) -> TrainingJob:
    dataset = Dataset.objects.create(owner=owner, name=CANARY, format="alpaca", sha256="0" * 64)
    base_model = BaseModel.objects.create(owner=owner, name=CANARY, hub_id="a/b")
    return TrainingJob.objects.create(
        owner=owner, name=CANARY, base_model=base_model, dataset=dataset
    )


def _job(owner: User) -> Parameters:
    return {"job_id": _made_job(owner).pk}


def _local_run(owner: User) -> Parameters:
    job = _made_job(owner)
    told = {"mode": "local", "run_id": CANARY}
    TrainingJob.objects.filter(pk=job.pk).update(mirror="delivered", swanlab=told)
    return {"job_id": job.pk, "rest": "charts"}


def _waiting_job(owner: User) -> Parameters:
    return {"workload_id": _made_job(owner).pk}


def _sweep(owner: User) -> Parameters:
    job = _made_job(owner)
    about = {"base_model": job.base_model, "dataset": job.dataset, "stage": "sft"}
    sweep = Sweep.objects.create(owner=owner, name=CANARY, method="lora", **about)
    TrainingJob.objects.filter(pk=job.pk).update(sweep=sweep)
    return {"sweep_id": sweep.pk}


def _job_template(owner: User) -> Parameters:
    kept = JobTemplate.objects.create(owner=owner, name=CANARY, stage="sft", method="lora")
    return {"template_id": kept.pk}


def _version(owner: User) -> Parameters:
    version = ModelVersion.objects.create(owner=owner, job=_made_job(owner), name=CANARY)
    return {"version_id": version.pk}


def _base_model(owner: User) -> Parameters:
    row = BaseModel.objects.create(owner=owner, name=CANARY, hub_id="a/b", licence=CANARY)
    return {"base_id": row.pk}


def _evaluation(owner: User) -> Parameters:
    version = ModelVersion.objects.create(owner=owner, job=_made_job(owner), name=CANARY)
    evaluation = Evaluation.objects.create(
        owner=owner, name=CANARY, version=version, source="probes", status=Status.SUCCESS
    )
    EvaluationSample.objects.create(evaluation=evaluation, position=0, question=CANARY)
    return {"evaluation_id": evaluation.pk}


def _export(owner: User) -> Parameters:
    version = ModelVersion.objects.create(owner=owner, job=_made_job(owner), name=CANARY)
    row = ModelExport.objects.create(owner=owner, name=CANARY, version=version)
    return {"export_id": row.pk}


def _deployment(owner: User) -> Parameters:
    version = ModelVersion.objects.create(owner=owner, job=_made_job(owner), name=CANARY)
    deployment = Deployment.objects.create(owner=owner, name=CANARY, version=version)
    return {"deployment_id": deployment.pk}


def _made_prompt(owner: User) -> Prompt:
    text = f"{CANARY} {{{{place|value}}}}"
    return prompts.create_prompt(actor=owner, title=CANARY, text=text, tags=[CANARY])


def _prompt(owner: User) -> Parameters:
    return {"prompt_id": _made_prompt(owner).pk}


def _prompt_version(owner: User) -> Parameters:
    """Each owner's has another number and another label, so that none fits two prompts."""
    prompt, number = _made_prompt(owner), 1000 + owner.pk
    version = PromptVersion.objects.create(prompt=prompt, number=number, text=CANARY)
    name = f"{CANARY}-{number}"
    PromptLabel.objects.create(prompt=prompt, name=name, version=version)
    return {"prompt_id": prompt.pk, "number": number, "name": name}


def _messages(owner: User) -> tuple[ChatSession, Message, Message]:
    """Without a model, so that nothing begins to answer."""
    session = chats.create_session(owner=owner, model=None, title=CANARY)
    question = Message.objects.create(
        session=session, position=0, role=MessageRole.USER, content=CANARY
    )
    answer = Message.objects.create(
        session=session,
        parent=question,
        position=1,
        role=MessageRole.ASSISTANT,
        content=CANARY,
        status=MessageStatus.INTERRUPTED,
    )
    session.tip = answer
    session.save(update_fields=["tip"])
    return session, question, answer


def _chat(owner: User) -> Parameters:
    return {"session_id": _messages(owner)[0].pk}


def _deleted_chat(owner: User) -> Parameters:
    session = _messages(owner)[0]
    chats.delete_session(session=session, actor=owner)
    return {"session_id": session.pk}


def _folder(owner: User) -> Parameters:
    folder = ChatFolder.objects.create(owner=owner, name=CANARY)
    chats.create_session(owner=owner, model=None, title=CANARY, folder=folder)
    return {"folder_id": folder.pk}


def _attachment(owner: User) -> Parameters:
    content = BytesIO(f"{CANARY} {owner.pk}".encode())
    return {"attachment_id": attachments.keep(owner=owner, file=content, name=f"{CANARY}.txt").pk}


def _chat_import(owner: User) -> Parameters:
    content = b'[{"mapping": {}, "title": "canary-of-the-owner"}]'
    row = importing.begin(
        owner=owner, file=BytesIO(content), file_name=CANARY, size_bytes=len(content)
    )
    return {"import_id": row.pk}


def _share(owner: User) -> Parameters:
    return {"share_id": sharing.share(session=_messages(owner)[0], actor=owner).pk}


def _question(owner: User) -> Parameters:
    session, question, _answer = _messages(owner)
    return {"session_id": session.pk, "message_id": question.pk}


def _answer(owner: User) -> Parameters:
    session, _question, answer = _messages(owner)
    return {"session_id": session.pk, "message_id": answer.pk}


def _batch(owner: User) -> Parameters:
    provider = _echo(owner)
    reading = sources.from_lines(f"{CANARY} => {CANARY}")
    models = list(provider.models.all())
    batch = batches.create(owner=owner, name=CANARY, models=models, reading=reading, source="typed")
    batch.cells.update(status=CellStatus.DONE, answer=CANARY)
    Batch.objects.filter(pk=batch.pk).update(status=BatchStatus.PAUSED)
    return {"batch_id": batch.pk, "prompt_id": batch.prompts.get().pk}


def _feedback(owner: User) -> Parameters:
    _session, _question, answer = _messages(owner)
    given = feedback.give(message=answer, user=owner, verdict="up", note=CANARY)
    assert given is not None
    return {"feedback_id": given.pk}


def _collection(owner: User) -> Parameters:
    _feedback(owner)
    made = collecting.create(owner=owner, name=CANARY, purpose="sft", is_own=True)
    return {"collection_id": made.pk}


def _comparison(owner: User) -> Parameters:
    """Of columns without a model, as `_messages`; with a vote, so that every part shows it."""
    comparison = Comparison.objects.create(owner=owner, title=CANARY, system_prompt=CANARY)
    for number in (1, 2):
        session, _question, _answer = _messages(owner)
        ComparisonColumn.objects.create(comparison=comparison, number=number, session=session)
    ComparisonTag.objects.create(comparison=comparison, name=CANARY)
    Vote.objects.create(
        comparison=comparison, voter=owner, outcome="tie", answered=[1, 2], note=CANARY
    )
    return {"comparison_id": comparison.pk}


def _knowledge_base(owner: User) -> Parameters:
    base = knowledge.create_base(owner=owner, name=CANARY, description=CANARY)
    base.questions.create(text=CANARY, passage=CANARY)
    space = base.spaces.create(model_name=CANARY, status=SpaceStatus.KEPT)
    return {"base_id": base.pk, "space_id": space.pk}


def pdf_of(text: str) -> BytesIO:
    """One page that says it."""
    file = BytesIO()
    canvas = Canvas(file)
    canvas.drawString(100, 700, text)
    canvas.save()
    file.seek(0)
    return file


def _document(owner: User) -> Parameters:
    base = knowledge.create_base(owner=owner, name=f"{CANARY} with a document")
    content = pdf_of(CANARY)
    document = knowledge.add_document(base=base, file=content, name=CANARY, actor=owner)
    type(document).objects.update(media_type="application/pdf", pages=1)
    # A number of its own: it is looked for below another's document, too.
    position = document.pk
    document.chunks.create(edition=0, position=position, text=CANARY, start=0, end=len(CANARY))
    return {"document_id": document.pk, "position": position}


BELONGINGS: dict[str, Make] = {
    "accounts/keys/<int:key_id>/": _key,
    "accounts/notices/channels/<int:channel_id>/": _channel,
    "api/v1/notice-channels/<int:channel_id>": _channel,
    "accounts/notices/<int:notice_id>/": _notice,
    "api/v1/keys/<key_id>": _key,
    "providers/<int:provider_id>/": _provider,
    "providers/<int:provider_id>/models/<int:model_id>/": _provider_model,
    "providers/<int:provider_id>/models/<int:model_id>/prices/": _own_price,
    "providers/aliases/<int:alias_id>/": _alias,
    "dify/<int:provider_id>/": _dify_page,
    "api/v1/dify/apps/<app_id>": _dify_app,
    "api/v1/dify/knowledge/<connection_id>": _dify_knowledge,
    "api/v1/aliases/<alias_id>": _alias,
    "api/v1/providers/<provider_id>": _provider,
    "api/v1/models/<model_id>": _provider_model,
    "api/v1/models/<model_id>/prices/": _own_price,
    "datasets/<int:dataset_id>/": _dataset,
    "datasets/<int:dataset_id>/pictures/": _picture,
    "api/v1/datasets/<dataset_id>/pictures/": _picture,
    "datasets/drafts/<uuid:draft_id>/": _draft,
    "datasets/work/<uuid:work_id>/": _dataset_work,
    "datasets/uploads/<uuid:upload_id>/": _upload,
    "api/v1/dataset-drafts/<draft_id>": _draft,
    "api/v1/datasets/<dataset_id>": _dataset,
    "api/v1/datasets/<int:dataset_id>/": _dataset,
    "api/v1/datasets/uploads/<uuidstr:upload_id>": _upload,
    "api/v1/datasets/work/<uuidstr:work_id>": _dataset_work,
    "prompts/<int:prompt_id>/": _prompt,
    "prompts/<int:prompt_id>/versions/": _prompt_version,
    "api/v1/prompts/<int:prompt_id>": _prompt,
    "api/v1/prompts/<int:prompt_id>/versions": _prompt_version,
    "api/v1/prompts/<int:prompt_id>/labels": _prompt_version,
    "knowledge/<int:base_id>/": _knowledge_base,
    "knowledge/documents/<int:document_id>/": _document,
    "api/v1/knowledge/bases/<int:base_id>": _knowledge_base,
    "api/v1/knowledge/documents/<int:document_id>": _document,
    "chat/<uuid:session_id>/": _chat,
    "chat/<uuid:session_id>/messages/<uuid:message_id>/": _answer,
    "chat/<uuid:session_id>/messages/<uuid:message_id>/edit/": _question,
    "compare/batches/<uuid:batch_id>/": _batch,
    "api/v1/chat/batches/<uuidstr:batch_id>": _batch,
    "chat/folders/<int:folder_id>/": _folder,
    "api/v1/chat/folders/<int:folder_id>": _folder,
    "chat/deleted/<uuid:session_id>/": _deleted_chat,
    "api/v1/chat/deleted/<uuidstr:session_id>": _deleted_chat,
    "feedback/<int:feedback_id>/": _feedback,
    "feedback/messages/<uuid:message_id>/": _answer,
    "feedback/collections/<int:collection_id>/": _collection,
    "feedback/datasets/<int:dataset_id>/": _dataset,
    "api/v1/feedback/inbox/<int:feedback_id>": _feedback,
    "api/v1/feedback/messages/<uuid:message_id>": _answer,
    "api/v1/feedback/messages/<uuidstr:message_id>": _answer,
    "api/v1/feedback/collections/<int:collection_id>": _collection,
    "api/v1/feedback/datasets/<int:dataset_id>/": _dataset,
    "chat/attachments/<uuid:attachment_id>/": _attachment,
    "chat/imports/<uuid:import_id>/": _chat_import,
    "chat/shares/<uuid:share_id>/": _share,
    "api/v1/chat/shares/<uuidstr:share_id>": _share,
    "api/v1/chat/imports/<uuidstr:import_id>": _chat_import,
    "api/v1/chat/attachments/<uuidstr:attachment_id>": _attachment,
    "ws/chat/<uuid:session_id>/": _chat,
    "compare/<uuid:comparison_id>/": _comparison,
    "ws/compare/<uuid:comparison_id>/": _comparison,
    "api/v1/comparisons/<uuidstr:comparison_id>": _comparison,
    "api/v1/chat/sessions/<uuidstr:session_id>": _chat,
    "training/<uuid:job_id>/": _job,
    "training/<uuid:job_id>/swanlab/": _local_run,
    "training/sweeps/<uuid:sweep_id>/": _sweep,
    "training/templates/<int:template_id>/": _job_template,
    "api/v1/training/sweeps/<sweep_id>": _sweep,
    "api/v1/training/templates/<template_id>": _job_template,
    "queue/<uuid:workload_id>/": _waiting_job,
    "api/v1/training/queue/<workload_id>": _waiting_job,
    "ws/training/<uuid:job_id>/": _job,
    "api/v1/training/jobs/<job_id>": _job,
    "models/base/<int:base_id>/": _base_model,
    "api/v1/training/base-models/<base_id>": _base_model,
    "models/exports/<uuid:export_id>/": _export,
    "api/v1/training/exports/<export_id>": _export,
    "models/<int:version_id>/": _version,
    "api/v1/training/models/<version_id>": _version,
    "models/deployments/<uuid:deployment_id>/": _deployment,
    "api/v1/training/deployments/<deployment_id>": _deployment,
    "models/evaluations/<uuid:evaluation_id>/": _evaluation,
    "api/v1/training/evaluations/<evaluation_id>": _evaluation,
}
SHARED: Parameters = {"share_id": uuid4(), "attachment_id": uuid4()}
# Routes whose parameter names nobody's object, and a value for it.
NOBODYS: dict[str, Parameters] = {
    # A link is for everybody who is signed in and has it: chat/tests/test_shares.py.
    "chat/shared/<uuid:share_id>/": SHARED,
    "chat/shared/<uuid:share_id>/copy/": SHARED,
    "chat/shared/<uuid:share_id>/files/<uuid:attachment_id>/": SHARED,
    "api/v1/chat/shared/<uuidstr:share_id>": SHARED,
    "api/v1/chat/shared/<uuidstr:share_id>/copy": SHARED,
    "api/v1/chat/shared/<uuidstr:share_id>/files/<uuidstr:attachment_id>": SHARED,
    "providers/new/<slug:slug>/": {"slug": "echo"},
    "providers/prices/<int:price_id>/": {"price_id": 1},
    "providers/prices/<int:price_id>/remove/": {"price_id": 1},
    "api/v1/prices/<int:price_id>": {"price_id": 1},
    "api/v1/training/hub-tokens/<hub>": {"hub": "huggingface"},
    "feedback/reviewers/<int:user_id>/remove/": {"user_id": 1},
    "api/v1/feedback/reviewers/<int:user_id>": {"user_id": 1},
    "nodes/<int:node_id>/drain/": {"node_id": 1},
    "nodes/<int:node_id>/undrain/": {"node_id": 1},
    "api/v1/nodes/<int:node_id>/drain": {"node_id": 1},
    "api/v1/nodes/<int:node_id>/undrain": {"node_id": 1},
}
# Bodies that the API's schema alone does not explain.
BODIES: dict[tuple[str, str], dict[str, object]] = {
    ("POST", f"compare/<uuid:comparison_id>/{verb}/"): {"column": 1}
    for verb in ("again", "continue", "chats")
}
BODIES |= {
    ("POST", f"api/v1/knowledge/bases/<int:base_id>/{noun}"): {
        "file": SimpleUploadedFile("a.csv", b"question,passage\nwhy,so\n")
    }
    for noun in ("documents", "questions")
}


def maker_of(route: Route) -> Make | None:
    keys = [key for key in BELONGINGS if route.template.startswith(key)]
    return BELONGINGS[max(keys, key=len)] if keys else None
