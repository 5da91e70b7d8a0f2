"""Why a run failed, read from its exit code and its log: the cause, and the line that proves it.

The runner names the kind of an exception that it sees. What kills it (the kernel, a full disk, a
library that aborts) leaves a line in the log at best, and what it calls unknown may be known here.
Signs are tried in order: what causes comes before what follows from it.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from training.models import Reason

SIGNS: tuple[tuple[str, str], ...] = (
    (
        Reason.DISK_FULL,
        r"no space left on device|disk quota exceeded|errno 28\b|os error 28\b"
        r"|pytorchstreamwriter failed writing|inline_container.*unexpected pos",
    ),
    (
        Reason.OUT_OF_MEMORY,
        r"out of memory|outofmemoryerror|cublas_status_alloc_failed|can't allocate memory"
        r"|cannot allocate memory|std::bad_alloc|^memoryerror\b|oom-kill|invoked oom-killer",
    ),
    (
        Reason.DIVERGED,
        r"contains either `?inf`?, `?nan`?|loss is nan|nan or inf found|non-?finite"
        r"|loss is inf|gradient norm is nan|floatingpointerror",
    ),
    (
        Reason.HUB,
        r"couldn't connect to '?https?://|maxretryerror|name or service not known"
        r"|temporary failure in name resolution|huggingface\.co.*(?:timed out|unreachable|refused)"
        r"|offlinemodeisenabled|localentrynotfounderror|modelscope\.cn.*(?:timed out|refused)",
    ),
    (
        Reason.TEMPLATE,
        r"template \S+ does not exist|jinja2?\.exceptions|chat_template is not set"
        r"|conversation roles must alternate",
    ),
    (
        Reason.DATA,
        r"datasetgenerationerror|cannot find valid samples|corresponds to no data"
        r"|undefined dataset|allowed file types|not applicable in the current training stage"
        r"|dataset converter .* not found|json parse error|^keyerror: '(?:instruction|input|output"
        r"|from|role|content|conversations|messages|chosen|rejected)'",
    ),
    (
        Reason.MODEL,
        r"failed to load (?:tokenizer|model|config)|does not appear to have a file named"
        r"|safetensors_rust\.safetensorerror|error while deserializing header"
        r"|unrecognized model in|model path .* does not exist|size mismatch for",
    ),
    (
        Reason.CONFIGURATION,
        r"hfargumentparser|target modules .* not found|valid checkpoint|packagenotfounderror"
        r"|please launch distributed training|doesn't support bf16|bf16/gpu"
        r"|unexpected keyword argument|cannot be used together",
    ),
    (
        Reason.NODE_LOST,
        r"nccl.*(?:remote process exited|unhandled system error)|xid \d+|gpu has fallen off the bus"
        r"|uncorrectable ecc error",
    ),
    (
        Reason.KILLED,
        r"^killed\b|connection closed by peer|connection reset by peer|signal 9|sigkill"
        r"|another process of this run has ended",
    ),
)
PATTERNS = tuple((reason, re.compile(pattern, re.IGNORECASE)) for reason, pattern in SIGNS)
# What the runner is not sure of, or says of an exception that has a narrower cause.
VAGUE = frozenset({"", Reason.UNKNOWN, Reason.KILLED, Reason.MODEL, Reason.CONFIGURATION})
KILLED_CODES = frozenset({-9, 137})


@dataclass(frozen=True)
class Diagnosis:
    """`proof` is the number of the line in what was looked at; None: no line says so."""

    reason: str
    proof: int | None = None


def proof_of(reason: str, lines: Sequence[str]) -> int | None:
    """The last line that says so."""
    pattern = dict(PATTERNS).get(reason)
    if pattern is None:
        return None
    found = [i for i, line in enumerate(lines) if pattern.search(line.strip())]
    return found[-1] if found else None


def diagnose(lines: Sequence[str], *, exit_code: int | None, told: str = "") -> Diagnosis:
    """`told`: the kind that the runner itself gave."""
    if told not in VAGUE:
        return Diagnosis(told, proof_of(told, lines))
    for reason, _pattern in PATTERNS:
        proof = proof_of(reason, lines)
        if proof is not None and (reason != Reason.KILLED or told != Reason.MODEL):
            return Diagnosis(_narrower(told, reason), proof)
    if exit_code in KILLED_CODES:
        return Diagnosis(Reason.KILLED)
    return Diagnosis(told or Reason.UNKNOWN)


def _narrower(told: str, found: str) -> str:
    """A configuration error stays one, unless the log knows it by a better name."""
    if told in (Reason.MODEL, Reason.CONFIGURATION):
        return found if found in (Reason.HUB, Reason.TEMPLATE) else told
    return found
