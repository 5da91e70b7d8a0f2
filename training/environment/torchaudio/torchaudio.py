"""Stands in for torchaudio where torch is a CPU build: importable, not usable."""


def __getattr__(name):
    if name.startswith("__"):
        raise AttributeError(name)
    raise RuntimeError("Audio needs torchaudio, which this CPU environment does not have.")
