"""A file that cannot be used, in the API's one shape of errors."""

from llmplatform.errors import ApiError
from training.dataset_texts import explain, reasons_of, status_of
from training.formats.problems import Refusal


def refused(refusal: Refusal) -> ApiError:
    message = explain(refusal)
    reasons = reasons_of(refusal.rejections)
    return ApiError(
        status_of(refusal),
        refusal.code,
        " ".join([message, *reasons[:3]]),
        {"file": [message, *reasons]},
    )
