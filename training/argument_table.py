"""The arguments of LLaMA-Factory that a person may set. What is not in here is out of reach.

Names and meanings: LLaMA-Factory 0.9.5. Defaults are those that a job gets here (llamafactory.py),
not always LLaMA-Factory's own.
"""

from dataclasses import dataclass

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from training.models import Method, Stage

Text = str | Promise
Value = bool | int | float | str

LORAS = (Method.LORA, Method.QLORA)
PAIRS = (Stage.DPO, Stage.KTO)


@dataclass(frozen=True)
class Argument:
    """One row. `default` None: LLaMA-Factory decides. Empty `methods` or `stages`: all of them.

    `above`: the value must be greater than this; `minimum` and `maximum` are allowed values.
    """

    name: str
    kind: str  # int, float, bool, text or choice
    group: str
    label: Text
    help: Text = ""
    default: Value | None = None
    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    stages: tuple[str, ...] = ()

    def fits(self, *, stage: str, method: str) -> bool:
        return (not self.methods or method in self.methods) and (
            not self.stages or stage in self.stages
        )


GROUPS: dict[str, Text] = {
    "main": _("Main parameters"),
    "data": _("Data"),
    "optimiser": _("Optimiser and schedule"),
    "precision": _("Precision and memory"),
    "lora": "LoRA",
    "freeze": _("Freeze"),
    "preference": _("Preference training"),
    "evaluation": _("Evaluation"),
    "saving": _("Logging and checkpoints"),
}

SCHEDULES = (
    "cosine",
    "linear",
    "constant",
    "constant_with_warmup",
    "cosine_with_restarts",
    "polynomial",
    "inverse_sqrt",
)
OPTIMISERS = ("adamw_torch", "adamw_torch_fused", "adafactor", "sgd", "lion_32bit")
LOSSES = ("sigmoid", "hinge", "ipo", "kto_pair", "orpo", "simpo")


def _main() -> tuple[Argument, ...]:
    return (
        Argument(
            "learning_rate",
            "float",
            "main",
            _("Learning rate"),
            _("How far each step goes. LoRA: about 1e-4; full training: about 1e-5."),
            1e-4,
            above=0,
            maximum=1,
        ),
        Argument(
            "num_train_epochs",
            "float",
            "main",
            _("Epochs"),
            _("How often the whole dataset is seen."),
            3.0,
            above=0,
            maximum=1000,
        ),
        Argument(
            "per_device_train_batch_size",
            "int",
            "main",
            _("Batch size"),
            _("Examples at once; costs memory."),
            1,
            minimum=1,
            maximum=1024,
        ),
        Argument(
            "gradient_accumulation_steps",
            "int",
            "main",
            _("Gradient accumulation"),
            _("Batches added up before a step; costs no memory."),
            1,
            minimum=1,
            maximum=1024,
        ),
        Argument(
            "cutoff_len",
            "int",
            "main",
            _("Longest example (tokens)"),
            _("What is longer is cut off."),
            1024,
            minimum=16,
            maximum=1_000_000,
        ),
        Argument(
            "val_size",
            "float",
            "main",
            _("Held out for evaluation"),
            _("A share such as 0.1, or a number of examples. 0: none."),
            0.0,
            minimum=0,
            maximum=1_000_000,
        ),
        Argument(
            "lora_rank",
            "int",
            "main",
            _("LoRA rank"),
            _("How much the adapter can learn: 8 to 64 as a rule."),
            8,
            minimum=1,
            maximum=1024,
            methods=LORAS,
        ),
        Argument(
            "lora_alpha",
            "int",
            "main",
            _("LoRA alpha"),
            _("Strength of the adapter; twice the rank unless given."),
            minimum=1,
            maximum=4096,
            methods=LORAS,
        ),
        Argument(
            "quantization_bit",
            "choice",
            "main",
            _("Quantised to (bits)"),
            _("The base model is held with this many bits a weight."),
            "4",
            choices=("4", "8"),
            methods=(Method.QLORA,),
        ),
        Argument(
            "freeze_trainable_layers",
            "int",
            "main",
            _("Layers trained"),
            _("Counted from the last one; negative: from the first."),
            2,
            minimum=-200,
            maximum=200,
            methods=(Method.FREEZE,),
        ),
        Argument(
            "pref_beta",
            "float",
            "main",
            _("Beta"),
            _("How close the model stays to where it started."),
            0.1,
            above=0,
            maximum=10,
            stages=PAIRS,
        ),
    )


def _data() -> tuple[Argument, ...]:
    sft = (Stage.SFT,)
    return (
        Argument(
            "template",
            "text",
            "data",
            _("Chat template"),
            _("The base model's own unless given, for example qwen3."),
        ),
        Argument(
            "max_samples",
            "int",
            "data",
            _("At most this many examples"),
            minimum=1,
            maximum=100_000_000,
        ),
        Argument(
            "train_on_prompt",
            "bool",
            "data",
            _("Learn the questions, too"),
            default=False,
            stages=sft,
        ),
        Argument(
            "mask_history",
            "bool",
            "data",
            _("Learn the last answer only"),
            default=False,
            stages=sft,
        ),
        Argument(
            "packing",
            "bool",
            "data",
            _("Pack short examples together"),
            _("Faster; an example may see its neighbours."),
            default=False,
            stages=sft,
        ),
        Argument(
            "neat_packing",
            "bool",
            "data",
            _("Pack without seeing neighbours"),
            default=False,
            stages=sft,
        ),
        Argument(
            "enable_thinking",
            "bool",
            "data",
            _("Thinking mode of reasoning models"),
            default=True,
            stages=sft,
        ),
        Argument("default_system", "text", "data", _("System prompt where there is none")),
        Argument(
            "preprocessing_num_workers",
            "int",
            "data",
            _("Processes that prepare the data"),
            minimum=1,
            maximum=64,
        ),
        Argument(
            "dataloader_num_workers",
            "int",
            "data",
            _("Processes that load batches"),
            default=0,
            minimum=0,
            maximum=64,
        ),
        Argument("disable_shuffling", "bool", "data", _("Keep the order"), default=False),
    )


def _optimiser() -> tuple[Argument, ...]:
    group = "optimiser"
    return (
        Argument(
            "lr_scheduler_type",
            "choice",
            group,
            _("Schedule of the learning rate"),
            default="cosine",
            choices=SCHEDULES,
        ),
        Argument(
            "warmup_ratio",
            "float",
            group,
            _("Warm-up (share of the steps)"),
            default=0.1,
            minimum=0,
            maximum=1,
        ),
        Argument(
            "warmup_steps",
            "int",
            group,
            _("Warm-up (steps)"),
            _("Wins over the share when given."),
            minimum=0,
            maximum=10_000_000,
        ),
        Argument(
            "max_steps",
            "int",
            group,
            _("Steps"),
            _("Wins over the epochs when given."),
            minimum=1,
            maximum=10_000_000,
        ),
        Argument(
            "optim", "choice", group, _("Optimiser"), default="adamw_torch", choices=OPTIMISERS
        ),
        Argument(
            "weight_decay", "float", group, _("Weight decay"), default=0.0, minimum=0, maximum=1
        ),
        Argument(
            "max_grad_norm",
            "float",
            group,
            _("Largest gradient norm"),
            default=1.0,
            minimum=0,
            maximum=1000,
        ),
        Argument("adam_beta1", "float", group, "Adam β₁", default=0.9, minimum=0, maximum=0.9999),
        Argument(
            "adam_beta2", "float", group, "Adam β₂", default=0.999, minimum=0, maximum=0.999999
        ),
        Argument("adam_epsilon", "float", group, "Adam ε", default=1e-8, above=0, maximum=0.1),
        Argument(
            "label_smoothing_factor",
            "float",
            group,
            _("Label smoothing"),
            default=0.0,
            minimum=0,
            maximum=0.9,
        ),
        Argument(
            "neftune_noise_alpha",
            "float",
            group,
            _("NEFTune noise"),
            _("Noise on the input; 5 is usual."),
            minimum=0,
            maximum=100,
            stages=(Stage.SFT,),
        ),
        Argument(
            "seed", "int", group, _("Random seed"), default=42, minimum=0, maximum=2_147_483_647
        ),
        Argument(
            "use_dft_loss",
            "bool",
            group,
            _("Dynamic fine-tuning (DFT) loss"),
            default=False,
            stages=(Stage.SFT,),
        ),
    )


def _precision() -> tuple[Argument, ...]:
    group = "precision"
    return (
        Argument("bf16", "bool", group, "bf16", _("For recent GPUs."), default=False),
        Argument("fp16", "bool", group, "fp16", _("For older GPUs."), default=False),
        Argument(
            "pure_bf16",
            "bool",
            group,
            _("Pure bf16"),
            _("Half the memory of full training; needs a GPU."),
            default=False,
        ),
        Argument(
            "flash_attn",
            "choice",
            group,
            _("Attention"),
            default="auto",
            choices=("auto", "disabled", "sdpa", "fa2"),
        ),
        Argument(
            "disable_gradient_checkpointing",
            "bool",
            group,
            _("Keep all activations"),
            _("Faster, and needs far more memory."),
            default=False,
        ),
        Argument("upcast_layernorm", "bool", group, _("Layer norms in fp32"), default=False),
        Argument(
            "rope_scaling",
            "choice",
            group,
            _("RoPE scaling"),
            _("For examples longer than the context window."),
            choices=("linear", "dynamic", "yarn", "llama3"),
        ),
        Argument(
            "quantization_type",
            "choice",
            group,
            _("Kind of 4-bit numbers"),
            default="nf4",
            choices=("nf4", "fp4"),
            methods=(Method.QLORA,),
        ),
        Argument(
            "double_quantization",
            "bool",
            group,
            _("Quantise the constants, too"),
            default=True,
            methods=(Method.QLORA,),
        ),
    )


def _methods() -> tuple[Argument, ...]:
    return (
        Argument(
            "lora_target",
            "text",
            "lora",
            _("Modules"),
            _("Names with commas, or all."),
            "all",
            methods=LORAS,
        ),
        Argument(
            "lora_dropout",
            "float",
            "lora",
            _("Dropout"),
            default=0.0,
            minimum=0,
            maximum=0.9,
            methods=LORAS,
        ),
        Argument(
            "loraplus_lr_ratio",
            "float",
            "lora",
            _("LoRA+ ratio"),
            _("Learning rate of B over that of A; 16 is usual."),
            above=0,
            maximum=1000,
            methods=LORAS,
        ),
        Argument("use_rslora", "bool", "lora", "rsLoRA", default=False, methods=LORAS),
        Argument("use_dora", "bool", "lora", "DoRA", default=False, methods=LORAS),
        Argument(
            "pissa_init",
            "bool",
            "lora",
            "PiSSA",
            default=False,
            methods=(Method.LORA,),
            stages=(Stage.SFT, Stage.PT),
        ),
        Argument(
            "additional_target",
            "text",
            "lora",
            _("Trained in full besides"),
            _("Modules with commas, for example embed_tokens,lm_head."),
            methods=LORAS,
        ),
        Argument(
            "freeze_trainable_modules",
            "text",
            "freeze",
            _("Modules trained"),
            _("Names with commas, or all."),
            "all",
            methods=(Method.FREEZE,),
        ),
        Argument(
            "freeze_extra_modules",
            "text",
            "freeze",
            _("Further modules"),
            methods=(Method.FREEZE,),
        ),
    )


def _preference() -> tuple[Argument, ...]:
    group, dpo, kto = "preference", (Stage.DPO,), (Stage.KTO,)
    return (
        Argument(
            "pref_loss", "choice", group, _("Loss"), default="sigmoid", choices=LOSSES, stages=dpo
        ),
        Argument(
            "pref_ftx",
            "float",
            group,
            _("Share of the supervised loss"),
            default=0.0,
            minimum=0,
            maximum=10,
            stages=PAIRS,
        ),
        Argument(
            "dpo_label_smoothing",
            "float",
            group,
            _("Label smoothing (DPO)"),
            default=0.0,
            minimum=0,
            maximum=0.5,
            stages=dpo,
        ),
        Argument(
            "simpo_gamma",
            "float",
            group,
            _("SimPO margin"),
            default=0.5,
            minimum=0,
            maximum=10,
            stages=dpo,
        ),
        Argument(
            "ld_alpha",
            "float",
            group,
            _("Length desensitising (LD-DPO)"),
            minimum=0,
            maximum=1,
            stages=dpo,
        ),
        Argument(
            "kto_chosen_weight",
            "float",
            group,
            _("Weight of good answers"),
            default=1.0,
            minimum=0,
            maximum=100,
            stages=kto,
        ),
        Argument(
            "kto_rejected_weight",
            "float",
            group,
            _("Weight of bad answers"),
            default=1.0,
            minimum=0,
            maximum=100,
            stages=kto,
        ),
    )


def _evaluation() -> tuple[Argument, ...]:
    group = "evaluation"
    return (
        Argument(
            "eval_strategy",
            "choice",
            group,
            _("When"),
            choices=("steps", "epoch", "no"),
        ),
        Argument(
            "eval_steps",
            "int",
            group,
            _("Every so many steps"),
            minimum=1,
            maximum=10_000_000,
        ),
        Argument(
            "per_device_eval_batch_size",
            "int",
            group,
            _("Batch size"),
            minimum=1,
            maximum=1024,
        ),
        Argument(
            "compute_accuracy",
            "bool",
            group,
            _("Token accuracy"),
            default=False,
            stages=(Stage.SFT,),
        ),
        Argument(
            "load_best_model_at_end",
            "bool",
            group,
            _("Keep the best checkpoint"),
            _("The one with the lowest evaluation loss, not the last."),
            default=False,
        ),
        Argument(
            "early_stopping_steps",
            "int",
            group,
            _("Stop after so many evaluations without a gain"),
            minimum=1,
            maximum=10_000,
        ),
    )


def _saving() -> tuple[Argument, ...]:
    group = "saving"
    return (
        Argument(
            "logging_steps",
            "int",
            group,
            _("Points of the curves every (steps)"),
            default=5,
            minimum=1,
            maximum=100_000,
        ),
        Argument(
            "save_steps",
            "int",
            group,
            _("Checkpoint every (steps)"),
            default=100,
            minimum=1,
            maximum=10_000_000,
        ),
        Argument(
            "save_total_limit",
            "int",
            group,
            _("Checkpoints kept"),
            default=2,
            minimum=1,
            maximum=100,
        ),
    )


ARGUMENTS: tuple[Argument, ...] = (
    *_main(),
    *_data(),
    *_optimiser(),
    *_precision(),
    *_methods(),
    *_preference(),
    *_evaluation(),
    *_saving(),
)
BY_NAME: dict[str, Argument] = {argument.name: argument for argument in ARGUMENTS}
