"""The kinds of work: how each is started, what it does while it runs, how its end counts."""

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from django.conf import settings

from training import evaluation, forecasts, llamafactory, mirroring, parallel, registry
from training.dataset_handover import media_arguments, write_dataset_info
from training.demo import content
from training.errors import Unbuildable
from training.models import (
    BaseModel,
    Deployment,
    Evaluation,
    Kind,
    Metric,
    ModelBuild,
    ModelExport,
    ModelFetch,
    ParityCheck,
    Reason,
    Status,
    Strategy,
    TrainingJob,
    Workload,
)
from training.report_story import trained_before_s
from training.runner.checkpoints import newest_complete_checkpoint
from training.shim.endings import Ending, gpu_environment, told_ending
from training.shim.process import Runner

SCRIPTS = Path(__file__).resolve().parent.parent / "runner"
FREE_BYTES_NEEDED = 200 * 1024**2


class Work(Protocol):
    """One kind of work on one workload. Methods touch the database in short transactions only."""

    script: str
    # Else it reads a control file, and may take a while to save what there is.
    stops_by_signal: bool

    def spec(self, runner: Runner) -> dict[str, Any]:
        """The script's input. Raises Unbuildable."""
        ...

    def environment(self) -> Mapping[str, str]: ...

    def watch(self, fence: int) -> None:
        """Called about twice a second while the process lives."""
        ...

    def ending(self, outcome: dict[str, Any] | None, exit_code: int | None) -> Ending | None:
        """None: it broke off without a word, and may be started again."""
        ...

    def on_end(self, ending: Ending, outcome: dict[str, Any] | None) -> None:
        """What else the end means; in the transaction that settles it."""
        ...


def work_of(workload: Workload) -> Work:
    """A kind's module is loaded with its work: a training needs none of the others'."""
    if workload.kind == Kind.TRAIN:
        return Training(
            TrainingJob.objects.select_related("base_model", "dataset", "eval_dataset").get(
                pk=workload.pk
            )
        )
    if workload.kind == Kind.BUILD:
        return Building(ModelBuild.objects.select_related("base_model").get(pk=workload.pk))
    if workload.kind == Kind.FETCH:
        from training.shim.model_works import Fetching

        return Fetching(ModelFetch.objects.select_related("base_model").get(pk=workload.pk))
    if workload.kind == Kind.EXPORT:
        from training.shim.model_works import Exporting

        related = ("version__base_model", "version__parent", "version__family")
        return Exporting(ModelExport.objects.select_related(*related).get(pk=workload.pk))
    if workload.kind == Kind.EVALUATE:
        from training.shim.evaluating import Evaluating

        related = ("version__base_model", "version__job__dataset", "dataset")
        return Evaluating(Evaluation.objects.select_related(*related).get(pk=workload.pk))
    if workload.kind == Kind.CHECK:
        from training.shim.checking import Checking

        related = ("version__base_model", "version__job__dataset", "served")
        return Checking(ParityCheck.objects.select_related(*related).get(pk=workload.pk))
    from training.shim.serving import Serving

    return Serving(Deployment.objects.select_related("version__base_model").get(pk=workload.pk))


class Training:
    script = "run.py"
    stops_by_signal = False

    def __init__(self, job: TrainingJob) -> None:
        self.job = job

    def spec(self, runner: Runner) -> dict[str, Any]:
        job, data = self.job, runner.folder / "data"
        if job.base_model.path and not Path(job.base_model.path).is_dir():
            raise Unbuildable(Reason.MODEL, f"{job.base_model.path} does not exist")
        if shutil.disk_usage(runner.folder).free < FREE_BYTES_NEEDED:
            raise Unbuildable(Reason.DISK_FULL, "less than 200 MB are free")
        self._find_checkpoint()
        mirroring.wait(job)
        data.mkdir(exist_ok=True)
        has_gpu = job.slots.filter(is_gpu=True).exists()
        args = llamafactory.runner_args(
            job,
            output=runner.folder / "output",
            data=data,
            dataset_names=write_dataset_info(data, job.datasets),
            has_gpu=has_gpu,
        ) | media_arguments(data, job.datasets)
        args |= parallel.parallel_arguments(
            job.strategy,
            is_parallel=job.is_parallel,
            has_gpu=has_gpu,
            deepspeed_path=str(runner.folder / "deepspeed.json"),
        )
        if (deepspeed := parallel.deepspeed_config(job.strategy)) is not None:
            (runner.folder / "deepspeed.json").write_text(json.dumps(deepspeed, indent=2))
        (runner.folder / "config.yaml").write_text(llamafactory.yaml_of(args), encoding="utf-8")
        return {
            "args": args,
            "events_path": str(runner.events),
            "control_path": str(runner.control),
            # Where the weights are cut up, one process alone cannot ask the model anything.
            "sample_prompts": job.sample_prompts if job.strategy == Strategy.DDP else [],
        }

    def _find_checkpoint(self) -> None:
        """After a crash the database may know less than the disk."""
        found = [
            newest_complete_checkpoint(output, self.job.processes * self.job.node_count)
            for output in sorted(self.job.folder.glob("attempt-*/output"))
        ]
        complete = [folder for folder in found if folder is not None]
        newest = max(complete, key=lambda f: int(f.name.rpartition("-")[2]), default=None)
        self.job.checkpoint = str(newest) if newest else ""
        self.job.checkpoint_step = int(newest.name.rpartition("-")[2]) if newest else 0
        TrainingJob.objects.filter(pk=self.job.pk).update(
            checkpoint=self.job.checkpoint, checkpoint_step=self.job.checkpoint_step
        )

    def environment(self) -> Mapping[str, str]:
        return gpu_environment(self.job)

    def watch(self, fence: int) -> None:
        pass

    def ending(self, outcome: dict[str, Any] | None, exit_code: int | None) -> Ending | None:
        if outcome is not None and outcome["type"] == "finished":
            is_whole = 0 < outcome["max_steps"] <= outcome["step"]
            if not is_whole or exit_code not in (0, None):
                return Ending(Status.FAILED, Reason.UNKNOWN, "the training did not reach its end")
            if self._has_diverged():
                text = "the gradients were NaN at the end, and with them the weights"
                return Ending(Status.FAILED, Reason.DIVERGED, text)
        return told_ending(outcome, exit_code)

    def _has_diverged(self) -> bool:
        """The trainer replaces a loss that is NaN, so the gradients tell; null is NaN."""
        rows = Metric.objects.filter(workload=self.job.pk).order_by("-pk")
        norms = [row.values["grad_norm"] for row in rows[:20] if "grad_norm" in row.values]
        return bool(norms) and all(norm is None for norm in norms[:2])

    def on_end(self, ending: Ending, outcome: dict[str, Any] | None) -> None:
        if ending.status != Status.SUCCESS or outcome is None:
            return
        job = TrainingJob.objects.get(pk=self.job.pk)
        runtime_s = outcome.get("train_runtime_s")
        if runtime_s is not None and job.attempt > 1:
            runtime_s = round(runtime_s + trained_before_s(job), 3)
        job.summary = outcome.get("metrics", {}) | {"train_runtime_s": runtime_s}
        job.output_path = str(job.folder / f"attempt-{job.attempt}" / "output")
        TrainingJob.objects.filter(pk=job.pk).update(
            summary=job.summary, output_path=job.output_path
        )
        forecasts.compare(job, outcome)
        evaluation.begin_planned(registry.register_version(job))


class Building:
    """The demo's base model."""

    script = "build_model.py"
    stops_by_signal = True

    def __init__(self, build: ModelBuild) -> None:
        self.build = build

    def spec(self, runner: Runner) -> dict[str, Any]:
        Path(self.build.base_model.path).parent.mkdir(parents=True, exist_ok=True)
        return {
            "pairs": content.base_pairs(),
            "output": self.build.base_model.path,
            "events_path": str(runner.events),
            "control_path": str(runner.control),
            **content.BUILD_PARAMETERS,
        }

    def environment(self) -> Mapping[str, str]:
        return gpu_environment(self.build)

    def watch(self, fence: int) -> None:
        pass

    def ending(self, outcome: dict[str, Any] | None, exit_code: int | None) -> Ending | None:
        return told_ending(outcome, exit_code)

    def on_end(self, ending: Ending, outcome: dict[str, Any] | None) -> None:
        if ending.status == Status.SUCCESS:
            registry.inspect_base_model(BaseModel.objects.get(pk=self.build.base_model_id))


def write_spec(work: Work, runner: Runner) -> list[str]:
    """The spec file, and the command that runs it. Raises Unbuildable."""
    if not Path(settings.TRAINING_PYTHON).exists():
        raise Unbuildable(Reason.START, "the training environment is missing: make run installs it")
    runner.folder.mkdir(parents=True, exist_ok=True)
    spec = json.dumps(work.spec(runner), ensure_ascii=False)
    runner.spec.write_text(spec, encoding="utf-8")
    return [str(settings.TRAINING_PYTHON), str(SCRIPTS / work.script), str(runner.spec)]
