"""`manage.py run`: prepare the data folder, then web + worker + beat in the foreground."""

import hashlib
import os
import secrets
import socket
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings
from django.core.checks import Tags
from django.core.exceptions import ValidationError
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand
from django.db import connections
from django.db.migrations.executor import MigrationExecutor

from accounts.models import Role, User
from accounts.services import check_new_password
from llmplatform.checks import SETTINGS
from llmplatform.env import read_int, read_text
from llmplatform.supervisor import AlreadyRunning, Supervisor, parts
from training.models import Node
from training.nodes import local_name
from training.reconcile import suspend_node

ADMIN_EMAIL = "admin@example.com"


class Command(BaseCommand):
    help = "Prepare everything and run web, worker and beat until Ctrl-C."
    # Not those of the addresses: they import every page, which the web process does anyway, and a
    # start would take a second longer. The suite holds them.
    requires_system_checks = (SETTINGS, Tags.models, Tags.templates, Tags.staticfiles)

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--host", default=read_text("HOST", "127.0.0.1"))
        parser.add_argument("--port", type=int, default=read_int("PORT", 8000))

    def handle(self, *args: Any, **options: Any) -> None:
        host, port = options["host"], options["port"]
        url = f"http://{host}:{port}"
        queue = Node(name=local_name()).queue
        folder = settings.PLATFORM_DATA / "run"
        supervisor = Supervisor(folder, parts(host=host, port=port, queue=queue))
        try:
            supervisor.lock()
        except AlreadyRunning as error:
            raise CommandError(
                f"The platform already runs with {settings.PLATFORM_DATA}. Stop it with Ctrl-C "
                "there, or use another PLATFORM_DATA and PORT."
            ) from error
        left = supervisor.end_leftovers()
        if left:
            self.stdout.write(f"Ended {left} processes of an earlier run.")
        self._check_port(host, port)
        self._prepare()
        announcement = self._first_admin()
        connections.close_all()
        try:
            supervisor.start(lambda: _answers(url))
            if not supervisor.is_stopping:
                self._announce(url, announcement)
            supervisor.watch()
        except KeyboardInterrupt:
            pass
        finally:
            self.stdout.write("\nStopping …")
            supervisor.stop()
            self._suspend()
            supervisor.end_detached()

    def _suspend(self) -> None:
        """Trainings and deployments of this machine save, leave, and wait for the next start."""
        node = Node.objects.filter(name=local_name()).first()
        if node is not None and (count := suspend_node(node)):
            self.stdout.write(f"Saved and suspended: {count}. They go on at the next start.")

    def _check_port(self, host: str, port: int) -> None:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, port))
            except OSError as error:
                raise CommandError(
                    f"Port {port} is taken. Choose another one: make run PORT={port + 1}"
                ) from error

    def _prepare(self) -> None:
        (settings.PLATFORM_DATA / "run").mkdir(parents=True, exist_ok=True)
        call_command("messages", compile=True, verbosity=0)
        executor = MigrationExecutor(connections["default"])
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            self.stdout.write("Bringing the database up to date …")
            call_command("migrate", interactive=False, verbosity=0)
        self._collect_static()

    def _collect_static(self) -> None:
        """Only when a source changed: hashing every file takes seconds."""
        stamp = Path(settings.STATIC_ROOT) / ".sources"
        found = _fingerprint([settings.BASE_DIR / "static", settings.BASE_DIR / "constraints.txt"])
        if stamp.exists() and stamp.read_text() == found:
            return
        self.stdout.write("Collecting static files …")
        call_command("collectstatic", interactive=False, clear=True, verbosity=0)
        stamp.write_text(found)

    def _first_admin(self) -> list[str]:
        """Lines to show once the platform answers; none after the first start."""
        if User.objects.filter(role=Role.ADMIN).exists():
            return []
        email = read_text("PLATFORM_ADMIN_EMAIL", ADMIN_EMAIL)
        given = os.environ.get("PLATFORM_ADMIN_PASSWORD", "")
        if given:
            _check_admin_password(given, email)
        password = given or secrets.token_urlsafe(12)
        User.objects.create_superuser(email, password)
        shown = "the one you set" if given else password
        return ["First administrator", f"  e-mail    {email}", f"  password  {shown}"]

    def _announce(self, url: str, lines: list[str]) -> None:
        for line in [*lines, f"Ready: {url}   (Ctrl-C stops everything)"]:
            self.stdout.write(line)
        self.stdout.flush()


def _check_admin_password(password: str, email: str) -> None:
    try:
        check_new_password(password, User(email=email))
    except ValidationError as error:
        reasons = " ".join(error.messages)
        raise CommandError(f"PLATFORM_ADMIN_PASSWORD is refused: {reasons}") from error


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/healthz", timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def _fingerprint(places: list[Path]) -> str:
    seen = hashlib.sha256()
    for place in places:
        files = sorted(place.rglob("*")) if place.is_dir() else [place]
        for file in files:
            if file.is_file():
                status = file.stat()
                seen.update(f"{file}:{status.st_size}:{status.st_mtime_ns}".encode())
    return seen.hexdigest()
