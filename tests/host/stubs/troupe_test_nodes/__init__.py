"""Nodes that only the tests load: inputs that no well-behaved node would give."""

import torch
from comfy_api.latest import ComfyExtension, io

KINDS = ("nan", "bytes", "alpha", "one_pixel", "no_frames", "wide", "grey", "clip", "black")


def broken(kind: str) -> torch.Tensor:
    if kind == "nan":
        return torch.full((1, 64, 64, 3), float("nan"))
    if kind == "bytes":
        return torch.full((1, 64, 64, 3), 255.0)
    shapes = {
        "alpha": (1, 64, 64, 4),
        "one_pixel": (1, 1, 1, 3),
        "no_frames": (0, 64, 64, 3),
        "wide": (1, 8, 10000, 3),
        "grey": (1, 256, 256, 3),
        "clip": (3, 128, 128, 3),
        "black": (1, 256, 256, 3),
    }
    return torch.full(shapes[kind], 0.0 if kind == "black" else 0.5)


class TestImage(io.ComfyNode):
    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeTestImage",
            category="tests",
            inputs=[io.Combo.Input("kind", options=list(KINDS))],
            outputs=[io.Image.Output()],
        )

    @classmethod
    def execute(cls, kind) -> io.NodeOutput:
        return io.NodeOutput(broken(kind))


class TestSink(io.ComfyNode):
    """Ends a graph at any value."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeTestSink",
            category="tests",
            inputs=[io.AnyType.Input("value")],
            outputs=[],
            is_output_node=True,
        )

    @classmethod
    def execute(cls, value) -> io.NodeOutput:
        return io.NodeOutput()


class TestCoreLandmarks(io.ComfyNode):
    """Our faces in the form in which core's own detector gives its."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeTestCoreLandmarks",
            category="tests",
            inputs=[io.Custom("TROUPE_FACES").Input("faces")],
            outputs=[io.Custom("FACE_LANDMARKS").Output()],
        )

    @classmethod
    def execute(cls, faces) -> io.NodeOutput:
        def entry(face):
            xyz = face.landmarks.copy()
            return {
                "landmarks_xy": xyz[:, :2],
                "landmarks_3d": xyz,
                "blendshapes": {},
                "score": face.confidence,
            }

        frames = [[entry(f) for f in reversed(faces.at(t)) if f is not None] for t in range(faces.frames)]
        return io.NodeOutput(
            {"frames": frames, "image_size": (faces.height, faces.width), "connection_sets": {}}
        )


class TestExtension(ComfyExtension):
    async def get_node_list(self):
        return [TestImage, TestSink, TestCoreLandmarks]


async def comfy_entrypoint():
    return TestExtension()
