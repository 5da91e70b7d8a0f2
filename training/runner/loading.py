"""Models and records as LLaMA-Factory itself loads them, for scripts that look at both."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from run import OFFLINE, QUIET, check_model_path

CONTEXT_TOKENS = 4096
IGNORED = -100
# LLaMA-Factory reads records of these stages by another name.
DATA_STAGE = {"dpo": "rm"}


@dataclass(frozen=True)
class Record:
    """One held-out example: a conversation that ends with a question, and the answer to it.

    `turns`: [{"role", "content"}], the roles LLaMA-Factory's own. `expected` is None where
    nobody wrote an answer, `rejected` the worse one of a preference pair. `text` is set in place
    of all of them for plain text.
    """

    turns: tuple[dict[str, str], ...] = ()
    expected: dict[str, str] | None = None
    rejected: dict[str, str] | None = None
    system: str = ""
    tools: str = ""
    text: str = ""


def prepare_environment(*models: str) -> None:
    """Before the heavy imports. Raises FileNotFoundError for a folder that isn't there."""
    os.environ.update(QUIET)
    are_local = [check_model_path(model) for model in models]
    if all(are_local):
        os.environ.update(OFFLINE)


class Loaded:
    """One model with its tokenizer and the template it is served with."""

    def __init__(self, args: dict[str, Any], *, has_weights: bool = True) -> None:
        from llamafactory.data import get_template_and_fix_tokenizer
        from llamafactory.hparams import get_infer_args
        from llamafactory.model import load_model, load_tokenizer

        model_args, data_args, finetuning_args, _generating = get_infer_args(dict(args))
        self.tokenizer = load_tokenizer(model_args)["tokenizer"]
        self.template = get_template_and_fix_tokenizer(self.tokenizer, data_args)
        self.model: Any = None
        if has_weights:
            self.model = load_model(
                self.tokenizer, model_args, finetuning_args, is_trainable=False
            ).eval()

    @property
    def context_tokens(self) -> int:
        known = getattr(self.model.config, "max_position_embeddings", None)
        return min(known or CONTEXT_TOKENS, CONTEXT_TOKENS)

    def encode(self, record: Record, answer: dict[str, str] | None) -> tuple[list[int], list[int]]:
        """Token ids of the prompt and of `answer`, as in training."""
        if record.text:
            ids = self.tokenizer.encode(record.text, add_special_tokens=False)
            return [], [*ids, self.tokenizer.eos_token_id]
        turns = [*record.turns, answer or {"role": "assistant", "content": ""}]
        prompt, ids = self.template.encode_oneturn(
            self.tokenizer, turns, record.system or None, record.tools or None
        )
        return prompt, ids if answer is not None else []

    def loss(self, prompt: list[int], answer: list[int]) -> tuple[float, int]:
        """The summed negative log-likelihood of the answer's tokens, and how many those are."""
        import torch

        ids = (prompt + answer)[: self.context_tokens]
        first = max(1, min(len(prompt), len(ids)))
        if len(ids) <= first:
            return 0.0, 0
        inputs = torch.tensor([ids], device=self.model.device)
        with torch.inference_mode():
            logits = self.model(input_ids=inputs).logits[0, first - 1 : -1].float()
        total = torch.nn.functional.cross_entropy(logits, inputs[0, first:], reduction="sum")
        return float(total), len(ids) - first

    def answer(self, prompt: list[int], max_new_tokens: int) -> list[int]:
        """The greedy answer's token ids."""
        import torch

        room = self.context_tokens - max_new_tokens
        ids = torch.tensor([prompt[-max(1, room) :]], device=self.model.device)
        with torch.inference_mode():
            made = self.model.generate(
                inputs=ids,
                attention_mask=torch.ones_like(ids),
                do_sample=False,
                temperature=None,
                top_p=None,
                top_k=None,
                max_new_tokens=max_new_tokens,
                eos_token_id=self.template.get_stop_token_ids(self.tokenizer),
                pad_token_id=self.tokenizer.pad_token_id,
            )
        return [int(token) for token in made[0, ids.shape[1] :]]

    def text_of(self, ids: list[int]) -> str:
        return str(self.tokenizer.decode(ids, skip_special_tokens=True)).strip()

    def close(self) -> None:
        """Room for the next one."""
        import gc

        import torch

        self.model = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()


def read_records(args: dict[str, Any], data: dict[str, Any]) -> Iterator[Record]:
    """The records that `data` names: {"names", "folder", "stage", "seed", "max_samples"?,
    "val_size"?}.

    With `val_size` those that a training with the same numbers held back: they are split off by
    the trainer's own code. Without, all of them.
    """
    from llamafactory.data.data_utils import split_dataset
    from llamafactory.data.loader import _get_merged_dataset
    from llamafactory.hparams import get_infer_args

    wanted = {"dataset": ",".join(data["names"]), "dataset_dir": data["folder"]}
    wanted |= {name: data[name] for name in ("max_samples", "val_size") if data.get(name)}
    model_args, data_args, _finetuning, _generating = get_infer_args(args | wanted)
    told = SimpleNamespace(
        seed=data["seed"], local_process_index=0, should_log=False, dataloader_num_workers=0
    )
    stage = DATA_STAGE.get(data["stage"], data["stage"])
    rows = _get_merged_dataset(data_args.dataset, model_args, data_args, told, stage)
    if data.get("val_size"):
        rows = split_dataset(rows, None, data_args, seed=data["seed"])[1]["validation"]
    for row in rows:
        record = _record_of(row, data["stage"])
        if record is not None:
            yield record


def _record_of(row: dict[str, Any], stage: str) -> Record | None:
    """None for what is no example of a good answer."""
    turns, answers = tuple(row["_prompt"]), row["_response"]
    if stage == "pt":
        text = "\n".join(turn["content"] for turn in turns)
        return Record(text=text) if text.strip() else None
    # Questions are asked in texts only.
    if not turns or not answers or not answers[0]["content"] or row.get("_images"):
        return None
    return Record(
        turns=turns,
        expected=answers[0],
        rejected=answers[1] if stage == "dpo" and len(answers) > 1 else None,
        system=row["_system"] or "",
        tools=row["_tools"] or "",
    )


def probe_of(row: dict[str, str]) -> Record:
    """A question that a person typed in: {"question", "answer"?, "system"?}."""
    expected = row.get("answer") or ""
    return Record(
        turns=({"role": "user", "content": row["question"]},),
        expected={"role": "assistant", "content": expected} if expected else None,
        system=row.get("system") or "",
    )


def write_whole(path: Path, text: str) -> None:
    """There complete, or not at all."""
    draft = path.with_suffix(".new")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
