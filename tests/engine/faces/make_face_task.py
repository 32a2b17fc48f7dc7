"""Make a ``face_landmarker.task`` for tests out of the models that mediapipe 0.10's wheel carries.

The official file cannot be had without a download. It is an uncompressed zip of a detector, a landmark model with
one output of 478 points, and a blendshape model. The wheel's landmark model has its irises in outputs of their
own, so the network's last layers are joined to one; the blendshape model is a stand-in of the right shape, whose
outputs mean nothing.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

MESH, IRIS = 468 * 3, 5 * 2
BLENDSHAPE_INPUTS, BLENDSHAPE_OUTPUTS = 146, 52


def available() -> bool:
    """Whether the models and the tools to join them are installed."""
    try:
        from mediapipe.tasks.metadata import schema_py_generated  # noqa: F401
        from mediapipe.tasks.python.metadata import metadata_writers  # noqa: F401
    except ImportError:
        return False
    return (_models() / "face_landmark" / "face_landmark_with_attention.tflite").is_file()


def make_task(path: Path) -> None:
    """Write the bundle to ``path``."""
    from mediapipe.tasks.python.metadata.metadata_writers import model_asset_bundle_utils

    detector = (_models() / "face_detection" / "face_detection_short_range.tflite").read_bytes()
    mesh = (_models() / "face_landmark" / "face_landmark_with_attention.tflite").read_bytes()
    parts = {
        "face_detector.tflite": _described(detector, 127.5, 127.5, 2),
        "face_landmarks_detector.tflite": _described(_joined(mesh), 0.0, 255.0, 2),
        "face_blendshapes.tflite": _blendshapes(),
    }
    model_asset_bundle_utils.create_model_asset_bundle(parts, str(path))


def _models() -> Path:
    import mediapipe

    return Path(mediapipe.__file__).parent / "modules"


def _described(model: bytes, mean: float, deviation: float, outputs: int) -> bytes:
    """The model with the metadata that tells the Tasks API how to scale pixels."""
    from mediapipe.tasks.python.metadata.metadata_writers import metadata_writer

    writer = metadata_writer.MetadataWriter(bytearray(model))
    writer.add_general_info("face", "for tests")
    writer.add_image_input([mean], [deviation])
    for i in range(outputs):
        writer.add_feature_output(name=f"output{i}")
    return bytes(writer.populate()[0])


def _schema():
    from mediapipe.tasks.metadata import schema_py_generated

    return schema_py_generated


class _Graph:
    """Adds tensors and operators to a TFLite model in the object form of its flatbuffer."""

    def __init__(self, model):
        self.model, self.graph, self.schema = model, model.subgraphs[0], _schema()

    def tensor(self, shape: tuple[int, ...], name: str, values: np.ndarray | None = None) -> int:
        tensor, buffer = self.schema.TensorT(), self.schema.BufferT()
        tensor.shape, tensor.name, tensor.hasRank = list(shape), name, True
        tensor.type = self.schema.TensorType.FLOAT32
        if values is not None:
            if np.issubdtype(values.dtype, np.integer):
                tensor.type = self.schema.TensorType.INT32
            buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self.model.buffers.append(buffer)
        tensor.buffer = len(self.model.buffers) - 1
        self.graph.tensors.append(tensor)
        return len(self.graph.tensors) - 1

    def operator(self, name: str, inputs: list[int], output: int, options: object = None) -> int:
        code, operator = self.schema.OperatorCodeT(), self.schema.OperatorT()
        code.builtinCode = getattr(self.schema.BuiltinOperator, name)
        code.deprecatedBuiltinCode, code.version = min(code.builtinCode, 127), 1
        self.model.operatorCodes.append(code)
        operator.opcodeIndex = len(self.model.operatorCodes) - 1
        operator.inputs, operator.outputs = inputs, [output]
        if options is not None:
            kind = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(self.schema.BuiltinOptions, kind)
            operator.builtinOptions = options
        self.graph.operators.append(operator)
        return output

    def reshape(self, x: int, shape: tuple[int, ...], name: str) -> int:
        options = self.schema.ReshapeOptionsT()
        options.newShape = list(shape)
        wanted = self.tensor((len(shape),), f"{name}_shape", np.array(shape, np.int32))
        return self.operator("RESHAPE", [x, wanted], self.tensor(shape, name), options)

    def gather(self, x: int, rows: list[int], axis: int, shape: tuple[int, ...], name: str) -> int:
        options = self.schema.GatherOptionsT()
        options.axis = axis
        which = self.tensor((len(rows),), f"{name}_rows", np.array(rows, np.int32))
        return self.operator("GATHER", [x, which], self.tensor(shape, name), options)

    def join(self, parts: list[int], axis: int, shape: tuple[int, ...], name: str) -> int:
        options = self.schema.ConcatenationOptionsT()
        options.axis = axis
        return self.operator("CONCATENATION", parts, self.tensor(shape, name), options)

    def packed(self) -> bytes:
        import flatbuffers

        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        return bytes(builder.Output())


def _joined(model: bytes) -> bytes:
    """The landmark model with two outputs: 478 points, and presence."""
    schema = _schema()
    tree = schema.ModelT.InitFromObj(schema.Model.GetRootAsModel(bytearray(model), 0))
    g = _Graph(tree)
    sizes = {int(o): int(np.prod(g.graph.tensors[o].shape)) for o in g.graph.outputs}
    mesh = next(o for o, n in sizes.items() if n == MESH)
    presence = next(o for o, n in sizes.items() if n == 1)
    points = g.reshape(mesh, (468, 3), "points")
    irises = []
    # The irises have no depth of their own; they take that of an eye corner.
    for corner, iris in zip((33, 263), (o for o, n in sizes.items() if n == IRIS), strict=True):
        flat = g.reshape(iris, (5, 2), f"iris_{corner}")
        deep = g.gather(points, [corner] * 5, 0, (5, 3), f"corner_{corner}")
        deep = g.gather(deep, [2], 1, (5, 1), f"depth_{corner}")
        irises.append(g.join([flat, deep], 1, (5, 3), f"iris_3d_{corner}"))
    everything = g.join([points, *irises], 0, (478, 3), "all_points")
    g.graph.outputs = [g.reshape(everything, (1, 1, 1, 478 * 3), "landmarks"), presence]
    tree.signatureDefs = None
    return g.packed()


def _blendshapes() -> bytes:
    """A model ``[1, 146, 2] -> [52]`` that squashes the first 52 x coordinates."""
    schema = _schema()
    tree, graph, empty = schema.ModelT(), schema.SubGraphT(), schema.BufferT()
    tree.version, tree.subgraphs, tree.buffers, tree.operatorCodes = 3, [graph], [empty], []
    graph.tensors, graph.operators = [], []
    g = _Graph(tree)
    points = g.tensor((1, BLENDSHAPE_INPUTS, 2), "input_points")
    flat = g.reshape(points, (BLENDSHAPE_INPUTS * 2,), "flat")
    some = g.gather(flat, list(range(0, 2 * BLENDSHAPE_OUTPUTS, 2)), 0, (BLENDSHAPE_OUTPUTS,), "some")
    out = g.operator("LOGISTIC", [some], g.tensor((BLENDSHAPE_OUTPUTS,), "output"))
    graph.inputs, graph.outputs = [points], [out]
    return g.packed()
