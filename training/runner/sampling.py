"""Answers of the model in training to a few prompts, at the beginning and at each evaluation."""

import time
from typing import Any

from events import EventLog
from transformers import TrainerCallback

NEW_TOKENS = 128
PROMPT_TOKENS = 1024
# A sample is a look at the model, not a task: what has not been answered by then is left out.
WITHIN_S = 120


class SampleCallback(TrainerCallback):
    """Greedy, so that nothing random is used up: a run with samples ends as one without.

    Whatever goes wrong in here is told once, and the training goes on without samples.
    """

    def __init__(self, prompts: list[str], events: EventLog) -> None:
        self._prompts, self._events = prompts, events
        self._last_step = -1
        self._is_silent = not prompts

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        if state.global_step == 0:
            self._answer(state, **kwargs)

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._answer(state, **kwargs)

    def on_train_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self._answer(state, **kwargs)

    def _answer(
        self, state: Any, model: Any = None, processing_class: Any = None, **kwargs: Any
    ) -> None:
        is_mine = state.is_world_process_zero and model is not None and processing_class is not None
        if self._is_silent or not is_mine or state.global_step == self._last_step:
            return
        self._last_step = state.global_step
        was_training = model.training
        try:
            items = self._items(model, getattr(processing_class, "tokenizer", processing_class))
            self._events.write("samples", step=state.global_step, items=items)
        except Exception as error:  # noqa: BLE001  # a look at the model must not end its training
            self._is_silent = True
            print(f"no samples any more: {type(error).__name__}: {error}", flush=True)  # noqa: T201
        finally:
            model.train(was_training)

    def _items(self, model: Any, tokenizer: Any) -> list[dict[str, Any]]:
        model.eval()
        deadline = time.monotonic() + WITHIN_S
        items = []
        for position, prompt in enumerate(self._prompts):
            if time.monotonic() > deadline:
                break
            output = answer(model, tokenizer, prompt)
            items.append({"position": position, "prompt": prompt, "output": output})
        return items


def answer(model: Any, tokenizer: Any, prompt: str) -> str:
    import torch

    text, has_marks = prompt, False
    if tokenizer.chat_template:
        messages = [{"role": "user", "content": prompt}]
        text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
        has_marks = True
    inputs = tokenizer(
        text,
        return_tensors="pt",
        truncation=True,
        max_length=PROMPT_TOKENS,
        add_special_tokens=not has_marks,
    ).to(model.device)
    with torch.random.fork_rng(), torch.no_grad():
        made = model.generate(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            max_new_tokens=NEW_TOKENS,
            do_sample=False,
            use_cache=True,
            pad_token_id=tokenizer.pad_token_id,
        )
    return tokenizer.decode(made[0][inputs["input_ids"].shape[1] :], skip_special_tokens=True)
