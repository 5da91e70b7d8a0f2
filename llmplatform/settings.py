"""Settings, read once from the environment. Names: docs/configuration.md; rules: checks.py."""

import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import dj_database_url
import django_stubs_ext
from csp.constants import NONCE, NONE, SELF
from django.utils.translation import gettext_lazy as _

from llmplatform.console_look import UNFOLD as UNFOLD
from llmplatform.env import read_bool, read_decimal, read_int, read_list, read_path, read_text
from llmplatform.secrets import kept_encryption_key, kept_secret_key

# Generic classes of Django (ModelForm[X]) can be written as the type checker reads them.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
PLATFORM_DATA = read_path("PLATFORM_DATA", BASE_DIR / "data")
DEBUG = read_bool("DEBUG")
# Pages, API and console are none of a worker's business, and would be half of its memory.
_started = {"celery", "background.py"} & set(Path(sys.argv[0]).parts[-2:])
HAS_PAGES = read_bool("PLATFORM_PAGES", default=not _started)

# --- Secrets -----------------------------------------------------------------
SECRET_KEY = read_text("SECRET_KEY") or kept_secret_key(PLATFORM_DATA / "secrets")
FIELD_ENCRYPTION_KEYS = read_list("FIELD_ENCRYPTION_KEYS") or [
    kept_encryption_key(PLATFORM_DATA / "secrets")
]

# --- Where it is reached -----------------------------------------------------
ALLOWED_HOSTS = read_list("ALLOWED_HOSTS", ("127.0.0.1", "localhost", "[::1]"))
CSRF_TRUSTED_ORIGINS = read_list("CSRF_TRUSTED_ORIGINS")
# Proxies that are believed where a request comes from.
FORWARDED_ALLOW_IPS = read_list("FORWARDED_ALLOW_IPS", ("127.0.0.1",))
# Behind TLS (every trusted origin is https) cookies are Secure and plain HTTP is redirected.
BEHIND_TLS = bool(CSRF_TRUSTED_ORIGINS) and all(
    origin.startswith("https://") for origin in CSRF_TRUSTED_ORIGINS
)
SECURE_SSL_REDIRECT = BEHIND_TLS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if BEHIND_TLS else None
SECURE_HSTS_SECONDS = 31_536_000 if BEHIND_TLS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = BEHIND_TLS
SECURE_HSTS_PRELOAD = BEHIND_TLS
SECURE_REFERRER_POLICY = "same-origin"
# Healthchecks come from inside the network, without TLS.
SECURE_REDIRECT_EXEMPT = [r"^healthz$", r"^readyz$"]
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = BEHIND_TLS
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
X_FRAME_OPTIONS = "DENY"

# --- Applications ------------------------------------------------------------
INSTALLED_APPS = [
    "accounts",
    "providers",
    "prompts",
    "knowledge",
    "training",
    "chat",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
]
if HAS_PAGES:
    INSTALLED_APPS = [
        # First: it replaces runserver. Every other command starts sooner without it.
        *(["daphne"] if "runserver" in sys.argv else []),
        "unfold.apps.BasicAppConfig",
        "unfold.contrib.filters",
        "llmplatform.apps.PlatformConfig",
        *INSTALLED_APPS,
        "llmplatform.apps.ConsoleConfig",
        "django.contrib.messages",
        "django.contrib.staticfiles",
        "channels",
        "csp",
        "django_htmx",
        "template_partials.apps.SimpleAppConfig",
        "ninja",
    ]
MIDDLEWARE = [
    "llmplatform.middleware.RequestIdMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "llmplatform.policy.PolicyMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.locale.LocaleMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "accounts.middleware.LoginRequiredMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "llmplatform.middleware.ErrorShapeMiddleware",
]
ROOT_URLCONF = "llmplatform.urls" if HAS_PAGES else "llmplatform.page_addresses"
ASGI_APPLICATION = "llmplatform.asgi.application"

_loaders: list[Any] = [
    "django.template.loaders.filesystem.Loader",
    "django.template.loaders.app_directories.Loader",
]
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "django.template.context_processors.i18n",
                "llmplatform.context.shell",
            ],
            "loaders": [
                (
                    "template_partials.loader.Loader",
                    _loaders if DEBUG else [("django.template.loaders.cached.Loader", _loaders)],
                )
            ],
            "builtins": [
                "django.templatetags.i18n",
                "django.templatetags.static",
                "llmplatform.templatetags.icons",
                "llmplatform.templatetags.numbers",
                "template_partials.templatetags.partials",
            ],
        },
    }
]

# --- Database: SQLite (WAL) unless told otherwise -----------------------------
DATABASE_URL = read_text("DATABASE_URL", f"sqlite:///{PLATFORM_DATA / 'platform.sqlite3'}")
DATABASES: dict[str, Any] = {"default": dj_database_url.parse(DATABASE_URL)}
_engine = DATABASES["default"]["ENGINE"].rsplit(".", 1)[-1]
_options: dict[str, Any] = DATABASES["default"].setdefault("OPTIONS", {})
if _engine == "sqlite3":
    # IMMEDIATE: a writer waits for its turn instead of failing when it upgrades a read lock.
    _options.update(
        transaction_mode="IMMEDIATE",
        timeout=20,
        init_command=(
            "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA mmap_size=134217728;"
            "PRAGMA journal_size_limit=27103364; PRAGMA cache_size=-8000;"
        ),
    )
elif _engine == "postgresql":
    _options.setdefault("options", "-c statement_timeout=15000 -c lock_timeout=5000")
    # A server that went silent is noticed: a network that swallows packets says nothing for hours.
    for _name, _value in {
        **{"connect_timeout": 5, "tcp_user_timeout": 30_000},
        **{"keepalives_idle": 20, "keepalives_interval": 10, "keepalives_count": 3},
    }.items():
        _options.setdefault(_name, _value)
elif _engine == "mysql":
    _options.update(charset="utf8mb4", isolation_level="read committed")
    for _name, _value in {"connect_timeout": 5, "read_timeout": 600, "write_timeout": 60}.items():
        _options.setdefault(_name, _value)
    _options.setdefault("init_command", "SET sql_mode='STRICT_TRANS_TABLES'")
    DATABASES["default"].setdefault("TEST", {})["CHARSET"] = "utf8mb4"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
# MariaDB and MySQL leave a partial index out; what they use instead stands beside it.
SILENCED_SYSTEM_CHECKS = ["models.W037"]

# --- Redis: optional; without it everything stays inside the machine ----------
REDIS_URL = read_text("REDIS_URL")
if REDIS_URL:
    CACHES: dict[str, dict[str, Any]] = {
        "default": {"BACKEND": "django.core.cache.backends.redis.RedisCache", "LOCATION": REDIS_URL}
    }
    CHANNEL_LAYERS: dict[str, Any] = {
        "default": {
            "BACKEND": "channels_redis.pubsub.RedisPubSubChannelLayer",
            "CONFIG": {"hosts": [REDIS_URL]},
        }
    }
else:
    # Not Django's 300: whoever guesses passwords would push the counts of their tries out.
    CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "OPTIONS": {"MAX_ENTRIES": 100_000},
        }
    }
    # One web process, which hears of everything by itself: llmplatform/nudges.py
    CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
QDRANT_URL = read_text("QDRANT_URL")
QDRANT_API_KEY = read_text("QDRANT_API_KEY")

# --- Celery: short tasks that only nudge; the database holds every job --------
CELERY_BROKER_URL = REDIS_URL or "files://localhost/"  # llmplatform/broker.py
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_SERIALIZER = "json"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_TIME_LIMIT = 60  # with threads: llmplatform/task_limits.py
# Tasks mostly wait, and a process for each would be memory for nothing.
CELERY_WORKER_POOL = "threads"
CELERY_WORKER_CONCURRENCY = 4
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(PLATFORM_DATA / "run" / "beat-schedule")
CELERY_BROKER_TRANSPORT_OPTIONS: dict[str, Any] = {}
if REDIS_URL:
    CELERY_WORKER_DISABLE_PREFETCH = True
else:
    # Nobody asks a worker of the same machine anything, and it would look into one more queue.
    CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
    _queue = PLATFORM_DATA / "queue"
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(_queue),
        "data_folder_out": str(_queue),
        "control_folder": str(_queue / "control"),
        "polling_interval": 0.1,
    }
    if "pytest" not in sys.modules:
        (_queue / "control").mkdir(parents=True, exist_ok=True)
CELERY_BEAT_SCHEDULE: dict[str, Any] = {
    "training.beat": {"task": "training.tasks.beat", "schedule": 3, "options": {"expires": 10}},
    "accounts.send_notices": {
        "task": "accounts.tasks.send_notices",
        "schedule": 10,
        "options": {"expires": 20},
    },
    "accounts.forget": {"task": "accounts.tasks.forget", "schedule": 3600},
    "knowledge.look": {
        "task": "knowledge.tasks.look",
        "schedule": 5,
        "options": {"expires": 10},
    },
    "knowledge.forget": {"task": "knowledge.tasks.forget", "schedule": 3600},
    "chat.run_batches": {
        "task": "chat.tasks.run_batches",
        "schedule": 5,
        "options": {"expires": 10},
    },
    "chat.tend_examples": {
        "task": "chat.tasks.tend_examples",
        "schedule": 60,
        "options": {"expires": 60},
    },
    "chat.reap": {"task": "chat.tasks.reap", "schedule": 15, "options": {"expires": 15}},
    "chat.look_at_imports": {
        "task": "chat.tasks.look_at_imports",
        "schedule": 15,
        "options": {"expires": 15},
    },
    "chat.search": {"task": "chat.tasks.fill_search", "schedule": 60, "options": {"expires": 50}},
    "chat.forget": {"task": "chat.tasks.forget", "schedule": 3600},
    "training.forget": {"task": "training.tasks.forget", "schedule": 3600},
}

# --- People ------------------------------------------------------------------
AUTH_USER_MODEL = "accounts.User"
LOGIN_URL = "accounts:login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "accounts:login"
# SHA-256 before bcrypt: bytes past 72 count, NUL does not cut. 12 rounds.
PASSWORD_HASHERS = ["django.contrib.auth.hashers.BCryptSHA256PasswordHasher"]
_validators = "django.contrib.auth.password_validation."
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "accounts.validators.LengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": _validators + "CommonPasswordValidator"},
    {"NAME": _validators + "NumericPasswordValidator"},
    {
        "NAME": _validators + "UserAttributeSimilarityValidator",
        "OPTIONS": {"user_attributes": ("email",)},
    },
]
ACCESS_TOKEN_LIFETIME = timedelta(minutes=15)
REFRESH_TOKEN_LIFETIME = timedelta(days=7)
AUTH_SESSION_LIFETIME = timedelta(days=30)
SIMPLE_JWT = {
    "ALGORITHM": "HS256",
    "SIGNING_KEY": SECRET_KEY,
    "AUDIENCE": "llmplatform-api",
    "ISSUER": "llmplatform",
    "ACCESS_TOKEN_LIFETIME": ACCESS_TOKEN_LIFETIME,
    "LEEWAY": timedelta(seconds=30),
    "USER_ID_CLAIM": "sub",
    "UPDATE_LAST_LOGIN": False,
}

# --- Mail: only notices that people ask for ------------------------------------
EMAIL_HOST = read_text("EMAIL_HOST")
EMAIL_PORT = read_int("EMAIL_PORT", 587)
EMAIL_HOST_USER = read_text("EMAIL_HOST_USER")
EMAIL_HOST_PASSWORD = read_text("EMAIL_HOST_PASSWORD")
EMAIL_USE_TLS = read_bool("EMAIL_USE_TLS", True)
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = read_text("EMAIL_FROM", "llmplatform@localhost")

# --- Language and time -------------------------------------------------------
LANGUAGE_CODE = "en"
LANGUAGES = [("en", _("English")), ("zh-hans", _("Simplified Chinese"))]
LOCALE_PATHS = [BASE_DIR / "locale"]
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"

# --- Files -------------------------------------------------------------------
STATIC_URL = "static/"
STATICFILES_DIRS = [BASE_DIR / "static"]
STATIC_ROOT = PLATFORM_DATA / "static"
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.ManifestStaticFilesStorage"},
}
MEDIA_ROOT = PLATFORM_DATA / "files"
FILE_UPLOAD_TEMP_DIR = PLATFORM_DATA / "uploads"
FILE_UPLOAD_MAX_MEMORY_SIZE = 1_048_576
FILE_UPLOAD_PERMISSIONS = 0o600
DATA_UPLOAD_MAX_MEMORY_SIZE = 12 * 1_048_576
for _folder in (MEDIA_ROOT, FILE_UPLOAD_TEMP_DIR):
    _folder.mkdir(parents=True, exist_ok=True)

# --- Strict content security policy; the admin alone may evaluate (Alpine) -----
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, NONCE],
        "img-src": [SELF, "data:", "blob:"],
        "font-src": [SELF],
        "connect-src": [SELF],
        "manifest-src": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
        "base-uri": [NONE],
    }
}

# --- Prompts -----------------------------------------------------------------
# Whether `migrate` puts the platform's own prompts into the library.
PROMPT_PRESETS = read_bool("PROMPT_PRESETS", True)

# --- Models and training -----------------------------------------------------
ALLOW_PRIVATE_PROVIDER_URLS = read_bool("ALLOW_PRIVATE_PROVIDER_URLS")
# Budgets are in USD; costs in CNY are converted.
CNY_PER_USD = read_decimal("CNY_PER_USD", "7.1")
TRAINING_PYTHON = read_path("TRAINING_PYTHON", BASE_DIR / ".venv-training" / "bin" / "python")
TRAINING_ROOT = PLATFORM_DATA / "training"
# Installed there besides our own requirements: unlocks the parameters that need it.
TRAINING_SWEEP_MAX_JOBS = read_int("TRAINING_SWEEP_MAX_JOBS", 32)
TRAINING_PACKAGES = frozenset(read_list("TRAINING_PACKAGES"))
# Folders base models may be loaded from; anything else needs an administrator's setting.
BASE_MODEL_ROOTS = [PLATFORM_DATA / "models", *map(Path, read_list("BASE_MODEL_ROOTS"))]
# convert_hf_to_gguf.py of a copy of llama.cpp; without it nothing is exported as GGUF.
GGUF_CONVERTER = read_text("GGUF_CONVERTER")
# What downloads show to a hub when the person who wants them has no token of their own.
HF_TOKEN = read_text("HF_TOKEN")
MODELSCOPE_API_TOKEN = read_text("MODELSCOPE_API_TOKEN")
# The address of this node that deployments listen on; the web machine has to reach it.
SERVING_HOST = read_text("SERVING_HOST", "127.0.0.1")
# What keeps a model version from the label `production`, in percent: a loss on held-out examples or
# on general text above the base model's by more than this, and fewer decided samples won.
EVALUATION_MAX_LOSS_RISE = read_int("EVALUATION_MAX_LOSS_RISE", 0)
EVALUATION_MAX_FORGETTING = read_int("EVALUATION_MAX_FORGETTING", 20)
EVALUATION_MIN_WINS = read_int("EVALUATION_MIN_WINS", 50)
# SwanLab mirrors each run: local (no network), cloud or self-hosted (with SWANLAB_API_KEY), or off.
SWANLAB_MODE = read_text("SWANLAB_MODE", "local")
SWANLAB_PROJECT = read_text("SWANLAB_PROJECT", "llmplatform")
SWANLAB_LOGDIR = read_path("SWANLAB_LOGDIR", PLATFORM_DATA / "swanlab")
# Lets a Prometheus server read /metrics; without it only administrators do.
METRICS_TOKEN = read_text("METRICS_TOKEN")
UPLOAD_MAX_BYTES = read_int("UPLOAD_MAX_BYTES", 2 * 1024**3)

# --- Logs: one line an event, no secrets --------------------------------------
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {"()": "llmplatform.logs.LineFormatter"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": read_text("LOG_LEVEL", "INFO")},
    "loggers": {
        "httpx": {"level": "WARNING"},
        "httpcore": {"level": "WARNING"},
        "django.request": {"level": "ERROR"},
    },
}
