"""One deployment: `python serve.py <spec.json>`, executed by the training environment.

The spec: {"engine": huggingface, vllm or embedding; "args": LLaMA-Factory's inference arguments;
"port", "model_name", "concurrency"?, "idle_s"?, "wait_s"?, "pause_s"?, "needs_place"?,
"control_path"?, "host"?, "child"?: another command}. The key comes in the environment (API_KEY),
never on the command line, which every user of the machine can read. The model lives in a child
process on loopback (keeper.py); this one stays small, and answers while the model sleeps
(front.py).
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import uvicorn
from front import Front
from keeper import Keeper

HERE = Path(__file__).resolve().parent
DEFAULTS = {
    "engine": "huggingface",
    "host": "127.0.0.1",
    "concurrency": 1,
    "idle_s": 0,
    "wait_s": 100.0,
    "pause_s": 1.0,
    "needs_place": False,
    "control_path": "",
}


def vllm_command(spec: dict[str, Any]) -> list[str]:
    """vLLM's own server; an adapter is loaded beside its base model, under the model's name."""
    args, name = spec["args"], spec["model_name"]
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server"]
    command += ["--model", args["model_name_or_path"], "--host", "127.0.0.1", "--port", "{port}"]
    command += ["--max-num-seqs", str(spec["concurrency"])]
    adapter = args.get("adapter_name_or_path")
    if adapter:
        served = ["--enable-lora", "--lora-modules", f"{name}={adapter}"]
        return [*command, *served, "--served-model-name", f"{name}-base"]
    return [*command, "--served-model-name", name]


def child_command(spec: dict[str, Any], spec_path: Path) -> list[str]:
    if spec["engine"] == "vllm":
        return vllm_command(spec)
    script = "serve_embeddings.py" if spec["engine"] == "embedding" else "serve_model.py"
    return [sys.executable, str(HERE / script), str(spec_path), "{port}", "{pid}"]


async def serve(spec: dict[str, Any], key: str) -> int:
    """Until the model cannot be kept, or somebody ends it; the exit code."""
    keeper = Keeper(spec, key)
    front = Front(keeper, key=key, model_name=spec["model_name"], concurrency=spec["concurrency"])
    config = uvicorn.Config(
        front, host=spec["host"], port=spec["port"], log_level="warning", lifespan="off"
    )
    server = uvicorn.Server(config)
    loop, asked = asyncio.get_running_loop(), asyncio.Event()
    # uvicorn would wait for callers that wait for a model.
    server.capture_signals = _nothing_captured  # type: ignore[method-assign, assignment]
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked.set)
    listening = asyncio.create_task(server.serve())
    keeping, ending = asyncio.create_task(keeper.run()), asyncio.create_task(asked.wait())
    await asyncio.wait({keeping, ending, listening}, return_when=asyncio.FIRST_COMPLETED)
    code = 128 + signal.SIGTERM
    if keeping.done():
        code = keeping.result()
    elif listening.done():
        code = 1
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
    await keeper.end()
    return code


class _Nothing:
    def __enter__(self) -> None: ...

    def __exit__(self, *raised: object) -> None: ...


def _nothing_captured() -> _Nothing:
    return _Nothing()


def main(spec_path: Path) -> int:
    spec = DEFAULTS | json.loads(spec_path.read_text(encoding="utf-8"))
    key = os.environ.get("API_KEY", "")
    if not key:
        sys.exit("API_KEY is missing")
    os.environ["VLLM_API_KEY"] = key
    spec.setdefault("child", child_command(spec, spec_path))
    return asyncio.run(serve(spec, key))


if __name__ == "__main__":
    code = main(Path(sys.argv[1]))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
