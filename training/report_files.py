"""The report as something to keep: a page that stands alone, Markdown, PDF."""

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils.http import content_disposition_header

from accounts.models import User
from accounts.services import audit
from training.models import TrainingJob
from training.previews import file_name
from training.report_text import markdown_of
from training.reports import report_of


def exported(
    job: TrainingJob, kind: str, *, actor: User, request: HttpRequest | None = None
) -> HttpResponse:
    """What somebody takes away, `kind` as below."""
    audit(actor=actor, action="job.report", target=job, after={"format": kind}, request=request)
    return response(job, kind)


def response(job: TrainingJob, kind: str) -> HttpResponse:
    """`kind`: html, md or pdf."""
    report = report_of(job)
    if kind == "html":
        return HttpResponse(render_to_string("training/report_document.html", {"report": report}))
    if kind == "pdf":
        # Imported here: every process of the platform would start a tenth of a second later.
        from training.report_pdf import pdf_of

        answer = HttpResponse(pdf_of(report), content_type="application/pdf")
    else:
        answer = HttpResponse(markdown_of(report), content_type="text/markdown; charset=utf-8")
    name = f"{file_name(job.name)}-report.{kind}"
    header = content_disposition_header(as_attachment=True, filename=name)
    answer.headers["Content-Disposition"] = header or "attachment"
    return answer
