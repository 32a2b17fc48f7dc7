"""Nodes that cut faces out for other models and put results back."""

from __future__ import annotations

from comfy_api.latest import io, ui

from ..engine.video.blend import BLENDS, EDGES, MAX_FEATHER
from ..engine.video.crops import BORDERS, MAX_MARGIN, MAX_SIZE, MIN_SIZE
from ..engine.video.match import MATCHES
from . import sockets
from .reports import reports
from .sockets import ADVANCED


def blend_inputs() -> list:
    """How results meet the picture; the same for all nodes that place something."""
    return [
        io.Combo.Input(
            "edge",
            options=list(EDGES),
            default="oval",
            tooltip="What is placed: an oval or the whole box of the crop, or only the face or the head by its "
            "landmarks. Usual: oval.",
        ),
        io.Float.Input(
            "feather",
            default=0.15,
            min=0.0,
            max=MAX_FEATHER,
            step=0.01,
            tooltip="Width of the soft edge, as a share of the crop. 0 is hard. Usual: 0.15.",
        ),
        io.Combo.Input(
            "colour_match",
            options=list(MATCHES),
            default="off",
            tooltip="Bring the result's colours back. ring: what lies around the face looks as before. face: the face "
            "itself does. Usual: off, ring if the model shifts colours.",
        ),
        io.Combo.Input(
            "blend",
            options=list(BLENDS),
            default="feather",
            tooltip="feather: a soft edge. poisson: also bends the result's light to meet the picture's at the edge. "
            "Usual: feather.",
        ),
    ]


def results_fps_input(what: str) -> io.Float.Input:
    return io.Float.Input(
        "fps",
        default=0.0,
        min=0.0,
        max=120.0,
        step=0.01,
        tooltip=f"Frames per second of the {what}, if not the clip's own: they are then joined by time. Usual: 0, the same.",
        extra_dict=ADVANCED,
    )


def mask_input() -> io.Mask.Input:
    return io.Mask.Input(
        "mask",
        optional=True,
        tooltip="Where anything may be placed: one mask, or one for each frame, in the size of the image.",
    )


def put_together(placed, frames: int, height: int, width: int, notes: list[str]) -> io.NodeOutput:
    """An IMAGE, a MASK and a report of frames that come one by one.

    No picture is shown meanwhile: the editor would keep the last one below the node, where nobody looks for the result.
    """
    import torch

    from ..host.tensors import check_memory, empty_frames, put_frame

    check_memory(2 * frames, height, width)
    out, room = empty_frames(frames, height, width)
    cover = torch.zeros((frames, height, width))
    for t, (frame, mask) in enumerate(placed):
        put_frame(room, t, frame)
        cover[t] = torch.from_numpy(mask)
    text = "\n".join(notes) or f"{frames} frame(s), each with its own result"
    return io.NodeOutput(out, cover, text, ui=ui.PreviewText(text))


class CropFaces(io.ComfyNode):
    """Square pictures of faces, for models that want one face."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeCropFaces",
            display_name="Crop Faces",
            category="Troupe/composite",
            description="Cuts a square around each face that moves with the head without trembling, for any model that "
            "wants one face. Place Faces puts the results back.",
            inputs=[
                io.Image.Input("image", tooltip="The picture or frames that the faces were found in."),
                sockets.Faces.Input("faces", tooltip="From Detect Faces on this image."),
                sockets.person_input(
                    "person",
                    "Whose face: 0 is everybody (all frames of person 1, then of person 2), 1 the leftmost. "
                    "Usual: 0, and 1 for a model that makes clips.",
                    minimum=0,
                ),
                io.Int.Input(
                    "size",
                    default=512,
                    min=MIN_SIZE,
                    max=MAX_SIZE,
                    step=8,
                    tooltip="Side of each crop in pixels: what the model wants. Usual: 512.",
                ),
                io.Float.Input(
                    "margin",
                    default=0.5,
                    min=0.0,
                    max=MAX_MARGIN,
                    step=0.05,
                    tooltip="Room on each side of the face, in sizes of the face. 0 cuts at the chin, 1 shows the shoulders. "
                    "Usual: 0.5.",
                ),
                io.Boolean.Input(
                    "moving",
                    default=True,
                    tooltip="On follows the head. Off keeps one square that holds the face in all frames. Usual: on.",
                ),
                io.Float.Input(
                    "smoothing",
                    default=0.2,
                    min=0.0,
                    max=5.0,
                    step=0.05,
                    tooltip="Seconds over which the path is smoothed, to both sides in time. 0 follows every tremble. "
                    "Usual: 0.2.",
                    extra_dict=ADVANCED,
                ),
                io.Combo.Input(
                    "border",
                    options=list(BORDERS),
                    default="reflect",
                    tooltip="What a crop shows beyond the picture's edge: the last pixels, a mirror image, or black. "
                    "Usual: reflect.",
                    extra_dict=ADVANCED,
                ),
            ],
            outputs=[
                io.Image.Output(display_name="crops"),
                sockets.Crops.Output(display_name="where"),
                sockets.BoundingBox.Output(display_name="bboxes"),
            ],
        )

    @classmethod
    def execute(cls, image, faces, person, size, margin, moving, smoothing, border) -> io.NodeOutput:
        from ..engine.video.composite import cut_faces, plan_crops
        from ..host.clips import same_frames
        from ..host.pictures import Pictures
        from ..host.progress import NodeProgress
        from ..host.tensors import check_image, empty_frames, put_frame

        check_image(image, "image")
        same_frames(image, faces)
        crops = plan_crops(
            faces, person=person, size=size, margin=margin, moving=moving, smoothing=smoothing, border=border
        )
        out, room = empty_frames(len(crops), size, size)
        progress = NodeProgress()
        for t, row in enumerate(cut_faces(Pictures(image), crops)):
            for k, crop in enumerate(row):
                put_frame(room, k * crops.frames + t, crop)
            progress(t + 1, crops.frames)
        return io.NodeOutput(out, crops, window_boxes(crops))


def window_boxes(crops) -> list[list[dict]]:
    """The windows as core's BOUNDING_BOX: per frame, each person's."""
    return [
        [
            {"x": x, "y": y, "width": side, "height": side, "label": f"crop {w.track.person}", "score": 1.0}
            for w in crops.windows
            for x, y, side in [w.at(t)]
        ]
        for t in range(crops.frames)
    ]


class PlaceFaces(io.ComfyNode):
    """What a model made of crops, back in the picture."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupePlaceFaces",
            display_name="Place Faces",
            category="Troupe/composite",
            description="Puts results of Crop Faces back where they were cut, over the picture or clip, with a soft edge. "
            "Only what the model changed is placed.",
            inputs=[
                io.Image.Input(
                    "image",
                    tooltip="The picture or clip that was cut. One picture is repeated for a clip of results.",
                ),
                io.Image.Input(
                    "results",
                    tooltip="What the model made of the crops, square, of any size, in their order.",
                ),
                sockets.Crops.Input("where", tooltip="From Crop Faces."),
                *blend_inputs(),
                results_fps_input("results"),
                mask_input(),
            ],
            outputs=[
                io.Image.Output(display_name="image"),
                io.Mask.Output(display_name="mask"),
                io.String.Output(display_name="report"),
            ],
            **reports(),
        )

    @classmethod
    def execute(
        cls, image, results, where, edge, feather, colour_match, blend, fps, mask=None
    ) -> io.NodeOutput:
        from ..engine.video.composite import Blend, place_faces
        from ..host.pictures import Pictures
        from ..host.progress import NodeProgress
        from ..host.tensors import check_image

        check_image(image, "image")
        check_image(results, "results")
        notes: list[str] = []
        how = Blend(edge, feather, colour_match, blend)
        placed = place_faces(
            Pictures(image),
            Pictures(results),
            where,
            how,
            fps=fps or None,
            mask=None if mask is None else mask.cpu().numpy(),
            notes=notes,
            progress=NodeProgress(),
        )
        frames = len(image) if len(image) > 1 else max(1, len(results) // len(where.windows))
        return put_together(placed, frames, *image.shape[1:3], notes)


class ReplaceFaces(io.ComfyNode):
    """Only the faces of an edited clip."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeReplaceFaces",
            display_name="Replace Faces",
            category="Troupe/composite",
            description="Takes only the faces from an edited clip and puts them over the original one: everything else stays "
            "as it was filmed.",
            inputs=[
                io.Image.Input("image", tooltip="The original picture or clip."),
                io.Image.Input(
                    "edited",
                    tooltip="The clip to take faces from, the whole picture in the same proportions. Another size is scaled.",
                ),
                sockets.Faces.Input("faces", tooltip="From Detect Faces on 'image'."),
                sockets.person_input(
                    "person", "Whose face is replaced: 0 is everybody, 1 the leftmost. Usual: 0.", minimum=0
                ),
                io.Float.Input(
                    "margin",
                    default=0.5,
                    min=0.0,
                    max=MAX_MARGIN,
                    step=0.05,
                    tooltip="Room on each side of the face, in sizes of the face; the edge lies within. Usual: 0.5.",
                ),
                *blend_inputs(),
                results_fps_input("edited clip"),
                mask_input(),
            ],
            outputs=[
                io.Image.Output(display_name="image"),
                io.Mask.Output(display_name="mask"),
                io.String.Output(display_name="report"),
            ],
            **reports(),
        )

    @classmethod
    def execute(
        cls, image, edited, faces, person, margin, edge, feather, colour_match, blend, fps, mask=None
    ) -> io.NodeOutput:
        from ..engine.video.composite import Blend, plan_crops, replace_faces
        from ..host.clips import same_frames
        from ..host.pictures import Pictures
        from ..host.progress import NodeProgress
        from ..host.tensors import check_image

        check_image(image, "image")
        check_image(edited, "edited")
        same_frames(image, faces)
        notes: list[str] = []
        placed = replace_faces(
            Pictures(image),
            Pictures(edited),
            plan_crops(faces, person=person, margin=margin),
            Blend(edge, feather, colour_match, blend),
            fps=fps or None,
            mask=None if mask is None else mask.cpu().numpy(),
            notes=notes,
            progress=NodeProgress(),
        )
        frames = len(image) if len(image) > 1 else len(edited)
        return put_together(placed, frames, *image.shape[1:3], notes)
