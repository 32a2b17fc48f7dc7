"""Face models of mediapipe up to 0.10.21, whose wheel carries them.

The ready-made ``FaceMesh`` hides the presence score and runs its detector again on every crop, so two small
graphs are made of mediapipe's own parts instead: 1.5 ms for a detector tile and 3 ms for a mesh on one core.
"""

from __future__ import annotations

import importlib.util
import math
import threading
from pathlib import Path

import numpy as np

from .detector import TILE, Candidate, Mesh
from .quiet import quiet
from .types import LANDMARKS

_DETECTOR = """
input_stream: "image"
output_stream: "found"
node { calculator: "FaceDetectionShortRangeCpu" input_stream: "IMAGE:image" output_stream: "DETECTIONS:found" }
"""

_MESH = """
input_stream: "image"
output_stream: "landmarks"
output_stream: "score"
node { calculator: "ConstantSidePacketCalculator" output_side_packet: "PACKET:refined"
  options { [mediapipe.ConstantSidePacketCalculatorOptions.ext] { packet { bool_value: true } } } }
node { calculator: "FaceLandmarksModelLoader"
  input_side_packet: "WITH_ATTENTION:refined" output_side_packet: "MODEL:model" }
node { calculator: "TfLiteCustomOpResolverCalculator" output_side_packet: "OP_RESOLVER:operators" }
node { calculator: "ImageToTensorCalculator" input_stream: "IMAGE:image" output_stream: "TENSORS:pixels"
  options { [mediapipe.ImageToTensorCalculatorOptions.ext] {
    output_tensor_width: 192 output_tensor_height: 192 output_tensor_float_range { min: 0.0 max: 1.0 } } } }
node { calculator: "InferenceCalculator"
  input_side_packet: "OP_RESOLVER:operators" input_side_packet: "MODEL:model"
  input_stream: "TENSORS:pixels" output_stream: "TENSORS:outputs"
  options { [mediapipe.InferenceCalculatorOptions.ext] { delegate { xnnpack { num_threads: 1 } } } } }
node { calculator: "SplitTensorVectorCalculator" input_stream: "outputs"
  output_stream: "points" output_stream: "presence"
  options { [mediapipe.SplitVectorCalculatorOptions.ext] {
    ranges: { begin: 0 end: 6 } ranges: { begin: 6 end: 7 } } } }
node { calculator: "TensorsToFloatsCalculator" input_stream: "TENSORS:presence" output_stream: "FLOAT:score"
  options { [mediapipe.TensorsToFloatsCalculatorOptions.ext] { activation: SIGMOID } } }
node { calculator: "TensorsToFaceLandmarksWithAttention"
  input_stream: "TENSORS:points" output_stream: "LANDMARKS:landmarks" }
"""


def available() -> bool:
    """Whether a mediapipe with the old graphs is installed (looked up without importing it)."""
    found = importlib.util.find_spec("mediapipe")
    if found is None or not found.submodule_search_locations:
        return False
    return any(
        next((Path(folder) / "python").glob("_framework_bindings*"), None) is not None
        for folder in found.submodule_search_locations
    )


class Solutions:
    """See ``detector.Backend``."""

    name = "solutions"
    crop_scale = 1.5
    crop_size = 192

    def __init__(self):
        with quiet():
            self._detector = _Graph(_DETECTOR, {"found": "get_proto_list"})
            self._mesher = _Graph(_MESH, {"landmarks": "get_proto", "score": "get_float"})
            # The first run compiles the network and is what chatters.
            self._detector(np.zeros((TILE, TILE, 3), np.uint8))
            self._mesher(np.zeros((self.crop_size, self.crop_size, 3), np.uint8))

    def detect(self, tile: np.ndarray) -> list[Candidate]:
        height, width = tile.shape[:2]
        found = []
        for detection in self._detector(tile).get("found", ()):
            place = detection.location_data
            box = place.relative_bounding_box
            right, left = place.relative_keypoints[:2]
            angle = math.degrees(math.atan2((left.y - right.y) * height, (left.x - right.x) * width))
            found.append(
                Candidate(
                    (box.xmin + box.width / 2) * width,
                    (box.ymin + box.height / 2) * height,
                    max(box.width * width, box.height * height),
                    angle,
                    float(detection.score[0]),
                )
            )
        return found

    def mesh(self, crop: np.ndarray) -> Mesh | None:
        out = self._mesher(crop)
        if "landmarks" not in out:
            return None
        points = np.array([(p.x, p.y, p.z) for p in out["landmarks"].landmark], np.float32)
        if points.shape != (LANDMARKS, 3):
            return None
        return Mesh(points * np.float32(crop.shape[1]), float(out["score"]))

    def close(self) -> None:
        self._detector.close()
        self._mesher.close()


class _Graph:
    """A running mediapipe graph with one image in; call it for a dict of its outputs."""

    def __init__(self, config: str, getters: dict[str, str]):
        import mediapipe
        from mediapipe.python import packet_creator, packet_getter
        from mediapipe.python._framework_bindings import calculator_graph, image_frame, resource_util

        resource_util.set_resource_dir(str(Path(mediapipe.__file__).parent.parent))
        self._packet, self._format = packet_creator.create_image_frame, image_frame.ImageFormat.SRGB
        self._graph = calculator_graph.CalculatorGraph(graph_config=config)
        self._out: dict[str, object] = {}
        self._time, self._lock = 0, threading.Lock()
        for stream, getter in getters.items():
            read = getattr(packet_getter, getter)
            self._graph.observe_output_stream(stream, lambda n, p, r=read: self._out.__setitem__(n, r(p)))
        self._graph.start_run()

    def __call__(self, image: np.ndarray) -> dict:
        with self._lock:
            self._out.clear()
            self._time += 1
            packet = self._packet(data=np.ascontiguousarray(image), image_format=self._format)
            self._graph.add_packet_to_input_stream("image", packet.at(self._time))
            self._graph.wait_until_idle()
            return dict(self._out)

    def close(self) -> None:
        self._graph.close()
