"""What a deployment may be asked for, and how to call it."""

from pathlib import Path

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from training.models import Engine

CONCURRENCY_MAX, SLEEP_MINUTES_MAX, REPLICAS_MAX = 64, 7 * 24 * 60, 8


def has_vllm() -> bool:
    """Whether the training environment of this machine can run it."""
    environment = Path(settings.TRAINING_PYTHON).parent.parent
    return any(environment.glob("lib/python3*/site-packages/vllm/__init__.py"))


def engines() -> list[str]:
    """Those that generate, and are installed."""
    return [Engine.HUGGINGFACE.value, *([Engine.VLLM.value] if has_vllm() else [])]


def check_options(*, engine: str, concurrency: int, sleep_minutes: int, replicas: int) -> None:
    """ValidationError keyed by field."""
    errors = {}
    if engine not in Engine.values:
        errors["engine"] = [_("There is no such engine.")]
    elif engine == Engine.VLLM and not has_vllm():
        errors["engine"] = [_("vLLM is not installed in the training environment.")]
    if not 1 <= concurrency <= CONCURRENCY_MAX:
        errors["concurrency"] = [_("Between 1 and %(most)d.") % {"most": CONCURRENCY_MAX}]
    try:
        check_replicas(replicas)
    except ValidationError as error:
        errors |= error.message_dict
    if not 0 <= sleep_minutes <= SLEEP_MINUTES_MAX:
        errors["sleep_minutes"] = [_("Between 0 and %(most)d.") % {"most": SLEEP_MINUTES_MAX}]
    if errors:
        raise ValidationError(errors)


def check_replicas(replicas: int) -> None:
    """ValidationError keyed by field."""
    if not 1 <= replicas <= REPLICAS_MAX:
        raise ValidationError({"replicas": [_("Between 1 and %(most)d.") % {"most": REPLICAS_MAX}]})
