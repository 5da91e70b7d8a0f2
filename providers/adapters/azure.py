"""OpenAI's models on Azure: the same wire, other addresses and another header for the key.

Base addresses: `https://{resource}.openai.azure.com/openai/v1` (also on services.ai.azure.com),
where the deployment is the `model` of the body; or the dated API, `https://{resource}…` with or
without `/openai` or `/openai/deployments/{name}`, where it is in the path and `api-version` in the
query. Lists of models name base models, never deployments: those a person enters.
"""

from providers.adapters.openai import OpenAIAdapter
from providers.auth import Header
from providers.types import Target

DEFAULT_API_VERSION = "2024-10-21"


class AzureAdapter(OpenAIAdapter):
    auth = Header("api-key")

    def url(self, target: Target, name: str) -> str:
        base = target.base_url.rstrip("/")
        if base.endswith("/v1"):
            return super().url(target, name)
        path = target.profile.paths.get(name) or self.paths[name]
        if "/deployments/" not in base:
            base = base.removesuffix("/openai") + "/openai"
            base += "" if name == "models" else f"/deployments/{target.model_id}"
        elif name == "models":
            base = base.partition("/deployments/")[0]
        return f"{base}{path}?api-version={target.profile.api_version or DEFAULT_API_VERSION}"
