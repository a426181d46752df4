"""From embeddings to groups: which faces belong to one person, without names. Knows no library."""

from facesearch.evaluation.cluster_scores import ClusterScores, score_clusters
from facesearch.people.clusters.bounds import Bounds
from facesearch.people.clusters.groups import LEAST_FACES, NEIGHBOURS, KnownFaces, group_faces
from facesearch.people.clusters.neighbours import Progress

__all__ = [
    "LEAST_FACES",
    "NEIGHBOURS",
    "Bounds",
    "ClusterScores",
    "KnownFaces",
    "Progress",
    "group_faces",
    "score_clusters",
]
