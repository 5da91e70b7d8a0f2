"""Providers of the Chinese mainland. A key of one region is refused in the other."""

from django.utils.translation import gettext_lazy as _

from providers.presets.preset import Address, KnownModel, Preset, Section

REGION_NOTE = _("A key works only in the region it was made in.")
COMPLETION_TOKENS = {"max_tokens_field": "max_completion_tokens"}
# The old host of Hunyuan has no list.
HUNYUAN = (
    KnownModel("hunyuan-functioncall", 32_000),
    KnownModel("hunyuan-large-longcontext", 134_000),
    KnownModel("hunyuan-large-role", 32_000),
    KnownModel("hunyuan-large", 32_000),
    KnownModel("hunyuan-lite", 256_000),
    KnownModel("hunyuan-pro", 32_000),
    KnownModel("hunyuan-role", 32_000),
    KnownModel("hunyuan-standard-256K", 256_000),
    KnownModel("hunyuan-standard", 32_000),
    KnownModel("hunyuan-t1-latest", 64_000),
    KnownModel("hunyuan-turbo-latest", 32_000),
    KnownModel("hunyuan-turbo-vision", 8_000),
    KnownModel("hunyuan-turbo", 32_000),
    KnownModel("hunyuan-turbos-latest", 32_000),
    KnownModel("hunyuan-turbos-longtext-128k-20250325", 128_000),
    KnownModel("hunyuan-vision", 8_000),
    KnownModel("lke-text-embedding-v1", 1_024),
)

CHINESE = (
    Preset(
        "deepseek",
        "openai",
        _("DeepSeek"),
        Section.CHINA,
        (
            Address("https://api.deepseek.com"),
            Address("https://api.deepseek.com/beta", _("Beta (prefix, fill-in, strict tools)")),
        ),
    ),
    Preset(
        "dashscope",
        "openai",
        _("Alibaba Cloud Model Studio (Qwen)"),
        Section.CHINA,
        (
            Address(
                "https://dashscope.aliyuncs.com/compatible-mode/v1",
                _("Beijing"),
                # Rerank alone has a path of its own, outside the base URL.
                {
                    "paths": {
                        "rerank": "https://dashscope.aliyuncs.com/compatible-api/v1/reranks",
                    }
                },
            ),
            Address("https://dashscope-intl.aliyuncs.com/compatible-mode/v1", _("Singapore")),
            Address("https://dashscope-us.aliyuncs.com/compatible-mode/v1", _("United States")),
            Address(
                "https://{workspace}.{region}.maas.aliyuncs.com/compatible-mode/v1",
                _("Workspace"),
            ),
        ),
        key_note=REGION_NOTE,
        profile={"embedding_batch": 10},
    ),
    Preset(
        "zhipu",
        "openai",
        _("Zhipu AI (GLM)"),
        Section.CHINA,
        (
            Address("https://open.bigmodel.cn/api/paas/v4", _("China")),
            Address("https://api.z.ai/api/paas/v4", _("International")),
            Address("https://open.bigmodel.cn/api/coding/paas/v4", _("Coding plan")),
        ),
        profile={"include_usage": False, "embedding_batch": 64},
        drop_params=("stream_options",),
    ),
    Preset(
        "moonshot",
        "openai",
        _("Moonshot AI (Kimi)"),
        Section.CHINA,
        (
            Address("https://api.moonshot.cn/v1", _("China")),
            Address("https://api.moonshot.ai/v1", _("International")),
        ),
        key_note=REGION_NOTE,
        profile=COMPLETION_TOKENS,
    ),
    Preset(
        "minimax",
        "openai",
        _("MiniMax"),
        Section.CHINA,
        (
            Address("https://api.minimaxi.com/v1", _("China")),
            Address("https://api.minimax.io/v1", _("International")),
            Address("https://api.minimax.chat/v1", _("Old host")),
        ),
        profile=COMPLETION_TOKENS,
        drop_params=(
            *("tool_choice", "response_format", "seed"),
            *("presence_penalty", "frequency_penalty"),
        ),
    ),
    Preset(
        "baichuan",
        "openai",
        _("Baichuan AI"),
        Section.CHINA,
        (Address("https://api.baichuan-ai.com/v1"),),
        known_models=(
            KnownModel("Baichuan-M3-Plus", 32_000),
            KnownModel("Baichuan-M3", 32_000),
            KnownModel("Baichuan-M2-Plus", 32_000),
            KnownModel("Baichuan-M2", 32_000),
            KnownModel("Baichuan4-Turbo", 32_000),
            KnownModel("Baichuan4-Air", 32_000),
            KnownModel("Baichuan4", 32_000),
            KnownModel("Baichuan3-Turbo-128k", 128_000),
            KnownModel("Baichuan3-Turbo", 32_000),
            KnownModel("Baichuan2-Turbo", 32_000),
            KnownModel("Baichuan-Text-Embedding", 512),
        ),
        profile={"embedding_batch": 16},
    ),
    Preset(
        "yi",
        "openai",
        _("01.AI (Yi)"),
        Section.CHINA,
        (
            Address("https://api.lingyiwanwu.com/v1", _("China")),
            Address("https://api.01.ai/v1", _("International")),
        ),
    ),
    Preset(
        "volcengine",
        "openai",
        _("Volcengine Ark (Doubao)"),
        Section.CHINA,
        (
            Address("https://ark.cn-beijing.volces.com/api/v3", _("Beijing")),
            Address("https://ark.ap-southeast.bytepluses.com/api/v3", _("International")),
            Address("https://ark.cn-beijing.volces.com/api/coding/v3", _("Coding plan")),
        ),
    ),
    Preset(
        "hunyuan",
        "openai",
        _("Tencent Hunyuan"),
        Section.CHINA,
        (
            Address("https://tokenhub.tencentmaas.com/v1", _("China")),
            Address("https://tokenhub-intl.tencentcloudmaas.com/v1", _("International")),
            Address(
                "https://api.hunyuan.cloud.tencent.com/v1", _("Old host"), known_models=HUNYUAN
            ),
            Address("https://api.lkeap.cloud.tencent.com/v1", _("Old host (DeepSeek)")),
        ),
        # Nobody says how many it takes.
        profile={"embedding_batch": 1},
    ),
    Preset(
        "qianfan",
        "openai",
        _("Baidu Qianfan (ERNIE)"),
        Section.CHINA,
        (Address("https://qianfan.baidubce.com/v2"),),
        key_note=_("The whole key that begins with bce-v3/ALTAK-. Old AK/SK pairs do not work."),
        profile={"embedding_batch": 16},
    ),
    Preset(
        "spark",
        "openai",
        _("iFlytek Spark"),
        Section.CHINA,
        (
            Address("https://spark-api-open.xf-yun.com/v1", "Lite, Pro, Max, 4.0 Ultra"),
            Address("https://spark-api-open.xf-yun.com/v2", "X1, X1.5"),
            Address("https://spark-api-open.xf-yun.com/x2", "X2"),
            Address("https://maas-coding-api.cn-huabei-1.xf-yun.com/v2", _("Coding plan")),
        ),
        key_note=_("The APIPassword from the console, neither APIKey nor APISecret."),
        profile={"include_usage": False},
        known_models=(
            KnownModel("lite"),
            KnownModel("generalv3"),
            KnownModel("pro-128k", 131_072),
            KnownModel("generalv3.5"),
            KnownModel("max-32k", 32_768),
            KnownModel("4.0Ultra"),
            KnownModel("x1"),
            KnownModel("spark-x"),
        ),
    ),
    Preset(
        "stepfun",
        "openai",
        _("StepFun"),
        Section.CHINA,
        (
            Address("https://api.stepfun.com/v1", _("China")),
            Address("https://api.stepfun.ai/v1", _("International")),
            Address("https://api.stepfun.com/step_plan/v1", _("Coding plan")),
        ),
    ),
    Preset(
        "siliconflow",
        "openai",
        _("SiliconFlow"),
        Section.CHINA,
        (
            Address("https://api.siliconflow.cn/v1", _("China")),
            Address("https://api.siliconflow.com/v1", _("International")),
        ),
    ),
)
