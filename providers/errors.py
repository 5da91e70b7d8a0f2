"""One vocabulary for everything that goes wrong between us and a provider.

ProviderError
├── Authentication     the key is wrong or missing
│   └── TokenRefused   the token endpoint refuses the client
├── Forbidden          the key may not use this model
├── NoMoney            the account is out of credit: not the same as too many requests
├── LimitReached       the account's own limit of a minute: nothing the provider said
│   ├── TooManyAtOnce  its limit of calls at the same time
│   ├── BudgetReached  its budget is used up
│   └── BudgetReserved what is left of it is reserved for calls that run now
├── RateLimited        too many requests; `retry_after_s` where the provider said
├── Overloaded         the provider is busy
├── Unavailable        server error, refused or lost connection
│   ├── NothingThere   the address itself is wrong
│   ├── Failed         a server error
│   └── NoToken        the token endpoint gives none, whoever asks
├── TimedOut
├── ContextTooLong
├── Filtered           the content was refused
├── NoSuchModel
├── NoSuchKnowledge    Dify has no such knowledge base, or the key may not read it
├── BadRequest
├── NotSupported       the provider has nothing of the kind
├── TooLarge
├── Conflict           somebody changes the same thing: worth another try
├── Incomplete         the answer was cut; what came before is good
├── Redirected         the provider answered with a redirect, which is never followed
├── Blocked            the address is not allowed (see http.py)
└── InvalidAnswer      not the format that was promised
"""

import re
from collections.abc import Iterator, Mapping
from email.utils import parsedate_to_datetime
from math import isnan
from time import time
from typing import Any

import orjson
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from providers import vendor_codes

# What tells anything of a long answer that turned out to be an error.
ERROR_BYTES = 20_000


class ProviderError(Exception):
    """`code` is stable for programs; `advice` tells a person what to do next.

    `upstream_status`: what the provider answered or, in an answer of 200, said it would have.
    """

    code = "provider_error"
    status = 502
    advice: str | Promise = _("The provider reported an error. Try again, or choose another model.")

    def __init__(
        self,
        detail: str = "",
        *,
        retry_after_s: float | None = None,
        upstream_status: int | None = None,
    ) -> None:
        super().__init__(detail or self.code)
        self.detail = detail
        self.retry_after_s = retry_after_s
        self.upstream_status = upstream_status


class Authentication(ProviderError):
    code, status = "authentication", 502
    advice = _("The provider refuses the API key. Enter a valid key on the provider's page.")


class TokenRefused(Authentication):
    advice = _(
        "The token URL refuses the client. Check the client id, the client secret and the scope on "
        "the provider's page."
    )


class Forbidden(ProviderError):
    code, status = "forbidden", 502
    advice = _("The API key may not use this model. Check its permissions at the provider.")


class NoMoney(ProviderError):
    code, status = "no_money", 502
    advice = _("The provider account is out of credit. Top it up, or choose another model.")


class LimitReached(ProviderError):
    code, status = "rate_limit_exceeded", 429
    advice = _("You have reached your account's limit for a minute. Wait a moment and try again.")


class TooManyAtOnce(LimitReached):
    code = "concurrency_limit_exceeded"
    advice = _("As many of your calls run as may at the same time. Wait for one to end.")


class BudgetReached(LimitReached):
    code = "budget_exceeded"
    advice = _("Your budget is used up. Wait until it resets, or ask for a higher one.")


class BudgetReserved(LimitReached):
    code = "budget_reserved"
    advice = _(
        "What is left of your budget is reserved for calls that run now. Wait for one to end, then "
        "try again."
    )


class RateLimited(ProviderError):
    code, status = "rate_limited", 429
    advice = _("The provider limits the number of requests. Wait a moment and try again.")


class Overloaded(ProviderError):
    code, status = "overloaded", 503
    advice = _("The provider is busy. Wait a moment and try again.")


class Unavailable(ProviderError):
    code, status = "unavailable", 502
    advice = _("The provider does not answer. Check its address, then try again.")


class NothingThere(Unavailable):
    """Where the address itself is wrong, not the name of a model."""

    advice = _("There is nothing at this address. Check the base URL, including its version.")


class NoToken(Unavailable):
    advice = _("The token URL gives no token. Check this address on the provider's page.")


class Failed(Unavailable):
    """It does answer, and says that it cannot."""

    advice = _("The provider reports an error of its own. Try again later, or use another model.")


class TimedOut(ProviderError):
    code, status = "timeout", 504
    advice = _("The provider took too long. Try again, or ask for a shorter answer.")


class ContextTooLong(ProviderError):
    code, status = "context_too_long", 400
    advice = _("The conversation is too long for this model. Start a new chat or shorten it.")


class Filtered(ProviderError):
    code, status = "content_filter", 400
    advice = _("The provider's content filter refused this. Rephrase the message.")


class NoSuchModel(ProviderError):
    code, status = "no_such_model", 404
    advice = _("The provider does not know this model. Refresh the model list.")


class NoSuchKnowledge(ProviderError):
    code, status = "no_such_knowledge", 404
    advice = _("Dify has no such knowledge base, or the key may not read it.")


class BadRequest(ProviderError):
    code, status = "bad_request", 400
    advice = _("The provider did not accept the request. Check the parameters.")


class NotSupported(ProviderError):
    code, status = "not_supported", 400
    advice = _("The provider of this model cannot do this. Choose another model.")


class TooLarge(ProviderError):
    code, status = "too_large", 413
    advice = _("The message is too large for the provider.")


class Conflict(ProviderError):
    code, status = "conflict", 502


class Incomplete(ProviderError):
    """Raised after all events that did arrive."""

    code, status = "incomplete", 502


class Redirected(ProviderError):
    code, status = "upstream_redirect", 502
    advice = _("The address answers with a redirect. Enter the final address of the API.")


class Blocked(ProviderError):
    """Also raised where nothing listens, so that nobody can scan the internal network."""

    code, status = "unavailable", 502
    advice = Unavailable.advice


class InvalidAnswer(ProviderError):
    code, status = "invalid_answer", 502
    advice = _("The answer is not in the expected format. Check the address and the kind.")


def kind_of(code: str) -> type[ProviderError] | None:
    """What a stored code means: of several kinds that share it, the most general."""
    found = [ProviderError]
    for kind in found:  # it grows meanwhile
        if kind.code == code:
            return kind
        found += kind.__subclasses__()
    return None


# A word or two for a list, where the whole advice is too long.
_NAMES: dict[str, str | Promise] = {
    "authentication": _("Key refused"),
    "forbidden": _("Key may not"),
    "no_money": _("Out of credit"),
    "rate_limited": _("Too many requests"),
    "overloaded": _("Busy"),
    "unavailable": _("No answer"),
    "timeout": _("Too slow"),
    "no_such_model": _("Model unknown"),
    "upstream_redirect": _("Redirects"),
    "invalid_answer": _("Odd answer"),
}


def error_name(code: str) -> str:
    return str(_NAMES.get(code, _("Failed")))


def error_advice(code: str) -> str:
    return str((kind_of(code) or ProviderError).advice)


_QUOTA = (
    *("insufficient_quota", "insufficient balance", "insufficient_balance", "billing_error"),
    *("exceeded_current_quota", "arrearage", "arrears", "overdue", "provider_quota_exceeded"),
    *("balance is insufficient", "accountoverdue", "payment required", "out of credit"),
)
_KEY = (
    *("incorrect api key", "invalid api key", "api_key_invalid", "api key not valid"),
    *("invalid_api_key", "invalid api token", "invalidapikey"),
)
_FILTER = (
    *("content_filter", "data_inspection", "datainspection", "sensitive", "moderation"),
    *("censorship", "textriskdetection"),
)
_CONTEXT = ("context length", "context_length", "maximum context", "too many tokens")
_BY_STATUS: dict[int, type[ProviderError]] = {
    **{401: Authentication, 403: Forbidden, 402: NoMoney, 404: NoSuchModel, 408: TimedOut},
    **{409: Conflict, 412: NoMoney, 413: TooLarge, 429: RateLimited, 451: Filtered},
    **{498: Overloaded, 503: Overloaded, 504: TimedOut, 524: TimedOut, 529: Overloaded},
}
_BY_CODE = {
    kind.code: kind
    for kind in (
        *(Authentication, NoMoney, RateLimited, Overloaded, Unavailable, TimedOut),
        *(ContextTooLong, Filtered, NoSuchModel, BadRequest),
    )
}
# What an error inside an answer of 200 would have been, by the word it is called.
_STATUS_OF_TYPE = {
    **{"invalid_request_error": 400, "authentication_error": 401, "billing_error": 402},
    **{"permission_error": 403, "not_found_error": 404, "conflict_error": 409},
    **{"request_too_large": 413, "rate_limit_error": 429, "api_error": 500},
    **{"timeout_error": 504, "overloaded_error": 529},
}
_RETRY_DELAY = re.compile(r'"retryDelay":\s*"(\d+(?:\.\d+)?)s"')
MAX_CHARS_READ = 20_000
# Whatever a provider says, nobody is told to wait longer.
LONGEST_WAIT_S = 3600.0


def error_of(status: int, body: str, retry_after_s: float | None = None) -> ProviderError:
    """The error that an HTTP answer means. The body decides before the status does.

    The body itself is never shown: several providers echo part of the key in it.
    """
    body = body[:MAX_CHARS_READ]
    kind = _kind_by_number(body) or _kind_by_words(status, body.casefold())
    if kind is None and status in _BY_STATUS:
        kind = _BY_STATUS[status]
    elif kind is None:
        kind = Failed if status >= 500 else BadRequest
    delay = _RETRY_DELAY.search(body)
    if retry_after_s is None and delay:
        retry_after_s = min(float(delay[1]), LONGEST_WAIT_S)
    return kind(f"HTTP {status}", retry_after_s=retry_after_s, upstream_status=status)


def _kind_by_number(body: str) -> type[ProviderError] | None:
    try:
        answer = orjson.loads(body)
    except ValueError:
        return None
    code = vendor_codes.meaning(answer) if isinstance(answer, Mapping) else None
    return _BY_CODE[code] if code else None


def _kind_by_words(status: int, text: str) -> type[ProviderError] | None:
    def has(words: tuple[str, ...]) -> bool:
        return any(word in text for word in words)

    if has(_KEY):
        return Authentication
    if status >= 400 and has(_QUOTA):
        return NoMoney
    if status in (400, 403, 451) and has(_FILTER):
        return Filtered
    if status in (400, 413, 422) and has(_CONTEXT):
        return ContextTooLong
    return Overloaded if status == 429 and "overloaded" in text else None


def error_in(answer: Mapping[str, Any], came: str | bytes) -> ProviderError | None:
    """The error inside an answer of 200, or None. `came` is `answer` as it came.

    An error object or text, a `type` of error, MiniMax's `base_resp`, Qianfan's `error_code`,
    iFlytek's and others' `code` beside no answer.
    """
    error = answer.get("error")
    if error or answer.get("type") == "error":
        return error_of(next(_stated_statuses(error), 500), _text(came))
    base, code = answer.get("base_resp"), answer.get("code")
    is_coded = bool(code) and isinstance(code, int) and not answer.get("choices")
    has_base = isinstance(base, dict) and bool(base.get("status_code"))
    is_error = is_coded or has_base or answer.get("error_code")
    return error_of(500, _text(came)) if is_error else None


def _text(came: str | bytes) -> str:
    return came if isinstance(came, str) else came[:ERROR_BYTES].decode("utf-8", "replace")


def _stated_statuses(error: Any) -> Iterator[int]:
    if isinstance(error, dict):
        code = error.get("code")
        if isinstance(code, int) and 400 <= code < 600:
            yield code
        for name in (error.get("type"), code):
            if isinstance(name, str) and name in _STATUS_OF_TYPE:
                yield _STATUS_OF_TYPE[name]


def retry_after_s_of(headers: Mapping[str, str], *, now_s: float | None = None) -> float | None:
    """Seconds to wait, an hour at most, from `retry-after-ms` or `retry-after` (seconds or a date);
    None where nothing readable is said. Names of `headers` are lower case."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return _bounded(float(headers[name]) * scale)
        except (KeyError, ValueError):
            continue
    try:
        at = parsedate_to_datetime(headers["retry-after"]).timestamp()
    except (KeyError, ValueError, TypeError, OverflowError):
        return None
    return _bounded(at - (time() if now_s is None else now_s))


def _bounded(wait_s: float) -> float:
    """Raises ValueError for what is no number."""
    if isnan(wait_s):
        raise ValueError
    return min(max(0.0, wait_s), LONGEST_WAIT_S)
