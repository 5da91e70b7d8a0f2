"""One training on a database of its own, watched from outside: `run_apart.py <model> <epochs>`.

DATABASE_URL is an empty database; SHIM_DATABASE_URL is how the shim reaches it. Each line of the
output is {"state", "step", "attempt", "fence"}; the last one has "steps" and "reason", too.
"""

import hashlib
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import django

ROWS = [
    {"instruction": f"{a} plus {b}?", "input": "", "output": f"{a + b}"}
    for a in range(6)
    for b in range(6)
]


class NoMigrations(dict[str, None]):
    """Tables as the models are now: the migrations have tests of their own."""

    def __contains__(self, name: object) -> bool:
        return True

    def __getitem__(self, name: str) -> None:
        return None


def prepare(model: str, epochs: str) -> Any:
    from django.conf import settings
    from django.core.management import call_command

    from accounts.models import User
    from training import services
    from training.models import BaseModel, Dataset

    settings.MIGRATION_MODULES = NoMigrations()
    call_command("migrate", run_syncdb=True, verbosity=0)
    owner = User.objects.create_user("alice@example.com", "correct horse battery")
    base = BaseModel.objects.create(owner=owner, name="tiny", path=model, template="qwen")
    path = Path(settings.MEDIA_ROOT) / "sums.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    known = {"format": "alpaca", "records": len(ROWS), "sha256": digest, "path": path.name}
    dataset = Dataset.objects.create(owner=owner, name="sums", **known)
    parameters = {"num_train_epochs": float(epochs), "logging_steps": 1, "save_steps": 20}
    return services.create_job(
        owner=owner, name="job", base_model=base, dataset=dataset, parameters=parameters
    )


def tell(row: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(row) + "\n")
    sys.stdout.flush()


def main() -> None:
    django.setup()
    from training import tasks
    from training.models import Metric

    job = prepare(sys.argv[1], sys.argv[2])
    os.environ["DATABASE_URL"] = os.environ["SHIM_DATABASE_URL"]
    told: dict[str, Any] = {}
    while not job.is_final:
        tasks.schedule()
        tasks.tick()
        time.sleep(0.2)
        job.refresh_from_db()
        now = {"state": job.state, "step": job.step, "attempt": job.attempt, "fence": job.fence}
        if now != told:
            told = now
            tell(told | {"folder": str(job.folder)})
    steps = list(Metric.objects.filter(workload=job).order_by("pk").values_list("step", flat=True))
    tell(told | {"steps": steps, "reason": job.reason, "detail": job.detail})


if __name__ == "__main__":
    main()
