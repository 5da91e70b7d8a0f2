"""The process with the model: LLaMA-Factory's API server:
`python serve_model.py <spec.json> <port> <pid of serve.py>`.

Besides LLaMA-Factory's own routes it has two in vLLM's shape, so that others can see what is made
of a conversation: `POST /tokenize` {"messages"} gives the token ids that the model is asked with,
`POST /v1/completions` {"prompt": token ids, "max_tokens"} the greedy answer to any.
"""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from mortal import die_with_parent

ANSWER_TOKENS_MAX = 2048


def prompt_ids(engine: Any, request: Any) -> list[int]:
    """What the engine itself would begin to generate from."""
    from llamafactory.api.chat import _process_request

    messages, system, tools, images, videos, audios = _process_request(request)
    arguments, _length = engine._process_args(
        engine.model,
        engine.tokenizer,
        engine.processor,
        engine.template,
        engine.generating_args,
        messages,
        system,
        tools,
        images,
        videos,
        audios,
        {},
    )
    return [int(token) for token in arguments["inputs"][0]]


def continued(engine: Any, ids: list[int], max_tokens: int) -> list[int]:
    """The greedy continuation's token ids."""
    import torch

    inputs = torch.tensor([ids], device=engine.model.device)
    with torch.inference_mode():
        made = engine.model.generate(
            inputs=inputs,
            attention_mask=torch.ones_like(inputs),
            do_sample=False,
            temperature=None,
            top_p=None,
            top_k=None,
            max_new_tokens=max_tokens,
            eos_token_id=engine.template.get_stop_token_ids(engine.tokenizer),
            pad_token_id=engine.tokenizer.pad_token_id,
        )
    return [int(token) for token in made[0, len(ids) :]]


def add_routes(app: Any, engine: Any) -> None:
    """Without a key of their own: the child is on loopback, and the front has asked for it."""
    from fastapi import HTTPException
    from llamafactory.api.protocol import ChatCompletionRequest

    @app.post("/tokenize")
    async def tokenize(body: dict[str, Any]) -> dict[str, Any]:
        wanted = {"model": body.get("model", ""), "messages": body.get("messages")}
        request = ChatCompletionRequest(**wanted, tools=body.get("tools"))
        ids = prompt_ids(engine, request)
        limit = getattr(engine.model.config, "max_position_embeddings", None)
        return {"count": len(ids), "max_model_len": limit, "tokens": ids}

    @app.post("/v1/completions")
    async def complete(body: dict[str, Any]) -> dict[str, Any]:
        ids, wanted = body.get("prompt"), body.get("max_tokens", 16)
        if not isinstance(ids, list) or not ids or not all(isinstance(i, int) for i in ids):
            raise HTTPException(400, "prompt has to be a list of token ids")
        if not isinstance(wanted, int) or not 1 <= wanted <= ANSWER_TOKENS_MAX:
            raise HTTPException(400, f"max_tokens is between 1 and {ANSWER_TOKENS_MAX}")
        async with engine.semaphore:
            made = await asyncio.to_thread(continued, engine, ids, wanted)
        text = engine.tokenizer.decode(made, skip_special_tokens=True)
        reason = "length" if len(made) >= wanted else "stop"
        choice = {"index": 0, "text": text, "finish_reason": reason, "logprobs": None}
        counts = {"prompt_tokens": len(ids), "completion_tokens": len(made)}
        counts["total_tokens"] = sum(counts.values())
        named = {"id": "cmpl", "object": "text_completion", "model": body.get("model", "")}
        return {**named, "choices": [choice], "usage": counts}


def main(spec_path: Path, port: int) -> None:
    spec = json.loads(spec_path.read_text(encoding="utf-8"))
    os.environ.update(
        API_MODEL_NAME=spec["model_name"],
        MAX_CONCURRENT=str(spec.get("concurrency", 1)),
        ALLOW_LOCAL_FILES="0",
        API_VERBOSE="0",
        DISABLE_VERSION_CHECK="1",
    )
    import uvicorn
    from llamafactory.api.app import create_app
    from llamafactory.chat import ChatModel

    chat_model = ChatModel(spec["args"])
    app = create_app(chat_model)
    if chat_model.engine.name == "huggingface" and chat_model.engine.can_generate:
        add_routes(app, chat_model.engine)
    uvicorn.run(app, host="127.0.0.1", port=port, log_level="warning")


if __name__ == "__main__":
    die_with_parent(int(sys.argv[3]))
    main(Path(sys.argv[1]), int(sys.argv[2]))
