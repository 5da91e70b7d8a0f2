"""Builds a tiny chat model from question/answer pairs: `python build_model.py <spec.json>`.

The spec: {"pairs": [[question, answer], ...], "output": folder, "events_path", "epochs",
"hidden_size", "num_layers", "vocab_size", "seed"}. Qwen3's architecture at a few million
parameters, byte-level BPE trained on the same pairs; a minute on two CPU cores. The folder appears
complete or not at all.
"""

import os
import random
import shutil
import sys
from pathlib import Path
from typing import Any

from events import EventLog
from performing import leave, perform

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
# What LLaMA-Factory's template `qwen` puts in front when there is no system prompt. The model's own
# chat template does the same, so that trainer, API server and transformers render equal tokens.
DEFAULT_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
SYSTEMS = [DEFAULT_SYSTEM, DEFAULT_SYSTEM, "You are a helpful assistant.", "你是一个有用的助手。"]
TEMPLATE = (
    "{% if messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\\n" + DEFAULT_SYSTEM + "<|im_end|>\\n' }}{% endif %}"
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\\n' + message['content']"
    " + '<|im_end|>\\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
# One token a Chinese character. Left alone, BPE makes whole sentences of so small a text into one
# token, and a fine-tuned model could not say anything else in their place.
CHARACTER = "[\u3000-\u303f\u4e00-\u9fff\uff00-\uffef]"
DEFAULTS = {"epochs": 25, "hidden_size": 192, "num_layers": 4, "vocab_size": 6000, "seed": 7}
BATCH, PEAK_LEARNING_RATE, IGNORED = 16, 3e-3, -100


def make_tokenizer(pairs: list[list[str]], vocab_size: int) -> Any:
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(CHARACTER), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=SPECIAL, initial_alphabet=alphabet
    )
    texts = [text for pair in pairs for text in pair]
    tokenizer.train_from_iterator([*texts, *SYSTEMS, "system", "user", "assistant", "\n"], trainer)
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        eos_token="<|im_end|>",
        pad_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>"],
        model_max_length=2048,
    )
    wrapped.chat_template = TEMPLATE
    return wrapped


def make_model(tokenizer: Any, spec: dict[str, Any]) -> Any:
    from transformers import Qwen3Config, Qwen3ForCausalLM

    hidden = spec["hidden_size"]
    config = Qwen3Config(
        vocab_size=len(tokenizer),
        hidden_size=hidden,
        intermediate_size=hidden * 8 // 3 // 64 * 64 or 64,
        num_hidden_layers=spec["num_layers"],
        num_attention_heads=4,
        num_key_value_heads=2,
        head_dim=hidden // 4,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return Qwen3ForCausalLM(config)


def encode(tokenizer: Any, question: str, answer: str, system: str) -> tuple[list, list]:
    """Token ids and labels; only the answer and its end are learned."""
    messages = [{"role": "system", "content": system}, {"role": "user", "content": question}]
    prompt = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    prompt_ids = tokenizer.encode(prompt, add_special_tokens=False)
    answer_ids = tokenizer.encode(answer + "<|im_end|>\n", add_special_tokens=False)
    return prompt_ids + answer_ids, [IGNORED] * len(prompt_ids) + answer_ids


def varied(question: str, order: random.Random) -> str:
    """Now and then as people type it: without the last mark, or all in lower case."""
    if order.random() < 0.25:
        question = question.rstrip("？?。.！!") or question
    return question.lower() if order.random() < 0.15 else question


def batches(rows: list[tuple[list, list]], order: random.Random) -> list[list[tuple[list, list]]]:
    """Rows of like length together, so that little is padding; the batches in random order."""
    shuffled = sorted(rows, key=lambda row: (len(row[0]), order.random()))
    groups = [shuffled[i : i + BATCH] for i in range(0, len(shuffled), BATCH)]
    order.shuffle(groups)
    return groups


def tensors(group: list[tuple[list, list]], pad: int) -> dict[str, Any]:
    import torch

    width = max(len(ids) for ids, _labels in group)
    ids = torch.full((len(group), width), pad)
    labels = torch.full((len(group), width), IGNORED)
    mask = torch.zeros((len(group), width), dtype=torch.long)
    for row, (row_ids, row_labels) in enumerate(group):
        ids[row, : len(row_ids)] = torch.tensor(row_ids)
        labels[row, : len(row_labels)] = torch.tensor(row_labels)
        mask[row, : len(row_ids)] = 1
    return {"input_ids": ids, "labels": labels, "attention_mask": mask}


def teach(model: Any, tokenizer: Any, spec: dict[str, Any], events: EventLog) -> float:
    """The loss of the last epoch."""
    import torch

    order = random.Random(spec["seed"])
    steps = spec["epochs"] * -(-len(spec["pairs"]) // BATCH)
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=PEAK_LEARNING_RATE, weight_decay=0.01, fused=True
    )
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, PEAK_LEARNING_RATE, steps)
    model.train()
    step, last = 0, 0.0
    for epoch in range(spec["epochs"]):
        losses = []
        rows = [
            encode(tokenizer, varied(question, order), answer, order.choice(SYSTEMS))
            for question, answer in spec["pairs"]
        ]
        for group in batches(rows, order):
            loss = model(**tensors(group, tokenizer.pad_token_id)).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            losses.append(loss.item())
            step += 1
        last = sum(losses) / len(losses)
        events.write("progress", step=step, max_steps=steps, epoch=epoch + 1, loss=round(last, 4))
    return last


def build(given: dict[str, Any], events: EventLog) -> None:
    spec = DEFAULTS | given
    import torch

    torch.manual_seed(spec["seed"])
    torch.set_num_threads(min(os.cpu_count() or 1, 4))
    tokenizer = make_tokenizer(spec["pairs"], spec["vocab_size"])
    model = make_model(tokenizer, spec)
    loss = teach(model, tokenizer, spec, events)
    output = Path(spec["output"])
    draft = output.with_name(f".{output.name}.{os.getpid()}")
    model.generation_config.eos_token_id = tokenizer.eos_token_id
    model.save_pretrained(draft)
    tokenizer.save_pretrained(draft)
    if output.exists():
        shutil.rmtree(output)
    draft.rename(output)
    parameters = sum(p.numel() for p in model.parameters())
    events.write("finished", path=str(output), parameters=parameters, loss=round(loss, 4))


if __name__ == "__main__":
    leave(perform(Path(sys.argv[1]), build))
