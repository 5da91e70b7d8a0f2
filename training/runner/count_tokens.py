"""How many tokens each record of a dataset has: `python count_tokens.py <spec.json>`.

The spec: {"data", "entry" (of dataset_info.json), "stage", "model", "template", "output",
"progress", "media_dir"?}. Converted, templated and tokenized by LLaMA-Factory itself, before it
cuts anything.
`output`: uint32 for each record; 0 where the trainer would drop it. `progress`: records done so
far, rewritten about twice a second. Of a preference pair the longer answer counts.
"""

import json
import sys
import time
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llamafactory.data.converter import get_dataset_converter
from llamafactory.data.parser import DatasetAttr
from llamafactory.data.template import get_template_and_fix_tokenizer
from llamafactory.hparams import DataArguments
from transformers import AutoTokenizer

TELL_EVERY_S = 0.5


class Counter:
    def __init__(self, spec: dict[str, Any]) -> None:
        self.tokenizer = AutoTokenizer.from_pretrained(spec["model"], trust_remote_code=False)
        arguments = DataArguments(
            template=spec["template"] or None, cutoff_len=2**31, media_dir=spec.get("media_dir")
        )
        self.processor = _processor(spec) if spec.get("media_dir") else None
        self.template = get_template_and_fix_tokenizer(self.tokenizer, arguments)
        attributes = DatasetAttr("file", dataset_name="counted")
        attributes.join(spec["entry"])
        self.convert = get_dataset_converter(attributes.formatting, attributes, arguments)
        self.columns = list(spec["entry"]["columns"].values())
        self.end = 1 if self.template.efficient_eos else 0
        stages = {"pt": self._plain, "dpo": self._pair, "kto": self._tagged}
        self.count: Callable[[dict[str, Any]], int] = stages.get(spec["stage"], self._chat)

    def of(self, record: dict[str, Any]) -> int:
        converted = self.convert({**dict.fromkeys(self.columns), **record})
        return self.count(converted) if converted["_prompt"] else 0

    def _pairs(self, record: dict[str, Any], answer: dict[str, str]) -> list[tuple[list[int], ...]]:
        messages = [*record["_prompt"], answer]
        if self.processor is not None:
            messages = self.template.mm_plugin.process_messages(
                messages, record["_images"] or [], [], [], self.processor
            )
        return self.template.encode_multiturn(
            self.tokenizer, messages, record["_system"], record["_tools"]
        )

    def _length(self, record: dict[str, Any], answer: dict[str, str]) -> int:
        pairs = self._pairs(record, answer)
        length = sum(len(source) + len(target) for source, target in pairs) + self.end
        if self.processor is None:
            return length
        before, _labels = self.template.mm_plugin.process_token_ids(
            [], None, record["_images"] or [], [], [], self.tokenizer, self.processor
        )
        return length + len(before)

    def _chat(self, record: dict[str, Any]) -> int:
        return self._length(record, record["_response"][0]) if record["_response"] else 0

    def _pair(self, record: dict[str, Any]) -> int:
        answers = record["_response"]
        return max((self._length(record, answer) for answer in answers), default=0)

    def _tagged(self, record: dict[str, Any]) -> int:
        said = [answer for answer in record["_response"] if answer["content"]]
        return self._length(record, said[0]) if said else 0

    def _plain(self, record: dict[str, Any]) -> int:
        text = record["_prompt"][0]["content"]
        return len(self.tokenizer.encode(text, add_special_tokens=False)) + 1


def _processor(spec: dict[str, Any]) -> Any:
    """What prepares pictures, as the trainer loads it with its own limits on their size."""
    from llamafactory.hparams import ModelArguments
    from llamafactory.model import load_tokenizer

    return load_tokenizer(ModelArguments(model_name_or_path=spec["model"]))["processor"]


def main(path: Path) -> None:
    spec = json.loads(path.read_text(encoding="utf-8"))
    counter, lengths, told_at = Counter(spec), array("I"), 0.0
    progress = Path(spec["progress"])
    with Path(spec["data"]).open("rb") as lines:
        for line in lines:
            lengths.append(counter.of(json.loads(line)))
            if time.monotonic() - told_at > TELL_EVERY_S:
                told_at = time.monotonic()
                progress.write_text(str(len(lengths)))
    Path(spec["output"]).write_bytes(lengths.tobytes())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
