"""Run by the training environment's Python: what LLaMA-Factory makes of records and files.

Takes the path of a JSON file with "model", "template" (qwen unless given) and any of

"cases": [{"entry", "stage", "record"}]        gives "verdicts": [bool]
"files": [{"path", "entry", "stage"}]          gives "fates": [records left, or an error's name]
"datasets": [{"name", "stage", "loads_only", "media_dir"?}]  gives "counts", from "folder"

and writes the answers beside it with the suffix .out.
"""

import json
import sys
from pathlib import Path
from typing import Any

from llamafactory.data.converter import get_dataset_converter
from llamafactory.data.loader import _get_dataset_processor, _get_merged_dataset, get_dataset
from llamafactory.data.parser import DatasetAttr
from llamafactory.data.template import get_template_and_fix_tokenizer
from llamafactory.hparams import DataArguments, ModelArguments
from llamafactory.model import load_tokenizer
from transformers import Seq2SeqTrainingArguments


class Judge:
    def __init__(self, model: str, template: str = "qwen") -> None:
        self.model = model
        self.name = template
        module = load_tokenizer(ModelArguments(model_name_or_path=model))
        self.tokenizer, self.processor = module["tokenizer"], module["processor"]
        self.arguments = DataArguments(template=template, cutoff_len=4096)
        self.template = get_template_and_fix_tokenizer(self.tokenizer, self.arguments)

    def keeps(self, case: dict[str, Any]) -> bool:
        """Whether the record reaches the training: converted, not dropped, encoded."""
        attributes = DatasetAttr("file", dataset_name="judged")
        attributes.join(case["entry"])
        converter = get_dataset_converter(attributes.formatting, attributes, self.arguments)
        processor = _get_dataset_processor(
            self.arguments, case["stage"], self.template, self.tokenizer, None
        )
        try:
            converted = converter(case["record"])
            columns = {name: [value] for name, value in converted.items()}
            encoded = processor.preprocess_dataset(columns)
        except Exception:  # noqa: BLE001  whatever it raises stops a real run
            return False
        first = next(iter(encoded.values()), [])
        return len(first) == 1

    def left_of(self, path: str, entry: dict[str, Any], stage: str) -> int | str:
        """Records of a file that reach the training, or what stops it."""
        file = Path(path)
        info = {file.stem: {"file_name": file.name, **entry}}
        (file.parent / "dataset_info.json").write_text(json.dumps(info))
        try:
            return self.count(str(file.parent), file.stem, stage, False)
        except BaseException as error:  # noqa: BLE001  whatever it raises stops a real run
            return type(error).__name__

    def count(
        self, folder: str, name: str, stage: str, loads_only: bool, media_dir: str | None = None
    ) -> int:
        """Records of one dataset that are left after everything the trainer does with them, or
        only after reading and converting them (tokens of a large file take long)."""
        arguments = DataArguments(
            template=self.name,
            cutoff_len=4096,
            dataset=name,
            dataset_dir=folder,
            media_dir=media_dir,
            overwrite_cache=True,
        )
        training = Seq2SeqTrainingArguments(output_dir=folder, use_cpu=True, report_to=[])
        model = ModelArguments(model_name_or_path=self.model)
        if loads_only:
            return len(_get_merged_dataset([name], model, arguments, training, stage))
        module = get_dataset(
            self.template,
            model,
            arguments,
            training,
            stage=stage,
            tokenizer=self.tokenizer,
            processor=self.processor,
        )
        return len(module["train_dataset"])


def main(path: Path) -> None:
    spec = json.loads(path.read_text())
    judge = Judge(spec["model"], spec.get("template", "qwen"))
    result = {
        "verdicts": [judge.keeps(case) for case in spec.get("cases", [])],
        "fates": [judge.left_of(**file) for file in spec.get("files", [])],
        "counts": [judge.count(spec["folder"], **wanted) for wanted in spec.get("datasets", [])],
    }
    path.with_suffix(".out").write_text(json.dumps(result))


main(Path(sys.argv[1]))
