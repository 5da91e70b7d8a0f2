"""A training job: what is taught to which model, how, and what came of it."""

from typing import Any

from django.db import models
from django.utils.translation import gettext_lazy as _

from training.models.base_models import BaseModel
from training.models.datasets import Dataset
from training.models.workloads import Kind, Workload, WorkloadQuerySet


class Stage(models.TextChoices):
    SFT = "sft", _("Supervised fine-tuning")
    PT = "pt", _("Continued pre-training")
    RM = "rm", _("Reward model")
    DPO = "dpo", _("Direct preference optimisation (DPO)")
    KTO = "kto", _("Kahneman-Tversky optimisation (KTO)")


class Method(models.TextChoices):
    LORA = "lora", "LoRA"
    QLORA = "qlora", "QLoRA"
    FREEZE = "freeze", _("Freeze")
    FULL = "full", _("Full")


class Strategy(models.TextChoices):
    """How several processes share a model."""

    DDP = "ddp", _("Each holds the whole model (DDP)")
    ZERO2 = "zero2", _("Gradients and optimiser are shared out (DeepSpeed ZeRO 2)")
    ZERO3 = "zero3", _("Weights are shared out, too (DeepSpeed ZeRO 3)")
    FSDP = "fsdp", _("Weights are shared out, too (FSDP)")


class MirrorState(models.TextChoices):
    """Of a run in SwanLab. Waiting: there is, or will be, something to deliver."""

    NONE = "", _("No mirror")
    WAITING = "waiting", _("Waiting")
    DELIVERED = "delivered", _("Delivered")


class TrainingJobQuerySet(WorkloadQuerySet["TrainingJob"]):
    pass


class TrainingJob(Workload):
    """`parameters` are LLaMA-Factory's own names, typed as it wants them."""

    base_model = models.ForeignKey(BaseModel, models.PROTECT, related_name="jobs")
    dataset = models.ForeignKey(Dataset, models.PROTECT, related_name="jobs")
    # What it is evaluated on, instead of a share of `dataset`.
    eval_dataset = models.ForeignKey(
        Dataset,
        models.PROTECT,
        null=True,
        blank=True,
        related_name="evaluating_jobs",
        verbose_name=_("evaluation dataset"),
    )
    # The version whose weights it goes on from, instead of those of the base model.
    start_version = models.ForeignKey(
        "training.ModelVersion",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="continued_by",
        verbose_name=_("continues"),
    )
    stage = models.CharField(_("stage"), max_length=10, choices=Stage.choices, default=Stage.SFT)
    method = models.CharField(
        _("method"), max_length=10, choices=Method.choices, default=Method.LORA
    )
    parameters: models.JSONField[Any] = models.JSONField(_("parameters"), default=dict)
    # Answered by the model at each evaluation, so that one sees it learn.
    sample_prompts: models.JSONField[Any] = models.JSONField(
        _("sample prompts"), default=list, blank=True
    )
    sweep = models.ForeignKey(
        "training.Sweep",
        models.SET_NULL,
        null=True,
        blank=True,
        related_name="jobs",
        verbose_name=_("sweep"),
    )
    strategy = models.CharField(
        _("strategy"), max_length=10, choices=Strategy.choices, default=Strategy.DDP
    )
    # Where the next attempt goes on from: the newest complete checkpoint known.
    checkpoint = models.CharField(max_length=500, blank=True, editable=False)
    checkpoint_step = models.PositiveIntegerField(default=0, editable=False)
    mirror = models.CharField(
        max_length=10, choices=MirrorState.choices, blank=True, editable=False
    )
    # What mirror.py told: {"run_id", "mode", "url"?, "step"?, "error"?, …}
    swanlab: models.JSONField[Any] = models.JSONField(default=dict, editable=False)
    # What the trainer summed up: train_loss, eval_loss, train_runtime_s, …
    summary: models.JSONField[Any] = models.JSONField(default=dict, editable=False)
    # {"trainable_parameters", "all_parameters", "versions"}
    facts: models.JSONField[Any] = models.JSONField(default=dict, editable=False)
    # [{"attempt", "step", "verdict": not_repeated, same, close or different, "compared_step"?,
    # "before"?, "again"?}]: each resume, and the first loss that was told twice.
    continuity: models.JSONField[Any] = models.JSONField(default=list, editable=False)
    output_path = models.CharField(max_length=500, blank=True, editable=False)

    objects = TrainingJobQuerySet.as_manager()  # type: ignore[misc]

    class Meta:
        verbose_name = _("training job")
        verbose_name_plural = _("training jobs")

    @property
    def datasets(self) -> list[Dataset]:
        """What it learns from, then what it is evaluated on if that is its own."""
        return [self.dataset, *([self.eval_dataset] if self.eval_dataset else [])]

    def save(self, *args: object, **kwargs: object) -> None:
        self.kind = Kind.TRAIN
        super().save(*args, **kwargs)  # type: ignore[arg-type]
