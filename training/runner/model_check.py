"""Whether transformers can load a model, without its memory: classes, tokenizer, number of weights.

The model is made on the `meta` device, which holds shapes and no numbers; its parameters are
counted against those in the files. No code of the model's own is run.
"""

import math
import os
from pathlib import Path
from typing import Any

from model_files import Refused, header_of

# Buffers that some checkpoints hold besides the parameters, and padding.
TOLERANCE = 0.02


def check_loads(folder: Path) -> None:
    """Raises Refused, with the library's own words."""
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")
    from transformers import AutoConfig, AutoTokenizer

    local = {"trust_remote_code": False, "local_files_only": True}
    try:
        config = AutoConfig.from_pretrained(folder, **local)
    except Exception as error:  # each kind of model checks its own numbers
        raise Refused("unknown_architecture", _first_line(error)) from error
    try:
        AutoTokenizer.from_pretrained(folder, **local)
    except Exception as error:  # tokenizers raise whatever their parsers raise
        raise Refused("no_tokenizer", _first_line(error)) from error
    if not getattr(config, "quantization_config", None):
        _check_count(folder, config)


def _check_count(folder: Path, config: Any) -> None:
    wanted = _parameters(config)
    held = sum(
        math.prod(row["shape"])
        for file in folder.glob("*.safetensors")
        for row in header_of(file).values()
    )
    if held < wanted * (1 - TOLERANCE):
        raise Refused("incomplete", f"{held:,} of {wanted:,} parameters")


def _parameters(config: Any) -> int:
    """As many as its files must hold; shared ones once."""
    import torch
    import transformers

    names = config.architectures or ["?"]
    kind = getattr(transformers, str(names[0]), None)
    if kind is None or not hasattr(kind, "from_pretrained"):
        raise Refused("unknown_architecture", str(names[0]))
    try:
        with torch.device("meta"):
            model = kind(config)
            model.tie_weights()
    except Exception as error:  # its code says what it cannot be made of
        raise Refused("unknown_architecture", _first_line(error)) from error
    return sum(parameter.numel() for parameter in model.parameters())


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:300]
