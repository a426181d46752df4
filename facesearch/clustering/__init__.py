"""From embeddings to groups: who is whom among many faces, without any name. Refuses to know of libraries and names."""

from facesearch.clustering.bounds import Bounds
from facesearch.clustering.grouping import LEAST_FACES, KnownFaces, group_faces
from facesearch.clustering.neighbours import Progress
from facesearch.clustering.scores import ClusterScores, score_clusters

__all__ = ["LEAST_FACES", "Bounds", "ClusterScores", "KnownFaces", "Progress", "group_faces", "score_clusters"]
