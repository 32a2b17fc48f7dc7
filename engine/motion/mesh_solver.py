"""Spreads displacements of a few points over the face mesh: a screened-harmonic solve on the mesh graph."""

from __future__ import annotations

import numpy as np

from .mesh import MESH_POINTS, mean_mesh

SCREENING = 0.03
HANDLE_STIFFNESS = 1e3


class MeshSolver:
    """Spreads handle displacements over the mesh graph of one face."""

    def __init__(self, rest: np.ndarray, screening: float = SCREENING):
        from scipy.sparse import coo_matrix

        edges = mean_mesh().edges
        length = np.linalg.norm(rest[edges[:, 0]] - rest[edges[:, 1]], axis=1)
        weight = 0.1 / (length + 0.02)
        i, j = np.concatenate([edges, edges[:, ::-1]]).T
        graph = coo_matrix((np.tile(weight, 2), (i, j)), shape=(MESH_POINTS, MESH_POINTS)).tocsr()
        self.degree = np.asarray(graph.sum(1)).ravel()
        self.graph, self.screening = graph, screening

    def spread(self, points: list[int], values: np.ndarray) -> np.ndarray:
        """Solve for all mesh points. ``values [H, K]`` at ``points [H]`` -> ``[468, K]``."""
        from scipy.sparse import diags
        from scipy.sparse.linalg import splu

        stiff = np.full(MESH_POINTS, self.screening * self.degree.mean() * 0.1)
        stiff[points] += HANDLE_STIFFNESS
        right = np.zeros((MESH_POINTS, values.shape[1]))
        right[points] = HANDLE_STIFFNESS * values
        return splu((diags(self.degree + stiff) - self.graph).tocsc()).solve(right)
