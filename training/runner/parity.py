"""Whether an endpoint asks its model what the trainer taught it to answer:
`python parity.py <spec.json>`.

The spec: {"trainer": LLaMA-Factory's inference arguments, as in the training; "data": see
read_records(); "endpoint": its URL; "model_name", "count", "max_new_tokens", "results_path",
"events_path"}; the endpoint's key comes in the environment (API_KEY). Training prompts are
rendered by the trainer's template here and by the endpoint there (`/tokenize`); the endpoint's
greedy answer to the conversation is compared with the one to the trainer's tokens. No model is
loaded. The results: {"rows": [...]}.
"""

import json
import os
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
from events import EventLog, plain
from loading import Loaded, Record, prepare_environment, read_records, write_whole
from performing import leave, perform

AROUND = 12
ROLES = {"function": "assistant", "function_call": "assistant", "observation": "tool"}


class Endpoint:
    def __init__(self, url: str, key: str, model_name: str) -> None:
        self._model = model_name
        self._client = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {key}"},
            timeout=httpx.Timeout(120, connect=10),
            trust_env=False,
        )

    def _post(self, path: str, **body: Any) -> Any:
        answer = self._client.post(path, json={"model": self._model} | body)
        if answer.status_code != 200:
            raise RuntimeError(f"the endpoint answered {answer.status_code}: {answer.text[:300]}")
        return answer.json()

    def tokens(self, record: Record) -> list[int]:
        found = self._post("/tokenize", **conversation(record), add_generation_prompt=True)
        return [int(token) for token in found["tokens"]]

    def answer(self, record: Record, max_tokens: int) -> str:
        wanted = {"temperature": 0, "max_tokens": max_tokens, "stream": False}
        found = self._post("/v1/chat/completions", **conversation(record), **wanted)
        message = found["choices"][0]["message"]
        calls = message.get("tool_calls")
        return str(message.get("content") or (json.dumps(calls) if calls else "")).strip()

    def continued(self, ids: list[int], max_tokens: int) -> str:
        found = self._post("/v1/completions", prompt=ids, max_tokens=max_tokens, temperature=0)
        return str(found["choices"][0]["text"]).strip()


def conversation(record: Record) -> dict[str, Any]:
    """As callers of the endpoint would send it."""
    messages = [{"role": "system", "content": record.system}] if record.system else []
    messages += [
        {"role": ROLES.get(turn["role"], turn["role"]), "content": turn["content"]}
        for turn in record.turns
    ]
    return {"messages": messages}


def compare(loaded: Loaded, endpoint: Endpoint, record: Record, max_tokens: int) -> dict[str, Any]:
    mine, _answer = loaded.encode(record, None)
    theirs = endpoint.tokens(record)
    row: dict[str, Any] = {"prompt": record.turns[-1]["content"][:2000], "difference": None}
    position = first_difference(mine, theirs)
    if position is not None:
        row["difference"] = {
            "position": position,
            "trainer": around(loaded, mine, position),
            "endpoint": around(loaded, theirs, position),
        }
    row["trainer_tokens"], row["endpoint_tokens"] = len(mine), len(theirs)
    row["trainer_answer"] = endpoint.continued(mine, max_tokens)
    row["endpoint_answer"] = endpoint.answer(record, max_tokens)
    row["is_same_answer"] = row["trainer_answer"] == row["endpoint_answer"]
    return row


def first_difference(mine: list[int], theirs: list[int]) -> int | None:
    """Where they part; the end of the shorter one if that is all."""
    if mine == theirs:
        return None
    pairs = enumerate(zip(mine, theirs, strict=False))
    return next((i for i, (a, b) in pairs if a != b), min(len(mine), len(theirs)))


def around(loaded: Loaded, ids: list[int], position: int) -> dict[str, Any]:
    """The tokens near `position` as text: before, the one itself (empty at the end), after."""
    names = [loaded.tokenizer.decode([token]) for token in ids[max(0, position - AROUND) :]]
    at = min(position, AROUND)
    return {
        "before": "".join(names[:at]),
        "id": ids[position] if position < len(ids) else None,
        "token": names[at] if at < len(names) else "",
        "after": "".join(names[at + 1 : at + 1 + AROUND]),
    }


def check(spec: dict[str, Any], events: EventLog) -> None:
    prepare_environment(str(spec["trainer"]["model_name_or_path"]))
    loaded = Loaded(spec["trainer"], has_weights=False)
    # Calls of tools are rendered from a structure that no plain conversation carries.
    records = (r for r in read_records(spec["trainer"], spec["data"]) if r.turns and not r.tools)
    chosen = list(islice(records, spec["count"]))
    if not chosen:
        raise RuntimeError("Cannot find valid samples: no record of the dataset is a conversation")
    endpoint = Endpoint(spec["endpoint"], os.environ["API_KEY"], spec["model_name"])
    events.write("started", step=0, max_steps=len(chosen))
    rows = []
    for step, record in enumerate(chosen, start=1):
        rows.append(compare(loaded, endpoint, record, spec["max_new_tokens"]))
        events.write("progress", step=step, max_steps=len(chosen))
    write_whole(Path(spec["results_path"]), json.dumps(plain({"rows": rows}), ensure_ascii=False))
    events.write("finished", step=len(chosen), max_steps=len(chosen))


if __name__ == "__main__":
    leave(perform(Path(sys.argv[1]), check))
