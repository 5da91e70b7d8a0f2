"""The GPUs of this machine as the driver tells them. Used by runner and node worker alike."""


def gpus() -> list[dict[str, object]]:
    """One row a GPU; empty without an NVIDIA driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        return []
    rows = []
    for index in range(pynvml.nvmlDeviceGetCount()):
        handle = pynvml.nvmlDeviceGetHandleByIndex(index)
        memory = pynvml.nvmlDeviceGetMemoryInfo(handle)
        rows.append(
            {
                "index": index,
                "name": _text(pynvml.nvmlDeviceGetName(handle)),
                "percent": pynvml.nvmlDeviceGetUtilizationRates(handle).gpu,
                "used_bytes": memory.used,
                "total_bytes": memory.total,
                "celsius": pynvml.nvmlDeviceGetTemperature(handle, pynvml.NVML_TEMPERATURE_GPU),
            }
        )
    return rows


def _text(name: object) -> str:
    """Older bindings give bytes."""
    return name.decode() if isinstance(name, bytes) else str(name)
