"""What a hub offers under an id, asked through the hub's own client."""

import os
from collections.abc import Callable
from dataclasses import dataclass

from model_files import Refused
from transfer import RemoteFile

MAX_FILES = 2_000


@dataclass(frozen=True)
class Listing:
    """The files of a repository at one commit; `commit` is empty where the hub tells none."""

    files: list[RemoteFile]
    commit: str = ""


def hugging_face(repo_id: str, revision: str) -> Listing:
    """HF_ENDPOINT and HF_TOKEN are read by the client itself."""
    from huggingface_hub import HfApi, hf_hub_url
    from huggingface_hub.errors import (
        GatedRepoError,
        HfHubHTTPError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )
    from huggingface_hub.utils import build_hf_headers

    token = os.environ.get("HF_TOKEN") or False
    try:
        told = HfApi(token=token).model_info(
            repo_id, revision=revision or None, files_metadata=True, timeout=30
        )
    except GatedRepoError as error:
        raise Refused("no_access", repo_id) from error
    except RevisionNotFoundError as error:
        raise Refused("no_revision", revision) from error
    except RepositoryNotFoundError as error:
        # The hub doesn't tell a private repository from none.
        raise Refused("not_found", repo_id) from error
    except HfHubHTTPError as error:
        raise refusal_of(error.response.status_code, repo_id) from error
    headers = build_hf_headers(token=token)
    files = [
        RemoteFile(
            name=row.rfilename,
            url=hf_hub_url(repo_id, row.rfilename, revision=told.sha),
            size=int(row.size or 0),
            sha256=row.lfs.sha256 if row.lfs else "",
            blob_sha1="" if row.lfs else (row.blob_id or ""),
            headers=headers,
        )
        for row in told.siblings or []
    ]
    return Listing(files, told.sha or "")


def modelscope(repo_id: str, revision: str) -> Listing:
    """MODELSCOPE_ENDPOINT and MODELSCOPE_API_TOKEN are read by the client itself."""
    from modelscope_hub import HubApi
    from modelscope_hub.errors import HubError

    revision = revision or "master"
    api = HubApi()
    try:
        rows = api.list_repo_files(repo_id, "model", revision=revision)
    except HubError as error:
        raise refusal_of(int(getattr(error, "status_code", None) or 0), repo_id) from error
    token = os.environ.get("MODELSCOPE_API_TOKEN", "")
    # The older half of the hub asks for the cookie, the newer one for the header.
    headers = {"Authorization": f"Bearer {token}", "Cookie": f"m_session_id={token}"}
    files = [
        RemoteFile(
            name=row.path,
            url=api.legacy.get_download_url(repo_id, "model", row.path, revision),
            size=row.size,
            sha256=row.sha256 or "",
            headers=headers if token else {},
        )
        for row in rows
        if not row.is_dir
    ]
    return Listing(files)


def refusal_of(status: int, name: str) -> Refused:
    """What an answer of a hub means, or that there was none."""
    codes = {401: "no_access", 403: "no_access", 404: "not_found", 429: "busy"}
    return Refused(codes.get(status, "unreachable"), name)


HUBS: dict[str, Callable[[str, str], Listing]] = {
    "huggingface": hugging_face,
    "modelscope": modelscope,
}


def listing_of(hub: str, repo_id: str, revision: str) -> Listing:
    """Raises Refused."""
    import httpx
    import requests

    try:
        found = HUBS[hub](repo_id, revision)
    except (httpx.HTTPError, requests.RequestException, OSError) as error:
        raise Refused("unreachable", f"{repo_id} ({type(error).__name__})") from error
    if len(found.files) > MAX_FILES:
        raise Refused("too_many_files", str(len(found.files)))
    return found
