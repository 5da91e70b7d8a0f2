"""Run by the training environment's Python: what trainings are really fed with.

Takes the path of {"model", "folder", "wanted": [{"name", "stage", "cutoff_len"}]} and writes
beside it, with the suffix .out, for each the records as [[ids, labels], …], through
LLaMA-Factory's own `get_dataset`.
"""

import json
import sys
from pathlib import Path
from typing import Any

from llamafactory.data import get_dataset, get_template_and_fix_tokenizer
from llamafactory.hparams import get_train_args
from llamafactory.model import load_tokenizer

DATA_STAGE = {"dpo": "rm"}
COLUMNS = {"rm": [("chosen_input_ids", "chosen_labels"), ("rejected_input_ids", "rejected_labels")]}


def fed(model: str, folder: str, name: str, stage: str, cutoff_len: int) -> list[Any]:
    model_args, data_args, training_args, _finetuning, _generating = get_train_args(
        {
            "stage": stage,
            "do_train": True,
            "model_name_or_path": model,
            "template": "qwen",
            "dataset": name,
            "dataset_dir": folder,
            "cutoff_len": cutoff_len,
            "packing": False,
            "output_dir": folder,
            "overwrite_cache": True,
            "use_cpu": True,
            "report_to": "none",
        }
    )
    tokenizer = load_tokenizer(model_args)["tokenizer"]
    template = get_template_and_fix_tokenizer(tokenizer, data_args)
    stage = DATA_STAGE.get(stage, stage)
    module = get_dataset(
        template, model_args, data_args, training_args, stage=stage, tokenizer=tokenizer
    )
    columns = COLUMNS.get(stage, [("input_ids", "labels")])
    return [
        [[row[ids], row.get(labels, row[ids])] for ids, labels in columns]
        for row in module["train_dataset"]
    ]


def main(path: Path) -> None:
    spec = json.loads(path.read_text())
    fed_with = [fed(spec["model"], spec["folder"], **wanted) for wanted in spec["wanted"]]
    path.with_suffix(".out").write_text(json.dumps(fed_with))


main(Path(sys.argv[1]))
