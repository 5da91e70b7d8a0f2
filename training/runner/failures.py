"""What kind of failure an exception is, and a message that says the cause. Standard library only.

Words of the message decide first; where they don't, the deepest part of LLaMA-Factory that the
exception came through does.
"""

import errno
from collections.abc import Iterator

# Which words in an error name its kind; read top down, first match wins.
WORDS = (
    (
        "out_of_memory",
        ("out of memory", "can't allocate memory", "cannot allocate memory", "bad_alloc"),
    ),
    # The words of a process whose partner is gone.
    ("killed", ("connection closed by peer", "connection reset by peer")),
    (
        "disk_full",
        (
            "no space left on device",
            "disk quota exceeded",
            "pytorchstreamwriter failed",
            "inline_container.cc",  # what torch makes of a full disk
        ),
    ),
    (
        "data",
        (
            "datasetgenerationerror",
            "cannot find valid samples",
            "corresponds to no data",
            "dataset_info.json",
            "allowed file types",
            "dataset converter",
        ),
    ),
    (
        "model",
        (
            "failed to load tokenizer",
            "failed to load model",
            "failed to load config",
            # torchvision is missing, which some of them need, or a file is.
            "processor was not found",
            "couldn't instantiate the backend tokenizer",
            "error while deserializing header",
            "huggingface.co",
        ),
    ),
    (
        "configuration",
        (
            "hfargumentparser",
            "target modules",
            "template",
            "not applicable in the current training stage",
            "valid checkpoint",
            "please launch distributed training",
            "packagenotfounderror",
            "doesn't support bf16",
            "image features and image tokens do not match",
        ),
    ),
)
PLACES = (
    ("data", ("/llamafactory/data/", "/datasets/")),
    ("configuration", ("/llamafactory/hparams/", "/llamafactory/model/", "/hf_argparser.py")),
)


def chain(error: BaseException) -> Iterator[BaseException]:
    """The error, then what caused it, down to the root."""
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        yield current
        current = current.__cause__ or (
            None if current.__suppress_context__ else current.__context__
        )


def kind_of(error: BaseException) -> str:
    """out_of_memory, killed, disk_full, data, model, configuration or unknown."""
    errors = list(chain(error))
    if any(isinstance(one, MemoryError) for one in errors):
        return "out_of_memory"
    if any(isinstance(one, OSError) and one.errno == errno.ENOSPC for one in errors):
        return "disk_full"
    text = "\n".join(f"{type(one).__name__}: {one}" for one in errors).casefold()
    for kind, words in WORDS:
        if any(word in text for word in words):
            return kind
    files = "\n".join(_files(error))
    for kind, places in PLACES:
        if any(place in files for place in places):
            return kind
    return "unknown"


def message_of(error: BaseException) -> str:
    """The error's words; a root cause that says something else is added."""
    texts = [str(one).strip() or type(one).__name__ for one in chain(error)]
    if texts[-1] not in texts[0]:
        return f"{texts[0]} ({texts[-1]})"[:2000]
    return texts[0][:2000]


def _files(error: BaseException) -> list[str]:
    found, trace = [], error.__traceback__
    while trace is not None:
        found.append(trace.tb_frame.f_code.co_filename.replace("\\", "/"))
        trace = trace.tb_next
    return found
