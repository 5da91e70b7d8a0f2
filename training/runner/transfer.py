"""Files over HTTP that go on where they broke off: a lost connection, a killed process, a stop.

What has arrived stays in `<name>.part`; a whole file has its own name, and its checksum was right.
"""

import hashlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from model_files import Refused

BLOCK = 1024**2
PARALLEL = 4
TIMEOUT = httpx.Timeout(30, connect=15)
# Between tries that brought nothing at all; a try that brought something begins anew.
PAUSES_S = (1, 2, 4, 8, 15, 30)
GONE_FOR_GOOD = {401: "no_access", 403: "no_access", 404: "not_found", 451: "no_access"}


@dataclass(frozen=True)
class RemoteFile:
    """`sha256` of the content or, where a hub keeps small files in git, the id of the blob."""

    name: str
    url: str
    size: int
    sha256: str = ""
    blob_sha1: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)


def is_right(path: Path, file: RemoteFile) -> bool:
    """The file at `path` has the size and the checksum that the hub tells."""
    if path.stat().st_size != file.size:
        return False
    if not file.sha256 and not file.blob_sha1:
        return True
    digest = hashlib.sha256() if file.sha256 else hashlib.sha1(usedforsecurity=False)
    if not file.sha256:  # as git hashes a blob
        digest.update(f"blob {file.size}\0".encode())
    with path.open("rb") as opened:
        while block := opened.read(BLOCK):
            digest.update(block)
    return digest.hexdigest() == (file.sha256 or file.blob_sha1)


class Transfer:
    """Brings `files` into `folder`; `received` counts the bytes of all of them that are there."""

    def __init__(
        self,
        folder: Path,
        files: list[RemoteFile],
        *,
        pauses_s: tuple[float, ...] = PAUSES_S,
        on_retry: Callable[[str], None] = lambda text: None,
    ) -> None:
        self.folder, self.files = folder, files
        self.total = sum(file.size for file in files)
        self._pauses_s, self._on_retry = pauses_s, on_retry
        self._held: dict[str, int] = {}
        self._lock = threading.Lock()
        self._has_failed = threading.Event()

    @property
    def received(self) -> int:
        with self._lock:
            return sum(self._held.values())

    def _note(self, file: RemoteFile, size: int) -> None:
        with self._lock:
            self._held[file.name] = size

    def look(self) -> None:
        """Count what earlier attempts left."""
        for file in self.files:
            whole = self.folder / file.name
            part = whole.with_name(whole.name + ".part")
            found = whole if whole.exists() else part
            self._note(file, min(found.stat().st_size, file.size) if found.exists() else 0)

    def run(self) -> None:
        """Raises Refused with the code of what went wrong for good."""
        client = httpx.Client(timeout=TIMEOUT, follow_redirects=True)
        with client, ThreadPoolExecutor(PARALLEL) as pool:
            jobs = [pool.submit(self._bring, client, file) for file in self.files]
            done, waiting = wait(jobs, return_when=FIRST_EXCEPTION)
            if any(job.exception() for job in done):
                self._has_failed.set()
                for job in waiting:
                    job.cancel()
        # Whoever failed first says why; the others only stopped for it.
        errors = [job.exception() for job in jobs if not job.cancelled() and job.exception()]
        for error in sorted(errors, key=lambda e: isinstance(e, _Abandoned)):
            raise error

    def _bring(self, client: httpx.Client, file: RemoteFile) -> None:
        whole = self.folder / file.name
        if whole.exists() and whole.stat().st_size == file.size:
            self._note(file, file.size)
            return
        whole.parent.mkdir(parents=True, exist_ok=True)
        part = whole.with_name(whole.name + ".part")
        failures = 0
        while not part.exists() or part.stat().st_size != file.size:
            before = part.stat().st_size if part.exists() else 0
            try:
                self._receive(client, file, part)
                failures = 0
            except httpx.HTTPError as error:
                after = part.stat().st_size if part.exists() else 0
                failures = 0 if after > before else failures + 1
                self._pause(file, failures, error)
        if not is_right(part, file):
            part.unlink()
            raise Refused("checksum", file.name)
        part.replace(whole)
        self._note(file, file.size)

    def _pause(self, file: RemoteFile, failures: int, error: httpx.HTTPError) -> None:
        if failures > len(self._pauses_s):
            raise Refused("unreachable", f"{file.name} ({type(error).__name__})") from error
        self._on_retry(f"{file.name}: {type(error).__name__}, trying again")
        if self._has_failed.wait(self._pauses_s[max(failures, 1) - 1]):
            raise _Abandoned("abandoned", file.name)

    def _receive(self, client: httpx.Client, file: RemoteFile, part: Path) -> None:
        """One try, from where `part` ends. Raises httpx.HTTPError where another one may help."""
        held = part.stat().st_size if part.exists() else 0
        if held > file.size:
            part.unlink()
            held = 0
        headers = {"Accept-Encoding": "identity"} | dict(file.headers)
        if held:
            headers["Range"] = f"bytes={held}-"
        with client.stream("GET", file.url, headers=headers) as answer:
            if answer.status_code in GONE_FOR_GOOD:
                raise Refused(GONE_FOR_GOOD[answer.status_code], file.name)
            answer.raise_for_status()
            goes_on = answer.status_code == 206 and _start_of(answer) == held
            with part.open("ab" if goes_on else "wb", buffering=0) as target:
                size = held if goes_on else 0
                self._note(file, size)
                for block in answer.iter_raw():
                    if self._has_failed.is_set():
                        raise _Abandoned("abandoned", file.name)
                    target.write(block)
                    size += len(block)
                    self._note(file, min(size, file.size))
        if size < file.size:
            raise httpx.ReadError("the connection ended early")


class _Abandoned(Refused):
    """Another file has failed."""


def _start_of(answer: httpx.Response) -> int | None:
    """The first byte of a partial answer: `Content-Range: bytes 100-199/200`."""
    told = answer.headers.get("Content-Range", "").removeprefix("bytes ").partition("-")[0]
    return int(told) if told.isdigit() else None
