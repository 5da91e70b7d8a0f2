"""What a refused caller reads: a 429 in OpenAI's shape, and the headers of every counted answer."""

from collections.abc import Sequence
from datetime import datetime
from math import ceil

from providers.gateway.errors import GatewayError
from providers.gateway.exchange import Exchange
from providers.gateway.limits.counting import UNITS_PER_USD, Counted, Demand, Reason, Refused
from providers.gateway.limits.holders import Holder, Period

_BUDGETS = {Period.DAY: "daily budget", Period.MONTH: "monthly budget", Period.LIFE: "budget"}


def refusal(
    refused: Refused, demands: Sequence[Demand], holders: Sequence[Holder], at: datetime
) -> GatewayError:
    holder, demand = holders[refused.holder], demands[refused.holder]
    whose = "This key" if holder.kind == "key" else "Your account"
    if refused.reason is Reason.BUDGET:
        return _budget_reached(refused, holder, at)
    if refused.reason is Reason.RESERVED:
        return _limited("budget_reserved", _rest_of_budget(refused, demand, holder), refused)
    if refused.reason is Reason.PARALLEL:
        message = f"{whose} may make {demand.max_parallel} calls at the same time, and they all run"
        return _limited("concurrency_limit_exceeded", f"{message}. Wait for one to end.", refused)
    if refused.reason is Reason.REQUESTS:
        message = f"{whose} is limited to {demand.rpm} requests per minute."
        return _limited("rate_limit_exceeded", message, refused)
    message = f"{whose} is limited to {demand.tpm} tokens per minute"
    message += f", and this request has about {demand.tokens}."
    return _limited("rate_limit_exceeded", message, refused)


def _limited(code: str, message: str, refused: Refused) -> GatewayError:
    headers = {"x-should-retry": "false"}
    if refused.wait_s:
        message = f"{message} Try again in {refused.wait_s} s."
        headers = {"retry-after": str(refused.wait_s)}
    return GatewayError(429, message, kind="rate_limit_error", code=code, headers=headers)


def _budget_reached(refused: Refused, holder: Holder, at: datetime) -> GatewayError:
    period, limit = holder.budgets[refused.budget]
    whose = "this key" if holder.kind == "key" else "your account"
    spent = refused.spent / UNITS_PER_USD
    message = f"The {_BUDGETS[period]} of {whose} is reached: {spent:.4f} of {limit:.4f} USD."
    # A retry within minutes is pointless, whatever the SDK thinks of 429.
    headers = {"x-should-retry": "false"}
    ends = period.ends(at)
    if ends is None:
        message += " It does not reset; a higher one can be set."
    else:
        message += f" It resets at {ends:%Y-%m-%d %H:%M %Z}."
        headers["retry-after"] = str(max(1, ceil((ends - at).total_seconds())))
    return GatewayError(
        429, message, kind="insufficient_quota", code="budget_exceeded", headers=headers
    )


def _rest_of_budget(refused: Refused, demand: Demand, holder: Holder) -> str:
    """Of a budget that calls which run now may use up."""
    period, limit = holder.budgets[refused.budget]
    whose = "this key" if holder.kind == "key" else "your account"
    left = float(limit) - refused.spent / UNITS_PER_USD
    reserved, cost = refused.reserved / UNITS_PER_USD, demand.cost / UNITS_PER_USD
    return (
        f"The {_BUDGETS[period]} of {whose} has {left:.4f} USD left, calls that run now may cost "
        f"{reserved:.4f} of it, and this one {cost:.4f}. Wait for one to end, or ask for shorter "
        "answers (max_tokens)."
    )


def set_headers(exchange: Exchange, counted: Counted, demands: Sequence[Demand]) -> None:
    """OpenAI's names. Where key and user have limits, those of which less is left."""
    pairs = list(zip(demands, counted.uses, strict=True))
    requests = [(d.rpm - u.requests, d.rpm, u.requests_reset_s) for d, u in pairs if d.rpm]
    tokens = [(d.tpm - u.tokens, d.tpm, u.tokens_reset_s) for d, u in pairs if d.tpm]
    for unit, found in (("requests", requests), ("tokens", tokens)):
        if found:
            left, limit, reset_s = min(found)
            exchange.set_header(f"x-ratelimit-limit-{unit}", str(limit))
            exchange.set_header(f"x-ratelimit-remaining-{unit}", str(max(0, left)))
            exchange.set_header(f"x-ratelimit-reset-{unit}", f"{reset_s}s")
