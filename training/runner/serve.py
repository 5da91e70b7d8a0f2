"""LLaMA-Factory's API server for one model: `python serve.py <spec.json>`.

The spec: {"args": LLaMA-Factory's inference arguments, "port", "model_name"}. The key comes in the
environment (API_KEY), never on the command line, which every user of the machine can read.
Binds to loopback only; local files in messages are refused.
"""

import json
import os
import sys
from pathlib import Path


def main(spec_path: Path) -> None:
    spec = json.loads(spec_path.read_text(encoding="utf-8"))
    if not os.environ.get("API_KEY"):
        sys.exit("API_KEY is missing")
    os.environ.update(
        API_MODEL_NAME=spec["model_name"], ALLOW_LOCAL_FILES="0", DISABLE_VERSION_CHECK="1"
    )
    import uvicorn
    from llamafactory.api.app import create_app
    from llamafactory.chat import ChatModel

    app = create_app(ChatModel(spec["args"]))
    uvicorn.run(app, host="127.0.0.1", port=spec["port"], log_level="warning")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
