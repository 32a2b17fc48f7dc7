"""Nodes that find faces, mask them and draw them."""

from __future__ import annotations

from comfy_api.latest import io

from ..engine.cast import REGIONS
from . import sockets
from .sockets import ADVANCED

_OPEN = object()  # an input that is not wired; one that is wired is None until its node has run


def boxes_of(faces) -> list[list[dict]]:
    """``Faces`` as core's BOUNDING_BOX: per frame, each face that is there."""
    rows = []
    for frame in range(faces.frames):
        row = []
        for face in faces.at(frame):
            if face is None:
                continue
            x0, y0, x1, y1 = face.box
            row.append(
                {
                    "x": x0,
                    "y": y0,
                    "width": x1 - x0,
                    "height": y1 - y0,
                    "label": "face",
                    "score": float(face.confidence),
                }
            )
        rows.append(row)
    return rows


class DetectFaces(io.ComfyNode):
    """Finds everybody in a picture or clip and keeps them apart over time."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeDetectFaces",
            display_name="Detect Faces",
            category="Troupe/faces",
            description="Finds up to 16 faces in a picture or clip, numbers them left to right and follows each one.",
            is_output_node=True,  # so that its part of the graph can be run alone, to pick faces in
            inputs=[
                io.Image.Input(
                    "image",
                    optional=True,
                    tooltip="A picture, or a batch that is the frames of a clip. Connect this or 'video'.",
                ),
                io.Video.Input(
                    "video",
                    optional=True,
                    tooltip="A clip, read frame by frame without loading all of it. Connect this or 'image'.",
                ),
                sockets.FaceLandmarks.Input(
                    "face_landmarks",
                    optional=True,
                    tooltip="Faces found by core's Detect Face Landmarks (MediaPipe). Used instead of searching.",
                ),
                sockets.fps_input("Frames per second of an image batch; a video brings its own. Usual: 25."),
                io.Int.Input(
                    "max_faces",
                    default=16,
                    min=1,
                    max=16,
                    tooltip="Most faces to keep, the largest first. Lower it to ignore bystanders. Usual: 16.",
                ),
                io.Float.Input(
                    "min_size",
                    default=24.0,
                    min=8.0,
                    max=4096.0,
                    step=1.0,
                    tooltip="Faces smaller than this many pixels are ignored. Usual: 24.",
                    extra_dict=ADVANCED,
                ),
                io.Float.Input(
                    "min_confidence",
                    default=0.5,
                    min=0.05,
                    max=1.0,
                    step=0.01,
                    tooltip="How sure the detector must be. Lower finds more faces and more mistakes. Usual: 0.5.",
                    extra_dict=ADVANCED,
                ),
                io.Boolean.Input(
                    "smooth",
                    default=True,
                    tooltip="Takes the jitter out of a clip's landmarks without lagging behind speech. Usual: on.",
                    extra_dict=ADVANCED,
                ),
            ],
            outputs=[
                sockets.Faces.Output(display_name="faces"),
                io.Int.Output(display_name="count"),
                sockets.BoundingBox.Output(display_name="bboxes"),
            ],
        )

    @classmethod
    def validate_inputs(cls, image=_OPEN, video=_OPEN, face_landmarks=_OPEN) -> bool:
        """Refuses a node with nothing to look at before the job begins: ComfyUI then marks it and runs the others."""
        from ..host.clips import nothing_to_look_at

        if image is _OPEN and video is _OPEN and face_landmarks is _OPEN:
            raise nothing_to_look_at()
        return True

    @classmethod
    def execute(
        cls, fps, max_faces, min_size, min_confidence, smooth, image=None, video=None, face_landmarks=None
    ) -> io.NodeOutput:
        from ..engine.faces import faces_from_core, require_faces
        from ..host.clips import choose_clip, frame_at
        from ..host.detect import detect
        from ..host.faces_ui import faces_ui, fullest_frame

        clip = choose_clip(image, video, fps, needed=face_landmarks is None)
        if face_landmarks is not None:
            faces = require_faces(
                faces_from_core(face_landmarks, clip.fps if clip else fps), "face_landmarks"
            )
        else:
            faces = detect(
                clip,
                max_faces=max_faces,
                min_size=min_size,
                min_confidence=min_confidence,
                smooth=smooth,
            )
        shown = fullest_frame(faces)
        picture = frame_at(clip, shown, faces.height, faces.width)
        view = faces_ui(faces, picture, shown, cls.hidden.prompt)
        return io.NodeOutput(faces, len(faces), boxes_of(faces), ui=view)


class FaceMasks(io.ComfyNode):
    """Masks that follow the faces."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeFaceMasks",
            display_name="Face Masks",
            category="Troupe/faces",
            description="A mask for each frame that follows a region of one person or of everybody.",
            inputs=[
                sockets.Faces.Input(
                    "faces", tooltip="From Detect Faces. One mask is made for each of its frames."
                ),
                io.Combo.Input(
                    "region",
                    options=list(REGIONS),
                    default="face",
                    tooltip="What is white: the face oval, the lips, both eyes, the head with its hair, the body with the head, "
                    "or the full frame. Usual: face.",
                ),
                io.Float.Input(
                    "feather",
                    default=0.15,
                    min=0.0,
                    max=2.0,
                    step=0.01,
                    tooltip="Width of the soft edge, in distances between the eyes. 0 is hard, 0.15 is usual.",
                ),
                sockets.person_input(
                    "person", "Whose mask: 0 is everybody, 1 the leftmost person. Usual: 0.", minimum=0
                ),
                io.Boolean.Input(
                    "hold",
                    default=False,
                    tooltip="In frames without the face, keep its mask where it must be. Off leaves them black. Usual: off.",
                    extra_dict=ADVANCED,
                ),
            ],
            outputs=[io.Mask.Output(display_name="mask")],
        )

    @classmethod
    def execute(cls, faces, region, feather, person, hold) -> io.NodeOutput:
        import numpy as np
        import torch

        from ..engine.faces import region_masks
        from ..host.tensors import check_memory

        check_memory(faces.frames, faces.height, faces.width)
        tracks = [faces.person(person)] if person else list(faces)
        mask = np.zeros((faces.frames, faces.height, faces.width), np.float32)
        for track in tracks:
            np.maximum(mask, region_masks(track, region, faces.height, faces.width, feather, hold), out=mask)
        return io.NodeOutput(torch.from_numpy(mask))


class DrawFaces(io.ComfyNode):
    """Landmarks and numbers over the picture or clip."""

    @classmethod
    def define_schema(cls):
        return io.Schema(
            node_id="TroupeDrawFaces",
            display_name="Draw Faces",
            category="Troupe/faces",
            description="Draws each face's landmarks, box and number, to see who is who and how well they were found.",
            inputs=[
                io.Image.Input("image", tooltip="The picture or frames that the faces were found in."),
                sockets.Faces.Input("faces", tooltip="From Detect Faces."),
            ],
            outputs=[io.Image.Output(display_name="image")],
        )

    @classmethod
    def execute(cls, image, faces) -> io.NodeOutput:
        from ..engine.faces import draw_faces
        from ..host.clips import same_frames
        from ..host.progress import NodeProgress
        from ..host.tensors import check_image, empty_frames, put_frame, to_uint8

        check_image(image, "image")
        same_frames(image, faces)
        progress = NodeProgress()
        out, room = empty_frames(*image.shape[:3])
        for t, frame in enumerate(image):
            put_frame(room, t, draw_faces(to_uint8(frame), faces, t))
            progress(t + 1, len(image))
        return io.NodeOutput(out)
