"""The Celery application. Tasks are short nudges; the database holds every job."""

import os
import warnings

from celery import Celery
from celery.exceptions import SecurityWarning
from kombu.transport import TRANSPORT_ALIASES

from llmplatform.task_limits import install as install_limits

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "llmplatform.settings")

# About pickled messages and root; only JSON is accepted here (CELERY_ACCEPT_CONTENT).
warnings.filterwarnings("ignore", category=SecurityWarning)

TRANSPORT_ALIASES["files"] = "llmplatform.broker:Transport"

app = Celery("llmplatform")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
install_limits()
