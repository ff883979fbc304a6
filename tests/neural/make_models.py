"""Make tiny models that the library audio-separator takes for real ones; run in the neural environment.

usage: python -P make_models.py FOLDER

Besides the model files the folder gets the lists that the library would download, so it asks no network. The weights
are random but for the ONNX graphs, which multiply the spectrum by a number: what comes out of those is known.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import onnx
import torch
import yaml
from audio_separator.separator.uvr_lib_v5.demucs.hdemucs import HDemucs
from audio_separator.separator.uvr_lib_v5.roformer.mel_band_roformer import MelBandRoformer
from audio_separator.separator.uvr_lib_v5.tfc_tdf_v3 import TFC_TDF_net
from ml_collections import ConfigDict

MDX = {
    "compensate": 1.0,
    "mdx_dim_f_set": 512,  # of 2049 bins: this tiny network hears up to 5.5 kHz
    "mdx_dim_t_set": 5,  # 2⁵ frames
    "mdx_n_fft_scale_set": 4096,
    "primary_stem": "Vocals",
}
MDXC = {
    "audio": {"chunk_size": 15872, "dim_f": 256, "dim_t": 32, "hop_length": 512, "n_fft": 1024, "num_channels": 2},
    "model": {
        "act": "gelu",
        "bottleneck_factor": 2,
        "growth": 2,
        "norm": "InstanceNorm",
        "num_blocks_per_scale": 1,
        "num_channels": 4,
        "num_scales": 2,
        "num_subbands": 2,
        "scale": [2, 2],
    },
    "training": {"instruments": ["Vocals", "Instrumental"], "target_instrument": None},
    "inference": {"batch_size": 1, "dim_t": 32, "num_overlap": 2},
}
ROFORMER = {
    "audio": {"chunk_size": 88200, "hop_length": 441, "n_fft": 2048, "num_channels": 2, "sample_rate": 44100},
    "model": {
        "depth": 1,
        "dim": 16,
        "dim_head": 8,
        "heads": 2,
        "num_bands": 60,
        "num_stems": 1,
        "sample_rate": 44100,
        "stereo": True,
        "stft_hop_length": 441,
        "stft_n_fft": 2048,
        "stft_win_length": 2048,
    },
    "training": {"instruments": ["vocals", "other"], "target_instrument": "vocals"},
    "inference": {"batch_size": 1, "dim_t": 201, "num_overlap": 2},
}


def multiplier(path: Path, factor: float, bins: int = MDX["mdx_dim_f_set"]) -> str:
    """Write a network that multiplies by `factor`; return the hash by which the library knows it."""
    shape = ["batch", 4, bins, 2 ** MDX["mdx_dim_t_set"]]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node("Mul", ["input", "factor"], ["output"])],
        path.stem,
        [onnx.helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, shape)],
        [onnx.helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, shape)],
        [onnx.helper.make_tensor("factor", onnx.TensorProto.FLOAT, [], [factor])],
    )
    opset = onnx.helper.make_opsetid("", 17)
    onnx.save(onnx.helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
    return hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()


def demucs(folder: Path) -> None:
    """Write a bag of one hybrid Demucs of a few thousand numbers."""
    arguments = {"sources": ["drums", "bass", "other", "vocals"], "channels": 4, "segment": 4}
    network = HDemucs(**arguments)
    package = {"klass": HDemucs, "args": (), "kwargs": arguments, "state": network.state_dict()}
    torch.save(package, folder / "feedbeef.th")
    (folder / "tiny_demucs.yaml").write_text("models: ['feedbeef']\n")


def checkpoint(path: Path, network: torch.nn.Module, config: dict[str, Any]) -> None:
    """Write a network's weights and, beside them, what the library needs to build it again."""
    torch.save(network.state_dict(), path)
    path.with_name(f"{path.stem}_config.yaml").write_text(yaml.safe_dump(config))


def main(folder: Path) -> None:
    """Fill the folder."""
    torch.manual_seed(0)
    hashes = [
        multiplier(folder / "half.onnx", 0.5),
        multiplier(folder / "loud.onnx", 2.5),
        multiplier(folder / "narrow.onnx", 1.0, bins=100),  # not what the library will feed it
    ]
    demucs(folder)
    checkpoint(folder / "tiny_mdxc.ckpt", TFC_TDF_net(ConfigDict(MDXC), device="cpu"), MDXC)
    checkpoint(folder / "tiny_roformer.ckpt", MelBandRoformer(**ROFORMER["model"]), ROFORMER)
    (folder / "broken.onnx").write_bytes(b"no graph")
    hashes.append(hashlib.md5(b"no graph", usedforsecurity=False).hexdigest())
    names = ("half", "loud", "narrow", "broken", "missing")
    lists = {
        "vr_download_list": {},
        "mdx_download_list": {f"MDX-Net Model: {name}": f"{name}.onnx" for name in names},
        "mdx_download_vip_list": {},
        "mdx23c_download_list": {"MDX23C Model: tiny": {"tiny_mdxc.ckpt": "tiny_mdxc_config.yaml"}},
        "mdx23c_download_vip_list": {},
        "roformer_download_list": {"Roformer Model: tiny": {"tiny_roformer.ckpt": "tiny_roformer_config.yaml"}},
        "demucs_download_list": {
            "Demucs v4: tiny": {
                "feedbeef.th": "https://models.invalid/feedbeef.th",
                "tiny_demucs.yaml": "https://models.invalid/tiny_demucs.yaml",
            },
        },
    }
    (folder / "download_checks.json").write_text(json.dumps(lists))
    (folder / "mdx_model_data.json").write_text(json.dumps(dict.fromkeys(hashes, MDX)))
    (folder / "vr_model_data.json").write_text("{}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
