"""A stand-in for the library audio-separator, so that our side of it is tested where torch is not installed.

It is copied into a folder as a package, and does what the model's name says: a list of stems and their factors, such
as "Vocals=0.5,Instrumental=0.5", or one of the accidents below.
"""

import os
import random
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import soundfile


class Separator:
    """The part of the real one's interface that the worker uses."""

    def __init__(self, *, model_file_dir, output_dir, output_format, use_soundfile):
        self.normalization_threshold = 0.9
        self.model_file_dir = model_file_dir
        self.check_ffmpeg_installed()

    def check_ffmpeg_installed(self):
        raise FileNotFoundError("ffmpeg")

    def download_file_if_not_exists(self, url, output_path):
        Path(output_path).write_bytes(b"half")
        if url == "broken":
            raise ConnectionError("the line is dead")

    def load_model(self, model):
        sys.stdout.write("loading, says the library on standard output\n")
        sys.stderr.write("LAST WORDS of the log\n")
        if model == "damaged.onnx":
            sys.exit(1)
        if model == "unreachable.onnx":
            self.download_file_if_not_exists("broken", f"{self.model_file_dir}/unreachable.onnx")
        self.model = model.removesuffix(".onnx")
        self.model_instance = SimpleNamespace(final_process=None)

    def separate(self, path):
        mix, _ = soundfile.read(path, dtype="float32")
        if self.model == "silent":
            return []
        if self.model == "raising":
            raise RuntimeError("out of luck")
        if self.model == "killed":
            os.kill(os.getpid(), signal.SIGKILL)
        if self.model == "exiting":
            os._exit(7)
        if self.model == "hanging":
            time.sleep(600)
        if self.model == "environment":
            sys.stderr.write(f"{sorted(os.environ)}\n")
            raise RuntimeError("see the log")
        for entry in self.model.split(","):
            stem, _, factor = entry.partition("=")
            self.model_instance.final_process("unused.wav", self._stem(mix, factor), stem)
        return ["not", "to", "be", "trusted"]

    def _stem(self, mix, factor):
        special = {
            "short": lambda: mix[: len(mix) // 3],
            "nearly": lambda: mix[:-700],
            "nan": lambda: mix * np.nan,
            "mono": lambda: mix[:, 0],
            "peak": lambda: np.full_like(mix, np.abs(mix).max() == 1),  # 1 if that is what the input peaks at
            "random": lambda: mix * random.random(),
        }
        return special[factor]() if factor in special else mix * float(factor)
