"""Which tokens of a latent video belong to which face of the picture, and so follow which role.

The video is a grid of L latent frames of gh x gw tokens, 16 x 16 pixels each; latent frame 0 stands for frame 0,
latent frame i for frames 4i - 3 to 4i. ComfyUI fits a picture to it by cutting off what is too wide or too high,
equally on both sides, and scaling the rest (``comfy.utils.common_upscale(..., "center")``); faces are fitted alike.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ..cast import Role
from ..errors import TroupeError
from ..faces.regions import LEFT_EYE, LIPS, RIGHT_EYE, outlines
from ..faces.types import Face, Faces

MODES = ("tracked", "fixed")
BACKGROUNDS = ("all", "none")
MOST_ROLES = 16  # as many as ``kernels.face_attention`` takes
TOKEN = 16
# How far a territory reaches or moves beyond the face, in face sizes at most (FantasyPortrait's rule).
MOST_REACH = 0.25
# A token belongs to a region that covers a sixteenth of it, counted in 8 x 8 cells.
LEAST_SHARE = 1 / 16
CELLS = 8
LEAST_ZOOM, MOST_ZOOM = 0.8, 1.25

Grid = tuple[int, int, int]


@dataclass(frozen=True, eq=False)
class _Head:
    """A face of the picture in pixels of the video, and the driving face's boxes ``[F, 4]`` (None: it stays)."""

    number: int
    face: Face
    path: np.ndarray | None

    @property
    def sides(self) -> np.ndarray:
        x0, y0, x1, y1 = self.face.box
        return np.array([x1 - x0, y1 - y0])

    def ways(self) -> tuple[np.ndarray, np.ndarray]:
        """How far the head has moved (pixels ``[F, 2]``) and grown (``[F]``); of one frame if it stays."""
        if self.path is None:
            return np.zeros((1, 2)), np.ones(1)
        low, high = self.path[:, :2], self.path[:, 2:]
        sides, middle = (high - low).clip(0), (low + high) / 2
        zoom = np.sqrt(sides.prod(1) / sides[0].prod())
        # Drivers walk and come closer; expressions do not carry that over, heads follow a little of it at most.
        way = ((middle - middle[0]) / sides[0]).clip(-MOST_REACH, MOST_REACH) * self.sides
        return way, zoom.clip(LEAST_ZOOM, MOST_ZOOM)


def territories(
    faces: Faces,
    roles: Sequence[Role],
    paths: Sequence[np.ndarray | None],
    grid: Grid,
    frames: int,
    *,
    mode: str = "tracked",
    background: str = "all",
    others: Mapping[int, np.ndarray | None] | None = None,
) -> np.ndarray:
    """Which roles each token sees.

    A face with a role owns a territory, and its tokens see no other face's role. ``tracked``: the head's outline,
    moved and scaled as the driving face's box; where heads overlap, the token goes to the one whose middle is nearer
    in its own sizes. ``fixed``: FantasyPortrait's rule (see ``fixed_boxes``), constant over time.

    A role of region ``full`` is seen by its territory and, with ``background`` ``all``, by all tokens that are
    in nobody's; ``head``, ``face``, ``lips`` and ``eyes`` by that part of the territory alone; ``body`` by the
    territory and by the body where it is in nobody's. So one role of region ``full`` is seen by every token.

    Args:
        faces: Of the picture, at its own size.
        roles: 1 to 16, of different faces (the roles of one adapter).
        paths: For each role the driving face's boxes ``[F, 4]`` ``(x0, y0, x1, y1)`` in any one scale, a row for
            each frame of the video; None: it stays.
        grid: (L, gh, gw).
        frames: F, 4 (L - 1) + 1.
        mode: ``tracked`` or ``fixed``.
        background: ``all`` or ``none``.
        others: Faces that another adapter drives, with their paths: their territory is theirs, too.

    Returns:
        int32 ``[L, gh * gw]``, bit r set where the token sees ``roles[r]``.

    Raises:
        TroupeError: on too many roles, a face that does not exist, and a role that no token would see.
    """
    _check(roles, paths, grid, frames, mode, background)
    drives = {role.face: path for role, path in zip(roles, paths, strict=True)}
    heads = _heads(faces, {**(others or {}), **drives}, grid, frames, mode)
    owners = _tracked(heads, grid) if mode == "tracked" else _fixed(heads, grid)
    place = {role.face: r + 1 for r, role in enumerate(roles)}
    # Labels: 0 nobody's, r + 1 that of role r's face, beyond the roles a face of another adapter.
    labels = np.array([0, *(place.get(h.number, len(roles) + 1) for h in heads)])[owners]
    seen = labels_to_seen(labels, len(roles), background)
    by_number = {h.number: h for h in heads}
    for r, role in enumerate(roles):
        head, own = by_number[role.face], labels == r + 1
        if role.region != "full":
            part = _swept(head, role.region, grid, constant=mode == "fixed")
            if role.region == "body":
                mine = own | part & (labels == 0)
            else:
                mine = own = own & part
            seen = np.where(mine, seen | 1 << r, seen & ~(1 << r))
        if not own.any():
            raise _unseen(head, role.region, grid, mode)
    return seen.astype(np.int32)


def labels_to_seen(labels: np.ndarray, roles: int, background: str = "all") -> np.ndarray:
    """Bits of roles from a map of faces: label r + 1 sees role r, 0 (background) all or none, higher ones none."""
    bits = [(1 << roles) - 1 if background == "all" else 0, *(1 << r for r in range(roles))]
    bits += [0] * max(0, int(labels.max(initial=0)) - roles)
    return np.array(bits, np.int32)[labels]


def fitted(points: np.ndarray, height: int, width: int, rows: int, columns: int) -> np.ndarray:
    """Points ``[N, 2 or 3]`` of a picture in pixels of the video of ``rows`` x ``columns`` tokens; float64."""
    high, wide = rows * TOKEN, columns * TOKEN
    shape, wanted = width / height, wide / high
    x = round((width - width * (wanted / shape)) / 2) if shape > wanted else 0
    y = round((height - height * (shape / wanted)) / 2) if shape < wanted else 0
    scale = np.array([wide / (width - 2 * x), high / (height - 2 * y)])
    scale = np.append(scale, np.sqrt(scale.prod()))[: points.shape[1]]
    return (points - np.array([x, y, 0.0])[: points.shape[1]]) * scale


def fixed_boxes(boxes: np.ndarray, paths: Sequence[np.ndarray | None], height: int, width: int) -> np.ndarray:
    """FantasyPortrait's territories: face boxes grown by how far the driving faces get about.

    Each side moves out by the largest excursion of the driving box's side from where it is in the first frame, as
    a fraction of that first box, a quarter at most.

    Args:
        boxes: ``[N, 4]`` ``(x0, y0, x1, y1)`` pixels.
        paths: For each the driving face's boxes ``[F, 4]``, None for one that stays.
        height, width: Of the picture.

    Returns:
        int ``[N, 4]`` pixels, half open, inside the picture.
    """
    out = []
    for box, path in zip(np.asarray(boxes, np.float64), paths, strict=True):
        reach = np.zeros(4)
        if path is not None:
            path = np.asarray(path, np.float64)
            x0, y0, x1, y1 = path[0]
            moves = np.concatenate([path[0, :2] - path[:, :2].min(0), path[:, 2:].max(0) - path[0, 2:]])
            reach = np.minimum(moves / [x1 - x0, y1 - y0, x1 - x0, y1 - y0], MOST_REACH)
        sides = np.trunc(box[2:] - box[:2])
        grown = box + np.concatenate([-sides, sides]) * reach
        out.append(np.trunc(grown).clip(0, [width, height, width, height]))
    return np.array(out, np.int64).reshape(-1, 4)


def _check(
    roles: Sequence[Role],
    paths: Sequence[np.ndarray | None],
    grid: Grid,
    frames: int,
    mode: str,
    background: str,
) -> None:
    if len(roles) > MOST_ROLES:
        raise TroupeError(
            f"{len(roles)} faces cannot act at once",
            f"a video takes up to {MOST_ROLES} roles of one kind",
            "Leave some of the faces out of the cast",
        )
    if not roles or len(paths) != len(roles) or len({role.face for role in roles}) < len(roles):
        raise ValueError(f"{len(roles)} roles of different faces need as many paths, got {len(paths)}")
    if min(grid) < 1 or frames != 4 * (grid[0] - 1) + 1:
        raise ValueError(f"{frames} frames do not make a grid of {grid}")
    if mode not in MODES or background not in BACKGROUNDS:
        raise ValueError(f"mode is one of {MODES}, background one of {BACKGROUNDS}, got {mode}, {background}")


def _heads(
    faces: Faces, drives: Mapping[int, np.ndarray | None], grid: Grid, frames: int, mode: str
) -> list[_Head]:
    """The driven faces in the video, left to right."""
    heads = []
    for number, path in drives.items():
        face = faces.person(number).first
        landmarks = fitted(face.landmarks.astype(np.float64), faces.height, faces.width, *grid[1:])
        if path is not None:
            path = np.asarray(path, np.float64)
            if path.ndim != 2 or path.shape[1] != 4 or not len(path) or not np.isfinite(path).all():
                raise ValueError(f"the path of face {number} is no table of boxes, got {list(path.shape)}")
            if (path[0, 2:] <= path[0, :2]).any() or (mode == "tracked" and len(path) != frames):
                raise ValueError(
                    f"the path of face {number} has {len(path)} boxes for {frames} frames, from {path[0]}"
                )
        heads.append(_Head(number, replace(face, landmarks=landmarks.astype(np.float32)), path))
    return sorted(heads, key=lambda h: (h.face.centre[0], h.number))


def _fixed(heads: list[_Head], grid: Grid) -> np.ndarray:
    """Owners int ``[L, gh * gw]``: 0 nobody, i + 1 the i-th head. The one further right wins."""
    latents, rows, columns = grid
    boxes = fixed_boxes([h.face.box for h in heads], [h.path for h in heads], rows * TOKEN, columns * TOKEN)
    owners = np.zeros((rows, columns), np.int64)
    for i, (x0, y0, x1, y1) in enumerate(boxes.tolist()):
        if x1 > x0 and y1 > y0:
            owners[y0 // TOKEN : -(-y1 // TOKEN), x0 // TOKEN : -(-x1 // TOKEN)] = i + 1
    return np.broadcast_to(owners.ravel(), (latents, rows * columns))


def _tracked(heads: list[_Head], grid: Grid) -> np.ndarray:
    """Like ``_fixed``; a token of several heads goes to the nearest, of equally near ones to the left."""
    latents, rows, columns = grid
    owners = np.zeros((latents, rows * columns), np.int64)
    nearest = np.full(owners.shape, np.inf, np.float32)
    y, x = ((np.mgrid[:rows, :columns].reshape(2, -1) + 0.5) * TOKEN).astype(np.float32)
    for i, head in enumerate(heads):
        inside = _swept(head, "head", grid)
        shift, zoom = head.ways()
        spans = [_span(latent, len(zoom)) for latent in range(latents)]
        middle = np.array([shift[s].mean(0) for s in spans], np.float32) + np.float32(head.face.centre)
        size = np.array([zoom[s].mean() for s in spans], np.float32) * np.float32(head.face.size)
        away = np.hypot(x - middle[:, :1], y - middle[:, 1:]) / size[:, None]
        taken = inside & (away < nearest)
        owners[taken], nearest[taken] = i + 1, away[taken]
    return owners


def _span(latent: int, frames: int) -> slice:
    """The frames behind a latent frame; the only one of what stays."""
    return slice(0, 1) if latent == 0 or frames == 1 else slice(4 * latent - 3, 4 * latent + 1)


def _swept(head: _Head, region: str, grid: Grid, constant: bool = False) -> np.ndarray:
    """bool ``[L, gh * gw]``: tokens that a region covers in any of the frames behind each latent frame.

    ``constant``: in any frame of the video.
    """
    import cv2

    latents, rows, columns = grid
    shift, zoom = head.ways()
    pivot = np.array(head.face.centre)
    # Corners in 1/16 cells; OpenCV counts from the centres of its pixels, here cells.
    still = [polygon - pivot for polygon in outlines(head.face, region)]
    moved = [(p[None] * zoom[:, None, None] + (pivot + shift)[:, None]) * (CELLS / TOKEN) for p in still]
    corners = [np.round((p - 0.5) * 16).clip(-(2**24), 2**24).astype(np.int32) for p in moved]
    covered = np.zeros((len(zoom), rows, columns), bool)
    cells = np.empty((rows * CELLS, columns * CELLS), np.uint8)
    for frame in range(len(zoom)):
        cells[:] = 0
        for polygon in corners:
            cv2.fillPoly(cells, [polygon[frame]], 255, lineType=cv2.LINE_AA, shift=4)
        share = cv2.resize(cells, (columns, rows), interpolation=cv2.INTER_AREA)
        covered[frame] = share >= LEAST_SHARE * 255
    covered = covered.reshape(len(zoom), rows * columns)
    spans = range(1) if constant or len(zoom) == 1 else range(latents)
    out = np.array([covered[slice(None) if constant else _span(i, len(zoom))].any(0) for i in spans])
    return np.broadcast_to(out, (latents, rows * columns))


def _unseen(head: _Head, region: str, grid: Grid, mode: str) -> TroupeError:
    """Why no token belongs to a face's region."""
    high, wide = grid[1] * TOKEN, grid[2] * TOKEN
    parts = {"lips": LIPS, "eyes": (*LEFT_EYE, *RIGHT_EYE)}
    points = head.face.landmarks[list(parts[region]) if region in parts else slice(0, 468), :2]
    (x0, y0), (x1, y1) = points.min(0), points.max(0)
    name = "territory" if region == "full" else region
    hold = "hold" if region in parts else "holds"
    what = f"The {name} of face {head.number} {hold} no token of the video"
    size = f"it measures {x1 - x0:.0f} x {y1 - y0:.0f} pixels in the video of {wide} x {high}"
    if x1 <= 0 or y1 <= 0 or x0 >= wide or y0 >= high:
        return TroupeError(
            what,
            f"{size} and lies outside of it, since the picture's edges are cut off to fit",
            "Choose a video of the picture's shape, or crop the picture so that this face is in it",
        )
    if _swept(head, "head" if region == "full" else region, grid, constant=mode == "fixed").any():
        return TroupeError(
            what,
            f"{size}, and all of it lies in the territory of a face beside or in front of it",
            "Leave one of the two faces out of the cast",
        )
    return TroupeError(
        what,
        f"{size}, too little for tokens of {TOKEN} x {TOKEN} pixels",
        "Make a larger video, crop the picture closer to the face, or use the region 'head' or 'full'",
    )
