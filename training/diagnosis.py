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
        r"failed to load (?:tokenizer|model|config)|processor was not found"
        r"|does not appear to have a file named"
        r"|safetensors_rust\.safetensorerror|error while deserializing header"
        r"|couldn't instantiate the backend tokenizer|unrecognized model in"
        r"|model path .* does not exist|size mismatch for",
    ),
    (
        Reason.CONFIGURATION,
        r"hfargumentparser|target modules .* not found|valid checkpoint|packagenotfounderror"
        r"|please launch distributed training|doesn't support bf16|bf16/gpu"
        r"|image features and image tokens do not match"
        r"|unexpected keyword argument|cannot be used together|only compatible with"
        r"|incompatible with",
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
# Seen in runs that went well, too (a first step in fp16), so that they prove what is known already.
PROOFS = {Reason.DIVERGED: re.compile(r"'(?:loss|eval_loss|grad_norm)': '?-?(?:nan|inf)", re.I)}
PATTERNS = tuple((reason, re.compile(pattern, re.IGNORECASE)) for reason, pattern in SIGNS)
# What the runner is not sure of, or says of an exception that has a narrower cause.
VAGUE = frozenset({"", Reason.UNKNOWN, Reason.KILLED, Reason.MODEL, Reason.CONFIGURATION})
NAMED = (Reason.MODEL, Reason.CONFIGURATION)
CAUSES: dict[str, tuple[str, ...]] = {
    Reason.MODEL: (Reason.HUB, Reason.TEMPLATE, Reason.DISK_FULL, Reason.OUT_OF_MEMORY),
    Reason.CONFIGURATION: (Reason.HUB, Reason.TEMPLATE, Reason.DATA, Reason.MODEL),
}
KILLED_CODES = frozenset({-9, 137})


@dataclass(frozen=True)
class Diagnosis:
    """`proof` is the number of the line in what was looked at; None: no line says so."""

    reason: str
    proof: int | None = None


def proof_of(reason: str, lines: Sequence[str]) -> int | None:
    """The last line that says so."""
    known = [dict(PATTERNS).get(reason), PROOFS.get(Reason(reason)) if reason else None]
    for pattern in filter(None, known):
        found = [i for i, line in enumerate(lines) if pattern.search(line.strip())]
        if found:
            return found[-1]
    return None


def diagnose(lines: Sequence[str], *, exit_code: int | None, told: str = "") -> Diagnosis:
    """`told`: the kind that the runner itself gave."""
    if told not in VAGUE:
        return Diagnosis(told, proof_of(told, lines))
    for reason, pattern in PATTERNS:
        proofs = [i for i, line in enumerate(lines) if pattern.search(line.strip())]
        if proofs and (reason != Reason.KILLED or told != Reason.MODEL):
            return _narrowed(told, reason, proofs[-1], lines)
    if exit_code in KILLED_CODES:
        return Diagnosis(Reason.KILLED)
    return Diagnosis(told or Reason.UNKNOWN)


def _narrowed(told: str, found: str, proof: int, lines: Sequence[str]) -> Diagnosis:
    """What the runner calls the model or the configuration stays that, unless the log knows it by
    the name of what caused it."""
    if told in NAMED and found not in CAUSES[told]:
        return Diagnosis(told, proof_of(told, lines))
    return Diagnosis(found, proof)
