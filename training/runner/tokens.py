"""Records as the trainer sees them: `python tokens.py <folder>`, in the training environment.

LLaMA-Factory's own converter, template and processor turn each record into token ids and labels;
what is not learned has the label -100. Requests are files in the folder, `<name>.request.json`:
{"args": {"model_name_or_path", "template"?, "cutoff_len", "train_on_prompt"?, "mask_history"?},
"stage", "entry": the dataset's in dataset_info.json, "records", "output": path}. The answer is
written there: {"records": [{"sequences": [{"name", "length", "full_length", "learned",
"pieces": [{"text", "tokens", "is_learned", "picture"?: how many tokens one became}], "rest"}]}
or {"error"}], "special": […]} or {"error", "causes": [message]}.
It stays for a while after the last request, so that the next one need not wait for the imports.
"""

import json
import sys
import time
import traceback
from functools import lru_cache
from pathlib import Path
from typing import Any

from failures import chain, message_of
from loading import DATA_STAGE, IGNORED, prepare_environment, write_whole

IDLE_S = 120
LOOK_EVERY_S = 0.05
# What is sent to a page of one sequence; its numbers are those of the whole.
SHOWN_TOKENS = 3000
UNCUT = 1 << 22
PREFIXES = {"rm": ("chosen", "rejected")}


@lru_cache(maxsize=4)
def loaded(model: str, template: str) -> tuple[Any, Any, Any]:
    """Tokenizer, template and what prepares pictures, as a training with these arguments has
    them."""
    from llamafactory.data import get_template_and_fix_tokenizer
    from llamafactory.hparams import get_infer_args
    from llamafactory.model import load_tokenizer

    args = {"model_name_or_path": model, "trust_remote_code": False}
    model_args, data_args, _finetuning, _generating = get_infer_args(
        args | ({"template": template} if template else {})
    )
    module = load_tokenizer(model_args)
    tokenizer = module["tokenizer"]
    template_made = get_template_and_fix_tokenizer(tokenizer, data_args)
    return tokenizer, template_made, module["processor"]


class Encoder:
    """What the trainer makes of single records."""

    def __init__(self, request: dict[str, Any]) -> None:
        from llamafactory.data.converter import get_dataset_converter
        from llamafactory.data.parser import DatasetAttr

        args = dict(request["args"])
        model, name = args.pop("model_name_or_path"), args.pop("template", None) or ""
        self.tokenizer, self.template, self.processor = loaded(model, name)
        self.stage = DATA_STAGE.get(request["stage"], request["stage"])
        attributes = DatasetAttr("file", dataset_name="tokens")
        attributes.join(request["entry"])
        self.columns = list(request["entry"]["columns"].values())
        self.arguments = {"template": name or None} | args
        self.converter = get_dataset_converter(
            attributes.formatting, attributes, self._data_args(self.arguments)
        )
        self.special = set(self.tokenizer.all_special_ids)
        mark = self.template.mm_plugin.image_token
        self.picture = self.tokenizer.convert_tokens_to_ids(mark) if mark else None

    def _data_args(self, values: dict[str, Any]) -> Any:
        from llamafactory.hparams import DataArguments

        return DataArguments(**values)

    def encode(self, record: dict[str, Any]) -> dict[str, Any]:
        try:
            converted = self.converter({**dict.fromkeys(self.columns), **record})
            shown = self._processed(converted, self.arguments)
            whole = self._processed(converted, self.arguments | {"cutoff_len": UNCUT})
        except Exception as error:  # noqa: BLE001  what it raises is the answer
            return {"error": message_of(error)}
        if not shown:
            return {"error": "dropped"}
        sequences = [
            self._sequence(name, ids, labels, len(whole[name][0]))
            for name, (ids, labels) in shown.items()
        ]
        return {"sequences": sequences}

    def _processed(
        self, converted: dict[str, Any], values: dict[str, Any]
    ) -> dict[str, tuple[list[int], list[int]]]:
        """Ids and labels by sequence; empty when the trainer drops the record."""
        from llamafactory.data.loader import _get_dataset_processor

        processor = _get_dataset_processor(
            self._data_args(values), self.stage, self.template, self.tokenizer, self.processor
        )
        columns = {name: [value] for name, value in converted.items()}
        made = processor.preprocess_dataset(columns)
        found = {}
        for prefix in PREFIXES.get(self.stage, ("",)):
            name = f"{prefix}_input_ids" if prefix else "input_ids"
            labels = f"{prefix}_labels" if prefix else "labels"
            if made.get(name):
                ids = made[name][0]
                found[prefix] = (ids, made[labels][0] if labels in made else ids)
        return found

    def _sequence(
        self, name: str, ids: list[int], labels: list[int], full_length: int
    ) -> dict[str, Any]:
        return {
            "name": name,
            "length": len(ids),
            "full_length": full_length,
            "learned": sum(label != IGNORED for label in labels),
            "pieces": self._pieces(ids[:SHOWN_TOKENS], labels),
            "rest": max(0, len(ids) - SHOWN_TOKENS),
        }

    def _pieces(self, ids: list[int], labels: list[int]) -> list[dict[str, Any]]:
        """Tokens with their text. Those that only together are a character are one piece, as are
        those that a picture has become."""
        pieces: list[dict[str, Any]] = []
        held: list[int] = []
        for index, token in enumerate(ids):
            held.append(token)
            if token == self.picture:
                self._add_picture(pieces, token)
                held = []
                continue
            is_learned = labels[index] != IGNORED
            is_last = index + 1 == len(ids) or (labels[index + 1] != IGNORED) != is_learned
            text = self.tokenizer.decode(held, clean_up_tokenization_spaces=False)
            if text.endswith("\ufffd") and not is_last and len(held) < 8:
                continue
            pieces.append({"text": text, "tokens": held, "is_learned": is_learned})
            if token in self.special:
                pieces[-1]["is_special"] = True
            held = []
        return pieces

    def _add_picture(self, pieces: list[dict[str, Any]], token: int) -> None:
        if not pieces or not pieces[-1].get("picture"):
            pieces.append({"tokens": [], "is_learned": False, "is_special": True, "picture": 0})
        piece = pieces[-1]
        piece["tokens"].append(token)
        piece["picture"] += 1
        piece["text"] = f"{self.tokenizer.decode([token])} × {piece['picture']}"


def answer(request: dict[str, Any]) -> dict[str, Any]:
    try:
        prepare_environment(request["args"]["model_name_or_path"])
        encoder = Encoder(request)
        return {"records": [encoder.encode(record) for record in request["records"]]}
    except Exception as error:  # noqa: BLE001  the page says why
        traceback.print_exc()
        causes = [str(each) for each in chain(error)]
        return {"error": f"{type(error).__name__}: {message_of(error)}"[:500], "causes": causes}


def serve(folder: Path) -> None:
    last = time.monotonic()
    while time.monotonic() - last < IDLE_S:
        for path in sorted(folder.glob("*.request.json")):
            request = json.loads(path.read_text(encoding="utf-8"))
            output = Path(request["output"])
            if output.parent.is_dir():  # else the dataset is gone by now
                write_whole(output, json.dumps(answer(request), ensure_ascii=False))
            path.unlink(missing_ok=True)
            last = time.monotonic()
        time.sleep(LOOK_EVERY_S)


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
