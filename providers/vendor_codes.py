"""Numbers that providers give their errors, and what they mean in our vocabulary (`code` of the
classes in providers.errors). From the vendors' pages; each shape has numbers of its own.
"""

from collections.abc import Mapping
from typing import Any

# {"base_resp": {"status_code": 1008}}
MINIMAX = {
    **{1001: "timeout", 1002: "rate_limited", 1004: "authentication", 1008: "no_money"},
    **{1013: "unavailable", 1026: "content_filter", 1027: "content_filter"},
    **{1039: "rate_limited", 2013: "bad_request"},
}
# {"error_code": 18}: Qianfan's first API
QIANFAN = {
    **{1: "unavailable", 2: "unavailable", 4: "rate_limited", 17: "no_money"},
    **{18: "rate_limited", 19: "no_money", 110: "authentication", 111: "authentication"},
}
# {"error": {"code": "1113"}}
ZHIPU = {
    **{1000: "authentication", 1001: "authentication", 1002: "authentication"},
    **{1003: "authentication", 1004: "authentication", 1113: "no_money"},
    **dict.fromkeys((1210, 1212, 1213, 1214, 1215), "bad_request"),
    **{1211: "no_such_model", 1234: "unavailable", 1261: "context_too_long"},
    **{1301: "content_filter", 1302: "rate_limited", 1303: "rate_limited", 1304: "no_money"},
    **{1305: "overloaded", 1312: "overloaded", 1308: "no_money", 1309: "no_money"},
    **{1310: "no_money"},
}
# {"code": 11202, "sid": …} or {"error": {"code": "11200"}}
IFLYTEK = {
    **{10007: "rate_limited", 10013: "content_filter", 10014: "content_filter"},
    **{10163: "bad_request", 10907: "context_too_long", 11200: "authentication"},
    **{11201: "no_money", 11202: "rate_limited", 11203: "rate_limited"},
}
# {"code": 30001, "message": …}
SILICONFLOW = {
    **{20012: "no_such_model", 20015: "bad_request", 30001: "no_money", 50505: "overloaded"},
}
CODED = ZHIPU | IFLYTEK | SILICONFLOW
# Words that mean something else than the status they come with.
WORDS = {"rate_limit_error": "no_money"}


def _number(value: Any) -> int | None:
    if isinstance(value, str) and value.isascii() and value.isdigit():
        return int(value)
    return value if isinstance(value, int) else None


def meaning(answer: Mapping[str, Any]) -> str | None:
    """What the number in an error body means, or None."""
    base, error = answer.get("base_resp"), answer.get("error")
    if isinstance(base, Mapping):
        return MINIMAX.get(_number(base.get("status_code")) or 0)
    if "error_code" in answer:
        return QIANFAN.get(_number(answer["error_code"]) or 0)
    inner = error if isinstance(error, Mapping) else {}
    for code in (inner.get("code"), answer.get("code")):
        found = CODED.get(_number(code) or 0)
        if found:
            return found
    # Dify's limit of the plan; its "too_many_requests" is the one that passes.
    return WORDS.get(str(answer.get("code"))) if "error" not in answer else None
